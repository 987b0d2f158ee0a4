/* SPDX-License-Identifier: Apache-2.0
 *
 * fault-step.c - run a program and let something go wrong at its N-th system call.
 *
 *   fault-step [OPTION...] -- PROGRAM [ARG...]
 *     --class CLASS    which system calls count: all (default), change, or those
 *                      that can fail with a given error: ENOSPC, EIO, EROFS, ...
 *     --at N           the one that is meant, from 1; repeats for --signal
 *     --signal NUMBER  at its entry, send this signal ...
 *     --to WHO         ... to: self (default), group, child, monitor, qemu, both,
 *                      vms, all
 *     --root PID       monitors and QEMUs are looked for below it
 *     --pick N         which one of several (modulo their number)
 *     --error          it fails with the error that is the class's name
 *     --sticky         and so do all of the class after it
 *     --report FILE    a line at the end: calls that counted, times something was done
 *
 * Of a class other than all, calls count from the program's own beginning: holos
 * opens /dev/null first of all, and what the loader does before is no test of it.
 *
 * Only the program itself is traced (ptrace(2)), not its children: what it leaves
 * behind runs at its own speed.  The exit status is the program's, or 128 and the
 * signal that ended it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/ptrace.h> /* after sys/ptrace.h, whose names it shares */

#define AT_MAX    4
#define PROCS_MAX 8192

enum { FAULT_ERROR = 125 };

enum class {
	C_CHANGE = 1 << 0,
	C_ENOSPC = 1 << 1,
	C_EIO = 1 << 2,
	C_EROFS = 1 << 3,
	C_EMFILE = 1 << 4,
	C_EINTR = 1 << 5,
	C_EAGAIN = 1 << 6,
	C_ENOMEM = 1 << 7,
	C_ALL = 1 << 8
};

static const struct {
	const char *name;
	unsigned class;
	int error;
} classes[] = {
	{ "all", C_ALL, 0 },         { "change", C_CHANGE, 0 },      { "ENOSPC", C_ENOSPC, ENOSPC },
	{ "EIO", C_EIO, EIO },       { "EROFS", C_EROFS, EROFS },    { "EMFILE", C_EMFILE, EMFILE },
	{ "EINTR", C_EINTR, EINTR }, { "EAGAIN", C_EAGAIN, EAGAIN }, { "ENOMEM", C_ENOMEM, ENOMEM },
};

#define C_NAMES (C_CHANGE | C_ENOSPC | C_EIO | C_EROFS) /* changes of a directory */

static const struct {
	long nr;
	unsigned class;
} calls[] = {
	{ SYS_write, C_CHANGE | C_ENOSPC | C_EIO },
	{ SYS_pwrite64, C_CHANGE | C_ENOSPC | C_EIO },
	{ SYS_ftruncate, C_CHANGE | C_ENOSPC | C_EIO },
	{ SYS_fsync, C_CHANGE | C_ENOSPC | C_EIO },
	{ SYS_fchmod, C_CHANGE | C_EIO | C_EROFS },
	{ SYS_mkdirat, C_NAMES },
	{ SYS_unlinkat, C_NAMES },
	{ SYS_linkat, C_NAMES },
	{ SYS_symlinkat, C_NAMES },
	{ SYS_renameat2, C_NAMES },
#ifdef SYS_renameat
	{ SYS_renameat, C_NAMES },
#endif
#ifdef SYS_mkdir
	{ SYS_mkdir, C_NAMES },
	{ SYS_unlink, C_NAMES },
	{ SYS_rename, C_NAMES },
	{ SYS_rmdir, C_NAMES },
#endif
#ifdef SYS_poll
	{ SYS_poll, C_EINTR },
#endif
	{ SYS_read, C_EIO | C_EINTR },
	{ SYS_pread64, C_EIO },
	{ SYS_getdents64, C_EIO },
	{ SYS_recvmsg, C_EINTR },
	{ SYS_sendmsg, C_CHANGE | C_EINTR },
	{ SYS_sendto, C_CHANGE | C_EINTR },
	{ SYS_connect, C_CHANGE },
	{ SYS_bind, C_CHANGE },
	{ SYS_listen, C_CHANGE },
	{ SYS_wait4, C_EINTR },
	{ SYS_ppoll, C_EINTR },
	{ SYS_clone, C_CHANGE | C_EAGAIN | C_ENOMEM },
	{ SYS_kill, C_CHANGE },
	{ SYS_pidfd_send_signal, C_CHANGE },
	{ SYS_pidfd_open, C_EMFILE },
	{ SYS_socket, C_EMFILE },
	{ SYS_socketpair, C_EMFILE },
	{ SYS_pipe2, C_EMFILE },
	{ SYS_memfd_create, C_EMFILE },
	{ SYS_signalfd4, C_EMFILE },
	{ SYS_timerfd_create, C_EMFILE },
	{ SYS_eventfd2, C_EMFILE },
	{ SYS_inotify_init1, C_EMFILE },
};

