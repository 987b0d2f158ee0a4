/* SPDX-License-Identifier: Apache-2.0
 *
 * search.c - see search.h.
 */
#include <plugin/search.h>

#include <base/alloc.h>
#include <base/fs.h>
#include <base/names.h>
#include <base/paths.h>
#include <plugin/status.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS_MAX 4

/* Started with more rights than its caller has: the environment is not ours to
 * believe. */
static bool privileged(void)
{
	return getuid() != geteuid() || getgid() != getegid();
}

void plugin_search_dirs(struct strv *ret)
{
	const char *list = privileged() ? NULL : getenv("HOLOS_PLUGIN_PATH");
	const char *home = privileged() ? NULL : getenv("HOME");

	while (list != NULL && *list != '\0') {
		size_t n = strcspn(list, ":");

		if (list[0] == '/')
			strv_take(ret, xstrndup(list, n));
		list += n + (list[n] == ':' ? 1 : 0);
	}
	if (home != NULL && home[0] == '/')
		strv_take(ret, fs_join(home, ".local/lib/holos/plugins"));
	strv_add(ret, paths_plugins());
}

char *plugin_worker_program(void)
{
	const char *dir = privileged() ? NULL : getenv("HOLOS_LIBEXEC_DIR");

	return fs_join(dir != NULL && dir[0] == '/' ? dir : paths_libexec(), "holos-worker");
}

bool plugin_file_parse(const char *file, const char *suffix, const char **ret_kind, char *name)
{
	size_t len = strlen(file);
	size_t n_suffix = strlen(suffix);

	if (len <= n_suffix || len >= PLUGIN_FILE_MAX || strncmp(file, "holos-", 6) != 0 ||
	    strcmp(file + len - n_suffix, suffix) != 0)
		return false;
	file += 6;
	len -= 6 + n_suffix;
	for (size_t i = 0; i < n_plugin_kinds; i++) {
		size_t n = strlen(plugin_kinds[i].name);

		if (len <= n + 1 || len - n - 1 > 32 || file[n] != '-' ||
		    strncmp(file, plugin_kinds[i].name, n) != 0)
			continue;
		memcpy(name, file + n + 1, len - n - 1);
		name[len - n - 1] = '\0';
		*ret_kind = plugin_kinds[i].name;
		return names_is_plugin(name);
	}
	return false;
}

