/* SPDX-License-Identifier: Apache-2.0
 *
 * vmport.h - the forwarded ports of a VM, as launch.json and vm.json have them.
 */
#ifndef STATE_VMPORT_H
#define STATE_VMPORT_H

#include <state/field.h>

#include <stddef.h>

#define VM_PORTS_MAX 1024u

struct vm_port {
	char *name; /* "port-0" */
	char *host_ip;
	char *protocol; /* "tcp", "udp" */
	uint16_t host_port, guest_port;
	uint16_t low, high; /* host_port may be any of these; 0: it is fixed */
};

/* The member "ports" of f; *ret is an array of *ret_n, the caller's whatever
 * f->r says (vm_ports_free). */
void vm_ports_decode(struct fields *f, struct vm_port **ret, size_t *ret_n);
struct json_object *vm_ports_encode(const struct vm_port *ports, size_t n);
struct vm_port *vm_ports_copy(const struct vm_port *ports, size_t n); /* the caller's */
void vm_ports_free(struct vm_port *ports, size_t n);                  /* NULL is fine */

#endif
