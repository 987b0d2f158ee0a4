/* SPDX-License-Identifier: Apache-2.0
 *
 * run.c - one command on one channel: the pump between the caller's
 * descriptors and the guest.
 *
 * Each round moves what can be moved without waiting and then polls for what
 * it waits for.  Memory is bounded: one buffer a stream here, and in libssh the
 * channel's window (1.25 MiB), after which the guest must wait.  Since libssh
 * 0.10 widens the window for one stream while the other one is stuck, the pump
 * stops reading from the network altogether at PUMP_HELD_MAX.
 *
 * The run ends when the guest has closed the channel and everything it sent is
 * delivered.  Its exit status comes by callback, as libssh's getter cannot tell
 * "not yet" from "killed by a signal".
 */
#include "command.h"
#include "conn.h"
#include "sink.h"

#include <base/alloc.h>
#include <base/clock.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PUMP_HELD_MAX (4u << 20)
/* Several packets' worth: cut at the end of each read, packets would get smaller
 * than the guest's window and would stay so, as each widens it by its size. */
#define PUMP_INPUT (4 * CONN_WRITE_MAX)

struct pump {
	struct ssh_conn *c;
	ssh_channel ch;
	const struct ssh_run *run;
	const struct guest_limits *limits;
	struct ssh_channel_callbacks_struct cb;

	struct sink out[2]; /* stdout, stderr */
	size_t held[2];     /* bytes of each that wait inside libssh */

	char *in; /* PUMP_INPUT bytes, read from in_fd: in_off..in_len */
	size_t in_off, in_len;
	bool in_eof; /* nothing more comes */
	bool in_eof_sent;

	bool closed; /* by the guest */
	bool exited; /* result holds what the guest said */
	struct ssh_run_result result;
};

/* RFC 4254, 6.10. */
static const struct {
	const char *name;
	int number;
} ssh_signals[] = {
	{ "ABRT", SIGABRT }, { "ALRM", SIGALRM }, { "FPE", SIGFPE },   { "HUP", SIGHUP },
	{ "ILL", SIGILL },   { "INT", SIGINT },   { "KILL", SIGKILL }, { "PIPE", SIGPIPE },
	{ "QUIT", SIGQUIT }, { "SEGV", SIGSEGV }, { "TERM", SIGTERM }, { "USR1", SIGUSR1 },
	{ "USR2", SIGUSR2 }, { "BUS", SIGBUS },   { "SYS", SIGSYS },   { "TRAP", SIGTRAP },
};
#define SSH_SIGNALS (sizeof(ssh_signals) / sizeof(ssh_signals[0]))

static void result_signal(struct ssh_run_result *r, const char *name)
{
	size_t i;

	memset(r, 0, sizeof(*r));
	snprintf(r->signal, sizeof(r->signal), "%s", name);
	r->signo = SIGKILL; /* for a name of the guest's own */
	for (i = 0; i < SSH_SIGNALS; i++) {
		if (strcmp(ssh_signals[i].name, name) == 0)
			r->signo = ssh_signals[i].number;
	}
	r->status = 128 + r->signo;
}

/* libssh calls these four from conn_process(). */
static int on_data(ssh_session session, ssh_channel ch, void *data, uint32_t len, int is_stderr,
		   void *user)
{
	struct pump *p = user;

	(void)session;
	(void)ch;
	(void)data;
	/* Taken later, by ssh_channel_read_nonblocking(): len is all there is. */
	p->held[is_stderr != 0] = len;
	return 0;
}

static void on_close(ssh_session session, ssh_channel ch, void *user)
{
	struct pump *p = user;

	(void)session;
	(void)ch;
	p->closed = true;
}

static void on_exit_status(ssh_session session, ssh_channel ch, int status, void *user)
{
	struct pump *p = user;

	(void)session;
	(void)ch;
	memset(&p->result, 0, sizeof(p->result));
	p->result.status = status & 0xff;
	p->exited = true;
}

