/* SPDX-License-Identifier: Apache-2.0
 *
 * image.c - an image, from its URLs to a verified disk.
 *
 *   checksum (digest_urls) -> download (urls, in turn) -> digest -> unpack -> look
 *
 * Bytes are trusted at the end only, when the digest of all of them is right.  A
 * wrong digest of something that was put together from several answers is tried
 * once more in one piece; one of a file that its publisher replaced meanwhile is
 * tried with the new checksum.
 */
#include "image.h"
#include "part.h"

#include <base/alloc.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a try must have brought for the count of tries to begin anew. */
#define PROGRESS_MIN (64u << 10)

struct job {
	const struct fetch_image *want;
	const struct fetch_limits *limits;
	struct http *http;
	char *digest; /* what the download must have; NULL: nobody says */
	char *urls[2 * FETCH_URLS_MAX];
	size_t n_urls;
	char hex256[65], hex512[129];
	uint64_t bytes;
};

static const char *file_of(const char *url)
{
	const char *slash = strrchr(url, '/');

	return slash != NULL ? slash + 1 : url;
}

/* The URL with another last part; the caller frees. */
static char *sibling(const char *url, const char *file)
{
	return xasprintf("%.*s%s", (int)(file_of(url) - url), url, file);
}

static void clear_urls(struct job *j)
{
	while (j->n_urls != 0)
		free(j->urls[--j->n_urls]);
}

/* The publisher's name for what is now called "latest": that file never changes,
 * and is asked for first. */
static void list_urls(struct job *j, const char *dated)
{
	clear_urls(j);
	for (size_t i = 0; i < j->want->n_urls; i++) {
		const char *url = j->want->urls[i];

		if (dated != NULL && dated[0] != '\0' && strcmp(dated, file_of(url)) != 0)
			j->urls[j->n_urls++] = sibling(url, dated);
		j->urls[j->n_urls++] = xstrdup(url);
	}
}

static void job_finish(struct job *j)
{
	clear_urls(j);
	free(j->digest);
	http_destroy(j->http);
}

/* What a publisher's checksum file says now. */
static holos_status read_checksum(struct job *j, const char *url, struct checksum *ret,
				  struct holos_error **err)
{
	_cleanup_(strbuf_finish) struct strbuf text = STRBUF_INIT;
	holos_status st;

	fetch_progress(j->limits, "asking for the checksum", 0, 0);
	st = document_get(j->http, url, CHECKSUM_FILE_MAX, j->limits, &text, err);
	if (st != HOLOS_OK)
		return st;
	if (text.len == 0 || checksums_find(text.s, text.len, file_of(j->want->urls[0]), ret) < 0)
		return fetch_fail(err, HOLOS_E_INTEGRITY, 0, "%s: has no checksum of %s", url,
				  file_of(j->want->urls[0]));
	return HOLOS_OK;
}

static bool is_final(holos_status st)
{
	return st == HOLOS_E_CANCELLED || st == HOLOS_E_TIMEOUT || st == HOLOS_E_UNAVAIL ||
	       st == HOLOS_E_INTERNAL;
}

/* Sets j->digest and j->urls. */
static holos_status find_digest(struct job *j, struct holos_error **err)
{
	holos_status st = HOLOS_OK;

	if (j->want->digest != NULL || j->want->n_digest_urls == 0) {
		j->digest = xstrdup_null(j->want->digest);
		list_urls(j, NULL);
		return HOLOS_OK;
	}
	for (size_t i = 0; i < j->want->n_digest_urls; i++) {
		_cleanup_(error_destroyp) struct holos_error *why = NULL;
		struct checksum sum;

		st = read_checksum(j, j->want->digest_urls[i], &sum, &why);
		if (st == HOLOS_OK) {
			free(j->digest);
			j->digest = xstrdup(sum.digest);
			list_urls(j, sum.name);
			return HOLOS_OK;
		}
		if (is_final(st) || i + 1 == j->want->n_digest_urls) {
			error_move(err, &why);
			return st;
		}
	}
	return st;
}

/* One answer; what came of it is in the file, however it ended. */
static holos_status fetch_part(struct job *j, struct part *p, const struct http_request *rq,
			       struct http_head *head, struct holos_error **err)
{
	holos_status st = http_get(j->http, rq, j->limits, head, err);
	holos_status flushed = part_flush(p, st == HOLOS_OK ? err : NULL);

	return st == HOLOS_OK ? flushed : st;
}

