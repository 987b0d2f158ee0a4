/* SPDX-License-Identifier: Apache-2.0
 *
 * imagelock.h - holos.lock, beside the compose file: which bytes its images are.
 *
 *   {"format": 1,
 *    "images": {"debian:12": {"url": "https://...", "digest": "sha256:<of the disk>",
 *                             "download": "sha256:<of what is downloaded>",
 *                             "size": 123, "format": "qcow2"}}}
 *
 * Without a url it is a local file, or made on each machine.
 */
#ifndef ENGINE_IMAGELOCK_H
#define ENGINE_IMAGELOCK_H

#include <base/cleanup.h>
#include <compose/project.h>
#include <engine/engine.h>

#define IMAGE_LOCK_FILE "holos.lock"

struct image_lock;

/* Strings are the lock's. */
struct image_locked {
	const char *url;      /* NULL: a local file, or made here */
	const char *disk;     /* SHA-256 in hex */
	const char *download; /* "sha256:<hex>", or NULL */
};

/* Of a project; the caller frees. */
char *image_lock_path(const struct project *p);
/* A missing file is an error with sys_errno ENOENT. */
int image_lock_read(const char *path, struct image_lock **ret, struct holos_error **err);
void image_lock_destroy(struct image_lock *l); /* NULL is fine */
DEFINE_CLEANUP(struct image_lock *, image_lock_destroyp, image_lock_destroy);
/* By the canonical reference, or a local file's path as it is written. */
bool image_lock_find(const struct image_lock *l, const char *ref, struct image_locked *ret);
/* Is the base at `path` the one that was locked?  ident: of a local file, which is
 * read whole; NULL: a base of the store, whose name tells.  ERR_VERIFY. */
int image_lock_check(struct engine *e, const struct image_lock *l, const char *ref,
		     const char *path, const char *ident, struct holos_error **err);

struct json_object;

/* What `holos pull` did with one image. */
struct pulled {
	char *ref, *path, *format, *digest; /* digest: "sha256:<hex>", or NULL */
	bool fresh;                         /* downloaded now */
};

void pulled_free(struct pulled *p, size_t n);
/* Have these images; a path is looked at and left where it is. */
int images_pull(struct engine *e, char *const *refs, size_t n, struct pulled **ret,
		struct holos_error **err);
/* Have the images of a project: those of its lock file, or with update (or
 * without such a file) what the publishers have now; and write the lock file. */
int images_pull_project(struct engine *e, const struct project *p, bool update, struct pulled **ret,
			size_t *ret_n, struct holos_error **err);

#endif
