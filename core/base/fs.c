/* SPDX-License-Identifier: Apache-2.0
 *
 * fs.c - see fs.h.
 */
#include <base/alloc.h>
#include <base/fs.h>

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int fs_read_fd(int fd, const char *name, size_t max, struct strbuf *ret, struct holos_error **err)
{
	_cleanup_(strbuf_finish) struct strbuf b = STRBUF_INIT;

	for (;;) {
		ssize_t n;
		size_t room = b.len < 4096 ? 4096 : b.len;

		if (room > max - b.len + 1)
			room = max - b.len + 1;
		strbuf_reserve(&b, room);
		n = read(fd, b.s + b.len, room);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_sys(err, ERR_FAILED, errno, "cannot read %s", name);
		if (n == 0)
			break;
		b.len += (size_t)n;
		if (b.len > max)
			return error_set(err, ERR_FAILED, "%s is larger than %zu bytes", name, max);
	}
	strbuf_reserve(&b, 0);
	b.s[b.len] = '\0';
	strbuf_finish(ret);
	*ret = b;
	b = (struct strbuf)STRBUF_INIT;
	return 0;
}

int fs_read(int dirfd, const char *path, size_t max, struct strbuf *ret, struct holos_error **err)
{
	_cleanup_(closep) int fd = -1;
	struct stat st;

	fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot open %s", path);
	if (fstat(fd, &st) < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot stat %s", path);
	if (S_ISDIR(st.st_mode))
		return error_set(err, ERR_FAILED, "%s is a directory", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, ERR_FAILED, "%s is no regular file", path);
	return fs_read_fd(fd, path, max, ret, err);
}

int fs_write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len != 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* The directory part of path ("." when it has none); the caller frees. */
static char *dir_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		return xstrdup(".");
	return slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));
}

int fs_sync_dir(int dirfd, const char *path, struct holos_error **err)
{
	_cleanup_(closep) int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot sync directory %s", path);
	return 0;
}

int fs_sync_file(int dirfd, const char *path, struct holos_error **err)
{
	_cleanup_(closep) int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 || fsync(fd) < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot sync %s", path);
	return 0;
}

int fs_rename_new(int from_dirfd, const char *from, int to_dirfd, const char *to)
{
	if (renameat2(from_dirfd, from, to_dirfd, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL)
		return -1;
	/* A file system without that flag: callers hold a lock, so that nobody makes
	 * `to` between the look and the rename. */
	if (!fs_absent(to_dirfd, to)) {
		errno = EEXIST;
		return -1;
	}
	return renameat(from_dirfd, from, to_dirfd, to);
}

static int write_file(int dirfd, const char *path, const void *data, size_t len, mode_t mode,
		      bool sync, struct holos_error **err)
{
	_cleanup_(freep) char *tmp = xasprintf("%s.tmp.%ld", path, (long)getpid());
	_cleanup_(freep) char *dir = dir_of(path);
	_cleanup_(closep) int fd = -1;
	int r;

	fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot write %s", path);
	r = fs_write_all(fd, data, len);
	if (r == 0 && fchmod(fd, mode) < 0) /* the umask may have taken bits */
		r = -errno;
	if (r == 0 && sync && fsync(fd) < 0)
		r = -errno;
	if (r == 0 && renameat(dirfd, tmp, dirfd, path) < 0)
		r = -errno;
	if (r < 0) {
		unlinkat(dirfd, tmp, 0);
		return error_sys(err, ERR_FAILED, -r, "cannot write %s", path);
	}
	return sync ? fs_sync_dir(dirfd, dir, err) : 0;
}

int fs_write_atomic(int dirfd, const char *path, const void *data, size_t len, mode_t mode,
		    struct holos_error **err)
{
	return write_file(dirfd, path, data, len, mode, true, err);
}

int fs_write_replace(int dirfd, const char *path, const void *data, size_t len, mode_t mode,
		     struct holos_error **err)
{
	return write_file(dirfd, path, data, len, mode, false, err);
}

void fs_clear_name(int dirfd, const char *name)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    (!S_ISREG(st.st_mode) || st.st_nlink != 1))
		(void)unlinkat(dirfd, name, 0);
}

