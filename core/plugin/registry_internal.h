/* SPDX-License-Identifier: Apache-2.0
 *
 * registry_internal.h - shared by registry.c and registry_image.c.
 */
#ifndef PLUGIN_REGISTRY_INTERNAL_H
#define PLUGIN_REGISTRY_INTERNAL_H

#include <plugin/registry.h>

struct registry {
	struct strv dirs; /* never empty */
	struct plugin_info **plugins;
	size_t n, cap;
	bool scanned; /* every directory was read: plugins[] is sorted and complete */
};

/* The plugin of that name, refused or not; NULL: there is none. */
const struct plugin_info *registry_lookup(struct registry *r, const char *kind, const char *name);
/* Read all directories. */
void registry_scan(struct registry *r);
/* Name of the package of "KIND-NAME"; the caller frees. */
char *registry_package(const char *module);
/* Does this "KIND-NAME" come with holos? */
bool registry_is_first_party(const char *module);

#endif
