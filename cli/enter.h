/* SPDX-License-Identifier: Apache-2.0
 *
 * enter.h - the VM that exec, cp and console mean, and the way into it.
 */
#ifndef CLI_ENTER_H
#define CLI_ENTER_H

#include <cli.h>
#include <guest/ssh_module.h>

struct enter_target {
	struct project_status *project;
	struct vm_status *vm;
	char *const *rest; /* the operands behind the name */
};

/* --index; NULL: 0. */
int enter_index(const char *text, unsigned *ret, struct holos_error **err);
/* What the first operands (NULL-terminated) name: "INSTANCE" or "SERVICE" of the
 * project that is meant here, "PROJECT INSTANCE", or a PROJECT with one instance.
 * index is the replica when a service is named. */
int enter_find(const struct common *c, const struct state *s, const char *verb,
	       char *const *operands, unsigned index, struct enter_target *ret,
	       struct holos_error **err);
void enter_finish(struct enter_target *t);
/* Is it there and running? */
int enter_running(const struct enter_target *t, struct holos_error **err);

/* Log in as user (NULL: the VM's own), waiting for its SSH server up to `wait` (a
 * duration; NULL: 60s; 0: one try); a wait is told on stderr.  The caller closes *ret
 * with the module's conn_close. */
int enter_connect(const struct state *s, const struct enter_target *t, const char *user,
		  const char *wait, const struct holos_ssh_module **ret_module,
		  struct ssh_conn **ret, struct holos_error **err);

#endif
