/* SPDX-License-Identifier: Apache-2.0
 *
 * volumes.h - named volumes: volumes/<p>/<n>.qcow2, one disk each.
 *
 * Beside each disk lies <n>.json: its size as asked for, and whether it is
 * fresh: made by us and not yet confirmed to carry a file system.  Only a fresh
 * volume may be formatted, by the guest, which reports the mount on its
 * console; a lost report does no harm (docs/steps.md).
 */
#ifndef ENGINE_VOLUMES_H
#define ENGINE_VOLUMES_H

#include <engine/engine.h>
#include <plan/argv.h>
#include <plan/steps.h>

struct vm_volumes {
	struct plan_disk *disks;    /* for QEMU */
	struct plan_volume *mounts; /* for the guest; the same order */
	size_t n;
	char **owned; /* the strings of both */
	size_t n_owned, cap_owned;
};

/* The volumes of one VM that is about to start: made where missing, grown where
 * the file asks for more.  ERR_INVALID: it asks for less. */
int volumes_prepare(struct engine *e, const struct project *project, const struct service *service,
		    unsigned index, const char *instance, struct vm_volumes *ret,
		    struct holos_error **err);
/* Would volumes_prepare() refuse a size?  Changes nothing. */
int volumes_check(struct engine *e, const struct project *project, const struct service *service,
		  unsigned index, struct holos_error **err);
void vm_volumes_finish(struct vm_volumes *v);

/* Read the guest's reports and clear the fresh marks that `instance` was given. */
void volumes_confirm(const struct state *s, const char *project, const char *instance);

/* Remove all volumes of a project; *ret_found becomes true when there were any. */
int volumes_remove(const struct state *s, const char *project, bool *ret_found,
		   struct holos_error **err);

#endif
