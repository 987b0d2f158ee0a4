/* SPDX-License-Identifier: Apache-2.0
 *
 * qemu.c - the QEMU process: execute it, reach its QMP, see it end.
 *
 * Two things tell that it ended: its pidfd, and the end of the QMP stream,
 * which may still hold the event that says why.  It is over when both came.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/fs.h>
#include <base/process.h>
#include <base/strbuf.h>
#include <monitor/monitor.h>
#include <monitor/protocol.h>
#include <state/qemuid.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define QMP_SOCKET    "qmp.sock"
#define LOG_FILE      "qemu.log"
#define LOG_MAX       (1 << 20) /* bytes of qemu.log before it becomes qemu.log.1 */
#define LOG_TAIL      4096      /* where the last line is looked for */
#define LAST_LINE_MAX 400
#define STREAM_REST   (2 * NS_PER_S) /* for QMP's end after the process's */
#define RETRY_FIRST   NS_PER_MS
#define RETRY_LAST    (50 * NS_PER_MS)
#define RECONNECT     (1 * NS_PER_S)
#define ADOPT_TIME    (5 * NS_PER_S) /* for a running QEMU to answer on QMP */

static void try_connect(struct monitor *m);

static void stop_timers(struct qemu *q)
{
	appear_destroy(q->appear);
	loop_remove_timer(q->retry);
	loop_remove_timer(q->deadline);
	q->appear = NULL;
	q->retry = NULL;
	q->deadline = NULL;
}

static void over(struct monitor *m)
{
	stop_timers(&m->qemu);
	life_over(m);
}

static void on_rest(void *data)
{
	struct monitor *m = data;

	m->qemu.deadline = NULL;
	over(m);
}

static void on_exited(void *data, int fd, short revents)
{
	struct monitor *m = data;
	struct qemu *q = &m->qemu;

	(void)fd;
	(void)revents;
	child_reap(&q->child);
	q->exited = true;
	stop_timers(q);
	if (q->qmp == NULL)
		over(m);
	else
		q->deadline = loop_add_timer(m->loop, clock_now_ns() + STREAM_REST, on_rest, m);
}

static void on_deadline(void *data)
{
	struct monitor *m = data;

	m->qemu.deadline = NULL;
	if (m->qemu.adopted) { /* it may be busy; it is watched all the same */
		record_warning(m, "QEMU does not answer on QMP");
		life_up(m);
		return;
	}
	record_exit(m, VM_EXIT_QEMU, -1, 0, "QEMU did not answer on QMP within %llus",
		    (unsigned long long)(m->launch->qmp_timeout_ns / NS_PER_S));
	m->qemu.judged = true;
	child_signal(&m->qemu.child, SIGKILL);
}

static void on_ready(void *data)
{
	struct monitor *m = data;

	if (m->qemu.adopted && !m->qemu.verified)
		adopt_verify(m);
	else
		qemu_query_status(m);
}

static void on_retry(void *data)
{
	struct monitor *m = data;

	m->qemu.retry = NULL;
	try_connect(m);
}

static void on_qmp_end(void *data, struct holos_error *err)
{
	struct monitor *m = data;
	struct qemu *q = &m->qemu;

	qmp_destroy(q->qmp);
	q->qmp = NULL;
	if (q->exited) {
		over(m);
		return;
	}
	if (err != NULL)
		fprintf(stderr, "holos-monitor: %s\n", err->message);
	if (m->phase == PHASE_BOOT && err != NULL && !q->adopted) {
		record_exit(m, VM_EXIT_QEMU, -1, 0, "%s", err->message);
		q->judged = true;
		child_signal(&q->child, SIGKILL);
		return;
	}
	/* Mostly the pidfd follows at once; if not, QEMU listens again. */
	if (q->retry == NULL)
		q->retry = loop_add_timer(m->loop, clock_now_ns() + RECONNECT, on_retry, m);
}

static const struct qmp_ops qmp_ops = {
	.ready = on_ready,
	.event = qemu_event,
	.end = on_qmp_end,
};

