/* SPDX-License-Identifier: Apache-2.0
 *
 * live.h - what a VM takes up as it runs: restart policy, health, grace, and what
 * is only noted (labels).
 *
 * launch.json first, then the monitor reads it ("reload"), then the record: one
 * who is killed in between leaves a difference that the next `up` finds.
 */
#ifndef ENGINE_LIVE_H
#define ENGINE_LIVE_H

#include <engine/prepare.h>
#include <monitor/launch.h>

/* Set that part of a launch as the service has it. */
void live_fill(const struct plan_vm *vm, struct launch *l);
/* Bring launch.json of the VM that rec describes up to date.  Returns 1, or 0 when
 * it says the same as before (labels are not in it). */
int live_write(struct prepare *p, const struct plan_vm *vm, const struct instance_record *rec,
	       struct holos_error **err);
/* Bring rec up to date and write it. */
int live_record(struct prepare *p, const struct plan_vm *vm, struct instance_record *rec,
		struct holos_error **err);

#endif
