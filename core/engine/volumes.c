/* SPDX-License-Identifier: Apache-2.0
 *
 * volumes.c - see volumes.h.
 */
#include <base/alloc.h>
#include <base/fs.h>
#include <base/jsonx.h>
#include <base/units.h>
#include <engine/context.h>
#include <engine/prepare.h>
#include <engine/volumes.h>
#include <vm/disk.h>

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define META_FORMAT  1
#define META_MAX     65536
#define CONSOLE_TAIL (4u << 20)

struct meta {
	uint64_t size; /* as asked for; 0: unknown */
	bool fresh;
	char *instance;   /* who was told that it is fresh; NULL: nobody yet */
	uint64_t console; /* bytes of its console log then: what was said before is of others */
};

static void meta_finish(struct meta *m)
{
	free(m->instance);
}

static int meta_read(int dir, const char *name, struct meta *ret, struct holos_error **err)
{
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	_cleanup_(json_putp) struct json_object *obj = NULL;
	_cleanup_(freep) char *file = xasprintf("%s.json", name);

	memset(ret, 0, sizeof(*ret));
	if (jsonx_read_file(dir, file, META_MAX, &obj, &why) < 0) {
		if (why->sys_errno == ENOENT)
			return 0;
		return error_move(err, &why);
	}
	if (jsonx_int(obj, "format", 0) > META_FORMAT) {
		error_set(err, ERR_HOST,
			  "%s: was written by a newer holos (format %lld, this one "
			  "knows %d)",
			  file, (long long)jsonx_int(obj, "format", 0), META_FORMAT);
		error_hint(err, "use the holos that made it, or a newer one");
		return -ERR_HOST;
	}
	ret->size = jsonx_int(obj, "size", 0) > 0 ? (uint64_t)jsonx_int(obj, "size", 0) : 0;
	ret->fresh = jsonx_bool(obj, "fresh", false);
	ret->instance = xstrdup_null(jsonx_str(obj, "instance", NULL));
	ret->console = (uint64_t)jsonx_int(obj, "console", 0);
	return 0;
}

static int meta_write(int dir, const char *name, const struct meta *m, struct holos_error **err)
{
	_cleanup_(json_putp) struct json_object *obj = json_object_new_object();
	_cleanup_(freep) char *file = xasprintf("%s.json", name);
	_cleanup_(freep) char *text = NULL;

	jsonx_set_int(obj, "format", META_FORMAT);
	jsonx_set_int(obj, "size", (int64_t)m->size);
	jsonx_set_bool(obj, "fresh", m->fresh);
	jsonx_set_str(obj, "instance", m->instance);
	jsonx_set_int(obj, "console", (int64_t)m->console);
	text = jsonx_pretty(obj);
	return fs_write_atomic(dir, file, text, strlen(text), 0600, err);
}

static char *own(struct vm_volumes *v, char *s)
{
	*ARRAY_PUSH(v->owned, v->n_owned, v->cap_owned) = s;
	return s;
}

void vm_volumes_finish(struct vm_volumes *v)
{
	for (size_t i = 0; i < v->n_owned; i++)
		free(v->owned[i]);
	free(v->owned);
	free(v->disks);
	free(v->mounts);
	memset(v, 0, sizeof(*v));
}

/* A disk of somebody else's, attached where it lies; its format is told by its
 * name, as what is on it a guest may have written. */
static const char *source_format(const struct volume *vol)
{
	size_t n = strlen(vol->source);

	return n > 6 && strcmp(vol->source + n - 6, ".qcow2") == 0 ? "qcow2" : "raw";
}

static int use_source(struct engine *e, const struct volume *vol, struct holos_error **err)
{
	int r = prepare_check_disk(e, vol->source, source_format(vol), err);

	return r < 0 ? error_wrap(err, "volume \"%s\"", vol->name) : 0;
}

/* Only what this instance says from now on confirms the volume. */
static void hand_to(struct meta *m, const char *instance, uint64_t console)
{
	free(m->instance);
	m->instance = xstrdup(instance);
	m->console = console;
}

static int make_or_grow(int dir, const struct volume *vol, const char *name, const char *path,
			const char *qemu_img, const char *instance, uint64_t console,
			struct meta *m, struct holos_error **err)
{
	_cleanup_(freep) char *file = xasprintf("%s.qcow2", name);
	int r;

