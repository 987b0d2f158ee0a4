/* SPDX-License-Identifier: Apache-2.0
 *
 * vfio.h - can a VM have these PCI devices of the host?  What QEMU and the kernel
 * demand of VFIO, looked at in advance, and the commands that mend it
 * (docs/gpu.md).
 */
#ifndef VM_VFIO_H
#define VM_VFIO_H

#include <vm/pci.h>

#include <stdint.h>

struct vfio_problem {
	char *text;    /* one line: what is wrong */
	char *remedy;  /* one line: the commands that mend it */
	bool harmless; /* worth knowing; the VM starts all the same */
};

struct vfio_problems {
	struct vfio_problem *v;
	size_t n, cap;
};

void vfio_problems_finish(struct vfio_problems *p); /* usable as _cleanup_ */

/* How much memory this process and its children may lock; UINT64_MAX: any. */
uint64_t vfio_memlock(void);

/* Look at the devices of one VM with `memory` bytes: there; IOMMU on; driver
 * vfio-pci; nothing else of their groups in the host's hands; /dev/vfio/N open to
 * us; memory may be locked.  All problems are told, not only the first. */
void vfio_check(const struct pci_list *host, const char *const *addresses, size_t n,
		uint64_t memory, uint64_t memlock, struct vfio_problems *ret);

/* One group goes to one VM: is this group of devices also in b's?  The group, or
 * PCI_NO_GROUP. */
int vfio_common_group(const struct pci_list *host, const char *const *a, size_t n_a,
		      const char *const *b, size_t n_b);

#endif
