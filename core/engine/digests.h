/* SPDX-License-Identifier: Apache-2.0
 *
 * digests.h - SHA-256 digests of files, remembered between commands.
 *
 * A file is known by device, inode, size, modification and change time; what
 * changed within the last seconds is not remembered, as it could change again
 * within one tick of the clock.  The file that holds them only saves work: it
 * may be deleted, and one that is damaged counts as empty.
 */
#ifndef ENGINE_DIGESTS_H
#define ENGINE_DIGESTS_H

#include <base/error.h>
#include <state/layout.h>

struct digests;

/* name: of this set, a file name. */
struct digests *digests_open(const struct state *s, const char *name);
/* Of a regular file below root (a directory), in hex. */
int digests_get(struct digests *d, int root, const char *path, char hex[65],
		struct holos_error **err);
/* Keep those that were asked for, when something is new and the directory can be
 * written; frees d (NULL is fine). */
void digests_close(struct digests *d);

DEFINE_CLEANUP(struct digests *, digests_closep, digests_close);

#endif
