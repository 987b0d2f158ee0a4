/* SPDX-License-Identifier: Apache-2.0
 *
 * holos/plan.h - host table: what a plugin wants to be done for a VM.
 */
#ifndef HOLOS_PLAN_H
#define HOLOS_PLAN_H
#include <holos/plugin.h>

#define HOLOS_PLAN_ID "holos.plan/1" /* ask host->query() for it */

typedef struct holos_plan holos_plan;

/* A process the host starts before QEMU and stops after it. */
struct holos_helper {
	uint32_t size;
	uint32_t ready_timeout_ms;
	const char *name;              /* for logs and for the state file   */
	const char *const *argv;       /* NULL-terminated; no shell         */
	const char *ready_path;        /* socket or file that must appear   */
};

/* host_addr:host_port on this machine leads to guest_port in the VM. */
struct holos_endpoint {
	uint32_t size;
	uint32_t protocol;             /* 6 TCP, 17 UDP */
	const char *host_addr;
	uint32_t host_port;
	uint32_t guest_port;
};

struct holos_plan_api {
	uint32_t size;
	uint32_t reserved;
	/* One QEMU option per call: {"-netdev", "user,id=net0", NULL}. */
	holos_status (*qemu)(holos_plan *plan, const char *const *argv);
	holos_status (*helper)(holos_plan *plan,
	                       const struct holos_helper *helper);
	holos_status (*endpoint)(holos_plan *plan,
	                         const struct holos_endpoint *endpoint);
	/* Make NAME in the VM's private directory, 0600.  The host owns *fd
	 * and *path; both are good until the call returns. */
	holos_status (*file)(holos_plan *plan, const char *name, int *fd,
	                     const char **path);
};
#endif
