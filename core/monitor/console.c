/* SPDX-License-Identifier: Apache-2.0
 *
 * console.c - keep console.log from growing for ever.
 *
 * QEMU keeps the file open (for appending), so it is copied and truncated:
 * console.log -> console.log.1 -> .2 ...  What the guest writes between the
 * end of the copy and the truncation, some microseconds, is lost.
 *
 * The size is looked at every 30 s: watching it by inotify would take one of a
 * user's 128 instances for each VM, and wake the monitor at every line.
 */
#include <base/clock.h>
#include <base/fs.h>
#include <monitor/monitor.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOK_EVERY (30 * NS_PER_S)
#define CONSOLE    "console.log"

static void name(char *buf, size_t size, unsigned i)
{
	snprintf(buf, size, CONSOLE ".%u", i);
}

static void rotate(struct monitor *m)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	char from[32], to[32];
	int fd;

	name(from, sizeof(from), m->launch->console_files);
	unlinkat(m->dirfd, from, 0);
	for (unsigned i = m->launch->console_files; i > 1; i--) {
		name(from, sizeof(from), i - 1);
		name(to, sizeof(to), i);
		renameat(m->dirfd, from, m->dirfd, to);
	}
	if (m->launch->console_files > 0 &&
	    fs_copy(m->dirfd, CONSOLE, m->dirfd, CONSOLE ".1", 0600, &err) < 0) {
		fprintf(stderr, "holos-monitor: %s\n", err->message);
		return; /* a full disk, mostly: next time */
	}
	fd = openat(m->dirfd, CONSOLE, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || ftruncate(fd, 0) < 0)
		fprintf(stderr, "holos-monitor: cannot truncate %s, errno %d\n", CONSOLE, errno);
	if (fd >= 0)
		close(fd);
}

static void look(void *data)
{
	struct monitor *m = data;
	struct stat st;

	m->console_timer = NULL;
	if (fstatat(m->dirfd, CONSOLE, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	    (uint64_t)st.st_size > m->launch->console_max && m->launch->console_max != 0)
		rotate(m);
	m->console_timer = loop_add_timer(m->loop, clock_now_ns() + LOOK_EVERY, look, m);
}

void console_watch(struct monitor *m)
{
	if (m->console_timer == NULL)
		look(m); /* at once: the last run may have left a long one */
}

void console_finish(struct monitor *m)
{
	loop_remove_timer(m->console_timer);
	m->console_timer = NULL;
}