/* One URL until it is whole, or given up. */
static holos_status download(struct job *j, struct part *p, struct holos_error **err)
{
	struct retry retry = retry_begin();
	uint64_t best = p->size;
	bool again = false;

	for (;;) {
		struct http_request rq = {
			.url = p->url, .head = part_on_head, .body = part_on_body, .data = p
		};
		struct holos_error *why = NULL;
		struct http_head head;
		holos_status st = HOLOS_OK;

		if (p->size != 0 && part_validator(p) == NULL)
			st = part_restart(p, &why);
		rq.offset = p->size;
		rq.if_range = part_validator(p);
		if (st == HOLOS_OK)
			st = fetch_part(j, p, &rq, &head, &why);
		if (st == HOLOS_OK)
			return st;
		if (st == HOLOS_E_PASS && !again) { /* no such range: once from the beginning */
			again = true;
			error_destroy(steal_ptr(&why));
			st = part_restart(p, &why);
		} else if (st == HOLOS_E_PASS) {
			st = HOLOS_E_IO;
		} else if (st == HOLOS_E_AGAIN) {
			/* Only what brings us further than ever counts as progress. */
			if (p->size >= best + PROGRESS_MIN) {
				retry_reset(&retry);
				best = p->size;
			}
			fetch_progress(j->limits, "trying again", p->size,
				       p->total != UINT64_MAX ? p->total : 0);
			st = retry_pause(&retry, head.retry_after, j->limits, &why);
		}
		if (st != HOLOS_OK) {
			error_move(err, &why);
			return st;
		}
	}
}

/* A file without a stated length ends where its body does. */
static holos_status settle_size(struct part *p, struct holos_error **err)
{
	if (p->size == 0)
		return fetch_fail(err, HOLOS_E_INTEGRITY, 0, "%s: is empty", p->url);
	if (p->total == UINT64_MAX)
		p->total = p->wanted != 0 ? p->wanted : p->size;
	/* A body in chunks has no length of its own. */
	if (p->size != p->total)
		return fetch_fail(err, HOLOS_E_INTEGRITY, 0,
				  "%s: ended after %llu bytes, and %llu were promised", p->url,
				  (unsigned long long)p->size, (unsigned long long)p->total);
	return HOLOS_OK;
}

static bool is_right(const struct job *j)
{
	if (j->digest == NULL)
		return true;
	return strncmp(j->digest, "sha512:", 7) == 0 ? strcmp(j->digest + 7, j->hex512) == 0
						     : strcmp(j->digest + 7, j->hex256) == 0;
}

static holos_status mismatch(const struct job *j, const char *url, struct holos_error **err)
{
	bool wide = strncmp(j->digest, "sha512:", 7) == 0;

	fetch_fail(err, HOLOS_E_INTEGRITY, 0,
		   "%s: is not what its publisher says: %.7s%.16s… instead of %.16s…", url,
		   wide ? "sha512:" : "sha256:", wide ? j->hex512 : j->hex256, j->digest + 7);
	error_hint(err, "nothing was kept of it; try again later, or with another mirror "
			"(HOLOS_MIRROR_<SOURCE>)");
	return HOLOS_E_INTEGRITY;
}

/* One URL, downloaded and verified.  *ret_again: it was put together from several
 * answers, and is worth another try in one piece. */
static holos_status try_url(struct job *j, const char *url, bool *ret_again,
			    struct holos_error **err)
{
	bool wide = j->digest != NULL && strncmp(j->digest, "sha512:", 7) == 0;
	struct part p;
	holos_status st =
		part_open(j->want->dir, j->want->name, url, j->digest, wide, j->limits, &p, err);

	*ret_again = false;
	if (st != HOLOS_OK)
		return st;
	p.wanted = j->want->bytes;
	if (!part_complete(&p))
		st = download(j, &p, err);
	if (st == HOLOS_OK)
		st = settle_size(&p, err);
	if (st == HOLOS_OK) {
		fetch_progress(j->limits, "verifying", p.size, p.size);
		st = hasher_finish(steal_ptr(&p.hasher), p.size, j->limits, j->hex256, j->hex512,
				   err);
		j->bytes = p.size;
	}
	if (st == HOLOS_OK && !is_right(j)) {
		*ret_again = p.pieces > 1;
		st = mismatch(j, url, err);
	}
	if (st == HOLOS_E_INTEGRITY)
		part_discard(&p);
	part_close(&p);
	return st;
}

/* All URLs in turn.  *ret_url: the one that had it. */
static holos_status try_urls(struct job *j, const char **ret_url, struct holos_error **err)
{
	holos_status st = HOLOS_E_NOTFOUND;

	for (size_t i = 0; i < j->n_urls; i++) {
		_cleanup_(error_destroyp) struct holos_error *why = NULL;
		bool again;

		st = try_url(j, j->urls[i], &again, &why);
		if (st == HOLOS_E_INTEGRITY && again) {
			error_destroy(steal_ptr(&why));
			st = try_url(j, j->urls[i], &again, &why);
		}
		if (st == HOLOS_OK) {
			*ret_url = j->urls[i];
			return st;
		}
		if (is_final(st) || i + 1 == j->n_urls) {
			error_move(err, &why);
			if (j->n_urls > 1 && !is_final(st))
				error_hint(err, "%zu places were tried", j->n_urls);
			return st;
		}
	}
	return fetch_fail(err, st, 0, "%s: no URL to download it from", j->want->name);
}

static holos_status obtain(struct job *j, const char **ret_url, struct holos_error **err)
{
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	_cleanup_(freep) char *before = NULL;
	holos_status st = find_digest(j, err);

	if (st != HOLOS_OK)
		return st;
	st = try_urls(j, ret_url, &why);
	if (st == HOLOS_E_INTEGRITY && j->want->digest == NULL && j->want->n_digest_urls != 0) {
		/* Did the publisher replace both files in between? */
		before = xstrdup_null(j->digest);
		if (find_digest(j, NULL) == HOLOS_OK && strcmp(before, j->digest) != 0) {
			error_destroy(steal_ptr(&why));
			st = try_urls(j, ret_url, &why);
		}
	}
	if (st != HOLOS_OK)
		error_move(err, &why);
	return st;
}

