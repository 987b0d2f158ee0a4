/* SPDX-License-Identifier: Apache-2.0
 *
 * error.c - see error.h.
 */
#include <base/alloc.h>
#include <base/error.h>

#include <string.h>

int error_setv(struct holos_error **err, int code, int sys_errno, const char *fmt, va_list ap)
{
	struct holos_error *e;

	if (err == NULL)
		return -code;
	e = xnew(struct holos_error);
	e->code = code;
	e->sys_errno = sys_errno;
	e->message = xvasprintf(fmt, ap);
	if (sys_errno != 0) {
		char *with = xasprintf("%s: %s", e->message, strerror(sys_errno));

		free(e->message);
		e->message = with;
	}
	error_destroy(*err);
	*err = e;
	return -code;
}

int error_set(struct holos_error **err, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	error_setv(err, code, 0, fmt, ap);
	va_end(ap);
	return -code;
}

int error_sys(struct holos_error **err, int code, int sys_errno, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	error_setv(err, code, sys_errno, fmt, ap);
	va_end(ap);
	return -code;
}

int error_wrap(struct holos_error **err, const char *fmt, ...)
{
	_cleanup_(freep) char *context = NULL;
	_cleanup_(freep) char *old = NULL;
	va_list ap;

	if (err == NULL || *err == NULL)
		return -ERR_FAILED;
	va_start(ap, fmt);
	context = xvasprintf(fmt, ap);
	va_end(ap);
	old = (*err)->message;
	(*err)->message = xasprintf("%s: %s", context, old);
	return -(*err)->code;
}

void error_hint(struct holos_error **err, const char *fmt, ...)
{
	struct holos_error *e;
	va_list ap;

	if (err == NULL || *err == NULL)
		return;
	for (e = *err; e->next != NULL; e = e->next)
		;
	if (e->hint != NULL)
		return;
	va_start(ap, fmt);
	e->hint = xvasprintf(fmt, ap);
	va_end(ap);
}

void error_at(struct holos_error *err, const char *file, unsigned line, unsigned column)
{
	if (err == NULL)
		return;
	free(err->file);
	err->file = xstrdup_null(file);
	err->line = line;
	err->column = column;
}

void error_append(struct holos_error **chain, struct holos_error *one)
{
	while (*chain != NULL)
		chain = &(*chain)->next;
	*chain = one;
}

void error_cap(struct holos_error *chain)
{
	struct holos_error *rest;
	size_t more = 0;

	for (unsigned i = 1; chain != NULL && i < ERROR_SHOWN_MAX; i++)
		chain = chain->next;
	if (chain == NULL || chain->next == NULL)
		return;
	rest = steal_ptr(&chain->next);
	for (const struct holos_error *e = rest; e != NULL; e = e->next)
		more++;
	error_set(&chain->next, rest->code, "and %zu more", more);
	error_destroy(rest);
}

char *error_format(const struct holos_error *err)
{
	if (err->file == NULL)
		return xstrdup(err->message);
	if (err->line == 0)
		return xasprintf("%s: %s", err->file, err->message);
	return xasprintf("%s:%u:%u: %s", err->file, err->line, err->column, err->message);
}

int error_copy(struct holos_error **to, const struct holos_error *from)
{
	error_set(to, from->code, "%s", from->message);
	if (to == NULL || *to == NULL)
		return -from->code;
	(*to)->sys_errno = from->sys_errno;
	(*to)->hint = xstrdup_null(from->hint);
	error_at(*to, from->file, from->line, from->column);
	return -from->code;
}

int error_move(struct holos_error **to, struct holos_error **from)
{
	int code = *from != NULL ? (*from)->code : ERR_FAILED;

	if (to != NULL) {
		error_destroy(*to);
		*to = steal_ptr(from);
	}
	return -code;
}

void error_destroy(struct holos_error *err)
{
	while (err != NULL) {
		struct holos_error *next = err->next;

		free(err->message);
		free(err->hint);
		free(err->file);
		free(err);
		err = next;
	}
}
