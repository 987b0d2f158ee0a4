/* SPDX-License-Identifier: Apache-2.0
 *
 * plugin.c - the plugins of this process: find, check, copy, init.
 *
 * A descriptor comes from code of another version of the headers.  Everything
 * is read through its `size` and copied into structs of ours, the rest zero, so
 * that nothing behind this file looks at sizes again.
 */
#include <plugin/worker/worker.h>

#include <base/alloc.h>
#include <base/jsonx.h>
#include <base/names.h>
#include <plugin/manifest.h>
#include <plugin/schema.h>

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define IFACES_MAX   32
#define REFUSE_FLAGS 0xffff0000u /* bits 16-31: not to be ignored by who does not know them */

/* End of the last field of ABI 1.0. */
#define PLUGIN_SIZE_1_0 (offsetof(struct holos_plugin, fini) + sizeof(void (*)(void *)))
#define IFACE_SIZE_1_0  (offsetof(struct holos_iface, summary) + sizeof(const char *))

static struct worker_plugin *plugins;

static void copy_clamped(void *to, size_t ours, const void *from, uint32_t theirs)
{
	memset(to, 0, ours);
	memcpy(to, from, theirs < ours ? theirs : ours);
}

static int check_descriptor(const struct holos_plugin *d, const struct worker_plugin *p,
			    struct holos_error **err)
{
	if (d == NULL)
		return error_set(err, ERR_HOST, "%s: describes nothing", p->file);
	if (d->size < offsetof(struct holos_plugin, host_minor_min))
		return error_set(err, ERR_HOST, "%s: its description is cut short (%u bytes)",
				 p->file, (unsigned)d->size);
	if (d->abi_major != HOLOS_ABI_MAJOR)
		return error_set(err, ERR_HOST,
				 "%s is built for plugin ABI %d, this holos speaks %d.%d", p->file,
				 d->abi_major, HOLOS_ABI_MAJOR, HOLOS_ABI_MINOR);
	if (d->size < PLUGIN_SIZE_1_0)
		return error_set(err, ERR_HOST, "%s: its description is cut short (%u bytes)",
				 p->file, (unsigned)d->size);
	if (d->host_minor_min > HOLOS_ABI_MINOR)
		return error_set(err, ERR_HOST,
				 "%s needs plugin ABI %d.%u, this holos speaks %d.%d", p->file,
				 HOLOS_ABI_MAJOR, (unsigned)d->host_minor_min, HOLOS_ABI_MAJOR,
				 HOLOS_ABI_MINOR);
	if ((d->flags & REFUSE_FLAGS) != 0)
		return error_set(err, ERR_HOST, "%s needs a newer holos (flags %#x)", p->file,
				 (unsigned)d->flags);
	if (d->name == NULL || strcmp(d->name, p->module) != 0)
		return error_set(err, ERR_HOST, "%s calls itself \"%s\", not \"%s\"", p->file,
				 d->name != NULL ? d->name : "", p->module);
	if (d->version == NULL || !text_is_utf8(d->version))
		return error_set(err, ERR_HOST, "%s has no version", p->file);
	if (d->ifaces == NULL || d->ifaces[0] == NULL)
		return error_set(err, ERR_HOST, "%s offers no interface", p->file);
	return 0;
}

static int parse_schema(const char *text, const char *what, struct json_object **ret,
			struct holos_error **err)
{
	_cleanup_(json_putp) struct json_object *schema = NULL;
	int r;

	if (text == NULL)
		return 0;
	r = jsonx_parse(text, strlen(text), what, &schema, err);
	if (r == 0)
		r = schema_validate(schema, what, err);
	if (r == 0)
		*ret = steal_ptr(&schema);
	return r;
}

static int check_ops(const struct holos_iface *from, struct worker_iface *to, const char *what,
		     struct holos_error **err)
{
	const struct holos_ops *ops = from->ops;
	const char *missing;

	if (ops == NULL || ops->size < to->kind->ops_size)
		return error_set(err, ERR_HOST, "%s: its operations are cut short (%u bytes)", what,
				 ops != NULL ? (unsigned)ops->size : 0);
	if ((ops->flags & REFUSE_FLAGS) != 0)
		return error_set(err, ERR_HOST, "%s needs a newer holos (flags %#x)", what,
				 (unsigned)ops->flags);
	memset(&to->ops, 0, sizeof(to->ops));
	copy_clamped(&to->ops, to->kind->ops_size, ops, ops->size);
	if ((ops->open == NULL) != (ops->close == NULL))
		return error_set(err, ERR_HOST, "%s has only one of open and close", what);
	missing = to->kind->missing(&to->ops);
	if (missing != NULL)
		return error_set(err, ERR_HOST, "%s lacks the operation %s", what, missing);
	return 0;
}