static struct {
	unsigned class;
	int error; /* 0: a signal */
	bool inject, sticky;
	unsigned long at[AT_MAX];
	unsigned n_at;
	int signal;
	const char *to;
	pid_t root;
	unsigned long pick;
	const char *report;
} opt = { .class = C_ALL, .to = "self" };

static unsigned long counted, done;

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "fault-step: %s: %s\n", what, strerror(errno));
	exit(FAULT_ERROR);
}

/* ---- whom it hits ------------------------------------------------------------- */

struct proc {
	pid_t pid, parent;
	char comm[32];
};

static struct proc procs[PROCS_MAX];
static unsigned n_procs;

static void read_procs(void)
{
	DIR *d = opendir("/proc");
	struct dirent *e;

	n_procs = 0;
	while (d != NULL && n_procs < PROCS_MAX && (e = readdir(d)) != NULL) {
		struct proc *p = &procs[n_procs];
		char path[64], text[512], *from, *to;
		char state;
		int fd, parent;
		ssize_t n;

		p->pid = (pid_t)strtol(e->d_name, NULL, 10);
		snprintf(path, sizeof(path), "/proc/%ld/stat", (long)p->pid);
		fd = p->pid > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
		if (fd < 0)
			continue;
		n = read(fd, text, sizeof(text) - 1);
		close(fd);
		text[n > 0 ? n : 0] = '\0';
		from = strchr(text, '(');
		to = strrchr(text, ')');
		if (from == NULL || to == NULL || sscanf(to + 1, " %c %d", &state, &parent) != 2 ||
		    state == 'Z' || state == 'X')
			continue;
		*to = '\0';
		p->parent = parent;
		snprintf(p->comm, sizeof(p->comm), "%.31s", from + 1);
		n_procs++;
	}
	if (d != NULL)
		closedir(d);
}

static const struct proc *find(pid_t pid)
{
	for (unsigned i = 0; i < n_procs; i++) {
		if (procs[i].pid == pid)
			return &procs[i];
	}
	return NULL;
}

static bool is_below(const struct proc *p, pid_t root)
{
	for (unsigned depth = 0; p != NULL && depth < 32; depth++) {
		if (p->parent == root)
			return true;
		p = find(p->parent);
	}
	return false;
}

static bool is(const struct proc *p, const char *comm)
{
	return strcmp(p->comm, comm) == 0;
}

static bool is_vm(const struct proc *p)
{
	return is(p, "holos-monitor") || is(p, "fake-qemu");
}

