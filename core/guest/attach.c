/* SPDX-License-Identifier: Apache-2.0
 *
 * attach.c - see attach.h.
 */
#include <base/cleanup.h>
#include <guest/attach.h>
#include <guest/dial.h>
#include <guest/terminal.h>

#include <signal.h>
#include <stdlib.h>

struct attach {
	int fd;     /* of terminal_signals() */
	bool asked; /* to end, once already */
	bool tty;
};

static bool next_event(void *data, struct ssh_run_event *ret)
{
	struct attach *a = data;
	int signo;

	do {
		signo = terminal_signal(a->fd);
		if (signo == 0)
			return false;
	} while (signo == SIGWINCH && !a->tty);
	if (signo == SIGWINCH) {
		ret->kind = SSH_RUN_RESIZE;
		terminal_size(&ret->cols, &ret->rows);
		return true;
	}
	ret->kind = SSH_RUN_SIGNAL;
	ret->signo = signo;
	if (terminal_is_end(signo) && a->asked)
		ret->kind = SSH_RUN_ABORT;
	a->asked = a->asked || terminal_is_end(signo);
	return true;
}

holos_status guest_attach(const struct holos_ssh_module *m, struct ssh_conn *conn,
			  const struct guest_attach *what, struct ssh_run_result *ret,
			  struct holos_error **err)
{
	_cleanup_(closep) int fd = -1;
	struct attach a = { .tty = what->tty };
	struct ssh_run run = { .argv = what->argv,
			       .env = what->env,
			       .workdir = what->workdir,
			       .in_fd = 0,
			       .out_fd = 1,
			       .err_fd = 2,
			       .event = next_event,
			       .event_data = &a };
	struct terminal terminal = { .raw = false };
	sigset_t old;
	holos_status st;
	int rc;

	rc = terminal_signals(&old, &fd);
	if (rc < 0)
		return guest_fail(err, HOLOS_E_IO, -rc, "cannot receive signals");
	a.fd = fd;
	run.event_fd = fd;
	if (what->tty) {
		const char *term = getenv("TERM");

		run.term = term != NULL && term[0] != '\0' ? term : "dumb";
		terminal_size(&run.cols, &run.rows);
		terminal_raw(&terminal);
	}
	st = m->conn_run(conn, &run, ret, err);
	/* A program that was cut off has not tidied up. */
	if (what->tty && st != HOLOS_OK)
		terminal_restore_reset(&terminal);
	else
		terminal_restore(&terminal);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return st;
}
