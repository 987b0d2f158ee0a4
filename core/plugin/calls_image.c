/* SPDX-License-Identifier: Apache-2.0
 *
 * calls_image.c - image plugins, typed: see calls.h.
 */
#include <plugin/calls.h>

#include <base/alloc.h>
#include <base/clock.h>
#include <base/jsonx.h>
#include <base/url.h>
#include <plugin/status.h>

#include <stdlib.h>
#include <string.h>

#define IMAGES_MAX      4096
#define URLS_MAX        8
#define MAKE_TIMEOUT_NS (1800 * NS_PER_S)

void image_info_finish(struct image_info *i)
{
	free(i->ref);
	free(i->path);
	free(i->url);
	free(i->key);
	free(i->digest);
	free(i->digest_url);
	free(i->arch);
	free(i->format);
	free(i->user);
	free(i->init);
	free(i->shares);
	*i = (struct image_info){ 0 };
}

void image_list_finish(struct image_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		image_info_finish(&l->images[i]);
	free(l->images);
	*l = (struct image_list){ 0 };
}

void image_files_finish(struct image_files *f)
{
	free(f->disk);
	free(f->kernel);
	free(f->initrd);
	free(f->cmdline);
	*f = (struct image_files){ 0 };
}

static bool is_digest(const char *s)
{
	size_t hex;

	if (strncmp(s, "sha256:", 7) == 0)
		hex = 64;
	else if (strncmp(s, "sha512:", 7) == 0)
		hex = 128;
	else
		return false;
	return strlen(s + 7) == hex && strspn(s + 7, "0123456789abcdef") == hex;
}

/* One https URL, or several separated by one space. */
static bool are_urls(const char *s)
{
	for (unsigned n = 0; n < URLS_MAX; n++) {
		size_t len = strcspn(s, " ");

		if (strncmp(s, "https://", 8) != 0 || len < 9 || s[len - 1] == '/')
			return false;
		if (s[len] == '\0')
			return true;
		s += len + 1;
	}
	return false;
}

/* Does any of a list hold a password? */
static bool are_secret(const char *s)
{
	for (; s != NULL; s = strchr(s, ' ')) {
		s += *s == ' ';
		if (url_has_password(s))
			return true;
	}
	return false;
}

/* What is wrong with it, or NULL. */
static const char *find_fault(const struct image_info *i)
{
	int sources = (i->path != NULL) + (i->url != NULL) + (i->key != NULL);

	if (i->ref == NULL || i->ref[0] == '\0')
		return "without a ref";
	if (sources != 1)
		return "that has not exactly one of path, url and key";
	if (i->path != NULL && i->path[0] != '/')
		return "whose path is not absolute";
	if (i->url != NULL && !are_urls(i->url))
		return "whose url is not https";
	if (i->digest_url != NULL && !are_urls(i->digest_url))
		return "whose digest_url is not https";
	if (are_secret(i->url) || are_secret(i->digest_url))
		return "whose url holds a user name or password";
	if (i->format == NULL || (strcmp(i->format, "qcow2") != 0 && strcmp(i->format, "raw") != 0))
		return "whose format is neither qcow2 nor raw";
	if (i->digest != NULL && !is_digest(i->digest))
		return "whose digest is neither sha256 nor sha512 in lower-case hex";
	return NULL;
}

int image_info_parse(struct json_object *obj, struct image_info *ret, struct holos_error **err)
{
	struct image_info i = {
		.ref = xstrdup_null(jsonx_str(obj, "ref", NULL)),
		.path = xstrdup_null(jsonx_str(obj, "path", NULL)),
		.url = xstrdup_null(jsonx_str(obj, "url", NULL)),
		.key = xstrdup_null(jsonx_str(obj, "key", NULL)),
		.digest = xstrdup_null(jsonx_str(obj, "digest", NULL)),
		.digest_url = xstrdup_null(jsonx_str(obj, "digest_url", NULL)),
		.bytes = (uint64_t)jsonx_int(obj, "bytes", 0),
		.arch = xstrdup_null(jsonx_str(obj, "arch", NULL)),
		.format = xstrdup_null(jsonx_str(obj, "format", NULL)),
		.user = xstrdup_null(jsonx_str(obj, "user", NULL)),
		.init = xstrdup_null(jsonx_str(obj, "init", NULL)),
		.shares = xstrdup_null(jsonx_str(obj, "shares", NULL)),
	};
	const char *fault = find_fault(&i);

	if (fault == NULL) {
		*ret = i;
		return 0;
	}
	error_set(err, ERR_FAILED, "describes an image (\"%s\") %s", i.ref != NULL ? i.ref : "",
		  fault);
	image_info_finish(&i);
	return -ERR_FAILED;
}

