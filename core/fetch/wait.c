/* SPDX-License-Identifier: Apache-2.0
 *
 * wait.c - the wait for somebody else who downloads the same: see fetch.h.
 *
 * Waiting for a lock cannot be polled together with anything else, so a child of
 * this process does it.  The lock belongs to the open file description, which
 * both share: what the child takes is ours.  Growth comes from inotify(7).
 */
#include <base/clock.h>
#include <base/process.h>
#include <fetch/fetch.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static _Noreturn void take_lock(int lock_fd)
{
	struct flock lk = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };

	while (fcntl(lock_fd, F_OFD_SETLKW, &lk) < 0) {
		if (errno != EINTR)
			_exit(1);
	}
	_exit(0);
}

static void report(int dir, const char *part, const struct fetch_limits *limits)
{
	struct stat st;

	if (limits->progress != NULL && fstatat(dir, part, &st, AT_SYMLINK_NOFOLLOW) == 0)
		limits->progress(limits->data, "another holos downloads it", (uint64_t)st.st_size,
				 0);
}

/* Until the child has ended.  HOLOS_E_CANCELLED, HOLOS_E_TIMEOUT. */
static holos_status watch(int pidfd, int dir, const char *part, const struct fetch_limits *limits)
{
	char path[64], events[4096];
	_cleanup_(closep) int notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	/* Without it there is a wait without figures. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", dir);
	if (notify >= 0)
		(void)inotify_add_watch(notify, path, IN_MODIFY | IN_ONLYDIR);
	report(dir, part, limits);
	for (;;) {
		struct pollfd p[3] = { { .fd = pidfd, .events = POLLIN },
				       { .fd = limits->cancel_fd, .events = POLLIN },
				       { .fd = notify, .events = POLLIN } };
		int r = poll(p, 3, clock_poll_timeout(limits->deadline_ns));

		if (r < 0 && errno != EINTR)
			return HOLOS_E_IO;
		if (r == 0)
			return HOLOS_E_TIMEOUT;
		if (r < 0)
			continue;
		if (p[1].revents != 0)
			return HOLOS_E_CANCELLED;
		if (p[0].revents != 0)
			return HOLOS_OK;
		if (p[2].revents != 0 && read(notify, events, sizeof(events)) > 0)
			report(dir, part, limits);
	}
}

holos_status fetch_wait(int lock_fd, int dir, const char *part, const struct fetch_limits *limits,
			struct holos_error **err)
{
	_cleanup_(closep) int pidfd = -1;
	pid_t pid = process_fork(&lock_fd, 1);
	holos_status st;
	int status = 1;

	if (pid == 0)
		take_lock(lock_fd);
	if (pid > 0)
		pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pid < 0)
		return fetch_fail(err, HOLOS_E_IO, errno, "cannot wait for the other download");
	st = pidfd >= 0 ? watch(pidfd, dir, part, limits) : HOLOS_E_IO;
	if (st != HOLOS_OK)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (st == HOLOS_OK && status != 0)
		st = HOLOS_E_IO;
	if (st == HOLOS_E_CANCELLED)
		return fetch_fail(err, st, 0, "waiting for the other download was interrupted");
	if (st != HOLOS_OK)
		return fetch_fail(err, st, 0, "cannot wait for the other download");
	return HOLOS_OK;
}