/* 1: taken, 0: a kind this holos does not know. */
static int take_iface(const struct holos_iface *theirs, struct worker_plugin *p,
		      struct worker_iface *to, struct holos_error **err)
{
	_cleanup_(freep) char *what = NULL;
	_cleanup_(freep) char *schema_what = NULL;
	struct holos_iface from;
	int r;

	if (theirs->size < IFACE_SIZE_1_0)
		return error_set(err, ERR_HOST, "%s: an interface is cut short (%u bytes)", p->file,
				 (unsigned)theirs->size);
	copy_clamped(&from, sizeof(from), theirs, theirs->size);
	if (from.id == NULL || from.name == NULL || !names_is_plugin(from.name))
		return error_set(err, ERR_HOST, "%s: an interface without id or valid name",
				 p->file);
	*to = (struct worker_iface){ .plugin = p,
				     .kind = worker_kind_of_id(from.id),
				     .name = from.name,
				     .summary = from.summary };
	if (to->kind == NULL)
		return 0;
	what = xasprintf("%s: %s \"%s\"", p->file, from.id, from.name);
	r = check_ops(&from, to, what, err);
	if (r < 0)
		return r;
	if (from.summary != NULL && !text_is_utf8(from.summary))
		return error_set(err, ERR_HOST, "%s: its summary is no UTF-8", what);
	schema_what = xasprintf("%s: schema", what);
	r = parse_schema(from.schema, schema_what, &to->schema, err);
	return r < 0 ? r : 1;
}

static int take_ifaces(struct worker_plugin *p, struct holos_error **err)
{
	p->ifaces = xcalloc(IFACES_MAX, sizeof(*p->ifaces));
	for (size_t i = 0; p->desc.ifaces[i] != NULL; i++) {
		int r = 0;

		if (i < IFACES_MAX)
			r = take_iface(p->desc.ifaces[i], p, &p->ifaces[p->n_ifaces], err);
		else
			r = error_set(err, ERR_HOST, "%s offers more than %d interfaces", p->file,
				      IFACES_MAX);
		if (r < 0)
			return r;
		for (size_t k = 0; r == 1 && k < p->n_ifaces; k++) {
			if (p->ifaces[k].kind == p->ifaces[p->n_ifaces].kind &&
			    strcmp(p->ifaces[k].name, p->ifaces[p->n_ifaces].name) == 0)
				return error_set(err, ERR_HOST, "%s offers %s \"%s\" twice",
						 p->file, p->ifaces[k].kind->id, p->ifaces[k].name);
		}
		p->n_ifaces += (size_t)r;
	}
	return 0;
}

static void plugin_free(struct worker_plugin *p)
{
	for (size_t i = 0; i < p->n_ifaces; i++)
		json_object_put(p->ifaces[i].schema);
	free(p->ifaces);
	free(p->module);
	free(p->file);
	free(p);
}

static int take(holos_plugin_fn *function, const char *module, bool built_in,
		struct worker_plugin **ret, struct holos_error **err)
{
	struct worker_plugin *p = xnew(struct worker_plugin);
	const struct holos_plugin *d = function();
	int r;

	p->module = xstrdup(module);
	p->file = xasprintf("holos-%s.so", module);
	p->built_in = built_in;
	p->self.plugin = p;
	r = check_descriptor(d, p, err);
	if (r == 0) {
		copy_clamped(&p->desc, sizeof(p->desc), d, d->size);
		r = take_ifaces(p, err);
	}
	if (r < 0) {
		plugin_free(p);
		return r;
	}
	p->next = plugins;
	plugins = p;
	*ret = p;
	return 0;
}

int plugin_load(const char *path, const char *module, struct worker_plugin **ret,
		struct holos_error **err)
{
	holos_plugin_fn *function;
	const char *slash, *kind;
	char name[33];
	_cleanup_(freep) char *own = NULL;
	int r;

	if (path == NULL) {
		function = loader_static(module);
		if (function == NULL)
			return error_set(err, ERR_HOST, "plugin \"%s\" is not built in", module);
		return take(function, module, true, ret, err);
	}
	slash = strrchr(path, '/');
	if (!plugin_file_parse(slash != NULL ? slash + 1 : path, ".so", &kind, name))
		return error_set(err, ERR_HOST, "%s is not called holos-KIND-NAME.so", path);
	own = xasprintf("%s-%s", kind, name);
	r = loader_open(path, own, &function, err);
	return r < 0 ? r : take(function, own, false, ret, err);
}

