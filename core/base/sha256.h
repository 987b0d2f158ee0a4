/* SPDX-License-Identifier: Apache-2.0
 *
 * sha256.h - SHA-256 (FIPS 180-4) of short inputs: names, specifications.
 *
 * Images are hashed by libcrypto in the fetch module; this one exists so that
 * the common path links no crypto library.
 */
#ifndef BASE_SHA256_H
#define BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

struct sha256 {
	uint32_t h[8];
	uint64_t bytes;
	uint8_t block[64];
};

void sha256_init(struct sha256 *s);
void sha256_add(struct sha256 *s, const void *data, size_t len);
void sha256_end(struct sha256 *s, uint8_t digest[32]);
void sha256(const void *data, size_t len, uint8_t digest[32]);
void sha256_hex(const uint8_t digest[32], char hex[65]);

#endif
