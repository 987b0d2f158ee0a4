/* SPDX-License-Identifier: Apache-2.0
 *
 * devices.c - <devices>: network cards, shared directories, consoles, and what holos
 * has its own of, or none.
 */
#include "import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- network cards
 * ------------------------------------------------------------------------------- */

/* "type=bridge, bridge=br0": as <interface> says where it leads. */
static void describe_source(xmlNode *n, const char *type, char *ret, size_t size)
{
	static const char *const names[] = { "network", "bridge", "dev", "path", "address" };
	xmlNode *source = child(n, "source");
	char buf[IMPORT_TEXT_MAX + 4], kind[IMPORT_TEXT_MAX + 4];
	char *value = NULL;
	size_t i;

	for (i = 0; i < 5 && value == NULL; i++)
		value = attr(source, names[i]);
	snprintf(ret, size, "type=%s%s%s%s%s", shown(type, kind), value != NULL ? ", " : "",
		 value != NULL ? names[i - 1] : "", value != NULL ? "=" : "",
		 value != NULL ? shown(value, buf) : "");
	xmlFree(value);
}

/* How the guest can keep such a card: behind the host's address, with its MAC. */
static void suggest_nic(xmlNode *n, char *ret, size_t size)
{
	char *mac = child_attr(n, "mac", "address");
	char *model = child_attr(n, "model", "type");
	const char *device = model == NULL || strncmp(model, "virtio", 6) == 0 ? "virtio-net-pci"
			     : strlen(model) < 32                              ? model
									       : "virtio-net-pci";

	ret[0] = '\0';
	if (mac != NULL && strlen(mac) == 17 && strspn(mac, "0123456789abcdefABCDEF:") == 17 &&
	    strpbrk(device, ",\"\\") == NULL)
		snprintf(ret, size,
			 "; a guest that knows its card by the MAC %s keeps it with vm.extra_args: "
			 "[\"-nic\", \"user,model=%s,mac=%s\"]",
			 mac, device, mac);
	xmlFree(mac);
	xmlFree(model);
}

void take_interface(struct import *im, xmlNode *n)
{
	char *type = attr(n, "type");
	char where[512], keep[256], address[16];
	const char *advice = "the VM gets cards of holos's own, by user networking; publish what "
			     "is to be reached with ports";

	if (type != NULL && strcmp(type, "hostdev") == 0) {
		if (pci_address(child(child(n, "source"), "address"), address) < 0) {
			lost(im, n, NULL, "it has no PCI address");
		} else {
			struct json_object *device = json_object_new_object();

			set_str(device, "pci", address);
			json_object_array_add(im->devices, device);
			lost(im, n, NULL,
			     "%s is given to the VM as a device; its MAC and VLAN are "
			     "to be set on the host, and it is to be bound to vfio-pci",
			     address);
		}
		xmlFree(type);
		return;
	}
	if (type != NULL && (strcmp(type, "bridge") == 0 || strcmp(type, "direct") == 0))
		advice = "the VM is not on that network any more: it gets cards of holos's own, by "
			 "user networking; publish what is to be reached with ports, on a host_ip "
			 "of "
			 "this host";
	describe_source(n, type, where, sizeof(where));
	suggest_nic(n, keep, sizeof(keep));
	lost(im, n, "interface", "interface (%s) not imported: %s%s", where, advice, keep);
	xmlFree(type);
}

/* <portForward proto='tcp' address='A'> <range start='S' end='E' to='T'/> */
static void take_range(struct import *im, xmlNode *n)
{
	char *start = attr(n, "start"), *end = attr(n, "end"), *to = attr(n, "to");
	char *proto = attr(n->parent, "proto"), *ip = attr(n->parent, "address");
	unsigned long s, e, t;
	char text[32];

	if (attr_is(n, "exclude", "yes") || to_number(start, 65535, &s) < 0 || s == 0) {
		lost(im, n, NULL, "it is no range of ports that are forwarded");
	} else {
		struct json_object *port = json_object_new_object();

		if (to_number(end, 65535, &e) < 0 || e < s)
			e = s;
		if (to_number(to, 65535, &t) < 0 || t == 0 || t + (e - s) > 65535)
			t = s;
		snprintf(text, sizeof(text), t == t + (e - s) ? "%lu" : "%lu-%lu", t, t + (e - s));
		set_str(port, "target", text);
		snprintf(text, sizeof(text), s == e ? "%lu" : "%lu-%lu", s, e);
		set_str(port, "published", text);
		if (proto != NULL && strcmp(proto, "udp") == 0)
			set_str(port, "protocol", "udp");
		if (ip != NULL && strchr(ip, ':') == NULL)
			set_str(port, "host_ip", ip);
		else if (ip != NULL)
			lost(im, n, NULL, "ports are forwarded from addresses of IPv4");
		else
			set_str(port, "host_ip", "0.0.0.0");
		json_object_array_add(im->ports, port);
	}
	xmlFree(start);
	xmlFree(end);
	xmlFree(to);
	xmlFree(proto);
	xmlFree(ip);
}

