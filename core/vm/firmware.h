/* SPDX-License-Identifier: Apache-2.0
 *
 * firmware.h - where is the UEFI firmware?
 */
#ifndef VM_FIRMWARE_H
#define VM_FIRMWARE_H

#include <base/arch.h>

struct firmware {
	char *code; /* read-only, shared by all VMs; NULL: not looked for */
	char *code_format;
	char *vars; /* the template of a VM's own copy */
	char *vars_format;
	bool smm; /* only with system management mode: secure boot on x86_64 */
};

void firmware_finish(struct firmware *f); /* usable as _cleanup_ */

/* HOLOS_OVMF_CODE and HOLOS_OVMF_VARS (both or neither); else the first pair of
 * files at the known places, x86_64's those of contract.md section 4; else the
 * first of QEMU's firmware descriptors that fits (QEMU's docs/interop/firmware.json).
 * secure: one with secure boot on and the usual keys enrolled, else one that starts
 * whatever it finds.  ERR_HOST with a hint when there is none.  Fills *ret in on
 * success. */
int firmware_find(enum arch arch, bool secure, struct firmware *ret, struct holos_error **err);

/* firmware_json.c: the descriptors alone; false: none fits. */
bool firmware_from_descriptors(enum arch arch, bool secure, struct firmware *ret);
/* Can this be a file of firmware? */
bool firmware_usable(const char *path);

#endif
