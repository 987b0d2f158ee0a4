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
#include <engine/imagepull.h>
#include <engine/images.h>
#include <engine/imagestore.h>
#include <plugin/calls.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CMDLINE_MAX 2048 /* x86: COMMAND_LINE_SIZE */

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
	return store_adopt(e, work, files->disk, hex, format, err);
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

/* A base of the store. */
static void take_entry(struct engine *e, struct image_entry *i, struct base_image *ret)
{
	ret->path = store_path(e, i->disk, i->format);
	ret->format = steal_ptr(&i->format);
	ret->user = steal_ptr(&i->user);
	ret->init = steal_ptr(&i->init);
	ret->shares = steal_ptr(&i->shares);
	image_entry_finish(i);
}

/* What the source says of the guest wins over what was written when it was
 * downloaded. */
static void take_info(struct base_image *b, const struct image_info *info)
{
	const char *const said[] = { info->user, info->init, info->shares };
	char **const have[] = { &b->user, &b->init, &b->shares };

	for (size_t i = 0; i < 3; i++) {
		if (said[i] == NULL)
			continue;
		free(*have[i]);
		*have[i] = xstrdup(said[i]);
	}
}

/* ---- made here --------------------------------------------------------------- */

/* An index of before there were references: it knows keys alone. */
static bool find_key(struct engine *e, struct json_object *index, const char *plugin,
		     const struct image_info *info, struct image_entry *ret)
{
	_cleanup_(freep) char *id = xasprintf("%s %s", plugin, info->key);
	struct json_object *made = jsonx_obj(jsonx_obj(index, "made"), id);
	_cleanup_(json_putp) struct json_object *o = json_object_new_object();

	jsonx_set_str(o, "disk", jsonx_str(made, "digest", NULL));
	jsonx_set_str(o, "format", jsonx_str(made, "format", NULL));
	jsonx_set_str(o, "resolved_at", jsonx_str(made, "made_at", NULL));
	return store_parse_entry(e, info->ref, o, ret);
}

static bool find_made(struct engine *e, const char *plugin, const struct image_info *info,
		      struct image_entry *ret)
{
	_cleanup_(json_putp) struct json_object *index = NULL;

	if (store_read(e, &index, NULL) < 0)
		return false;
	if (store_find(e, index, info->ref, ret)) {
		if (ret->source != NULL && strcmp(ret->source, info->key) == 0)
			return true;
		image_entry_finish(ret);
	}
	return find_key(e, index, plugin, info, ret);
}

/* Write down what was made, or found made. */
static int put_made(struct engine *e, const struct image_info *info, struct image_entry *i,
		    struct holos_error **err)
{
	_cleanup_(freep) char *path = store_path(e, i->disk, i->format);
	char now[40];
	struct stat st;

	i->source = xstrdup(info->key);
	i->user = xstrdup_null(info->user);
	i->init = xstrdup_null(info->init);
	i->shares = xstrdup_null(info->shares);
	i->size = stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
	if (i->resolved_at == NULL)
		i->resolved_at = xstrdup(clock_rfc3339_now(now));
	return store_put(e, i, err);
}

static int obtain_made(struct engine *e, const char *plugin, const struct image_info *info,
		       struct base_image *ret, struct holos_error **err)
{
	_cleanup_(freep) char *subject = xasprintf("image %s", info->ref);
	_cleanup_(state_unlockp) struct state_lock *lock = NULL;
	struct image_entry i = { 0 };
	char hex[65];
	int r = 0;

	if (!find_made(e, plugin, info, &i)) {
		/* Who else makes one now makes it for us too. */
		r = engine_lock_file(e, "images/.make", "image workshop", 3600 * NS_PER_S, &lock,
				     err);
		if (r == 0 && !find_made(e, plugin, info, &i)) {
			r = make(e, plugin, info, subject, hex, err);
			if (r == 0)
				i = (struct image_entry){ .ref = xstrdup(info->ref),
							  .disk = xstrdup(hex),
							  .format = xstrdup(info->format) };
		}
	}
	if (r == 0 && i.source == NULL)
		r = put_made(e, info, &i, err);
	if (r < 0) {
		image_entry_finish(&i);
		return r;
	}
	take_entry(e, &i, ret);
	return images_read_boot(ret->path, ret, err);
}

/* ---- one after the other ---------------------------------------------------------- */

