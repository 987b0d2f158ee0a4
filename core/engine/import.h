/* SPDX-License-Identifier: Apache-2.0
 *
 * import.h - definitions of VMs by other tools become one compose file.
 *
 * Each document goes to an importer plugin, in a worker; what it makes of it is
 * joined, service by service, and written as YAML at the end.
 */
#ifndef ENGINE_IMPORT_H
#define ENGINE_IMPORT_H

#include <base/cleanup.h>
#include <base/error.h>

#include <stdbool.h>
#include <stddef.h>

struct import;

/* Something that is not in the compose file, or not as it was; it stands in a comment
 * above the service, too. */
typedef void import_lost_fn(void *data, const char *service, const char *text);

/* from: the importer plugin; NULL: the one that knows a document best.  fn is told
 * what every document loses. */
struct import *import_create(const char *from, import_lost_fn *fn, void *data);
void import_destroy(struct import *im); /* NULL is fine */
DEFINE_CLEANUP(struct import *, import_destroyp, import_destroy);

/* Convert the document in fd, which is read from its start (a pipe is copied first);
 * name is for messages and for the importer, who may look at its ending.  autostart:
 * the other tool starts this VM with the host. */
int import_add(struct import *im, const char *name, int fd, bool autostart,
	       struct holos_error **err);
/* The same from memory. */
int import_add_text(struct import *im, const char *name, const char *text, size_t len,
		    bool autostart, struct holos_error **err);

size_t import_services(const struct import *im);

/* The compose file; project NULL: called after the first document's.  The caller
 * frees *ret. */
int import_write(struct import *im, const char *project, char **ret, struct holos_error **err);

/* Would `holos validate` take this text?  dir: where the file will lie, absolute. */
int import_check(const char *yaml, const char *dir, struct holos_error **err);

#endif
