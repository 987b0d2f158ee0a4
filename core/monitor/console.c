/* SPDX-License-Identifier: Apache-2.0
 *
 * console.c - keep console.log from growing for ever.
 *
 * QEMU keeps the file open (for appending), so it is copied and truncated:
 * console.log -> console.log.1 -> .2 ...  What the guest writes during the copy
 * is copied as well; what it writes between the last read, which found the end,
 * and the truncation behind it, some microseconds, is lost.
 *
 * The size is looked at every 30 s: watching it by inotify would take one of a
 * user's 128 instances for each VM, and wake the monitor at every line.
 */
#include <base/clock.h>
#include <base/fs.h>
#include <monitor/monitor.h>
#include <state/consoletimes.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOK_EVERY (30 * NS_PER_S)
#define CONSOLE    "console.log"
#define COPY       "console.log.new"
#define REST_MAX   (64 << 20) /* bytes: no guest writes faster than this copies */

static void name(char *buf, size_t size, unsigned i)
{
	snprintf(buf, size, CONSOLE ".%u", i);
}

/* Copy what came to fd since `to` was copied from it.  0 or -errno. */
static int copy_rest(int fd, int to)
{
	off_t at = lseek(to, 0, SEEK_END), end = at + REST_MAX;
	char buf[16384];
	ssize_t n = 0;

	while (at < end && (n = pread(fd, buf, sizeof(buf), at)) > 0) {
		ssize_t w = pwrite(to, buf, (size_t)n, at);

		if (w <= 0)
			return w < 0 ? -errno : -ENOSPC;
		at += w;
	}
	return n < 0 ? -errno : 0;
}

/* .1 becomes .2 and so on; what is more than is kept goes. */
static void shift(const struct monitor *m)
{
	unsigned keep = m->launch->console_files;
	char from[32], to[32];

	name(from, sizeof(from), keep);
	unlinkat(m->dirfd, from, 0);
	for (unsigned i = keep; i > 1; i--) {
		name(from, sizeof(from), i - 1);
		name(to, sizeof(to), i);
		renameat(m->dirfd, from, m->dirfd, to);
	}
	do {
		name(from, sizeof(from), ++keep);
	} while (unlinkat(m->dirfd, from, 0) == 0);
}

/* Copied before anything is moved: on a full disk all stays as it is. */
static int rotate(struct monitor *m, struct holos_error **err)
{
	_cleanup_(closep) int fd = openat(m->dirfd, CONSOLE, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	_cleanup_(closep) int copy = -1;
	bool keep = m->launch->console_files > 0;
	int r = 0;

	unlinkat(m->dirfd, COPY, 0);
	if (keep)
		r = fs_copy(m->dirfd, CONSOLE, m->dirfd, COPY, 0600, err);
	if (r < 0)
		return r;
	if (keep)
		copy = openat(m->dirfd, COPY, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || (keep && copy < 0))
		return error_sys(err, ERR_FAILED, errno, "cannot open %s", CONSOLE);
	shift(m);
	if (keep && renameat(m->dirfd, COPY, m->dirfd, CONSOLE ".1") < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot keep %s", CONSOLE);
	r = keep ? copy_rest(fd, copy) : 0;
	if (r < 0)
		return error_sys(err, ERR_FAILED, -r, "cannot copy the end of %s", CONSOLE);
	if (ftruncate(fd, 0) < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot truncate %s", CONSOLE);
	return 0;
}

/* For who asks since when a guest says something. */
static void note_size(const struct monitor *m)
{
	struct stat st;

	if (fstatat(m->dirfd, CONSOLE, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
		console_times_add(m->dirfd, (uint64_t)st.st_size);
}

static void look(void *data)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct monitor *m = data;
	struct stat st;

	m->console_timer = NULL;
	if (fstatat(m->dirfd, CONSOLE, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	    (uint64_t)st.st_size > m->launch->console_max && m->launch->console_max != 0 &&
	    rotate(m, &err) < 0)
		fprintf(stderr, "holos-monitor: %s\n", err->message); /* next time */
	note_size(m);
	m->console_timer = loop_add_timer(m->loop, clock_now_ns() + LOOK_EVERY, look, m);
}

void console_watch(struct monitor *m)
{
	if (m->console_timer == NULL)
		look(m); /* at once: the last run may have left a long one */
}

void console_finish(struct monitor *m)
{
	if (m->console_timer != NULL)
		note_size(m); /* QEMU has ended: the last words */
	loop_remove_timer(m->console_timer);
	m->console_timer = NULL;
}
