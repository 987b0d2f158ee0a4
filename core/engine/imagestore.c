/* SPDX-License-Identifier: Apache-2.0
 *
 * imagestore.c - see imagestore.h.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/fs.h>
#include <base/jsonx.h>
#include <base/sha256.h>
#include <engine/context.h>
#include <engine/imagestore.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INDEX        "images/index.json"
#define INDEX_FORMAT 1
#define INDEX_MAX    (16u << 20)
#define STATES       "images/.states" /* the state directories that use this store */
#define STATE_DIGITS 32

void image_entry_finish(struct image_entry *i)
{
	free(i->ref);
	free(i->disk);
	free(i->format);
	free(i->url);
	free(i->source);
	free(i->digest);
	free(i->download);
	free(i->user);
	free(i->init);
	free(i->shares);
	free(i->resolved_at);
	memset(i, 0, sizeof(*i));
}

/* ---- the index ---------------------------------------------------------------- */

int store_read(struct engine *e, struct json_object **ret, struct holos_error **err)
{
	static const char *const parts[] = { "made", "refs", "moved" };
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	struct json_object *index = NULL;

	if (e->state->fd >= 0 &&
	    jsonx_read_file(e->state->fd, INDEX, INDEX_MAX, &index, &why) < 0) {
		/* What could not be read is not damaged: prune would take it for empty. */
		if (why->sys_errno != 0 && why->sys_errno != ENOENT)
			return error_move(err, &why);
		if (why->sys_errno == 0) /* it only saves work: begin anew */
			engine_warn(e, "image index set aside: %s", why->message);
		index = NULL;
	} else if (index != NULL && jsonx_int(index, "format", 0) > INDEX_FORMAT) {
		json_object_put(index);
		return error_set(err, ERR_FAILED, "%s/%s was written by a newer holos",
				 e->state->dir, INDEX);
	}
	if (index == NULL || !json_object_is_type(index, json_type_object)) {
		json_object_put(index);
		index = json_object_new_object();
	}
	jsonx_set_int(index, "format", INDEX_FORMAT);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (jsonx_obj(index, parts[i]) == NULL)
			jsonx_set(index, parts[i], json_object_new_object());
	}
	*ret = index;
	return 0;
}

/* Change the index under its lock. */
static int change(struct engine *e, const char *part, const char *key, struct json_object *value,
		  struct holos_error **err)
{
	_cleanup_(state_unlockp) struct state_lock *lock = NULL;
	_cleanup_(json_putp) struct json_object *index = NULL;
	_cleanup_(freep) char *text = NULL;
	int r = engine_lock_file(e, "images/.lock", "image index", 60 * NS_PER_S, &lock, err);

	if (r == 0)
		r = store_read(e, &index, err);
	if (r < 0) {
		json_object_put(value);
		return r;
	}
	fs_sweep_temporary(e->state->fd, "images", "index.json."); /* of who was killed */
	if (value != NULL)
		jsonx_set(jsonx_obj(index, part), key, value);
	else
		json_object_object_del(jsonx_obj(index, part), key);
	text = jsonx_pretty(index);
	return fs_write_atomic(e->state->fd, INDEX, text, strlen(text), 0600, err);
}

static bool is_hex(const char *s)
{
	return s != NULL && strlen(s) == 64 && strspn(s, "0123456789abcdef") == 64;
}

static bool is_format(const char *s)
{
	return s != NULL && (strcmp(s, "qcow2") == 0 || strcmp(s, "raw") == 0);
}

char *store_path(const struct engine *e, const char *disk, const char *format)
{
	return state_path(e->state, "images/sha256-%s.%s", disk, format);
}

bool store_parse_entry(struct engine *e, const char *ref, struct json_object *o,
		       struct image_entry *ret)
{
	const char *disk = jsonx_str(o, "disk", NULL);
	const char *format = jsonx_str(o, "format", NULL);
	_cleanup_(freep) char *path = NULL;
	int64_t size = jsonx_int(o, "size", 0), bytes = jsonx_int(o, "bytes", 0);

