/* SPDX-License-Identifier: Apache-2.0
 *
 * imagelock.c - see imagelock.h.
 */
#include <base/alloc.h>
#include <base/fs.h>
#include <base/jsonx.h>
#include <base/url.h>
#include <engine/context.h>
#include <engine/imagelock.h>
#include <engine/images.h>
#include <engine/imagestore.h>
#include <plugin/calls.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_FORMAT 1
#define LOCK_MAX    (1u << 20)

struct image_lock {
	char *path;
	struct json_object *root;
};

char *image_lock_path(const struct project *p)
{
	_cleanup_(freep) char *dir = NULL;

	if (p->file != NULL)
		dir = xstrndup(p->file, (size_t)(strrchr(p->file, '/') - p->file));
	return fs_join(dir != NULL && dir[0] != '\0' ? dir
		       : p->file != NULL             ? "/"
						     : p->dir,
		       IMAGE_LOCK_FILE);
}

void image_lock_destroy(struct image_lock *l)
{
	if (l == NULL)
		return;
	json_object_put(l->root);
	free(l->path);
	free(l);
}

int image_lock_read(const char *path, struct image_lock **ret, struct holos_error **err)
{
	_cleanup_(json_putp) struct json_object *root = NULL;
	int r = jsonx_read_file(AT_FDCWD, path, LOCK_MAX, &root, err);

	if (r < 0 && err != NULL && (*err)->sys_errno == 0)
		error_hint(err, "holos pull --update writes it anew");
	if (r < 0)
		return r;
	if (jsonx_int(root, "format", 0) != LOCK_FORMAT || jsonx_obj(root, "images") == NULL) {
		error_set(err, ERR_FAILED, "%s is no lock file of this holos (format %d)", path,
			  LOCK_FORMAT);
		error_hint(err, "holos pull --update writes it anew");
		return -ERR_FAILED;
	}
	*ret = xnew(struct image_lock);
	(*ret)->path = xstrdup(path);
	(*ret)->root = steal_ptr(&root);
	return 0;
}

static bool is_sha256(const char *s)
{
	return s != NULL && strncmp(s, "sha256:", 7) == 0 && strlen(s) == 71 &&
	       strspn(s + 7, "0123456789abcdef") == 64;
}

bool image_lock_find(const struct image_lock *l, const char *ref, struct image_locked *ret)
{
	struct json_object *o = jsonx_obj(jsonx_obj(l->root, "images"), ref);
	const char *digest = jsonx_str(o, "digest", NULL);
	const char *url = jsonx_str(o, "url", NULL);
	const char *download = jsonx_str(o, "download", NULL);

	if (!is_sha256(digest) ||
	    (url != NULL && (strncmp(url, "https://", 8) != 0 || url_has_password(url))))
		return false;
	*ret = (struct image_locked){ url, digest + 7, is_sha256(download) ? download : NULL };
	return true;
}

/* The SHA-256 of a file, by the worker. */
static int hash_file(struct engine *e, const char *ref, const char *path, char hex[65],
		     struct holos_error **err)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	_cleanup_(json_putp) struct json_object *answer = NULL;
	_cleanup_(freep) char *subject = xasprintf("image %s", ref);
	struct worker_request rq;
	int r;

	if (fd < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot read %s", path);
	rq = hash_request(&fd);
	r = engine_call(e, &rq, subject, &answer, err);
	json_object_put(rq.args);
	if (r < 0)
		return error_wrap(err, "%s", path);
	if (strlen(jsonx_str(answer, "sha256", "")) != 64)
		return error_set(err, ERR_FAILED, "%s: hashing ended with nonsense", path);
	memcpy(hex, jsonx_str(answer, "sha256", ""), 65);
	return 0;
}

/* The digest in the name of a base. */
static bool digest_of_base(const char *path, char hex[65])
{
	const char *slash = strrchr(path, '/');
	const char *format;

	return slash != NULL && store_parse_base(slash + 1, hex, &format);
}

