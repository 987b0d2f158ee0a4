/* SPDX-License-Identifier: Apache-2.0
 *
 * packages.h - what this distribution calls the packages that holos needs.
 */
#ifndef VM_PACKAGES_H
#define VM_PACKAGES_H

#include <base/arch.h>

enum package_need { NEED_QEMU, NEED_QEMU_IMG, NEED_FIRMWARE };

/* "sudo apt install qemu-system-x86": the command that installs it here, by ID and
 * ID_LIKE of /etc/os-release; on a distribution that is not known, in words.  The
 * caller frees. */
char *packages_command(enum package_need need, enum arch arch);

#endif
