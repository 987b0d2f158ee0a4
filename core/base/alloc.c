/* SPDX-License-Identifier: Apache-2.0
 *
 * alloc.c - see alloc.h.
 */
#include <base/alloc.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int alloc_exit_status = 1;

static _Noreturn void out_of_memory(void)
{
	static const char text[] = "holos: out of memory\n";
	ssize_t n = write(STDERR_FILENO, text, sizeof(text) - 1);

	(void)n; /* nothing is left to try */
	_exit(alloc_exit_status);
}

static void *reserve;
static size_t reserve_size;

void alloc_set_reserve(size_t size)
{
	free(reserve);
	reserve = malloc(size);
	reserve_size = size;
}

static bool spend_reserve(void)
{
	if (reserve == NULL)
		return false;
	free(reserve);
	reserve = NULL;
	return true;
}

bool alloc_room(size_t n)
{
	void *p = malloc(n);

	if (p == NULL) {
		(void)spend_reserve();
		return false;
	}
	if (reserve == NULL && reserve_size != 0)
		reserve = malloc(reserve_size);
	free(p);
	return true;
}

void *xmalloc(size_t size)
{
	void *p;

	do {
		p = malloc(size != 0 ? size : 1);
	} while (p == NULL && spend_reserve());
	if (p == NULL)
		out_of_memory();
	return p;
}

void *xcalloc(size_t n, size_t size)
{
	void *p;

	do {
		p = calloc(n != 0 ? n : 1, size != 0 ? size : 1);
	} while (p == NULL && spend_reserve());
	if (p == NULL)
		out_of_memory();
	return p;
}

void *xrealloc(void *p, size_t n, size_t size)
{
	void *q;

	do {
		q = reallocarray(p, n != 0 ? n : 1, size != 0 ? size : 1);
	} while (q == NULL && spend_reserve());
	if (q == NULL)
		out_of_memory();
	return q;
}

char *xstrdup(const char *s)
{
	return xmemdup(s, strlen(s) + 1);
}

char *xstrndup(const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *p = xmalloc(len + 1);

	memcpy(p, s, len);
	p[len] = '\0';
	return p;
}

char *xstrdup_null(const char *s)
{
	return s != NULL ? xstrdup(s) : NULL;
}

void *xmemdup(const void *p, size_t n)
{
	void *q = xmalloc(n);

	if (n != 0)
		memcpy(q, p, n);
	return q;
}

char *xvasprintf(const char *fmt, va_list ap)
{
	char *s;

	va_list again;
	int n;

	va_copy(again, ap);
	n = vasprintf(&s, fmt, ap);
	if (n < 0 && spend_reserve())
		n = vasprintf(&s, fmt, again);
	va_end(again);
	if (n < 0)
		out_of_memory();
	return s;
}

char *xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = xvasprintf(fmt, ap);
	va_end(ap);
	return s;
}

void array_reserve(void **p, size_t n, size_t *cap, size_t elem_size)
{
	if (n < *cap)
		return;
	*cap = *cap != 0 ? *cap * 2 : 8;
	*p = xrealloc(*p, *cap, elem_size);
}
