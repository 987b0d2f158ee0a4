/* SPDX-License-Identifier: Apache-2.0
 *
 * layout.c - see layout.h.
 */
#include <base/alloc.h>
#include <base/fs.h>
#include <base/names.h>
#include <base/units.h>
#include <state/layout.h>

#include <errno.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define DISCARDED ".removing-"
#define BEGUN     ".new-"

/* The large ones may be links to another file system. */
static const struct {
	const char *name;
	bool may_be_link;
} subdirs[] = { { "projects", false }, { "locks", false }, { "instances", false },
		{ "volumes", true },   { "ssh", false },   { "images", true },
		{ "runs", false } };

char *state_default_dir(const char *wanted)
{
	_cleanup_(freep) char *cwd = NULL;
	const char *home;

	if (wanted == NULL || *wanted == '\0')
		wanted = getenv("HOLOS_STATE_DIR");
	if (wanted != NULL && *wanted != '\0') {
		cwd = getcwd(NULL, 0);
		return fs_normalize(cwd != NULL ? cwd : "/", wanted);
	}
	if (geteuid() == 0)
		return xstrdup("/var/lib/holos");
	home = getenv("HOME");
	if (home != NULL && home[0] == '/')
		return fs_join(home, ".local/state/holos");
	cwd = getcwd(NULL, 0);
	return fs_join(cwd != NULL ? cwd : "/", ".holos");
}

static int not_ours(const char *dir, const struct stat *st, struct holos_error **err)
{
	error_set(err, ERR_HOST, "state directory %s belongs to user %u, not to you", dir,
		  (unsigned)st->st_uid);
	error_hint(err, "run holos as that user, or give a directory of your own: --state-dir DIR");
	return -ERR_HOST;
}

static int check_dir(const char *dir, int fd, struct holos_error **err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot stat state directory %s", dir);
	if (st.st_uid != geteuid() && geteuid() != 0)
		return not_ours(dir, &st, err);
	if ((st.st_mode & 022) != 0) {
		error_set(err, ERR_HOST, "state directory %s can be written by others", dir);
		error_hint(err, "chmod 700 %s", dir);
		return -ERR_HOST;
	}
	return 0;
}

static int make_subdir(const struct state *s, const char *name, bool may_be_link,
		       struct holos_error **err)
{
	struct stat st;

	if (mkdirat(s->fd, name, 0700) == 0)
		return 0;
	if (errno != EEXIST || fstatat(s->fd, name, &st, may_be_link ? 0 : AT_SYMLINK_NOFOLLOW) < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot make directory %s/%s", s->dir,
				 name);
	if (S_ISDIR(st.st_mode))
		return 0;
	error_set(err, ERR_FAILED, "%s/%s must be a directory, and is %s", s->dir, name,
		  S_ISLNK(st.st_mode) ? "a link" : "something else");
	error_hint(err, "move it away, or use another state directory (--state-dir)");
	return -ERR_FAILED;
}

int state_open(const char *dir, bool writing, struct state **ret, struct holos_error **err)
{
	_cleanup_(state_closep) struct state *s = xnew(struct state);
	struct stat st;
	int r;

	s->dir = xstrdup(dir);
	s->fd = -1;
	if (writing) {
		r = fs_mkdir_p(dir, 0700, err);
		if (r < 0)
			return r;
	}
	s->fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->fd < 0 && errno == EACCES && stat(dir, &st) == 0 && st.st_uid != geteuid())
		return not_ours(dir, &st, err);
	if (s->fd < 0 && (errno != ENOENT || writing))
		return error_sys(err, ERR_FAILED, errno, "cannot open state directory %s", dir);
	if (s->fd >= 0) {
		r = check_dir(dir, s->fd, err);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; writing && i < sizeof(subdirs) / sizeof(subdirs[0]); i++) {
		r = make_subdir(s, subdirs[i].name, subdirs[i].may_be_link, err);
		if (r < 0)
			return r;
	}
	*ret = steal_ptr(&s);
	return 0;
}

void state_close(struct state *s)
{
	if (s == NULL)
		return;
	if (s->fd >= 0)
		close(s->fd);
	free(s->dir);
	free(s);
}

char *state_path(const struct state *s, const char *fmt, ...)
{
	_cleanup_(freep) char *rel = NULL;
	va_list ap;

	va_start(ap, fmt);
	rel = xvasprintf(fmt, ap);
	va_end(ap);
	return fs_join(s->dir, rel);
}