static const struct rule forward_rules[] = {
	{ .name = "range", .take = take_range },
	{ .name = NULL },
};

static void take_link(struct import *im, xmlNode *n)
{
	if (attr_is(n, "state", "down"))
		lost(im, n, NULL, "the card was unplugged, and holos has none that are");
}

static void take_nic_boot(struct import *im, xmlNode *n)
{
	lost(im, n, NULL, "holos does not boot from the network");
}

const struct rule interface_rules[] = {
	{ .name = "mac" },     /* take_interface() */
	{ .name = "source" },  /* take_interface() */
	{ .name = "model" },   /* take_interface() */
	{ .name = "backend" }, /* the helper of libvirt */
	{ .name = "driver" },  /* queues and offloads */
	{ .name = "target" },  /* libvirt's name of its end */
	{ .name = "guest" },
	{ .name = "alias" },
	{ .name = "address" },
	{ .name = "rom" }, /* nothing boots from the network */
	{ .name = "script" },
	{ .name = "virtualport" },
	{ .name = "portForward", .inside = forward_rules },
	{ .name = "link", .take = take_link },
	{ .name = "boot", .take = take_nic_boot },
	{ .name = "ip", .why = "addresses are holos's; see networks" },
	{ .name = "route", .why = "routes are holos's; see networks" },
	{ .name = "vlan", .why = "holos's networks have no VLANs" },
	{ .name = "bandwidth", .why = "holos does not limit networks" },
	{ .name = "filterref", .why = "holos has no filters for networks" },
	{ .name = "tune", .why = "holos does not limit networks" },
	{ .name = "mtu", .why = "cards have the usual MTU" },
	{ .name = "coalesce", .why = "cards are not tuned" },
	{ .name = "port", .why = "holos's networks do not isolate one VM from another" },
	{ .name = "teaming", .why = "holos pairs no network cards" },
	{ .name = "downscript", .why = "holos runs no scripts for networks" },
	{ .name = "acpi", .why = "cards have no index of their own" },
	{ .name = NULL },
};

/* ---- shared directories
 * -------------------------------------------------------------------------- */

static void take_filesystem(struct import *im, xmlNode *n)
{
	char *type = attr(n, "type");
	char *dir = child_attr(n, "source", "dir");
	char *tag = child_attr(n, "target", "dir");
	char buf[IMPORT_TEXT_MAX + 4], name[IMPORT_TEXT_MAX + 4], label[32], target[1024];

	if ((type != NULL && strcmp(type, "mount") != 0) || dir == NULL || dir[0] != '/') {
		lost(im, n, NULL, "only directories of this host are shared (type \"%s\")",
		     shown(type, buf));
	} else {
		struct json_object *mount = json_object_new_object();

		im->n_shares++;
		to_label(tag != NULL ? tag : "", sizeof(label) - 8, label);
		if (tag != NULL && tag[0] == '/' && tag[1] != '\0' && strlen(tag) < sizeof(target))
			snprintf(target, sizeof(target), "%s", tag);
		else if (label[0] != '\0')
			snprintf(target, sizeof(target), "/mnt/%s", label);
		else
			snprintf(target, sizeof(target), "/mnt/share%u", im->n_shares);
		set_str(mount, "type", "bind");
		set_str(mount, "source", dir);
		set_str(mount, "target", target);
		if (child(n, "readonly") != NULL)
			json_object_object_add(mount, "read_only", json_object_new_boolean(1));
		json_object_array_add(im->mounts, mount);
		lost(im, n, NULL,
		     "%s is shared by 9p under a tag of holos's, and a guest that holos "
		     "sets up mounts it at %s; a line for tag \"%s\" in its fstab fails",
		     shown(dir, buf), shown(target, name), tag != NULL ? label : "");
	}
	xmlFree(type);
	xmlFree(dir);
	xmlFree(tag);
}