static void try_connect(struct monitor *m)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct qemu *q = &m->qemu;

	if (q->qmp != NULL || q->exited)
		return;
	if (qmp_connect(m->loop, m->dirfd, QMP_SOCKET, &qmp_ops, m, &q->qmp, &err) == 0) {
		appear_destroy(q->appear);
		loop_remove_timer(q->retry);
		q->appear = NULL;
		q->retry = NULL;
		return;
	}
	/* The file appears with bind(2); there is no event for the listen(2) that
	 * follows at once. */
	if (q->retry != NULL || (q->appear != NULL && err->sys_errno == ENOENT))
		return;
	q->retry_ns = q->appear == NULL  ? RECONNECT
		      : q->retry_ns == 0 ? RETRY_FIRST
					 : 2 * q->retry_ns;
	if (q->appear != NULL && q->retry_ns > RETRY_LAST)
		q->retry_ns = RETRY_LAST;
	q->retry = loop_add_timer(m->loop, clock_now_ns() + q->retry_ns, on_retry, m);
}

static void on_appear(void *data)
{
	try_connect(data);
}

/* qemu.log, with the line that begins this start. */
static int open_log(struct monitor *m, struct holos_error **err)
{
	int fd;
	struct stat st;
	char now[40];

	if (fstatat(m->dirfd, LOG_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size > LOG_MAX)
		(void)renameat(m->dirfd, LOG_FILE, m->dirfd, LOG_FILE ".1");
	fd = fs_open_log(m->dirfd, LOG_FILE);
	if (fd < 0)
		return error_sys(err, ERR_START, errno, "cannot open %s", LOG_FILE);
	/* A full disk does not keep the VM from its start here. */
	(void)!dprintf(fd, "--- start %s ---\n", clock_rfc3339_now(now));
	m->qemu.log_start = fstat(fd, &st) == 0 ? st.st_size : 0;
	return fd;
}

static int spawn(struct monitor *m, struct holos_error **err)
{
	struct qemu *q = &m->qemu;
	_cleanup_(closep) int log = open_log(m, err);
	_cleanup_(closep) int alive = -1;
	struct process_spec spec = { .program = m->launch->program,
				     .argv = m->launch->argv,
				     .fds = { -1, log, log, -1 },
				     .n_fds = 4,
				     .id_at = QEMU_ID_AT };
	pid_t pid;
	int r;

	if (log < 0)
		return log;
	r = alive_take(m->dirfd, ALIVE_QEMU, &alive, err);
	if (r < 0) {
		error_hint(err, "its monitor died: any holos command on the project adopts it");
		return r;
	}
	spec.fds[3] = alive;
	spec.id_fd = alive;
	unlinkat(m->dirfd, QMP_SOCKET, 0);
	unlinkat(m->dirfd, "serial.sock", 0);
	fs_clear_name(m->dirfd, "console.log"); /* QEMU opens it */
	r = provision_make(m, err);
	if (r < 0)
		return r;
	q->appear = appear_create(m->loop, ".", on_appear, m);
	r = process_spawn(&spec, &pid, err);
	if (r < 0)
		return r;
	r = child_watch(&q->child, m->loop, pid, -1, on_exited, m, err);
	if (r < 0) { /* our unreaped child: the number is still its own */
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return r;
	}
	m->vm->pid = pid;
	m->vm->pid_start = process_start_time(pid);
	return 0;
}

void qemu_start(struct monitor *m)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct qemu *q = &m->qemu;

	memset(q, 0, sizeof(*q));
	q->child.pidfd = -1;
	q->proven = true;
	if (spawn(m, &err) < 0) {
		stop_timers(q);
		life_failed(m, err);
		return;
	}
	q->deadline =
		loop_add_timer(m->loop, clock_now_ns() + m->launch->qmp_timeout_ns, on_deadline, m);
	record_soon(m); /* mostly QEMU answers before */
	try_connect(m);
}

void qemu_adopt(struct monitor *m)
{
	struct qemu *q = &m->qemu;

	memset(q, 0, sizeof(*q));
	q->child.pidfd = -1;
	q->adopted = true;
	q->deadline = loop_add_timer(m->loop, clock_now_ns() + ADOPT_TIME, on_deadline, m);
	try_connect(m);
}

int qemu_adopt_process(struct monitor *m, pid_t pid, int pidfd, struct holos_error **err)
{
	int r = child_watch(&m->qemu.child, m->loop, pid, pidfd, on_exited, m, err);

	if (r < 0)
		close(pidfd);
	return r;
}

void qemu_signal(struct monitor *m, int sig)
{
	if (m->qemu.proven)
		child_signal(&m->qemu.child, sig);
}

void qemu_finish(struct monitor *m)
{
	struct qemu *q = &m->qemu;

	stop_timers(q);
	loop_remove_timer(q->space);
	q->space = NULL;
	qmp_destroy(q->qmp);
	q->qmp = NULL;
	serve_qmp_gone(m);
	child_forget(&q->child);
}

