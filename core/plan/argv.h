/* SPDX-License-Identifier: Apache-2.0
 *
 * argv.h - the arguments of QEMU for one VM, in the order of contract.md
 * section 4.
 */
#ifndef PLAN_ARGV_H
#define PLAN_ARGV_H

#include <base/arch.h>
#include <base/strv.h>
#include <plan/plan.h>

#include <stdbool.h>

/* The virtio-serial port on which the guest reports (docs/provisioning.md). */
#define PLAN_PROVISION_PORT "holos.provision"

struct plan_disk {
	const char *name; /* of the volume */
	const char *path;
	const char *format;
	bool read_only;
	bool shared; /* other VMs may read it at the same time */
};

struct plan_argv_input {
	const struct plan_vm *vm;
	const char *program; /* becomes argv[0] */
	const char *uuid;
	const char *dir; /* the instance's directory: sockets, logs */
	enum arch arch;
	bool kvm;         /* else TCG */
	bool root_user;   /* holos runs as root: writable shares map ownership */
	const char *root; /* root disk and its format */
	const char *root_format;
	const char *seed;    /* NULL: none */
	const char *context; /* the disk with what a Dockerfile copies; NULL: none */
	/* Direct boot, all or none. */
	const char *kernel, *initrd, *cmdline;
	const char *firmware_code, *firmware_vars; /* UEFI, both or none */
	const char *firmware_code_format, *firmware_vars_format;
	bool smm;        /* the firmware's code alone writes its variables: secure boot */
	bool no_pvpanic; /* this QEMU lacks the device */
	/* What the network plugins said, one vector per NIC of vm. */
	const struct strv *nics;
	const struct plan_disk *volumes;
	size_t n_volumes;
};

void plan_argv(const struct plan_argv_input *in, struct strv *ret);

#endif
