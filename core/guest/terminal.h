/* SPDX-License-Identifier: Apache-2.0
 *
 * terminal.h - this process's terminal while its keys belong to a guest, and the
 * signals that arrive meanwhile.
 */
#ifndef GUEST_TERMINAL_H
#define GUEST_TERMINAL_H

#include <base/error.h>

#include <signal.h>
#include <stdbool.h>
#include <termios.h>

struct terminal {
	bool raw;
	struct termios saved;
};

/* Raw mode on descriptor 0; nothing happens when that is no terminal. */
void terminal_raw(struct terminal *t);
/* As it was.  What was typed and not read stays to be read. */
void terminal_restore(struct terminal *t);
/* The same after a guest could print what it liked: modes that it may have left
 * behind are switched off on descriptor 1, where that is a terminal, and input
 * that was not read (answers that a guest asked the terminal for) is dropped. */
void terminal_restore_reset(struct terminal *t);

/* Size of the terminal on one of the standard streams; 0 by 0 without one. */
void terminal_size(unsigned *ret_cols, unsigned *ret_rows);

/* Read HUP, INT, QUIT, TERM, USR1, USR2 and WINCH from *ret_fd (non-blocking)
 * instead of being interrupted by them; one that is ignored (nohup) stays so.
 * Undone by sigprocmask(SIG_SETMASK, old, NULL).  0 or -errno. */
int terminal_signals(sigset_t *old, int *ret_fd);
/* The next one of that descriptor; 0: none. */
int terminal_signal(int fd);
/* Is it one that asks a program to end? */
bool terminal_is_end(int signo);

#endif
