/* SPDX-License-Identifier: Apache-2.0
 *
 * calls_fetch.c - downloads, typed: see calls.h.
 */
#include <plugin/calls.h>

#include <base/alloc.h>
#include <base/clock.h>
#include <base/jsonx.h>
#include <plugin/wire.h>

#include <stdlib.h>
#include <string.h>

/* What stalls is ended by its own limits; the rest takes what it takes. */
#define DOWNLOAD_TIMEOUT_NS (7 * 24 * 3600 * NS_PER_S)
#define ASK_TIMEOUT_NS      (300 * NS_PER_S)

void downloaded_finish(struct downloaded *d)
{
	free(d->url);
	free(d->digest);
	memset(d, 0, sizeof(*d));
}

static struct json_object *split(const char *urls)
{
	struct json_object *arr = json_object_new_array();

	while (urls != NULL && *urls != '\0') {
		size_t n = strcspn(urls, " ");

		if (n != 0)
			json_object_array_add(arr, json_object_new_string_len(urls, (int)n));
		urls += n + (urls[n] == ' ');
	}
	return arr;
}

static struct worker_request request(const char *op, uint64_t timeout_ns)
{
	return (struct worker_request){ .kind = WIRE_FETCH,
					.name = "",
					.op = op,
					.args = json_object_new_object(),
					.timeout_ns = timeout_ns };
}

static void add_image(struct worker_request *rq, const struct download *d)
{
	jsonx_set(rq->args, "urls", split(d->urls));
	jsonx_set(rq->args, "digest_urls", split(d->digest_urls));
	jsonx_set_str(rq->args, "digest", d->digest);
}

struct worker_request download_request(const struct download *d)
{
	static const char *const names[] = { "dir" };
	struct worker_request rq = request("download", DOWNLOAD_TIMEOUT_NS);

	add_image(&rq, d);
	jsonx_set_str(rq.args, "disk", d->disk);
	jsonx_set_int(rq.args, "bytes", (int64_t)d->bytes);
	jsonx_set_str(rq.args, "format", d->format);
	jsonx_set_str(rq.args, "name", d->name);
	rq.fds = &d->dir;
	rq.fd_names = names;
	rq.n_fds = 1;
	return rq;
}

static bool take_hex(struct json_object *o, const char *key, char hex[65])
{
	const char *s = jsonx_str(o, key, "");

	if (strlen(s) != 64 || strspn(s, "0123456789abcdef") != 64)
		return false;
	memcpy(hex, s, 65);
	return true;
}

int download_parse(struct json_object *answer, struct downloaded *ret, struct holos_error **err)
{
	const char *format = jsonx_str(answer, "format", "");
	struct downloaded d = { .bytes = (uint64_t)jsonx_int(answer, "bytes", 0),
				.size = (uint64_t)jsonx_int(answer, "size", 0) };

	if (!take_hex(answer, "download", d.download) || !take_hex(answer, "disk", d.disk) ||
	    (strcmp(format, "qcow2") != 0 && strcmp(format, "raw") != 0))
		return error_set(err, ERR_FAILED, "the download ended with nonsense");
	strcpy(d.format, format);
	d.url = xstrdup(jsonx_str(answer, "url", ""));
	d.digest = xstrdup_null(jsonx_str(answer, "digest", NULL));
	*ret = d;
	return 0;
}

struct worker_request download_check_request(const struct download *d)
{
	struct worker_request rq = request("check", ASK_TIMEOUT_NS);

	add_image(&rq, d);
	return rq;
}

struct worker_request download_newest_request(const char *url)
{
	struct worker_request rq = request("newest", ASK_TIMEOUT_NS);

	jsonx_set_str(rq.args, "url", url);
	return rq;
}

struct worker_request hash_request(const int *fd)
{
	static const char *const names[] = { "file" };
	struct worker_request rq = request("hash", DOWNLOAD_TIMEOUT_NS);

	rq.fds = fd;
	rq.fd_names = names;
	rq.n_fds = 1;
	return rq;
}

struct worker_request download_wait_request(const int fds[2], const char *name)
{
	static const char *const names[] = { "lock", "dir" };
	struct worker_request rq = request("wait", DOWNLOAD_TIMEOUT_NS);
	_cleanup_(freep) char *part = xasprintf("%s.part", name);

	jsonx_set_str(rq.args, "part", part);
	rq.fds = fds;
	rq.fd_names = names;
	rq.n_fds = 2;
	return rq;
}
