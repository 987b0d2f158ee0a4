/* SPDX-License-Identifier: Apache-2.0
 *
 * attach.c - see attach.h.
 */
#include <base/cleanup.h>
#include <guest/attach.h>
#include <guest/dial.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>

struct attach {
	int fd;         /* signalfd */
	unsigned asked; /* bit n: signal n was passed on before */
	bool tty;
};

static const int forwarded[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2 };
#define FORWARDED (sizeof(forwarded) / sizeof(forwarded[0]))

/* Size of the terminal on one of the standard streams; 0 by 0 without one. */
static void window_size(unsigned *ret_cols, unsigned *ret_rows)
{
	struct winsize w = { 0 };
	int fd;

	for (fd = 0; fd < 3; fd++) {
		if (ioctl(fd, TIOCGWINSZ, &w) == 0)
			break;
	}
	*ret_cols = w.ws_col;
	*ret_rows = w.ws_row;
}

static bool is_last_resort(int signo)
{
	return signo == SIGHUP || signo == SIGINT || signo == SIGQUIT || signo == SIGTERM;
}

static bool next_event(void *data, struct ssh_run_event *ret)
{
	struct attach *a = data;
	struct signalfd_siginfo info;
	int signo;

	for (;;) {
		if (read(a->fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
			return false;
		signo = (int)info.ssi_signo;
		if (signo != SIGWINCH)
			break;
		if (a->tty) {
			ret->kind = SSH_RUN_RESIZE;
			window_size(&ret->cols, &ret->rows);
			return true;
		}
	}
	ret->kind = SSH_RUN_SIGNAL;
	ret->signo = signo;
	if (is_last_resort(signo) && a->asked)
		ret->kind = SSH_RUN_ABORT;
	a->asked = a->asked || is_last_resort(signo);
	return true;
}

/* Read signals from *ret_fd instead of being interrupted by them.  A signal
 * that is ignored (nohup) stays so. */
static int signals_take(sigset_t *old, int *ret_fd)
{
	struct sigaction sa;
	sigset_t set;
	size_t i;

	sigemptyset(&set);
	sigaddset(&set, SIGWINCH);
	for (i = 0; i < FORWARDED; i++) {
		if (sigaction(forwarded[i], NULL, &sa) == 0 && sa.sa_handler != SIG_IGN)
			sigaddset(&set, forwarded[i]);
	}
	*ret_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (*ret_fd < 0)
		return -errno;
	sigprocmask(SIG_BLOCK, &set, old);
	return 0;
}

/* Raw mode on descriptor 0; false: it is no terminal. */
static bool terminal_raw(struct termios *saved)
{
	struct termios raw;

	if (tcgetattr(0, saved) < 0)
		return false;
	raw = *saved;
	cfmakeraw(&raw);
	return tcsetattr(0, TCSADRAIN, &raw) == 0;
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
	struct termios saved;
	bool raw = false;
	sigset_t old;
	holos_status st;
	int rc;

	rc = signals_take(&old, &fd);
	if (rc < 0)
		return guest_fail(err, HOLOS_E_IO, -rc, "cannot receive signals");
	a.fd = fd;
	run.event_fd = fd;
	if (what->tty) {
		const char *term = getenv("TERM");

		run.term = term != NULL && term[0] != '\0' ? term : "dumb";
		window_size(&run.cols, &run.rows);
		raw = terminal_raw(&saved);
	}
	st = m->conn_run(conn, &run, ret, err);
	if (raw)
		(void)tcsetattr(0, TCSADRAIN, &saved); /* the terminal may be gone */
	sigprocmask(SIG_SETMASK, &old, NULL);
	return st;
}
