/* SPDX-License-Identifier: Apache-2.0
 *
 * vfio.c - see vfio.h.  The rules are those of drivers/vfio: a group is viable when
 * each of its devices is bound to a VFIO driver or to none, bridges aside; and all
 * of the guest's memory is pinned, which RLIMIT_MEMLOCK bounds without
 * CAP_IPC_LOCK.
 */
#include <base/alloc.h>
#include <base/strbuf.h>
#include <base/units.h>
#include <vm/hostpath.h>
#include <vm/vfio.h>

#include <errno.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>

/* Firmware, video memory and option ROMs are pinned with the guest's memory. */
#define PINNED_BESIDES (64ull << 20)

void vfio_problems_finish(struct vfio_problems *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->v[i].text);
		free(p->v[i].remedy);
	}
	free(p->v);
	memset(p, 0, sizeof(*p));
}

static void add(struct vfio_problems *p, bool harmless, char *remedy, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
static void add(struct vfio_problems *p, bool harmless, char *remedy, const char *fmt, ...)
{
	struct vfio_problem *one = ARRAY_PUSH(p->v, p->n, p->cap);
	va_list ap;

	va_start(ap, fmt);
	one->text = xvasprintf(fmt, ap);
	va_end(ap);
	one->remedy = remedy;
	one->harmless = harmless;
}

uint64_t vfio_memlock(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	struct rlimit limit;

	memset(data, 0, sizeof(data));
	if (syscall(SYS_capget, &header, data) == 0 &&
	    (data[0].effective & (1u << CAP_IPC_LOCK)) != 0)
		return UINT64_MAX;
	if (getrlimit(RLIMIT_MEMLOCK, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
		return UINT64_MAX;
	return limit.rlim_cur;
}

/* The commands that take a device from its driver and give it to vfio-pci; until the
 * next boot. */
static char *bind_commands(const struct pci_device *d)
{
	struct strbuf b = STRBUF_INIT;

	strbuf_addf(&b,
		    "sudo modprobe vfio-pci && echo vfio-pci | sudo tee "
		    "/sys/bus/pci/devices/%s/driver_override",
		    d->address);
	if (d->driver != NULL)
		strbuf_addf(&b, " && echo %s | sudo tee /sys/bus/pci/devices/%s/driver/unbind",
			    d->address, d->address);
	strbuf_addf(&b, " && echo %s | sudo tee /sys/bus/pci/drivers_probe", d->address);
	return strbuf_steal(&b);
}

static bool is_vfio(const struct pci_device *d)
{
	return d->driver != NULL && strcmp(d->driver, "vfio-pci") == 0;
}

static bool has(const char *const *addresses, size_t n, const char *address)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(addresses[i], address) == 0)
			return true;
	}
	return false;
}

static bool is_first_of_group(const struct pci_list *host, const char *const *addresses, size_t i)
{
	const struct pci_device *d = pci_find(host, addresses[i]);

	for (size_t k = 0; k < i; k++) {
		const struct pci_device *other = pci_find(host, addresses[k]);

		if (other != NULL && other->group == d->group)
			return false;
	}
	return true;
}

/* What else is in the group: nothing of it may be in the hands of the host. */
static void check_group(const struct pci_list *host, const struct pci_device *d,
			const char *const *addresses, size_t n, struct vfio_problems *ret)
{
	char class[16], ids[16];

	for (size_t i = 0; i < host->n; i++) {
		const struct pci_device *o = &host->devices[i];
		bool free_to_go =
			is_vfio(o) || o->driver == NULL || strcmp(o->driver, "pci-stub") == 0;

		if (o->group != d->group || has(addresses, n, o->address) || pci_is_bridge(o))
			continue;
		if (!free_to_go)
			add(ret, false, bind_commands(o),
			    "device %s: %s (%s %s) is in the same IOMMU group %d, and the host "
			    "uses it with the driver %s: a group is passed on whole",
			    d->address, o->address, pci_class_name(o, class), pci_ids(o, ids),
			    d->group, o->driver);
		else
			add(ret, true, xasprintf("add it: devices: [{pci: \"%s\"}]", o->address),
			    "device %s: %s (%s %s) of the same IOMMU group %d is not given to the "
			    "VM, and nobody else can use it meanwhile",
			    d->address, o->address, pci_class_name(o, class), pci_ids(o, ids),
			    d->group);
	}
}

