/* SPDX-License-Identifier: Apache-2.0
 *
 * importsource.h - where documents to import come from: files, and virsh(1).
 */
#ifndef ENGINE_IMPORTSOURCE_H
#define ENGINE_IMPORTSOURCE_H

#include <engine/import.h>

/* A file, "-" for standard input, or a directory: all its *.xml, by name.  A file
 * that has one of its name in the directory autostart beside it is started with the
 * host by libvirt. */
int import_path(struct import *im, const char *path, struct holos_error **err);

/* What virsh says of these domains (NULL-terminated), or of all; connect: the URI,
 * or NULL.  warn gets what is worth knowing and stops nothing. */
typedef void import_warn_fn(void *data, const char *text);
int import_virsh(struct import *im, const char *connect, const char *const *names, bool all,
		 import_warn_fn *warn, void *data, struct holos_error **err);

#endif
