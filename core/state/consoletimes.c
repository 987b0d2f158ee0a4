/* SPDX-License-Identifier: Apache-2.0
 *
 * consoletimes.c - see consoletimes.h.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/cleanup.h>
#include <base/fs.h>
#include <state/consoletimes.h>

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_NAME "console.times"
#define NOTES_MAX 4096 /* then every other one goes */

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return clock_ns(&t);
}

/* Keep every other note, and the last. */
static size_t thin(struct console_time *t, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (i % 2 == 1 || i == n - 1)
			t[kept++] = t[i];
	}
	return kept;
}

void console_times_add(int dirfd, uint64_t size)
{
	struct console_time *t, note = { .size = size, .ns = now_ns() };
	_cleanup_(closep) int fd = -1;
	size_t n;

	console_times_read(dirfd, &t, &n);
	if (n != 0 && t[n - 1].size == size) {
		free(t);
		return;
	}
	if (n != 0 && t[n - 1].size > size)
		n = 0;
	if (n == 0 || n >= NOTES_MAX) {
		n = thin(t, n);
		t = xrealloc(t, n + 1, sizeof(*t));
		t[n++] = note;
		(void)fs_write_replace(dirfd, FILE_NAME, t, n * sizeof(*t), 0600, NULL);
	} else {
		fd = fs_open_log(dirfd, FILE_NAME);
		if (fd >= 0)
			(void)fs_write_all(fd, &note, sizeof(note));
	}
	free(t);
}

void console_times_read(int dirfd, struct console_time **ret, size_t *n)
{
	_cleanup_(closep) int fd =
		openat(dirfd, FILE_NAME, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	struct console_time *t;
	struct stat st;
	ssize_t got;

	*ret = NULL;
	*n = 0;
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size <= 0)
		return;
	t = xcalloc(NOTES_MAX + 1, sizeof(*t));
	got = read(fd, t, NOTES_MAX * sizeof(*t)); /* a torn last one does not count */
	*n = got > 0 ? (size_t)got / sizeof(*t) : 0;
	for (size_t i = 1; i < *n; i++) {
		if (t[i].size < t[i - 1].size)
			*n = i; /* not ours */
	}
	*ret = t;
}

int64_t console_time_of(const struct console_time *t, size_t n, uint64_t offset)
{
	size_t low = 0, high = n;

	while (low < high) { /* the first note with more bytes */
		size_t mid = low + (high - low) / 2;

		if (t[mid].size > offset)
			high = mid;
		else
			low = mid + 1;
	}
	return low < n ? t[low].ns : 0;
}

void console_times_range(const struct console_time *t, size_t n, int64_t since, int64_t until,
			 uint64_t *ret_begin, uint64_t *ret_end)
{
	uint64_t begin = 0, end = UINT64_MAX;

	for (size_t i = 0; i < n; i++) {
		if (since != 0 && t[i].ns <= since)
			begin = t[i].size;
		if (until != 0 && t[i].ns >= until && end == UINT64_MAX)
			end = t[i].size;
	}
	*ret_begin = begin;
	*ret_end = end;
}