int image_lock_check(struct engine *e, const struct image_lock *l, const char *ref,
		     const char *path, const char *ident, struct holos_error **err)
{
	struct image_locked locked;
	char hex[65] = "";
	int r = 0;

	if (!image_lock_find(l, ref, &locked)) {
		error_set(err, ERR_VERIFY, "image \"%s\" is not in %s", ref, l->path);
		error_hint(err, "holos pull --update writes it anew");
		return -ERR_VERIFY;
	}
	if (ident != NULL)
		r = hash_file(e, ref, path, hex, err);
	else
		(void)digest_of_base(path, hex);
	if (r < 0 || strcmp(hex, locked.disk) == 0)
		return r;
	error_set(err, ERR_VERIFY, "image \"%s\" is sha256:%.16s…, and %s wants sha256:%.16s…", ref,
		  hex, l->path, locked.disk);
	error_hint(err, "holos pull --update locks what there is now");
	return -ERR_VERIFY;
}

/* ---- pulling ---------------------------------------------------------------------- */

void pulled_free(struct pulled *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(p[i].ref);
		free(p[i].path);
		free(p[i].format);
		free(p[i].digest);
	}
	free(p);
}

static void take(struct pulled *p, struct base_image *b, const char *ref, char *canonical,
		 bool fresh)
{
	char hex[65];

	p->ref = canonical != NULL ? canonical : xstrdup(ref);
	if (b->ident == NULL && digest_of_base(b->path, hex))
		p->digest = xasprintf("sha256:%s", hex);
	p->path = steal_ptr(&b->path);
	p->format = steal_ptr(&b->format);
	p->fresh = fresh;
	base_image_finish(b);
}

/* Have them; bases and canonical names go into *ret. */
static int obtain(struct engine *e, struct image_want *wants, size_t n, struct pulled **ret,
		  struct holos_error **err)
{
	struct base_image *bases = xcalloc(n + 1, sizeof(*bases));
	char **names = xcalloc(n + 1, sizeof(*names));
	int r;

	for (size_t i = 0; i < n; i++) {
		wants[i].ret = &bases[i];
		wants[i].canonical = wants[i].path == NULL ? &names[i] : NULL;
	}
	r = images_obtain_all(e, wants, n, IMAGE_PULL_ALWAYS, err);
	if (r == 0)
		*ret = xcalloc(n + 1, sizeof(**ret));
	for (size_t i = 0; r == 0 && i < n; i++)
		take(&(*ret)[i], &bases[i], wants[i].ref, names[i], wants[i].fresh);
	free(names);
	free(bases);
	return r;
}

int images_pull(struct engine *e, char *const *refs, size_t n, struct pulled **ret,
		struct holos_error **err)
{
	struct image_want *wants = xcalloc(n + 1, sizeof(*wants));
	char **paths = xcalloc(n + 1, sizeof(*paths));
	_cleanup_(freep) char *cwd = getcwd(NULL, 0);
	int r = 0;

	for (size_t i = 0; i < n; i++) {
		if (registry_ref_is_path(refs[i]) && cwd != NULL)
			paths[i] = fs_normalize(cwd, refs[i]);
		wants[i] = (struct image_want){ .ref = refs[i], .path = paths[i] };
	}
	r = obtain(e, wants, n, ret, err);
	for (size_t i = 0; i < n; i++)
		free(paths[i]);
	free(paths);
	free(wants);
	return r;
}

static int write_lock(struct engine *e, const char *path, struct json_object *images,
		      struct holos_error **err)
{
	_cleanup_(json_putp) struct json_object *root = json_object_new_object();
	_cleanup_(strbuf_finish) struct strbuf b = STRBUF_INIT;
	_cleanup_(strbuf_finish) struct strbuf before = STRBUF_INIT;
	_cleanup_(freep) char *text = NULL;
	int r;

	jsonx_set_int(root, "format", LOCK_FORMAT);
	jsonx_set(root, "images", json_object_get(images));
	text = jsonx_pretty(root);
	strbuf_addf(&b, "%s\n", text);
	if (fs_read(AT_FDCWD, path, LOCK_MAX, &before, NULL) == 0 && before.len == b.len &&
	    memcmp(before.s, b.s, b.len) == 0)
		return 0;
	r = fs_write_atomic(AT_FDCWD, path, b.s, b.len, 0644, err);
	if (r == 0)
		engine_note(e, "wrote %s", path);
	return r;
}

