/* SPDX-License-Identifier: Apache-2.0
 *
 * strmap.h - text to a number, for many keys: open addressing, no removal.
 */
#ifndef COMPOSE_STRMAP_H
#define COMPOSE_STRMAP_H

#include <base/cleanup.h>

#include <stddef.h>
#include <stdint.h>

struct strmap {
	struct strmap_slot {
		const char *key; /* borrowed; NULL: free */
		size_t value;
	} * slots;
	size_t n, cap;
};

#define STRMAP_INIT                                                                                \
	{                                                                                          \
		NULL, 0, 0                                                                         \
	}
#define STRMAP_NONE SIZE_MAX

/* The value, or STRMAP_NONE. */
size_t strmap_get(const struct strmap *m, const char *key);
/* Set or replace.  The key is borrowed: it must live as long as the map. */
void strmap_set(struct strmap *m, const char *key, size_t value);
void strmap_finish(struct strmap *m); /* usable as _cleanup_ */

#endif