int state_open_dir(const struct state *s, bool make, const char *fmt, ...)
{
	_cleanup_(freep) char *rel = NULL;
	va_list ap;

	va_start(ap, fmt);
	rel = xvasprintf(fmt, ap);
	va_end(ap);
	if (s->fd < 0) {
		errno = ENOENT;
		return -1;
	}
	for (char *p = strchr(rel, '/'); make; p = strchr(p + 1, '/')) {
		if (p != NULL)
			*p = '\0';
		if (mkdirat(s->fd, rel, 0700) < 0 && errno != EEXIST)
			return -1;
		if (p == NULL)
			break;
		*p = '/';
	}
	return openat(s->fd, rel, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

bool state_contains(const struct state *s, const char *path)
{
	_cleanup_(freep) char *plain = fs_normalize("/", path);
	size_t n = strlen(s->dir);

	return strcmp(plain, path) == 0 && strncmp(path, s->dir, n) == 0 && path[n] == '/';
}

bool state_split_instance(const char *instance, char service[64], unsigned *index)
{
	const char *dash = strrchr(instance, '-');
	int64_t n;

	if (dash == NULL || dash == instance || dash - instance > 63 ||
	    units_parse_int(dash + 1, 0, 1u << 20, &n) < 0 || (dash[1] == '0' && dash[2] != '\0'))
		return false;
	memcpy(service, instance, (size_t)(dash - instance));
	service[dash - instance] = '\0';
	*index = (unsigned)n;
	return names_is_label(service);
}

/* Call fn for each entry of a directory; a missing directory is empty. */
static int each_entry(int dirfd, const char *what, void (*fn)(struct strv *, const char *),
		      struct strv *ret, struct holos_error **err)
{
	_cleanup_(closedirp) DIR *d = NULL;
	struct dirent *e;

	if (dirfd < 0)
		return errno == ENOENT ? 0
				       : error_sys(err, ERR_FAILED, errno, "cannot read %s", what);
	d = fdopendir(dirfd);
	if (d == NULL) {
		close(dirfd);
		return error_sys(err, ERR_FAILED, ENOMEM, "cannot read %s", what);
	}
	errno = 0;
	while ((e = readdir(d)) != NULL) {
		fn(ret, e->d_name);
		errno = 0;
	}
	/* Half a list would hide VMs. */
	return errno == 0 ? 0 : error_sys(err, ERR_FAILED, errno, "cannot read %s", what);
}

static void add_label(struct strv *v, const char *name)
{
	if (names_is_label(name) && !strv_has(v, name))
		strv_add(v, name);
}

static void add_record(struct strv *v, const char *name)
{
	size_t n = strlen(name);

	if (n > 5 && strcmp(name + n - 5, ".json") == 0) {
		_cleanup_(freep) char *label = xstrndup(name, n - 5);

		add_label(v, label);
	}
}

static void add_instance(struct strv *v, const char *name)
{
	char service[64];
	unsigned index;

	if (state_split_instance(name, service, &index))
		strv_add(v, name);
}

static void add_discarded(struct strv *v, const char *name)
{
	if (strncmp(name, DISCARDED, strlen(DISCARDED)) == 0 ||
	    strncmp(name, BEGUN, strlen(BEGUN)) == 0)
		strv_add(v, name);
}

int state_list_projects(const struct state *s, struct strv *ret, struct holos_error **err)
{
	int r = each_entry(state_open_dir(s, false, "projects"), "projects", add_record, ret, err);

	if (r < 0)
		return r;
	r = each_entry(state_open_dir(s, false, "instances"), "instances", add_label, ret, err);
	if (r < 0)
		return r;
	strv_sort(ret);
	return 0;
}

int state_list_volumes(const struct state *s, struct strv *ret, struct holos_error **err)
{
	int r = each_entry(state_open_dir(s, false, "volumes"), "volumes", add_label, ret, err);

	if (r == 0)
		strv_sort(ret);
	return r;
}

static int compare_instances(const void *a, const void *b)
{
	char sa[64], sb[64];
	unsigned ia = 0, ib = 0;
	int c;

	(void)state_split_instance(*(char *const *)a, sa, &ia);
	(void)state_split_instance(*(char *const *)b, sb, &ib);
	c = strcmp(sa, sb);
	return c != 0 ? c : (ia > ib) - (ia < ib);
}

int state_list_instances(const struct state *s, const char *project, struct strv *ret,
			 struct holos_error **err)
{
	int r = each_entry(state_open_dir(s, false, "instances/%s", project), project, add_instance,
			   ret, err);

	if (r < 0)
		return r;
	if (ret->n > 1)
		qsort(ret->v, ret->n, sizeof(*ret->v), compare_instances);
	return 0;
}

static char *begun_name(const char *instance)
{
	return xasprintf(BEGUN "%s", instance);
}

char *state_begun_path(const struct state *s, const char *project, const char *instance)
{
	return state_path(s, "instances/%s/" BEGUN "%s", project, instance);
}

/* VMs have nothing to do with each other and their disks grow: ext4 is told to lay
 * them out apart, as it does with what is below /home (chattr(1), T).  In one group
 * a new file can cost a look at every file that was removed in the last minutes.
 * Other file systems do not know the flag. */
static void lay_out_apart(int dir)
{
	int flags;

	if (ioctl(dir, FS_IOC_GETFLAGS, &flags) < 0)
		return;
	flags |= FS_TOPDIR_FL;
	(void)ioctl(dir, FS_IOC_SETFLAGS, &flags);
}

static int open_project(const struct state *s, const char *project)
{
	int dir = state_open_dir(s, false, "instances/%s", project);

	if (dir >= 0 || errno != ENOENT)
		return dir;
	dir = state_open_dir(s, true, "instances/%s", project);
	if (dir >= 0)
		lay_out_apart(dir);
	return dir;
}

int state_begin_instance(const struct state *s, const char *project, const char *instance,
			 int *ret_fd, struct holos_error **err)
{
	_cleanup_(closep) int dir = open_project(s, project);
	_cleanup_(freep) char *name = begun_name(instance);
	int r, fd;

	if (dir < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot make %s", instance);
	r = mkdirat(dir, name, 0700);
	if (r < 0 && errno == EEXIST) {
		r = fs_remove_tree(dir, name, err);
		if (r < 0)
			return r;
		r = mkdirat(dir, name, 0700);
	}
	if (r < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot make %s", instance);
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot open %s", instance);
	*ret_fd = fd;
	return 0;
}

int state_publish_instance(const struct state *s, const char *project, const char *instance,
			   struct holos_error **err)
{
	_cleanup_(closep) int dir = state_open_dir(s, false, "instances/%s", project);
	_cleanup_(freep) char *name = begun_name(instance);
	int r;

	if (dir < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot make %s", instance);
	r = fs_sync_dir(dir, name, err);
	if (r < 0)
		return r;
	/* Never over a directory that is there: it may be somebody's VM. */
	if (fs_rename_new(dir, name, dir, instance) < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot make %s", instance);
	return fs_sync_dir(dir, ".", err);
}

void state_abandon_instance(const struct state *s, const char *project, const char *instance)
{
	_cleanup_(closep) int dir = state_open_dir(s, false, "instances/%s", project);
	_cleanup_(freep) char *name = begun_name(instance);

	if (dir >= 0)
		(void)fs_remove_tree(dir, name, NULL); /* the next sweep tries again */
}

static int discard(int dir, const char *instance, struct holos_error **err)
{
	for (unsigned i = 0;; i++) {
		_cleanup_(freep) char *to = xasprintf(DISCARDED "%s-%u", instance, i);

		if (renameat(dir, instance, dir, to) == 0 || errno == ENOENT)
			return 0;
		if (errno != EEXIST && errno != ENOTEMPTY)
			return error_sys(err, ERR_FAILED, errno, "cannot remove %s", instance);
	}
}

int state_discard_instances(const struct state *s, const char *project,
			    const struct strv *instances, struct holos_error **err)
{
	_cleanup_(closep) int dir = state_open_dir(s, false, "instances/%s", project);
	int r = 0;

	if (dir < 0)
		return errno == ENOENT ? 0
				       : error_sys(err, ERR_FAILED, errno,
						   "cannot remove instances of %s", project);
	for (size_t i = 0; i < instances->n && r == 0; i++)
		r = discard(dir, instances->v[i], err);
	return r == 0 ? fs_sync_dir(dir, ".", err) : r;
}

int state_discard_instance(const struct state *s, const char *project, const char *instance,
			   struct holos_error **err)
{
	_cleanup_(strv_finish) struct strv one = STRV_INIT;

	strv_add(&one, instance);
	return state_discard_instances(s, project, &one, err);
}

int state_restore_instance(const struct state *s, const char *project, const char *instance,
			   struct holos_error **err)
{
	_cleanup_(closep) int dir = state_open_dir(s, false, "instances/%s", project);
	_cleanup_(freep) char *from = xasprintf(DISCARDED "%s-0", instance);

	if (dir < 0 || !fs_absent(dir, instance) || renameat(dir, from, dir, instance) < 0)
		return error_sys(err, ERR_FAILED, dir < 0 ? ENOENT : errno, "cannot bring %s back",
				 instance);
	return fs_sync_dir(dir, ".", err);
}

static void sweep_temporary(const struct state *s, const char *project)
{
	_cleanup_(freep) char *record = xasprintf("%s.json.", project);
	_cleanup_(freep) char *brief = xasprintf("%s.brief.", project);
	_cleanup_(freep) char *volumes = xasprintf("volumes/%s", project);
	_cleanup_(freep) char *ssh = xasprintf("ssh/%s", project);

	if (s->fd < 0)
		return;
	fs_sweep_temporary(s->fd, "projects", record);
	fs_sweep_temporary(s->fd, "projects", brief);
	fs_sweep_temporary(s->fd, volumes, "");
	fs_sweep_temporary(s->fd, ssh, "");
}

int state_sweep_discarded(const struct state *s, const char *project, struct holos_error **err)
{
	_cleanup_(strv_finish) struct strv found = STRV_INIT;
	_cleanup_(closep) int dir = -1;
	int r;

	sweep_temporary(s, project);
	r = each_entry(state_open_dir(s, false, "instances/%s", project), project, add_discarded,
		       &found, err);

	if (r < 0 || found.n == 0)
		return r;
	dir = state_open_dir(s, false, "instances/%s", project);
	if (dir < 0)
		return 0;
	for (size_t i = 0; i < found.n; i++) {
		r = fs_remove_tree(dir, found.v[i], err);
		if (r < 0)
			return error_wrap(err, "project \"%s\"", project);
	}
	return 0;
}
