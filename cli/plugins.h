/* SPDX-License-Identifier: Apache-2.0
 *
 * plugins.h - the parts of `holos plugins`.
 */
#ifndef CLI_PLUGINS_H
#define CLI_PLUGINS_H

#include <base/error.h>
#include <base/strv.h>

#include <stdbool.h>

/* holos plugins check FILE...; fails when one of them breaks a rule. */
int plugins_check(const struct strv *files, bool json, struct holos_error **err);
/* holos plugins manifest FILE: on standard output. */
int plugins_manifest(const char *file, const char *package, struct holos_error **err);

#endif
