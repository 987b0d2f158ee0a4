/* SPDX-License-Identifier: Apache-2.0
 *
 * copy.c - see copy.h.
 *
 * While the SSH module moves the bytes, everything else that happens (what holos-copy
 * tells, what tar in the guest complains of, Ctrl-C) is ready on one epoll descriptor.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/strbuf.h>
#include <base/units.h>
#include <cli.h>
#include <copy.h>
#include <guest/copier.h>
#include <guest/terminal.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define PIPE_SIZE     (1 << 20)
#define COMPLAINTS    10  /* of the guest that are shown */
#define COMPLAINT_MAX 500 /* bytes of each */

struct run {
	const struct copy_stream *s;
	int epoll, signals;
	int messages;   /* of holos-copy; -1: it has ended, or there is none */
	int complaints; /* what the guest writes to standard error */
	pid_t pid;
	struct strbuf line; /* of the guest, begun */
	unsigned n_complaints;
	struct holos_error *errors;
	uint64_t files, bytes, begun_ns;
	bool show, interrupted;
};

/* ---- what happens meanwhile ------------------------------------------------------- */

static void show(struct run *r, bool last)
{
	double seconds = (double)(clock_now_ns() - r->begun_ns) / (double)NS_PER_S;
	char size[32], rate[32];
	_cleanup_(freep) char *what = printable(r->s->what);

	if (!r->show)
		return;
	units_format_size(r->bytes, size);
	units_format_size((uint64_t)((double)r->bytes / (seconds > 0.001 ? seconds : 0.001)), rate);
	fprintf(stderr, "\r%.40s  %s, %llu file%s, %s/s\033[K%s", what, size,
		(unsigned long long)r->files, r->files == 1 ? "" : "s", rate, last ? "\n" : "");
}

static void add_error(struct run *r, const char *before, const char *text)
{
	struct holos_error *e = NULL;

	error_set(&e, ERR_FAILED, "%s%s", before, text);
	error_append(&r->errors, e);
}

static void take_messages(struct run *r)
{
	struct copier_message m;
	int got = 0;

	while (r->messages >= 0 && (got = copier_receive(r->messages, &m)) > 0) {
		r->files = m.files;
		r->bytes = m.bytes;
		if (m.kind == COPIER_PROGRESS)
			show(r, false);
		else
			add_error(r, "", m.text);
	}
	if (got < 0) {
		(void)epoll_ctl(r->epoll, EPOLL_CTL_DEL, r->messages, NULL);
		closep(&r->messages);
		r->messages = -1;
	}
}

static void complain(struct run *r)
{
	_cleanup_(freep) char *before = xasprintf("%s: ", r->s->vm);

	if (r->line.len > 0 && r->n_complaints++ < COMPLAINTS)
		add_error(r, before, r->line.s);
	strbuf_clear(&r->line);
}

static void take_complaints(struct run *r)
{
	char buf[4096];
	ssize_t n;

	while ((n = read(r->complaints, buf, sizeof(buf))) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			if (buf[i] == '\n' || buf[i] == '\0')
				complain(r);
			else if (r->line.len < COMPLAINT_MAX)
				strbuf_addc(&r->line, buf[i]);
		}
	}
}

static bool take_signals(struct run *r)
{
	int signo;

	while ((signo = terminal_signal(r->signals)) != 0) {
		if (terminal_is_end(signo)) {
			r->interrupted = true;
			return true;
		}
	}
	return false;
}

static bool on_event(void *data, struct ssh_run_event *ret)
{
	struct run *r = data;

	take_messages(r);
	take_complaints(r);
	ret->kind = SSH_RUN_ABORT;
	return take_signals(r);
}

/* holos-copy ends soon after its stream did; asked twice to hurry it is killed. */
static void wait_copier(struct run *r)
{
	while (r->messages >= 0) {
		struct pollfd p = { .fd = r->epoll, .events = POLLIN };
		bool before = r->interrupted;

		(void)poll(&p, 1, -1); /* EINTR: look again */
		take_messages(r);
		take_complaints(r);
		if (take_signals(r) && before)
			kill(r->pid, SIGKILL); /* ours, and not yet waited for */
	}
}

/* ---- the whole --------------------------------------------------------------------- */

static int watch(struct run *r, int fd)
{
	struct epoll_event e = { .events = EPOLLIN };

	return epoll_ctl(r->epoll, EPOLL_CTL_ADD, fd, &e);
}

/* Both ends of a pipe, the reading one without blocking when that is asked for. */
static int make_pipe(int *ret_read, int *ret_write, bool nonblock, struct holos_error **err)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot make a pipe");
	*ret_read = fds[0];
	*ret_write = fds[1];
	if (nonblock)
		(void)fcntl(fds[0], F_SETFL, O_NONBLOCK);
	return 0;
}

static int start(struct run *r, int *ret_stream, struct holos_error **err)
{
	_cleanup_(closep) int in = -1;
	_cleanup_(closep) int out = -1;
	int rc;

	if (r->s->copier == NULL) {
		*ret_stream = fcntl(r->s->to_guest ? 0 : 1, F_DUPFD_CLOEXEC, 3);
		return 0;
	}
	rc = make_pipe(&in, &out, false, err);
	if (rc < 0)
		return rc;
	(void)fcntl(in, F_SETPIPE_SZ, PIPE_SIZE); /* only speed */
	rc = copier_start(r->s->copier, r->s->to_guest ? out : in, &r->pid, &r->messages, err);
	if (rc < 0)
		return rc;
	*ret_stream = steal_fd(r->s->to_guest ? &in : &out);
	return watch(r, r->messages) == 0 ? 0 : error_sys(err, ERR_FAILED, errno, "cannot watch");
}

