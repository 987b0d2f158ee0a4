/* SPDX-License-Identifier: Apache-2.0
 *
 * plan.h - which VMs a project means: names, addresses, MACs, meeting point.
 *
 * Pure: the same project and the same past give the same plan, nothing is read
 * or written.  What exists keeps its address and MACs; adding moves nobody.
 */
#ifndef PLAN_PLAN_H
#define PLAN_PLAN_H

#include <base/cleanup.h>
#include <base/error.h>
#include <compose/project.h>

#include <stddef.h>
#include <stdint.h>

#define PLAN_EXTERNAL "external" /* the NIC that carries ports and the way out */

struct plan_nic {
	char *network; /* PLAN_EXTERNAL or a network of the project */
	char *mac;
	char *address; /* "10.10.0.2/24"; NULL: DHCP */
};

struct plan_vm {
	const struct service *service;
	unsigned index;
	char *name;            /* "web-0" */
	struct plan_nic *nics; /* [0] is PLAN_EXTERNAL, then the service's networks */
	size_t n_nics;
};

/* Where the VMs of one network meet over multicast. */
struct plan_segment {
	char *group;
	unsigned port;
};

struct plan {
	const struct project *project; /* borrowed */
	struct plan_vm *vms;           /* services in start order, then replicas */
	size_t n_vms;
	struct plan_segment *segments; /* one per network of the project */
};

/* A NIC that exists: its VM keeps it. */
struct plan_past {
	const char *vm, *network, *mac, *address;
};

/* Errors (ERR_INVALID): a subnet that is too small.  The caller owns *ret;
 * the project must outlive it. */
int plan_create(const struct project *project, const char *project_id, const struct plan_past *past,
		size_t n_past, struct plan **ret, struct holos_error **err);
void plan_destroy(struct plan *p); /* NULL is fine */
DEFINE_CLEANUP(struct plan *, plan_destroyp, plan_destroy);

/* group 239.d0.d1.d2, port 10000 + (d3 d4) mod 55000, with d the SHA-256 of
 * "NAME/ID", for networks but the default one "NAME/ID/NETWORK". */
void plan_segment(const char *project, const char *id, const char *network,
		  struct plan_segment *ret);

/* One line of /etc/hosts. */
struct plan_host {
	char *address;
	const char **names; /* NULL-terminated; the strings are the plan's */
};

/* What /etc/hosts of vm says of its neighbours, sorted by address: INSTANCE,
 * for replica 0 also SERVICE and its aliases, and extra_hosts.  The caller
 * frees with plan_hosts_free(). */
size_t plan_hosts(const struct plan *p, const struct plan_vm *vm, struct plan_host **ret);
void plan_hosts_free(struct plan_host *hosts, size_t n);
/* Are these the same for both VMs of a plan? */
bool plan_shares_hosts(const struct plan_vm *a, const struct plan_vm *b);

/* The mount tag of a bind mount, below 32 bytes as QEMU demands: the contract's
 * "share<i>-<target>" where that fits, else with a hash. */
void plan_mount_tag(size_t index, const char *target, char tag[32]);
/* The serial of a volume's disk: "vol-NAME", or within virtio's 20 bytes a
 * shortened one with a hash. */
void plan_volume_serial(const char *name, char serial[21]);

#endif
