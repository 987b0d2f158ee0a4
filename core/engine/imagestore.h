/* SPDX-License-Identifier: Apache-2.0
 *
 * imagestore.h - the images that are kept on this machine.
 *
 *   images/sha256-<hex>.<format>  a base: named by its content, read-only, never
 *                                 replaced; a kernel that is booted directly lies
 *                                 beside its disk (.kernel .initrd .cmdline)
 *   images/index.json             which reference is which base, since when
 *   images/.fetch/                downloads that are not finished, and their locks
 *   images/.lock                  writers of the index
 *   images/.use                   shared by who is about to use bases, taken alone
 *                                 by who removes some
 */
#ifndef ENGINE_IMAGESTORE_H
#define ENGINE_IMAGESTORE_H

#include <base/strv.h>
#include <engine/engine.h>

#include <json-c/json.h>
#include <stddef.h>
#include <stdint.h>

/* What the index says of one reference. */
struct image_entry {
	char *ref;
	char *disk;                 /* SHA-256 of the base in hex */
	char *format;               /* "qcow2", "raw" */
	char *url;                  /* where it came from; NULL: made here */
	char *source;               /* what its source calls it: the list of URLs, or its key */
	char *digest;               /* what the publisher said of the download, or NULL */
	char *download;             /* SHA-256 of the download in hex; NULL: nothing was */
	char *user, *init, *shares; /* NULL: unknown */
	char *resolved_at;          /* RFC 3339 */
	uint64_t size, bytes;       /* of the base's file; of the download */
};

void image_entry_finish(struct image_entry *i); /* usable as _cleanup_ */

/* The index; missing or damaged it is empty.  The caller puts *ret. */
int store_read(struct engine *e, struct json_object **ret, struct holos_error **err);
/* An entry as it is written ("disk", "format", ...), when its base is there. */
bool store_parse_entry(struct engine *e, const char *ref, struct json_object *o,
		       struct image_entry *ret);
/* The entry of a reference whose base is there.  False: none. */
bool store_find(struct engine *e, struct json_object *index, const char *ref,
		struct image_entry *ret);
/* The same of any reference with this source: another name of the same image. */
bool store_find_source(struct engine *e, struct json_object *index, const char *source,
		       struct image_entry *ret);
/* All entries whose base is there, sorted by reference; the caller finishes each
 * and frees *ret. */
size_t store_entries(struct engine *e, struct json_object *index, struct image_entry **ret);
/* Write one entry, or take one out. */
int store_put(struct engine *e, const struct image_entry *i, struct holos_error **err);
int store_drop(struct engine *e, const char *ref, struct holos_error **err);

/* A source's file has got another name ("x-3.21.6" -> "x-3.21.7"). */
int store_set_moved(struct engine *e, const char *from, const char *to, struct holos_error **err);
/* The URLs with the names as they are now; the caller frees.  NULL stays NULL. */
char *store_moved(struct json_object *index, const char *urls);

/* Absolute path of a base; the caller frees. */
char *store_path(const struct engine *e, const char *disk, const char *format);
/* Move dir/name into the store as a base, read-only and synced.  A base that is
 * there already stays. */
int store_adopt(struct engine *e, int dir, const char *name, const char *disk, const char *format,
		struct holos_error **err);
/* Names of the bases ("sha256-….qcow2"), sorted. */
int store_bases(struct engine *e, struct strv *ret, struct holos_error **err);
/* Is this the name of a base?  hex (65 bytes) gets its digest; *ret_format is
 * borrowed from name. */
bool store_parse_base(const char *name, char hex[65], const char **ret_format);
/* Remove a base with what lies beside it. */
int store_remove(struct engine *e, const char *disk, const char *format, struct holos_error **err);

/* From now until the engine ends no other holos removes bases. */
int store_hold(struct engine *e, struct holos_error **err);
/* Who holds it has it alone now, until the engine ends.  False: others hold it too,
 * or it cannot be written. */
bool store_upgrade(struct engine *e);
/* Nobody is about to use a base until the caller closes *ret_fd; ERR_BUSY. */
int store_hold_alone(struct engine *e, int *ret_fd, struct holos_error **err);

/* Who stands on a base. */
struct image_user {
	char *project, *instance; /* instance NULL: a state directory that cannot be read */
	char *base;               /* absolute path of the base; NULL: its record cannot be read */
	bool running;
};

/* All instances of all projects, also those of other state directories that share the
 * store; the caller frees with image_users_free(). */
int store_users(struct engine *e, struct image_user **ret, size_t *ret_n, struct holos_error **err);
void image_users_free(struct image_user *u, size_t n);
/* "demo/web-0, demo/web-1" of those on this base (or who may be); NULL: nobody.
 * The caller frees.  *ret_running (may be NULL): one of them runs. */
char *store_users_text(const struct image_user *u, size_t n, const char *path, bool *ret_running);

#endif
