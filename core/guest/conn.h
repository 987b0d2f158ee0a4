/* SPDX-License-Identifier: Apache-2.0
 *
 * conn.h - one authenticated connection, never blocking on the network beyond
 * its limits.  Part of module holos-ssh.
 */
#ifndef GUEST_CONN_H
#define GUEST_CONN_H

#include "dial.h"
#include "sink.h"
#include "ssh_module.h"

#include <base/clock.h>
#include <libssh/callbacks.h>
#include <libssh/libssh.h>

struct ssh_conn {
	ssh_session session;
	ssh_event event; /* the way to make libssh process what came in */
	char *name;      /* for messages */
};

/* Bytes given to libssh at once.  Its socket is a blocking one; this much fits
 * the kernel's buffer whenever poll says that it is writable. */
#define CONN_WRITE_MAX 32768

/* A guest that has let us log in starts a command within this time, or hangs. */
#define CONN_START_NS (60 * NS_PER_S)

/* As the module's conn_open and conn_close. */
holos_status conn_open(const struct holos_guest *guest, int fd, const struct guest_limits *limits,
		       struct ssh_conn **ret, struct holos_error **err);
void conn_close(struct ssh_conn *c);

/* Process what arrived and send what can be sent, without waiting. */
void conn_process(struct ssh_conn *c);
/* Is the connection still there, as far as this side knows? */
bool conn_alive(struct ssh_conn *c);
/* Wait until the network has something for conn_process().  HOLOS_OK,
 * HOLOS_E_TIMEOUT, HOLOS_E_CANCELLED. */
holos_status conn_wait(struct ssh_conn *c, const struct guest_limits *limits);

/* Open a session channel.  HOLOS_E_UNREACHED when the connection broke or the
 * deadline passed.  End it with conn_channel_free(). */
holos_status conn_channel_open(struct ssh_conn *c, const struct guest_limits *limits,
			       ssh_channel *ret, struct holos_error **err);
void conn_channel_free(struct ssh_conn *c, ssh_channel ch); /* NULL is fine */

/* Repeat step(data), which gives SSH_OK, SSH_ERROR or SSH_AGAIN, until it is
 * done.  HOLOS_OK, HOLOS_E_UNREACHED (SSH_ERROR; the text is libssh's),
 * HOLOS_E_TIMEOUT, HOLOS_E_CANCELLED; *err is not set. */
typedef int conn_step_fn(struct ssh_conn *c, void *data);
holos_status conn_steps(struct ssh_conn *c, const struct guest_limits *limits, conn_step_fn *step,
			void *data);

/* conn_run() behind the public one: output goes to memory when out or errout
 * are set, and limits apply. */
holos_status conn_run(struct ssh_conn *c, ssh_channel ch, const struct ssh_run *run,
		      const struct guest_limits *limits, struct conn_tail *out,
		      struct conn_tail *errout, struct ssh_run_result *ret,
		      struct holos_error **err);

/* The kept connections (exec.c). */
holos_status exec_guest(const struct holos_guest *guest, const struct holos_exec *exec,
			uint64_t deadline_ns, int cancel_fd, struct holos_exec_result *res,
			struct holos_error **err);
void exec_forget(void);

#endif
