/* SPDX-License-Identifier: Apache-2.0
 *
 * holos/guest.h - how to reach a running VM, and commands in it.
 */
#ifndef HOLOS_GUEST_H
#define HOLOS_GUEST_H
#include <holos/plan.h>

/* How to reach one running VM.  A NULL or 0 means "no such way". */
struct holos_guest {
	uint32_t size;
	uint32_t ssh_port;
	const char *vm;                /* "web-0" */
	const char *ssh_host;
	const char *ssh_user;
	const char *ssh_key;           /* path, 0600 */
	const char *ssh_known_hosts;   /* path, this VM's own */
	const char *agent_socket;      /* QEMU guest agent */
	const char *console_log;       /* path */
	const struct holos_endpoint *const *endpoints; /* NULL-terminated */
};

/* Host table: run commands in the guest over the host's own SSH session, which
 * is kept open between calls. */
#define HOLOS_GUEST_API_ID "holos.guest/1"

struct holos_exec {
	uint32_t size;
	uint32_t reserved;
	const char *const *argv; /* NULL-terminated; boundaries are kept */
	const char *const *env;  /* "K=V", NULL-terminated, or NULL */
};

/* Filled in by exec(); the buffers are the plugin's. */
struct holos_exec_result {
	uint32_t size;
	int32_t status;          /* exit status, or -1: killed by a signal */
	char *out;               /* may be NULL with out_cap 0; NUL-terminated */
	size_t out_cap;
	char *errout;
	size_t errout_cap;
};

struct holos_guest_api {
	uint32_t size;
	uint32_t reserved;
	/* HOLOS_OK: it ran, see res->status.  HOLOS_E_UNREACHED: no SSH answer
	 * (the guest boots, is down, drops connections).  HOLOS_E_TIMEOUT: it
	 * ran past the call's deadline.  HOLOS_E_DENIED: the guest refuses our
	 * key, or its host key is not the expected one.  With argv NULL only
	 * the login is tried. */
	holos_status (*exec)(const struct holos_guest *guest,
	                     const struct holos_exec *exec, holos_call *call,
	                     struct holos_exec_result *res, holos_error *err);
};
#endif
