/* SPDX-License-Identifier: Apache-2.0
 *
 * pool.c - memory of one translation, growing texts, and the first error.
 */
#include "dockerfile.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct df_chunk {
	struct df_chunk *next;
	size_t size, used;
	max_align_t data[];
};

#define CHUNK_SIZE ((size_t)64 << 10)

void *df_alloc(struct df_pool *p, size_t size)
{
	struct df_chunk *c = p->chunks;
	void *at;

	size = (size + sizeof(max_align_t) - 1) & ~(sizeof(max_align_t) - 1);
	if (c == NULL || c->size - c->used < size) {
		size_t room = size > CHUNK_SIZE ? size : CHUNK_SIZE;

		c = calloc(1, sizeof(*c) + room);
		if (c == NULL)
			abort(); /* the worker tells of it */
		c->size = room;
		c->next = p->chunks;
		p->chunks = c;
	}
	at = (char *)c->data + c->used;
	c->used += size;
	p->total += size;
	return at;
}

void df_pool_finish(struct df_pool *p)
{
	while (p->chunks != NULL) {
		struct df_chunk *next = p->chunks->next;

		free(p->chunks);
		p->chunks = next;
	}
}

char *df_strndup(struct df_pool *p, const char *s, size_t n)
{
	char *copy = df_alloc(p, n + 1);

	if (n > 0)
		memcpy(copy, s, n);
	return copy;
}

char *df_strdup(struct df_pool *p, const char *s)
{
	return df_strndup(p, s, strlen(s));
}

void *df_grow(struct df_pool *p, void *array, size_t n, size_t size)
{
	void *more;

	/* Powers of two are where the room ends. */
	if (n != 0 && (n & (n - 1)) != 0)
		return array;
	more = df_alloc(p, (n == 0 ? 1 : 2 * n) * size);
	if (n > 0)
		memcpy(more, array, n * size);
	return more;
}

static bool fail(struct df_pool *p, unsigned line, const char *fmt, va_list ap)
{
	if (p->failed)
		return false;
	p->failed = true;
	p->line = line;
	vsnprintf(p->message, sizeof(p->message), fmt, ap);
	/* A message is one line. */
	for (char *s = p->message; *s != '\0'; s++) {
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = '?';
	}
	return false;
}

bool df_fail(struct df_pool *p, unsigned line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fail(p, line, fmt, ap);
	va_end(ap);
	return false;
}

bool df_hint(struct df_pool *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (p->hint[0] == '\0')
		vsnprintf(p->hint, sizeof(p->hint), fmt, ap);
	va_end(ap);
	return false;
}

/* ---- texts --------------------------------------------------------------------- */

void df_add(struct df_text *t, const char *s, size_t n)
{
	if (t->cap < t->len + n + 1) {
		size_t cap = t->cap * 2 > t->len + n + 1 ? t->cap * 2 : t->len + n + 64;
		char *more = df_alloc(t->pool, cap);

		if (t->len > 0)
			memcpy(more, t->s, t->len);
		t->s = more;
		t->cap = cap;
	}
	if (n > 0)
		memcpy(t->s + t->len, s, n);
	t->len += n;
	t->s[t->len] = '\0';
}

void df_adds(struct df_text *t, const char *s)
{
	df_add(t, s, strlen(s));
}

void df_addc(struct df_text *t, char c)
{
	df_add(t, &c, 1);
}

static char *format(struct df_pool *p, const char *fmt, va_list ap)
{
	va_list again;
	char *s;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0)
		abort();
	s = df_alloc(p, (size_t)n + 1);
	vsnprintf(s, (size_t)n + 1, fmt, ap);
	return s;
}

char *df_printf(struct df_pool *p, const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = format(p, fmt, ap);
	va_end(ap);
	return s;
}

void df_addf(struct df_text *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	df_adds(t, format(t->pool, fmt, ap));
	va_end(ap);
}

void df_add_quoted(struct df_text *t, const char *s)
{
	df_addc(t, '\'');
	for (; *s != '\0'; s++) {
		if (*s == '\'')
			df_adds(t, "'\\''");
		else
			df_addc(t, *s);
	}
	df_addc(t, '\'');
}

const char *df_str(const struct df_text *t)
{
	return t->s != NULL ? t->s : "";
}
