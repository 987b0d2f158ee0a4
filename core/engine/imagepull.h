/* SPDX-License-Identifier: Apache-2.0
 *
 * imagepull.h - downloads of images into the store, several at a time.
 */
#ifndef ENGINE_IMAGEPULL_H
#define ENGINE_IMAGEPULL_H

#include <engine/imagestore.h>
#include <plugin/calls.h>

/* One image to have in the store. */
struct pull_want {
	const char *ref;
	const struct image_info *info; /* as its source describes it */
	bool always;                   /* ask whether the publisher has another one now */
	/* Of a lock file, or NULL: nothing but this disk will do. */
	const char *lock_disk, *lock_download;
	struct image_entry got; /* the result */
	bool fresh;             /* it was downloaded by this call */
	struct holos_error *err;
};

/* Have all of them.  Returns 0, or the first error with the others chained; what
 * could be had is in the store all the same. */
int pull_images(struct engine *e, struct pull_want *wants, size_t n, struct holos_error **err);

/* What the publisher has now, without downloading it. */
struct pull_news {
	const char *ref;
	const struct image_info *info;
	char *digest;  /* NULL: it does not say */
	char *renamed; /* its file has got this name; NULL: no */
	struct holos_error *err;
};

/* Ask for all of them; what failed says so in its err.  Returns 0, or when
 * interrupted. */
int pull_ask(struct engine *e, struct pull_news *news, size_t n, struct holos_error **err);

#endif
