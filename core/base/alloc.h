/* SPDX-License-Identifier: Apache-2.0
 *
 * alloc.h - allocation that does not fail: out of memory says so and exits.
 *
 * Sizes that come from outside are bounded before they get here.
 */
#ifndef BASE_ALLOC_H
#define BASE_ALLOC_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/* With what the program exits then: 1, unless its main() says otherwise. */
extern int alloc_exit_status;

void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
/* Like reallocarray(3). */
void *xrealloc(void *p, size_t n, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull, nonnull));
char *xstrndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull, nonnull));
/* A copy of s, or NULL when s is NULL. */
char *xstrdup_null(const char *s);
void *xmemdup(const void *p, size_t n) __attribute__((malloc, returns_nonnull));
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2), returns_nonnull));
char *xvasprintf(const char *fmt, va_list ap)
	__attribute__((format(printf, 1, 0), returns_nonnull));

/* For a process that must live on: set `size` bytes aside (address space, not
 * memory) that an allocation which fails takes for itself.  Who keeps such a
 * reserve asks alloc_room() before it begins what it may as well refuse. */
void alloc_set_reserve(size_t size);
/* Can n bytes be had now, without the reserve?  Makes the reserve whole again
 * where it can; without room it is freed, for what cannot be refused. */
bool alloc_room(size_t n);

/* A zeroed object of TYPE. */
#define xnew(type) ((type *)xcalloc(1, sizeof(type)))

/* Make room for one more element of the array *p with *n used of *cap. */
void array_reserve(void **p, size_t n, size_t *cap, size_t elem_size);
#define ARRAY_PUSH(arr, n, cap)                                                                    \
	(array_reserve((void **)&(arr), (n), &(cap), sizeof(*(arr))), &(arr)[(n)++])

#endif
