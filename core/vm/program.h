/* SPDX-License-Identifier: Apache-2.0
 *
 * program.h - which QEMU, how old is it, and what can it do?
 */
#ifndef VM_PROGRAM_H
#define VM_PROGRAM_H

#include <base/arch.h>

#define QEMU_MIN_MAJOR 6
#define QEMU_MIN_MINOR 2

/* HOLOS_QEMU_SYSTEM, else qemu-system-ARCH in PATH, else Red Hat's
 * /usr/libexec/qemu-kvm; must be an executable file.  ERR_HOST with a hint
 * otherwise.  The caller frees *ret. */
int program_find_qemu(enum arch arch, char **ret, struct holos_error **err);

struct qemu_traits {
	unsigned major, minor, micro; /* version */
	bool sandbox;                 /* it has -sandbox (seccomp) */
	bool kvm, tcg;                /* accelerators that are built in */
	bool vfio;                    /* -device vfio-pci */
	bool shares;                  /* -virtfs: directories of the host */
	bool pvpanic;                 /* -device pvpanic-pci */
	bool remembered;              /* by the cache: what it lacked may be there by now */
};

/* Ask QEMU over QMP, without a VM (about 100 ms); the answer is kept in the directory
 * cache_dir (-1: not kept) for as long as path, inode, size and change time of the program
 * stay as they are.  Older than 6.2, or no QEMU at all: ERR_HOST with its own words. */
int program_probe(const char *program, int cache_dir, struct qemu_traits *ret,
		  struct holos_error **err);
/* Ask it whatever the cache says, which learns of it: a module of QEMU may have been
 * installed, or the program may be a script that runs another QEMU today. */
int program_probe_anew(const char *program, int cache_dir, struct qemu_traits *ret,
		       struct holos_error **err);

#endif
