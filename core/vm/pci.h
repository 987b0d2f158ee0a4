/* SPDX-License-Identifier: Apache-2.0
 *
 * pci.h - the host's PCI devices, as sysfs shows them.
 */
#ifndef VM_PCI_H
#define VM_PCI_H

#include <base/cleanup.h>
#include <base/error.h>

#include <stdbool.h>
#include <stddef.h>

#define PCI_NO_GROUP (-1)

struct pci_device {
	char *address;            /* "0000:01:00.0" */
	int class_code;           /* 0x0300 for VGA; -1: sysfs does not say */
	int vendor, device;       /* ids; -1: sysfs does not say */
	int group;                /* IOMMU group, or PCI_NO_GROUP */
	char *driver;             /* NULL: none */
	char *vendor_name, *name; /* of pci.ids; NULL: unknown (pci_name_all()) */
};

struct pci_list {
	struct pci_device *devices; /* by address */
	size_t n;
	bool iommu_known; /* the kernel has IOMMU groups at all, perhaps none */
	bool iommu;       /* there is a device in one */
};

void pci_list_finish(struct pci_list *l); /* usable as _cleanup_ */

/* Read /sys/bus/pci.  A device whose files are missing or damaged is in the list, with
 * what could be read.  No bus at all (a host without PCI) is an empty list;
 * ERR_HOST: it cannot be read.  Fills *ret in on success. */
int pci_scan(struct pci_list *ret, struct holos_error **err);
const struct pci_device *pci_find(const struct pci_list *l, const char *address);

/* Names from the first pci.ids there is; without one nothing happens. */
void pci_name_all(struct pci_list *l);

bool pci_is_gpu(const struct pci_device *d);
/* Bridges stay with the host: passing their group on does not mean them. */
bool pci_is_bridge(const struct pci_device *d);
/* "VGA", "Ethernet", ... or four hex digits; buf >= 16. */
const char *pci_class_name(const struct pci_device *d, char *buf);
/* "10de:1b80", with "????" for what sysfs does not say; buf >= 16. */
const char *pci_ids(const struct pci_device *d, char *buf);

#endif