static int transfer(struct run *r, struct holos_error **err)
{
	_cleanup_(closep) int stream = -1;
	_cleanup_(closep) int complaints_in = -1;
	_cleanup_(closep) int complaints_out = -1;
	struct ssh_run run = { .argv = r->s->remote,
			       .in_fd = -1,
			       .out_fd = -1,
			       .event_fd = r->epoll,
			       .event = on_event,
			       .event_data = r };
	struct ssh_run_result result = { 0 };
	int status = 0;
	int rc = make_pipe(&complaints_in, &complaints_out, true, err);

	if (rc == 0 && (watch(r, complaints_in) < 0 || watch(r, r->signals) < 0))
		rc = error_sys(err, ERR_FAILED, errno, "cannot watch");
	r->complaints = complaints_in;
	if (rc == 0)
		rc = start(r, &stream, err);
	if (rc < 0)
		return rc;
	*(r->s->to_guest ? &run.in_fd : &run.out_fd) = stream;
	run.err_fd = complaints_out;
	if (r->s->ssh->conn_run(r->s->conn, &run, &result, err) != HOLOS_OK)
		rc = err != NULL && *err != NULL ? -(*err)->code : -ERR_FAILED;
	/* The end of the stream, or nobody to take it. */
	closep(&stream);
	stream = -1;
	if (r->s->copier != NULL) {
		wait_copier(r);
		status = copier_wait(r->pid);
	}
	take_complaints(r);
	complain(r);
	if (rc < 0)
		return rc;
	/* Its own words say more; and one that we hung up on is not to blame. */
	if (result.status != 0 && result.signo == 0 && r->n_complaints == 0 && !r->interrupted)
		return error_set(err, ERR_FAILED, "tar in %s ended with status %d", r->s->vm,
				 result.status);
	if (r->errors == NULL && status != 0 && !r->interrupted)
		return error_set(err, ERR_FAILED, "holos-copy failed (status %#x)",
				 (unsigned)status);
	return result.status != 0 || status != 0 ? -ERR_FAILED : 0;
}

int copy_run(const struct copy_stream *s, struct holos_error **err)
{
	_cleanup_(closep) int epoll = epoll_create1(EPOLL_CLOEXEC);
	_cleanup_(closep) int signals = -1;
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	struct run r = { .s = s,
			 .epoll = epoll,
			 .messages = -1,
			 .begun_ns = clock_now_ns(),
			 .show = !s->quiet && s->copier != NULL && isatty(STDERR_FILENO) };
	sigset_t old;
	int rc = epoll < 0 ? -errno : terminal_signals(&old, &signals);

	if (rc < 0)
		return error_sys(err, ERR_FAILED, -rc, "cannot receive signals");
	r.signals = signals;
	rc = transfer(&r, &why);
	show(&r, true);
	sigprocmask(SIG_SETMASK, &old, NULL);
	closep(&r.messages);
	strbuf_finish(&r.line);
	if (r.interrupted)
		rc = error_set(err, ERR_INTERRUPTED, "interrupted: %s is copied in part", s->what);
	else if (rc < 0 && (r.errors != NULL || why != NULL)) {
		/* The reasons first, then what it led to. */
		if (why != NULL)
			error_append(&r.errors, steal_ptr(&why));
		error_move(err, &r.errors);
	} else if (r.errors != NULL) {
		for (const struct holos_error *e = r.errors; e != NULL; e = e->next)
			print_warning("%s", e->message);
	}
	error_destroy(r.errors);
	return rc;
}

struct answer {
	int fd;
	size_t max;
	struct strbuf text;
};

static bool on_answer(void *data, struct ssh_run_event *ret)
{
	struct answer *a = data;
	char buf[4096];
	ssize_t n;

	while ((n = read(a->fd, buf, sizeof(buf))) > 0 && a->text.len <= a->max)
		strbuf_add(&a->text, buf, (size_t)n);
	ret->kind = SSH_RUN_ABORT;
	return a->text.len > a->max;
}

int copy_ask(const struct copy_stream *s, size_t max, char **ret, struct holos_error **err)
{
	_cleanup_(closep) int in = -1;
	_cleanup_(closep) int out = -1;
	struct answer a = { .max = max, .text = STRBUF_INIT };
	struct ssh_run run = {
		.argv = s->remote, .in_fd = -1, .err_fd = -1, .event = on_answer, .event_data = &a
	};
	struct ssh_run_result result = { 0 };
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	struct ssh_run_event unused;
	holos_status st;
	int rc = make_pipe(&in, &out, true, err);

	if (rc < 0)
		return rc;
	a.fd = run.event_fd = in;
	run.out_fd = out;
	st = s->ssh->conn_run(s->conn, &run, &result, &why);
	if (on_answer(&a, &unused))
		rc = error_set(err, ERR_FAILED, "the shell of %s says too much", s->vm);
	else if (st != HOLOS_OK)
		rc = error_move(err, &why);
	else if (result.status != 0)
		rc = error_set(err, ERR_FAILED, "the shell of %s ended with status %d", s->vm,
			       result.status);
	if (rc == 0)
		*ret = strbuf_steal(&a.text);
	strbuf_finish(&a.text);
	return rc;
}
