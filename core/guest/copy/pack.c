/* SPDX-License-Identifier: Apache-2.0
 *
 * pack.c - files of the host as a tar stream.
 *
 * GNU's format, as every tar reads it, busybox's too (which ignores pax headers): long
 * names and large files are all right, times are whole seconds.
 */
#include "copy.h"

#include <base/alloc.h>
#include <base/fs.h>

#include <errno.h>
#include <fts.h>
#include <string.h>
#include <sys/stat.h>

struct pack {
	struct copy *copy;
	struct archive *a;
	struct archive_entry_linkresolver *links;
	bool owner;
	bool broken; /* nobody takes the stream any more */
	char *buf;
};

static void broken(struct pack *p)
{
	if (!p->broken && archive_errno(p->a) != EPIPE)
		copy_error(p->copy, "cannot write the stream: %s", archive_error_string(p->a));
	p->broken = true;
}

static void put_data(struct pack *p, int fd, const char *path, uint64_t size)
{
	while (size > 0 && !p->broken) {
		ssize_t n = read(fd, p->buf, size < COPY_BLOCK ? size : COPY_BLOCK);

		if (n < 0 && errno == EINTR)
			continue;
		/* Its header has been sent: the rest are zeroes. */
		if (n < 0)
			copy_error(p->copy, "cannot read %s: %s", path, strerror(errno));
		else if (n == 0)
			copy_error(p->copy, "%s became shorter while it was copied", path);
		if (n <= 0)
			return;
		if (archive_write_data(p->a, p->buf, (size_t)n) < 0)
			broken(p);
		size -= (uint64_t)n;
		copy_add(p->copy, (uint64_t)n);
	}
}

static void describe(struct archive_entry *e, const char *name, const struct stat *st, bool owner)
{
	archive_entry_copy_pathname(e, name);
	archive_entry_copy_stat(e, st);
	if (!owner) {
		archive_entry_set_uid(e, 0);
		archive_entry_set_gid(e, 0);
	}
}

/* A directory comes twice: before what is in it, when it must be writable, and behind it
 * with its own mode, and its time, which making files in it changes. */
static void put_dir(struct pack *p, const char *name, const struct stat *st, bool after)
{
	struct archive_entry *e = archive_entry_new();

	describe(e, name, st, p->owner);
	if (!after)
		archive_entry_set_perm(e, st->st_mode | 0700);
	if (archive_write_header(p->a, e) < ARCHIVE_WARN)
		broken(p);
	archive_entry_free(e);
}

/* One file or link as name; st is of its path, no link followed. */
static void put(struct pack *p, const char *path, const char *name, const struct stat *st)
{
	_cleanup_(closep) int fd = -1;
	struct archive_entry *e, *spare = NULL;
	char target[4096];
	struct stat now = *st;

	if (!S_ISREG(st->st_mode) && !S_ISLNK(st->st_mode)) {
		copy_warning(p->copy, "%s is left out: it is a %s", path,
			     S_ISSOCK(st->st_mode)   ? "socket"
			     : S_ISFIFO(st->st_mode) ? "FIFO"
						     : "device");
		return;
	}
	if (S_ISREG(st->st_mode)) {
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
		if (fd < 0 || fstat(fd, &now) < 0 || !S_ISREG(now.st_mode)) {
			copy_error(p->copy, "cannot read %s: %s", path,
				   fd < 0 ? strerror(errno) : "it is no file any more");
			return;
		}
	}
	e = archive_entry_new();
	describe(e, name, &now, p->owner);
	if (S_ISLNK(st->st_mode)) {
		ssize_t n = readlink(path, target, sizeof(target) - 1);

		target[n > 0 ? n : 0] = '\0';
		archive_entry_copy_symlink(e, target);
		if (n <= 0)
			copy_error(p->copy, "cannot read %s: %s", path, strerror(errno));
	}
	archive_entry_linkify(p->links, &e, &spare);
	if (archive_write_header(p->a, e) < ARCHIVE_WARN)
		broken(p);
	else if (fd >= 0 && archive_entry_hardlink(e) == NULL)
		put_data(p, fd, path, (uint64_t)now.st_size);
	archive_entry_free(e);
	copy_file_done(p->copy);
}

static void begin(struct pack *p)
{
	p->a = archive_write_new();
	archive_write_set_format_gnutar(p->a);
	archive_write_set_bytes_per_block(p->a, COPY_BLOCK);
	archive_write_set_bytes_in_last_block(p->a, 512);
	p->links = archive_entry_linkresolver_new();
	archive_entry_linkresolver_set_strategy(p->links, ARCHIVE_FORMAT_TAR_GNUTAR);
	p->buf = xmalloc(COPY_BLOCK);
	if (archive_write_open_fd(p->a, 1) != ARCHIVE_OK)
		broken(p);
}

static bool end(struct pack *p)
{
	if (!p->broken && archive_write_close(p->a) != ARCHIVE_OK)
		broken(p);
	archive_entry_linkresolver_free(p->links);
	archive_write_free(p->a);
	free(p->buf);
	return !p->broken && p->copy->errors == 0;
}

bool pack_file(struct copy *c, const char *source, const char *name, bool owner)
{
	struct pack p = { .copy = c, .owner = owner };
	_cleanup_(freep) char *as = xasprintf("./%s", name);
	struct stat st;

	begin(&p);
	if (lstat(source, &st) < 0)
		copy_error(c, "cannot read %s: %s", source, strerror(errno));
	else
		put(&p, source, as, &st);
	return end(&p);
}

bool pack_tree(struct copy *c, const char *source, bool itself, bool owner)
{
	struct pack p = { .copy = c, .owner = owner };
	char *top = xstrdup(source);
	char *const paths[] = { top, NULL };
	FTS *fts;
	FTSENT *f;

	begin(&p);
	fts = fts_open(paths, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, NULL);
	if (fts == NULL)
		copy_error(c, "cannot read %s: %s", source, strerror(errno));
	while (fts != NULL && !p.broken && (f = fts_read(fts)) != NULL) {
		const char *rest = f->fts_path + strlen(source);
		_cleanup_(freep) char *name =
			f->fts_level > 0 ? xasprintf("./%s", rest + strspn(rest, "/")) : NULL;

		const char *as = name != NULL ? name : ".";

		switch (f->fts_info) {
		case FTS_D:
		case FTS_DP:
			if (name != NULL || itself)
				put_dir(&p, as, f->fts_statp, f->fts_info == FTS_DP);
			break;
		case FTS_DNR:
			if (name != NULL || itself)
				put_dir(&p, as, f->fts_statp, true);
			__attribute__((fallthrough));
		case FTS_ERR:
		case FTS_NS:
			copy_error(c, "cannot read %s: %s", f->fts_path, strerror(f->fts_errno));
			break;
		case FTS_DC:
			copy_error(c, "%s holds itself", f->fts_path);
			break;
		default:
			put(&p, f->fts_path, as, f->fts_statp);
		}
	}
	if (fts != NULL)
		fts_close(fts);
	free(top);
	return end(&p);
}