/* Send it to one of those that fit, or to all; true when there was one. */
static bool hit(pid_t tracee, const char *to)
{
	pid_t found[PROCS_MAX];
	unsigned n = 0, first = 0, last;
	bool one = strcmp(to, "child") == 0 || strcmp(to, "monitor") == 0 ||
		   strcmp(to, "qemu") == 0 || strcmp(to, "both") == 0;

	read_procs();
	for (unsigned i = 0; i < n_procs; i++) {
		const struct proc *p = &procs[i];
		bool ours = is_below(p, tracee), below = is_below(p, opt.root);
		const struct proc *parent = find(p->parent);
		bool fits = false;

		if (p->pid == tracee || p->pid == getpid())
			continue;
		if (strcmp(to, "group") == 0)
			fits = ours && !is_vm(p) &&
			       (parent == NULL || !is(parent, "holos-monitor"));
		else if (strcmp(to, "child") == 0)
			fits = p->parent == tracee;
		else if (strcmp(to, "monitor") == 0 || strcmp(to, "both") == 0)
			fits = below && is(p, "holos-monitor");
		else if (strcmp(to, "qemu") == 0)
			fits = below && is(p, "fake-qemu");
		else if (strcmp(to, "vms") == 0 || strcmp(to, "all") == 0)
			fits = below && (is_vm(p) || ours);
		if (fits)
			found[n++] = p->pid;
	}
	if (one && n != 0)
		first = (unsigned)(opt.pick % n);
	last = one && n != 0 ? first + 1 : n;
	for (unsigned i = first; i < last; i++) {
		kill(found[i], opt.signal);
		for (unsigned k = 0; strcmp(to, "both") == 0 && k < n_procs; k++) {
			if (procs[k].parent == found[i])
				kill(procs[k].pid, opt.signal);
		}
	}
	if (strcmp(to, "group") == 0 || strcmp(to, "all") == 0) {
		kill(tracee, opt.signal);
		return true;
	}
	return n != 0;
}

/* ---- the calls ------------------------------------------------------------------ */

static bool opens_null(pid_t pid, const struct ptrace_syscall_info *i)
{
	static const char null[] = "/dev/null";
	char path[sizeof(null)];
	struct iovec to = { path, sizeof(path) };
	struct iovec from = { (void *)(uintptr_t)i->entry.args[1], sizeof(path) };

	return i->entry.nr == SYS_openat &&
	       process_vm_readv(pid, &to, 1, &from, 1, 0) == sizeof(path) &&
	       memcmp(path, null, sizeof(null)) == 0;
}

static bool counts(pid_t pid, const struct ptrace_syscall_info *i)
{
	static bool begun;
	unsigned long nr = i->entry.nr;
	unsigned class = 0;

	begun = begun || (opt.class & C_ALL) || opens_null(pid, i);
	if (!begun || (opt.class & C_ALL))
		return begun;
	for (size_t k = 0; k < sizeof(calls) / sizeof(*calls); k++) {
		if ((unsigned long)calls[k].nr == nr)
			class = calls[k].class;
	}
	if (nr == SYS_openat) {
		class = C_EMFILE;
		if (i->entry.args[2] & (O_CREAT | O_WRONLY | O_RDWR))
			class |= C_NAMES;
		else
			class |= C_EIO;
	}
	if (nr == SYS_fcntl) {
		class = i->entry.args[1] == F_DUPFD_CLOEXEC ? C_EMFILE : 0;
		if (i->entry.args[1] == F_OFD_SETLK || i->entry.args[1] == F_OFD_SETLKW)
			class = C_CHANGE;
	}
	/* What a program cannot say is no test of what it says. */
	if ((nr == SYS_write || nr == SYS_writev) && i->entry.args[0] == 2)
		class &= C_CHANGE;
	return (class & opt.class) != 0;
}

/* The call that is about to begin does nothing and returns an error. */
static void replace_call(pid_t pid)
{
#if defined(__x86_64__)
	if (ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, orig_rax), -1L) < 0)
		die("cannot replace a system call");
#else
	(void)pid;
	errno = ENOSYS;
	die("errors are injected on x86-64 only");
#endif
}

static void set_result(pid_t pid, long value)
{
#if defined(__x86_64__)
	if (ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, rax), value) < 0)
		die("cannot set a result");
#else
	(void)pid;
	(void)value;
#endif
}

static bool is_due(void)
{
	for (unsigned i = 0; i < opt.n_at; i++) {
		if (counted == opt.at[i] || (opt.sticky && counted > opt.at[i]))
			return true;
	}
	return false;
}

