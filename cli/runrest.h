/* SPDX-License-Identifier: Apache-2.0
 *
 * runrest.h - what `holos run` does when its VM runs.
 */
#ifndef CLI_RUNREST_H
#define CLI_RUNREST_H

#include <cli.h>

struct run_rest {
	const char *project, *state_dir;
	bool exec;            /* run a command, or a shell, in it */
	char *const *command; /* [0] NULL: a shell */
	bool remove;          /* the VM, when the command or the VM itself has ended */
};

/* The status is that of the command, or of the VM. */
int run_rest(const struct run_rest *o, struct holos_error **err);
/* Take the VM away, at once: its disk goes as well.  And the file that `run` wrote. */
int run_remove(const struct run_rest *o, struct holos_error **err);

#endif
