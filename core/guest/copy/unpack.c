/* SPDX-License-Identifier: Apache-2.0
 *
 * unpack.c - a guest's tar stream as files of the host.
 *
 * The guest is not to be trusted.  Every name is taken apart and walked component by
 * component from one open directory, no link followed, ".." and absolute names
 * refused, whatever the tree looks like by then.  A file is written under a name of
 * ours that nothing had, and renamed when it is whole: what was there before is
 * replaced, never written through, and stays when something goes wrong.
 */
#include "copy.h"

#include <base/alloc.h>
#include <base/fs.h>
#include <base/strv.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* What is kept of directories until the end: a million of them.  A stream may name one
 * without an end. */
#define DIRS_MAX (128u << 20)
#define BITS     0777 /* set-id bits of a guest's are nothing for the host */

/* Gets its mode and time at the end, when nothing is made in it any more. */
struct made_dir {
	char *name; /* as the stream has it, clean; "" is the top */
	mode_t mode;
	uid_t uid;
	gid_t gid;
	struct timespec mtime;
};

struct unpack {
	struct copy *copy;
	struct archive *a;
	int top; /* the directory that everything lies in */
	const char *directory, *name;
	bool tree, owner;
	bool link;        /* the one entry is one */
	bool got_one;     /* the one entry of a file */
	char *parent;     /* name of the directory that was used last */
	int parent_fd;    /* -1: none yet */
	unsigned counter; /* of temporary names */
	struct made_dir *dirs;
	size_t n_dirs, cap_dirs, kept_dirs; /* the last in bytes */
};

/* ---- names -------------------------------------------------------------------- */

/* "./a//b/." -> "a/b"; "" is the top.  NULL: it leads elsewhere, or is longer than a path
 * may be.  The caller frees. */
static char *clean(const char *name)
{
	_cleanup_(strv_finish) struct strv parts = STRV_INIT;
	const char *at = name;

	if (name[0] == '/' || strlen(name) >= PATH_MAX)
		return NULL;
	while (*at != '\0') {
		size_t n = strcspn(at, "/");

		if (n == 2 && at[0] == '.' && at[1] == '.')
			return NULL;
		if (n > 0 && !(n == 1 && at[0] == '.'))
			strv_take(&parts, xstrndup(at, n));
		at += n + (at[n] == '/');
	}
	return parts.n > 0 ? strv_join(parts.v, "/") : xstrdup("");
}

/* What the stream calls `name` (clean), below u->top; "" is u->top.  The caller frees. */
static char *place(const struct unpack *u, const char *name)
{
	if (!u->tree)
		return xstrdup(u->name);
	if (strcmp(u->name, ".") == 0)
		return xstrdup(name);
	return name[0] != '\0' ? xasprintf("%s/%s", u->name, name) : xstrdup(u->name);
}

static bool failed(struct unpack *u, const char *what, const char *where, int sys_errno)
{
	copy_error(u->copy, "cannot %s %s%s%s: %s", what, u->directory, where[0] != '\0' ? "/" : "",
		   where,
		   sys_errno == ELOOP || sys_errno == ENOTDIR
			   ? "a link or a file is where a directory should be"
			   : strerror(sys_errno));
	return false;
}

static bool refused(struct unpack *u, const char *name, const char *why)
{
	copy_error(u->copy, "refused what the guest sent: %s: %.300s", why, name);
	return false;
}

/* A directory below u->top, made with its parents where it is missing.  A descriptor,
 * or -1 with errno. */
