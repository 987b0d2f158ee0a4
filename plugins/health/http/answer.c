/* SPDX-License-Identifier: Apache-2.0
 *
 * answer.c - see answer.h.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memmem */
#endif
#include "answer.h"

#include <string.h>
#include <strings.h>

/* Where the body begins, or 0: the header is not whole. */
static size_t header_len(const struct answer *a)
{
	const char *end = memmem(a->data, a->len, "\r\n\r\n", 4);

	return end != NULL ? (size_t)(end - a->data) + 4 : 0;
}

/* The value of a header field, in the first `len` bytes; *ret_len without the
 * blanks around it.  NULL: not there. */
static const char *field(const struct answer *a, size_t len, const char *name, size_t *ret_len)
{
	size_t n = strlen(name);
	const char *line = memchr(a->data, '\n', len);

	while (line != NULL && (size_t)(++line - a->data) + n < len) {
		const char *end = memchr(line, '\r', len - (size_t)(line - a->data));

		if (end == NULL)
			return NULL;
		if (strncasecmp(line, name, n) == 0 && line[n] == ':') {
			for (line += n + 1; line < end && (*line == ' ' || *line == '\t');)
				line++;
			*ret_len = (size_t)(end - line);
			return line;
		}
		line = memchr(end, '\n', len - (size_t)(end - a->data));
	}
	return NULL;
}

static bool is_chunked(const struct answer *a, size_t header)
{
	size_t n = 0;
	const char *value = field(a, header, "Transfer-Encoding", &n);

	return value != NULL && n >= 7 && strncasecmp(value + n - 7, "chunked", 7) == 0;
}

/* -1: there is none. */
static long content_length(const struct answer *a, size_t header)
{
	size_t n = 0;
	const char *value = field(a, header, "Content-Length", &n);
	long length = 0;

	if (value == NULL || n == 0 || n > 9)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (value[i] < '0' || value[i] > '9')
			return -1;
		length = length * 10 + (value[i] - '0');
	}
	return length;
}

bool answer_is_complete(const struct answer *a, bool without_body)
{
	size_t header = header_len(a);
	long length;

	if (a->len == sizeof(a->data))
		return true;
	if (header == 0)
		return false;
	if (without_body)
		return true;
	if (is_chunked(a, header))
		return a->len >= header + 5 && memcmp(a->data + a->len - 5, "0\r\n\r\n", 5) == 0;
	length = content_length(a, header);
	return length >= 0 && a->len - header >= (size_t)length;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Put the chunks together in place; what is cut short ends there. */
static size_t join_chunks(char *body, size_t len)
{
	size_t from = 0, to = 0;

	while (from < len) {
		size_t size = 0;
		const char *end;

		for (; from < len && hex_digit(body[from]) >= 0 && size <= ANSWER_MAX; from++)
			size = size * 16 + (size_t)hex_digit(body[from]);
		end = memchr(body + from, '\n', len - from);
		if (end == NULL || size == 0)
			break;
		from = (size_t)(end - body) + 1;
		if (size > len - from)
			size = len - from;
		memmove(body + to, body + from, size);
		to += size;
		from += size;
		from += len - from >= 2 ? 2 : len - from; /* the chunk's CRLF */
	}
	return to;
}

bool answer_parse(struct answer *a)
{
	size_t header = header_len(a);

	/* HTTP/1.1 200 OK */
	if (header == 0 || header < 16 || memcmp(a->data, "HTTP/1.", 7) != 0 || a->data[8] != ' ')
		return false;
	a->status = 0;
	for (size_t i = 9; i < 12; i++) {
		if (a->data[i] < '0' || a->data[i] > '9')
			return false;
		a->status = a->status * 10 + (a->data[i] - '0');
	}
	a->body = a->data + header;
	a->body_len = a->len - header;
	if (is_chunked(a, header))
		a->body_len = join_chunks(a->data + header, a->body_len);
	return true;
}