	if (!is_hex(disk) || !is_format(format))
		return false;
	path = store_path(e, disk, format);
	if (!fs_exists(AT_FDCWD, path))
		return false;
	*ret = (struct image_entry){
		.ref = xstrdup(ref),
		.disk = xstrdup(disk),
		.format = xstrdup(format),
		.url = xstrdup_null(jsonx_str(o, "url", NULL)),
		.source = xstrdup_null(jsonx_str(o, "source", NULL)),
		.digest = xstrdup_null(jsonx_str(o, "digest", NULL)),
		.download = xstrdup_null(jsonx_str(o, "download", NULL)),
		.user = xstrdup_null(jsonx_str(o, "user", NULL)),
		.init = xstrdup_null(jsonx_str(o, "init", NULL)),
		.shares = xstrdup_null(jsonx_str(o, "shares", NULL)),
		.resolved_at = xstrdup_null(jsonx_str(o, "resolved_at", NULL)),
		.size = size > 0 ? (uint64_t)size : 0,
		.bytes = bytes > 0 ? (uint64_t)bytes : 0,
	};
	return true;
}

bool store_find(struct engine *e, struct json_object *index, const char *ref,
		struct image_entry *ret)
{
	return store_parse_entry(e, ref, jsonx_obj(jsonx_obj(index, "refs"), ref), ret);
}

bool store_find_source(struct engine *e, struct json_object *index, const char *source,
		       struct image_entry *ret)
{
	json_object_object_foreach (jsonx_obj(index, "refs"), ref, o) {
		const char *have = jsonx_str(o, "source", NULL);

		if (have != NULL && strcmp(have, source) == 0 && store_parse_entry(e, ref, o, ret))
			return true;
	}
	return false;
}

static int by_ref(const void *a, const void *b)
{
	const struct image_entry *x = a, *y = b;

	return strcmp(x->ref, y->ref);
}

size_t store_entries(struct engine *e, struct json_object *index, struct image_entry **ret)
{
	struct json_object *refs = jsonx_obj(index, "refs");
	struct image_entry *list =
		xcalloc((size_t)json_object_object_length(refs) + 1, sizeof(*list));
	size_t n = 0;

	json_object_object_foreach (refs, ref, o) {
		if (store_parse_entry(e, ref, o, &list[n]))
			n++;
	}
	qsort(list, n, sizeof(*list), by_ref);
	*ret = list;
	return n;
}

int store_put(struct engine *e, const struct image_entry *i, struct holos_error **err)
{
	struct json_object *o = json_object_new_object();

	jsonx_set_str(o, "disk", i->disk);
	jsonx_set_str(o, "format", i->format);
	jsonx_set_int(o, "size", (int64_t)i->size);
	jsonx_set_str(o, "url", i->url);
	jsonx_set_str(o, "source", i->source);
	jsonx_set_str(o, "digest", i->digest);
	jsonx_set_str(o, "download", i->download);
	jsonx_set_int(o, "bytes", (int64_t)i->bytes);
	jsonx_set_str(o, "user", i->user);
	jsonx_set_str(o, "init", i->init);
	jsonx_set_str(o, "shares", i->shares);
	jsonx_set_str(o, "resolved_at", i->resolved_at);
	return change(e, "refs", i->ref, o, err);
}

int store_drop(struct engine *e, const char *ref, struct holos_error **err)
{
	return change(e, "refs", ref, NULL, err);
}

int store_set_moved(struct engine *e, const char *from, const char *to, struct holos_error **err)
{
	return change(e, "moved", from, json_object_new_string(to), err);
}