static int open_dir(struct unpack *u, const char *where)
{
	_cleanup_(freep) char *path = xstrdup(where);
	int fd = fcntl(u->top, F_DUPFD_CLOEXEC, 0);
	char *save = NULL;

	for (char *part = strtok_r(path, "/", &save); part != NULL && fd >= 0;
	     part = strtok_r(NULL, "/", &save)) {
		_cleanup_(closep) int above = fd;

		fd = openat(above, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT && mkdirat(above, part, 0700) == 0)
			fd = openat(above, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	}
	return fd;
}

/* The directory in which `where` lies; *ret_last is its name there, in `where`.  The
 * descriptor is kept here.  -1 with errno. */
static int open_parent(struct unpack *u, const char *where, const char **ret_last)
{
	const char *slash = strrchr(where, '/');
	_cleanup_(freep) char *parent =
		slash != NULL ? xstrndup(where, (size_t)(slash - where)) : xstrdup("");
	int fd;

	*ret_last = slash != NULL ? slash + 1 : where;
	if (u->parent_fd >= 0 && strcmp(u->parent, parent) == 0)
		return u->parent_fd;
	fd = open_dir(u, parent);
	if (fd < 0)
		return -1;
	closep(&u->parent_fd);
	free(u->parent);
	u->parent_fd = fd;
	u->parent = steal_ptr(&parent);
	return fd;
}

/* ---- kinds of entries ----------------------------------------------------------- */

static struct timespec time_of(struct archive_entry *e)
{
	long nsec = archive_entry_mtime_nsec(e);
	struct timespec t = { .tv_nsec = UTIME_OMIT };

	if (archive_entry_mtime_is_set(e)) {
		t.tv_sec = archive_entry_mtime(e);
		t.tv_nsec = nsec >= 0 && nsec < 1000000000 ? nsec : 0;
	}
	return t;
}

static bool put_dir(struct unpack *u, struct archive_entry *e, const char *name, const char *where)
{
	int fd;

	u->kept_dirs += strlen(name) + 1 + sizeof(struct made_dir);
	if (u->kept_dirs > DIRS_MAX)
		return refused(u, name, "too many directories");
	fd = open_dir(u, where);
	if (fd < 0)
		return failed(u, "make directory", where, errno);
	close(fd);
	/* What was there before this, and is only copied into, stays as it is. */
	if (where[0] != '\0')
		*ARRAY_PUSH(u->dirs, u->n_dirs, u->cap_dirs) =
			(struct made_dir){ .name = xstrdup(name),
					   .mode = archive_entry_perm(e) & BITS,
					   .uid = (uid_t)archive_entry_uid(e),
					   .gid = (gid_t)archive_entry_gid(e),
					   .mtime = time_of(e) };
	return true;
}

/* The data of the current entry.  0, -errno, or 1: the stream is at fault (told). */
static int write_data(struct unpack *u, int fd, int64_t size, const char *name)
{
	const void *data;
	la_int64_t at;
	size_t n;
	int r;

	while ((r = archive_read_data_block(u->a, &data, &n, &at)) >= ARCHIVE_WARN &&
	       r != ARCHIVE_EOF) {
		if (at < 0 || at > size || (int64_t)n > size - at) {
			refused(u, name, "it is longer than it says");
			return 1;
		}
		for (size_t done = 0; done < n;) {
			ssize_t w =
				pwrite(fd, (const char *)data + done, n - done, at + (int64_t)done);

			if (w < 0 && errno != EINTR)
				return -errno;
			done += w > 0 ? (size_t)w : 0;
		}
		copy_add(u->copy, n);
	}
	if (r != ARCHIVE_EOF) {
		copy_error(u->copy, "the stream ended in %s: %s", name, archive_error_string(u->a));
		return 1;
	}
	return ftruncate(fd, size) == 0 ? 0 : -errno; /* it may end in a hole */
}

static int finish_file(struct unpack *u, struct archive_entry *e, int fd)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, time_of(e) };

	if (u->owner && fchown(fd, (uid_t)archive_entry_uid(e), (gid_t)archive_entry_gid(e)) < 0)
		return -errno;
	if (fchmod(fd, archive_entry_perm(e) & BITS) < 0 || futimens(fd, times) < 0)
		return -errno;
	return 0;
}

/* 0, -errno, or 1 (told). */
static int make_file(struct unpack *u, struct archive_entry *e, int dir, const char *temporary,
		     const char *name)
{
	_cleanup_(closep) int fd =
		openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int64_t size = archive_entry_size_is_set(e) ? archive_entry_size(e) : 0;
	int r;

	if (fd < 0)
		return -errno;
	r = write_data(u, fd, size, name);
	return r == 0 ? finish_file(u, e, fd) : r;
}

