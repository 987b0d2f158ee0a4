/* SPDX-License-Identifier: Apache-2.0
 *
 * hostport.h - is a port of the host free?
 *
 * The answer is a bind that is undone: another process may come between it and
 * QEMU, and who starts QEMU must be ready for that.
 */
#ifndef VM_HOSTPORT_H
#define VM_HOSTPORT_H

#include <stdbool.h>
#include <stdint.h>

/* Can (address, port) be bound now?  address is numeric, IPv4 or IPv6.  0, or
 * -errno: EADDRINUSE, EACCES, EADDRNOTAVAIL, EINVAL for no address. */
int hostport_try(const char *address, bool udp, uint16_t port);
/* A free port of the kernel's choice.  0 or -errno. */
int hostport_pick(const char *address, bool udp, uint16_t *ret);

#endif