	if (fs_absent(dir, file)) {
		/* The mark first: a disk without one is never formatted. */
		m->size = vol->size;
		m->fresh = true;
		hand_to(m, instance, console);
		r = meta_write(dir, name, m, err);
		return r < 0 ? r : disk_create_volume(qemu_img, path, vol->size, err);
	}
	r = prepare_check_plain(AT_FDCWD, path, path, err);
	if (r < 0)
		return error_wrap(err, "volume \"%s\"", vol->name);
	if (m->fresh &&
	    (m->instance == NULL || strcmp(m->instance, instance) != 0 || m->console != console)) {
		hand_to(m, instance, console);
		r = meta_write(dir, name, m, err);
		if (r < 0)
			return r;
	}
	if (vol->size_mark.line == 0 || vol->size == m->size)
		return 0;
	r = disk_grow(qemu_img, path, vol->size, err); /* smaller is an error of its own */
	if (r < 0)
		return error_wrap(err, "volume \"%s\"", vol->name);
	m->size = vol->size;
	return meta_write(dir, name, m, err);
}

/* The disk's name: a volume per replica carries its number. */
static char *disk_name(const struct volume *vol, unsigned index)
{
	return vol->per_replica ? xasprintf("%s.%u", vol->name, index) : xstrdup(vol->name);
}

int volumes_check(struct engine *e, const struct project *project, const struct service *service,
		  unsigned index, struct holos_error **err)
{
	_cleanup_(closep) int dir = state_open_dir(e->state, false, "volumes/%s", project->name);

	for (size_t i = 0; i < service->n_mounts; i++) {
		const struct mount_spec *mnt = &service->mounts[i];
		const struct volume *vol = &project->volumes[mnt->volume];
		_cleanup_(meta_finish) struct meta m = { 0 };
		_cleanup_(freep) char *name = NULL;
		char is[32], wanted[32];

		if (mnt->type == MOUNT_VOLUME && vol->source != NULL) {
			int r = use_source(e, vol, err);

			if (r < 0)
				return r;
			continue;
		}
		if (mnt->type != MOUNT_VOLUME || dir < 0 || vol->size_mark.line == 0)
			continue;
		name = disk_name(vol, index);
		if (meta_read(dir, name, &m, NULL) < 0 || m.size <= vol->size)
			continue;
		error_set(err, ERR_INVALID,
			  "volumes.%s.size: the volume has %s, and %s is less: volumes "
			  "only grow",
			  vol->name, units_format_size(m.size, is),
			  units_format_size(vol->size, wanted));
		error_at(err != NULL ? *err : NULL, vol->size_mark.file, vol->size_mark.line,
			 vol->size_mark.column);
		return -ERR_INVALID;
	}
	return 0;
}

static int open_console(const struct state *s, const char *project, const char *instance)
{
	_cleanup_(closep) int dir = state_open_dir(s, false, "instances/%s/%s", project, instance);

	return dir >= 0 ? openat(dir, "console.log", O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW)
			: -1;
}

static uint64_t console_size(const struct state *s, const char *project, const char *instance)
{
	_cleanup_(closep) int fd = open_console(s, project, instance);
	off_t size = fd >= 0 ? lseek(fd, 0, SEEK_END) : 0;

	return size > 0 ? (uint64_t)size : 0;
}

static int prepare_one(struct engine *e, const struct project *project,
		       const struct mount_spec *mnt, unsigned index, const char *instance, int dir,
		       struct vm_volumes *ret, struct holos_error **err)
{
	const struct volume *vol = &project->volumes[mnt->volume];
	struct plan_disk *disk = &ret->disks[ret->n];
	struct plan_volume *mount = &ret->mounts[ret->n];
	_cleanup_(meta_finish) struct meta m = { 0 };
	const char *qemu_img;
	char *name = own(ret, disk_name(vol, index));
	int r = engine_qemu_img(e, &qemu_img, err);

	if (r == 0)
		r = meta_read(dir, name, &m, err);
	if (r < 0)
		return r;
	if (vol->source != NULL) {
		disk->path = vol->source;
		r = use_source(e, vol, err);
	} else {
		disk->path =
			own(ret, state_path(e->state, "volumes/%s/%s.qcow2", project->name, name));
		r = make_or_grow(dir, vol, name, disk->path, qemu_img, instance,
				 console_size(e->state, project->name, instance), &m, err);
	}
	if (r < 0)
		return r;
	disk->name = mount->name = vol->name;
	disk->format = vol->source != NULL ? source_format(vol) : "qcow2";
	disk->read_only = mount->read_only = mnt->read_only;
	disk->shared = vol->shared;
	mount->target = mnt->target;
	mount->fresh = m.fresh && !mnt->read_only && vol->source == NULL;
	mount->foreign = vol->source != NULL;
	ret->n++;
	return 0;
}

