/* SPDX-License-Identifier: Apache-2.0
 *
 * holos/fetch.h - host table: downloads for plugins that need a document of a
 * publisher (an index, a checksum list).  Images themselves are fetched by the
 * host from what resolve() said.  query() gives NULL where the host was built
 * without downloads.
 */
#ifndef HOLOS_FETCH_H
#define HOLOS_FETCH_H
#include <holos/plugin.h>

#define HOLOS_FETCH_API_ID "holos.fetch/1"

struct holos_fetch_api {
	uint32_t size;
	uint32_t reserved;
	/* GET an https URL of at most max bytes into fd (written from its
	 * offset on), resumed and retried by the host inside the deadline.
	 * digest as in struct holos_image, or NULL. */
	holos_status (*get)(holos_call *call, const char *url, uint64_t max,
	                    const char *digest, int fd, holos_error *err);
};
#endif
