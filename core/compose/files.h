/* SPDX-License-Identifier: Apache-2.0
 *
 * files.h - which files make the project.
 */
#ifndef COMPOSE_FILES_H
#define COMPOSE_FILES_H

#include <compose/project.h>

#include <base/strv.h>

/* The files that project_load() would read for these options, in order, as they
 * are shown to the user (relative to cwd, or absolute; "-" is stdin).  The first
 * is the project's.  Returns -1 with *err set when there is none. */
int load_find_files(const struct project_options *opts, const char *cwd, struct strv *ret,
		    struct holos_error **err);

#endif