static void on_exit_signal(ssh_session session, ssh_channel ch, const char *name, int core,
			   const char *message, const char *lang, void *user)
{
	struct pump *p = user;

	(void)session;
	(void)ch;
	(void)core;
	(void)message;
	(void)lang;
	result_signal(&p->result, name);
	p->exited = true;
}

/* Guest -> local.  0, -errno of a local write, or 1: the connection broke. */
static int pump_out(struct pump *p, int i)
{
	for (;;) {
		int rc = sink_flush(&p->out[i]);
		int n;

		if (rc < 0)
			return rc;
		if (sink_full(&p->out[i]) || p->held[i] == 0)
			return 0;
		n = ssh_channel_read_nonblocking(p->ch, p->out[i].buf, SINK_BUFFER, i);
		if (n <= 0)
			return 1;
		p->held[i] -= (size_t)n < p->held[i] ? (size_t)n : p->held[i];
		sink_put(&p->out[i], (size_t)n);
	}
}

static bool pump_wants_input(const struct pump *p)
{
	return p->in_len - p->in_off <= PUMP_INPUT / 2 && !p->in_eof && !p->closed;
}

/* Read once; poll said that this does not block. */
static void pump_read_input(struct pump *p)
{
	ssize_t n;

	memmove(p->in, p->in + p->in_off, p->in_len - p->in_off);
	p->in_len -= p->in_off;
	p->in_off = 0;
	n = read(p->run->in_fd, p->in + p->in_len, PUMP_INPUT - p->in_len);
	if (n > 0)
		p->in_len += (size_t)n;
	else if (n == 0 || (errno != EINTR && errno != EAGAIN))
		p->in_eof = true; /* a terminal that went away reads as EIO */
}

/* Local -> guest, as far as the guest's window and the network allow. */
static void pump_in(struct pump *p)
{
	while (p->in_off < p->in_len && !p->closed) {
		size_t left = p->in_len - p->in_off;
		int n;

		if ((ssh_get_status(p->c->session) & SSH_WRITE_PENDING) != 0 ||
		    ssh_channel_window_size(p->ch) == 0)
			return;
		n = ssh_channel_write(p->ch, p->in + p->in_off,
				      (uint32_t)(left < CONN_WRITE_MAX ? left : CONN_WRITE_MAX));
		if (n <= 0)
			return; /* the keys are being changed, or it broke */
		p->in_off += (size_t)n;
	}
	if (p->in_eof && p->in_off == p->in_len && !p->in_eof_sent && !p->closed) {
		p->in_eof_sent = true;
		(void)ssh_channel_send_eof(p->ch); /* fails with the connection */
	}
}

/* What the caller wants done meanwhile.  false: end the run. */
static bool pump_events(struct pump *p)
{
	struct ssh_run_event e;
	size_t i;

	while (p->run->event(p->run->event_data, &e)) {
		switch (e.kind) {
		case SSH_RUN_RESIZE:
			if (!p->closed)
				(void)ssh_channel_change_pty_size(p->ch, (int)e.cols, (int)e.rows);
			break;
		case SSH_RUN_SIGNAL:
			for (i = 0; i < SSH_SIGNALS && !p->closed; i++) {
				/* A server may refuse; it does not say. */
				if (ssh_signals[i].number == e.signo)
					(void)ssh_channel_request_send_signal(p->ch,
									      ssh_signals[i].name);
			}
			break;
		case SSH_RUN_ABORT:
			return false;
		}
	}
	return true;
}

enum { WAIT_SSH, WAIT_IN, WAIT_OUT, WAIT_ERR, WAIT_EVENT, WAIT_CANCEL, WAIT_N };

