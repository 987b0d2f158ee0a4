/* SPDX-License-Identifier: Apache-2.0
 *
 * document.c - a small file, into memory.
 */
#include "internal.h"

#include <base/units.h>

struct document {
	const char *url;
	size_t max;
	struct strbuf *text;
};

static holos_status too_large(const struct document *d, struct holos_error **err)
{
	char size[32];

	return fetch_fail(err, HOLOS_E_INTEGRITY, 0, "%s: larger than %s, which this file never is",
			  d->url, units_format_size(d->max, size));
}

static holos_status on_head(void *data, const struct http_head *head, struct holos_error **err)
{
	struct document *d = data;

	strbuf_clear(d->text);
	return head->length != UINT64_MAX && head->length > d->max ? too_large(d, err) : HOLOS_OK;
}

static holos_status on_body(void *data, const void *p, size_t n, struct holos_error **err)
{
	struct document *d = data;

	if (n > d->max - d->text->len)
		return too_large(d, err);
	strbuf_add(d->text, p, n);
	return HOLOS_OK;
}

holos_status document_get(struct http *h, const char *url, size_t max,
			  const struct fetch_limits *limits, struct strbuf *ret,
			  struct holos_error **err)
{
	struct document d = { url, max, ret };
	struct http_request rq = { .url = url, .head = on_head, .body = on_body, .data = &d };
	struct retry retry = retry_begin();
	struct http_head head;
	holos_status st;

	for (;;) {
		struct holos_error *why = NULL;

		st = http_get(h, &rq, limits, &head, &why);
		if (st == HOLOS_E_AGAIN)
			st = retry_pause(&retry, head.retry_after, limits, &why);
		else if (st == HOLOS_OK)
			return st;
		if (st != HOLOS_OK) {
			error_move(err, &why);
			return st;
		}
	}
}
