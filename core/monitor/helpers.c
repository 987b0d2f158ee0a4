/* SPDX-License-Identifier: Apache-2.0
 *
 * helpers.c - the programs beside QEMU that a network asked for.
 *
 * They are started one after the other, each waiting until the one before is
 * ready, before QEMU; they stay in the foreground, survive the monitor like
 * QEMU does, and are ended after QEMU.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/fs.h>
#include <base/process.h>
#include <monitor/monitor.h>

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define END_TIME (2 * NS_PER_S) /* from SIGTERM to SIGKILL */

static void start_next(struct monitor *m);

static void clear_wait(struct monitor *m)
{
	appear_destroy(m->helper_appear);
	loop_remove_timer(m->helper_timer);
	m->helper_appear = NULL;
	m->helper_timer = NULL;
}

static void fail(struct monitor *m, const char *name, const char *why)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;

	clear_wait(m);
	error_set(&err, ERR_START, "network helper %s %s", name, why);
	life_failed(m, err);
}

static bool any_alive(const struct monitor *m)
{
	for (size_t i = 0; i < m->n_helpers; i++) {
		if (m->helpers[i].child.pid != 0)
			return true;
	}
	return false;
}

static void on_ended(void *data, int fd, short revents)
{
	struct helper *h = data;
	struct monitor *m = h->m;
	const char *name = m->vm->helpers[h->index].name;
	char how[64];

	(void)fd;
	(void)revents;
	child_reap(&h->child);
	m->vm->helpers[h->index].pid = 0;
	if (h->child.status >= 0)
		process_describe_status(h->child.status, how);
	else
		snprintf(how, sizeof(how), "ended");
	if (m->helpers_stopping) {
		if (any_alive(m))
			return;
		clear_wait(m);
		m->helpers_stopping = false;
		m->n_helpers = 0;
		life_helpers_gone(m);
	} else if (m->phase == PHASE_HELPERS) {
		fail(m, name, how);
	} else {
		record_warning(m, "network helper %s %s", name, how);
		record_details(m);
	}
}

static void on_late(void *data)
{
	struct monitor *m = data;

	m->helper_timer = NULL;
	fail(m, m->launch->helpers[m->n_helpers - 1].name, "was not ready in time");
}

static void on_appear(void *data)
{
	struct monitor *m = data;

	if (!fs_exists(AT_FDCWD, m->launch->helpers[m->n_helpers - 1].ready_path))
		return;
	clear_wait(m);
	start_next(m);
}

/* Something old at the place would make the helper look ready.  A path from a
 * record is removed inside the instance's directory alone (crash rule 3). */
static void remove_stale(struct monitor *m, const char *path)
{
	size_t n = strlen(m->dir);

	if (strncmp(path, m->dir, n) == 0 && path[n] == '/' && strchr(path + n + 1, '/') == NULL)
		unlinkat(m->dirfd, path + n + 1, 0);
}

static int spawn(struct monitor *m, const struct launch_helper *lh, struct helper *h,
		 struct holos_error **err)
{
	struct process_spec spec = { .program = lh->argv[0],
				     .argv = lh->argv,
				     .fds = { -1, STDERR_FILENO, STDERR_FILENO },
				     .n_fds = 3 };
	struct vm_helper *vh = &m->vm->helpers[h->index];
	pid_t pid;
	int r = process_spawn(&spec, &pid, err);

	if (r < 0)
		return r;
	r = child_watch(&h->child, m->loop, pid, -1, on_ended, h, err);
	if (r < 0) { /* our unreaped child: the number is still its own */
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return r;
	}
	vh->pid = pid;
	vh->pid_start = process_start_time(pid);
	return 0;
}

