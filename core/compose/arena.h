/* SPDX-License-Identifier: Apache-2.0
 *
 * arena.h - memory that is freed all at once: trees and the project model.
 *
 * Allocation never fails (base/alloc.h).  Nothing is freed on its own.
 */
#ifndef COMPOSE_ARENA_H
#define COMPOSE_ARENA_H

#include <base/cleanup.h>

#include <stdarg.h>
#include <stddef.h>

struct arena;

struct arena *arena_create(void);
void arena_destroy(struct arena *a); /* NULL is fine */

DEFINE_CLEANUP(struct arena *, arena_destroyp, arena_destroy);

/* n zeroed objects of size bytes, aligned for any type; never NULL. */
void *arena_alloc(struct arena *a, size_t n, size_t size) __attribute__((returns_nonnull));
#define arena_new(a, type)      ((type *)arena_alloc((a), 1, sizeof(type)))
#define arena_array(a, n, type) ((type *)arena_alloc((a), (n), sizeof(type)))

void *arena_memdup(struct arena *a, const void *p, size_t n) __attribute__((returns_nonnull));
const char *arena_strdup(struct arena *a, const char *s) __attribute__((returns_nonnull));
const char *arena_strndup(struct arena *a, const char *s, size_t n)
	__attribute__((returns_nonnull));
const char *arena_printf(struct arena *a, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), returns_nonnull));

#endif
