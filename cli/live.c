/* SPDX-License-Identifier: Apache-2.0
 *
 * live.c - progress on a terminal: a line for each work that goes on, with its
 * seconds, drawn again each second and at each change, below the lines of what is
 * done.
 *
 * The cursor always rests below the last line and nothing of the terminal is
 * changed, so that whatever is printed next, and the shell's prompt after a sudden
 * end, comes after it.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/fs.h>
#include <base/strbuf.h>
#include <base/units.h>
#include <cli.h>
#include <width.h>

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define COUNTED_BYTES 100000 /* smaller totals are percents or steps */
#define RATE_AFTER_NS (500 * NS_PER_MS)
#define TICK_NS       NS_PER_S

struct live_line {
	char *subject, *text;
	uint64_t began_ns;             /* of the work */
	uint64_t done, total;          /* of a download or the like */
	uint64_t first_done, first_ns; /* of this text: for the rate */
};

static struct live_line *lines;
static size_t n_lines, cap_lines;
static size_t n_done; /* that had lines */
static size_t *drawn; /* widths of what is on the screen */
static size_t n_drawn, cap_drawn;
static uint64_t began_ns; /* of it all */
static struct loop *loop;
static struct loop_timer *timer;

/* ---- the screen ----------------------------------------------------------------------- */

static void size(size_t *columns, size_t *rows)
{
	struct winsize w = { 0 };
	bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0;

	*columns = known && w.ws_col >= 10 ? w.ws_col : 80;
	*rows = known && w.ws_row >= 4 ? w.ws_row : 24;
}

/* Where the lines begin: a terminal that was made narrower has broken them in
 * several. */
static void add_erase(struct strbuf *b, size_t columns)
{
	size_t rows = 0;

	for (size_t i = 0; i < n_drawn; i++)
		rows += drawn[i] > columns ? (drawn[i] + columns - 1) / columns : 1;
	if (rows != 0)
		strbuf_addf(b, "\r\033[%zuA\033[J", rows);
	n_drawn = 0;
}

static void flush(struct strbuf *b)
{
	if (b->len != 0)
		(void)fs_write_all(STDERR_FILENO, b->s, b->len);
	strbuf_clear(b);
}

/* One column is left free: a full line would take two in some terminals. */
static void add_line(struct strbuf *b, const char *text, size_t columns)
{
	size_t n = text_cut(text, columns - 1);

	if (text[n] != '\0') {
		n = text_cut(text, columns - 4);
		strbuf_addf(b, "%.*s...\n", (int)n, text);
	} else {
		strbuf_addf(b, "%s\n", text);
	}
	*ARRAY_PUSH(drawn, n_drawn, cap_drawn) = text[n] != '\0' ? columns - 1 : text_width(text);
}

/* ---- the lines ------------------------------------------------------------------------ */

/* "  123 MiB of 500 MiB, 24%, 12.3 MiB/s" */
static void add_figures(struct strbuf *b, const struct live_line *l)
{
	uint64_t ns = clock_now_ns() - l->first_ns;
	char text[32];

	if (l->total != 0 && l->total < COUNTED_BYTES) {
		strbuf_addf(b, "  %u%%", (unsigned)(l->done * 100 / l->total));
		return;
	}
	if (l->done == 0)
		return;
	strbuf_addf(b, "  %s", units_format_size(l->done, text));
	if (l->total != 0)
		strbuf_addf(b, " of %s, %u%%", units_format_size(l->total, text),
			    (unsigned)(l->done * 100 / l->total));
	if (l->done > l->first_done && ns >= RATE_AFTER_NS)
		strbuf_addf(b, ", %s/s",
			    units_format_size((uint64_t)((double)(l->done - l->first_done) * 1e9 /
							 (double)ns),
					      text));
}

static void add_seconds(struct strbuf *b, uint64_t since_ns, const char *before, const char *after)
{
	uint64_t ns = clock_now_ns() - since_ns;
	_cleanup_(freep) char *text = cli_seconds_text(ns / NS_PER_S);

	if (ns >= NS_PER_S)
		strbuf_addf(b, "%s%s%s", before, text, after);
}

static void add_lines(struct strbuf *b, size_t columns, size_t rows)
{
	_cleanup_(strbuf_finish) struct strbuf line = STRBUF_INIT;
	size_t room = rows - 2; /* and one for all, one for the cursor */
	size_t shown = n_lines > room ? room - 1 : n_lines;

	for (size_t i = 0; i < shown; i++) {
		strbuf_clear(&line);
		strbuf_addf(&line, "%s: %s", lines[i].subject, lines[i].text);
		add_figures(&line, &lines[i]);
		add_seconds(&line, lines[i].began_ns, "  (", ")");
		add_line(b, line.s, columns);
	}
	strbuf_clear(&line);
	if (shown < n_lines) {
		strbuf_addf(&line, "... and %zu more", n_lines - shown);
		add_line(b, line.s, columns);
	}
	if (n_lines + n_done > 1 && n_lines != 0) {
		strbuf_clear(&line);
		strbuf_addf(&line, "[+] %zu of %zu done", n_done, n_done + n_lines);
		add_seconds(&line, began_ns, ", ", "");
		add_line(b, line.s, columns);
	}
}

