/* SPDX-License-Identifier: Apache-2.0
 *
 * lock.h - one writer per project.  Readers take no lock.
 */
#ifndef STATE_LOCK_H
#define STATE_LOCK_H

#include <base/error.h>
#include <state/layout.h>

#include <stdint.h>

struct state_lock;

/* Take the lock of a project, waiting until deadline_ns (CLOCK_MONOTONIC; 0: not
 * at all).  ERR_BUSY names who holds it: pid, verb, since when.  interrupted
 * (may be NULL) is asked before each blocking call and after each signal: true
 * ends the wait with ERR_INTERRUPTED; handlers call interrupt_wake().  The lock is an open file
 * description's (fcntl(2)): it goes with the process, however it ends. */
int state_lock(const struct state *s, const char *project, const char *verb, uint64_t deadline_ns,
	       bool (*interrupted)(void), struct state_lock **ret, struct holos_error **err);
/* The same for another file below the state directory; `name` is what messages
 * call it ("image store"). */
int state_lock_file(const struct state *s, const char *rel, const char *name, const char *verb,
		    uint64_t deadline_ns, bool (*interrupted)(void), struct state_lock **ret,
		    struct holos_error **err);
void state_unlock(struct state_lock *l); /* NULL is fine */
DEFINE_CLEANUP(struct state_lock *, state_unlockp, state_unlock);

#endif
