/* SPDX-License-Identifier: Apache-2.0
 *
 * internal.h - inside the module holos-fetch.so:
 *   module.c     what it exports
 *   http.c       one GET, to the callbacks of its caller
 *   retry.c      what is worth another try, and when
 *   part.c       the file a download grows in, and what it is a part of
 *   image.c      an image: checksum, download, verification
 *   document.c   a small file, into memory
 *   checksums.c  publishers' checksum files
 *   listing.c    the newest name in a directory's listing
 *   hasher.c     the digests of a file that grows, in a process beside
 *   digest.c     SHA-256 and SHA-512
 *   unpack.c     .xz .zst .gz .tar
 *   diskhead.c   is this a disk that QEMU may see?
 */
#ifndef FETCH_INTERNAL_H
#define FETCH_INTERNAL_H

#include <base/strbuf.h>
#include <fetch/fetch.h>

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* ---- http.c ---------------------------------------------------------------- */

struct http;

/* What the answer's head says. */
struct http_head {
	long status;
	uint64_t length;      /* of this body; UINT64_MAX: unknown */
	bool ranged;          /* Content-Range was there: */
	uint64_t first;       /* offset of the body's first byte */
	uint64_t total;       /* of the whole file; UINT64_MAX: unknown */
	char etag[128];       /* "" none or a weak one */
	char modified[64];    /* Last-Modified, or "" */
	uint64_t retry_after; /* seconds; 0: not said */
};

struct http_request {
	const char *url;
	uint64_t offset;      /* 0: the whole file */
	const char *if_range; /* validator of what precedes offset */
	/* Called when a head of status 200 or 206 is complete, and for each piece
	 * of its body.  Anything but HOLOS_OK ends the transfer with it. */
	holos_status (*head)(void *data, const struct http_head *head, struct holos_error **err);
	holos_status (*body)(void *data, const void *p, size_t n, struct holos_error **err);
	void *data;
};

/* One connection cache; one request at a time.  NULL: no memory. */
struct http *http_create(void);
void http_destroy(struct http *h); /* NULL is fine */
static inline void http_destroyp(struct http **h)
{
	http_destroy(*h);
}

/* HOLOS_OK: the body came whole.  HOLOS_E_AGAIN: worth another try (head->retry_after
 * may say when).  HOLOS_E_NOTFOUND: 404 or 410.  HOLOS_E_PASS: 416, the range was
 * not to be had.  HOLOS_E_DENIED: certificate, redirect, 401, 403.  *head is
 * filled in as far as it came. */
holos_status http_get(struct http *h, const struct http_request *rq,
		      const struct fetch_limits *limits, struct http_head *head,
		      struct holos_error **err);

/* ---- retry.c ----------------------------------------------------------------- */

struct retry {
	unsigned tries, max;
	uint64_t pause_ns;
};

struct retry retry_begin(void);
/* There was progress: begin counting anew. */
void retry_reset(struct retry *r);
/* After HOLOS_E_AGAIN: pause, and return HOLOS_OK for another try; else what to
 * give up with.  *err is what went wrong: dropped when there is another try. */
holos_status retry_pause(struct retry *r, uint64_t retry_after, const struct fetch_limits *limits,
			 struct holos_error **err);
bool fetch_cancelled(const struct fetch_limits *limits);
holos_status fetch_cancel_error(struct holos_error **err);
void fetch_progress(const struct fetch_limits *limits, const char *what, uint64_t done,
		    uint64_t total);

/* ---- document.c ---------------------------------------------------------------- */

/* The whole of a small file, with retries. */
holos_status document_get(struct http *h, const char *url, size_t max,
			  const struct fetch_limits *limits, struct strbuf *ret,
			  struct holos_error **err);

/* ---- checksums.c ----------------------------------------------------------------- */

#define CHECKSUM_FILE_MAX (4u << 20)

struct checksum {
	char digest[136]; /* "sha256:<hex>" or "sha512:<hex>" */
	char name[256];   /* the file that it is of; "" when that is not said */
};

/* The checksum of `file` in a checksum file: lines of sha256sum(1), BSD's
 * "SHA256 (NAME) = hex", a lone hash, a PGP signature around them.  The only hash
 * of the file counts, whatever its name.  Returns 0, or -1. */
int checksums_find(const char *text, size_t len, const char *file, struct checksum *ret);

/* ---- listing.c --------------------------------------------------------------------- */

/* The newest name in a listing (HTML) that differs from `file` in its numbers
 * alone, `file` itself counted; the caller frees.  NULL: none. */
char *listing_newest(const char *html, size_t len, const char *file);

/* ---- digest.c, hasher.c -------------------------------------------------------------- */

struct digest_pair;
struct digest_pair *digest_create(bool sha512);
void digest_add(struct digest_pair *d, const void *p, size_t n);
/* Hex digests; hex512 is "" unless it was asked for.  Frees d. */
void digest_end(struct digest_pair *d, char hex256[65], char hex512[129]);

struct hasher;
/* Begin to digest a file as it grows.  fd is borrowed while this lives. */
holos_status hasher_start(int fd, bool sha512, struct hasher **ret, struct holos_error **err);
/* The file has so many bytes now. */
void hasher_feed(struct hasher *h, uint64_t bytes);
/* The digests of its first `bytes` bytes; frees h. */
holos_status hasher_finish(struct hasher *h, uint64_t bytes, const struct fetch_limits *limits,
			   char hex256[65], char hex512[129], struct holos_error **err);
void hasher_destroy(struct hasher *h); /* NULL is fine */

/* ---- unpack.c --------------------------------------------------------------------------- */

/* Is this file compressed or an archive, by its magic? */
bool unpack_needed(int fd);
/* The one disk image in it, written to `out` (empty).  hex: its SHA-256. */
holos_status unpack(int in, int out, uint64_t max, const struct fetch_limits *limits, char hex[65],
		    uint64_t *ret_size, struct holos_error **err);

/* ---- diskhead.c --------------------------------------------------------------------------- */

#define DISK_HEAD_BYTES 512

/* What can be told from the first bytes alone: a web page is no disk. */
holos_status disk_head_sniff(const void *head, size_t n, const char *what,
			     struct holos_error **err);
/* Is the file a disk that QEMU may be given as a base?  want: "qcow2", "raw" or
 * NULL; what: names it in messages. */
holos_status disk_head_check(int fd, const char *want, const char *what, char format[8],
			     uint64_t *ret_virtual, struct holos_error **err);

#endif
