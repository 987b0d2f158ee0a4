/* SPDX-License-Identifier: Apache-2.0
 *
 * images.h - from an image's name to the base that overlays stand on.
 *
 * Bases of the store are images/sha256-<hex>.<format>: named by their content,
 * read-only, never replaced.  A kernel that is booted directly lies beside its
 * disk.  images/index.json says which digest a plugin's key became.  A local
 * file is used where it lies, and its identity is remembered.
 */
#ifndef ENGINE_IMAGES_H
#define ENGINE_IMAGES_H

#include <engine/engine.h>

struct base_image {
	char *path;   /* absolute; of the disk */
	char *format; /* "qcow2", "raw" */
	char *ident;  /* of a file outside the store (images_ident()); NULL: in it */
	char *kernel, *initrd, *cmdline; /* all or none; cmdline is the text */
	char *user, *init, *shares;      /* NULL: unknown */
};

void base_image_finish(struct base_image *b);

/* What `ref` is; made (or, later, downloaded) when the store lacks it.  path:
 * absolute, for a local image; else NULL.  format: what the compose file says,
 * or NULL. */
int images_obtain(struct engine *e, const char *ref, const char *path, const char *format,
		  struct base_image *ret, struct holos_error **err);

/* "dev:inode:size:mtime" of a file; the caller frees. */
int images_ident(const char *path, char **ret, struct holos_error **err);

/* The files that lie beside a base of the store: fills in kernel, initrd and
 * cmdline when they are there. */
int images_read_boot(const char *path, struct base_image *ret, struct holos_error **err);

#endif
