/* SPDX-License-Identifier: Apache-2.0
 *
 * process.c - see process.h.
 *
 * vfork and exec by hand rather than posix_spawn(3): descriptors are laid out
 * exactly, the parent-death signal has no posix_spawn attribute, and a failed
 * exec is reported with its errno through a close-on-exec pipe.
 *
 * vfork(2) copies no page tables, which costs more than all else here.  The child
 * borrows our memory until it executes: it has no handler left when it lets
 * signals in, allocates nothing and never returns.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/fs.h>
#include <base/interrupt.h>
#include <base/process.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CAPTURE_MAX (1u << 20)

/* Close every descriptor from `from` on except `keep`. */
static void close_from(unsigned from, int keep)
{
	unsigned k = (unsigned)keep;

	if (k > from)
		(void)syscall(SYS_close_range, from, k - 1, 0);
	(void)syscall(SYS_close_range, k >= from ? k + 1 : from, ~0u, 0);
}

/* Put fds[i] at descriptor i.  Sources are first moved above the targets, so
 * that no target is overwritten before it was used as a source. */
static int lay_out(const struct process_spec *spec, unsigned n, int *report)
{
	int moved[PROCESS_FDS_MAX];
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	*report = fcntl(*report, F_DUPFD_CLOEXEC, PROCESS_FDS_MAX);
	if (null < 0 || *report < 0)
		return -1;
	for (unsigned i = 0; i < n; i++) {
		int fd = i < spec->n_fds ? spec->fds[i] : -1;

		moved[i] = -1;
		if (fd < 0 && i < 3)
			fd = null;
		if (fd < 0)
			continue;
		moved[i] = fcntl(fd, F_DUPFD_CLOEXEC, PROCESS_FDS_MAX);
		if (moved[i] < 0)
			return -1;
	}
	for (unsigned i = 0; i < n; i++) {
		if (moved[i] < 0)
			close((int)i);
		else if (dup2(moved[i], (int)i) < 0)
			return -1;
	}
	close_from(n, *report);
	return 0;
}

/* Of /proc/PID/stat; 0: none, or a zombie.  Allocates nothing. */
static uint64_t start_time_of(const char *path)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[4096];
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
	const char *p;

	if (n <= 0)
		return 0;
	text[n] = '\0';
	p = strrchr(text, ')'); /* the name may hold anything, also ')' */
	if (p == NULL || strncmp(p, ") ", 2) != 0 || p[2] == 'Z' || p[2] == 'X')
		return 0;
	/* proc(5): the bracket ends field 2, and a space goes before each one. */
	for (unsigned field = 2; field < 22 && p != NULL; field++)
		p = strchr(p + 1, ' ');
	return p != NULL ? strtoull(p, NULL, 10) : 0;
}

static void write_id(const struct process_spec *spec)
{
	struct process_id id = { getpid(), start_time_of("/proc/self/stat") };

	(void)!pwrite(spec->id_fd, &id, sizeof(id), spec->id_at);
}

static _Noreturn void child(const struct process_spec *spec, pid_t parent, int report)
{
	unsigned n = spec->n_fds > 3 ? spec->n_fds : 3;
	struct sigaction sa = { .sa_handler = SIG_DFL };
	sigset_t none;
	int e;

	for (int sig = 1; sig < NSIG; sig++)
		sigaction(sig, &sa, NULL); /* fails for SIGKILL and SIGSTOP only */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (spec->new_session)
		setsid();
	if (spec->die_with_parent) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent) /* it died before the prctl */
			_exit(127);
	}
	if (spec->memory_max != 0) {
		struct rlimit lim = { spec->memory_max, spec->memory_max };

		setrlimit(RLIMIT_DATA, &lim);
	}
	if (spec->id_fd > 0)
		write_id(spec);
	if (lay_out(spec, n, &report) == 0)
		execve(spec->program, spec->argv, spec->env != NULL ? spec->env : environ);
	e = errno;
	(void)fs_write_all(report, &e, sizeof(e)); /* the parent sees EOF then: "started" */
	_exit(127);
}

static void close_but(const int *keep, unsigned n)
{
	unsigned from = 0;

	/* From gap to gap: the lowest of keep[] that is not below `from` ends each. */
	for (;;) {
		unsigned next = ~0u;

		for (unsigned i = 0; i < n; i++) {
			if (keep[i] >= 0 && (unsigned)keep[i] >= from && (unsigned)keep[i] < next)
				next = (unsigned)keep[i];
		}
		if (next > from)
			(void)syscall(SYS_close_range, from, next == ~0u ? next : next - 1, 0);
		if (next == ~0u)
			return;
		from = next + 1;
	}
}

pid_t process_fork(const int *keep, unsigned n)
{
	pid_t parent = getpid();
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent) /* it died before that */
		_exit(1);
	close_but(keep, n);
	return 0;
}

/* Apart, so that no variable of the caller's lives across vfork(2). */
static __attribute__((noinline)) pid_t start_child(const struct process_spec *spec, int report)
{
	pid_t parent = getpid();
	pid_t pid = vfork();

	if (pid == 0)
		child(spec, parent, report);
	return pid;
}