static int make_link(struct unpack *u, struct archive_entry *e, int dir, const char *temporary)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, time_of(e) };
	const char *target = archive_entry_symlink(e);

	if (target == NULL)
		target = archive_entry_symlink_utf8(e);
	if (symlinkat(target != NULL ? target : "", dir, temporary) < 0)
		return -errno;
	if (u->owner && fchownat(dir, temporary, (uid_t)archive_entry_uid(e),
				 (gid_t)archive_entry_gid(e), AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return utimensat(dir, temporary, times, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : -errno;
}

/* A second name of a file that came before. */
static int make_hardlink(struct unpack *u, int dir, const char *temporary, const char *target,
			 const char *name)
{
	_cleanup_(freep) char *cleaned = clean(target);
	_cleanup_(freep) char *where = NULL;
	_cleanup_(closep) int from = -1;
	const char *slash;
	struct stat st;

	if (!u->tree || cleaned == NULL || cleaned[0] == '\0') {
		refused(u, name, "a hard link to what was not asked for");
		return 1;
	}
	where = place(u, cleaned);
	slash = strrchr(where, '/');
	if (slash != NULL)
		where[slash - where] = '\0';
	from = open_dir(u, slash != NULL ? where : "");
	if (from < 0)
		return -errno;
	slash = slash != NULL ? slash + 1 : where;
	if (fstatat(from, slash, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode)) {
		refused(u, name, "a hard link to what is no file");
		return 1;
	}
	return linkat(from, slash, dir, temporary, 0) == 0 ? 0 : -errno;
}

/* A file, a symbolic or a hard link: made under a name of ours, then renamed. */
static bool put_file(struct unpack *u, struct archive_entry *e, const char *name, const char *where)
{
	const char *hardlink = archive_entry_hardlink(e);
	char temporary[64];
	const char *last;
	int dir = open_parent(u, where, &last);
	int r;

	if (dir < 0)
		return failed(u, "write", where, errno);
	snprintf(temporary, sizeof(temporary), ".holos-copy.%ld.%u", (long)getpid(), u->counter++);
	if (hardlink != NULL)
		r = make_hardlink(u, dir, temporary, hardlink, name);
	else if (archive_entry_filetype(e) == AE_IFLNK)
		r = make_link(u, e, dir, temporary);
	else
		r = make_file(u, e, dir, temporary, name);
	if (r == 0 && renameat(dir, temporary, dir, last) < 0)
		r = -errno;
	/* What failed; or two names of one file, which rename(2) leaves alone. */
	if (r != 0 || hardlink != NULL)
		(void)unlinkat(dir, temporary, 0);
	if (r < 0)
		return failed(u, "write", where, -r);
	if (r == 0)
		copy_file_done(u->copy);
	return r == 0;
}

/* ---- the stream ------------------------------------------------------------------- */

static bool put(struct unpack *u, struct archive_entry *e)
{
	const char *raw = archive_entry_pathname(e);
	_cleanup_(freep) char *name = NULL;
	_cleanup_(freep) char *where = NULL;
	unsigned type = archive_entry_filetype(e);

	if (raw == NULL)
		raw = archive_entry_pathname_utf8(e);
	if (raw == NULL)
		return refused(u, "a file", "it has no name");
	name = clean(raw);
	if (name == NULL)
		return refused(u, raw, "it leads out of what was asked for, or is too long");
	if (!u->tree && (u->got_one || type == AE_IFDIR))
		return refused(u, raw, "one file was asked for");
	/* What is written to that name next would go where the guest points. */
	if (!u->tree && !u->link && type == AE_IFLNK)
		return refused(u, raw, "a file was asked for, and this is a link");
	u->got_one = true;
	where = place(u, name);
	if (archive_entry_hardlink(e) == NULL && type == AE_IFDIR)
		return put_dir(u, e, name, where);
	if (archive_entry_hardlink(e) == NULL && type != AE_IFREG && type != AE_IFLNK) {
		copy_warning(u->copy, "%s is left out: it is no file, directory or link", raw);
		return true;
	}
	if (u->tree && name[0] == '\0')
		return refused(u, raw, "a directory was asked for");
	return put_file(u, e, name, where);
}

static bool finish_dirs(struct unpack *u)
{
	bool good = true;

	for (size_t i = u->n_dirs; i-- > 0;) {
		const struct made_dir *d = &u->dirs[i];
		const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, d->mtime };
		_cleanup_(freep) char *where = place(u, d->name);
		_cleanup_(closep) int fd = open_dir(u, where);

		if (fd < 0 || (u->owner && fchown(fd, d->uid, d->gid) < 0) ||
		    fchmod(fd, d->mode) < 0 || futimens(fd, times) < 0)
			good = failed(u, "set mode and time of", where, errno);
	}
	return good;
}

static bool read_all(struct unpack *u)
{
	struct archive_entry *e;
	int r = archive_read_open_fd(u->a, 0, COPY_BLOCK);

	while (r >= ARCHIVE_WARN && r != ARCHIVE_EOF) {
		r = archive_read_next_header(u->a, &e);
		if (r >= ARCHIVE_WARN && r != ARCHIVE_EOF && !put(u, e))
			return false;
	}
	if (r == ARCHIVE_EOF)
		return true;
	copy_error(u->copy, "the guest's tar stream is damaged: %s", archive_error_string(u->a));
	return false;
}

bool unpack(struct copy *c, const char *directory, const char *name, enum unpack_what what,
	    bool owner)
{
	_cleanup_(closep) int top = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct unpack u = { .copy = c,
			    .top = top,
			    .directory = strcmp(directory, "/") == 0 ? "" : directory,
			    .name = name,
			    .tree = what == UNPACK_TREE,
			    .link = what == UNPACK_LINK,
			    .owner = owner,
			    .parent_fd = -1 };
	bool good;

	if (top < 0) {
		copy_error(c, "cannot open %s: %s", directory, strerror(errno));
		return false;
	}
	u.a = archive_read_new();
	archive_read_support_format_tar(u.a);
	good = read_all(&u);
	if (good && !u.got_one) {
		copy_error(c, "the guest sent nothing");
		good = false;
	}
	/* Also after a failure: nothing is to stay with a mode of ours. */
	good = finish_dirs(&u) && good;
	archive_read_free(u.a);
	for (size_t i = 0; i < u.n_dirs; i++)
		free(u.dirs[i].name);
	free(u.dirs);
	free(u.parent);
	closep(&u.parent_fd);
	return good && c->errors == 0;
}
