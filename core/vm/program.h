/* SPDX-License-Identifier: Apache-2.0
 *
 * program.h - which QEMU, and how old is it?
 */
#ifndef VM_PROGRAM_H
#define VM_PROGRAM_H

#include <base/error.h>

#define QEMU_MIN_MAJOR 6
#define QEMU_MIN_MINOR 2

/* HOLOS_QEMU_SYSTEM, else qemu-system-x86_64 in PATH; must be an executable
 * file.  ERR_HOST with a hint otherwise.  The caller frees *ret. */
int program_find_qemu(char **ret, struct holos_error **err);

struct qemu_version {
	unsigned major, minor, micro;
};

/* Ask `program --version` (about 20 ms: cache it, keyed by path, size and
 * mtime).  Older than 6.2, or no QEMU at all: ERR_HOST. */
int program_qemu_version(const char *program, struct qemu_version *ret, struct holos_error **err);

#endif
