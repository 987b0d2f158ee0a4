/* SPDX-License-Identifier: Apache-2.0
 *
 * diag.c - collecting, sorting and handing over messages.
 */
#include <compose/diag.h>

#include <base/alloc.h>
#include <base/strbuf.h>

#include <stdlib.h>
#include <string.h>

struct diag_item {
	struct holos_error *error;
	unsigned file_index;
	size_t seq; /* messages at one place stay in the order they came */
};

void diag_init(struct diag *d, struct arena *a)
{
	*d = (struct diag){ .arena = a };
}

void diag_finish(struct diag *d)
{
	for (size_t i = 0; i < d->n_errors; i++)
		error_destroy(d->errors[i].error);
	for (size_t i = 0; i < d->n_warnings; i++)
		error_destroy(d->warnings[i].error);
	free(d->errors);
	free(d->warnings);
	*d = (struct diag){ .arena = d->arena };
}

static void add_path(struct strbuf *b, const struct path *p)
{
	if (p->up != NULL)
		add_path(b, p->up);
	if (p->key == NULL)
		strbuf_addf(b, "[%zu]", p->index);
	else
		strbuf_addf(b, "%s%s", b->len > 0 ? "." : "", p->key);
}

const char *path_text(struct arena *a, const struct path *p)
{
	_cleanup_(strbuf_finish) struct strbuf b = STRBUF_INIT;

	if (p == NULL)
		return "";
	add_path(&b, p);
	return arena_strndup(a, b.s, b.len);
}

/* Takes the place apart from the file's index, which only nodes know. */
struct place {
	const char *file;
	unsigned line, column, index;
};

static struct place place_of(const struct node *at)
{
	if (at == NULL || at->src == NULL)
		return (struct place){ .index = 0 };
	return (struct place){ at->src->name, at->line, at->column, at->src->index };
}

/* What users write ends up in messages, and messages on terminals: one line, no
 * control characters (C0, DEL, and C1 as UTF-8). */
static void add_printable(struct strbuf *b, const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)text[0], next = (unsigned char)text[1];

		if (c < 0x20 || c == 0x7f) {
			strbuf_addf(b, "\\x%02x", c);
		} else if (c == 0xc2 && next >= 0x80 && next < 0xa0) {
			strbuf_addf(b, "\\x%02x", next);
			text++;
		} else {
			strbuf_addc(b, (char)c);
		}
	}
}

__attribute__((format(printf, 4, 0))) static struct holos_error *
build(const struct place *at, int code, const struct path *path, const char *fmt, va_list ap)
{
	_cleanup_(strbuf_finish) struct strbuf b = STRBUF_INIT;
	_cleanup_(strbuf_finish) struct strbuf clean = STRBUF_INIT;
	_cleanup_(freep) char *text = xvasprintf(fmt, ap);
	struct holos_error *e = NULL;

	if (path != NULL) {
		add_path(&b, path);
		if (b.len > 0)
			strbuf_adds(&b, ": ");
	}
	strbuf_adds(&b, text);
	add_printable(&clean, b.s);
	error_set(&e, code, "%s", clean.s);
	if (at->line > 0)
		error_at(e, at->file, at->line, at->column);
	else if (at->file != NULL)
		error_at(e, at->file, 0, 0);
	return e;
}

__attribute__((format(printf, 4, 0))) static void add_error(struct diag *d, const struct place *at,
							    const struct path *path,
							    const char *fmt, va_list ap)
{
	struct diag_item *it;

	if (diag_is_full(d)) {
		d->dropped++;
		return;
	}
	it = ARRAY_PUSH(d->errors, d->n_errors, d->cap_errors);
	it->error = build(at, ERR_INVALID, path, fmt, ap);
	it->file_index = at->index;
	it->seq = d->n_errors;
}

__attribute__((format(printf, 4, 0))) static void add_warning(struct diag *d,
							      const struct place *at,
							      const struct path *path,
							      const char *fmt, va_list ap)
{
	struct diag_item *it;

	if (d->n_warnings >= DIAG_KEPT_MAX)
		return;
	it = ARRAY_PUSH(d->warnings, d->n_warnings, d->cap_warnings);
	it->error = build(at, 0, path, fmt, ap);
	it->file_index = at->index;
	it->seq = d->n_warnings;
}

