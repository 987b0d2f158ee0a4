/* SPDX-License-Identifier: Apache-2.0
 *
 * status.h - what there is: projects and their VMs, read without a lock and
 * without writing.
 */
#ifndef ENGINE_STATUS_H
#define ENGINE_STATUS_H

#include <state/alive.h>
#include <state/layout.h>
#include <state/records.h>
#include <state/vmrecord.h>

#include <json-c/json.h>
#include <stddef.h>

struct vm_status {
	char *name; /* "web-0" */
	char *service;
	unsigned index;
	char *dir;                   /* absolute */
	struct instance_record *rec; /* NULL: damaged or unfinished, or not read */
	char *address;               /* on the project's network, "10.10.0.2"; NULL: none */
	struct vm_record *vm;        /* never NULL; "created" when it never started */
	struct alive alive;
	char *problem;   /* NULL, or what is wrong with its records */
	bool newer;      /* of a newer holos: not for us to change */
	bool unreadable; /* nothing is known: it may live (alive says so) */
};

struct project_status {
	char *name;
	struct project_record *rec; /* NULL: missing or damaged */
	char *problem;              /* NULL, or what is wrong with the record */
	bool newer;                 /* of a newer holos: not for us to change */
	bool unreadable;            /* its record or the list of its instances cannot be read */
	bool exists;                /* a record or instances are there */
	bool narrowed;              /* by project_status_keep() */
	struct vm_status *vms;      /* in order of service and index */
	size_t n_vms;
};

/* Never fails for what is damaged: that is said in `problem`. */
int project_status_read(const struct state *s, const char *project, struct project_status **ret,
			struct holos_error **err);
/* The same without the instances' own records (rec is NULL) where the monitor's
 * say enough, as for a table: much faster.  Damage in one of those is not told. */
int project_status_read_brief(const struct state *s, const char *project,
			      struct project_status **ret, struct holos_error **err);
void project_status_destroy(struct project_status *p); /* NULL is fine */
DEFINE_CLEANUP(struct project_status *, project_status_destroyp, project_status_destroy);

/* Forget the VMs for which keep says no, and services without any. */
void project_status_keep(struct project_status *p,
			 bool (*keep)(void *data, const struct vm_status *v), void *data);

struct vm_status *project_status_vm(const struct project_status *p, const char *instance);
/* Replicas wanted of a service by the record, or how many there are. */
unsigned project_status_replicas(const struct project_status *p, const char *service);
/* Names of services: those of the record (dependencies first), then of
 * instances that the record does not know.  Strings are borrowed. */
size_t project_status_services(const struct project_status *p, const char ***ret);
unsigned project_status_running(const struct project_status *p, const char *service);

/* One element of `ps --json`: the contract's project object (section 2.3) with
 * what we add to it.  The caller owns it. */
struct json_object *project_status_json(const struct project_status *p);

/* May this holos change the project?  Not what the existing implementation or a
 * newer holos wrote. */
int project_status_check(const struct project_status *p, struct holos_error **err);

/* Is there a service, or an instance, of this name?  An error with a "did you
 * mean" otherwise. */
int project_status_find(const struct project_status *p, const char *name, struct holos_error **err);

/* The compose file that the project came from, by its record or, when that is
 * lost, by those of its instances; NULL: standard input, or unknown. */
const char *project_status_file(const struct project_status *p);
/* The same, or the directory where it was read from standard input. */
const char *project_status_owner(const struct project_status *p);

/* Read one VM again (after its monitor changed something). */
int vm_status_refresh(const struct state *s, const char *project, struct vm_status *v,
		      struct holos_error **err);

#endif
