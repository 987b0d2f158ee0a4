/* SPDX-License-Identifier: Apache-2.0
 *
 * registry.h - which plugins there are, without running any of their code.
 *
 * Beside each holos-KIND-NAME.so lies holos-KIND-NAME.json, its manifest, and
 * only that is read here.  A lookup opens files by name; listing reads the
 * directories.  What was read is kept for the life of the registry.
 */
#ifndef PLUGIN_REGISTRY_H
#define PLUGIN_REGISTRY_H

#include <base/error.h>
#include <base/strv.h>
#include <plugin/schema.h>

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

struct registry;

/* One interface of one plugin.  Owned by the registry. */
struct plugin_info {
	char *kind, *name;   /* "net", "user": what a compose file says */
	char *module;        /* "net-user"; another one where a symlink leads to it */
	char *dir;           /* where it was found */
	char *path;          /* of the .so; of the manifest where the code is built in */
	char *refused;       /* NULL: ok.  Else why; the fields below may be NULL then */
	char *version, *abi; /* "1.2", "1.0" */
	char *summary;       /* may be NULL */
	char *package, *license, *homepage; /* may be NULL */
	bool built_in;                      /* linked into holos-worker */
	struct json_object *schema;         /* of the options; NULL: takes none */
	struct json_object *serves; /* image: array of images (image_info_parse()); else NULL */
};

/* dirs: the search path, NULL-terminated; NULL: plugin_search_dirs(). */
struct registry *registry_create(char *const *dirs);
void registry_destroy(struct registry *r); /* NULL is fine */
/* The search path in use, NULL-terminated; borrowed. */
char *const *registry_dirs(const struct registry *r);

/* The plugin for KIND NAME.  Borrowed.  Not installed, refused: an error
 * (ERR_HOST) that says where it was looked for and which package has it. */
int registry_find(struct registry *r, const char *kind, const char *name,
		  const struct plugin_info **ret, struct holos_error **err);

/* All plugins, also refused ones, sorted by kind and name; *ret is borrowed, an
 * array of *ret_n pointers.  A plugin hidden by one of the same name in an
 * earlier directory is not listed. */
void registry_list(struct registry *r, const struct plugin_info *const **ret, size_t *ret_n);

/* Is this reference a path ("/a", "./a", "../a", "a.qcow2", "a.raw", "a.img")?
 * The caller makes it absolute before it asks plugin "file". */
bool registry_ref_is_path(const char *ref);

/* Which image plugin serves `ref`, and its canonical form ("debian" ->
 * "debian:12"; the ref itself for paths and URLs).  *ret_ref is the caller's and
 * may be NULL.  Unknown: ERR_INVALID with a "did you mean". */
int registry_image_source(struct registry *r, const char *ref, const struct plugin_info **ret,
			  char **ret_ref, struct holos_error **err);

/* Are these options (an object or NULL) what the plugin takes?  Every fault goes
 * to fn (may be NULL); err gets them chained, each prefixed with `path`
 * ("services.web.healthcheck.options"). */
int registry_check_options(const struct plugin_info *p, struct json_object *options,
			   const char *path, schema_fault_fn *fn, void *data,
			   struct holos_error **err);

DEFINE_CLEANUP(struct registry *, registry_destroyp, registry_destroy);

#endif
