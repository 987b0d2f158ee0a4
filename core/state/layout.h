/* SPDX-License-Identifier: Apache-2.0
 *
 * layout.h - the state directory: where it is and what lies where.
 *
 *   projects/<p>.json            identity of a project        (state/projectrecord.h)
 *   projects/<p>.brief           a copy of it without the instances, for readers in a hurry
 *   locks/<p>.lock               writers of one project        (state/lock.h)
 *   instances/<p>/<i>/           one VM: instance.json (state/instancerecord.h),
 *                                launch.json, vm.json, disks, sockets, logs
 *   instances/<p>/.new-<i>/      a VM in the making: gets its name when it is whole
 *   instances/<p>/.removing-*    a VM whose removal was decided: only its removal is left
 *   volumes/<p>/<n>.qcow2        named volumes
 *   ssh/<p>/                     the project's key
 *   images/                      bases, named by digest
 *   runs/<p>/holos.yaml          what `holos run` wrote
 */
#ifndef STATE_LAYOUT_H
#define STATE_LAYOUT_H

#include <base/cleanup.h>
#include <base/error.h>
#include <base/strv.h>

#include <stdbool.h>

struct state {
	char *dir; /* absolute */
	int fd;    /* of dir; -1 when it does not exist (readers only) */
};

/* The directory: `wanted` (--state-dir) or HOLOS_STATE_DIR, made absolute; else
 * /var/lib/holos for root, ~/.local/state/holos for others.  The caller frees. */
char *state_default_dir(const char *wanted);

/* Open it.  For writing it is made with its subdirectories (0700); a directory
 * that others can write is refused.  For reading a missing one is empty. */
int state_open(const char *dir, bool writing, struct state **ret, struct holos_error **err);
void state_close(struct state *s); /* NULL is fine */
DEFINE_CLEANUP(struct state *, state_closep, state_close);

/* Absolute path below the state directory; the caller frees. */
char *state_path(const struct state *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Descriptor of a directory below it, or -1 with errno.  make: 0700, parents too. */
int state_open_dir(const struct state *s, bool make, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Does this absolute path lie inside the state directory (crash rule 3)? */
bool state_contains(const struct state *s, const char *path);

/* Names of the projects that have a record or instances, sorted. */
int state_list_projects(const struct state *s, struct strv *ret, struct holos_error **err);
/* Names of the projects that have a directory of volumes, sorted. */
int state_list_volumes(const struct state *s, struct strv *ret, struct holos_error **err);
/* Names of a project's instances (directories with a valid name), sorted by
 * service and index. */
int state_list_instances(const struct state *s, const char *project, struct strv *ret,
			 struct holos_error **err);
/* "web-12" -> "web", 12.  False when it is no instance's name. */
bool state_split_instance(const char *instance, char service[64], unsigned *index);

/* Begin to make an instance: an empty directory that no reader takes for a VM.
 * *ret_fd is the caller's.  A half-made one of an earlier try is removed. */
int state_begin_instance(const struct state *s, const char *project, const char *instance,
			 int *ret_fd, struct holos_error **err);
char *state_begun_path(const struct state *s, const char *project, const char *instance);
/* What was begun is whole: it gets its name (atomic, for good).  The files in it
 * that must outlive the machine's power were synced by the caller. */
int state_publish_instance(const struct state *s, const char *project, const char *instance,
			   struct holos_error **err);
/* ... or nothing came of it. */
void state_abandon_instance(const struct state *s, const char *project, const char *instance);

/* Decide the removal of an instance: its directory gets a name that no reader
 * takes for a VM (atomic). */
int state_discard_instance(const struct state *s, const char *project, const char *instance,
			   struct holos_error **err);
/* The same for several, with one sync for all. */
int state_discard_instances(const struct state *s, const char *project,
			    const struct strv *instances, struct holos_error **err);
/* Take a decision back, when nothing took the instance's place. */
int state_restore_instance(const struct state *s, const char *project, const char *instance,
			   struct holos_error **err);
/* The removal; and what killed commands left: instances that were begun and never
 * named, and the project's temporary files.  The
 * project is locked. */
int state_sweep_discarded(const struct state *s, const char *project, struct holos_error **err);

#endif