/* Poll for whatever lets the next round move something. */
static holos_status pump_wait(struct pump *p)
{
	struct pollfd f[WAIT_N];
	int rc;
	int i;

	for (i = 0; i < WAIT_N; i++)
		f[i] = (struct pollfd){ .fd = -1, .events = POLLIN };
	if (p->held[0] + p->held[1] < PUMP_HELD_MAX) {
		f[WAIT_SSH].fd = ssh_get_fd(p->c->session);
		if ((ssh_get_poll_flags(p->c->session) & SSH_WRITE_PENDING) != 0)
			f[WAIT_SSH].events |= POLLOUT;
	}
	if (pump_wants_input(p))
		f[WAIT_IN].fd = p->run->in_fd;
	for (i = 0; i < 2; i++) {
		f[WAIT_OUT + i].events = POLLOUT;
		if (sink_full(&p->out[i]))
			f[WAIT_OUT + i].fd = p->out[i].fd;
	}
	if (p->run->event != NULL)
		f[WAIT_EVENT].fd = p->run->event_fd;
	f[WAIT_CANCEL].fd = p->limits->cancel_fd;

	rc = poll(f, WAIT_N, clock_poll_timeout(p->limits->deadline_ns));
	if (rc <= 0)
		return clock_now_ns() >= p->limits->deadline_ns ? HOLOS_E_TIMEOUT : HOLOS_OK;
	if (f[WAIT_CANCEL].revents != 0)
		return HOLOS_E_CANCELLED;
	if (f[WAIT_EVENT].revents != 0 && !pump_events(p))
		return HOLOS_E_CANCELLED;
	if (f[WAIT_IN].revents != 0)
		pump_read_input(p);
	if (f[WAIT_SSH].revents != 0)
		conn_process(p->c);
	return HOLOS_OK;
}

/* Nobody reads the output any more: what a local command would die of. */
static holos_status pump_hang_up(struct pump *p)
{
	result_signal(&p->result, "PIPE");
	p->exited = true;
	if (!p->closed)
		(void)ssh_channel_close(p->ch); /* the guest may be gone as well */
	return HOLOS_OK;
}

static holos_status pump_lost(struct pump *p, struct holos_error **err)
{
	const char *text = ssh_get_error(p->c->session);

	return guest_fail(err, HOLOS_E_UNREACHED, 0,
			  "the connection to %s broke while the command ran: %s", p->c->name,
			  text != NULL && text[0] != '\0' ? text : "closed by the guest");
}

static bool pump_delivering(const struct pump *p)
{
	return sink_full(&p->out[0]) || sink_full(&p->out[1]);
}

static holos_status pump_run(struct pump *p, struct holos_error **err)
{
	for (;;) {
		holos_status st;
		int rc = 0;
		int i;

		for (i = 0; i < 2 && rc == 0; i++)
			rc = pump_out(p, i);
		if (rc == -EPIPE)
			return pump_hang_up(p);
		if (rc < 0)
			return guest_fail(err, HOLOS_E_IO, -rc, "cannot write the output of %s",
					  p->c->name);
		if (p->closed && p->held[0] + p->held[1] == 0 && !pump_delivering(p))
			break;
		/* With the connection gone only local delivery is left to wait for. */
		if (rc > 0 || (!conn_alive(p->c) && !pump_delivering(p)))
			return pump_lost(p, err);
		pump_in(p);
		st = pump_wait(p);
		if (st == HOLOS_E_CANCELLED)
			return guest_fail(err, st, 0, "the command in %s was interrupted",
					  p->c->name);
		if (st == HOLOS_E_TIMEOUT)
			return guest_fail(err, st, 0, "the command in %s did not end in time",
					  p->c->name);
	}
	if (!p->exited)
		return guest_fail(err, HOLOS_E_UNREACHED, 0,
				  "%s closed the session without an exit status", p->c->name);
	return HOLOS_OK;
}

struct request {
	const struct ssh_run *run;
	ssh_channel ch;
	const char *line;
};

static int step_pty(struct ssh_conn *c, void *data)
{
	struct request *r = data;

	(void)c;
	return ssh_channel_request_pty_size(r->ch, r->run->term, (int)r->run->cols,
					    (int)r->run->rows);
}