int diag_error(struct diag *d, const struct node *at, const struct path *path, const char *fmt, ...)
{
	struct place p = place_of(at);
	va_list ap;

	va_start(ap, fmt);
	add_error(d, &p, path, fmt, ap);
	va_end(ap);
	return -1;
}

int diag_error_mark(struct diag *d, const struct mark *at, const char *fmt, ...)
{
	struct place p = { at->file, at->line, at->column, at->file_index };
	va_list ap;

	va_start(ap, fmt);
	add_error(d, &p, NULL, fmt, ap);
	va_end(ap);
	return -1;
}

void diag_add(struct diag *d, const struct mark *at, struct holos_error *one)
{
	struct diag_item *it;

	if (diag_is_full(d)) {
		d->dropped++;
		error_destroy(one);
		return;
	}
	error_at(one, at->file, at->line, at->column);
	it = ARRAY_PUSH(d->errors, d->n_errors, d->cap_errors);
	it->error = one;
	it->file_index = at->file_index;
	it->seq = d->n_errors;
}

void diag_add_all(struct diag *d, const struct mark *at, struct holos_error *chain)
{
	while (chain != NULL) {
		struct holos_error *next = steal_ptr(&chain->next);

		diag_add(d, at, chain);
		chain = next;
	}
}

void diag_warn(struct diag *d, const struct node *at, const struct path *path, const char *fmt, ...)
{
	struct place p = place_of(at);
	va_list ap;

	va_start(ap, fmt);
	add_warning(d, &p, path, fmt, ap);
	va_end(ap);
}

void diag_warn_mark(struct diag *d, const struct mark *at, const char *fmt, ...)
{
	struct place p = { at->file, at->line, at->column, at->file_index };
	va_list ap;

	va_start(ap, fmt);
	add_warning(d, &p, NULL, fmt, ap);
	va_end(ap);
}

void diag_hint(struct diag *d, const char *fmt, ...)
{
	_cleanup_(freep) char *text = NULL;
	va_list ap;

	if (d->n_errors == 0 || d->dropped > 0)
		return;
	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	error_hint(&d->errors[d->n_errors - 1].error, "%s", text);
}

void diag_warn_hint(struct diag *d, const char *hint)
{
	if (d->n_warnings > 0 && d->n_warnings < DIAG_KEPT_MAX)
		error_hint(&d->warnings[d->n_warnings - 1].error, "%s", hint);
}

static int by_place(const void *pa, const void *pb)
{
	const struct diag_item *a = pa, *b = pb;

	if (a->file_index != b->file_index)
		return a->file_index < b->file_index ? -1 : 1;
	if (a->error->line != b->error->line)
		return a->error->line < b->error->line ? -1 : 1;
	if (a->error->column != b->error->column)
		return a->error->column < b->error->column ? -1 : 1;
	return a->seq < b->seq ? -1 : a->seq > b->seq;
}

static void chain(struct diag_item *items, size_t n, struct holos_error **to)
{
	struct holos_error **end = to;

	/* At the end at once: error_append() would walk the chain each time. */
	while (*end != NULL)
		end = &(*end)->next;
	for (size_t i = 0; i < n; i++) {
		*end = steal_ptr(&items[i].error);
		end = &(*end)->next;
	}
}

int diag_take(struct diag *d, struct holos_error **warnings, struct holos_error **err)
{
	size_t n = d->n_errors < DIAG_SHOWN_MAX ? d->n_errors : DIAG_SHOWN_MAX;
	size_t more = d->n_errors - n + d->dropped;
	struct holos_error *found = NULL;

	if (warnings != NULL && d->n_warnings > 0) {
		qsort(d->warnings, d->n_warnings, sizeof(*d->warnings), by_place);
		chain(d->warnings, d->n_warnings, warnings);
	}
	if (n == 0) {
		diag_finish(d);
		return 0;
	}
	qsort(d->errors, d->n_errors, sizeof(*d->errors), by_place);
	chain(d->errors, n, &found);
	if (more > 0) {
		struct holos_error *last = NULL;

		error_set(&last, ERR_INVALID, "and %zu more", more);
		error_append(&found, last);
	}
	diag_finish(d);
	if (err != NULL)
		*err = found;
	else
		error_destroy(found);
	return -ERR_INVALID;
}
