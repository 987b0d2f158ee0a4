/* SPDX-License-Identifier: Apache-2.0
 *
 * registry.c - see registry.h.  Images by reference: registry_image.c.
 */
#include <plugin/registry_internal.h>

#include <base/alloc.h>
#include <base/fs.h>
#include <base/jsonx.h>
#include <base/names.h>
#include <plugin/manifest.h>
#include <plugin/search.h>
#include <plugin/status.h>

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#ifndef HOLOS_PLUGIN_PACKAGE_FORMAT
#define HOLOS_PLUGIN_PACKAGE_FORMAT "holos-plugin-%s"
#endif

/* Sanity bound for one directory listing. */
#define LIST_MAX 1000

/* The plugins that come with holos, for advice when one is not installed. */
static const char *const first_party[] = {
	"image-almalinux",      "image-centos-stream",
	"image-opensuse",       "image-rocky",
	"image-alpine",         "image-arch",
	"image-debian",         "image-fedora",
	"image-file",           "image-micro",
	"image-ubuntu",         "image-url",
	"net-multicast",        "net-user",
	"health-bypass",        "health-http",
	"health-ssh",           "health-tcp",
	"provision-cloud-init", "provision-dockerfile",
	"importer-virsh",
};
#define N_FIRST_PARTY (sizeof(first_party) / sizeof(first_party[0]))

struct registry *registry_create(char *const *dirs)
{
	struct registry *r = xnew(struct registry);

	if (dirs != NULL)
		strv_add_all(&r->dirs, dirs);
	else
		plugin_search_dirs(&r->dirs);
	if (r->dirs.v == NULL)
		strv_add(&r->dirs, "/nonexistent"); /* an empty search path, NULL-terminated */
	return r;
}

static void info_free(struct plugin_info *p)
{
	free(p->kind);
	free(p->name);
	free(p->module);
	free(p->dir);
	free(p->path);
	free(p->refused);
	free(p->version);
	free(p->abi);
	free(p->summary);
	free(p->package);
	free(p->license);
	free(p->homepage);
	json_object_put(p->schema);
	json_object_put(p->serves);
	free(p);
}

void registry_destroy(struct registry *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < r->n; i++)
		info_free(r->plugins[i]);
	free(r->plugins);
	strv_finish(&r->dirs);
	free(r);
}

char *const *registry_dirs(const struct registry *r)
{
	return r->dirs.v;
}

/* What the manifest's interface says. */
static int fill_info(struct plugin_info *p, struct json_object *manifest, const char *file,
		     struct holos_error **err)
{
	const struct plugin_kind *kind = plugin_kind_find(p->kind);
	struct json_object *iface = manifest_interface(manifest, kind->id, p->name);

	p->version = xstrdup_null(jsonx_str(manifest, "version", NULL));
	p->abi = xstrdup_null(jsonx_str(manifest, "abi", NULL));
	p->package = xstrdup_null(jsonx_str(manifest, "package", NULL));
	p->license = xstrdup_null(jsonx_str(manifest, "license", NULL));
	p->homepage = xstrdup_null(jsonx_str(manifest, "homepage", NULL));
	p->built_in = jsonx_bool(manifest, "built_in", false);
	if (iface == NULL)
		return error_set(err, ERR_HOST, "%s has no interface %s \"%s\"", file, kind->id,
				 p->name);
	p->summary = xstrdup_null(jsonx_str(iface, "summary", NULL));
	p->schema = json_object_get(jsonx_obj(iface, "schema"));
	p->serves = json_object_get(jsonx_arr(iface, "serves"));
	return 0;
}

/* The code must lie beside the manifest, and be as safe. */
static int find_code(struct plugin_info *p, const char *module, struct holos_error **err)
{
	struct plugin_file so = { .fd = -1 };
	const char *dash = strchr(module, '-');
	_cleanup_(freep) char *kind = xstrndup(module, (size_t)(dash - module));
	int r;

	if (p->built_in)
		return 0;
	r = plugin_search_dir(p->dir, kind, dash + 1, ".so", &so, NULL, err);
	if (r == 0)
		return error_set(err, ERR_HOST, "%s/holos-%s.so is missing beside its manifest",
				 p->dir, module);
	if (r < 0)
		return r;
	free(p->path);
	p->path = steal_ptr(&so.path);
	close(so.fd);
	free(so.dir);
	free(so.module);
	return 0;
}

/* Read one manifest.  0: none in this directory.  1: *ret is set, refused or not. */
static int read_info(const char *dir, const char *kind, const char *name, struct plugin_info **ret)
{
	struct plugin_file f = { .fd = -1 };
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	_cleanup_(json_putp) struct json_object *manifest = NULL;
	char *path = NULL;
	struct plugin_info *p;
	int r;

	r = plugin_search_dir(dir, kind, name, ".json", &f, &path, &err);
	if (r == 0)
		return 0;
	p = xnew(struct plugin_info);
	p->kind = xstrdup(kind);
	p->name = xstrdup(name);
	p->dir = xstrdup(dir);
	p->path = path;
	p->module = r > 0 ? xstrdup(f.module) : xasprintf("%s-%s", kind, name);
	if (r > 0)
		r = manifest_read(&f, &manifest, &err);
	if (r == 0)
		r = fill_info(p, manifest, f.path, &err);
	if (r == 0)
		r = find_code(p, p->module, &err);
	if (r < 0)
		p->refused = xstrdup(err->message);
	plugin_file_finish(&f);
	*ret = p;
	return 1;
}

