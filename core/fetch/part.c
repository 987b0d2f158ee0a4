/* SPDX-License-Identifier: Apache-2.0
 *
 * part.c - the file a download grows in, and what it is a part of.
 *
 * NAME.part holds the bytes; NAME.json says of which URL, with which validators
 * (RFC 9110, 8.8) and of which size.  It is written before the first byte is, so
 * that bytes of an unknown file are never continued.
 */
#include "part.h"

#include <base/alloc.h>
#include <base/fs.h>
#include <base/jsonx.h>
#include <base/units.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define META_MAX   (64u << 10)
#define SYNC_STEP  (32u << 20)
#define SPARE_ROOM (16ull << 20) /* of the file system, for others */
#define ROOM_STEP  (4u << 20)
/* TLS hands out 16 KiB at a time, and each write costs.  Measured: 64 KiB cost a
 * tenth less than 16 and half of what 512 do, which fall out of the CPU's cache. */
#define WRITE_STEP (64u << 10)

/* Bytes that are in the file. */
static uint64_t written(const struct part *p)
{
	return p->size - p->pending;
}

static holos_status restart_hasher(struct part *p, struct holos_error **err)
{
	holos_status st;

	hasher_destroy(steal_ptr(&p->hasher));
	st = hasher_start(p->fd, p->sha512, &p->hasher, err);
	if (st == HOLOS_OK)
		hasher_feed(p->hasher, written(p));
	return st;
}

holos_status part_restart(struct part *p, struct holos_error **err)
{
	if (ftruncate(p->fd, 0) < 0)
		return fetch_fail(err, HOLOS_E_IO, errno, "cannot empty %s", p->file);
	p->size = 0;
	p->pending = 0;
	p->synced = 0;
	p->total = UINT64_MAX;
	p->etag[0] = '\0';
	p->modified[0] = '\0';
	p->pieces = 0;
	return restart_hasher(p, err);
}

static void copy_text(char *to, size_t room, const char *from)
{
	size_t n = strlen(from);

	n = n < room ? n : 0; /* a longer one is none */
	memcpy(to, from, n);
	to[n] = '\0';
}

static bool same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* Is what lies there a part of this file? */
static bool read_meta(struct part *p)
{
	_cleanup_(json_putp) struct json_object *meta = NULL;
	int64_t total;

	if (jsonx_read_file(p->dir, p->meta, META_MAX, &meta, NULL) < 0)
		return false;
	if (!same(jsonx_str(meta, "url", ""), p->url) ||
	    !same(jsonx_str(meta, "digest", NULL), p->digest))
		return false;
	copy_text(p->etag, sizeof(p->etag), jsonx_str(meta, "etag", ""));
	copy_text(p->modified, sizeof(p->modified), jsonx_str(meta, "modified", ""));
	total = jsonx_int(meta, "total", -1);
	p->total = total >= 0 ? (uint64_t)total : UINT64_MAX;
	return p->total == UINT64_MAX || p->size <= p->total;
}

static holos_status write_meta(struct part *p, struct holos_error **err)
{
	_cleanup_(json_putp) struct json_object *meta = json_object_new_object();
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	const char *text;

	jsonx_set_str(meta, "url", p->url);
	jsonx_set_str(meta, "digest", p->digest);
	jsonx_set_str(meta, "etag", p->etag);
	jsonx_set_str(meta, "modified", p->modified);
	if (p->total != UINT64_MAX)
		jsonx_set_int(meta, "total", (int64_t)p->total);
	text = jsonx_line(meta);
	if (fs_write_replace(p->dir, p->meta, text, strlen(text), 0600, &why) < 0)
		return fetch_fail(err, HOLOS_E_IO, 0, "%s", why->message);
	return HOLOS_OK;
}