char *store_moved(struct json_object *index, const char *urls)
{
	struct json_object *moved = jsonx_obj(index, "moved");
	struct strbuf b = STRBUF_INIT;

	if (urls == NULL)
		return NULL;
	while (*urls != '\0') {
		size_t n = strcspn(urls, " ");
		_cleanup_(freep) char *url = xstrndup(urls, n);
		char *slash = strrchr(url, '/');
		const char *now = slash != NULL ? jsonx_str(moved, slash + 1, NULL) : NULL;

		if (b.len != 0)
			strbuf_addc(&b, ' ');
		if (now != NULL && strchr(now, '/') == NULL && strchr(now, ' ') == NULL)
			strbuf_addf(&b, "%.*s%s", (int)(slash + 1 - url), url, now);
		else
			strbuf_adds(&b, url);
		urls += n + (urls[n] == ' ');
	}
	return strbuf_steal(&b);
}

/* ---- bases -------------------------------------------------------------------------- */

int store_adopt(struct engine *e, int dir, const char *name, const char *disk, const char *format,
		struct holos_error **err)
{
	_cleanup_(freep) char *base = xasprintf("images/sha256-%s.%s", disk, format);
	int r = 0;

	if (fchmodat(dir, name, 0444, 0) < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot store %s", name);
	/* A link does not replace what is there, on any file system. */
	if (linkat(dir, name, e->state->fd, base, 0) < 0 && errno != EEXIST)
		r = error_sys(err, ERR_FAILED, errno, "cannot store %s", base);
	if (r == 0)
		r = fs_sync_dir(e->state->fd, "images", err);
	if (r == 0 && unlinkat(dir, name, 0) < 0)
		r = error_sys(err, ERR_FAILED, errno, "cannot remove %s", name);
	return r;
}

bool store_parse_base(const char *name, char hex[65], const char **ret_format)
{
	if (strncmp(name, "sha256-", 7) != 0 || strspn(name + 7, "0123456789abcdef") != 64 ||
	    name[71] != '.' || !is_format(name + 72))
		return false;
	memcpy(hex, name + 7, 64);
	hex[64] = '\0';
	*ret_format = name + 72;
	return true;
}

int store_bases(struct engine *e, struct strv *ret, struct holos_error **err)
{
	_cleanup_(closedirp) DIR *d = NULL;
	struct dirent *entry;
	const char *format;
	char hex[65];
	int fd;

	if (e->state->fd < 0)
		return 0;
	fd = openat(e->state->fd, "images", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return 0;
	d = fd >= 0 ? fdopendir(fd) : NULL;
	if (d == NULL)
		return error_sys(err, ERR_FAILED, errno, "cannot read %s/images", e->state->dir);
	while ((entry = readdir(d)) != NULL) {
		if (store_parse_base(entry->d_name, hex, &format))
			strv_add(ret, entry->d_name);
	}
	strv_sort(ret);
	return 0;
}

int store_remove(struct engine *e, const char *disk, const char *format, struct holos_error **err)
{
	const char *const ends[] = { format, "kernel", "initrd", "cmdline" };

	/* The disk goes first: a base exists when its disk does. */
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		_cleanup_(freep) char *name = xasprintf("images/sha256-%s.%s", disk, ends[i]);

		if (unlinkat(e->state->fd, name, 0) < 0 && errno != ENOENT)
			return error_sys(err, ERR_FAILED, errno, "cannot remove %s/%s",
					 e->state->dir, name);
	}
	return 0;
}

/* ---- who uses what -------------------------------------------------------------------- */

static int open_use(struct engine *e)
{
	return openat(e->state->fd, "images/.use", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static int no_use(struct engine *e, struct holos_error **err)
{
	return error_sys(err, ERR_FAILED, errno, "cannot open %s/images/.use", e->state->dir);
}

/* A store may serve several state directories, by a link or a mount: each leaves its
 * name in it, so that the others look for its VMs. */
static int sign_in(struct engine *e, struct holos_error **err)
{
	_cleanup_(freep) char *dir = realpath(e->state->dir, NULL);
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	_cleanup_(closep) int fd = -1;
	uint8_t d[32];
	char hex[65];

	if (dir == NULL)
		return error_sys(err, ERR_FAILED, errno, "%s", e->state->dir);
	sha256(dir, strlen(dir), d);
	sha256_hex(d, hex);
	hex[STATE_DIGITS] = '\0';
	fd = state_open_dir(e->state, true, STATES);
	if (fd >= 0 && fs_exists(fd, hex))
		return 0;
	if (fd < 0 && errno != EROFS)
		return error_sys(err, ERR_FAILED, errno, "cannot make %s/%s", e->state->dir,
				 STATES);
	if (fd < 0 || fs_write_atomic(fd, hex, dir, strlen(dir), 0600, &why) == 0 ||
	    why->sys_errno == EROFS)
		return 0;
	error_move(err, &why);
	return error_wrap(err, "%s/%s", e->state->dir, STATES);
}

int store_hold(struct engine *e, struct holos_error **err)
{
	struct flock lk = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_len = 1 };
	int fd;

	if (e->image_hold > 0)
		return 0;
	fd = open_use(e);
	if (fd < 0 && errno == EROFS) { /* a store to read: its lock can be held all the same */
		fd = openat(e->state->fd, "images/.use", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0 && errno == ENOENT)
			return 0;
	}
	if (fd < 0)
		return no_use(e, err);
	/* Who has it alone removes some files and is done. */
	while (fcntl(fd, F_OFD_SETLKW, &lk) < 0) {
		if (errno != EINTR) {
			close(fd);
			return error_sys(err, ERR_FAILED, errno, "cannot lock the image store");
		}
	}
	e->image_hold = fd;
	return sign_in(e, err);
}

int store_hold_alone(struct engine *e, int *ret_fd, struct holos_error **err)
{
	struct flock lk = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
	int fd = open_use(e);

	if (fd < 0)
		return no_use(e, err);
	if (fcntl(fd, F_OFD_SETLK, &lk) == 0) {
		*ret_fd = fd;
		return 0;
	}
	close(fd);
	if (errno != EAGAIN && errno != EACCES)
		return error_sys(err, ERR_FAILED, errno, "cannot lock the image store");
	error_set(err, ERR_BUSY, "another holos is about to use images of this store");
	error_hint(err, "try again when it is done");
	return -ERR_BUSY;
}

bool store_upgrade(struct engine *e)
{
	struct flock lk = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };

	return e->image_hold > 0 && fcntl(e->image_hold, F_OFD_SETLK, &lk) == 0;
}

void image_users_free(struct image_user *u, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(u[i].project);
		free(u[i].instance);
		free(u[i].base);
	}
	free(u);
}

