/* SPDX-License-Identifier: Apache-2.0
 *
 * strbuf.c - see strbuf.h.
 */
#include <base/alloc.h>
#include <base/strbuf.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void strbuf_reserve(struct strbuf *b, size_t n)
{
	size_t need = b->len + n + 1;
	size_t cap = b->cap != 0 ? b->cap : 64;

	if (need <= b->cap)
		return;
	while (cap < need)
		cap *= 2;
	b->s = xrealloc(b->s, cap, 1);
	b->cap = cap;
	b->s[b->len] = '\0';
}

void strbuf_add(struct strbuf *b, const void *data, size_t len)
{
	strbuf_reserve(b, len);
	if (len != 0)
		memcpy(b->s + b->len, data, len);
	b->len += len;
	b->s[b->len] = '\0';
}

void strbuf_adds(struct strbuf *b, const char *s)
{
	strbuf_add(b, s, strlen(s));
}

void strbuf_addc(struct strbuf *b, char c)
{
	strbuf_add(b, &c, 1);
}

void strbuf_addf(struct strbuf *b, const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = xvasprintf(fmt, ap);
	va_end(ap);
	strbuf_adds(b, s);
	free(s);
}

void strbuf_consume(struct strbuf *b, size_t n)
{
	if (n == 0)
		return;
	b->len -= n;
	memmove(b->s, b->s + n, b->len + 1);
}

void strbuf_clear(struct strbuf *b)
{
	b->len = 0;
	if (b->s != NULL)
		b->s[0] = '\0';
}

void strbuf_add_quoted(struct strbuf *b, const char *word)
{
	strbuf_addc(b, '\'');
	for (; *word != '\0'; word++) {
		if (*word == '\'')
			strbuf_adds(b, "'\\''");
		else
			strbuf_addc(b, *word);
	}
	strbuf_addc(b, '\'');
}

char *strbuf_steal(struct strbuf *b)
{
	char *s = b->s != NULL ? b->s : xstrdup("");

	*b = (struct strbuf)STRBUF_INIT;
	return s;
}

void strbuf_finish(struct strbuf *b)
{
	free(b->s);
	*b = (struct strbuf)STRBUF_INIT;
}
