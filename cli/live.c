/* SPDX-License-Identifier: Apache-2.0
 *
 * live.c - progress on a terminal: one line per work that goes on, drawn again as
 * it grows, below the lines of what has happened.
 *
 * The cursor always rests below the last line, so that whatever is printed next,
 * and the shell's prompt after a sudden end, comes after it.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/strbuf.h>
#include <base/units.h>
#include <cli.h>

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define LINES_MAX     16
#define COUNTED_BYTES 100000 /* smaller totals are percents or steps */
#define RATE_AFTER_NS (500 * NS_PER_MS)

struct live_line {
	char *subject, *text;
	uint64_t done, total;
	uint64_t first_done, first_ns; /* of this text: for the rate */
	uint64_t elapsed_ns;
};

static struct live_line lines[LINES_MAX];
static unsigned n_lines, n_drawn;

static unsigned columns(void)
{
	struct winsize w = { 0 };

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 20 ? w.ws_col : 80;
}

static void erase(void)
{
	if (n_drawn != 0)
		fprintf(stderr, "\033[%uA\033[J", n_drawn);
	n_drawn = 0;
}

/* "  123 MiB of 500 MiB, 24%, 12.3 MiB/s" */
static void add_figures(struct strbuf *b, const struct live_line *l)
{
	uint64_t ns = clock_now_ns() - l->first_ns;
	char size[32];

	if (l->total != 0 && l->total < COUNTED_BYTES) {
		strbuf_addf(b, "  %u%%", (unsigned)(l->done * 100 / l->total));
		return;
	}
	if (l->done == 0)
		return;
	strbuf_addf(b, "  %s", units_format_size(l->done, size));
	if (l->total != 0)
		strbuf_addf(b, " of %s, %u%%", units_format_size(l->total, size),
			    (unsigned)(l->done * 100 / l->total));
	if (l->done > l->first_done && ns >= RATE_AFTER_NS)
		strbuf_addf(b, ", %s/s",
			    units_format_size((uint64_t)((double)(l->done - l->first_done) * 1e9 /
							 (double)ns),
					      size));
}

static void draw(void)
{
	unsigned width = columns();

	erase();
	for (unsigned i = 0; i < n_lines; i++) {
		_cleanup_(strbuf_finish) struct strbuf b = STRBUF_INIT;
		char time[32];

		strbuf_addf(&b, "%s: %s", lines[i].subject, lines[i].text);
		add_figures(&b, &lines[i]);
		if (lines[i].elapsed_ns >= NS_PER_S)
			strbuf_addf(&b, "  (%s)", units_format_duration(lines[i].elapsed_ns, time));
		/* A line that wraps could not be erased; bytes are at least columns. */
		fprintf(stderr, "%.*s\n", (int)width - 1, b.s);
		n_drawn++;
	}
	fflush(stderr);
}

static void drop(const char *subject)
{
	for (unsigned i = 0; i < n_lines; i++) {
		if (strcmp(lines[i].subject, subject) != 0)
			continue;
		free(lines[i].subject);
		free(lines[i].text);
		lines[i] = lines[--n_lines];
		return;
	}
}

static struct live_line *line_of(const char *subject)
{
	for (unsigned i = 0; i < n_lines; i++) {
		if (strcmp(lines[i].subject, subject) == 0)
			return &lines[i];
	}
	if (n_lines == LINES_MAX)
		return NULL;
	lines[n_lines] = (struct live_line){ .subject = xstrdup(subject), .text = xstrdup("") };
	return &lines[n_lines++];
}

static void update(const struct engine_event *ev)
{
	_cleanup_(freep) char *subject = printable(ev->subject != NULL ? ev->subject : "");
	_cleanup_(freep) char *text = printable(ev->text != NULL ? ev->text : "");
	struct live_line *l = line_of(subject);

	if (l == NULL)
		return;
	if (strcmp(l->text, text) != 0) {
		free(l->text);
		l->text = steal_ptr(&text);
		l->first_done = ev->done;
		l->first_ns = clock_now_ns();
	}
	l->done = ev->done;
	l->total = ev->total;
	l->elapsed_ns = ev->elapsed_ns;
}

void live_show(void *data, const struct engine_event *ev)
{
	if (ev->kind == ENGINE_PROGRESS) {
		update(ev);
	} else {
		erase();
		if (ev->subject != NULL) {
			_cleanup_(freep) char *subject = printable(ev->subject);

			drop(subject);
		}
		plain_show(data, ev);
	}
	draw();
}

void live_end(void)
{
	erase();
	while (n_lines != 0)
		drop(lines[0].subject);
}
