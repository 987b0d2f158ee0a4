/* SPDX-License-Identifier: Apache-2.0
 *
 * manifest.c - see manifest.h.
 */
#include <plugin/manifest.h>

#include <base/alloc.h>
#include <base/fs.h>
#include <base/jsonx.h>
#include <base/names.h>
#include <holos/plugin.h>
#include <plugin/schema.h>
#include <plugin/status.h>

#include <stdio.h>
#include <string.h>

#define INTERFACES_MAX 32

static int check_interface(struct json_object *iface, const char *file, struct holos_error **err)
{
	const char *name = jsonx_str(iface, "name", NULL);
	_cleanup_(freep) char *what = NULL;
	struct json_object *schema;

	if (jsonx_str(iface, "id", NULL) == NULL || name == NULL || !names_is_plugin(name))
		return error_set(err, ERR_HOST, "%s: an interface without id or valid name", file);
	what = xasprintf("%s: schema of \"%s\"", file, name);
	if (!json_object_object_get_ex(iface, "schema", &schema) || schema == NULL)
		return 0;
	return schema_validate(schema, what, err);
}

static int check(struct json_object *m, const char *file, const char *module,
		 struct holos_error **err)
{
	const char *abi = jsonx_str(m, "abi", "");
	struct json_object *ifaces = jsonx_arr(m, "interfaces");
	unsigned major, minor;
	char rest;

	if (jsonx_int(m, "manifest", 0) != MANIFEST_FORMAT)
		return error_set(err, ERR_HOST, "%s is no manifest that this holos understands",
				 file);
	if (sscanf(abi, "%u.%u%c", &major, &minor, &rest) != 2)
		return error_set(err, ERR_HOST, "%s: no \"abi\"", file);
	if (major != HOLOS_ABI_MAJOR)
		return error_set(err, ERR_HOST,
				 "holos-%s.so is built for plugin ABI %u, this holos speaks %d.%d",
				 module, major, HOLOS_ABI_MAJOR, HOLOS_ABI_MINOR);
	if (jsonx_int(m, "host_minor_min", 0) > HOLOS_ABI_MINOR)
		return error_set(err, ERR_HOST,
				 "holos-%s.so needs plugin ABI 1.%lld, this holos speaks %d.%d",
				 module, (long long)jsonx_int(m, "host_minor_min", 0),
				 HOLOS_ABI_MAJOR, HOLOS_ABI_MINOR);
	if (strcmp(jsonx_str(m, "name", ""), module) != 0)
		return error_set(err, ERR_HOST, "%s describes plugin \"%s\", not \"%s\"", file,
				 jsonx_str(m, "name", ""), module);
	if (jsonx_len(ifaces) == 0 || jsonx_len(ifaces) > INTERFACES_MAX)
		return error_set(err, ERR_HOST, "%s lists no interfaces, or too many", file);
	for (size_t i = 0; i < jsonx_len(ifaces); i++) {
		int r = check_interface(json_object_array_get_idx(ifaces, i), file, err);

		if (r < 0)
			return r;
	}
	return 0;
}

int manifest_read(const struct plugin_file *f, struct json_object **ret, struct holos_error **err)
{
	_cleanup_(strbuf_finish) struct strbuf text = STRBUF_INIT;
	_cleanup_(json_putp) struct json_object *m = NULL;
	int r;

	r = fs_read_fd(f->fd, f->path, MANIFEST_MAX, &text, err);
	if (r == 0)
		r = jsonx_parse(text.s != NULL ? text.s : "", text.len, f->path, &m, err);
	if (r == 0)
		r = check(m, f->path, f->module, err);
	if (r < 0) {
		if (err != NULL && *err != NULL)
			(*err)->code = ERR_HOST; /* whatever is wrong is wrong with this host */
		return -ERR_HOST;
	}
	*ret = steal_ptr(&m);
	return 0;
}

struct json_object *manifest_interface(struct json_object *manifest, const char *id,
				       const char *name)
{
	struct json_object *ifaces = jsonx_arr(manifest, "interfaces");

	for (size_t i = 0; i < jsonx_len(ifaces); i++) {
		struct json_object *iface = json_object_array_get_idx(ifaces, i);

		if (strcmp(jsonx_str(iface, "id", ""), id) == 0 &&
		    strcmp(jsonx_str(iface, "name", ""), name) == 0)
			return iface;
	}
	return NULL;
}
