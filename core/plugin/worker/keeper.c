/* SPDX-License-Identifier: Apache-2.0
 *
 * keeper.c - the half of holos-worker in which no plugin runs.
 *
 * The process that holos started forks at once: the child serves the calls, the
 * parent waits for its end, or for holos to let go of WIRE_CANCEL_FD, which it
 * also does by dying.  Then it ends whatever is left.  Children of a plugin
 * that became daemons are among that, whatever session they made for
 * themselves: orphans come to the nearest subreaper, and that is this process.
 */
#include <plugin/worker/worker.h>

#include <base/alloc.h>
#include <base/fs.h>
#include <plugin/wire.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILDREN_MAX (1u << 20) /* bytes of their list */

/* Kill the children there are.  False: they cannot be told (no /proc). */
static bool kill_children(void)
{
	_cleanup_(strbuf_finish) struct strbuf b = STRBUF_INIT;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%ld/children", (long)getpid());
	if (fs_read(AT_FDCWD, path, CHILDREN_MAX, &b, NULL) < 0 || b.len == 0)
		return false;
	for (char *p = b.s, *end; *p != '\0'; p = end) {
		pid_t pid = (pid_t)strtol(p, &end, 10);

		if (end == p)
			break;
		if (pid > 0) /* unreaped, so the number is still its own */
			kill(pid, SIGKILL);
	}
	return true;
}

/* The children of what was killed become ours in turn. */
static void end_strays(void)
{
	for (;;) {
		pid_t pid = waitpid(-1, NULL, WNOHANG);

		if (pid < 0)
			return; /* ECHILD: nobody is left */
		if (pid == 0 && !kill_children())
			return;
		if (pid == 0)
			while (waitpid(-1, NULL, 0) < 0 && errno == EINTR)
				;
	}
}

/* End the way the child did, so that whoever waits for us learns it. */
static _Noreturn void end_like(int status)
{
	if (WIFSIGNALED(status)) {
		signal(WTERMSIG(status), SIG_DFL);
		raise(WTERMSIG(status));
	}
	_exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

static _Noreturn void keep(pid_t child)
{
	struct pollfd p[] = { { .fd = WIRE_CANCEL_FD, .events = 0 }, /* hang-up alone */
			      { .fd = (int)syscall(SYS_pidfd_open, child, 0), .events = POLLIN } };
	int status = 0;

	prctl(PR_SET_NAME, "holos-keeper");
	/* holos sees the child's end by these being closed. */
	for (int fd = 0; fd <= WIRE_FD; fd++)
		close(fd);
	while (p[1].fd >= 0 && poll(p, 2, -1) < 0 && errno == EINTR)
		;
	/* One that is exiting already keeps the status it had. */
	if (p[1].revents == 0)
		kill(child, SIGKILL);
	kill(-child, SIGKILL);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	end_strays();
	end_like(status);
}

int keeper_split(void)
{
	pid_t keeper = getpid();
	pid_t child;

	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return -errno;
	child = fork();
	if (child < 0)
		return -errno;
	if (child > 0)
		keep(child);
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != keeper) /* it died before the prctl */
		_exit(127);
	return 0;
}

/* ---- memory ------------------------------------------------------------------- */

static rlim_t data_max;

/* Pages of data this process has, from /proc/self/statm; async-signal-safe. */
static rlim_t data_pages(void)
{
	char buf[256];
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, buf, sizeof(buf) - 1) : -1;
	unsigned field = 0;
	rlim_t value = 0;

	if (fd >= 0)
		close(fd);
	for (ssize_t i = 0; i < n; i++) { /* proc(5): data is the sixth */
		if (buf[i] == ' ')
			field++;
		else if (field == 5 && buf[i] >= '0' && buf[i] <= '9')
			value = value * 10 + (rlim_t)(buf[i] - '0');
	}
	return value;
}

/* A plugin that does not look at what malloc() gave crashes: the cause is that
 * its memory was used up, and the exit status tells. */
static void on_crash(int sig)
{
	rlim_t page = (rlim_t)sysconf(_SC_PAGESIZE);

	if (data_pages() >= data_max / page / 4 * 3)
		_exit(WIRE_EXIT_MEMORY);
	signal(sig, SIG_DFL);
	raise(sig);
}

void keeper_explain_memory(void)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGABRT };
	static char stack[65536];
	stack_t alternative = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction sa = { .sa_handler = on_crash, .sa_flags = (int)SA_ONSTACK | SA_NODEFER };
	struct rlimit lim;

	alloc_exit_status = WIRE_EXIT_MEMORY;
	if (getrlimit(RLIMIT_DATA, &lim) < 0 || lim.rlim_cur == RLIM_INFINITY)
		return;
	data_max = lim.rlim_cur;
	sigaltstack(&alternative, NULL);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &sa, NULL);
}