/* What is known of an image before anything is downloaded. */
struct source {
	const struct plugin_info *plugin;
	char *ref;              /* canonical */
	struct image_info info; /* ref NULL: not asked for yet */
};

static void source_finish(struct source *s)
{
	free(s->ref);
	image_info_finish(&s->info);
}

static int resolve(struct engine *e, struct source *s, struct holos_error **err)
{
	return s->info.ref != NULL
		       ? 0
		       : image_resolve(engine_worker(e), s->plugin->name, s->ref, &s->info, err);
}

/* The manifest's own description of a reference: no plugin runs for it. */
static bool in_manifest(const struct source *s, struct image_info *ret)
{
	for (size_t i = 0; i < jsonx_len(s->plugin->serves); i++) {
		struct json_object *o = json_object_array_get_idx(s->plugin->serves, i);

		if (strcmp(jsonx_str(o, "ref", ""), s->ref) == 0)
			return image_info_parse(o, ret, NULL) == 0;
	}
	return false;
}

static bool is_download(const struct source *s, const char *path)
{
	struct image_info info = { 0 };
	bool yes;

	if (path != NULL)
		return false;
	if (jsonx_len(s->plugin->serves) == 0)
		return strcmp(s->plugin->name, "url") == 0;
	yes = in_manifest(s, &info) && info.url != NULL;
	image_info_finish(&info);
	return yes;
}

/* A reference that is in the store needs no plugin, no network, and no look at its
 * bytes. */
static int find_cached(struct engine *e, const struct source *s, struct base_image *ret,
		       bool *found, struct holos_error **err)
{
	_cleanup_(json_putp) struct json_object *index = NULL;
	struct image_info info = { 0 };
	struct image_entry i = { 0 };
	int r = store_read(e, &index, err);

	if (r < 0)
		return r;
	*found = store_find(e, index, s->ref, &i);
	if (!*found)
		return 0;
	take_entry(e, &i, ret);
	if (in_manifest(s, &info))
		take_info(ret, &info);
	image_info_finish(&info);
	return 0;
}

static int obtain_local(struct image_want *w, struct source *s, struct holos_error **err)
{
	struct base_image *b = w->ret;

	b->path = steal_ptr(&s->info.path);
	b->format = xstrdup(w->format != NULL ? w->format : s->info.format);
	return images_ident(b->path, &b->ident, err);
}

static int not_cached(const char *ref, struct holos_error **err)
{
	error_set(err, ERR_FAILED, "image \"%s\" is not in the store, and may not be downloaded",
		  ref);
	error_hint(err, "holos pull %s", ref);
	return -ERR_FAILED;
}

/* Without a download: local files, what is made here, what is in the store.
 * *ret_missing: it is to be downloaded. */
static int obtain_here(struct engine *e, struct image_want *w, struct source *s,
		       enum image_pull pull, bool *ret_missing, struct holos_error **err)
{
	bool found = false;
	int r = registry_image_source(engine_registry(e), w->path != NULL ? w->path : w->ref,
				      &s->plugin, &s->ref, err);

	if (r == 0 && is_download(s, w->path)) {
		if (pull != IMAGE_PULL_ALWAYS && w->lock_disk == NULL)
			r = find_cached(e, s, w->ret, &found, err);
		if (r == 0 && !found && pull == IMAGE_PULL_NEVER && w->lock_disk == NULL)
			return not_cached(w->ref, err);
		*ret_missing = r == 0 && !found;
		return r;
	}
	if (r == 0)
		r = resolve(e, s, err);
	if (r < 0)
		return r;
	if (s->info.path != NULL)
		r = obtain_local(w, s, err);
	else if (s->info.key != NULL)
		r = obtain_made(e, s->plugin->name, &s->info, w->ret, err);
	else
		*ret_missing = true;
	if (r == 0)
		take_info(w->ret, &s->info);
	return r;
}

/* What a lock file wants may be there, under this name or another. */
static bool find_locked(struct engine *e, struct image_want *w, const struct source *s)
{
	static const char *const formats[] = { "qcow2", "raw" };
	struct image_info info = { 0 };

	for (size_t i = 0; w->lock_disk != NULL && i < 2; i++) {
		_cleanup_(freep) char *path = store_path(e, w->lock_disk, formats[i]);

		if (!fs_exists(AT_FDCWD, path))
			continue;
		w->ret->path = steal_ptr(&path);
		w->ret->format = xstrdup(formats[i]);
		if (in_manifest(s, &info))
			take_info(w->ret, &info);
		image_info_finish(&info);
		return true;
	}
	return false;
}