static int step_start(struct ssh_conn *c, void *data)
{
	struct request *r = data;

	(void)c;
	return r->line != NULL ? ssh_channel_request_exec(r->ch, r->line)
			       : ssh_channel_request_shell(r->ch);
}

/* Ask for the terminal and the command. */
static holos_status pump_start(struct pump *p, struct holos_error **err)
{
	const struct ssh_run *run = p->run;
	const uint64_t latest = clock_now_ns() + CONN_START_NS;
	const struct guest_limits limits = {
		latest < p->limits->deadline_ns ? latest : p->limits->deadline_ns,
		p->limits->cancel_fd,
	};
	_cleanup_(freep) char *line = command_line(run->argv, run->env, run->workdir);
	struct request r = { .run = run, .ch = p->ch, .line = line };
	const char *what = "a terminal";
	holos_status st = HOLOS_OK;

	if (run->term != NULL)
		st = conn_steps(p->c, &limits, step_pty, &r);
	if (st == HOLOS_OK) {
		what = line != NULL ? "to run the command" : "a shell";
		st = conn_steps(p->c, &limits, step_start, &r);
	}
	switch (st) {
	case HOLOS_OK:
		return st;
	case HOLOS_E_CANCELLED:
		return guest_fail(err, st, 0, "the call to %s was interrupted", p->c->name);
	case HOLOS_E_TIMEOUT:
		return guest_fail(err, HOLOS_E_UNREACHED, 0, "no answer from %s", p->c->name);
	default:
		if (!conn_alive(p->c))
			return pump_lost(p, err);
		return guest_fail(err, HOLOS_E_DENIED, 0, "the SSH server of %s refuses %s",
				  p->c->name, what);
	}
}

/* A write to a pipe without a reader must end in EPIPE, not in a signal. */
static void sigpipe_hold(sigset_t *old)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	sigprocmask(SIG_BLOCK, &set, old);
}

static void sigpipe_release(const sigset_t *old)
{
	const struct timespec now = { 0, 0 };
	sigset_t set;

	if (sigismember(old, SIGPIPE))
		return; /* the caller's to find */
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	(void)sigtimedwait(&set, NULL, &now); /* EAGAIN: there was none */
	sigprocmask(SIG_SETMASK, old, NULL);
}

holos_status conn_run(struct ssh_conn *c, ssh_channel ch, const struct ssh_run *run,
		      const struct guest_limits *limits, struct conn_tail *out,
		      struct conn_tail *errout, struct ssh_run_result *ret,
		      struct holos_error **err)
{
	struct pump p = { .c = c, .ch = ch, .run = run, .limits = limits };
	sigset_t old;
	holos_status st;

	p.in = run->in_fd >= 0 ? xmalloc(PUMP_INPUT) : NULL;
	p.in_eof = run->in_fd < 0;
	sink_init(&p.out[0], run->out_fd, out);
	sink_init(&p.out[1], run->err_fd, errout);
	p.cb.userdata = &p;
	p.cb.channel_data_function = on_data;
	p.cb.channel_close_function = on_close;
	p.cb.channel_exit_status_function = on_exit_status;
	p.cb.channel_exit_signal_function = on_exit_signal;
	ssh_callbacks_init(&p.cb);
	sigpipe_hold(&old);

	if (ssh_set_channel_callbacks(ch, &p.cb) != SSH_OK)
		st = guest_fail(err, HOLOS_E_INTERNAL, 0, "libssh took no callbacks");
	else
		st = pump_start(&p, err);
	if (st == HOLOS_OK)
		st = pump_run(&p, err);
	if (st == HOLOS_OK)
		*ret = p.result;

	/* The channel may live on until the guest has closed it. */
	(void)ssh_remove_channel_callbacks(ch, &p.cb);
	sigpipe_release(&old);
	sink_finish(&p.out[0]);
	sink_finish(&p.out[1]);
	free(p.in);
	return st;
}
