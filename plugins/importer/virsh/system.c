/* SPDX-License-Identifier: Apache-2.0
 *
 * system.c - firmware and boot, CPU model and topology, features, clock.
 */
#include "import.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#define MIB (1ull << 20)

/* ---- <os> ------------------------------------------------------------------------------------ */

void take_os(struct import *im, xmlNode *n)
{
	im->uefi = im->uefi || attr_is(n, "firmware", "efi");
}

static void take_type(struct import *im, xmlNode *n)
{
	char *machine = attr(n, "machine");
	char *arch = attr(n, "arch");
	char buf[IMPORT_TEXT_MAX + 4];
	struct utsname host;

	if (machine != NULL)
		set_str(im->vm, "machine",
			strncmp(machine, "pc-q35", 6) == 0      ? "q35"
			: strncmp(machine, "pc-i440fx", 9) == 0 ? "pc"
								: machine);
	/* A PC runs what is older, too. */
	if (arch != NULL && uname(&host) == 0 && strcmp(arch, host.machine) != 0 &&
	    !(strcmp(arch, "i686") == 0 && strcmp(host.machine, "x86_64") == 0))
		lost(im, n, "os/type arch",
		     "the VM is for %s, and holos starts VMs of this host's "
		     "kind, %s",
		     shown(arch, buf), host.machine);
	xmlFree(machine);
	xmlFree(arch);
}

static void take_loader(struct import *im, xmlNode *n)
{
	char *path = text_of(n);
	char buf[IMPORT_TEXT_MAX + 4];

	if (path != NULL && attr_is(n, "type", "rom") && strstr(path, "OVMF") == NULL &&
	    strstr(path, "edk2") == NULL && strstr(path, "efi") == NULL)
		lost(im, n, NULL, "holos boots with QEMU's own BIOS, or UEFI, and not %s",
		     shown(path, buf));
	else if (path != NULL)
		im->uefi = 1;
	if (attr_is(n, "secure", "yes"))
		lost(im, n, "os/loader secure",
		     "holos takes firmware without secure boot; "
		     "HOLOS_OVMF_CODE and HOLOS_OVMF_VARS name another");
	xmlFree(path);
}

static void take_nvram(struct import *im, xmlNode *n)
{
	char *path = text_of(n);
	char buf[IMPORT_TEXT_MAX + 4];

	im->uefi = 1;
	lost(im, n, NULL,
	     "the firmware's variables (boot entries, keys) in %s are left; the VM "
	     "starts with fresh ones",
	     shown(path, buf));
	xmlFree(path);
}

static void take_kernel(struct import *im, xmlNode *n)
{
	static const struct {
		const char *element, *option;
	} known[] = { { "kernel", "-kernel" },
		      { "initrd", "-initrd" },
		      { "cmdline", "-append" },
		      { "dtb", "-dtb" } };
	char *kernel = text_of(child(n->parent, "kernel"));
	char *text = text_of(n);

	if (text != NULL && kernel == NULL)
		lost(im, n, NULL, "without a kernel it means nothing");
	for (size_t i = 0; i < 4 && text != NULL && kernel != NULL; i++) {
		if (strcmp((const char *)n->name, known[i].element) == 0)
			add_arg(im, known[i].option, text);
	}
	xmlFree(kernel);
	xmlFree(text);
}

static void take_boot(struct import *im, xmlNode *n)
{
	char *dev = attr(n, "dev");
	char buf[IMPORT_TEXT_MAX + 4];

	if (dev == NULL || strcmp(dev, "hd") != 0)
		lost(im, n, NULL, "holos boots from the root disk, not from \"%s\"",
		     shown(dev, buf));
	xmlFree(dev);
}

static void take_secure_feature(struct import *im, xmlNode *n)
{
	char *name = attr(n, "name");
	char buf[IMPORT_TEXT_MAX + 4];

	if (attr_is(n, "enabled", "yes"))
		lost(im, n, NULL,
		     "holos does not look for firmware with %s; HOLOS_OVMF_CODE and "
		     "HOLOS_OVMF_VARS name it",
		     shown(name, buf));
	xmlFree(name);
}

static const struct rule firmware_rules[] = {
	{ .name = "feature", .take = take_secure_feature },
	{ .name = NULL },
};