const struct plugin_info *registry_lookup(struct registry *r, const char *kind, const char *name)
{
	struct plugin_info *p = NULL;

	for (size_t i = 0; i < r->n; i++) {
		if (strcmp(r->plugins[i]->kind, kind) == 0 &&
		    strcmp(r->plugins[i]->name, name) == 0)
			return r->plugins[i];
	}
	if (r->scanned)
		return NULL;
	for (char *const *dir = r->dirs.v; *dir != NULL; dir++) {
		if (read_info(*dir, kind, name, &p) > 0) {
			*ARRAY_PUSH(r->plugins, r->n, r->cap) = p;
			return p;
		}
	}
	return NULL;
}

/* ---- listing ----------------------------------------------------------------- */

static void scan_dir(struct registry *r, const char *dir)
{
	_cleanup_(closedirp) DIR *d = opendir(dir);
	struct dirent *e;
	size_t n = 0;

	while (d != NULL && n++ < LIST_MAX && (e = readdir(d)) != NULL) {
		const char *kind;
		char name[33];

		if (plugin_file_parse(e->d_name, ".json", &kind, name))
			(void)registry_lookup(r, kind, name); /* keeps what it finds */
	}
}

static int by_kind_and_name(const void *a, const void *b)
{
	const struct plugin_info *const *x = a;
	const struct plugin_info *const *y = b;
	int c = strcmp((*x)->kind, (*y)->kind);

	return c != 0 ? c : strcmp((*x)->name, (*y)->name);
}

void registry_scan(struct registry *r)
{
	if (r->scanned)
		return;
	for (char *const *dir = r->dirs.v; *dir != NULL; dir++)
		scan_dir(r, *dir);
	r->scanned = true;
	if (r->n != 0)
		qsort(r->plugins, r->n, sizeof(*r->plugins), by_kind_and_name);
}

void registry_list(struct registry *r, const struct plugin_info *const **ret, size_t *ret_n)
{
	registry_scan(r);
	*ret = (const struct plugin_info *const *)r->plugins;
	*ret_n = r->n;
}

/* ---- advice ------------------------------------------------------------------- */

char *registry_package(const char *module)
{
	static const char format[] = HOLOS_PLUGIN_PACKAGE_FORMAT;
	const char *at = strstr(format, "%s");

	if (at == NULL)
		return xstrdup(format);
	return xasprintf("%.*s%s%s", (int)(at - format), format, module, at + 2);
}

/* The nearest name of that kind, installed or not.  Borrowed. */
static const char *nearest(struct registry *r, const char *kind, const char *name)
{
	const char *candidates[LIST_MAX + N_FIRST_PARTY];
	size_t len = strlen(kind);
	size_t n = 0;

	registry_scan(r);
	for (size_t i = 0; i < r->n && n < LIST_MAX; i++) {
		if (strcmp(r->plugins[i]->kind, kind) == 0)
			candidates[n++] = r->plugins[i]->name;
	}
	for (size_t i = 0; i < N_FIRST_PARTY; i++) {
		if (strncmp(first_party[i], kind, len) == 0 && first_party[i][len] == '-')
			candidates[n++] = first_party[i] + len + 1;
	}
	return names_nearest(name, candidates, n);
}

bool registry_is_first_party(const char *module)
{
	for (size_t i = 0; i < N_FIRST_PARTY; i++) {
		if (strcmp(first_party[i], module) == 0)
			return true;
	}
	return false;
}

static int not_installed(struct registry *r, const struct plugin_kind *kind, const char *name,
			 struct holos_error **err)
{
	_cleanup_(freep) char *looked = strv_join(r->dirs.v, ", ");
	const char *near = nearest(r, kind->name, name);
	bool exists = near != NULL && registry_lookup(r, kind->name, near) != NULL;
	_cleanup_(freep) char *near_module =
		xasprintf("%s-%s", kind->name, near != NULL ? near : name);
	_cleanup_(freep) char *package = registry_package(near_module);

	error_set(err, ERR_HOST, "no %s plugin \"%s\" (looked in %s)", kind->word, name, looked);
	if (near == NULL)
		error_hint(err, "if there is such a plugin, it is in package %s, not installed",
			   package);
	else if (strcmp(near, name) == 0)
		error_hint(err, "it is in package %s, not installed", package);
	else if (exists)
		error_hint(err, "did you mean \"%s\"?", near);
	else
		error_hint(err, "did you mean \"%s\"? It is in package %s, not installed", near,
			   package);
	return -ERR_HOST;
}

int registry_find(struct registry *r, const char *kind, const char *name,
		  const struct plugin_info **ret, struct holos_error **err)
{
	const struct plugin_kind *k = plugin_kind_find(kind);
	const struct plugin_info *p;

	if (k == NULL)
		return error_set(err, ERR_FAILED, "there are no plugins of kind \"%s\"", kind);
	if (!names_is_plugin(name))
		return error_set(err, ERR_INVALID,
				 "\"%s\" is no name of a plugin: a-z, 0-9 and -, starting with a "
				 "letter, at most 32",
				 name);
	p = registry_lookup(r, kind, name);
	if (p == NULL)
		return not_installed(r, k, name, err);
	if (p->refused != NULL)
		return error_set(err, ERR_HOST, "%s plugin \"%s\": %s", k->word, name, p->refused);
	*ret = p;
	return 0;
}

int registry_check_options(const struct plugin_info *p, struct json_object *options,
			   const char *path, schema_fault_fn *fn, void *data,
			   struct holos_error **err)
{
	_cleanup_(json_putp) struct json_object *none = json_object_new_object();

	return schema_check(p->schema, options != NULL ? options : none, path, fn, data, err);
}