int process_spawn(const struct process_spec *spec, pid_t *ret_pid, struct holos_error **err)
{
	_cleanup_(closep) int in = -1;
	_cleanup_(closep) int out = -1;
	sigset_t all, old;
	pid_t pid;
	int pipefd[2];
	int e = 0;
	ssize_t n;

	if (pipe2(pipefd, O_CLOEXEC) < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot start %s", spec->program);
	in = pipefd[0];
	out = pipefd[1];
	sigfillset(&all); /* no handler of ours may run in the child */
	sigprocmask(SIG_SETMASK, &all, &old);
	pid = start_child(spec, out);
	e = errno;
	sigprocmask(SIG_SETMASK, &old, NULL);
	if (pid < 0)
		return error_sys(err, ERR_FAILED, e, "cannot start %s", spec->program);
	close(steal_fd(&out));
	do {
		n = read(in, &e, sizeof(e));
	} while (n < 0 && errno == EINTR);
	if (n == (ssize_t)sizeof(e)) {
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		return error_sys(err,
				 e == ENOENT || e == EACCES || e == ENOEXEC ? ERR_HOST : ERR_FAILED,
				 e, "cannot start %s", spec->program);
	}
	*ret_pid = pid;
	return 0;
}

/* Read what is there; true while the stream is open. */
static bool capture(int fd, struct strbuf *into)
{
	char buf[4096];
	ssize_t n = read(fd, buf, sizeof(buf));

	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	if (n > 0 && into != NULL) {
		size_t room = CAPTURE_MAX > into->len ? CAPTURE_MAX - into->len : 0;

		strbuf_add(into, buf, (size_t)n < room ? (size_t)n : room);
	}
	return n > 0;
}

static int wait_deadline(pid_t pid, int pidfd, uint64_t deadline_ns, int *ret_status)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	while (waitpid(pid, ret_status, WNOHANG) == 0) {
		/* Without a pidfd (an old valgrind, no descriptor left): look again soon. */
		int ms = pidfd >= 0 ? clock_poll_timeout(deadline_ns) : 1;

		if (interrupt_asked() || clock_now_ns() >= deadline_ns || poll(&p, 1, ms) < 0)
			return -1;
	}
	return 0;
}

/* Read both streams to their end; or, when the process has ended and others
 * hold them open, what is there; or until the deadline or an interrupt. */
static void capture_all(int pidfd, int out_fd, struct strbuf *out, int err_fd,
			struct strbuf *errout, uint64_t deadline_ns)
{
	struct pollfd p[] = { { .fd = out_fd, .events = POLLIN },
			      { .fd = err_fd, .events = POLLIN },
			      { .fd = pidfd, .events = POLLIN } };

	while (p[0].fd >= 0 || p[1].fd >= 0) {
		int n = poll(p, 3, clock_poll_timeout(deadline_ns));

		if (n == 0 || (n == 1 && p[2].revents != 0) || (n < 0 && interrupt_asked()))
			return;
		if (n > 0 && p[0].fd >= 0 && p[0].revents != 0 && !capture(out_fd, out))
			p[0].fd = -1;
		if (n > 0 && p[1].fd >= 0 && p[1].revents != 0 && !capture(err_fd, errout))
			p[1].fd = -1;
	}
}

int process_run_from(int in, const char *program, char *const *argv, uint64_t deadline_ns,
		     struct strbuf *out, struct strbuf *errout, int *ret_status,
		     struct holos_error **err)
{
	_cleanup_(closep) int out_r = -1;
	_cleanup_(closep) int out_w = -1;
	_cleanup_(closep) int err_r = -1;
	_cleanup_(closep) int err_w = -1;
	struct process_spec spec = { .program = program, .argv = argv, .n_fds = 3 };
	_cleanup_(closep) int pidfd = -1;
	int a[2], b[2];
	pid_t pid;
	int r;

	if (pipe2(a, O_CLOEXEC) < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot start %s", program);
	out_r = a[0];
	out_w = a[1];
	if (pipe2(b, O_CLOEXEC) < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot start %s", program);
	err_r = b[0];
	err_w = b[1];
	spec.fds[0] = in;
	spec.fds[1] = out_w;
	spec.fds[2] = err_w;
	spec.die_with_parent = true;
	r = process_spawn(&spec, &pid, err);
	if (r < 0)
		return r;
	close(steal_fd(&out_w));
	close(steal_fd(&err_w));
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	capture_all(pidfd, out_r, out, err_r, errout, deadline_ns);
	if (wait_deadline(pid, pidfd, deadline_ns, ret_status) == 0)
		return 0;
	kill(pid, SIGKILL);
	while (waitpid(pid, ret_status, 0) < 0 && errno == EINTR)
		;
	if (interrupt_asked())
		return error_set(err, ERR_INTERRUPTED, "interrupted");
	return error_set(err, ERR_TIMEOUT, "%s did not end in time and was killed", program);
}

int process_run(const char *program, char *const *argv, uint64_t deadline_ns, struct strbuf *out,
		struct strbuf *errout, int *ret_status, struct holos_error **err)
{
	return process_run_from(-1, program, argv, deadline_ns, out, errout, ret_status, err);
}

const char *process_describe_status(int status, char *buf)
{
	if (WIFSIGNALED(status))
		snprintf(buf, 64, "was killed by signal %d (%s)", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
	else
		snprintf(buf, 64, "exited with status %d", WEXITSTATUS(status));
	return buf;
}

uint64_t process_start_time(pid_t pid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
	return start_time_of(path);
}

uint64_t process_age_ns(uint64_t start_time)
{
	uint64_t hz = (uint64_t)sysconf(_SC_CLK_TCK), now, then;
	struct timespec t;

	/* proc(5): field 22 counts clock ticks since the boot, suspended ones too. */
	clock_gettime(CLOCK_BOOTTIME, &t);
	now = (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
	then = start_time / hz * NS_PER_S + start_time % hz * (NS_PER_S / hz);
	return now > then ? now - then : 0;
}
