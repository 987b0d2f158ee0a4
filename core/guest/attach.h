/* SPDX-License-Identifier: Apache-2.0
 *
 * attach.h - a command in the guest on this process's own standard streams:
 * terminal, window size, signals.
 */
#ifndef GUEST_ATTACH_H
#define GUEST_ATTACH_H

#include <guest/ssh_module.h>

struct guest_attach {
	const char *const *argv; /* as in struct ssh_run */
	const char *const *env;
	const char *workdir;
	bool tty; /* give the command a terminal */
};

/* Run a command with descriptors 0, 1 and 2 of this process and wait for its
 * end.  With tty the local terminal, if descriptor 0 is one, is raw meanwhile
 * and its size is the remote one's; it is as before when the call returns.
 * HUP, INT, QUIT, TERM, USR1 and USR2 sent to this process go to the command
 * instead; a second one of INT, QUIT, TERM and HUP ends the call
 * (HOLOS_E_CANCELLED), for guests that pass no signals on.  Results as those of
 * the module's conn_run. */
holos_status guest_attach(const struct holos_ssh_module *m, struct ssh_conn *conn,
			  const struct guest_attach *a, struct ssh_run_result *ret,
			  struct holos_error **err);

#endif
