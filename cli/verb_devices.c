/* SPDX-License-Identifier: Apache-2.0
 *
 * verb_devices.c - holos devices: the host's PCI devices by IOMMU group, and GPUs.
 */
#include <base/alloc.h>
#include <base/jsonx.h>
#include <cli.h>
#include <vm/pci.h>

#include <stdio.h>

static char *name_of(const struct pci_device *d)
{
	if (d->vendor_name == NULL)
		return xstrdup("");
	return d->name != NULL ? xasprintf("%s %s", d->vendor_name, d->name)
			       : xstrdup(d->vendor_name);
}

static struct json_object *describe(const struct pci_device *d)
{
	struct json_object *o = json_object_new_object();
	char class[16], ids[16];

	jsonx_set_str(o, "pci", d->address);
	jsonx_set_str(o, "type", pci_class_name(d, class));
	jsonx_set_str(o, "class", NULL);
	if (d->class_code >= 0) {
		snprintf(class, sizeof(class), "%04x", (unsigned)d->class_code & 0xffff);
		jsonx_set_str(o, "class", class);
	}
	jsonx_set_str(o, "id", pci_ids(d, ids));
	jsonx_set_str(o, "vendor_name", d->vendor_name);
	jsonx_set_str(o, "name", d->name);
	jsonx_set_str(o, "driver", d->driver);
	jsonx_set(o, "iommu_group",
		  d->group != PCI_NO_GROUP ? json_object_new_int(d->group) : NULL);
	return o;
}

static void print_json_list(const struct pci_list *l, bool gpu)
{
	struct json_object *arr = json_object_new_array();

	for (size_t i = 0; i < l->n; i++) {
		if (!gpu || pci_is_gpu(&l->devices[i]))
			json_object_array_add(arr, describe(&l->devices[i]));
	}
	print_json(arr);
}

static void print_gpus(const struct pci_list *l)
{
	static const char *const header[] = { "PCI",  "TYPE", "VENDOR:DEVICE", "DRIVER", "IOMMU",
					      "NAME", NULL };
	struct table *t = table_create("", header);
	bool any = false;

	for (size_t i = 0; i < l->n; i++) {
		const struct pci_device *d = &l->devices[i];
		_cleanup_(freep) char *name = name_of(d);
		char class[16], ids[16], group[16] = "-";

		if (!pci_is_gpu(d))
			continue;
		if (d->group != PCI_NO_GROUP)
			snprintf(group, sizeof(group), "%d", d->group);
		table_row(t, d->address, pci_class_name(d, class), pci_ids(d, ids), d->driver,
			  group, name);
		any = true;
	}
	if (any) {
		table_print_fitting(t, stdout, true);
		return;
	}
	table_destroy(t);
	puts("no GPUs found");
}

static void print_group(const struct pci_list *l, int group)
{
	printf("IOMMU Group %d:\n", group);
	for (size_t i = 0; i < l->n; i++) {
		const struct pci_device *d = &l->devices[i];
		_cleanup_(freep) char *raw = name_of(d);
		_cleanup_(freep) char *name = printable(raw);
		char class[16], ids[16];

		if (d->group != group)
			continue;
		printf("  %s  %s  %s  [%s]%s%s\n", d->address, pci_class_name(d, class),
		       pci_ids(d, ids), d->driver != NULL ? d->driver : "-",
		       *name != '\0' ? "  " : "", name);
	}
}

static int print_groups(const struct pci_list *l, struct holos_error **err)
{
	int last = PCI_NO_GROUP;

	if (!l->iommu_known) {
		error_set(err, ERR_HOST,
			  "this host has no IOMMU groups: is the IOMMU switched on?");
		error_hint(err, "see docs/gpu.md; holos devices --gpu lists GPUs without it");
		return -ERR_HOST;
	}
	if (!l->iommu)
		print_warning("no device is in an IOMMU group: the IOMMU of this host is off, and "
			      "devices cannot be passed on (docs/gpu.md)");
	for (;;) {
		int next = PCI_NO_GROUP;

		for (size_t i = 0; i < l->n; i++) {
			int g = l->devices[i].group;

			if (g > last && (next == PCI_NO_GROUP || g < next))
				next = g;
		}
		if (next == PCI_NO_GROUP)
			return 0;
		print_group(l, next);
		last = next;
	}
}

int verb_devices(const struct verb *v, int argc, char **argv, struct holos_error **err)
{
	_cleanup_(strv_finish) struct strv operands = STRV_INIT;
	_cleanup_(pci_list_finish) struct pci_list l = { 0 };
	bool gpu = false, json = false;
	const struct option_def defs[] = {
		{ "gpu", 0, OPTION_FLAG, &gpu, NULL, "only GPUs, as a table" },
		{ "json", 0, OPTION_FLAG, &json, NULL, "print JSON" },
		OPTIONS_END,
	};
	int r = options_parse(v, defs, false, argc, argv, &operands, err);

	if (r != 0)
		return r;
	r = options_at_most(&operands, 0, err);
	if (r == 0)
		r = pci_scan(&l, err);
	if (r < 0)
		return r;
	pci_name_all(&l);
	if (json)
		print_json_list(&l, gpu);
	else if (gpu)
		print_gpus(&l);
	else
		return print_groups(&l, err);
	return 0;
}

const struct verb entry_devices = {
	.name = "devices",
	.operands = "",
	.summary = "list the PCI devices that VMs can be given",
	.run = verb_devices,
	.group = GROUP_HOST,
	.more = "A device goes to a VM with its whole IOMMU group; docs/gpu.md says how.",
	.examples = {
		{ "holos devices", "all of them, by IOMMU group" },
		{ "holos devices --gpu", "the graphics cards" },
	},
};
