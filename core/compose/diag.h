/* SPDX-License-Identifier: Apache-2.0
 *
 * diag.h - everything that is wrong in a set of files, told at once.
 *
 * Mistakes and warnings are collected with their place and become a chain of
 * errors, sorted by place, at the end.
 */
#ifndef COMPOSE_DIAG_H
#define COMPOSE_DIAG_H

#include <compose/tree.h>

#define DIAG_SHOWN_MAX ERROR_SHOWN_MAX
#define DIAG_KEPT_MAX  1000 /* of a hopeless file: the rest is only counted */

/* Where in the model: "services.web.ports[0]".  A chain on the stack. */
struct path {
	const struct path *up;
	const char *key; /* NULL: an index */
	size_t index;
};

struct diag_item;

struct diag {
	struct arena *arena; /* for the texts of values in messages */
	struct diag_item *errors, *warnings;
	size_t n_errors, cap_errors, n_warnings, cap_warnings;
	size_t dropped; /* errors beyond what is kept */
};

void diag_init(struct diag *d, struct arena *a);
void diag_finish(struct diag *d);
/* More errors would only be counted: there is no need to look for reasons. */
static inline bool diag_is_full(const struct diag *d)
{
	return d->n_errors >= DIAG_KEPT_MAX;
}

/* "PATH: text" at a node; path may be NULL (no path in the message), at may be
 * NULL (no place).  Always returns -1. */
int diag_error(struct diag *d, const struct node *at, const struct path *path, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* The same at a mark of the model, with the path written out in fmt. */
int diag_error_mark(struct diag *d, const struct mark *at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* An error that was made elsewhere, at a mark: taken over, its code is kept. */
void diag_add(struct diag *d, const struct mark *at, struct holos_error *one);
/* The same for each of a chain. */
void diag_add_all(struct diag *d, const struct mark *at, struct holos_error *chain);
/* Give the last error a hint. */
void diag_hint(struct diag *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void diag_warn(struct diag *d, const struct node *at, const struct path *path, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void diag_warn_hint(struct diag *d, const char *hint);
void diag_warn_mark(struct diag *d, const struct mark *at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Move what was found into chains: 0 when there was no error (*err untouched),
 * else -ERR_INVALID.  warnings may be NULL. */
int diag_take(struct diag *d, struct holos_error **warnings, struct holos_error **err);

/* The path as text, in the arena. */
const char *path_text(struct arena *a, const struct path *p);

#endif
