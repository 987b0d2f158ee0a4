/* SPDX-License-Identifier: Apache-2.0
 *
 * stop.h - end VMs of a project, for the files of this folder.
 */
#ifndef ENGINE_STOP_H
#define ENGINE_STOP_H

#include <engine/context.h>

/* Read the project, lock it and read it again as it is now that nobody changes
 * it.  One that is not ours to change or lacks one of the names is an error,
 * before anything is waited for; one that is not there (exists is false) is not
 * locked. */
int stop_hold(struct engine *e, const char *project, const char *const *names,
	      struct project_status **ret, struct state_lock **ret_lock, struct holos_error **err);

/* Which VMs do the names mean (all without names)?  chosen[i] is for p->vms[i]. */
void stop_choose(const struct project_status *p, const char *const *names, bool *chosen);

/* Stop the chosen ones, dependents first; with `warn`, dependents that stay up are
 * told.  The status of each that was up is read again. */
int stop_chosen(struct engine *e, struct project_status *p, const bool *chosen,
		const struct stop_options *o, bool warn, struct holos_error **err);

/* Remove the chosen ones, which are down, with their root disks (down.c). */
int remove_chosen(struct engine *e, const struct project_status *p, const bool *chosen,
		  struct holos_error **err);

#endif