int fs_open_log(int dirfd, const char *name)
{
	fs_clear_name(dirfd, name);
	return openat(dirfd, name,
		      O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
}

static bool is_temporary(const char *name)
{
	const char *dot = strrchr(name, '.');

	if (dot == NULL || dot == name)
		return false;
	if (strcmp(dot, ".new") == 0)
		return true;
	return dot[1] != '\0' && dot[1 + strspn(dot + 1, "0123456789")] == '\0' && dot - name > 4 &&
	       memcmp(dot - 4, ".tmp", 4) == 0;
}

void fs_sweep_temporary(int dirfd, const char *path, const char *prefix)
{
	int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	_cleanup_(closedirp) DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;

	if (d == NULL && fd >= 0)
		close(fd);
	while (d != NULL && (e = readdir(d)) != NULL) {
		if (strncmp(e->d_name, prefix, strlen(prefix)) == 0 && is_temporary(e->d_name))
			(void)unlinkat(fd, e->d_name, 0); /* stays: it does no harm */
	}
}

int fs_mkdir_p(const char *path, mode_t mode, struct holos_error **err)
{
	_cleanup_(freep) char *copy = xstrdup(path);
	struct stat st;

	for (char *p = copy + 1; *copy != '\0'; p++) {
		char c = *p;

		if (c != '/' && c != '\0')
			continue;
		*p = '\0';
		if (mkdir(copy, mode) < 0 && errno != EEXIST)
			return error_sys(err, ERR_FAILED, errno, "cannot make directory %s", copy);
		*p = c;
		if (c == '\0')
			break;
	}
	if (stat(path, &st) < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot make directory %s", path);
	if (!S_ISDIR(st.st_mode))
		return error_set(err, ERR_FAILED, "%s is no directory", path);
	return 0;
}

int fs_open_dir(int dirfd, const char *path, mode_t mode, struct holos_error **err)
{
	int fd;

	if (mkdirat(dirfd, path, mode) < 0 && errno != EEXIST)
		return error_sys(err, ERR_FAILED, errno, "cannot make directory %s", path);
	fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot open directory %s", path);
	return fd;
}

#define REMOVE_DEPTH_MAX 64

static int remove_at(int dirfd, const char *name, unsigned depth, struct holos_error **err)
{
	_cleanup_(closedirp) DIR *d = NULL;
	struct dirent *e;
	int fd;

	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return error_sys(err, ERR_FAILED, errno, "cannot remove %s", name);
	if (depth >= REMOVE_DEPTH_MAX)
		return error_set(err, ERR_FAILED, "cannot remove %s: nested too deeply", name);
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot remove %s", name);
	d = fdopendir(fd);
	if (d == NULL) {
		close(fd);
		return error_sys(err, ERR_FAILED, ENOMEM, "cannot remove %s", name);
	}
	while ((e = readdir(d)) != NULL) {
		int r;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		r = remove_at(fd, e->d_name, depth + 1, err);
		if (r < 0)
			return r;
	}
	if (unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return error_sys(err, ERR_FAILED, errno, "cannot remove %s", name);
	return 0;
}

int fs_remove_tree(int dirfd, const char *path, struct holos_error **err)
{
	return remove_at(dirfd, path, 0, err);
}

/* Copy the data extents of in to out, which has the same size already. */
static int copy_extents(int in, int out, off_t size)
{
	_cleanup_(freep) char *buf = xmalloc(1 << 16);
	off_t at = 0;

	while (at < size) {
		off_t data = lseek(in, at, SEEK_DATA);
		off_t hole;

		if (data < 0)
			return errno == ENXIO ? 0 : -errno;
		hole = lseek(in, data, SEEK_HOLE);
		if (hole < 0)
			return -errno;
		for (at = data; at < hole;) {
			size_t want = hole - at < (1 << 16) ? (size_t)(hole - at) : 1 << 16;
			ssize_t n = pread(in, buf, want, at);
			ssize_t done = 0;

			if (n <= 0)
				return n < 0 ? -errno : -EIO;
			while (done < n) {
				ssize_t w = pwrite(out, buf + done, (size_t)(n - done), at + done);

				if (w < 0)
					return -errno;
				done += w;
			}
			at += n;
		}
	}
	return 0;
}

int fs_copy(int src_dirfd, const char *src, int dst_dirfd, const char *dst, mode_t mode,
	    struct holos_error **err)
{
	_cleanup_(closep) int in = openat(src_dirfd, src, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	_cleanup_(closep) int out = -1;
	struct stat st;
	int r = 0;

	if (in < 0 || fstat(in, &st) < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot read %s", src);
	if (!S_ISREG(st.st_mode))
		return error_set(err, ERR_FAILED, "%s is no regular file", src);
	out = openat(dst_dirfd, dst, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (out < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot write %s", dst);
	if (ftruncate(out, st.st_size) < 0)
		r = -errno;
	if (r == 0)
		r = copy_extents(in, out, st.st_size);
	if (r < 0) {
		unlinkat(dst_dirfd, dst, 0);
		return error_sys(err, ERR_FAILED, -r, "cannot copy %s to %s", src, dst);
	}
	return 0;
}

char *fs_join(const char *a, const char *b)
{
	size_t n = strlen(a);

	if (b[0] == '/')
		return xstrdup(b);
	return xasprintf("%s%s%s", a, n != 0 && a[n - 1] == '/' ? "" : "/", b);
}

char *fs_normalize(const char *base, const char *path)
{
	_cleanup_(freep) char *full = fs_join(base, path);
	char *out = xmalloc(strlen(full) + 2);
	size_t len = 0;

	for (const char *p = full; *p != '\0';) {
		size_t n;

		p += strspn(p, "/");
		n = strcspn(p, "/");
		if (n == 2 && p[0] == '.' && p[1] == '.') {
			while (len != 0 && out[--len] != '/')
				;
		} else if (n != 0 && !(n == 1 && p[0] == '.')) {
			out[len++] = '/';
			memcpy(out + len, p, n);
			len += n;
		}
		p += n;
	}
	if (len == 0)
		out[len++] = '/';
	out[len] = '\0';
	return out;
}

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* It will be executed from another directory. */
static char *from_here(const char *path)
{
	_cleanup_(freep) char *cwd = path[0] != '/' ? getcwd(NULL, 0) : NULL;

	return cwd != NULL ? fs_normalize(cwd, path) : xstrdup(path);
}

char *fs_find_program(const char *name)
{
	const char *path = getenv("PATH");

	if (strchr(name, '/') != NULL)
		return is_program(name) ? from_here(name) : NULL;
	if (path == NULL)
		path = "/usr/local/bin:/usr/bin:/bin";
	while (*path != '\0') {
		size_t n = strcspn(path, ":");
		_cleanup_(freep) char *full = xasprintf("%.*s/%s", (int)n, path, name);

		if (n != 0 && is_program(full))
			return from_here(full);
		path += n + (path[n] == ':');
	}
	return NULL;
}

bool fs_exists(int dirfd, const char *path)
{
	struct stat st;

	return fstatat(dirfd, path, &st, 0) == 0;
}

bool fs_absent(int dirfd, const char *path)
{
	struct stat st;

	return fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
}
