/* SPDX-License-Identifier: Apache-2.0
 *
 * nics.h - what the network drivers say of a VM's NICs, and what they change on
 * this machine for it.
 *
 * The journals of what was changed are in networks.json (state/netjournal.h).
 */
#ifndef ENGINE_NICS_H
#define ENGINE_NICS_H

#include <engine/prepare.h>
#include <monitor/launch.h>
#include <plugin/calls.h>
#include <state/netjournal.h>
#include <state/records.h>

/* One NIC as its driver is asked about it. */
struct nic_request {
	const char *driver; /* the project's, or a constant */
	char *id, *dir;
	struct json_object *options;
	struct net_nic nic;
	struct net_plan plan;
};

struct nics {
	struct nic_request *requests;
	size_t n;
	struct strv *args; /* QEMU's arguments, for each NIC */
	struct net_endpoint *ends;
};

void nics_finish(struct nics *n);
/* What is asked of the drivers that change the machine: [{driver, options, nic}];
 * the caller owns it.  NULL: there is none. */
struct json_object *nics_requests(const struct nics *n);

/* Ask the drivers.  Nothing is changed on the machine. */
int nics_plan(struct prepare *p, const struct plan_vm *vm, const struct instance_record *rec,
	      const char *dir, struct nics *ret, struct holos_error **err);
/* Ask the network drivers as a start would, with made-up ephemeral ports: what
 * they refuse, they refuse now. */
int nics_check(struct prepare *p, const struct plan_vm *vm, struct holos_error **err);
/* Into launch.json: the helper processes, which the monitor runs, and what
 * nics_apply_again() needs. */
void nics_fill_launch(const struct nics *n, struct launch *l);
/* Make the drivers' files and let them change the machine.  After a failure what
 * was done is undone. */
int nics_apply(struct engine *e, const struct nics *n, int dirfd, const char *vm,
	       struct holos_error **err);
/* A VM that was stopped starts again as it was (l), without its compose file: the
 * drivers change the machine as for the start before.  The check tells in advance
 * whether they are there. */
int nics_check_again(struct engine *e, const struct launch *l, struct holos_error **err);
int nics_apply_again(struct engine *e, const struct launch *l, int dirfd, struct holos_error **err);
/* Undo what earlier starts of the VM, which is down, have left: its monitor could
 * not, or was killed.  May be repeated.
 * A driver that is no longer installed is told of with its journal, and what it
 * did is given up; one that fails leaves its entry. */
int nics_undo(struct engine *e, int dirfd, const char *vm, struct holos_error **err);
/* The same for a VM by name; without a directory there is nothing to undo. */
int nics_undo_vm(struct engine *e, const char *project, const char *vm, struct holos_error **err);

#endif
