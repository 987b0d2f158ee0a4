/* SPDX-License-Identifier: Apache-2.0
 *
 * hostdevs.c - devices of the host given to the VM: PCI (VFIO) and USB.
 */
#include "import.h"

#include <stdio.h>
#include <string.h>

int pci_address(xmlNode *address, char ret[16])
{
	static const struct {
		const char *name;
		unsigned long max;
	} parts[] = { { "domain", 0xffff }, { "bus", 0xff }, { "slot", 0x1f }, { "function", 7 } };
	unsigned long v[4];
	int bad = address == NULL;

	for (size_t i = 0; i < 4 && !bad; i++) {
		char *text = attr(address, parts[i].name);

		/* libvirt leaves domain out where it is 0. */
		if (text == NULL && i == 0)
			v[i] = 0;
		else
			bad = to_number(text, parts[i].max, &v[i]) < 0;
		xmlFree(text);
	}
	if (bad)
		return -1;
	snprintf(ret, 16, "%04lx:%02lx:%02lx.%lx", v[0] & 0xffff, v[1] & 0xff, v[2] & 0x1f,
		 v[3] & 7);
	return 0;
}

static void take_pci(struct import *im, xmlNode *n)
{
	char *rom = child_attr(n, "rom", "file");
	char address[16];

	if (pci_address(child(child(n, "source"), "address"), address) < 0) {
		lost(im, n, NULL, "it has no PCI address");
	} else {
		struct json_object *device = json_object_new_object();

		set_str(device, "pci", address);
		if (rom != NULL && rom[0] == '/')
			set_str(device, "rom_file", rom);
		else if (rom != NULL)
			lost(im, child(n, "rom"), NULL, "its file is no absolute path");
		json_object_array_add(im->devices, device);
		if (attr_is(n, "managed", "yes"))
			lost(im, n, NULL,
			     "libvirt bound %s to vfio-pci for the VM; holos wants that "
			     "done before it starts",
			     address);
	}
	xmlFree(rom);
}

static void add_usb(struct import *im, const char *device)
{
	if (!im->has_usb)
		add_arg(im, "-device", "qemu-xhci,id=holos-usb");
	im->has_usb = 1;
	add_arg(im, "-device", device);
}

static void take_usb(struct import *im, xmlNode *n)
{
	xmlNode *source = child(n, "source");
	char *vendor = child_attr(source, "vendor", "id");
	char *product = child_attr(source, "product", "id");
	char *bus = child_attr(source, "address", "bus");
	char *device = child_attr(source, "address", "device");
	unsigned long a, b;
	char text[96];

	if (to_number(vendor, 0xffff, &a) == 0 && to_number(product, 0xffff, &b) == 0) {
		snprintf(text, sizeof(text),
			 "usb-host,bus=holos-usb.0,vendorid=0x%04lx,productid=0x%04lx", a, b);
		add_usb(im, text);
	} else if (to_number(bus, 999, &a) == 0 && to_number(device, 999, &b) == 0) {
		snprintf(text, sizeof(text), "usb-host,bus=holos-usb.0,hostbus=%lu,hostaddr=%lu", a,
			 b);
		add_usb(im, text);
		lost(im, n, NULL,
		     "the VM starts only while a device is at bus %lu, device %lu; vendorid and "
		     "productid in vm.extra_args name one that may come and go",
		     a, b);
	} else {
		lost(im, n, NULL, "it names no USB device");
	}
	xmlFree(vendor);
	xmlFree(product);
	xmlFree(bus);
	xmlFree(device);
}

void take_hostdev(struct import *im, xmlNode *n)
{
	char *type = attr(n, "type");
	char buf[IMPORT_TEXT_MAX + 4];

	if (attr_is(n, "mode", "capabilities"))
		lost(im, n, NULL, "only containers have one of mode \"capabilities\"");
	else if (type != NULL && strcmp(type, "pci") == 0)
		take_pci(im, n);
	else if (type != NULL && strcmp(type, "usb") == 0)
		take_usb(im, n);
	else
		lost(im, n, NULL, "hostdev type \"%s\" is not supported", shown(type, buf));
	xmlFree(type);
}

static void take_rom(struct import *im, xmlNode *n)
{
	if (attr_is(n, "bar", "off") || attr_is(n, "enabled", "no"))
		lost(im, n, NULL, "holos does not hide a device's option ROM");
}

static void take_guest_address(struct import *im, xmlNode *n)
{
	if (attr_is(n, "multifunction", "on"))
		lost(im, n, NULL, "each function becomes a device of its own in the guest");
}

static void take_boot_order(struct import *im, xmlNode *n)
{
	lost(im, n, NULL, "holos boots from the root disk");
}

const struct rule hostdev_rules[] = {
	{ .name = "source" }, /* take_hostdev() */
	{ .name = "driver" }, /* vfio */
	{ .name = "alias" },
	{ .name = "address", .take = take_guest_address },
	{ .name = "rom", .take = take_rom },
	{ .name = "boot", .take = take_boot_order },
	{ .name = "teaming", .why = "holos pairs no network cards" },
	{ .name = "readonly", .why = "devices are given whole" },
	{ .name = "shareable", .why = "devices are given whole" },
	{ .name = NULL },
};
