/* SPDX-License-Identifier: Apache-2.0
 *
 * check.h - the conformance checker: does a plugin file keep the contract of
 * holos-plugin(7)?
 *
 * The file is read first, and then the plugin is run in a worker: loaded, asked
 * everything that its kind can be asked without changing this machine, with the
 * extremes of its options, cancelled, closed.  Neither make() of images nor
 * apply() of networks is called.
 */
#ifndef PLUGIN_CHECK_H
#define PLUGIN_CHECK_H

#include <base/error.h>

#include <json-c/json.h>
#include <stdbool.h>

/* One rule and how it went.  detail: the fault, or NULL. */
typedef void check_fn(void *data, const char *rule, bool ok, const char *detail);

/* Check one file.  Returns 0 when every rule held, 1 when not; -code when the
 * checker could not work (no such file, no holos-worker). */
int plugin_check(const char *file, check_fn *fn, void *data, struct holos_error **err);

/* What the manifest of a plugin file would say; *ret is the caller's. */
int plugin_manifest(const char *file, const char *package, char **ret, struct holos_error **err);

/* ---- check_elf.c, check_options.c ---- */

/* The rules that can be read off the file.  1: a rule was broken. */
int check_elf_file(int fd, const char *module, check_fn *fn, void *data);
/* Options that fit a schema (NULL: takes none): variant 0 has the required ones
 * alone, others go to the edges. */
#define CHECK_VARIANTS 8u
struct json_object *check_make_options(struct json_object *schema, unsigned variant);

#endif