/* Look at a call that begins.  Returns true when it is to fail. */
static bool entry(pid_t pid)
{
	static bool pending; /* nobody was there to be hit yet */
	struct ptrace_syscall_info i;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(i), &i) < 0 ||
	    i.op != PTRACE_SYSCALL_INFO_ENTRY || !counts(pid, &i))
		return false;
	counted++;
	if (!is_due() && !pending)
		return false;
	if (opt.inject) {
		done++;
		replace_call(pid);
		return true;
	}
	if (strcmp(opt.to, "self") == 0)
		kill(pid, opt.signal);
	else
		pending = !hit(pid, opt.to);
	done += !pending;
	return false;
}

static int follow(pid_t pid)
{
	bool inside = false, failing = false;
	int status;
	long sig = 0;

	for (;;) {
		if (ptrace(PTRACE_SYSCALL, pid, 0, sig) < 0 && errno != ESRCH)
			die("ptrace");
		if (waitpid(pid, &status, __WALL) < 0)
			die("waitpid");
		if (WIFEXITED(status))
			return WEXITSTATUS(status);
		if (WIFSIGNALED(status))
			return 128 + WTERMSIG(status);
		sig = WSTOPSIG(status);
		if (status >> 16 != 0) { /* an event: exec */
			sig = 0;
		} else if (sig == (SIGTRAP | 0x80)) {
			sig = 0;
			inside = !inside;
			if (inside)
				failing = entry(pid);
			else if (failing)
				set_result(pid, -opt.error);
		}
	}
}

static void options(int argc, char **argv)
{
	enum { CLASS = 1, AT, SIGNAL, TO, ROOT, PICK, INJECT, STICKY, REPORT };
	static const struct option longs[] = {
		{ "class", 1, NULL, CLASS },   { "at", 1, NULL, AT },
		{ "signal", 1, NULL, SIGNAL }, { "to", 1, NULL, TO },
		{ "root", 1, NULL, ROOT },     { "pick", 1, NULL, PICK },
		{ "error", 0, NULL, INJECT },  { "sticky", 0, NULL, STICKY },
		{ "report", 1, NULL, REPORT }, { NULL, 0, NULL, 0 }
	};
	size_t k;
	int c;

	while ((c = getopt_long(argc, argv, "+", longs, NULL)) > 0) {
		unsigned long n = optarg != NULL ? strtoul(optarg, NULL, 10) : 0;

		errno = EINVAL;
		if (c == CLASS) {
			for (k = 0; k < sizeof(classes) / sizeof(*classes) &&
				    strcmp(classes[k].name, optarg) != 0;
			     k++)
				;
			if (k == sizeof(classes) / sizeof(*classes))
				die(optarg);
			opt.class = classes[k].class;
			opt.error = classes[k].error;
		} else if (c == AT && opt.n_at < AT_MAX) {
			opt.at[opt.n_at++] = n;
		} else if (c == SIGNAL) {
			opt.signal = (int)n;
		} else if (c == TO) {
			opt.to = optarg;
		} else if (c == ROOT) {
			opt.root = (pid_t)n;
		} else if (c == PICK) {
			opt.pick = n;
		} else if (c == INJECT) {
			opt.inject = true;
		} else if (c == STICKY) {
			opt.sticky = true;
		} else if (c == REPORT) {
			opt.report = optarg;
		} else {
			die("options");
		}
	}
	errno = EINVAL;
	if (optind == argc || (opt.inject && opt.error == 0))
		die("options");
}

int main(int argc, char **argv)
{
	int status, result;
	FILE *report;
	pid_t pid;

	options(argc, argv);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0) {
		setpgid(0, 0);
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		execv(argv[optind], argv + optind);
		die(argv[optind]);
	}
	if (waitpid(pid, &status, 0) < 0 || !WIFSTOPPED(status))
		die("cannot trace");
	if (ptrace(PTRACE_SETOPTIONS, pid, 0,
		   PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL | PTRACE_O_TRACEEXEC) < 0)
		die("PTRACE_SETOPTIONS");
	result = follow(pid);
	report = opt.report != NULL ? fopen(opt.report, "we") : NULL;
	if (report != NULL) {
		fprintf(report, "%lu %lu\n", counted, done);
		fclose(report);
	}
	return result;
}