/* Behind "qemu-system-x86_64: ", with which QEMU begins its messages; NULL: another line,
 * or only a warning. */
static char *after_prefix(char *line)
{
	size_t n = strcspn(line, ": \n");

	if (strncmp(line, "qemu-", 5) != 0 || strncmp(line + n, ": ", 2) != 0 ||
	    strncmp(line + n + 2, "warning: ", 9) == 0)
		return NULL;
	return line + n + 2;
}

/* Of the text at the end of the log the last message, with the lines that QEMU adds to it
 * ("Use -machine help to list ..."); without a message the last line. */
static char *last_message(char *text)
{
	char *found = NULL, *last = text;

	for (char *line = text; line != NULL; line = strchr(line, '\n')) {
		line += *line == '\n' ? 1 : 0;
		last = line;
		if (after_prefix(line) != NULL)
			found = after_prefix(line);
	}
	return found != NULL ? found : last;
}

char *qemu_last_line(struct monitor *m)
{
	_cleanup_(closep) int fd = openat(m->dirfd, LOG_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	_cleanup_(strbuf_finish) struct strbuf words = STRBUF_INIT;
	char buf[LOG_TAIL + 1];
	struct stat st;
	off_t from;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return NULL;
	from = st.st_size > LOG_TAIL ? st.st_size - LOG_TAIL : 0;
	if (from < m->qemu.log_start)
		from = m->qemu.log_start;
	n = pread(fd, buf, LOG_TAIL, from);
	while (n > 0 && (buf[n - 1] == '\n' || buf[n - 1] == '\r' || buf[n - 1] == ' '))
		n--;
	if (n <= 0)
		return NULL;
	buf[n] = '\0';
	for (const char *p = last_message(buf); *p != '\0' && words.len < LAST_LINE_MAX; p++) {
		if (*p == '\n')
			strbuf_adds(&words, "; ");
		else
			strbuf_addc(&words, (unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f
						    ? '?'
						    : *p);
	}
	return strbuf_steal(&words);
}

/* The end as the kernel told it. */
static void judge_status(struct monitor *m, int status)
{
	_cleanup_(freep) char *line = qemu_last_line(m);
	char how[64];

	if (status >= 0 && WIFSIGNALED(status))
		record_exit(m, VM_EXIT_SIGNAL, -1, WTERMSIG(status), "QEMU %s",
			    process_describe_status(status, how));
	else if (status >= 0 && WEXITSTATUS(status) != 0)
		record_exit(m, VM_EXIT_QEMU, WEXITSTATUS(status), 0, "%s",
			    line != NULL ? line : process_describe_status(status, how));
	else
		record_exit(m, VM_EXIT_UNKNOWN, status >= 0 ? 0 : -1, 0, "%s",
			    status >= 0 ? "QEMU ended without saying why"
					: "QEMU is gone, and its monitor did not see why");
}

bool qemu_refused(const struct monitor *m)
{
	int status = m->qemu.child.status;

	return !m->stop.wanted && !m->qemu.judged && status >= 0 && WIFEXITED(status) &&
	       WEXITSTATUS(status) != 0;
}

void qemu_judge(struct monitor *m)
{
	const struct qemu *q = &m->qemu;
	int status = q->child.status;
	bool clean = status == 0 || status == -1;

	if (m->stop.wanted)
		record_exit(m, VM_EXIT_STOPPED, clean ? 0 : -1, 0, "%s",
			    m->stop.again     ? "stopped to be started again: it was unhealthy"
			    : m->stop.killing ? "killed"
			    : m->stop.step > STOP_POWERDOWN
				    ? "stopped, without a powerdown by the guest"
				    : "stopped");
	else if (q->judged)
		return; /* said when it was killed for it */
	else if (q->panicked)
		record_exit(m, VM_EXIT_PANIC, clean ? 0 : -1, 0, "the guest's kernel panicked");
	else if (q->guest_down && clean)
		record_exit(m, VM_EXIT_GUEST, 0, 0, "powered off by the guest");
	else if (clean && strcmp(q->reason, "host-signal") == 0)
		record_exit(m, VM_EXIT_SIGNAL, 0, SIGTERM,
			    "QEMU was told to end by a signal from elsewhere");
	else if (clean && *q->reason != '\0')
		record_exit(m, VM_EXIT_UNKNOWN, 0, 0, "QEMU ended: %s", q->reason);
	else
		judge_status(m, status);
}
