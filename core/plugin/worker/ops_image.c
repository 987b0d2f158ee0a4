/* SPDX-License-Identifier: Apache-2.0
 *
 * ops_image.c - image plugins: list, resolve, make.
 */
#include <plugin/worker/worker.h>

#include <base/jsonx.h>

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define IMAGES_MAX 4096

struct holos_image_sink {
	struct holos_call *call;
	struct json_object *images;       /* array */
	struct json_object *files;        /* role -> name */
	const char *work_dir, *cache_dir; /* NULL: not in make() */
};

static bool add_image(struct json_object *obj, const struct holos_image *i)
{
	bool ok = set_text(obj, "ref", i->ref);

	ok = ok && set_text(obj, "path", i->path) && set_text(obj, "url", i->url);
	ok = ok && set_text(obj, "key", i->key) && set_text(obj, "digest", i->digest);
	ok = ok && set_text(obj, "digest_url", i->digest_url) && set_text(obj, "arch", i->arch);
	ok = ok && set_text(obj, "format", i->format) && set_text(obj, "user", i->user);
	ok = ok && set_text(obj, "init", i->init) && set_text(obj, "shares", i->shares);
	jsonx_set_int(obj, "bytes", i->bytes <= INT64_MAX ? (int64_t)i->bytes : 0);
	return ok;
}

static holos_status sink_image(holos_image_sink *out, const struct holos_image *theirs)
{
	struct holos_image image = { 0 };
	struct json_object *obj;

	if (theirs == NULL || !HOLOS_HAS(theirs, struct holos_image, shares))
		return call_fail(out->call, HOLOS_E_INTERNAL,
				 "an image's description is cut short");
	memcpy(&image, theirs, theirs->size < sizeof(image) ? theirs->size : sizeof(image));
	if (jsonx_len(out->images) >= IMAGES_MAX)
		return call_fail(out->call, HOLOS_E_INTERNAL, "more than %d images", IMAGES_MAX);
	obj = json_object_new_object();
	if (!add_image(obj, &image)) {
		json_object_put(obj);
		return call_fail(out->call, HOLOS_E_INTERNAL,
				 "an image's description is no valid UTF-8");
	}
	json_object_array_add(out->images, obj);
	return HOLOS_OK;
}

static const char *sink_work_dir(holos_image_sink *out)
{
	return out->work_dir;
}

static const char *sink_cache_dir(holos_image_sink *out)
{
	return out->cache_dir;
}

static bool is_role(const char *role)
{
	static const char *const roles[] = { "disk", "kernel", "initrd", "cmdline" };

	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
		if (strcmp(role, roles[i]) == 0)
			return true;
	}
	return false;
}

static holos_status sink_output(holos_image_sink *out, const char *role, const char *name)
{
	_cleanup_(closep) int dir = -1;
	struct stat st;

	if (out->work_dir == NULL)
		return call_fail(out->call, HOLOS_E_INTERNAL, "output() belongs to make()");
	if (role == NULL || name == NULL || !is_role(role) || !text_is_utf8(name))
		return call_fail(out->call, HOLOS_E_INTERNAL, "output() of an unknown role");
	dir = open(out->work_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (strchr(name, '/') != NULL || dir < 0 ||
	    fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return call_fail(out->call, HOLOS_E_INTERNAL,
				 "output \"%s\" is no file of the work directory", name);
	jsonx_set_str(out->files, role, name);
	return HOLOS_OK;
}

static const struct holos_image_sink_api sink_api = {
	.size = sizeof(sink_api),
	.image = sink_image,
	.work_dir = sink_work_dir,
	.cache_dir = sink_cache_dir,
	.output = sink_output,
};

static holos_status run_list(struct holos_call *c)
{
	struct holos_image_sink sink = { .call = c, .images = json_object_new_array() };
	holos_status status = HOLOS_OK;

	if (c->iface->ops.image.list != NULL)
		status = c->iface->ops.image.list(c->inst, c, &sink, call_error_of(c));
	jsonx_set(c->result, "images", sink.images);
	return status;
}

static holos_status run_resolve(struct holos_call *c)
{
	struct holos_image_sink sink = { .call = c };
	const char *ref = jsonx_str(c->args, "ref", NULL);
	holos_status status;

	if (ref == NULL)
		return call_fail(c, HOLOS_E_INTERNAL, "resolve without a ref");
	sink.images = json_object_new_array();
	status = c->iface->ops.image.resolve(c->inst, ref, c, &sink, call_error_of(c));
	if (status == HOLOS_OK && jsonx_len(sink.images) != 1)
		status = call_fail(c, HOLOS_E_INTERNAL, "resolve told of %zu images, not of one",
				   jsonx_len(sink.images));
	if (status == HOLOS_OK)
		jsonx_set(c->result, "image",
			  json_object_get(json_object_array_get_idx(sink.images, 0)));
	json_object_put(sink.images);
	return status;
}

static holos_status run_make(struct holos_call *c)
{
	struct holos_image_sink sink = { .call = c,
					 .work_dir = jsonx_str(c->args, "work_dir", NULL),
					 .cache_dir = jsonx_str(c->args, "cache_dir", NULL) };
	const char *ref = jsonx_str(c->args, "ref", NULL);
	const char *key = jsonx_str(c->args, "key", NULL);
	holos_status status;

	if (c->iface->ops.image.make == NULL)
		return call_fail(c, HOLOS_E_INTERNAL, "it makes no images");
	if (ref == NULL || key == NULL || sink.work_dir == NULL || sink.cache_dir == NULL)
		return call_fail(c, HOLOS_E_INTERNAL, "make without ref, key or directories");
	sink.images = json_object_new_array(); /* image() is harmless here */
	sink.files = json_object_new_object();
	status = c->iface->ops.image.make(c->inst, ref, key, c, &sink, call_error_of(c));
	jsonx_set(c->result, "files", sink.files);
	json_object_put(sink.images);
	return status;
}

static const char *missing(const union worker_ops *ops)
{
	return ops->image.resolve == NULL ? "resolve" : NULL;
}

static const struct worker_op ops[] = {
	{ "list", run_list, false },
	{ "resolve", run_resolve, false },
	{ "make", run_make, false },
	{ NULL, NULL, false },
};

static const struct worker_table tables[] = {
	{ HOLOS_IMAGE_SINK_ID, &sink_api },
	{ HOLOS_FETCH_API_ID, &fetch_api },
	{ NULL, NULL },
};

const struct worker_kind worker_image = {
	.kind = &plugin_kinds[0],
	.id = HOLOS_IMAGE_ID,
	.ops_size = sizeof(struct holos_image_ops),
	.missing = missing,
	.ops = ops,
	.tables = tables,
};
