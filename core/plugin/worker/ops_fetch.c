/* SPDX-License-Identifier: Apache-2.0
 *
 * ops_fetch.c - downloads: the operations of kind "fetch", which are holos' own and
 * have no plugin, and the holos.fetch/1 table for plugins.  Both stand on the module
 * holos-fetch.so.
 */
#include <plugin/worker/worker.h>

#include <base/alloc.h>
#include <base/jsonx.h>
#include <fetch/fetch.h>
#include <holos/fetch.h>
#include <plugin/wire.h>

#include <string.h>

static void on_progress(void *data, const char *what, uint64_t done, uint64_t total)
{
	worker_host.progress(data, what, done, total);
}

static struct fetch_limits limits_of(struct holos_call *c)
{
	return (struct fetch_limits){ .deadline_ns = c->deadline_ns,
				      .cancel_fd = WIRE_CANCEL_FD,
				      .progress = on_progress,
				      .data = c };
}

static holos_status get_module(struct holos_call *c, const struct holos_fetch_module **ret)
{
	_cleanup_(error_destroyp) struct holos_error *why = NULL;

	return fetch_module(ret, &why) < 0 ? call_fail_error(c, HOLOS_E_UNAVAIL, &why) : HOLOS_OK;
}

static size_t read_urls(struct json_object *arr, const char *urls[FETCH_URLS_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < jsonx_len(arr) && n < FETCH_URLS_MAX; i++) {
		urls[n] = jsonx_str_at(arr, i);
		n += urls[n] != NULL;
	}
	return n;
}

static holos_status read_image(struct holos_call *c, struct fetch_image *ret)
{
	*ret = (struct fetch_image){
		.digest = jsonx_str(c->args, "digest", NULL),
		.disk = jsonx_str(c->args, "disk", NULL),
		.bytes = (uint64_t)jsonx_int(c->args, "bytes", 0),
		.format = jsonx_str(c->args, "format", NULL),
		.dir = call_fd(c, "dir"),
		.name = jsonx_str(c->args, "name", ""),
	};
	ret->n_urls = read_urls(jsonx_arr(c->args, "urls"), ret->urls);
	ret->n_digest_urls = read_urls(jsonx_arr(c->args, "digest_urls"), ret->digest_urls);
	return ret->n_urls != 0 ? HOLOS_OK : call_fail(c, HOLOS_E_INTERNAL, "no URL");
}

static holos_status run_image(struct holos_call *c)
{
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	const struct holos_fetch_module *m;
	const struct fetch_limits limits = limits_of(c);
	struct fetch_result result = { 0 };
	struct fetch_image want;
	holos_status status = read_image(c, &want);

	if (status == HOLOS_OK)
		status = get_module(c, &m);
	if (status != HOLOS_OK)
		return status;
	status = m->image(&want, &limits, &result, &why);
	if (status != HOLOS_OK)
		return call_fail_error(c, status, &why);
	jsonx_set_str(c->result, "url", result.url);
	jsonx_set_str(c->result, "digest", result.digest);
	jsonx_set_str(c->result, "download", result.download);
	jsonx_set_str(c->result, "disk", result.disk);
	jsonx_set_str(c->result, "format", result.format);
	jsonx_set_int(c->result, "bytes", (int64_t)result.bytes);
	jsonx_set_int(c->result, "size", (int64_t)result.size);
	jsonx_set_int(c->result, "virtual_size", (int64_t)result.virtual_size);
	fetch_result_finish(&result);
	return HOLOS_OK;
}

static holos_status run_check(struct holos_call *c)
{
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	const struct holos_fetch_module *m;
	const struct fetch_limits limits = limits_of(c);
	_cleanup_(freep) char *digest = NULL;
	_cleanup_(freep) char *url = NULL;
	struct fetch_image want;
	holos_status status = read_image(c, &want);

	if (status == HOLOS_OK)
		status = get_module(c, &m);
	if (status != HOLOS_OK)
		return status;
	status = m->check(&want, &limits, &digest, &url, &why);
	if (status != HOLOS_OK)
		return call_fail_error(c, status, &why);
	jsonx_set_str(c->result, "digest", digest);
	jsonx_set_str(c->result, "url", url);
	return HOLOS_OK;
}

static holos_status run_newest(struct holos_call *c)
{
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	const struct holos_fetch_module *m;
	const struct fetch_limits limits = limits_of(c);
	const char *url = jsonx_str(c->args, "url", NULL);
	_cleanup_(freep) char *name = NULL;
	holos_status status = get_module(c, &m);

	if (status == HOLOS_OK && (url == NULL || strchr(url, '/') == NULL))
		status = call_fail(c, HOLOS_E_INTERNAL, "no URL");
	if (status != HOLOS_OK)
		return status;
	status = m->newest(url, &limits, &name, &why);
	if (status != HOLOS_OK)
		return call_fail_error(c, status, &why);
	jsonx_set_str(c->result, "name", name);
	return HOLOS_OK;
}

static holos_status run_hash(struct holos_call *c)
{
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	const struct holos_fetch_module *m;
	const struct fetch_limits limits = limits_of(c);
	holos_status status = get_module(c, &m);
	char hex[65];

	if (status != HOLOS_OK)
		return status;
	status = m->hash(call_fd(c, "file"), &limits, hex, &why);
	if (status != HOLOS_OK)
		return call_fail_error(c, status, &why);
	jsonx_set_str(c->result, "sha256", hex);
	return HOLOS_OK;
}

static holos_status run_wait(struct holos_call *c)
{
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	const struct fetch_limits limits = limits_of(c);
	holos_status status;

	status = fetch_wait(call_fd(c, "lock"), call_fd(c, "dir"), jsonx_str(c->args, "part", ""),
			    &limits, &why);
	return status == HOLOS_OK ? status : call_fail_error(c, status, &why);
}

holos_status fetch_run(struct holos_call *c, const char *op)
{
	static const struct worker_op ops[] = {
		{ "download", run_image, true }, { "check", run_check, true },
		{ "newest", run_newest, true },  { "hash", run_hash, true },
		{ "wait", run_wait, true },
	};

	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		if (strcmp(ops[i].name, op) == 0)
			return ops[i].run(c);
	}
	return call_fail(c, HOLOS_E_INTERNAL, "there is no operation \"%s\"", op);
}

static holos_status api_get(holos_call *call, const char *url, uint64_t max, const char *digest,
			    int fd, holos_error *err)
{
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	const struct holos_fetch_module *m;
	const struct fetch_limits limits = limits_of(call);
	holos_status status = get_module(call, &m);

	(void)err; /* the call's own, as in every operation */
	if (status != HOLOS_OK)
		return status;
	if (url == NULL || strncmp(url, "https://", 8) != 0)
		return call_fail(call, HOLOS_E_CONFIG, "%s is no https URL",
				 url != NULL ? url : "nothing");
	status = m->get(url, max, digest, fd, &limits, &why);
	return status == HOLOS_OK ? status : call_fail_error(call, status, &why);
}

const struct holos_fetch_api fetch_api = {
	.size = sizeof(fetch_api),
	.get = api_get,
};