static void draw(struct strbuf *b)
{
	size_t columns, rows;

	size(&columns, &rows);
	add_erase(b, columns);
	add_lines(b, columns, rows);
	flush(b);
}

static void on_tick(void *data)
{
	timer = NULL;
	(void)data;
	live_draw();
}

/* Seconds are counted while there is something to count them for. */
static void keep_ticking(void)
{
	if (n_lines == 0 && timer != NULL) {
		loop_remove_timer(timer);
		timer = NULL;
	} else if (n_lines != 0 && timer == NULL && loop != NULL) {
		timer = loop_add_timer(loop, clock_now_ns() + TICK_NS, on_tick, NULL);
	}
}

void live_draw(void)
{
	_cleanup_(strbuf_finish) struct strbuf b = STRBUF_INIT;

	if (n_lines != 0 || n_drawn != 0)
		draw(&b);
	keep_ticking();
}

void live_begin(struct loop *l)
{
	loop = l;
	timer = NULL; /* one of an engine before went with its loop */
	began_ns = clock_now_ns();
}

/* ---- events --------------------------------------------------------------------------- */

static bool drop(const char *subject)
{
	for (size_t i = 0; i < n_lines; i++) {
		if (strcmp(lines[i].subject, subject) != 0)
			continue;
		free(lines[i].subject);
		free(lines[i].text);
		memmove(&lines[i], &lines[i + 1], (n_lines - i - 1) * sizeof(*lines));
		n_lines--;
		return true;
	}
	return false;
}

static struct live_line *line_of(const char *subject)
{
	for (size_t i = 0; i < n_lines; i++) {
		if (strcmp(lines[i].subject, subject) == 0)
			return &lines[i];
	}
	*ARRAY_PUSH(lines, n_lines, cap_lines) =
		(struct live_line){ .subject = xstrdup(subject), .text = xstrdup("") };
	return &lines[n_lines - 1];
}

static void update(const struct engine_event *ev, const char *text)
{
	_cleanup_(freep) char *subject = printable(ev->subject != NULL ? ev->subject : "");
	struct live_line *l = line_of(subject);

	if (strcmp(l->text, text) != 0) {
		free(l->text);
		l->text = xstrdup(text);
		l->first_done = ev->done;
		l->first_ns = clock_now_ns();
	}
	l->done = ev->done;
	l->total = ev->total;
	l->began_ns = clock_now_ns() - ev->elapsed_ns;
}

/* Is more to come: "starting", "stopping"; or "running" with what is waited for? */
static bool goes_on(const struct engine_event *ev)
{
	size_t n = ev->phase != NULL ? strlen(ev->phase) : 0;

	if (ev->kind != ENGINE_PHASE || n < 3 || strcmp(ev->phase + n - 3, "ing") != 0)
		return false;
	if (strcmp(ev->phase, "running") == 0 || strcmp(ev->phase, "already running") == 0)
		return ev->text != NULL;
	return true;
}

void live_show(void *data, const struct engine_event *ev)
{
	_cleanup_(strbuf_finish) struct strbuf b = STRBUF_INIT;
	_cleanup_(freep) char *text = printable(ev->text != NULL ? ev->text : "");
	size_t columns, rows;

	if (ev->kind == ENGINE_PROGRESS) {
		update(ev, text);
	} else if (goes_on(ev)) {
		_cleanup_(freep) char *both =
			xasprintf("%s%s%s", ev->phase, *text != '\0' ? ": " : "", text);

		update(ev, both);
	} else {
		size(&columns, &rows);
		add_erase(&b, columns);
		flush(&b);
		if (ev->subject != NULL) {
			_cleanup_(freep) char *subject = printable(ev->subject);

			n_done += drop(subject);
		}
		plain_show(data, ev);
	}
	live_draw();
}

void live_end(void)
{
	_cleanup_(strbuf_finish) struct strbuf b = STRBUF_INIT;
	size_t columns, rows;

	size(&columns, &rows);
	add_erase(&b, columns);
	flush(&b);
	while (n_lines != 0)
		drop(lines[0].subject);
	free(lines);
	free(drawn);
	lines = NULL;
	drawn = NULL;
	cap_lines = cap_drawn = n_drawn = 0;
	loop = NULL; /* and the timer went with it */
	timer = NULL;
}
