/* SPDX-License-Identifier: Apache-2.0
 *
 * domain.c - what stands directly in <domain>: names, memory, CPUs, what happens at
 * its end.
 */
#include "import.h"

#include <string.h>
#include <strings.h>

#define MEMORY_MAX (1ul << 46) /* bytes: what a compose file may say */

/* libvirt counts in KiB where no unit stands; all units are binary here. */
static uint64_t bytes_of(struct import *im, xmlNode *n)
{
	static const char letters[] = "bkmgt";
	char *text = text_of(n);
	char *unit = attr(n, "unit");
	const char *u = unit != NULL ? unit : "KiB";
	char letter = (char)(u[0] | 0x20);
	const char *at = strchr(letters, letter);
	unsigned long v = 0;
	uint64_t bytes = 0;

	if (at == NULL || u[0] == '\0' ||
	    (strlen(u) > 1 && strcasecmp(u, "bytes") != 0 && strcasecmp(u + 1, "b") != 0 &&
	     strcasecmp(u + 1, "ib") != 0))
		lost(im, n, NULL, "its unit is none of b, KiB, MiB, GiB, TiB");
	else if (to_number(text, MEMORY_MAX, &v) < 0)
		lost(im, n, NULL, "it is no number");
	else if (v == 0)
		lost(im, n, NULL, "a VM without memory is none");
	else if (v > MEMORY_MAX >> (10 * (at - letters)))
		lost(im, n, NULL, "it is more than a VM can have");
	else
		bytes = (uint64_t)v << (10 * (at - letters));
	xmlFree(text);
	xmlFree(unit);
	return bytes;
}

static void take_memory(struct import *im, xmlNode *n)
{
	im->memory = bytes_of(im, n);
	if (attr_is(n, "dumpCore", "off"))
		lost(im, n, "memory dumpCore", "holos does not keep memory out of core dumps");
}

static void take_current_memory(struct import *im, xmlNode *n)
{
	im->current_memory = bytes_of(im, n);
}

static void take_vcpu(struct import *im, xmlNode *n)
{
	char *text = text_of(n);
	char *now = attr(n, "current");
	char *set = attr(n, "cpuset");
	char buf[IMPORT_TEXT_MAX + 4];

	if (to_number(text, 1024, &im->vcpu) < 0 || im->vcpu == 0) {
		im->vcpu = 0;
		lost(im, n, NULL, "\"%s\" is no number of CPUs from 1 to 1024", shown(text, buf));
	} else if (to_number(now, im->vcpu, &im->vcpu_now) == 0 && im->vcpu_now != im->vcpu) {
		lost(im, n, NULL, "the VM has %lu of %lu CPUs and gets no more while it runs",
		     im->vcpu_now, im->vcpu);
	}
	if (set != NULL)
		lost(im, n, "vcpu cpuset", "holos does not pin CPUs (it was %s)", shown(set, buf));
	xmlFree(text);
	xmlFree(now);
	xmlFree(set);
}

static void take_title(struct import *im, xmlNode *n)
{
	xmlFree(im->title);
	im->title = text_of(n);
}

static void take_description(struct import *im, xmlNode *n)
{
	xmlFree(im->description);
	im->description = text_of(n);
}

static void take_poweroff(struct import *im, xmlNode *n)
{
	char *text = text_of(n);

	if (text != NULL && strcmp(text, "restart") == 0)
		im->restart = "always";
	else if (text != NULL && strcmp(text, "destroy") != 0)
		lost(im, n, NULL, "a VM that powers itself off is stopped, nothing else");
	xmlFree(text);
}

static void take_reboot(struct import *im, xmlNode *n)
{
	char *text = text_of(n);

	if (text != NULL && strcmp(text, "destroy") == 0)
		add_arg(im, "-no-reboot", NULL);
	else if (text != NULL && strcmp(text, "restart") != 0)
		lost(im, n, NULL, "a VM that reboots itself goes on, nothing else");
	xmlFree(text);
}

/* "restart", "coredump-restart": the VM is started again; <on_poweroff> may have
 * said more than that. */
