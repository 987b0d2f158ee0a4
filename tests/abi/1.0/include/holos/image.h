/* SPDX-License-Identifier: Apache-2.0
 *
 * holos/image.h - image sources: from a reference to a disk image.
 *
 * A source says what it serves and describes each image; the host downloads,
 * verifies, names and keeps the files.  A source whose images are made on this
 * machine offers make() instead of a URL.
 */
#ifndef HOLOS_IMAGE_H
#define HOLOS_IMAGE_H
#include <holos/plugin.h>

#define HOLOS_IMAGE_ID      "holos.image/1"
#define HOLOS_IMAGE_SINK_ID "holos.image-sink/1"

/* What a reference turned out to be.  Exactly one of path, url and key is
 * set.  The host copies everything before the sink call returns. */
struct holos_image {
	uint32_t size;
	uint32_t reserved;
	const char *ref;    /* canonical: "micro:1", "debian:12", "/a/b.qcow2" */

	const char *path;   /* a file on this machine, used in place           */
	const char *url;    /* https: downloaded and verified by the host; one
	                     * file at several places: separated by one space,
	                     * at most 8, tried in turn                        */
	const char *key;    /* make() makes it; equal key = equal image        */

	const char *digest; /* "sha256:<hex>" or "sha512:<hex>", or NULL       */
	const char *digest_url; /* a checksum file (of sha256sum(1), or BSD's)
	                     * that names the last part of url, or has one
	                     * hash alone; a list as url; NULL if none         */
	uint64_t bytes;     /* size of the download; 0: unknown                */

	const char *arch;   /* "x86_64", "aarch64"; NULL: unknown              */
	const char *format; /* "qcow2" or "raw"                                */
	const char *user;   /* default login user; NULL: unknown               */
	const char *init;   /* "systemd" or "openrc" (or "micro")              */
	const char *shares; /* file shares its kernel has: "9p virtiofs",
	                     * "" for none, NULL: unknown                      */
};

typedef struct holos_image_sink holos_image_sink;

/* Host table HOLOS_IMAGE_SINK_ID. */
struct holos_image_sink_api {
	uint32_t size;
	uint32_t reserved;

	/* list() and resolve() report here. */
	holos_status (*image)(holos_image_sink *out,
	                      const struct holos_image *image);

	/* For make(): an empty private directory that the host removes after
	 * the call, and one that it keeps between calls for downloads of the
	 * plugin's own.  Both are absolute and live until the call returns. */
	const char *(*work_dir)(holos_image_sink *out);
	const char *(*cache_dir)(holos_image_sink *out);
	/* For make(): hand over a file of the work directory.  Role "disk" is
	 * due; "kernel", "initrd" and "cmdline" (a text file, one line) come
	 * together and make the host boot the kernel directly. */
	holos_status (*output)(holos_image_sink *out, const char *role,
	                       const char *name);
};

struct holos_image_ops {
	struct holos_ops head;

	/* Every reference this source serves, the default one first.  No
	 * network.  May be NULL (a source of paths or URLs). */
	holos_status (*list)(void *inst, holos_call *call,
	                     holos_image_sink *out, holos_error *err);

	/* Describe one reference ("debian", "debian:12", a path), without
	 * network.  HOLOS_E_NOTFOUND with the reason if there is none. */
	holos_status (*resolve)(void *inst, const char *ref, holos_call *call,
	                        holos_image_sink *out, holos_error *err);

	/* Make the image `key` of resolve() on this machine.  NULL for sources
	 * that never set key. */
	holos_status (*make)(void *inst, const char *ref, const char *key,
	                     holos_call *call, holos_image_sink *out,
	                     holos_error *err);
};
#endif