const struct rule os_rules[] = {
	{ .name = "type", .take = take_type },
	{ .name = "loader", .take = take_loader },
	{ .name = "firmware", .inside = firmware_rules },
	{ .name = "nvram", .take = take_nvram },
	{ .name = "kernel", .take = take_kernel },
	{ .name = "initrd", .take = take_kernel },
	{ .name = "cmdline", .take = take_kernel },
	{ .name = "dtb", .take = take_kernel },
	{ .name = "boot", .take = take_boot },
	{ .name = "bootmenu" }, /* a prompt on a display */
	{ .name = "bios", .why = "the BIOS is as QEMU makes it" },
	{ .name = "smbios", .why = "what the firmware tells of the machine is QEMU's own" },
	{ .name = "acpi", .why = "holos adds no ACPI tables; see -acpitable and vm.extra_args" },
	{ .name = "init", .why = "only containers have one" },
	{ .name = "initarg", .why = "only containers have one" },
	{ .name = "initenv", .why = "only containers have one" },
	{ .name = "initdir", .why = "only containers have one" },
	{ .name = "inituser", .why = "only containers have one" },
	{ .name = "initgroup", .why = "only containers have one" },
	{ .name = NULL },
};

/* ---- <features> --------------------------------------------------------------------------------
 */

const struct rule features_rules[] = {
	{ .name = "acpi" },   /* QEMU's default */
	{ .name = "apic" },   /* QEMU's default */
	{ .name = "pae" },    /* the CPU model's */
	{ .name = "vmport" }, /* a mouse for a display */
	{ .name = "hyperv",
	  .why = "give them with the CPU model: vm.cpu_model: "
		 "\"host,hv_relaxed=on,hv_vapic=on\"" },
	{ .name = "kvm", .why = "give them with the CPU model: vm.cpu_model: \"host,kvm=off\"" },
	{ .name = "smm", .why = "only firmware with secure boot needs it" },
	{ .name = NULL },
};

/* ---- <cpu>
 * --------------------------------------------------------------------------------------- */

void take_cpu(struct import *im, xmlNode *n)
{
	char *mode = attr(n, "mode");
	char *model = text_of(child(n, "model"));

	xmlFree(im->cpu_model);
	im->cpu_model = NULL;
	if (mode != NULL &&
	    (strcmp(mode, "host-passthrough") == 0 || strcmp(mode, "host-model") == 0))
		im->cpu_model = (char *)xmlStrdup((const xmlChar *)"host");
	else if (mode != NULL && strcmp(mode, "maximum") == 0)
		im->cpu_model = (char *)xmlStrdup((const xmlChar *)"max");
	else if (model != NULL && strchr(model, ',') == NULL)
		im->cpu_model = (char *)xmlStrdup((const xmlChar *)model);
	xmlFree(mode);
	xmlFree(model);
}

static void take_feature(struct import *im, xmlNode *n)
{
	char *name = attr(n, "name");
	char *policy = attr(n, "policy");
	char flag[80];
	int off =
		policy != NULL && (strcmp(policy, "disable") == 0 || strcmp(policy, "forbid") == 0);

	if (name != NULL && strlen(name) < 64 && strpbrk(name, ",= \t\n") == NULL) {
		snprintf(flag, sizeof(flag), "%s=%s", name, off ? "off" : "on");
		add_str(im->cpu_flags, flag);
	} else {
		lost(im, n, NULL, "it names no CPU feature");
	}
	xmlFree(name);
	xmlFree(policy);
}

static void take_topology(struct import *im, xmlNode *n)
{
	static const char *const names[] = { "sockets", "dies", "clusters", "cores", "threads" };
	char smp[160] = "";
	size_t len = 0;

	for (size_t i = 0; i < 5; i++) {
		char *text = attr(n, names[i]);
		unsigned long v;

		if (to_number(text, 1024, &v) == 0 && (v > 1 || (i != 1 && i != 2)))
			len += (size_t)snprintf(smp + len, sizeof(smp) - len, "%s%s=%lu",
						len != 0 ? "," : "", names[i], v);
		else if (text != NULL && strcmp(text, "1") != 0)
			lost(im, n, NULL, "its %s are no number", names[i]);
		xmlFree(text);
	}
	/* With fewer CPUs than it has places for, QEMU would refuse it. */
	if (len != 0 && im->vcpu_now != 0 && im->vcpu_now != im->vcpu)
		lost(im, n, NULL, "it is that of %lu CPUs and the VM has %lu", im->vcpu,
		     im->vcpu_now);
	else if (len != 0)
		add_arg(im, "-smp", smp);
}