struct user_list {
	struct image_user *users;
	size_t n, cap;
};

static int add_users(struct user_list *l, const struct state *state, struct holos_error **err)
{
	_cleanup_(strv_finish) struct strv projects = STRV_INIT;
	int r = state->fd >= 0 ? state_list_projects(state, &projects, err) : 0;

	for (size_t i = 0; r == 0 && i < projects.n; i++) {
		_cleanup_(project_status_destroyp) struct project_status *p = NULL;

		r = project_status_read(state, projects.v[i], &p, err);
		for (size_t k = 0; r == 0 && k < p->n_vms; k++) {
			const struct vm_status *v = &p->vms[k];

			if (v->rec != NULL && v->rec->base == NULL)
				continue; /* a disk of its own */
			*ARRAY_PUSH(l->users, l->n, l->cap) = (struct image_user){
				.project = xstrdup(p->name),
				.instance = xstrdup(v->name),
				.base = v->rec != NULL ? xstrdup(v->rec->base) : NULL,
				.running = v->alive.qemu,
			};
		}
	}
	return r;
}

static bool is_same_file(int a, int b)
{
	struct stat x, y;

	return a >= 0 && b >= 0 && fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

/* Who uses what cannot be known: `dir` cannot be read, or (NULL) not even which
 * directory it is that STATES/file names. */
static void protect_all(struct engine *e, struct user_list *l, const char *dir, const char *file)
{
	_cleanup_(freep) char *name = xasprintf("%s/%s/%s", e->state->dir, STATES, file);

	if (dir != NULL)
		engine_warn(e,
			    "the state directory %s uses these images too and cannot be read: all "
			    "of them stay (if it is gone for good, remove %s)",
			    dir, name);
	else
		engine_warn(
			e,
			"%s, which tells who uses these images, cannot be read: all of them stay",
			name);
	*ARRAY_PUSH(l->users, l->n, l->cap) =
		(struct image_user){ .project = xstrdup(dir != NULL ? dir : name),
				     .running = true };
}

/* The VMs of another state directory.  One that cannot be read, perhaps because its
 * disk is not mounted now, protects every base. */
static void add_users_elsewhere(struct engine *e, struct user_list *l, const char *dir,
				const char *file)
{
	_cleanup_(state_closep) struct state *s = NULL;

	if (state_open(dir, false, &s, NULL) == 0 && s->fd >= 0 &&
	    (is_same_file(s->fd, e->state->fd) || add_users(l, s, NULL) == 0))
		return;
	protect_all(e, l, dir, file);
}

int store_users(struct engine *e, struct image_user **ret, size_t *ret_n, struct holos_error **err)
{
	_cleanup_(closedirp) DIR *d = NULL;
	struct user_list l = { 0 };
	struct dirent *entry;
	int r = add_users(&l, e->state, err);
	int fd = r == 0 && e->state->fd >= 0 ? state_open_dir(e->state, false, STATES) : -1;

	d = fd >= 0 ? fdopendir(fd) : NULL;
	if (r == 0 && e->state->fd >= 0 && d == NULL && errno != ENOENT)
		protect_all(e, &l, NULL, "");
	while (d != NULL && (entry = readdir(d)) != NULL) {
		_cleanup_(strbuf_finish) struct strbuf dir = STRBUF_INIT;

		if (strlen(entry->d_name) != STATE_DIGITS)
			continue;
		if (fs_read(fd, entry->d_name, PATH_MAX, &dir, NULL) < 0 || dir.len == 0)
			protect_all(e, &l, NULL, entry->d_name);
		else
			add_users_elsewhere(e, &l, dir.s, entry->d_name);
	}
	if (r < 0) {
		image_users_free(l.users, l.n);
		return r;
	}
	*ret = l.users;
	*ret_n = l.n;
	return 0;
}

/* The store may have several names (a link, a bind mount), and a record knows the one
 * of its day: a base of a store is known by the digest in its name. */
static bool is_same_base(const char *a, const char *b)
{
	const char *x = strrchr(a, '/'), *y = strrchr(b, '/');
	const char *format;
	char hex[65];

	return strcmp(a, b) == 0 || (x != NULL && y != NULL && strcmp(x, y) == 0 &&
				     store_parse_base(x + 1, hex, &format));
}

char *store_users_text(const struct image_user *u, size_t n, const char *path, bool *ret_running)
{
	struct strbuf b = STRBUF_INIT;
	bool running = false;

	for (size_t i = 0; i < n; i++) {
		if (u[i].base != NULL && !is_same_base(u[i].base, path))
			continue;
		if (u[i].instance == NULL)
			strbuf_addf(&b, "%sthe state directory %s, which cannot be read",
				    b.len != 0 ? ", " : "", u[i].project);
		else
			strbuf_addf(&b, "%s%s/%s%s", b.len != 0 ? ", " : "", u[i].project,
				    u[i].instance,
				    u[i].base == NULL ? " (whose record cannot be read)" : "");
		running = running || u[i].running;
	}
	if (ret_running != NULL)
		*ret_running = running;
	return b.len != 0 ? strbuf_steal(&b) : NULL;
}
