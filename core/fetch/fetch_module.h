/* SPDX-License-Identifier: Apache-2.0
 *
 * fetch_module.h - contract between holos-worker and the module holos-fetch.so,
 * the only code that links libcurl, libcrypto's digests and libarchive's readers.
 *
 * The module is loaded by fetch_module() (fetch.h) when something is downloaded
 * or verified, and is never unloaded.  It belongs to one build: the loader
 * refuses another version or size.  One call at a time.
 *
 * Whatever is asked: only https, redirects only to https, certificates are
 * verified (SSL_CERT_FILE, SSL_CERT_DIR and CURL_CA_BUNDLE name other CAs),
 * proxies come from the environment as curl knows it.
 */
#ifndef FETCH_FETCH_MODULE_H
#define FETCH_FETCH_MODULE_H

#include <base/error.h>
#include <holos/plugin.h>

#include <stddef.h>
#include <stdint.h>

#define HOLOS_FETCH_MODULE_FILE   "holos-fetch.so"
#define HOLOS_FETCH_MODULE_SYMBOL "holos_fetch_module"

#define FETCH_URLS_MAX 8
/* What one image may have, as it is downloaded and unpacked. */
#define FETCH_IMAGE_MAX (64ull << 30)

/* Until when a call may take, what ends it early, and who wants to know how far
 * it is: a text for people, and bytes (total 0: unknown). */
struct fetch_limits {
	uint64_t deadline_ns; /* CLOCK_MONOTONIC; UINT64_MAX: none */
	int cancel_fd;        /* readable: cancelled; -1: none */
	void (*progress)(void *data, const char *what, uint64_t done, uint64_t total);
	void *data;
};

/* An image to download.  Everything is borrowed. */
struct fetch_image {
	const char *urls[FETCH_URLS_MAX]; /* one file at several places, tried in turn */
	size_t n_urls;
	/* Checksum files that name the last part of the URL; used when digest is NULL. */
	const char *digest_urls[FETCH_URLS_MAX];
	size_t n_digest_urls;
	const char *digest; /* "sha256:<hex>" or "sha512:<hex>" of the download, or NULL */
	const char *disk;   /* SHA-256 in hex that the unpacked disk must have, or NULL */
	uint64_t bytes;     /* size of the download; 0: unknown */
	const char *format; /* "qcow2", "raw"; NULL: whichever it is */
	int dir;            /* the directory that the download lives in */
	/* NAME.part (resumed when it is there), NAME.json (what it is a part of) and
	 * at last NAME.disk below it. */
	const char *name;
};

/* What became of it; strings are the caller's (fetch_result_finish in fetch.h). */
struct fetch_result {
	char *url;             /* where it came from */
	char *digest;          /* what the publisher says; NULL: nothing */
	char download[65];     /* SHA-256 of the download */
	char disk[65];         /* SHA-256 of NAME.disk; the same when nothing was unpacked */
	char format[8];        /* "qcow2" or "raw": what the file is */
	uint64_t bytes;        /* of the download */
	uint64_t size;         /* of NAME.disk */
	uint64_t virtual_size; /* of the disk as a guest sees it */
};

struct holos_fetch_module {
	uint32_t size;       /* sizeof(struct holos_fetch_module) */
	const char *version; /* HOLOS_VERSION of the build */

	/* GET a document of at most max bytes into fd, which is truncated where
	 * writing begins (its offset), also for each new try.  digest: as in
	 * struct fetch_image.  *err is set unless HOLOS_OK, here and below. */
	holos_status (*get)(const char *url, uint64_t max, const char *digest, int fd,
			    const struct fetch_limits *limits, struct holos_error **err);

	/* Download, verify, unpack and inspect an image; NAME.disk is then whole,
	 * synced, and what it should be.  NAME.part stays for the next call when the
	 * transfer broke off, and is gone when it turned out to be wrong.
	 * HOLOS_E_NOTFOUND: the publisher has no such file.  HOLOS_E_INTEGRITY: it is
	 * not what it should be.  HOLOS_E_AGAIN: the network; HOLOS_E_UNAVAIL: no
	 * room; HOLOS_E_DENIED: certificates, redirects. */
	holos_status (*image)(const struct fetch_image *want, const struct fetch_limits *limits,
			      struct fetch_result *ret, struct holos_error **err);

	/* What the publisher's checksum file says now: *ret_digest (NULL when there
	 * is none to ask) and the URL it is of; both the caller's. */
	holos_status (*check)(const struct fetch_image *want, const struct fetch_limits *limits,
			      char **ret_digest, char **ret_url, struct holos_error **err);

	/* The newest file beside this URL whose name differs in its numbers alone;
	 * the caller frees *ret_name.  HOLOS_E_NOTFOUND when there is none. */
	holos_status (*newest)(const char *url, const struct fetch_limits *limits, char **ret_name,
			       struct holos_error **err);

	/* SHA-256 of a file, from its beginning. */
	holos_status (*hash)(int fd, const struct fetch_limits *limits, char hex[65],
			     struct holos_error **err);
};

/* Exported by the module; take it with fetch_module(). */
extern const struct holos_fetch_module holos_fetch_module;

#endif
