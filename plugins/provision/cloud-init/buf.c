/* SPDX-License-Identifier: Apache-2.0
 *
 * buf.c - see buf.h.
 */
#include "buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 4096

/* Not realloc(): what it leaves behind could be a piece of a key. */
static int grow(struct ci_buf *b, size_t need)
{
	size_t cap = b->cap > 0 ? b->cap : FIRST_CAP;
	char *p;

	while (cap < need)
		cap *= 2;
	p = malloc(cap);
	if (p == NULL) {
		b->status = HOLOS_E_NOMEM;
		return -1;
	}
	if (b->s != NULL) {
		memcpy(p, b->s, b->len);
		explicit_bzero(b->s, b->len);
		free(b->s);
	}
	b->s = p;
	b->cap = cap;
	return 0;
}

void ci_buf_add(struct ci_buf *b, const char *data, size_t len)
{
	if (b->status != HOLOS_OK)
		return;
	if (len > b->max - b->len) {
		b->status = HOLOS_E_CONFIG;
		return;
	}
	if (b->len + len + 1 > b->cap && grow(b, b->len + len + 1) < 0)
		return;
	memcpy(b->s + b->len, data, len);
	b->len += len;
	b->s[b->len] = '\0';
}

void ci_buf_adds(struct ci_buf *b, const char *s)
{
	ci_buf_add(b, s, strlen(s));
}

void ci_buf_addc(struct ci_buf *b, char c)
{
	ci_buf_add(b, &c, 1);
}

void ci_buf_fill(struct ci_buf *b, char c, size_t n)
{
	while (n-- > 0)
		ci_buf_addc(b, c);
}

void ci_buf_addf(struct ci_buf *b, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(text))
		b->status = HOLOS_E_INTERNAL;
	else
		ci_buf_add(b, text, (size_t)n);
}

void ci_buf_add_quoted(struct ci_buf *b, const char *s)
{
	const char *end;

	ci_buf_addc(b, '\'');
	while ((end = strchr(s, '\'')) != NULL) {
		ci_buf_add(b, s, (size_t)(end - s));
		ci_buf_adds(b, "'\\''");
		s = end + 1;
	}
	ci_buf_adds(b, s);
	ci_buf_addc(b, '\'');
}

void ci_buf_finish(struct ci_buf *b)
{
	if (b->s != NULL) {
		explicit_bzero(b->s, b->len);
		free(b->s);
	}
	b->s = NULL;
	b->len = b->cap = 0;
}