static void take_crash(struct import *im, xmlNode *n)
{
	char *text = text_of(n);

	if (text == NULL || strcmp(text, "destroy") == 0) {
		xmlFree(text);
		return;
	}
	if (strstr(text, "restart") != NULL && im->restart == NULL)
		im->restart = "on-failure";
	if (strcmp(text, "restart") != 0)
		lost(im, n, NULL, "holos writes no core of a crashed guest and does not keep it");
	xmlFree(text);
}

/* ---- libvirt's way around itself ---------------------------------------------------------- */

static void take_qemu_arg(struct import *im, xmlNode *n)
{
	char *value = attr(n, "value");

	if (value != NULL)
		add_arg(im, value, NULL);
	xmlFree(value);
}

static void take_qemu_env(struct import *im, xmlNode *n)
{
	char *name = attr(n, "name");
	char buf[IMPORT_TEXT_MAX + 4];

	lost(im, n, NULL, "holos gives QEMU no environment of its own (%s)", shown(name, buf));
	xmlFree(name);
}

static const struct rule commandline_rules[] = {
	{ .name = "arg", .take = take_qemu_arg },
	{ .name = "env", .take = take_qemu_env },
	{ .name = NULL },
};

/* ---- all of it --------------------------------------------------------------------------------
 */

const struct rule domain_rules[] = {
	{ .name = "name" }, /* find_name() */
	{ .name = "uuid" }, /* each VM of holos has its own */
	{ .name = "title", .take = take_title },
	{ .name = "description", .take = take_description },
	{ .name = "metadata" }, /* of other tools */
	{ .name = "memory", .take = take_memory },
	{ .name = "currentMemory", .take = take_current_memory },
	{ .name = "vcpu", .take = take_vcpu },
	{ .name = "os", .take = take_os, .inside = os_rules },
	{ .name = "features", .inside = features_rules },
	{ .name = "cpu", .take = take_cpu, .inside = cpu_rules, .done = done_cpu },
	{ .name = "clock", .take = take_clock, .inside = clock_rules },
	{ .name = "on_poweroff", .take = take_poweroff },
	{ .name = "on_reboot", .take = take_reboot },
	{ .name = "on_crash", .take = take_crash },
	{ .name = "pm" }, /* sleep states of the guest */
	{ .name = "devices", .inside = device_rules },
	{ .name = "commandline", .inside = commandline_rules }, /* qemu:commandline */
	{ .name = "resource" },                                 /* a cgroup of libvirt */
	{ .name = "seclabel" },                                 /* confinement by libvirt */
	{ .name = "genid",
	  .why = "a VM of holos has no generation id; give QEMU a vmgenid "
		 "device in vm.extra_args" },
	{ .name = "maxMemory", .why = "holos plugs no memory into a running VM" },
	{ .name = "memoryBacking",
	  .why = "holos has no huge, locked or shared memory; see "
		 "vm.extra_args" },
	{ .name = "memtune", .why = "holos does not limit QEMU's memory" },
	{ .name = "numatune", .why = "holos does not bind VMs to NUMA nodes" },
	{ .name = "blkiotune", .why = "holos does not weigh disk input and output" },
	{ .name = "cputune", .why = "holos does not pin or weigh CPUs" },
	{ .name = "vcpus", .why = "holos has no CPUs that are plugged one by one" },
	{ .name = "iothreads", .why = "holos makes no I/O threads" },
	{ .name = "iothreadids", .why = "holos makes no I/O threads" },
	{ .name = "sysinfo",
	  .why = "what the firmware tells of the machine is QEMU's own; see "
		 "-smbios and vm.extra_args" },
	{ .name = "bootloader", .why = "only Xen has one" },
	{ .name = "bootloader_args", .why = "only Xen has one" },
	{ .name = "idmap", .why = "only containers have one" },
	{ .name = "on_lockfailure", .why = "holos has no lock manager" },
	{ .name = "perf", .why = "holos reads no performance counters" },
	{ .name = "keywrap", .why = "holos knows no s390 keys" },
	{ .name = "launchSecurity", .why = "holos starts no VMs with encrypted memory" },
	{ .name = "capabilities", .why = "holos finds out by itself what QEMU can do" },
	{ .name = "override", .why = "holos does not change the devices it makes" },
	{ .name = "deprecation", .why = "holos does not watch for old devices" },
	{ .name = NULL },
};
