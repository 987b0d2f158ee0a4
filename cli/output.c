/* SPDX-License-Identifier: Apache-2.0
 *
 * output.c - messages, tables, JSON.
 */
#include <base/alloc.h>
#include <base/jsonx.h>
#include <base/strbuf.h>
#include <cli.h>
#include <width.h>

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

void print_error(const struct holos_error *err)
{
	for (; err != NULL; err = err->next) {
		_cleanup_(freep) char *raw = error_format(err);
		_cleanup_(freep) char *text = printable(raw);

		fprintf(stderr, "holos: %s\n", text);
		if (err->hint != NULL) {
			_cleanup_(freep) char *hint = printable(err->hint);

			fprintf(stderr, "  hint: %s\n", hint);
		}
	}
}

void print_warning(const char *fmt, ...)
{
	_cleanup_(freep) char *raw = NULL;
	_cleanup_(freep) char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	raw = xvasprintf(fmt, ap);
	va_end(ap);
	text = printable(raw);
	fprintf(stderr, "warning: %s\n", text);
}

void print_json(struct json_object *obj)
{
	_cleanup_(freep) char *text = jsonx_pretty(obj);

	puts(text);
	json_object_put(obj);
}

struct table {
	char *indent;
	size_t columns;
	struct strv cells;
};

struct table *table_create(const char *indent, const char *const *header)
{
	struct table *t = xnew(struct table);

	t->indent = xstrdup(indent);
	for (; *header != NULL; header++, t->columns++)
		strv_add(&t->cells, *header);
	return t;
}

void table_row(struct table *t, ...)
{
	va_list ap;

	va_start(ap, t);
	for (size_t i = 0; i < t->columns; i++) {
		const char *cell = va_arg(ap, const char *);

		strv_take(&t->cells, printable(cell != NULL && *cell != '\0' ? cell : "-"));
	}
	va_end(ap);
}

/* The line, or what of it goes into `most` columns. */
static void put_line(const char *line, size_t most, FILE *to)
{
	if (text_width(line) <= most)
		fprintf(to, "%s\n", line);
	else
		fprintf(to, "%.*s...\n", (int)text_cut(line, most - 3), line);
}

void table_print(struct table *t, FILE *to)
{
	table_print_fitting(t, to, false);
}

void table_print_fitting(struct table *t, FILE *to, bool fit)
{
	struct winsize size;
	size_t most = SIZE_MAX;
	_cleanup_(strbuf_finish) struct strbuf line = STRBUF_INIT;
	_cleanup_(freep) size_t *widths = xcalloc(t->columns, sizeof(*widths));

	if (fit && isatty(fileno(to)) && ioctl(fileno(to), TIOCGWINSZ, &size) == 0 &&
	    size.ws_col >= 20)
		most = size.ws_col;
	for (size_t i = 0; i < t->cells.n; i++) {
		size_t w = text_width(t->cells.v[i]);

		if (w > widths[i % t->columns])
			widths[i % t->columns] = w;
	}
	for (size_t i = 0; i < t->cells.n; i++) {
		size_t column = i % t->columns;
		bool last = column == t->columns - 1;

		strbuf_addf(&line, "%s%s%*s", column == 0 ? t->indent : "", t->cells.v[i],
			    last ? 0 : (int)(widths[column] + 2 - text_width(t->cells.v[i])), "");
		if (last) {
			put_line(line.s, most, to);
			strbuf_clear(&line);
		}
	}
	table_destroy(t);
}

void table_destroy(struct table *t)
{
	strv_finish(&t->cells);
	free(t->indent);
	free(t);
}
