/* SPDX-License-Identifier: Apache-2.0
 *
 * describe.c - a plugin's manifest (plugin/manifest.h), from the plugin.
 */
#include <plugin/worker/worker.h>

#include <base/alloc.h>
#include <base/jsonx.h>
#include <plugin/manifest.h>

#include <string.h>

static struct json_object *describe_iface(const struct worker_iface *iface)
{
	struct json_object *obj = json_object_new_object();

	jsonx_set_str(obj, "id", iface->kind->id);
	jsonx_set_str(obj, "name", iface->name);
	jsonx_set_str(obj, "summary", iface->summary);
	jsonx_set(obj, "schema", json_object_get(iface->schema));
	return obj;
}

static void set_clean(struct json_object *obj, const char *key, const char *text)
{
	_cleanup_(freep) char *clean = text != NULL ? text_clean(text) : NULL;

	jsonx_set_str(obj, key, clean);
}

/* What an image source serves, asked of the plugin itself with no options.  A
 * source that needs options, or lists nothing, has none. */
static struct json_object *ask_serves(struct worker_iface *iface)
{
	_cleanup_(json_putp) struct json_object *none = json_object_new_object();
	struct holos_call c = { .deadline_ns = UINT64_MAX,
				.iface = iface,
				.args = none,
				.result = json_object_new_object() };
	struct json_object *serves = NULL;

	if (iface->ops.image.list != NULL && plugin_init(iface->plugin, &c) == HOLOS_OK &&
	    instance_get(&c, none) == HOLOS_OK && iface->kind->ops[0].run(&c) == HOLOS_OK)
		serves = json_object_get(jsonx_arr(c.result, "images"));
	json_object_put(c.result);
	call_error_finish(&c.err);
	free(c.progress_what);
	return serves;
}

static struct json_object *describe_head(const struct worker_plugin *p)
{
	struct json_object *m = json_object_new_object();
	_cleanup_(freep) char *abi = xasprintf("%d.%d", p->desc.abi_major, p->desc.abi_minor);

	jsonx_set_int(m, "manifest", MANIFEST_FORMAT);
	jsonx_set_str(m, "name", p->module);
	set_clean(m, "version", p->desc.version);
	set_clean(m, "license", p->desc.license);
	set_clean(m, "homepage", p->desc.homepage);
	jsonx_set_str(m, "abi", abi);
	jsonx_set_int(m, "host_minor_min", p->desc.host_minor_min);
	jsonx_set_bool(m, "built_in", p->built_in);
	return m;
}

struct json_object *describe(struct worker_plugin *p, const char *package)
{
	struct json_object *m = describe_head(p);
	struct json_object *ifaces = json_object_new_array();

	jsonx_set_str(m, "package", package);
	for (size_t i = 0; i < p->n_ifaces; i++) {
		struct json_object *obj = describe_iface(&p->ifaces[i]);

		if (p->ifaces[i].kind == &worker_image)
			jsonx_set(obj, "serves", ask_serves(&p->ifaces[i]));
		json_object_array_add(ifaces, obj);
	}
	jsonx_set(m, "interfaces", ifaces);
	return m;
}

/* Every member of ours is there and equal; the manifest may say more. */
static bool covers(struct json_object *theirs, struct json_object *ours)
{
	json_object_object_foreach (ours, key, value) {
		struct json_object *have;

		if (!json_object_object_get_ex(theirs, key, &have) ||
		    !json_object_equal(have, value))
			return false;
	}
	return true;
}

bool describe_matches(struct worker_plugin *p, struct json_object *manifest)
{
	_cleanup_(json_putp) struct json_object *head = describe_head(p);

	if (!covers(manifest, head) || jsonx_len(jsonx_arr(manifest, "interfaces")) != p->n_ifaces)
		return false;
	for (size_t i = 0; i < p->n_ifaces; i++) {
		_cleanup_(json_putp) struct json_object *ours = describe_iface(&p->ifaces[i]);
		struct json_object *theirs =
			manifest_interface(manifest, p->ifaces[i].kind->id, p->ifaces[i].name);

		if (theirs == NULL || !covers(theirs, ours))
			return false;
	}
	return true;
}