static const struct rule filesystem_rules[] = {
	{ .name = "source" },   /* take_filesystem() */
	{ .name = "target" },   /* take_filesystem() */
	{ .name = "readonly" }, /* take_filesystem() */
	{ .name = "driver" },   /* path, virtiofs: told by take_filesystem() */
	{ .name = "binary" },   /* virtiofsd and its options */
	{ .name = "alias" },
	{ .name = "address" },
	{ .name = "idmap", .why = "owners are not mapped in shared directories" },
	{ .name = "space_hard_limit", .why = "shared directories have no quota" },
	{ .name = "space_soft_limit", .why = "shared directories have no quota" },
	{ .name = NULL },
};

/* ---- lines and channels
 * ----------------------------------------------------------------------------- */

/* The first serial port is holos's console. */
static int is_first_port(xmlNode *n)
{
	char *port = child_attr(n, "target", "port");
	int first = port == NULL || strcmp(port, "0") == 0;

	xmlFree(port);
	return first;
}

static void take_serial_port(struct import *im, xmlNode *n)
{
	char *type = attr(n, "type");
	char buf[IMPORT_TEXT_MAX + 4];

	if (!is_first_port(n))
		lost(im, n, NULL, "holos has one serial port, its console");
	else if (type != NULL && strcmp(type, "pty") != 0)
		lost(im, n, NULL,
		     "the serial port (%s) becomes holos's console: holos logs, holos "
		     "console",
		     shown(type, buf));
	else if (child(n, "log") != NULL)
		lost(im, child(n, "log"), NULL,
		     "holos keeps what the console says in a file of its "
		     "own: holos logs");
	xmlFree(type);
}

static void take_console(struct import *im, xmlNode *n)
{
	char *kind = child_attr(n, "target", "type");
	char buf[IMPORT_TEXT_MAX + 4];

	if (kind != NULL && strcmp(kind, "serial") != 0)
		lost(im, n, NULL,
		     "holos's console is the serial port, not one of type \"%s\": the "
		     "guest's kernel needs console=ttyS0",
		     shown(kind, buf));
	xmlFree(kind);
}

static void take_channel(struct import *im, xmlNode *n)
{
	char *name = child_attr(n, "target", "name");
	char buf[IMPORT_TEXT_MAX + 4];

	/* holos asks guests over SSH, and there is no display. */
	if (name == NULL || (strcmp(name, "org.qemu.guest_agent.0") != 0 &&
			     strncmp(name, "com.redhat.spice.", 17) != 0 &&
			     strncmp(name, "org.spice-space.", 16) != 0))
		lost(im, n, NULL, "holos makes no channel \"%s\"; see -chardev and vm.extra_args",
		     shown(name, buf));
	xmlFree(name);
}

/* ---- the rest
 * ------------------------------------------------------------------------------------ */

static void take_emulator(struct import *im, xmlNode *n)
{
	char *path = text_of(n);
	const char *slash = path != NULL ? strrchr(path, '/') : NULL;
	const char *base = slash != NULL ? slash + 1 : path;
	char buf[IMPORT_TEXT_MAX + 4];

	if (base != NULL && strncmp(base, "qemu-system-", 12) != 0 &&
	    strcmp(base, "qemu-kvm") != 0 && strcmp(base, "kvm") != 0)
		lost(im, n, NULL, "holos starts its own QEMU (HOLOS_QEMU_SYSTEM), not %s",
		     shown(path, buf));
	xmlFree(path);
}

static void take_video(struct import *im, xmlNode *n)
{
	char *model = child_attr(n, "model", "type");
	const char *device = model != NULL && strcmp(model, "virtio") == 0 ? "virtio-vga" : "VGA";
	char buf[IMPORT_TEXT_MAX + 4];

	if (model == NULL || strcmp(model, "none") != 0)
		lost(im, n, NULL,
		     "VMs of holos have no display (it was %s), their console is the "
		     "serial port (console=ttyS0); one for VNC is vm.extra_args: "
		     "[\"-device\", \"%s\", \"-vnc\", \"127.0.0.1:1\"]",
		     shown(model, buf), device);
	xmlFree(model);
}

static void take_graphics(struct import *im, xmlNode *n)
{
	char *type = attr(n, "type");
	char *port = attr(n, "port");
	char buf[IMPORT_TEXT_MAX + 4], number[IMPORT_TEXT_MAX + 4];

	lost(im, n, NULL, "VMs of holos have no display, so nothing serves it (it was %s%s%s)",
	     shown(type, buf), port != NULL ? ", port " : "",
	     port != NULL ? shown(port, number) : "");
	xmlFree(type);
	xmlFree(port);
}