int image_resolve_parse(struct json_object *answer, const char *plugin, struct image_info *ret,
			struct holos_error **err)
{
	if (image_info_parse(jsonx_obj(answer, "image"), ret, err) == 0)
		return 0;
	return error_wrap(err, "image plugin \"%s\"", plugin);
}

static bool is_file_name(const char *s)
{
	return s[0] != '\0' && strchr(s, '/') == NULL && strcmp(s, ".") != 0 &&
	       strcmp(s, "..") != 0;
}

int image_make_parse(struct json_object *answer, const char *plugin, struct image_files *ret,
		     struct holos_error **err)
{
	static const char *const roles[] = { "disk", "kernel", "initrd", "cmdline" };
	struct json_object *files = jsonx_obj(answer, "files");
	struct image_files f = { 0 };
	char **slots[] = { &f.disk, &f.kernel, &f.initrd, &f.cmdline };
	unsigned n = 0;

	for (unsigned i = 0; i < 4; i++) {
		const char *name = jsonx_str(files, roles[i], NULL);

		if (name != NULL && is_file_name(name)) {
			*slots[i] = xstrdup(name);
			n++;
		}
	}
	if (f.disk != NULL && (n == 1 || n == 4)) {
		*ret = f;
		return 0;
	}
	error_set(err, ERR_FAILED, "image plugin \"%s\": make left %s", plugin,
		  f.disk == NULL ? "no disk" : "only some of kernel, initrd and cmdline");
	image_files_finish(&f);
	return -ERR_FAILED;
}

struct worker_request image_resolve_request(const char *plugin, const char *ref)
{
	struct worker_request rq = { .kind = "image", .name = plugin, .op = "resolve" };

	rq.args = json_object_new_object();
	jsonx_set_str(rq.args, "ref", ref);
	rq.retry = true;
	return rq;
}

struct worker_request image_make_request(const char *plugin, const char *ref, const char *key,
					 const char *work_dir, const char *cache_dir)
{
	struct worker_request rq = { .kind = "image", .name = plugin, .op = "make" };

	rq.args = json_object_new_object();
	jsonx_set_str(rq.args, "ref", ref);
	jsonx_set_str(rq.args, "key", key);
	jsonx_set_str(rq.args, "work_dir", work_dir);
	jsonx_set_str(rq.args, "cache_dir", cache_dir);
	rq.timeout_ns = MAKE_TIMEOUT_NS;
	return rq;
}

int image_list(struct worker *w, const char *plugin, struct image_list *ret,
	       struct holos_error **err)
{
	struct worker_request rq = { .kind = "image", .name = plugin, .op = "list" };
	_cleanup_(json_putp) struct json_object *answer = NULL;
	struct image_list list = { 0 };
	struct json_object *images;
	int r;

	r = worker_call_wait(w, &rq, &answer, err);
	if (r < 0)
		return r;
	images = jsonx_arr(answer, "images");
	if (jsonx_len(images) > IMAGES_MAX)
		return error_set(err, ERR_FAILED, "image plugin \"%s\": lists more than %d images",
				 plugin, IMAGES_MAX);
	list.images = xcalloc(jsonx_len(images) + 1, sizeof(*list.images));
	for (size_t i = 0; i < jsonx_len(images); i++) {
		r = image_info_parse(json_object_array_get_idx(images, i), &list.images[list.n],
				     err);
		if (r < 0) {
			image_list_finish(&list);
			return error_wrap(err, "image plugin \"%s\"", plugin);
		}
		list.n++;
	}
	*ret = list;
	return 0;
}

int image_resolve(struct worker *w, const char *plugin, const char *ref, struct image_info *ret,
		  struct holos_error **err)
{
	struct worker_request rq = image_resolve_request(plugin, ref);
	_cleanup_(json_putp) struct json_object *answer = NULL;
	int r;

	r = worker_call_wait(w, &rq, &answer, err);
	json_object_put(rq.args);
	return r < 0 ? r : image_resolve_parse(answer, plugin, ret, err);
}

int image_make(struct worker *w, const char *plugin, const char *ref, const char *key,
	       const char *work_dir, const char *cache_dir, worker_progress_fn *progress,
	       void *data, struct image_files *ret, struct holos_error **err)
{
	struct worker_request rq = image_make_request(plugin, ref, key, work_dir, cache_dir);
	struct worker_result res;
	int r;

	rq.on_progress = progress;
	r = worker_call_wait_result(w, &rq, data, &res);
	json_object_put(rq.args);
	if (r < 0)
		error_move(err, &res.err);
	else
		r = image_make_parse(res.value, plugin, ret, err);
	worker_result_finish(&res);
	return r;
}

int plugin_probe(struct worker *w, const char *kind, const char *name, struct holos_error **err)
{
	struct worker_request rq = { .kind = kind, .name = name, .op = "probe" };

	return worker_call_wait(w, &rq, NULL, err);
}
