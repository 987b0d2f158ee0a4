/* SPDX-License-Identifier: Apache-2.0
 *
 * arena.c - blocks chained together, filled from the front.
 */
#include <compose/arena.h>

#include <base/alloc.h>

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define BLOCK_SIZE ((size_t)32 * 1024)
#define ALIGNMENT  _Alignof(max_align_t)

struct block {
	struct block *next;
	size_t used, size;
	_Alignas(max_align_t) unsigned char data[];
};

struct arena {
	struct block *blocks; /* the first one is being filled */
};

struct arena *arena_create(void)
{
	return xnew(struct arena);
}

void arena_destroy(struct arena *a)
{
	if (a == NULL)
		return;
	while (a->blocks != NULL) {
		struct block *next = a->blocks->next;

		free(a->blocks);
		a->blocks = next;
	}
	free(a);
}

/* A block of its own for what is large, so that it wastes nothing: it goes
 * behind the one being filled. */
static struct block *add_block(struct arena *a, size_t len)
{
	size_t size = len > BLOCK_SIZE / 4 ? len : BLOCK_SIZE;
	struct block *b = xmalloc(sizeof(*b) + size);

	b->size = size;
	b->used = 0;
	if (size != BLOCK_SIZE && a->blocks != NULL) {
		b->next = a->blocks->next;
		a->blocks->next = b;
	} else {
		b->next = a->blocks;
		a->blocks = b;
	}
	return b;
}

static void *take(struct arena *a, size_t len)
{
	struct block *b = a->blocks;
	void *p;

	if (len > SIZE_MAX / 2) /* all sizes are bounded long before */
		abort();
	len = (len + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
	if (b == NULL || b->size - b->used < len)
		b = add_block(a, len);
	p = b->data + b->used;
	b->used += len;
	return p;
}

void *arena_alloc(struct arena *a, size_t n, size_t size)
{
	void *p;

	if (size != 0 && n > SIZE_MAX / 2 / size)
		abort();
	p = take(a, n * size);
	memset(p, 0, n * size);
	return p;
}

void *arena_memdup(struct arena *a, const void *p, size_t n)
{
	void *copy = take(a, n);

	if (n > 0)
		memcpy(copy, p, n);
	return copy;
}

const char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	char *copy = take(a, n + 1);

	memcpy(copy, s, n);
	copy[n] = '\0';
	return copy;
}

const char *arena_strdup(struct arena *a, const char *s)
{
	return arena_strndup(a, s, strlen(s));
}

const char *arena_printf(struct arena *a, const char *fmt, ...)
{
	_cleanup_(freep) char *s = NULL;
	va_list ap;

	va_start(ap, fmt);
	s = xvasprintf(fmt, ap);
	va_end(ap);
	return arena_strdup(a, s);
}