void done_cpu(struct import *im, xmlNode *n)
{
	size_t len = im->cpu_model != NULL ? strlen(im->cpu_model) : 0;
	size_t flags = json_object_array_length(im->cpu_flags);
	char model[4096];

	if (len == 0 && flags != 0) {
		lost(im, child(n, "feature"), NULL,
		     "CPU features without a model; write "
		     "vm.cpu_model: \"host,NAME=on\"");
		return;
	}
	if (len == 0 || len >= 256) {
		if (len != 0)
			lost(im, child(n, "model"), NULL, "no CPU model has so long a name");
		return;
	}
	memcpy(model, im->cpu_model, len + 1);
	for (size_t i = 0; i < flags; i++) {
		const char *flag =
			json_object_get_string(json_object_array_get_idx(im->cpu_flags, i));

		if (len + strlen(flag) + 2 > sizeof(model)) {
			lost(im, child(n, "feature"), NULL, "there are too many CPU features");
			break;
		}
		len += (size_t)snprintf(model + len, sizeof(model) - len, ",%s", flag);
	}
	set_str(im->vm, "cpu_model", model);
}

const struct rule cpu_rules[] = {
	{ .name = "model" },  /* take_cpu() */
	{ .name = "vendor" }, /* a check before a migration */
	{ .name = "feature", .take = take_feature },
	{ .name = "topology", .take = take_topology },
	{ .name = "numa",
	  .why = "holos makes VMs with one NUMA node; see -numa and vm.extra_args" },
	{ .name = "cache", .why = "the CPU's caches are as QEMU makes them" },
	{ .name = "maxphysaddr",
	  .why = "give it with the CPU model: vm.cpu_model: "
		 "\"host,phys-bits=N\"" },
	{ .name = NULL },
};

/* ---- <clock>
 * --------------------------------------------------------------------------------------- */

void take_clock(struct import *im, xmlNode *n)
{
	char *offset = attr(n, "offset");
	char buf[IMPORT_TEXT_MAX + 4];

	if (offset != NULL && strcmp(offset, "localtime") == 0)
		add_arg(im, "-rtc", "base=localtime");
	else if (offset != NULL && strcmp(offset, "utc") != 0)
		lost(im, n, NULL, "the VM's clock shows UTC, without the offset \"%s\"",
		     shown(offset, buf));
	xmlFree(offset);
}

const struct rule clock_rules[] = {
	{ .name = "timer" }, /* QEMU's defaults suit the guests of today */
	{ .name = NULL },
};

/* ---- at the end
 * ---------------------------------------------------------------------------------- */

static void place_memory(struct import *im)
{
	uint64_t bytes = im->current_memory != 0 ? im->current_memory : im->memory;

	if (bytes == 0)
		return;
	if (im->memory > im->current_memory && im->current_memory != 0)
		lost_at(im, 0, "memory",
			"the VM gets its current %llu MiB, and never the %llu MiB it "
			"might have had",
			(unsigned long long)(im->current_memory / MIB),
			(unsigned long long)(im->memory / MIB));
	if (bytes < 128 * MIB) {
		lost_at(im, 0, "memory", "%llu MiB are less than the 128 MiB a VM must have",
			(unsigned long long)(bytes / MIB));
		bytes = 128 * MIB;
	}
	json_object_object_add(im->vm, "memory_mb", json_object_new_int64((int64_t)(bytes / MIB)));
}

void finish_system(struct import *im)
{
	unsigned long vcpu = im->vcpu_now != 0 ? im->vcpu_now : im->vcpu;

	if (vcpu != 0)
		json_object_object_add(im->vm, "vcpu", json_object_new_int64((int64_t)vcpu));
	place_memory(im);
	if (im->uefi)
		json_object_object_add(im->vm, "uefi", json_object_new_boolean(1));
}