/* ---- the disk in it --------------------------------------------------------- */

static holos_status unpack_part(const struct job *j, int part, const char *disk,
				struct fetch_result *ret, struct holos_error **err)
{
	_cleanup_(freep) char *tmp = xasprintf("%s.tmp", j->want->name);
	_cleanup_(closep) int out = openat(
		j->want->dir, tmp, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	holos_status st;

	if (out < 0)
		return fetch_fail(err, HOLOS_E_IO, errno, "cannot write %s", tmp);
	st = unpack(part, out, FETCH_IMAGE_MAX, j->limits, ret->disk, &ret->size, err);
	if (st == HOLOS_OK)
		st = disk_head_check(out, j->want->format, file_of(j->want->urls[0]), ret->format,
				     &ret->virtual_size, err);
	if (st == HOLOS_OK &&
	    (fsync(out) < 0 || renameat(j->want->dir, tmp, j->want->dir, disk) < 0))
		st = fetch_fail(err, HOLOS_E_IO, errno, "cannot write %s", disk);
	if (st != HOLOS_OK)
		(void)unlinkat(j->want->dir, tmp, 0);
	return st;
}

static holos_status take_part(const struct job *j, int fd, const char *part, const char *disk,
			      struct fetch_result *ret, struct holos_error **err)
{
	holos_status st = disk_head_check(fd, j->want->format, file_of(j->want->urls[0]),
					  ret->format, &ret->virtual_size, err);

	if (st != HOLOS_OK)
		return st;
	ret->size = j->bytes;
	memcpy(ret->disk, j->hex256, sizeof(ret->disk));
	if (fsync(fd) < 0 || renameat(j->want->dir, part, j->want->dir, disk) < 0)
		return fetch_fail(err, HOLOS_E_IO, errno, "cannot write %s", disk);
	return HOLOS_OK;
}

static holos_status make_disk(const struct job *j, struct fetch_result *ret,
			      struct holos_error **err)
{
	_cleanup_(freep) char *part = xasprintf("%s.part", j->want->name);
	_cleanup_(freep) char *meta = xasprintf("%s.json", j->want->name);
	_cleanup_(freep) char *disk = xasprintf("%s.disk", j->want->name);
	_cleanup_(closep) int fd = openat(j->want->dir, part, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	holos_status st;

	if (fd < 0)
		return fetch_fail(err, HOLOS_E_IO, errno, "cannot read %s", part);
	if (unpack_needed(fd))
		st = unpack_part(j, fd, disk, ret, err);
	else
		st = take_part(j, fd, part, disk, ret, err);
	if (st == HOLOS_OK && j->want->disk != NULL && strcmp(j->want->disk, ret->disk) != 0) {
		st = fetch_fail(err, HOLOS_E_INTEGRITY, 0,
				"%s: holds the disk sha256:%.16s… instead of sha256:%.16s…",
				j->want->urls[0], ret->disk, j->want->disk);
		(void)unlinkat(j->want->dir, disk, 0);
	}
	/* What was verified and is no disk stays none; what there was no room to
	 * unpack is kept. */
	if (st == HOLOS_OK || st == HOLOS_E_INTEGRITY) {
		(void)unlinkat(j->want->dir, part, 0);
		(void)unlinkat(j->want->dir, meta, 0);
	}
	return st;
}

holos_status image_fetch(const struct fetch_image *want, const struct fetch_limits *limits,
			 struct fetch_result *ret, struct holos_error **err)
{
	struct job j = { .want = want, .limits = limits, .http = http_create() };
	struct fetch_result result = { 0 };
	const char *url = NULL;
	holos_status st;

	if (j.http == NULL)
		return fetch_fail(err, HOLOS_E_NOMEM, 0, "curl cannot start");
	st = obtain(&j, &url, err);
	if (st == HOLOS_OK)
		st = make_disk(&j, &result, err);
	if (st == HOLOS_OK) {
		result.url = xstrdup(url);
		result.digest = steal_ptr(&j.digest);
		memcpy(result.download, j.hex256, sizeof(result.download));
		result.bytes = j.bytes;
		*ret = result;
	}
	job_finish(&j);
	return st;
}

holos_status image_check(const struct fetch_image *want, const struct fetch_limits *limits,
			 char **ret_digest, char **ret_url, struct holos_error **err)
{
	struct job j = { .want = want, .limits = limits, .http = http_create() };
	holos_status st;

	if (j.http == NULL)
		return fetch_fail(err, HOLOS_E_NOMEM, 0, "curl cannot start");
	st = find_digest(&j, err);
	if (st == HOLOS_OK) {
		*ret_digest = steal_ptr(&j.digest);
		*ret_url = xstrdup(j.urls[0]);
	}
	job_finish(&j);
	return st;
}
