/* SPDX-License-Identifier: Apache-2.0
 *
 * manifest.h - holos-KIND-NAME.json: what a plugin file says about itself.
 * Written by `holos-worker --describe`, read by the registry, and held against
 * the code by the worker when it loads it.
 *
 *   {"manifest":1, "name":"net-user", "version":"1.0", "license":"Apache-2.0",
 *    "homepage":null, "abi":"1.0", "host_minor_min":0, "package":"...",
 *    "built_in":false,
 *    "interfaces":[{"id":"holos.net/1", "name":"user", "summary":"...",
 *                   "schema":{...}|null, "serves":[{"ref":"..."}]|absent}]}
 */
#ifndef PLUGIN_MANIFEST_H
#define PLUGIN_MANIFEST_H

#include <base/error.h>
#include <plugin/search.h>

#include <json-c/json.h>

#define MANIFEST_FORMAT 1
#define MANIFEST_MAX    (1u << 20)

/* Read the manifest f was opened on (with suffix ".json") and check all that
 * does not need the code: format, ABI, names, schemas.  *ret is the caller's. */
int manifest_read(const struct plugin_file *f, struct json_object **ret, struct holos_error **err);

/* Its interface of that id ("holos.net/1") and name; borrowed, NULL: none. */
struct json_object *manifest_interface(struct json_object *manifest, const char *id,
				       const char *name);

#endif