holos_status part_open(int dir, const char *name, const char *url, const char *digest, bool sha512,
		       const struct fetch_limits *limits, struct part *ret,
		       struct holos_error **err)
{
	struct part p = { .dir = dir,
			  .file = xasprintf("%s.part", name),
			  .meta = xasprintf("%s.json", name),
			  .url = xstrdup(url),
			  .digest = xstrdup_null(digest),
			  .buffer = xmalloc(WRITE_STEP),
			  .limits = limits,
			  .sha512 = sha512,
			  .total = UINT64_MAX };
	struct stat st;

	p.fd = openat(dir, p.file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (p.fd < 0 || fstat(p.fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		holos_status s = fetch_fail(err, HOLOS_E_IO, errno, "cannot write %s", p.file);

		part_close(&p);
		return s;
	}
	p.size = (uint64_t)st.st_size;
	*ret = p;
	if (p.size == 0 || !read_meta(ret)) {
		holos_status s = part_restart(ret, err);

		if (s != HOLOS_OK)
			part_close(ret);
		return s;
	}
	ret->pieces = 1;
	ret->synced = ret->size;
	if (restart_hasher(ret, err) == HOLOS_OK)
		return HOLOS_OK;
	part_close(ret);
	return HOLOS_E_IO;
}

void part_close(struct part *p)
{
	hasher_destroy(steal_ptr(&p->hasher));
	if (p->fd > 0)
		close(p->fd);
	p->fd = -1;
	free(steal_ptr(&p->buffer));
	free(steal_ptr(&p->file));
	free(steal_ptr(&p->meta));
	free(steal_ptr(&p->url));
	free(steal_ptr(&p->digest));
}

void part_discard(struct part *p)
{
	(void)unlinkat(p->dir, p->file, 0); /* begun anew when it stays */
	(void)unlinkat(p->dir, p->meta, 0);
}

const char *part_validator(const struct part *p)
{
	return p->etag[0] != '\0' ? p->etag : p->modified[0] != '\0' ? p->modified : NULL;
}

bool part_complete(const struct part *p)
{
	return p->total != UINT64_MAX && p->size == p->total && p->size != 0;
}

static holos_status check_room(const struct part *p, struct holos_error **err)
{
	char room_text[32], need_text[32];
	struct statvfs fs;
	uint64_t need, room;

	if (fstatvfs(p->fd, &fs) < 0)
		return HOLOS_OK;
	need = (p->total > p->size && p->total != UINT64_MAX ? p->total - p->size : 0) + SPARE_ROOM;
	room = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (room >= need)
		return HOLOS_OK;
	fetch_fail(err, HOLOS_E_UNAVAIL, 0, "%s: needs %s of disk space, and %s is free", p->url,
		   units_format_size(need, need_text), units_format_size(room, room_text));
	error_hint(err, "holos images prune makes room; --state-dir puts images elsewhere");
	return HOLOS_E_UNAVAIL;
}

static holos_status check_size(const struct part *p, uint64_t size, struct holos_error **err)
{
	char a[32], b[32];

	if (size > FETCH_IMAGE_MAX)
		return fetch_fail(err, HOLOS_E_INTEGRITY, 0, "%s: has %s, and %s is the most",
				  p->url, units_format_size(size, a),
				  units_format_size(FETCH_IMAGE_MAX, b));
	return HOLOS_OK;
}

/* A continuation that is none: of another place, or of another file. */
static bool continues(const struct part *p, const struct http_head *head)
{
	return head->ranged && head->first == p->size &&
	       (head->total == UINT64_MAX || p->total == UINT64_MAX || head->total == p->total);
}

holos_status part_on_head(void *data, const struct http_head *head, struct holos_error **err)
{
	struct part *p = data;
	holos_status st = HOLOS_OK;

	if (head->status == 206) {
		if (!continues(p, head))
			return fetch_fail(err, HOLOS_E_PASS, 0,
					  "%s: the server answered with another range", p->url);
		if (p->total == UINT64_MAX)
			p->total = head->total;
	} else {
		if (p->size != 0) /* the whole file: it changed, or there are no ranges */
			st = part_restart(p, err);
		p->total = head->length;
	}
	copy_text(p->etag, sizeof(p->etag), head->etag);
	copy_text(p->modified, sizeof(p->modified), head->modified);
	p->pieces++;
	if (st == HOLOS_OK && p->total != UINT64_MAX)
		st = check_size(p, p->total, err);
	if (st == HOLOS_OK && p->wanted != 0 && p->total != UINT64_MAX && p->total != p->wanted)
		st = fetch_fail(err, HOLOS_E_INTEGRITY, 0,
				"%s: has %llu bytes, and %llu were promised", p->url,
				(unsigned long long)p->total, (unsigned long long)p->wanted);
	if (st == HOLOS_OK)
		st = check_room(p, err);
	return st == HOLOS_OK ? write_meta(p, err) : st;
}

/* Look at the first bytes as soon as they are there. */
static holos_status sniff(struct part *p, const void *data, size_t n, struct holos_error **err)
{
	size_t have = (size_t)p->size;
	size_t take = sizeof(p->first) - have < n ? sizeof(p->first) - have : n;

	memcpy(p->first + have, data, take);
	return disk_head_sniff(p->first, have + take, p->url, err);
}

holos_status part_flush(struct part *p, struct holos_error **err)
{
	uint64_t at = written(p);
	size_t n = p->pending;
	int r;

	p->pending = 0;
	if (n == 0)
		return HOLOS_OK;
	r = lseek(p->fd, (off_t)at, SEEK_SET) < 0 ? -errno : fs_write_all(p->fd, p->buffer, n);
	if (r < 0) {
		p->size = at; /* whatever more is there is looked at by the next command */
		fetch_fail(err, r == -ENOSPC ? HOLOS_E_UNAVAIL : HOLOS_E_IO, -r,
			   "cannot write what comes from %s", p->url);
		if (r == -ENOSPC)
			error_hint(err, "holos images prune makes room");
		return r == -ENOSPC ? HOLOS_E_UNAVAIL : HOLOS_E_IO;
	}
	hasher_feed(p->hasher, p->size);
	if (p->size - p->synced >= SYNC_STEP) { /* so that the fsync at the end is short */
		(void)sync_file_range(p->fd, (off_t)p->synced, (off_t)(p->size - p->synced),
				      SYNC_FILE_RANGE_WRITE);
		p->synced = p->size;
	}
	return HOLOS_OK;
}

/* Into the buffer; a full one goes to the file, at multiples of its size. */
static holos_status keep(struct part *p, const char *bytes, size_t n, struct holos_error **err)
{
	holos_status st = HOLOS_OK;

	while (n != 0 && st == HOLOS_OK) {
		size_t room = WRITE_STEP - (size_t)(p->size % WRITE_STEP);
		size_t take = n < room ? n : room;

		memcpy(p->buffer + p->pending, bytes, take);
		p->pending += take;
		p->size += take;
		bytes += take;
		n -= take;
		if (take == room)
			st = part_flush(p, err);
	}
	return st;
}

holos_status part_on_body(void *data, const void *bytes, size_t n, struct holos_error **err)
{
	struct part *p = data;
	holos_status st = HOLOS_OK;

	if (p->size < sizeof(p->first))
		st = sniff(p, bytes, n, err);
	if (st == HOLOS_OK)
		st = check_size(p, p->size + n, err);
	if (st == HOLOS_OK && p->total != UINT64_MAX && p->size + n > p->total)
		st = fetch_fail(err, HOLOS_E_INTEGRITY, 0,
				"%s: goes on after the %llu bytes that were promised", p->url,
				(unsigned long long)p->total);
	/* A body that does not say how long it is must not fill the disk either. */
	if (st == HOLOS_OK && p->total == UINT64_MAX &&
	    p->size / ROOM_STEP != (p->size + n) / ROOM_STEP)
		st = check_room(p, err);
	if (st == HOLOS_OK)
		st = keep(p, bytes, n, err);
	if (st == HOLOS_OK)
		fetch_progress(p->limits, "downloading", p->size,
			       p->total != UINT64_MAX ? p->total : 0);
	return st;
}