/* Refuse what somebody else could change behind our back. */
static int check_owner(const struct stat *st, const char *what, const char *path,
		       struct holos_error **err)
{
	if ((st->st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		error_set(err, ERR_HOST, "%s %s is writable by others", what, path);
		error_hint(err, "chmod go-w %s", path);
		return -ERR_HOST;
	}
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return error_set(err, ERR_HOST, "%s %s belongs to user %lu and not to %s", what,
				 path, (unsigned long)st->st_uid,
				 geteuid() == 0 ? "root" : "you or root");
	return 0;
}

/* May others put another file at a name in this directory?  Sticky directories
 * (/tmp) keep names to their owners.  A group that is root's, or the caller's own
 * by the scheme of one group per user, is as good as the caller. */
static int check_ancestor(const char *path, struct holos_error **err)
{
	bool others, group;
	struct stat st;

	if (stat(path, &st) < 0)
		return error_sys(err, ERR_HOST, errno, "cannot look at %s", path);
	group = st.st_gid != 0 && !(st.st_gid == getegid() && getegid() == geteuid());
	others = (st.st_mode & S_IWOTH) != 0 || ((st.st_mode & S_IWGRP) != 0 && group);
	if (others && (st.st_mode & S_ISVTX) == 0) {
		error_set(err, ERR_HOST,
			  "directory %s, above a plugin directory, is writable by "
			  "others",
			  path);
		error_hint(err, "chmod go-w %s", path);
		return -ERR_HOST;
	}
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return error_set(err, ERR_HOST,
				 "directory %s, above a plugin directory, belongs to user %lu and "
				 "not to %s",
				 path, (unsigned long)st.st_uid,
				 geteuid() == 0 ? "root" : "you or root");
	return 0;
}

/* Every directory above an absolute path. */
static int check_above(const char *dir, struct holos_error **err)
{
	_cleanup_(freep) char *path = xstrdup(dir);
	char *slash;
	int r = 0;

	while (r == 0 && (slash = strrchr(path, '/')) != NULL && path[1] != '\0') {
		slash[slash == path ? 1 : 0] = '\0';
		r = check_ancestor(path, err);
	}
	return r;
}

/* Whoever can rename a directory above the plugins decides what is loaded: those
 * of the name as it is given, and those of where it leads. */
static int check_ancestors(const char *dir, struct holos_error **err)
{
	_cleanup_(freep) char *real = realpath(dir, NULL);
	int r;

	if (real == NULL)
		return error_sys(err, ERR_HOST, errno, "cannot look at %s", dir);
	r = check_above(real, err);
	return r == 0 && strcmp(real, dir) != 0 ? check_above(dir, err) : r;
}

/* Follow links that stay in the directory: file[] becomes the last name.
 * -ENOENT: nothing there. */
static int resolve_links(int dirfd, const char *dir, char *file, struct holos_error **err)
{
	for (int i = 0; i <= LINKS_MAX; i++) {
		char to[PLUGIN_FILE_MAX];
		ssize_t n = readlinkat(dirfd, file, to, sizeof(to));

		if (n < 0)
			return errno == ENOENT ? -ENOENT : 0; /* EINVAL: no link; openat tells */
		if ((size_t)n == sizeof(to) || memchr(to, '/', (size_t)n) != NULL)
			return error_set(err, ERR_HOST, "%s/%s is a link out of its directory", dir,
					 file);
		memcpy(file, to, (size_t)n);
		file[n] = '\0';
	}
	return error_set(err, ERR_HOST, "%s/%s: too many links", dir, file);
}

static int open_checked(int dirfd, const char *dir, const char *file, int *ret_fd,
			struct holos_error **err)
{
	_cleanup_(freep) char *path = fs_join(dir, file);
	_cleanup_(closep) int fd =
		openat(dirfd, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	int r;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_sys(err, ERR_HOST, errno, "cannot open %s", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, ERR_HOST, "%s is no regular file", path);
	r = check_owner(&st, "file", path, err);
	if (r < 0)
		return r;
	*ret_fd = steal_fd(&fd);
	return 1;
}

int plugin_search_dir(const char *dir, const char *kind, const char *name, const char *suffix,
		      struct plugin_file *ret, char **ret_path, struct holos_error **err)
{
	_cleanup_(closep) int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char file[PLUGIN_FILE_MAX], target[33];
	const char *target_kind;
	struct stat st;
	int fd = -1;
	int r;

	if (dirfd < 0)
		return 0;
	if (!names_is_plugin(name))
		return error_set(err, ERR_INVALID, "\"%s\" is no plugin name", name);
	snprintf(file, sizeof(file), "holos-%s-%s%s", kind, name, suffix);
	if (faccessat(dirfd, file, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (ret_path != NULL)
		*ret_path = fs_join(dir, file);
	if (fstat(dirfd, &st) < 0)
		return error_sys(err, ERR_HOST, errno, "cannot look at %s", dir);
	r = check_owner(&st, "directory", dir, err);
	if (r == 0)
		r = check_ancestors(dir, err);
	if (r == 0)
		r = resolve_links(dirfd, dir, file, err);
	if (r == 0 && !plugin_file_parse(file, suffix, &target_kind, target))
		r = error_set(err, ERR_HOST,
			      "%s/holos-%s-%s%s leads to %s, which is no plugin's name", dir, kind,
			      name, suffix, file);
	if (r == 0)
		r = open_checked(dirfd, dir, file, &fd, err);
	if (r == 0 || r == -ENOENT)
		r = error_set(err, ERR_HOST, "%s/holos-%s-%s%s leads to nothing", dir, kind, name,
			      suffix);
	if (r < 0)
		return r;
	*ret = (struct plugin_file){ .fd = fd,
				     .dir = xstrdup(dir),
				     .path = fs_join(dir, file),
				     .module = xasprintf("%s-%s", target_kind, target) };
	return 1;
}

int plugin_search(char *const *dirs, const char *kind, const char *name, const char *suffix,
		  struct plugin_file *ret, char **ret_path, struct holos_error **err)
{
	int r = 0;

	for (; r == 0 && *dirs != NULL; dirs++)
		r = plugin_search_dir(*dirs, kind, name, suffix, ret, ret_path, err);
	return r;
}

void plugin_file_finish(struct plugin_file *f)
{
	if (f->path == NULL)
		return;
	close(f->fd);
	free(f->dir);
	free(f->path);
	free(f->module);
	*f = (struct plugin_file){ .fd = -1 };
}
