/* SPDX-License-Identifier: Apache-2.0
 *
 * images.c - see images.h.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/fs.h>
#include <base/jsonx.h>
#include <base/sha256.h>
#include <engine/context.h>
#include <engine/images.h>
#include <plugin/calls.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INDEX        "images/index.json"
#define INDEX_FORMAT 1
#define INDEX_MAX    (16u << 20)
#define CMDLINE_MAX  2048 /* x86: COMMAND_LINE_SIZE */

static const char *const boot_roles[] = { "kernel", "initrd", "cmdline" };

void base_image_finish(struct base_image *b)
{
	free(b->path);
	free(b->format);
	free(b->ident);
	free(b->kernel);
	free(b->initrd);
	free(b->cmdline);
	free(b->user);
	free(b->init);
	free(b->shares);
	memset(b, 0, sizeof(*b));
}

int images_ident(const char *path, char **ret, struct holos_error **err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return error_sys(err, ERR_FAILED, errno, "image %s", path);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return error_set(err, ERR_FAILED, "image %s is no file", path);
	*ret = xasprintf("%llu:%llu:%lld:%lld.%09ld", (unsigned long long)st.st_dev,
			 (unsigned long long)st.st_ino, (long long)st.st_size,
			 (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	return 0;
}

/* "…/sha256-<hex>.qcow2" -> "…/sha256-<hex>.ROLE" */
static char *beside(const char *path, const char *role)
{
	const char *dot = strrchr(path, '.');

	return xasprintf("%.*s.%s", (int)(dot != NULL ? (size_t)(dot - path) : strlen(path)), path,
			 role);
}

int images_read_boot(const char *path, struct base_image *ret, struct holos_error **err)
{
	_cleanup_(freep) char *kernel = beside(path, "kernel");
	_cleanup_(freep) char *initrd = beside(path, "initrd");
	_cleanup_(freep) char *cmdline = beside(path, "cmdline");
	_cleanup_(strbuf_finish) struct strbuf text = STRBUF_INIT;
	int r;

	if (!fs_exists(AT_FDCWD, kernel))
		return 0;
	r = fs_read(AT_FDCWD, cmdline, CMDLINE_MAX, &text, err);
	if (r < 0)
		return r;
	text.s[strcspn(text.s, "\n")] = '\0';
	ret->kernel = steal_ptr(&kernel);
	ret->initrd = steal_ptr(&initrd);
	ret->cmdline = strbuf_steal(&text);
	return 0;
}

static int read_index(struct engine *e, struct json_object **ret, struct holos_error **err)
{
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	struct json_object *index = NULL;

	if (jsonx_read_file(e->state->fd, INDEX, INDEX_MAX, &index, &why) < 0) {
		if (why->sys_errno != ENOENT) /* it only saves work: begin anew */
			engine_warn(e, "image index set aside: %s", why->message);
		index = NULL;
	} else if (jsonx_int(index, "format", 0) > INDEX_FORMAT) {
		json_object_put(index);
		return error_set(err, ERR_FAILED, "%s/%s was written by a newer holos",
				 e->state->dir, INDEX);
	}
	if (index == NULL || jsonx_obj(index, "made") == NULL) {
		json_object_put(index);
		index = json_object_new_object();
		jsonx_set_int(index, "format", INDEX_FORMAT);
		jsonx_set(index, "made", json_object_new_object());
	}
	*ret = index;
	return 0;
}

/* The base that `id` was made into, if it is still there. */
static bool find_made(struct engine *e, struct json_object *index, const char *id,
		      struct base_image *ret)
{
	struct json_object *entry = jsonx_obj(jsonx_obj(index, "made"), id);
	const char *digest = jsonx_str(entry, "digest", NULL);
	const char *format = jsonx_str(entry, "format", NULL);
	_cleanup_(freep) char *path = NULL;

	if (digest == NULL || format == NULL || strlen(digest) != 64 ||
	    strspn(digest, "0123456789abcdef") != 64 ||
	    (strcmp(format, "qcow2") != 0 && strcmp(format, "raw") != 0))
		return false;
	path = state_path(e->state, "images/sha256-%s.%s", digest, format);
	if (!fs_exists(AT_FDCWD, path))
		return false;
	ret->path = steal_ptr(&path);
	ret->format = xstrdup(format);
	return true;
}

static int hash_file(int dirfd, const char *name, char hex[65], struct holos_error **err)
{
	_cleanup_(closep) int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	_cleanup_(freep) char *buf = xmalloc(1 << 16);
	struct sha256 h;
	uint8_t d[32];
	ssize_t n;

	if (fd < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot read %s", name);
	sha256_init(&h);
	while ((n = read(fd, buf, 1 << 16)) > 0)
		sha256_add(&h, buf, (size_t)n);
	if (n < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot read %s", name);
	if (fchmod(fd, 0444) < 0 || fsync(fd) < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot store %s", name);
	sha256_end(&h, d);
	sha256_hex(d, hex);
	return 0;
}

/* Move what make() left into the store.  The disk goes last: a base exists
 * when its disk does, and then the rest does too. */
static int store_made(struct engine *e, int work, const struct image_files *files,
		      const char *format, char hex[65], struct holos_error **err)
{
	const char *const names[] = { files->kernel, files->initrd, files->cmdline };
	_cleanup_(freep) char *disk = NULL;
	int r = hash_file(work, files->disk, hex, err);

	for (size_t i = 0; r == 0 && files->kernel != NULL && i < 3; i++) {
		_cleanup_(freep) char *to = xasprintf("images/sha256-%s.%s", hex, boot_roles[i]);
		char unused[65];

		r = hash_file(work, names[i], unused, err);
		if (r == 0 && renameat(work, names[i], e->state->fd, to) < 0)
			r = error_sys(err, ERR_FAILED, errno, "cannot store %s", to);
	}
	if (r < 0)
		return r;
	disk = xasprintf("images/sha256-%s.%s", hex, format);
	if (renameat(work, files->disk, e->state->fd, disk) < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot store %s", disk);
	return fs_sync_dir(e->state->fd, "images", err);
}

static int make(struct engine *e, const char *plugin, const struct image_info *info,
		const char *subject, char hex[65], struct holos_error **err)
{
	_cleanup_(freep) char *work = state_path(e->state, "images/.work");
	_cleanup_(freep) char *cache = state_path(e->state, "images/.cache-%s", plugin);
	_cleanup_(json_putp) struct json_object *answer = NULL;
	_cleanup_(closep) int work_fd = -1;
	struct image_files files = { 0 };
	uint64_t began = clock_now_ns();
	struct worker_request rq;
	int r = fs_remove_tree(AT_FDCWD, work, err); /* of one who was killed */

	if (r < 0)
		return r;
	if (mkdir(work, 0700) < 0 || (mkdir(cache, 0700) < 0 && errno != EEXIST))
		return error_sys(err, ERR_FAILED, errno, "cannot make %s", work);
	work_fd = open(work, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	engine_phase(e, subject, "building", 0, NULL);
	rq = image_make_request(plugin, info->ref, info->key, work, cache);
	r = engine_call(e, &rq, subject, &answer, err);
	json_object_put(rq.args);
	if (r == 0)
		r = image_make_parse(answer, plugin, &files, err);
	if (r == 0)
		r = store_made(e, work_fd, &files, info->format, hex, err);
	image_files_finish(&files);
	(void)fs_remove_tree(AT_FDCWD, work, NULL); /* the next make() tries again */
	if (r == 0)
		engine_phase(e, subject, "built", clock_now_ns() - began, NULL);
	return r;
}

static int obtain_made(struct engine *e, const char *plugin, const struct image_info *info,
		       struct base_image *ret, struct holos_error **err)
{
	_cleanup_(freep) char *id = xasprintf("%s %s", plugin, info->key);
	_cleanup_(freep) char *subject = xasprintf("image %s", info->ref);
	_cleanup_(json_putp) struct json_object *index = NULL;
	_cleanup_(state_unlockp) struct state_lock *lock = NULL;
	_cleanup_(freep) char *text = NULL;
	struct json_object *entry;
	char hex[65], now[40];
	int r = read_index(e, &index, err);

	if (r < 0 || find_made(e, index, id, ret))
		return r;
	/* Who else makes one now makes it for us too. */
	r = engine_lock_file(e, "images/.lock", "image store", 3600 * NS_PER_S, &lock, err);
	if (r < 0)
		return r;
	fs_sweep_temporary(e->state->fd, "images", "index.json.");
	json_object_put(steal_ptr(&index));
	r = read_index(e, &index, err);
	if (r < 0 || find_made(e, index, id, ret))
		return r;
	r = make(e, plugin, info, subject, hex, err);
	if (r < 0)
		return r;
	entry = json_object_new_object();
	jsonx_set_str(entry, "digest", hex);
	jsonx_set_str(entry, "format", info->format);
	jsonx_set_str(entry, "made_at", clock_rfc3339_now(now));
	jsonx_set(jsonx_obj(index, "made"), id, entry);
	text = jsonx_pretty(index);
	r = fs_write_atomic(e->state->fd, INDEX, text, strlen(text), 0600, err);
	if (r < 0)
		return r;
	(void)find_made(e, index, id, ret);
	return 0;
}

int images_obtain(struct engine *e, const char *ref, const char *path, const char *format,
		  struct base_image *ret, struct holos_error **err)
{
	const struct plugin_info *plugin;
	_cleanup_(freep) char *full = NULL;
	struct image_info info = { 0 };
	struct base_image b = { 0 };
	int r = registry_image_source(engine_registry(e), path != NULL ? path : ref, &plugin, &full,
				      err);

	if (r < 0)
		return r;
	r = image_resolve(engine_worker(e), plugin->name, full, &info, err);
	if (r < 0)
		return r;
	if (info.path != NULL) {
		b.path = steal_ptr(&info.path);
		b.format = xstrdup(format != NULL ? format : info.format);
		r = images_ident(b.path, &b.ident, err);
	} else if (info.key != NULL) {
		r = obtain_made(e, plugin->name, &info, &b, err);
		if (r == 0)
			r = images_read_boot(b.path, &b, err);
	} else {
		r = error_set(err, ERR_HOST,
			      "image \"%s\" is a download, and this holos was built "
			      "without them",
			      ref);
	}
	b.user = steal_ptr(&info.user);
	b.init = steal_ptr(&info.init);
	b.shares = steal_ptr(&info.shares);
	image_info_finish(&info);
	if (r < 0)
		base_image_finish(&b);
	else
		*ret = b;
	return r;
}
