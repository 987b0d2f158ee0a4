/* SPDX-License-Identifier: Apache-2.0
 *
 * copy.h - what the files of holos-copy share; see guest/copier.h.
 */
#ifndef GUEST_COPY_COPY_H
#define GUEST_COPY_COPY_H

#include <guest/copier.h>

#include <archive.h>
#include <archive_entry.h>

/* Pieces in which streams and files are read and written. */
#define COPY_BLOCK 65536

/* What was done so far.  copy_done() and copy_add() tell the caller now and then. */
struct copy {
	uint64_t files, bytes;
	uint32_t errors;
	uint64_t told_ns;
};

void copy_add(struct copy *c, uint64_t bytes);
void copy_file_done(struct copy *c);
/* What goes wrong is counted, and the first of it is told. */
void copy_warning(struct copy *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void copy_error(struct copy *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

enum unpack_what { UNPACK_TREE, UNPACK_FILE, UNPACK_LINK };

/* They return false when not everything was copied; that was told then. */
bool pack_tree(struct copy *c, const char *source, bool itself, bool owner);
bool pack_file(struct copy *c, const char *source, const char *name, bool owner);
bool unpack(struct copy *c, const char *directory, const char *name, enum unpack_what what,
	    bool owner);

#endif
