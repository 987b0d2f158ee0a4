/* SPDX-License-Identifier: Apache-2.0
 *
 * imagelist.h - the images there are: listed, verified, removed.
 */
#ifndef ENGINE_IMAGELIST_H
#define ENGINE_IMAGELIST_H

#include <base/strv.h>
#include <engine/engine.h>

#include <stddef.h>
#include <stdint.h>

/* One reference that a source serves, or that is in the store. */
struct image_row {
	char *ref;  /* NULL: a base that no reference leads to any more */
	bool first; /* the default tag of its source */
	char *format, *os, *user, *arch, *url; /* NULL: unknown */
	const char *verify;                    /* "sha256", "sha512"; NULL: by nothing */
	/* In the store: */
	char *disk, *path; /* NULL: it is not */
	uint64_t size;
	char *since; /* RFC 3339 */
	char *users; /* "demo/web-0, ...", or NULL */
	/* Told by refresh: */
	bool outdated; /* the publisher has another one */
	char *renamed; /* its file is called so now, or NULL */
	char *problem; /* why the publisher could not be asked, or NULL */
};

/* All of them: by source, the default first.  With refresh, publishers are asked
 * what they have now. */
int images_list(struct engine *e, bool refresh, struct image_row **ret, size_t *ret_n,
		struct holos_error **err);
void image_rows_free(struct image_row *rows, size_t n);

/* Take references ("debian:12") or bases ("sha256:0123abcd...", at least 8 digits)
 * out of the store.  What a VM stands on is refused.  removed gets what went. */
int images_remove(struct engine *e, char *const *names, size_t n, struct strv *removed,
		  uint64_t *ret_bytes, struct holos_error **err);
/* Remove bases that no VM stands on and no reference leads to (all: these too), what
 * verify set aside, and downloads that were given up a week ago (all: any). */
int images_prune(struct engine *e, bool all, struct strv *removed, uint64_t *ret_bytes,
		 struct holos_error **err);

enum image_verdict { IMAGE_VERIFIED, IMAGE_SKIPPED, IMAGE_DAMAGED };

struct image_verified {
	char *ref;
	enum image_verdict verdict;
	char *disk, *path; /* NULL: skipped */
	char *text;        /* why it was skipped, or who uses the damaged one; NULL */
	bool set_aside;    /* the damaged one got another name */
	bool running;      /* ... did not: a VM runs on it */
};

/* Hash bases again and compare: those of refs, or all.  No network.  Damaged ones
 * are an error of ERR_VERIFY after all were looked at; *ret is filled in then, too. */
int images_verify(struct engine *e, char *const *refs, size_t n, struct image_verified **ret,
		  size_t *ret_n, struct holos_error **err);
void image_verified_free(struct image_verified *v, size_t n);

#endif
