/* SPDX-License-Identifier: Apache-2.0
 *
 * part.h - the file a download grows in.  Inside the module.
 */
#ifndef FETCH_PART_H
#define FETCH_PART_H

#include "internal.h"

struct part {
	int dir, fd;
	char *file, *meta; /* names below dir */
	uint64_t size;     /* bytes that came; the last of them in buffer: */
	char *buffer;
	size_t pending;
	uint64_t total; /* of the whole file; UINT64_MAX: unknown */
	/* Of which file these bytes are. */
	char *url, *digest;
	char etag[128], modified[64];

	const struct fetch_limits *limits;
	struct hasher *hasher;
	bool sha512;
	unsigned pieces; /* answers that wrote into it, an earlier process's counted as one */
	uint64_t wanted; /* size that the source promised; 0: none */
	uint64_t synced; /* bytes that are on their way to the disk */
	char first[DISK_HEAD_BYTES];
};

/* Open NAME.part, and keep what is there when it is of this URL and digest (NULL:
 * none).  sha512: compute that as well. */
holos_status part_open(int dir, const char *name, const char *url, const char *digest, bool sha512,
		       const struct fetch_limits *limits, struct part *ret,
		       struct holos_error **err);
void part_close(struct part *p); /* usable as _cleanup_ */
/* Drop what is there. */
holos_status part_restart(struct part *p, struct holos_error **err);
/* What is in the buffer goes to the file. */
holos_status part_flush(struct part *p, struct holos_error **err);
/* Remove the files. */
void part_discard(struct part *p);
/* The validator for If-Range, or NULL: then nothing can be resumed. */
const char *part_validator(const struct part *p);
/* Is it whole already? */
bool part_complete(const struct part *p);
/* Callbacks of http_get(), with the part as data. */
holos_status part_on_head(void *data, const struct http_head *head, struct holos_error **err);
holos_status part_on_body(void *data, const void *p, size_t n, struct holos_error **err);

#endif