static void start_next(struct monitor *m)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	const struct launch_helper *lh = &m->launch->helpers[m->n_helpers];
	struct helper *h = &m->helpers[m->n_helpers];
	_cleanup_(freep) char *dir = NULL;

	if (m->n_helpers == m->launch->n_helpers) {
		life_helpers_ready(m);
		return;
	}
	*h = (struct helper){ .child = { .pidfd = -1 }, .m = m, .index = m->n_helpers };
	if (lh->ready_path != NULL) {
		dir = xstrndup(lh->ready_path,
			       (size_t)(strrchr(lh->ready_path, '/') - lh->ready_path));
		remove_stale(m, lh->ready_path);
		m->helper_appear = appear_create(m->loop, *dir != '\0' ? dir : "/", on_appear, m);
		m->helper_timer =
			loop_add_timer(m->loop, clock_now_ns() + lh->ready_timeout_ns, on_late, m);
	}
	m->n_helpers++;
	if (spawn(m, lh, h, &err) < 0) {
		clear_wait(m);
		life_failed(m, err);
		return;
	}
	record_details(m); /* its pid, so that it can be found again */
	if (lh->ready_path != NULL)
		on_appear(m);
	else
		start_next(m);
}

static void forget_recorded(struct vm_record *vm)
{
	for (size_t i = 0; i < vm->n_helpers; i++)
		free(vm->helpers[i].name);
	free(vm->helpers);
	vm->helpers = NULL;
	vm->n_helpers = 0;
}

void helpers_start(struct monitor *m)
{
	size_t n = m->launch->n_helpers;

	forget_recorded(m->vm);
	m->n_helpers = 0;
	m->helpers_stopping = false;
	m->vm->helpers = n != 0 ? xcalloc(n, sizeof(*m->vm->helpers)) : NULL;
	m->vm->n_helpers = n;
	for (size_t i = 0; i < n; i++)
		m->vm->helpers[i].name = xstrdup(m->launch->helpers[i].name);
	start_next(m);
}

static void on_stubborn(void *data)
{
	struct monitor *m = data;

	m->helper_timer = NULL;
	for (size_t i = 0; i < m->n_helpers; i++)
		child_signal(&m->helpers[i].child, SIGKILL);
}

void helpers_stop(struct monitor *m)
{
	clear_wait(m);
	if (!any_alive(m)) {
		m->n_helpers = 0;
		life_helpers_gone(m);
		return;
	}
	m->helpers_stopping = true;
	for (size_t i = 0; i < m->n_helpers; i++)
		child_signal(&m->helpers[i].child, SIGTERM);
	m->helper_timer = loop_add_timer(m->loop, clock_now_ns() + END_TIME, on_stubborn, m);
}

/* A pidfd of a recorded helper if that very process lives, else -1. */
static int open_recorded(const struct vm_helper *vh)
{
	int pidfd;

	if (vh->pid == 0 || vh->pid_start == 0)
		return -1;
	pidfd = (int)syscall(SYS_pidfd_open, vh->pid, 0);
	/* The descriptor first, then the look: so both are of one process. */
	if (pidfd >= 0 && process_start_time(vh->pid) != vh->pid_start) {
		close(pidfd);
		return -1;
	}
	return pidfd;
}

void helpers_adopt(struct monitor *m)
{
	for (size_t i = 0; i < m->vm->n_helpers && i < LAUNCH_HELPERS_MAX; i++) {
		struct helper *h = &m->helpers[m->n_helpers++];
		int pidfd = open_recorded(&m->vm->helpers[i]);

		*h = (struct helper){ .child = { .pidfd = -1 }, .m = m, .index = i };
		if (pidfd < 0) {
			if (m->vm->helpers[i].pid != 0)
				record_warning(m, "network helper %s is gone",
					       m->vm->helpers[i].name);
			m->vm->helpers[i].pid = 0;
		} else if (child_watch(&h->child, m->loop, m->vm->helpers[i].pid, pidfd, on_ended,
				       h, NULL) < 0) {
			close(pidfd);
		}
	}
}

void helpers_end_leftovers(struct monitor *m)
{
	for (size_t i = 0; i < m->vm->n_helpers; i++) {
		int pidfd = open_recorded(&m->vm->helpers[i]);
		struct pollfd p = { .fd = pidfd, .events = POLLIN };

		if (pidfd < 0)
			continue;
		(void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
		(void)!poll(&p, 1, (int)(END_TIME / NS_PER_MS)); /* no child: the pidfd tells */
		close(pidfd);
	}
	forget_recorded(m->vm);
}