static int download(struct engine *e, struct image_want *wants, struct source *sources,
		    const bool *missing, size_t n, enum image_pull pull, struct holos_error **err)
{
	struct pull_want *pulls = xcalloc(n, sizeof(*pulls));
	size_t *of = xcalloc(n, sizeof(*of));
	size_t k = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		if (!missing[i] || find_locked(e, &wants[i], &sources[i]))
			continue;
		if (pull == IMAGE_PULL_NEVER) {
			r = not_cached(wants[i].ref, err);
			break;
		}
		r = resolve(e, &sources[i], err);
		if (r == 0 && wants[i].lock_url != NULL) {
			/* The lock says where it came from; its source may say otherwise now. */
			free(sources[i].info.url);
			sources[i].info.url = xstrdup(wants[i].lock_url);
		}
		of[k] = i;
		pulls[k++] = (struct pull_want){ .ref = sources[i].ref,
						 .info = &sources[i].info,
						 .always = pull == IMAGE_PULL_ALWAYS,
						 .lock_disk = wants[i].lock_disk,
						 .lock_download = wants[i].lock_download };
	}
	if (r == 0 && k != 0)
		r = pull_images(e, pulls, k, err);
	for (size_t i = 0; i < k; i++) {
		if (r == 0) {
			wants[of[i]].fresh = pulls[i].fresh;
			take_entry(e, &pulls[i].got, wants[of[i]].ret);
		} else {
			image_entry_finish(&pulls[i].got);
		}
	}
	free(pulls);
	free(of);
	return r;
}

int images_obtain_all(struct engine *e, struct image_want *wants, size_t n, enum image_pull pull,
		      struct holos_error **err)
{
	struct source *sources = xcalloc(n + 1, sizeof(*sources));
	bool *missing = xcalloc(n + 1, sizeof(*missing));
	int r = store_hold(e, err);

	for (size_t i = 0; r == 0 && i < n; i++) {
		r = obtain_here(e, &wants[i], &sources[i], pull, &missing[i], err);
		if (r < 0 && wants[i].blame != NULL)
			r = wants[i].blame(wants[i].data, err);
	}
	if (r == 0)
		r = download(e, wants, sources, missing, n, pull, err);
	for (size_t i = 0; i < n; i++) {
		if (r == 0 && wants[i].canonical != NULL)
			*wants[i].canonical = steal_ptr(&sources[i].ref);
		if (r < 0)
			base_image_finish(wants[i].ret);
		source_finish(&sources[i]);
	}
	free(sources);
	free(missing);
	return r;
}

int images_look(struct engine *e, struct image_want *w, enum image_pull pull,
		struct holos_error **err)
{
	struct source s = { 0 };
	struct image_entry i = { 0 };
	bool found = false;
	int r = registry_image_source(engine_registry(e), w->path != NULL ? w->path : w->ref,
				      &s.plugin, &s.ref, err);

	if (r == 0 && is_download(&s, w->path)) {
		found = e->state->fd >= 0 && find_locked(e, w, &s);
		if (e->state->fd >= 0 && w->lock_disk == NULL)
			r = find_cached(e, &s, w->ret, &found, err);
		if (r == 0 && !found && pull == IMAGE_PULL_NEVER)
			r = not_cached(w->ref, err);
	} else if (r == 0) {
		r = resolve(e, &s, err);
		if (r == 0 && s.info.path != NULL)
			r = obtain_local(w, &s, err);
		else if (r == 0 && s.info.key != NULL && e->state->fd >= 0 &&
			 find_made(e, s.plugin->name, &s.info, &i))
			take_entry(e, &i, w->ret);
		if (r == 0)
			take_info(w->ret, &s.info);
	}
	source_finish(&s);
	if (r < 0)
		base_image_finish(w->ret);
	return r < 0 && w->blame != NULL ? w->blame(w->data, err) : r;
}

int images_obtain(struct engine *e, const char *ref, const char *path, const char *format,
		  struct base_image *ret, struct holos_error **err)
{
	struct base_image b = { 0 };
	struct image_want want = { .ref = ref, .path = path, .format = format, .ret = &b };
	int r = images_obtain_all(e, &want, 1, IMAGE_PULL_MISSING, err);

	if (r == 0)
		*ret = b;
	return r;
}
