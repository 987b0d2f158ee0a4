/* SPDX-License-Identifier: Apache-2.0
 *
 * strbuf.h - a growing byte string, always NUL-terminated.
 */
#ifndef BASE_STRBUF_H
#define BASE_STRBUF_H

#include <stdarg.h>
#include <stddef.h>

struct strbuf {
	char *s;    /* never NULL once something was added */
	size_t len; /* without the final NUL */
	size_t cap;
};

#define STRBUF_INIT                                                                                \
	{                                                                                          \
		NULL, 0, 0                                                                         \
	}

void strbuf_add(struct strbuf *b, const void *data, size_t len);
void strbuf_adds(struct strbuf *b, const char *s);
void strbuf_addc(struct strbuf *b, char c);
void strbuf_addf(struct strbuf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* As one word of sh, in single quotes. */
void strbuf_add_quoted(struct strbuf *b, const char *word);
/* Make room for n more bytes at b->s + b->len. */
void strbuf_reserve(struct strbuf *b, size_t n);
/* Drop the first n bytes. */
void strbuf_consume(struct strbuf *b, size_t n);
void strbuf_clear(struct strbuf *b); /* empty, keeps its memory */
/* Take the string out ("" when nothing was added); the caller frees. */
char *strbuf_steal(struct strbuf *b);
void strbuf_finish(struct strbuf *b); /* free; usable as _cleanup_ */

#endif
