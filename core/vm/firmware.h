/* SPDX-License-Identifier: Apache-2.0
 *
 * firmware.h - where is OVMF?
 */
#ifndef VM_FIRMWARE_H
#define VM_FIRMWARE_H

#include <base/error.h>

struct firmware {
	char *code; /* read-only, shared by all VMs */
	char *vars; /* the template of a VM's own copy */
};

void firmware_finish(struct firmware *f); /* usable as _cleanup_ */

/* HOLOS_OVMF_CODE and HOLOS_OVMF_VARS (both or neither), else the first pair of
 * contract.md section 4.  ERR_HOST with a hint when there is none.  Fills *ret
 * in on success. */
int firmware_find(struct firmware *ret, struct holos_error **err);
/* The same below another root directory (tests); "" is the real one. */
int firmware_find_at(const char *root, struct firmware *ret, struct holos_error **err);

#endif