/* One entry of the lock file. */
static int add_locked(struct engine *e, struct json_object *images, struct json_object *index,
		      const struct pulled *p, struct holos_error **err)
{
	struct json_object *o;
	struct image_entry i = { 0 };
	_cleanup_(freep) char *digest = xstrdup_null(p->digest);
	char hex[65];
	struct stat st;

	if (digest == NULL) {
		int r = hash_file(e, p->ref, p->path, hex, err);

		if (r < 0)
			return r;
		digest = xasprintf("sha256:%s", hex);
	}
	o = json_object_new_object();
	if (store_find(e, index, p->ref, &i) && i.url != NULL)
		jsonx_set_str(o, "url", i.url);
	jsonx_set_str(o, "digest", digest);
	if (i.download != NULL && strcmp(i.download, i.disk) != 0) {
		_cleanup_(freep) char *download = xasprintf("sha256:%s", i.download);

		jsonx_set_str(o, "download", download);
	}
	jsonx_set_int(o, "size", stat(p->path, &st) == 0 ? (int64_t)st.st_size : 0);
	jsonx_set_str(o, "format", p->format);
	image_entry_finish(&i);
	jsonx_set(images, p->ref, o);
	return 0;
}

/* The project's images, each once. */
static size_t list_wants(struct engine *e, const struct project *p, const struct image_lock *lock,
			 struct image_want *wants)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_services; i++) {
		const struct service *s = &p->services[i];
		_cleanup_(freep) char *full = NULL;
		const struct plugin_info *plugin;
		struct image_locked locked;
		size_t k = 0;

		if (s->image == NULL || s->vm.root_disk != NULL)
			continue;
		while (k < n && strcmp(wants[k].ref, s->image) != 0)
			k++;
		if (k < n)
			continue;
		wants[n++] = (struct image_want){ .ref = s->image,
						  .path = s->image_path,
						  .format = s->image_format };
		if (lock == NULL || s->image_path != NULL ||
		    registry_image_source(engine_registry(e), s->image, &plugin, &full, NULL) < 0)
			continue;
		if (image_lock_find(lock, full, &locked) && locked.url != NULL) {
			wants[n - 1].lock_disk = locked.disk;
			wants[n - 1].lock_url = locked.url;
			wants[n - 1].lock_download = locked.download;
		}
	}
	return n;
}

int images_pull_project(struct engine *e, const struct project *p, bool update, struct pulled **ret,
			size_t *ret_n, struct holos_error **err)
{
	_cleanup_(freep) char *path = image_lock_path(p);
	_cleanup_(image_lock_destroyp) struct image_lock *lock = NULL;
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	_cleanup_(json_putp) struct json_object *images = json_object_new_object();
	_cleanup_(json_putp) struct json_object *index = NULL;
	struct image_want *wants = xcalloc(p->n_services + 1, sizeof(*wants));
	struct pulled *got = NULL;
	size_t n;
	int r = 0;

	if (!update && image_lock_read(path, &lock, &why) < 0 && why->sys_errno != ENOENT) {
		free(wants);
		return error_move(err, &why);
	}
	n = list_wants(e, p, lock, wants);
	r = obtain(e, wants, n, &got, err);
	if (r == 0)
		r = store_read(e, &index, err);
	for (size_t i = 0; r == 0 && i < n; i++) {
		if (wants[i].lock_disk == NULL)
			r = add_locked(e, images, index, &got[i], err);
		else
			jsonx_set(images, got[i].ref,
				  json_object_get(
					  jsonx_obj(jsonx_obj(lock->root, "images"), got[i].ref)));
	}
	if (r == 0)
		r = write_lock(e, path, images, err);
	free(wants);
	if (r < 0) {
		pulled_free(got, got != NULL ? n : 0);
		return r;
	}
	*ret = got;
	*ret_n = n;
	return 0;
}
