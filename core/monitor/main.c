/* SPDX-License-Identifier: Apache-2.0
 *
 * main.c - holos-monitor DIR [--adopt]: the supervisor of one VM.
 *
 * Started by monitor_start() (client.c) with the listening socket, the
 * instance's directory and the lock of the living as descriptors; see
 * protocol.h.  It ends when its VM is down and no restart policy applies.
 */
#include <base/alloc.h>
#include <base/fs.h>
#include <base/jsonx.h>
#include <base/process.h>
#include <monitor/client.h>
#include <monitor/monitor.h>
#include <monitor/protocol.h>
#include <state/lastword.h>
#include <state/records.h>
#include <state/vmbrief.h>

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static int usage(void)
{
	fputs("usage: holos-monitor DIR [--adopt]\n"
	      "Runs one VM.  It is started by holos, not by hand.\n",
	      stderr);
	return ERR_USAGE;
}

/* The descriptors of protocol.h, made close-on-exec. */
static bool take_descriptors(struct monitor *m)
{
	struct stat st;
	int listening = 0;
	socklen_t len = sizeof(listening);

	for (int fd = MONITOR_FD_LISTEN; fd <= MONITOR_FD_ALIVE; fd++) {
		if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
			return false;
	}
	if (getsockopt(MONITOR_FD_LISTEN, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) < 0 ||
	    listening == 0 || fstat(MONITOR_FD_DIR, &st) < 0 || !S_ISDIR(st.st_mode) ||
	    fstat(MONITOR_FD_ALIVE, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	m->listen_fd = MONITOR_FD_LISTEN;
	m->dirfd = MONITOR_FD_DIR;
	m->alive_fd = MONITOR_FD_ALIVE;
	return true;
}

/* The lock came with the descriptor; taking it again is no change, and fails
 * when it is somebody else's. */
static bool holds_lock(const struct monitor *m)
{
	struct flock lk = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = ALIVE_MONITOR, .l_len = 1
	};

	return fcntl(m->alive_fd, F_OFD_SETLK, &lk) == 0;
}

static void on_signal(void *data, int fd, short revents)
{
	struct monitor *m = data;
	struct signalfd_siginfo si;

	(void)revents;
	while (read(fd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		if (si.ssi_signo == SIGCHLD) {
			child_end_strays(m);
			continue;
		}
		fprintf(stderr, "holos-monitor: signal %u from process %u\n", si.ssi_signo,
			si.ssi_pid);
		/* Mostly the host shuts down: the guest is asked to, in time. */
		if (m->stop.wanted && !m->stop.again)
			stop_kill(m);
		else
			stop_begin(m, UINT64_MAX);
	}
}

static int watch_signals(struct monitor *m)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd >= 0)
		loop_add_fd(m->loop, fd, POLLIN, on_signal, m);
	return fd;
}

static bool is_made(const struct monitor *m)
{
	_cleanup_(instance_record_destroyp) struct instance_record *rec = NULL;

	return instance_record_read(m->dirfd, &rec, NULL) == 0;
}

/* What is known of the VM before anything happens. */
static void first_record(struct monitor *m, bool adopt)
{
	struct vm_record *old = NULL;
	const char *slash = strrchr(m->dir, '/');

	m->brand_new = !adopt && fs_absent(m->dirfd, VM_RECORD_FILE);
	/* A damaged record is as good as none: it is made again. */
	if (vm_record_read(m->dirfd, &old, NULL) < 0)
		old = NULL;
	m->vm = old != NULL ? old : vm_record_create();
	m->last_word = adopt; /* the monitor before may have left one */
	if (!adopt) {
		last_word_clear(m->alive_fd);
		helpers_end_leftovers(m);
		m->vm->exit.cause = VM_EXIT_NONE;
		m->vm->restarts = 0;
		record_set(&m->vm->started_at, NULL);
	}
	record_set(&m->vm->instance, m->launch != NULL ? m->launch->instance
				     : slash != NULL   ? slash + 1
						       : m->dir);
	record_set(&m->vm->uuid, m->launch != NULL     ? m->launch->uuid
				 : m->vm->uuid != NULL ? m->vm->uuid
						       : "");
	m->vm->monitor_pid = getpid();
	m->vm->monitor_start = process_start_time(getpid());
	/* Who starts a VM has read or written it just now. */
	if (!adopt || is_made(m))
		m->vm->made = file_id_of(m->dirfd, INSTANCE_RECORD_FILE);
	if (m->launch != NULL)
		record_ports(m);
}

static void run(struct monitor *m, bool adopt)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;

	if (launch_read(m->dirfd, &m->launch, &err) < 0)
		m->launch = NULL;
	first_record(m, adopt);
	serve_start(m);
	if (!adopt)
		serve_open(m);
	if (m->launch == NULL && adopt)
		life_refuse(m, err);
	else if (m->launch == NULL)
		life_failed(m, err);
	else if (adopt)
		adopt_start(m);
	else
		life_start(m);
	malloc_trim(0);
	loop_run(m->loop);
}

/* In this order: a new monitor may come as soon as the lock is free, and its
 * socket must not be removed; clients take the end of the connection for the
 * end of the lock. */
static void leave(struct monitor *m)
{
	unlinkat(m->dirfd, MONITOR_SOCKET, 0);
	close(m->alive_fd);
	health_down(m);
	networks_finish(m);
	console_finish(m);
	provision_finish(m);
	record_finish(m);
	qemu_finish(m);
	serve_finish(m);
	loop_destroy(m->loop);
	vm_record_destroy(m->vm);
	launch_destroy(m->launch);
}

int main(int argc, char **argv)
{
	static struct monitor m; /* zeroed, and no matter for the stack */
	bool adopt = argc == 3 && strcmp(argv[2], "--adopt") == 0;
	int signals;

	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		puts("holos-monitor " HOLOS_VERSION);
		return 0;
	}
	if (argc < 2 || argc > 3 || (argc == 3 && !adopt) || argv[1][0] != '/' ||
	    !take_descriptors(&m))
		return usage();
	m.dir = argv[1];
	m.qemu.child.pidfd = -1;
	if (fchdir(m.dirfd) < 0 || !holds_lock(&m)) {
		fprintf(stderr, "holos-monitor: %s has a monitor already\n", m.dir);
		return ERR_BUSY;
	}
	umask(077);
	(void)mallopt(M_MMAP_THRESHOLD, 128 << 10); /* what is large goes back when freed */
	alloc_set_reserve(MEMORY_RESERVE);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	m.loop = loop_create();
	signals = watch_signals(&m);
	run(&m, adopt);
	leave(&m);
	if (signals >= 0)
		close(signals);
	return 0;
}
