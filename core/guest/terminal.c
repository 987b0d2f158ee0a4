/* SPDX-License-Identifier: Apache-2.0
 *
 * terminal.c - see terminal.h.
 */
#include <base/fs.h>
#include <guest/terminal.h>

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* What programs switch on and leave on when they are cut off.  Nothing here moves
 * the cursor or clears anything on a terminal that is in order. */
static const char modes_off[] =
	"\033[!p"                           /* soft reset, where it is known; else: */
	"\033[?1047l"                       /* second screen */
	"\033[?1000l\033[?1002l\033[?1003l" /* mouse */
	"\033[?1004l\033[?1006l\033[?2004l" /* focus, paste */
	"\033[?1l\033>"                     /* keys */
	"\033[?5l\033[?7h\033[4l\033[20l"   /* inverse, wrap, insert, newline */
	"\0337\033[r\0338"                  /* scrolling region */
	"\033(B\017\033[?25h\033[0m";       /* characters, cursor, colours */

void terminal_raw(struct terminal *t)
{
	struct termios raw;

	t->raw = false;
	if (tcgetattr(0, &t->saved) < 0)
		return;
	raw = t->saved;
	cfmakeraw(&raw);
	t->raw = tcsetattr(0, TCSADRAIN, &raw) == 0;
}

void terminal_restore(struct terminal *t)
{
	if (t->raw)
		(void)tcsetattr(0, TCSADRAIN, &t->saved); /* it may be gone */
	t->raw = false;
}

void terminal_restore_reset(struct terminal *t)
{
	if (isatty(1))
		(void)fs_write_all(1, modes_off, strlen(modes_off)); /* it may be gone */
	if (t->raw)
		(void)tcsetattr(0, TCSAFLUSH, &t->saved);
	t->raw = false;
}

void terminal_size(unsigned *ret_cols, unsigned *ret_rows)
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

int terminal_signals(sigset_t *old, int *ret_fd)
{
	static const int taken[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2 };
	struct sigaction sa;
	sigset_t set;
	size_t i;

	sigemptyset(&set);
	sigaddset(&set, SIGWINCH);
	for (i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		if (sigaction(taken[i], NULL, &sa) == 0 && sa.sa_handler != SIG_IGN)
			sigaddset(&set, taken[i]);
	}
	*ret_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (*ret_fd < 0)
		return -errno;
	sigprocmask(SIG_BLOCK, &set, old);
	return 0;
}

int terminal_signal(int fd)
{
	struct signalfd_siginfo info;

	if (read(fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return 0;
	return (int)info.ssi_signo;
}

bool terminal_is_end(int signo)
{
	return signo == SIGHUP || signo == SIGINT || signo == SIGQUIT || signo == SIGTERM;
}