int volumes_prepare(struct engine *e, const struct project *project, const struct service *service,
		    unsigned index, const char *instance, struct vm_volumes *ret,
		    struct holos_error **err)
{
	struct vm_volumes v = { 0 };
	_cleanup_(closep) int dir = -1;
	int r = 0;

	v.disks = xcalloc(service->n_mounts, sizeof(*v.disks));
	v.mounts = xcalloc(service->n_mounts, sizeof(*v.mounts));
	for (size_t i = 0; i < service->n_mounts && r == 0; i++) {
		if (service->mounts[i].type != MOUNT_VOLUME)
			continue;
		if (dir < 0)
			dir = state_open_dir(e->state, true, "volumes/%s", project->name);
		if (dir < 0)
			r = error_sys(err, ERR_FAILED, errno,
				      "cannot open the volumes of project \"%s\"", project->name);
		else
			r = prepare_one(e, project, &service->mounts[i], index, instance, dir, &v,
					err);
	}
	if (r < 0)
		vm_volumes_finish(&v);
	else
		*ret = v;
	return r;
}

/* Does the console say, as a line's end, that this volume was mounted? */
static bool reported(const char *console, const char *volume)
{
	_cleanup_(freep) char *line = xasprintf("holos: volume %s mounted", volume);
	size_t n = strlen(line);

	for (const char *p = strstr(console, line); p != NULL; p = strstr(p + 1, line)) {
		if (p[n] == '\n' || p[n] == '\r' || p[n] == '\0')
			return true;
	}
	return false;
}

/* What the console log has since it had `since` bytes, or the end of that: NUL
 * bytes of a guest become '?'.  A shorter one was rotated: all of it is new. */
static char *console_tail(const struct state *s, const char *project, const char *instance,
			  uint64_t since)
{
	_cleanup_(closep) int fd = open_console(s, project, instance);
	off_t size = fd >= 0 ? lseek(fd, 0, SEEK_END) : -1;
	off_t from = size >= 0 && since <= (uint64_t)size ? (off_t)since : 0;
	char *text;
	ssize_t n;

	if (size < 0)
		return NULL;
	if (size - from > (off_t)CONSOLE_TAIL)
		from = size - (off_t)CONSOLE_TAIL;
	text = xmalloc(CONSOLE_TAIL + 1);
	n = pread(fd, text, CONSOLE_TAIL, from);
	if (n < 0)
		n = 0;
	for (ssize_t i = 0; i < n; i++) {
		if (text[i] == '\0')
			text[i] = '?';
	}
	text[n] = '\0';
	return text;
}

void volumes_confirm(const struct state *s, const char *project, const char *instance)
{
	int dir = state_open_dir(s, false, "volumes/%s", project);
	_cleanup_(closedirp) DIR *d = dir >= 0 ? fdopendir(dir) : NULL;
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL) {
		size_t n = strlen(e->d_name);
		_cleanup_(freep) char *name = NULL;
		_cleanup_(freep) char *plain = NULL;
		_cleanup_(freep) char *console = NULL;
		_cleanup_(meta_finish) struct meta m = { 0 };

		if (n <= 5 || strcmp(e->d_name + n - 5, ".json") != 0)
			continue;
		name = xstrndup(e->d_name, n - 5);
		if (meta_read(dirfd(d), name, &m, NULL) < 0 || !m.fresh || m.instance == NULL ||
		    strcmp(m.instance, instance) != 0)
			continue;
		console = console_tail(s, project, instance, m.console);
		plain = xstrndup(name, strcspn(name, ".")); /* without the replica's number */
		if (console == NULL || !reported(console, plain))
			continue;
		m.fresh = false;
		(void)meta_write(dirfd(d), name, &m, NULL); /* stays fresh: harmless */
	}
}

/* ---- the store, without a compose file ------------------------------------------ */

#define QCOW2_MAGIC 0x514649fbu /* "QFI\\xfb"; docs/interop/qcow2.txt of QEMU */