/* /dev/vfio/N, which whoever starts the VM must be able to open. */
static void check_node(const struct pci_device *d, const char *name, struct vfio_problems *ret)
{
	_cleanup_(freep) char *path = host_path(name);

	if (access(path, R_OK | W_OK) == 0)
		return;
	if (errno == ENOENT)
		add(ret, false, xstrdup("sudo modprobe vfio-pci"),
		    "device %s: there is no %s, by which VMs get it", d->address, name);
	else
		add(ret, false,
		    xstrdup("echo 'SUBSYSTEM==\"vfio\", OWNER=\"root\", GROUP=\"kvm\", "
			    "MODE=\"0660\"' | "
			    "sudo tee /etc/udev/rules.d/70-vfio.rules && sudo udevadm control "
			    "--reload && sudo udevadm trigger -s vfio; you must be in the group "
			    "kvm (sudo usermod -aG kvm $USER)"),
		    "device %s: cannot open %s for reading and writing: %s", d->address, name,
		    strerror(errno));
}

static void check_device(const struct pci_list *host, const char *const *addresses, size_t n,
			 size_t i, struct vfio_problems *ret)
{
	const struct pci_device *d = pci_find(host, addresses[i]);
	_cleanup_(freep) char *node = NULL;

	if (d == NULL) {
		add(ret, false,
		    xstrdup("holos devices lists what there is; addresses change when "
			    "cards are moved"),
		    "device %s: there is no such PCI device on this host", addresses[i]);
		return;
	}
	if (!host->iommu) {
		if (i == 0)
			add(ret, false,
			    xstrdup("switch on VT-d (Intel) or AMD-Vi (AMD) in the firmware; on "
				    "Intel also add intel_iommu=on to GRUB_CMDLINE_LINUX in "
				    "/etc/default/grub, run sudo update-grub, and reboot"),
			    "device %s: the IOMMU of this host is off, and without it no device "
			    "can be passed on",
			    d->address);
		return;
	}
	if (d->group == PCI_NO_GROUP) {
		add(ret, false, xstrdup("choose another one: holos devices lists the groups"),
		    "device %s: it is in no IOMMU group and cannot be passed on", d->address);
		return;
	}
	if (!is_vfio(d)) {
		add(ret, false, bind_commands(d),
		    "device %s: %s%s; it must be vfio-pci to be passed on", d->address,
		    d->driver != NULL ? "its driver is " : "it has no driver",
		    d->driver != NULL ? d->driver : "");
	}
	if (!is_first_of_group(host, addresses, i))
		return;
	check_group(host, d, addresses, n, ret);
	if (!is_vfio(d)) /* its nodes come with the driver */
		return;
	node = xasprintf("/dev/vfio/%d", d->group);
	check_node(d, "/dev/vfio/vfio", ret);
	check_node(d, node, ret);
}

static void check_memlock(uint64_t memory, uint64_t memlock, struct vfio_problems *ret)
{
	uint64_t need = memory + PINNED_BESIDES;
	char a[32], b[32];

	if (memlock >= need)
		return;
	add(ret, false,
	    xasprintf("echo \"$USER - memlock %llu\" | sudo tee /etc/security/limits.d/holos.conf, "
		      "and log in again; in a systemd unit LimitMEMLOCK=infinity",
		      (unsigned long long)((need + 1023) / 1024)),
	    "a VM with devices keeps all its memory locked, %s, and you may lock %s (ulimit -l)",
	    units_format_size(need, a), units_format_size(memlock, b));
}

void vfio_check(const struct pci_list *host, const char *const *addresses, size_t n,
		uint64_t memory, uint64_t memlock, struct vfio_problems *ret)
{
	for (size_t i = 0; i < n; i++)
		check_device(host, addresses, n, i, ret);
	if (n != 0)
		check_memlock(memory, memlock, ret);
}

int vfio_common_group(const struct pci_list *host, const char *const *a, size_t n_a,
		      const char *const *b, size_t n_b)
{
	for (size_t i = 0; i < n_a; i++) {
		const struct pci_device *d = pci_find(host, a[i]);

		for (size_t k = 0; d != NULL && d->group != PCI_NO_GROUP && k < n_b; k++) {
			const struct pci_device *o = pci_find(host, b[k]);

			if (o != NULL && o->group == d->group)
				return d->group;
		}
	}
	return PCI_NO_GROUP;
}
