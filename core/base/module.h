/* SPDX-License-Identifier: Apache-2.0
 *
 * module.h - the parts of holos that are loaded on demand because they link
 * heavy libraries.  What a module exports begins with its size (uint32_t) and
 * the version of holos it was built with (const char *).
 */
#ifndef BASE_MODULE_H
#define BASE_MODULE_H

#include <base/error.h>

#include <stddef.h>

struct module_file {
	const char *file, *symbol;
	size_t size;      /* of what it exports */
	const char *what; /* "the SSH module" */
	const char *hint; /* what to do when it is not there */
};

/* *loaded (NULL at first) becomes what the module exports, loaded from
 * $HOLOS_MODULE_DIR or the installation, for the life of the process.  ERR_HOST
 * when it is not there, or belongs to another build. */
int module_load(const struct module_file *m, const void **loaded, struct holos_error **err);

#endif
