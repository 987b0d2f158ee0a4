/* SPDX-License-Identifier: Apache-2.0
 *
 * digest.c - SHA-256, with or without SHA-512, of the same bytes.
 */
#include "internal.h"

#include <base/alloc.h>

#include <openssl/evp.h>
#include <stdlib.h>

struct digest_pair {
	EVP_MD_CTX *sha256, *sha512;
};

static EVP_MD_CTX *begin(const EVP_MD *md)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();

	if (c == NULL || EVP_DigestInit_ex(c, md, NULL) != 1)
		abort(); /* out of memory: as xmalloc() */
	return c;
}

struct digest_pair *digest_create(bool sha512)
{
	struct digest_pair *d = xnew(struct digest_pair);

	d->sha256 = begin(EVP_sha256());
	if (sha512)
		d->sha512 = begin(EVP_sha512());
	return d;
}

void digest_add(struct digest_pair *d, const void *p, size_t n)
{
	/* These fail for want of memory at most, which begin() took. */
	(void)EVP_DigestUpdate(d->sha256, p, n);
	if (d->sha512 != NULL)
		(void)EVP_DigestUpdate(d->sha512, p, n);
}

static void end(EVP_MD_CTX *c, char *hex)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char raw[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (c != NULL)
		(void)EVP_DigestFinal_ex(c, raw, &n);
	EVP_MD_CTX_free(c);
	for (unsigned i = 0; i < n; i++) {
		*hex++ = digits[raw[i] >> 4];
		*hex++ = digits[raw[i] & 15];
	}
	*hex = '\0';
}

void digest_end(struct digest_pair *d, char hex256[65], char hex512[129])
{
	end(d->sha256, hex256);
	end(d->sha512, hex512);
	free(d);
}
