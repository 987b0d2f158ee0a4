/* SPDX-License-Identifier: Apache-2.0
 *
 * provisioned.h - how far a guest's own making is, for whoever waits for it.
 */
#ifndef ENGINE_PROVISIONED_H
#define ENGINE_PROVISIONED_H

#include <engine/context.h>
#include <state/vmrecord.h>

/* Is its making still under way?  Then its step is told (*told remembers, and is the
 * caller's to free; with HOLOS_HEALTH_BYPASS nobody looks). */
bool provisioned_waits(struct engine *e, const char *name, const struct vm_record *vm,
		       uint64_t began_ns, char **told);
/* Did it fail?  ERR_TIMEOUT with what failed, else 0. */
int provisioned_check(const char *project, const char *name, const struct vm_record *vm,
		      struct holos_error **err);
/* What the step that failed said last. */
void provisioned_tell(struct engine *e, const char *name, const struct vm_record *vm);

#endif
