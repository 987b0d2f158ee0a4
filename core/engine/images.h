/* SPDX-License-Identifier: Apache-2.0
 *
 * images.h - from an image's name to the base that overlays stand on.
 *
 * Bases lie in the store (imagestore.h).  A local file is used where it lies, and
 * its identity is remembered.
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

/* One image that is asked for. */
struct image_want {
	const char *ref;    /* as the user wrote it */
	const char *path;   /* absolute, for a local image; else NULL */
	const char *format; /* what the compose file says, or NULL */
	/* Of a lock file: the disk's SHA-256 in hex that alone will do, where it came
	 * from, and the digest of the download.  NULL: no lock. */
	const char *lock_disk, *lock_url, *lock_download;
	struct base_image *ret; /* empty; filled in when all could be had */
	char **canonical;       /* NULL, or gets the full reference: the caller frees */
	bool fresh;             /* result: it was downloaded now */
	/* NULL, or adds to an error of this image; returns -code. */
	int (*blame)(void *data, struct holos_error **err);
	void *data;
};

/* Have them all, made or downloaded (several at a time) when the store lacks them. */
int images_obtain_all(struct engine *e, struct image_want *wants, size_t n, enum image_pull pull,
		      struct holos_error **err);
/* The same for one, without making, downloading or locking anything: ret->path stays
 * NULL where that would have to be done first. */
int images_look(struct engine *e, struct image_want *want, enum image_pull pull,
		struct holos_error **err);
/* One of them, downloaded when it is missing. */
int images_obtain(struct engine *e, const char *ref, const char *path, const char *format,
		  struct base_image *ret, struct holos_error **err);

/* "dev:inode:size:mtime" of a file; the caller frees. */
int images_ident(const char *path, char **ret, struct holos_error **err);

/* The files that lie beside a base of the store: fills in kernel, initrd and
 * cmdline when they are there. */
int images_read_boot(const char *path, struct base_image *ret, struct holos_error **err);

#endif
