/* SPDX-License-Identifier: Apache-2.0
 *
 * arch.h - the architecture of hosts and guests: VMs have that of their host.
 */
#ifndef BASE_ARCH_H
#define BASE_ARCH_H

#include <base/error.h>

#include <stdbool.h>

enum arch { ARCH_X86_64, ARCH_AARCH64 };

const char *arch_name(enum arch a); /* as in qemu-system-NAME */

/* This host's, or that of HOLOS_ARCH, whose guests are emulated then.  ERR_HOST:
 * neither of the above; ERR_USAGE: HOLOS_ARCH names no such. */
int arch_get(enum arch *ret, struct holos_error **err);
/* Does this host's CPU run guests of it? */
bool arch_is_native(enum arch a);

#endif
