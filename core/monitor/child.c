/* SPDX-License-Identifier: Apache-2.0
 *
 * child.c - processes under supervision, held by pidfd: no signal of ours can
 * reach another process that got the same number.
 */
#include <monitor/monitor.h>

#include <base/fs.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int child_watch(struct child *c, struct loop *l, pid_t pid, int pidfd, loop_fd_fn *ended,
		void *data, struct holos_error **err)
{
	if (pidfd < 0)
		pidfd = (int)syscall(SYS_pidfd_open, pid, 0); /* close-on-exec by itself */
	if (pidfd < 0)
		return error_sys(err, ERR_HOST, errno, "cannot watch process %ld", (long)pid);
	c->pid = pid;
	c->pidfd = pidfd;
	c->status = -1;
	c->watch = loop_add_fd(l, pidfd, POLLIN, ended, data);
	return 0;
}

void child_reap(struct child *c)
{
	int status;

	if (waitpid(c->pid, &status, WNOHANG) == c->pid)
		c->status = status;
	child_forget(c);
}

void child_signal(const struct child *c, int sig)
{
	if (c->pidfd >= 0) /* fails only when it is gone, which is what was wanted */
		(void)syscall(SYS_pidfd_send_signal, c->pidfd, sig, NULL, 0);
}

void child_forget(struct child *c)
{
	loop_remove_fd(c->watch);
	c->watch = NULL;
	closep(&c->pidfd);
	c->pidfd = -1;
	c->pid = 0;
}

static bool is_known(const struct monitor *m, pid_t pid)
{
	if (pid == m->qemu.child.pid || pid == health_worker_pid(m) ||
	    pid == networks_worker_pid(m))
		return true;
	for (size_t i = 0; i < m->n_helpers; i++) {
		if (m->helpers[i].child.pid == pid)
			return true;
	}
	return false;
}

void child_end_strays(struct monitor *m)
{
	_cleanup_(strbuf_finish) struct strbuf b = STRBUF_INIT;
	char path[64];

	/* Kernels without CONFIG_PROC_CHILDREN have no such file: strays stay. */
	snprintf(path, sizeof(path), "/proc/self/task/%ld/children", (long)getpid());
	if (fs_read(AT_FDCWD, path, 65536, &b, NULL) < 0 || b.len == 0)
		return;
	for (char *p = b.s, *end; *p != '\0'; p = end) {
		pid_t pid = (pid_t)strtol(p, &end, 10);

		if (end == p)
			break;
		if (pid <= 0 || is_known(m, pid))
			continue;
		/* An unreaped child of ours: its number cannot be another's. */
		kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, WNOHANG); /* or when SIGCHLD tells of it */
	}
}