static void take_watchdog(struct import *im, xmlNode *n)
{
	char *model = attr(n, "model");
	char *action = attr(n, "action");
	char text[64];

	/* Every q35 has an itco. */
	if (model != NULL && strcmp(model, "itco") != 0 &&
	    strspn(model, "abcdefghijklmnopqrstuvwxyz"
			  "0123456789-") == strlen(model) &&
	    strlen(model) < 32)
		add_arg(im, "-device", model);
	if (action != NULL && strspn(action, "abcdefghijklmnopqrstuvwxyz-") == strlen(action) &&
	    strcmp(action, "reset") != 0 && strcmp(action, "dump") != 0 && strlen(action) < 32) {
		snprintf(text, sizeof(text), "watchdog=%s",
			 strcmp(action, "poweroff") == 0 ? "poweroff" : action);
		add_arg(im, "-action", text);
	} else if (action != NULL && strcmp(action, "reset") != 0) {
		lost(im, n, NULL, "QEMU's watchdog has no such action");
	}
	xmlFree(model);
	xmlFree(action);
}

static void take_balloon(struct import *im, xmlNode *n)
{
	if (attr_is(n, "model", "none"))
		lost(im, n, NULL, "VMs of holos always have a memory balloon");
	else if (child(n, "stats") != NULL && !attr_is(child(n, "stats"), "period", "0"))
		lost(im, child(n, "stats"), NULL,
		     "holos keeps no statistics of the guest's memory");
}

static void take_rng(struct import *im, xmlNode *n)
{
	if (child(n, "rate") != NULL)
		lost(im, child(n, "rate"), NULL, "the VM's random numbers are not limited");
	if (attr_is(child(n, "backend"), "model", "egd"))
		lost(im, n, NULL, "random numbers are those of this host's kernel");
}

static void take_iommu(struct import *im, xmlNode *n)
{
	lost(im, n, NULL, "VMs of holos have no IOMMU; see vm.machine and vm.extra_args");
}

const struct rule device_rules[] = {
	{ .name = "emulator", .take = take_emulator },
	{ .name = "disk", .take = take_disk, .inside = disk_rules },
	{ .name = "interface", .take = take_interface, .inside = interface_rules },
	{ .name = "filesystem", .take = take_filesystem, .inside = filesystem_rules },
	{ .name = "hostdev", .take = take_hostdev, .inside = hostdev_rules },
	{ .name = "serial", .take = take_serial_port },
	{ .name = "console", .take = take_console },
	{ .name = "channel", .take = take_channel },
	{ .name = "video", .take = take_video },
	{ .name = "graphics", .take = take_graphics },
	{ .name = "watchdog", .take = take_watchdog },
	{ .name = "memballoon", .take = take_balloon },
	{ .name = "rng", .take = take_rng },
	{ .name = "iommu", .take = take_iommu },
	{ .name = "controller" }, /* buses of libvirt's making: all disks are virtio */
	{ .name = "input" },      /* of a display */
	{ .name = "redirdev" },   /* of a display */
	{ .name = "redirfilter" },
	{ .name = "panic" }, /* holos has one */
	{ .name = "tpm", .why = "holos starts no TPM; run swtpm, and give it in vm.extra_args" },
	{ .name = "sound", .why = "VMs of holos have no sound" },
	{ .name = "audio", .why = "VMs of holos have no sound" },
	{ .name = "parallel", .why = "VMs of holos have no parallel port" },
	{ .name = "smartcard", .why = "VMs of holos have no smart card reader" },
	{ .name = "hub", .why = "VMs of holos have no USB hubs" },
	{ .name = "lease", .why = "holos has no lock manager" },
	{ .name = "shmem", .why = "VMs of holos share no memory; see -object and vm.extra_args" },
	{ .name = "memory", .why = "memory is given as a whole: vm.memory" },
	{ .name = "vsock", .why = "VMs of holos have no vsock; see vm.extra_args" },
	{ .name = "crypto", .why = "VMs of holos have no crypto device; see vm.extra_args" },
	{ .name = "nvram", .why = "only POWER has one" },
	{ .name = "pstore", .why = "VMs of holos have no persistent store" },
	{ .name = NULL },
};
