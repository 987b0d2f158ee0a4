/* SPDX-License-Identifier: Apache-2.0
 *
 * logprint.c - what guests said, for people: in constant memory, harmless on a
 * terminal, each line with its VM and its time where that is asked for.
 */
#include <base/alloc.h>
#include <base/cleanup.h>
#include <base/clock.h>
#include <cli.h>
#include <logs.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK      65536
#define LINE_BYTES 16384        /* a longer one is cut in several */
#define START_MARK "--- start " /* of qemu.log */

/* Colours and cursor keys stay out of the reader's terminal: everything but
 * text, newline and tab becomes visible. */
static void put(const struct logs *l, const char *data, size_t n)
{
	if (!l->tty) {
		fwrite(data, 1, n, stdout);
		return;
	}
	for (size_t i = 0; i < n;) {
		size_t len = printable_char(data + i, n - i);
		char c = data[i];

		if (len != 0)
			fwrite(data + i, 1, len, stdout);
		else if (c == '\n' || c == '\t')
			putchar(c);
		else if (c == 0x1b)
			fputs("^[", stdout);
		else if (c != '\r')
			putchar('?');
		i += len != 0 ? len : 1;
	}
}

off_t log_tail(int fd, off_t size, uint64_t n)
{
	_cleanup_(freep) char *buf = xmalloc(BLOCK);
	off_t at = size;
	uint64_t seen = 0;

	if (n == 0)
		return size;
	while (at > 0) {
		size_t want = at > BLOCK ? BLOCK : (size_t)at;
		ssize_t got = pread(fd, buf, want, at - (off_t)want);

		if (got <= 0)
			return at;
		for (ssize_t i = got; i-- > 0;) {
			off_t where = at - (off_t)want + i;

			/* The newline at the very end ends the last line. */
			if (buf[i] == '\n' && where != size - 1 && ++seen == n)
				return where + 1;
		}
		at -= (off_t)want;
	}
	return 0;
}

/* ---- one line ------------------------------------------------------------------- */

/* Is anything to be known or said of each line? */
static bool by_lines(const struct logs *l)
{
	bool own_times = strcmp(l->file, "console.log") != 0;

	return l->prefix || l->times || (own_times && (l->since != 0 || l->until != 0));
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return clock_ns(&t);
}

/* The time that a line of provision.log or qemu.log begins with; else that of the
 * line before. */
static int64_t own_time(const struct log_file *f)
{
	const char *s = f->line.s;
	char text[40];
	struct timespec t;
	size_t n;

	if (strncmp(s, START_MARK, strlen(START_MARK)) == 0)
		s += strlen(START_MARK);
	n = strcspn(s, " \t");
	if (n < 20 || n >= sizeof(text))
		return f->said;
	memcpy(text, s, n);
	text[n] = '\0';
	if (clock_parse_rfc3339(text, &t) < 0)
		return f->said;
	return clock_ns(&t);
}

static int64_t line_time(const struct logs *l, const struct log_file *f, off_t at)
{
	int64_t known;

	if (strcmp(l->file, "console.log") != 0)
		return own_time(f);
	if (f->live)
		return now_ns();
	known = console_time_of(f->notes, f->n_notes, (uint64_t)at);
	return known != 0 ? known : f->written;
}

static void put_prefix(struct logs *l, const struct log_file *f)
{
	static const char *const colours[] = { "36", "33", "32", "35", "34", "31" };

	if (l->colour)
		printf("\033[%sm%-*s |\033[0m ", colours[f->number % 6], l->width, f->name);
	else
		printf("%-*s | ", l->width, f->name);
}

static void put_time(int64_t ns)
{
	struct timespec t = { .tv_sec = ns / (int64_t)NS_PER_S, .tv_nsec = 0 };
	char text[40];

	if (ns == 0) {
		fputs("-                    ", stdout);
		return;
	}
	clock_rfc3339(&t, text);
	printf("%.19sZ ", text);
}

/* f->line, which has no newline. */
static void put_line(struct logs *l, struct log_file *f, off_t at)
{
	if (f->line.s == NULL)
		strbuf_adds(&f->line, "");
	f->said = line_time(l, f, at);
	if (f->said != 0 && strcmp(l->file, "console.log") != 0 &&
	    ((l->since != 0 && f->said < l->since) || (l->until != 0 && f->said > l->until))) {
		strbuf_clear(&f->line);
		return;
	}
	if (l->prefix)
		put_prefix(l, f);
	if (l->times)
		put_time(f->said);
	put(l, f->line.s, f->line.len);
	putchar('\n');
	strbuf_clear(&f->line);
}

static void add_lines(struct logs *l, struct log_file *f, const char *data, size_t n, off_t at)
{
	while (n > 0) {
		size_t room = LINE_BYTES - f->line.len;
		size_t take = n < room ? n : room;
		const char *end = memchr(data, '\n', take);

		if (end != NULL)
			take = (size_t)(end - data);
		strbuf_add(&f->line, data, take);
		if (end != NULL || f->line.len == LINE_BYTES)
			put_line(l, f, at);
		take += end != NULL;
		data += take;
		n -= take;
		at += (off_t)take;
	}
}

void log_print(struct logs *l, struct log_file *f, int fd, off_t *at, off_t end)
{
	_cleanup_(freep) char *buf = xmalloc(BLOCK);
	ssize_t n;

	for (;;) {
		size_t want = end >= 0 && end - *at < BLOCK ? (size_t)(end - *at) : BLOCK;

		if (end >= 0 && *at >= end)
			return;
		n = pread(fd, buf, want, *at);
		if (n <= 0 || ferror(stdout))
			return;
		if (by_lines(l))
			add_lines(l, f, buf, (size_t)n, *at);
		else
			put(l, buf, (size_t)n);
		*at += n;
	}
}

void log_print_rest(struct logs *l, struct log_file *f)
{
	if (f->line.len != 0)
		put_line(l, f, f->at);
}

/* ---- the file --------------------------------------------------------------------- */

bool log_open(const struct logs *l, struct log_file *f)
{
	_cleanup_(closep) int dir =
		state_open_dir(l->state, false, "instances/%s/%s", l->project, f->name);
	struct stat st;

	f->fd = dir >= 0 ? openat(dir, l->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW)
			 : -1;
	if (f->fd >= 0 && (fstat(f->fd, &st) < 0 || !S_ISREG(st.st_mode))) {
		closep(&f->fd); /* a device or the like may have no end */
		f->fd = -1;
		errno = ENOTSUP;
	}
	if (f->fd >= 0)
		f->written = clock_ns(&st.st_mtim);
	if (f->fd >= 0 && f->notes == NULL && (l->times || l->since != 0 || l->until != 0))
		console_times_read(dir, &f->notes, &f->n_notes);
	return f->fd >= 0;
}

void log_file_finish(struct log_file *f)
{
	closep(&f->fd);
	strbuf_finish(&f->line);
	free(f->notes);
	free(f->name);
}

bool logs_wanted(const struct logs *l, const char *instance)
{
	char service[64];
	unsigned index;

	if (!state_split_instance(instance, service, &index))
		return false;
	return l->what == NULL || strcmp(service, l->what) == 0 ||
	       (!l->is_service && strcmp(instance, l->what) == 0);
}