/* The virtual size in a qcow2 header: QEMU alone writes it, not the guest, and it
 * can be read while a VM runs.  0: unknown. */
static uint64_t virtual_size(int dir, const char *file)
{
	_cleanup_(closep) int fd =
		openat(dir, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	uint32_t magic;
	uint64_t size;

	if (fd < 0 || pread(fd, &magic, sizeof(magic), 0) != (ssize_t)sizeof(magic) ||
	    be32toh(magic) != QCOW2_MAGIC ||
	    pread(fd, &size, sizeof(size), 24) != (ssize_t)sizeof(size))
		return 0;
	return be64toh(size);
}

static int compare_names(const void *a, const void *b)
{
	const struct volume_info *x = a, *y = b;

	return strcmp(x->name, y->name);
}

int volumes_list(const struct state *s, const char *project, struct volume_info **ret,
		 size_t *ret_n, struct holos_error **err)
{
	int dir = state_open_dir(s, false, "volumes/%s", project);
	_cleanup_(closedirp) DIR *d = dir >= 0 ? fdopendir(dir) : NULL;
	struct volume_info *list = NULL;
	size_t n = 0, cap = 0;
	struct dirent *e;

	if (d == NULL && errno != ENOENT)
		return error_sys(err, ERR_FAILED, errno,
				 "cannot read the volumes of project \"%s\"", project);
	while (d != NULL && (e = readdir(d)) != NULL) {
		size_t len = strlen(e->d_name);
		_cleanup_(meta_finish) struct meta m = { 0 };
		_cleanup_(error_destroyp) struct holos_error *why = NULL;
		struct volume_info *v;
		struct stat st;

		if (len <= 6 || e->d_name[0] == '.' || strcmp(e->d_name + len - 6, ".qcow2") != 0 ||
		    fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISREG(st.st_mode))
			continue;
		v = ARRAY_PUSH(list, n, cap);
		memset(v, 0, sizeof(*v));
		v->name = xstrndup(e->d_name, len - 6);
		if (meta_read(dirfd(d), v->name, &m, &why) < 0 && why->code == ERR_HOST)
			v->problem = xasprintf("%s/volumes/%s/%s", s->dir, project, why->message);
		v->size = virtual_size(dirfd(d), e->d_name);
		if (v->size == 0)
			v->size = m.size;
		v->used = (uint64_t)st.st_blocks * 512;
		v->changed = st.st_mtim;
		v->fresh = m.fresh;
	}
	if (n > 1)
		qsort(list, n, sizeof(*list), compare_names);
	*ret = list;
	*ret_n = n;
	return 0;
}

void volumes_list_free(struct volume_info *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(list[i].name);
		free(list[i].problem);
	}
	free(list);
}

int volumes_check_ours(const struct state *s, const char *project, struct holos_error **err)
{
	struct volume_info *list;
	size_t n;
	int r = volumes_list(s, project, &list, &n, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n && r == 0; i++) {
		if (list[i].problem == NULL)
			continue;
		r = error_set(err, ERR_HOST, "%s", list[i].problem);
		error_hint(err, "nothing was changed; use the holos that wrote it, or a newer one");
	}
	volumes_list_free(list, n);
	return r;
}

int volumes_delete(const struct state *s, const char *project, const char *name,
		   struct holos_error **err)
{
	_cleanup_(closep) int dir = state_open_dir(s, false, "volumes/%s", project);
	_cleanup_(freep) char *disk = xasprintf("%s.qcow2", name);
	_cleanup_(freep) char *meta = xasprintf("%s.json", name);

	/* The disk first: a record without one is that of a volume to be made. */
	if (dir < 0 || unlinkat(dir, disk, 0) < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot remove volume \"%s\"", name);
	if (unlinkat(dir, meta, 0) < 0 && errno != ENOENT)
		return error_sys(err, ERR_FAILED, errno,
				 "cannot remove the record of volume \"%s\"", name);
	return fs_sync_dir(dir, ".", err);
}

int volumes_remove(const struct state *s, const char *project, bool *ret_found,
		   struct holos_error **err)
{
	_cleanup_(freep) char *rel = xasprintf("volumes/%s", project);

	if (s->fd < 0 || fs_absent(s->fd, rel))
		return 0;
	*ret_found = true;
	return fs_remove_tree(s->fd, rel, err);
}
