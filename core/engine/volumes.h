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

#include <time.h>

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

/* One disk of the store: a volume per replica has several, NAME.0, NAME.1 ... */
struct volume_info {
	char *name;
	uint64_t size, used;     /* bytes: as the guest sees it (0: unknown), on the host's disk */
	struct timespec changed; /* when it was last written */
	bool fresh;              /* no guest has confirmed a file system on it */
	char *problem;           /* NULL, or why it is not for us to change */
};

/* The volumes that a project has, sorted by name; the caller frees them. */
int volumes_list(const struct state *s, const char *project, struct volume_info **ret,
		 size_t *ret_n, struct holos_error **err);
void volumes_list_free(struct volume_info *list, size_t n);
/* The instance that uses this disk, or of which that cannot be told; NULL. */
const struct vm_status *project_status_volume_user(const struct project_status *p,
						   const char *disk);
/* Are the volumes of ours that it had at its last start there, and no links? */
int volumes_check_again(const struct state *s, const struct instance_record *rec,
			struct holos_error **err);
/* The disks that the names mean.  One that is not there or in use is an error. */
int volumes_find(const struct state *s, const struct project_status *p, const char *const *names,
		 struct strv *ret, struct holos_error **err);
/* Remove them; under the project's lock, after another look. */
int engine_remove_volumes(struct engine *e, const char *project, const char *const *names,
			  struct holos_error **err);
/* Remove one, which nobody uses: the caller knows, and holds the project's lock. */
int volumes_delete(const struct state *s, const char *project, const char *name,
		   struct holos_error **err);

/* ERR_HOST when some volume of the project is a newer holos's. */
int volumes_check_ours(const struct state *s, const char *project, struct holos_error **err);
/* Remove all volumes of a project; *ret_found becomes true when there were any. */
int volumes_remove(const struct state *s, const char *project, bool *ret_found,
		   struct holos_error **err);

#endif
