/* SPDX-License-Identifier: Apache-2.0
 *
 * module.c - what holos-fetch.so exports; see fetch_module.h.
 */
#include "image.h"
#include "internal.h"

#include <base/alloc.h>
#include <base/fs.h>

#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HASH_PIECE  (256u << 10)
#define LISTING_MAX (8u << 20)

/* Before libcrypto is used for the first time: no openssl.cnf, neither the
 * system's nor one that OPENSSL_CONF names. */
static __attribute__((constructor)) void module_init(void)
{
	(void)OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL); /* later calls tell */
}

static holos_status check_document(const struct strbuf *text, const char *url, const char *digest,
				   struct holos_error **err)
{
	bool wide = strncmp(digest, "sha512:", 7) == 0;
	struct digest_pair *d = digest_create(wide);
	char hex256[65], hex512[129];

	digest_add(d, text->s, text->len);
	digest_end(d, hex256, hex512);
	if (strcmp(digest + 7, wide ? hex512 : hex256) == 0)
		return HOLOS_OK;
	return fetch_fail(err, HOLOS_E_INTEGRITY, 0, "%s: is not what it should be: %.7s%.16s…",
			  url, digest, wide ? hex512 : hex256);
}

static holos_status module_get(const char *url, uint64_t max, const char *digest, int fd,
			       const struct fetch_limits *limits, struct holos_error **err)
{
	_cleanup_(strbuf_finish) struct strbuf text = STRBUF_INIT;
	_cleanup_(http_destroyp) struct http *h = http_create();
	holos_status st;
	int r;

	if (h == NULL)
		return fetch_fail(err, HOLOS_E_NOMEM, 0, "curl cannot start");
	st = document_get(h, url, max < LISTING_MAX ? (size_t)max : LISTING_MAX, limits, &text,
			  err);
	if (st == HOLOS_OK && digest != NULL)
		st = check_document(&text, url, digest, err);
	if (st != HOLOS_OK || text.len == 0)
		return st;
	r = fs_write_all(fd, text.s, text.len);
	return r < 0 ? fetch_fail(err, HOLOS_E_IO, -r, "cannot write what came from %s", url)
		     : HOLOS_OK;
}

static holos_status module_newest(const char *url, const struct fetch_limits *limits,
				  char **ret_name, struct holos_error **err)
{
	_cleanup_(strbuf_finish) struct strbuf text = STRBUF_INIT;
	_cleanup_(http_destroyp) struct http *h = http_create();
	const char *slash = strrchr(url, '/');
	_cleanup_(freep) char *dir = xstrndup(url, slash != NULL ? (size_t)(slash - url) + 1 : 0);
	holos_status st;

	if (h == NULL)
		return fetch_fail(err, HOLOS_E_NOMEM, 0, "curl cannot start");
	st = document_get(h, dir, LISTING_MAX, limits, &text, err);
	if (st != HOLOS_OK)
		return st;
	*ret_name = listing_newest(text.s != NULL ? text.s : "", text.len, slash + 1);
	if (*ret_name == NULL)
		return fetch_fail(err, HOLOS_E_NOTFOUND, 0, "%s lists nothing like %s", dir,
				  slash + 1);
	return HOLOS_OK;
}

static holos_status module_hash(int fd, const struct fetch_limits *limits, char hex[65],
				struct holos_error **err)
{
	_cleanup_(freep) char *buf = xmalloc(HASH_PIECE);
	struct digest_pair *d = digest_create(false);
	holos_status result = HOLOS_OK;
	char unused[129];
	uint64_t at = 0;
	struct stat st;
	ssize_t n = 1;

	if (fstat(fd, &st) < 0)
		result = fetch_fail(err, HOLOS_E_IO, errno, "cannot read it");
	while (result == HOLOS_OK && n != 0) {
		n = pread(fd, buf, HASH_PIECE, (off_t)at);
		if (n < 0 && errno != EINTR)
			result = fetch_fail(err, HOLOS_E_IO, errno, "cannot read it");
		if (n <= 0)
			continue;
		digest_add(d, buf, (size_t)n);
		at += (uint64_t)n;
		fetch_progress(limits, "verifying", at, (uint64_t)st.st_size);
		if (fetch_cancelled(limits))
			result = fetch_cancel_error(err);
	}
	digest_end(d, hex, unused);
	return result;
}

__attribute__((visibility("default"))) const struct holos_fetch_module holos_fetch_module = {
	.size = sizeof(struct holos_fetch_module),
	.version = HOLOS_VERSION,
	.get = module_get,
	.image = image_fetch,
	.check = image_check,
	.newest = module_newest,
	.hash = module_hash,
};
