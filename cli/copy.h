/* SPDX-License-Identifier: Apache-2.0
 *
 * copy.h - one tar stream between this host and a VM, for holos cp.
 */
#ifndef CLI_COPY_H
#define CLI_COPY_H

#include <base/error.h>
#include <guest/ssh_module.h>

struct copy_stream {
	const struct holos_ssh_module *ssh;
	struct ssh_conn *conn;
	const char *vm;
	const char *what; /* "web-0:/etc", for the display */
	const char *const *remote;
	char *const *copier; /* arguments of holos-copy; NULL: our own standard streams */
	bool to_guest;
	bool quiet; /* no display, even on a terminal */
};

/* Run both ends until everything is copied.  What could not be copied is a chain of
 * errors that name the files; a guest's own words are among them.  Ctrl-C:
 * ERR_INTERRUPTED. */
int copy_run(const struct copy_stream *s, struct holos_error **err);

/* What a short command in the guest prints: its output up to `max` bytes; its errors are
 * dropped.  The caller frees. */
int copy_ask(const struct copy_stream *s, size_t max, char **ret, struct holos_error **err);

#endif
