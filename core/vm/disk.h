/* SPDX-License-Identifier: Apache-2.0
 *
 * disk.h - disk images, made and looked at by qemu-img.
 */
#ifndef VM_DISK_H
#define VM_DISK_H

#include <base/cleanup.h>
#include <base/error.h>

#include <stdbool.h>
#include <stdint.h>

/* HOLOS_QEMU_IMG, else qemu-img in PATH.  ERR_HOST when there is none.  The
 * caller frees *ret. */
int disk_find_qemu_img(char **ret, struct holos_error **err);

struct disk_info {
	char *format;                       /* "qcow2", "raw" */
	char *backing_file;                 /* as written in the image, NULL: none */
	char *backing_format;               /* NULL: not written */
	uint64_t virtual_size, actual_size; /* bytes */
	bool encrypted, corrupt;
};

void disk_info_finish(struct disk_info *i); /* usable as _cleanup_ */

/* Look at one image, never at what is behind it.  format NULL lets qemu-img
 * guess: never for an image that a guest could write.  A running VM's disk may
 * be looked at.  Fills *ret in on success. */
int disk_info(const char *qemu_img, const char *path, const char *format, struct disk_info *ret,
	      struct holos_error **err);

/* Make overlays of bases.  All overlays of one (base, format, size) are the same
 * bytes: the set lets qemu-img make the first and copies it for the others. */
struct disk_set;
struct disk_set *disk_set_create(const char *qemu_img);
void disk_set_destroy(struct disk_set *s); /* NULL is fine */
DEFINE_CLEANUP(struct disk_set *, disk_set_destroyp, disk_set_destroy);

/* A new qcow2 overlay at `path` (absolute; must not exist: ERR_FAILED with
 * EEXIST) on `base` (absolute) of base_format.  size 0: the base's; smaller than
 * the base is ERR_INVALID.  The file appears under its name only when it is
 * whole, mode 0600, synced with its directory when `sync`. */
int disk_set_overlay(struct disk_set *s, const char *base, const char *base_format, uint64_t size,
		     const char *path, bool sync, struct holos_error **err);
/* The virtual size of a base; asked of qemu-img once per set. */
int disk_set_base_size(struct disk_set *s, const char *base, const char *base_format,
		       uint64_t *ret_size, struct holos_error **err);

/* A new empty qcow2 volume, in the same way (never over an existing file). */
int disk_create_volume(const char *qemu_img, const char *path, uint64_t size,
		       struct holos_error **err);
/* Grow a qcow2 image that no VM uses; a smaller size is ERR_INVALID. */
int disk_grow(const char *qemu_img, const char *path, uint64_t size, struct holos_error **err);

/* Is `path` a qcow2 overlay directly on `base` of base_format, and `base` one
 * without a backing file?  An error says what is wrong. */
int disk_check_chain(const char *qemu_img, const char *path, const char *base,
		     const char *base_format, struct holos_error **err);

#endif
