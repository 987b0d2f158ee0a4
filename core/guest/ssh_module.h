/* SPDX-License-Identifier: Apache-2.0
 *
 * ssh_module.h - contract between the holos programs and the module
 * holos-ssh.so, the only code that links libssh.
 *
 * The module is loaded by guest_ssh_module() (guest.h) when a command or a
 * probe needs a guest, and is never unloaded.  It belongs to one build: the
 * loader refuses another version or size.  No threads; one call at a time.
 *
 * Whoever calls: the guest's host key is verified on every connection against
 * the keys in guest->ssh_known_hosts, the only credential is guest->ssh_key,
 * and no configuration of the user's (ssh_config, agent, known_hosts,
 * openssl.cnf) applies.
 */
#ifndef GUEST_SSH_MODULE_H
#define GUEST_SSH_MODULE_H

#include <base/error.h>
#include <holos/guest.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOLOS_SSH_MODULE_FILE   "holos-ssh.so"
#define HOLOS_SSH_MODULE_SYMBOL "holos_ssh_module"

/* One authenticated connection to one guest. */
struct ssh_conn;

struct ssh_keypair {
	char *private_text; /* OpenSSH PEM, ends with a newline */
	char *public_line;  /* "ssh-ed25519 AAAA...": no comment, no newline */
};

/* What happened outside while a command runs. */
enum ssh_run_event_kind {
	SSH_RUN_RESIZE, /* the terminal has another size: cols, rows */
	SSH_RUN_SIGNAL, /* pass signo on to the command */
	SSH_RUN_ABORT   /* end the run: HOLOS_E_CANCELLED */
};

struct ssh_run_event {
	enum ssh_run_event_kind kind;
	unsigned cols, rows;
	int signo; /* HUP, INT, QUIT, TERM, USR1, USR2, ALRM, ...: those SSH knows */
};

/* Called when event_fd is readable, until it returns false.  It reads what is
 * there without blocking. */
typedef bool ssh_run_event_fn(void *data, struct ssh_run_event *ret);

/* One command, or with argv NULL the user's login shell.  All borrowed. */
struct ssh_run {
	const char *const *argv; /* NULL-terminated; boundaries are kept */
	const char *const *env;  /* "K=V", NULL-terminated, or NULL; part of the
				  * command line: others in the guest can see it */
	const char *workdir;     /* or NULL: the user's home */
	const char *term;        /* $TERM for a pty; NULL: no pty */
	unsigned cols, rows;     /* of the pty, 0: unknown */
	/* Local ends, the caller's; -1: none (no input, output dropped).  Their
	 * flags are not changed, so that a shared terminal stays as it is. */
	int in_fd, out_fd, err_fd;
	int event_fd; /* -1: none */
	ssh_run_event_fn *event;
	void *event_data;
};

struct ssh_run_result {
	int status;      /* 0..255, or 128 + number of the signal that ended it */
	int signo;       /* 0: it exited */
	char signal[16]; /* "TERM", as the guest said; "" when it exited */
};

struct holos_ssh_module {
	uint32_t size;       /* sizeof(struct holos_ssh_module) */
	const char *version; /* HOLOS_VERSION of the build */

	/* The holos.guest/1 service: see holos/guest.h for the results.
	 * Connections are kept per guest (host, port, user, key, known_hosts)
	 * between calls and made anew when they broke; a command is sent at
	 * most once.  Output beyond the buffers keeps its end, the part that
	 * says what went wrong.  deadline_ns: CLOCK_MONOTONIC, UINT64_MAX for
	 * none; cancel_fd: readable when the call is to end, or -1.  Also gives
	 * HOLOS_E_CANCELLED, HOLOS_E_CONFIG (guest incomplete, key unreadable)
	 * and HOLOS_E_IO.  *err is set unless HOLOS_OK. */
	holos_status (*guest_exec)(const struct holos_guest *guest, const struct holos_exec *exec,
				   uint64_t deadline_ns, int cancel_fd,
				   struct holos_exec_result *res, struct holos_error **err);
	/* Close the connections that guest_exec keeps. */
	void (*guest_forget)(void);

	/* Connect and log in.  fd: a TCP connection to the guest's sshd that
	 * guest_dial() made, taken over in any case, or -1 to make one.  One
	 * attempt; HOLOS_E_UNREACHED is worth another. */
	holos_status (*conn_open)(const struct holos_guest *guest, int fd, uint64_t deadline_ns,
				  int cancel_fd, struct ssh_conn **ret, struct holos_error **err);
	void (*conn_close)(struct ssh_conn *conn); /* NULL is fine */
	/* Run one command to its end.  HOLOS_OK: it ran, see *ret.  The guest
	 * closing the connection before the command ended, or not starting it
	 * within a minute, is HOLOS_E_UNREACHED.  When nobody reads out_fd or
	 * err_fd any more the command is hung up and counts as killed by
	 * SIGPIPE.  Runs may follow each other on one connection as long as
	 * they give HOLOS_OK. */
	holos_status (*conn_run)(struct ssh_conn *conn, const struct ssh_run *run,
				 struct ssh_run_result *ret, struct holos_error **err);

	/* A new ed25519 key pair; the caller frees both strings.  0 or -code. */
	int (*keygen)(struct ssh_keypair *ret, struct holos_error **err);
};

/* Exported by the module; take it with guest_ssh_module(). */
extern const struct holos_ssh_module holos_ssh_module;

#endif
