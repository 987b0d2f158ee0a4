/* SPDX-License-Identifier: Apache-2.0
 *
 * holos/net.h - network drivers: what QEMU needs for one NIC.
 *
 * The host adds the NIC's device (-device virtio-net-pci,netdev=ID,mac=...)
 * itself; a driver says the -netdev that it is plugged into.
 */
#ifndef HOLOS_NET_H
#define HOLOS_NET_H
#include <holos/plan.h>

#define HOLOS_NET_ID "holos.net/1"

struct holos_nic {
	uint32_t size;
	uint32_t mtu;                  /* 0: default */
	const char *vm;
	const char *id;                /* QEMU id to use, "net0" */
	const char *mac;
	const struct holos_endpoint *const *ports; /* wanted; NULL-terminated */
	const char *project;
	const char *network;           /* "default", or "external" for the NIC
	                                * that carries ports and the way out  */
	/* Where the VMs of this network meet, for drivers that want it: a
	 * multicast group and port computed by the host.  group NULL: none. */
	const char *group;
	uint32_t group_port;
	uint32_t reserved;
};

struct holos_net_ops {
	struct holos_ops head;
	/* Say what QEMU needs.  No side effects: this also serves dry runs. */
	holos_status (*plan)(void *inst, const struct holos_nic *nic,
	                     holos_plan *plan, holos_call *call,
	                     holos_error *err);
	/* Change the machine (make a tap, a lease).  `journal` is written to
	 * disk before apply is called and handed to undo, maybe by a later
	 * process, maybe by a later holos.  At most 4096 bytes of UTF-8.
	 * journal, apply and undo are all there, or none of them is. */
	holos_status (*journal)(void *inst, const struct holos_nic *nic,
	                        char *buf, size_t cap, size_t *len,
	                        holos_error *err);
	holos_status (*apply)(void *inst, const struct holos_nic *nic,
	                      const char *journal, holos_call *call,
	                      holos_error *err);
	/* Called when the VM is down, also for what apply did in part or never.
	 * Must succeed if there is nothing left to undo.  Takes state, not an
	 * instance: the options may be gone. */
	holos_status (*undo)(void *state, const char *journal,
	                     holos_call *call, holos_error *err);
};
#endif