static struct worker_plugin *find_loaded(const char *module)
{
	for (struct worker_plugin *p = plugins; p != NULL; p = p->next) {
		if (strcmp(p->module, module) == 0)
			return p;
	}
	return NULL;
}

/* The manifest beside the file is what the host goes by; it must be true. */
static int check_manifest(struct worker_plugin *p, const char *dir, struct holos_error **err)
{
	_cleanup_(json_putp) struct json_object *manifest = NULL;
	const char *dash = strchr(p->module, '-');
	_cleanup_(freep) char *kind = xstrndup(p->module, (size_t)(dash - p->module));
	struct plugin_file f = { .fd = -1 };
	int r;

	r = plugin_search_dir(dir, kind, dash + 1, ".json", &f, NULL, err);
	if (r <= 0)
		return r;
	r = manifest_read(&f, &manifest, err);
	plugin_file_finish(&f);
	if (r == 0 && !describe_matches(p, manifest))
		r = error_set(err, ERR_HOST,
			      "%s/holos-%s.json does not describe the %s beside it: one of them is "
			      "of another version",
			      dir, p->module, p->file);
	return r;
}

static int load_from(const struct plugin_file *f, struct worker_plugin **ret,
		     struct holos_error **err)
{
	struct worker_plugin *p = find_loaded(f->module);
	int r;

	if (p == NULL) {
		r = plugin_load(f->path, NULL, &p, err);
		if (r < 0)
			return r;
		r = check_manifest(p, f->dir, err);
		if (r < 0) {
			plugins = p->next; /* plugin_load() put it first */
			plugin_free(p);
			return r;
		}
	}
	*ret = p;
	return 0;
}

static struct worker_iface *find_iface(struct worker_plugin *p, const char *kind, const char *name)
{
	for (size_t i = 0; i < p->n_ifaces; i++) {
		if (strcmp(p->ifaces[i].kind->kind->name, kind) == 0 &&
		    strcmp(p->ifaces[i].name, name) == 0)
			return &p->ifaces[i];
	}
	return NULL;
}

bool plugin_is_loaded(const char *kind, const char *name)
{
	_cleanup_(freep) char *module = xasprintf("%s-%s", kind, name);

	return find_loaded(module) != NULL;
}

int plugin_get(char *const *dirs, const char *kind, const char *name, struct worker_iface **ret,
	       struct holos_error **err)
{
	_cleanup_(freep) char *module = xasprintf("%s-%s", kind, name);
	struct plugin_file f = { .fd = -1 };
	struct worker_plugin *p = find_loaded(module);
	holos_plugin_fn *function = NULL;
	int r = 0;

	if (p == NULL)
		function = loader_static(module);
	if (p == NULL && function != NULL) {
		r = take(function, module, true, &p, err);
	} else if (p == NULL) {
		r = plugin_search(dirs, kind, name, ".so", &f, NULL, err);
		if (r == 0)
			return error_set(err, ERR_HOST,
					 "holos-%s.so is not in any plugin directory", module);
		if (r > 0)
			r = load_from(&f, &p, err);
		plugin_file_finish(&f);
	}
	if (r < 0)
		return r;
	*ret = find_iface(p, kind, name);
	if (*ret == NULL)
		return error_set(err, ERR_HOST, "%s does not offer %s \"%s\"", p->file,
				 plugin_kind_find(kind)->id, name);
	return 0;
}

holos_status plugin_init(struct worker_plugin *p, struct holos_call *c)
{
	holos_status status;

	if (p->ready || p->desc.init == NULL) {
		p->ready = true;
		return HOLOS_OK;
	}
	worker_send_phase(c, "init");
	status = p->desc.init(&worker_host, &p->self, &p->state, call_error_of(c));
	p->ready = status == HOLOS_OK;
	return status;
}

void plugins_rest(void)
{
	for (struct worker_plugin *p = plugins; p != NULL; p = p->next) {
		if (p->ready && p->desc.fini != NULL)
			p->desc.fini(p->state);
		p->ready = false;
		p->state = NULL;
	}
}

void plugins_finish(void)
{
	plugins_rest();
	while (plugins != NULL) {
		struct worker_plugin *p = plugins;

		plugins = p->next;
		plugin_free(p);
	}
	loader_finish();
}
