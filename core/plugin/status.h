/* SPDX-License-Identifier: Apache-2.0
 *
 * status.h - the words and numbers that host and worker share: kinds of
 * plugins, HOLOS_E_* and the exit statuses they lead to.
 */
#ifndef PLUGIN_STATUS_H
#define PLUGIN_STATUS_H

#include <base/error.h>
#include <holos/plugin.h>

#include <stddef.h>

struct plugin_kind {
	const char *name; /* in file names and requests: "net" */
	const char *word; /* in messages: "network" */
	const char *id;   /* of the interface: "holos.net/1" */
};

extern const struct plugin_kind plugin_kinds[];
extern const size_t n_plugin_kinds;

/* By name ("net") or by interface id ("holos.net/1"); NULL: there is none. */
const struct plugin_kind *plugin_kind_find(const char *name);
const struct plugin_kind *plugin_kind_of_id(const char *id);

/* The exit status that a HOLOS_E_* leads to. */
enum error_code plugin_status_code(holos_status status);
/* "unavailable", "timeout", ... for logs; never NULL. */
const char *plugin_status_name(holos_status status);

#endif
