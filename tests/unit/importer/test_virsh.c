/* SPDX-License-Identifier: Apache-2.0
 *
 * test_virsh.c - the importer virsh: what each element becomes, that none is dropped
 * silently, and what is no domain.
 */
#include "importer.h"

#include <check.h>
#include <json-c/json.h>
#include <libxml/parser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- helpers ---------------------------------------------------------------------------- */

static struct json_object *convert(const char *inside)
{
	const char *result;
	char *text = NULL;
	struct json_object *o;

	ck_assert_int_ge(asprintf(&text, "<domain type='kvm'><name>web</name>%s</domain>", inside),
			 0);
	ck_assert_msg(import_text(text, strlen(text), &result) == HOLOS_OK, "%s", result);
	free(text);
	o = json_tokener_parse(result);
	ck_assert_ptr_nonnull(o);
	return o;
}

static struct json_object *get(struct json_object *o, const char *path)
{
	char copy[256];

	snprintf(copy, sizeof(copy), "%s", path);
	for (char *at = copy, *key; o != NULL && (key = strsep(&at, "/")) != NULL;) {
		struct json_object *next = NULL;

		if (json_object_is_type(o, json_type_array))
			next = json_object_array_get_idx(o, (size_t)atoi(key));
		else
			json_object_object_get_ex(o, key, &next);
		o = next;
	}
	return o;
}

static const char *line_of(struct json_object *o)
{
	return o != NULL ? json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
								     JSON_C_TO_STRING_NOSLASHESCAPE)
			 : "nothing";
}

/* ---- what becomes of it -----------------------------------------------------------------------
 */

#define DISK(type, source, driver, target)                                                         \
	"<devices><disk type='" type "' device='disk'><driver type='" driver "'/><source " source  \
	"/><target dev='" target "' bus='virtio'/></disk></devices>"

static const struct {
	const char *xml;
	const char *path; /* below services.web, or in the whole result with a leading / */
	const char *json; /* what stands there; "nothing" */
	const char *lost; /* a part of what is told; NULL: nothing of the kind */
} cases[] = {
	/* memory: KiB without a unit, currentMemory wins, at least 128 MiB */
	{ "<memory>1048576</memory>", "vm/memory_mb", "1024", NULL },
	{ "<memory unit='GiB'>2</memory>", "vm/memory_mb", "2048", NULL },
	{ "<memory unit='b'>1073741824</memory>", "vm/memory_mb", "1024", NULL },
	{ "<memory unit='bytes'>1073741824</memory>", "vm/memory_mb", "1024", NULL },
	{ "<memory unit='T'>1</memory>", "vm/memory_mb", "1048576", NULL },
	{ "<memory unit='KB'>2097152</memory>", "vm/memory_mb", "2048", NULL },
	{ "<memory unit='GiB'>4</memory><currentMemory unit='GiB'>2</currentMemory>",
	  "vm/memory_mb", "2048", "never the 4096 MiB" },
	{ "<memory>0</memory>", "vm/memory_mb", "nothing", "without memory" },
	{ "<memory unit='MiB'>64</memory>", "vm/memory_mb", "128", "less than the 128 MiB" },
	{ "<memory unit='furlong'>64</memory>", "vm/memory_mb", "nothing", "unit" },
	{ "<memory>99999999999999999999</memory>", "vm/memory_mb", "nothing", "no number" },
	{ "<memory unit='TiB'>70368744177664</memory>", "vm/memory_mb", "nothing", "more than" },
	{ "<memory>-1</memory>", "vm/memory_mb", "nothing", "no number" },
	/* CPUs */
	{ "<vcpu>4</vcpu>", "vm/vcpu", "4", NULL },
	{ "<vcpu current='2'>4</vcpu>", "vm/vcpu", "2", "2 of 4" },
	{ "<vcpu cpuset='0-3'>4</vcpu>", "vm/vcpu", "4", "pin" },
	{ "<vcpu>0</vcpu>", "vm/vcpu", "nothing", "no number" },
	{ "<vcpu>many</vcpu>", "vm/vcpu", "nothing", "many" },
	{ "<cpu mode='host-passthrough'/>", "vm/cpu_model", "\"host\"", NULL },
	{ "<cpu mode='host-model'/>", "vm/cpu_model", "\"host\"", NULL },
	{ "<cpu mode='maximum'/>", "vm/cpu_model", "\"max\"", NULL },
	{ "<cpu><model>qemu64</model></cpu>", "vm/cpu_model", "\"qemu64\"", NULL },
	{ "<cpu mode='custom'><model>EPYC</model><feature name='svm' policy='disable'/></cpu>",
	  "vm/cpu_model", "\"EPYC,svm=off\"", NULL },
	{ "<vcpu>4</vcpu><cpu mode='host-model'><topology sockets='1' cores='2' "
	  "threads='2'/></cpu>",
	  "vm/extra_args", "[\"-smp\",\"sockets=1,cores=2,threads=2\"]", NULL },
	{ "<vcpu current='1'>4</vcpu><cpu><topology sockets='4' cores='1' threads='1'/></cpu>",
	  "vm/extra_args", "nothing", "that of 4 CPUs" },
	/* machine and firmware */
	{ "<os><type machine='pc-q35-8.2'>hvm</type></os>", "vm/machine", "\"q35\"", NULL },
	{ "<os><type machine='pc-i440fx-jammy'>hvm</type></os>", "vm/machine", "\"pc\"", NULL },
	{ "<os><type machine='microvm'>hvm</type></os>", "vm/machine", "\"microvm\"", NULL },
	{ "<os><type arch='s390x'>hvm</type></os>", "vm/uefi", "nothing", "s390x" },
	{ "<os firmware='efi'><type>hvm</type></os>", "vm/uefi", "true", NULL },
	{ "<os firmware='bios'><type>hvm</type></os>", "vm/uefi", "nothing", NULL },
	{ "<os><loader type='pflash'>/x/OVMF_CODE.fd</loader></os>", "vm/uefi", "true", NULL },
	{ "<os><loader>/x/anything</loader></os>", "vm/uefi", "true", NULL },
	{ "<os><loader type='rom'>/usr/share/seabios/bios.bin</loader></os>", "vm/uefi", "nothing",
	  "bios.bin" },
	{ "<os><loader/></os>", "vm/uefi", "nothing", NULL },
	{ "<os><loader secure='yes'>/x</loader></os>", "vm/uefi", "true", "secure boot" },
	{ "<os><firmware><feature enabled='yes' name='secure-boot'/></firmware></os>", "vm",
	  "nothing", "secure-boot" },
	{ "<os><firmware><feature enabled='no' name='secure-boot'/></firmware></os>", "vm",
	  "nothing", NULL },
	{ "<os><nvram>/v/web_VARS.fd</nvram></os>", "vm/uefi", "true", "web_VARS.fd" },
	{ "<os><kernel>/k</kernel><initrd>/i</initrd><cmdline>a b</cmdline></os>", "vm/extra_args",
	  "[\"-kernel\",\"/k\",\"-initrd\",\"/i\",\"-append\",\"a b\"]", NULL },
	{ "<os><cmdline>a b</cmdline></os>", "vm/extra_args", "nothing", "without a kernel" },
	{ "<os><boot dev='hd'/></os>", "vm", "nothing", NULL },
	{ "<os><boot dev='network'/></os>", "vm", "nothing", "network" },
	/* what happens at the end */
	{ "<on_crash>restart</on_crash>", "restart", "\"on-failure\"", NULL },
	{ "<on_crash>coredump-restart</on_crash>", "restart", "\"on-failure\"", "core" },
	{ "<on_crash>destroy</on_crash>", "restart", "nothing", NULL },
	{ "<on_crash>preserve</on_crash>", "restart", "nothing", "keep it" },
	{ "<on_poweroff>restart</on_poweroff><on_crash>restart</on_crash>", "restart", "\"always\"",
	  NULL },
	{ "<on_reboot>destroy</on_reboot>", "vm/extra_args", "[\"-no-reboot\"]", NULL },
	{ "<clock offset='utc'/>", "vm/extra_args", "nothing", NULL },
	{ "<clock offset='localtime'/>", "vm/extra_args", "[\"-rtc\",\"base=localtime\"]", NULL },
	{ "<clock offset='variable' adjustment='3600'/>", "vm/extra_args", "nothing", "variable" },
	{ "<title>T</title><description> a\nb </description>", "x-comment", "\"T\\na\\nb\"", NULL },
	/* disks */
	{ DISK("file", "file='/d/a.img'", "qcow2", "vda"), "image", "\"/d/a.img\"", NULL },
	{ DISK("file", "file='/d/a.img'", "qcow2", "vda"), "image_format", "\"qcow2\"", NULL },
	{ DISK("file", "file='/d/a$b.raw'", "raw", "vda"), "image", "\"/d/a$b.raw\"", NULL },
	{ DISK("block", "dev='/dev/sdb'", "raw", "vda"), "vm/root_disk", "\"/dev/sdb\"",
	  "booted in place" },
	{ DISK("block", "dev='/dev/sdb'", "raw", "vda"), "image_format", "\"raw\"",
	  "booted in place" },
	{ DISK("network", "protocol='rbd' name='a/b'", "raw", "vda"), "image", "\"\"",
	  "type \"network\"" },
	{ DISK("file", "file='/d/a.vmdk'", "vmdk", "vda"), "image", "\"\"", "qemu-img convert" },
	{ DISK("file", "file='relative.img'", "raw", "vda"), "image", "\"\"", "no absolute path" },
	{ "", "image", "\"\"", "boot from" },
	{ "<devices><disk><source file='/d/a'/></disk></devices>", "image", "\"/d/a\"", NULL },
	{ "<devices><disk><source file='/d/a'/><target dev='sda' bus='sata'/></disk></devices>",
	  "image", "\"/d/a\"", "sata bus" },
	{ "<devices><disk device='cdrom'><target dev='sda'/></disk></devices>", "image", "\"\"",
	  NULL },
	{ "<devices><disk device='cdrom'><source file='/i.iso'/></disk></devices>", "image", "\"\"",
	  "/i.iso" },
	{ "<devices><disk><source file='/a'/></disk><disk><source file='/b'/><boot "
	  "order='1'/></disk></devices>",
	  "image", "\"/b\"", "extra disk" },
	{ "<devices><disk><source file='/a'/></disk><disk><driver type='qcow2'/><source "
	  "file='/b.qcow2'/><target dev='vdb' bus='virtio'/></disk></devices>",
	  "volumes", "[{\"type\":\"volume\",\"source\":\"web-vdb\",\"target\":\"/mnt/vdb\"}]",
	  "extra disk \"vdb\" (/b.qcow2)" },
	{ "<devices><disk><source file='/a'/></disk><disk><source dev='/dev/sdc'/><target "
	  "dev='vdb'/><readonly/></disk><disk type='block'><source dev='/dev/sdc'/><target "
	  "dev='vdc'/><readonly/></disk></devices>",
	  "/model/volumes", "{\"web-vdc\":{\"source\":\"/dev/sdc\"}}", "has no source" },
	{ "<devices><disk><source file='/a'/></disk><disk><driver type='qcow2'/><source "
	  "file='/b.img'/><target dev='vdb'/></disk></devices>",
	  "volumes", "nothing", "told by its name" },
	/* network cards */
	{ "<devices><interface type='network'><source network='lan'/></interface></devices>",
	  "ports", "nothing", "interface (type=network, network=lan) not imported" },
	{ "<devices><interface type='bridge'><source bridge='br0'/></interface></devices>", "ports",
	  "nothing", "interface (type=bridge, bridge=br0) not imported" },
	{ "<devices><interface/></devices>", "ports", "nothing", "type=(unspecified)" },
	{ "<devices><interface type='network'><mac address='52:54:00:01:02:03'/><model "
	  "type='e1000'/></interface></devices>",
	  "ports", "nothing", "\"user,model=e1000,mac=52:54:00:01:02:03\"" },
	{ "<devices><interface type='user'><portForward proto='tcp'><range start='80' "
	  "to='8080'/></portForward></interface></devices>",
	  "ports", "[{\"target\":\"8080\",\"published\":\"80\",\"host_ip\":\"0.0.0.0\"}]",
	  "type=user" },
	{ "<devices><interface type='user'><portForward proto='udp' address='::1'><range "
	  "start='80' end='81'/></portForward></interface></devices>",
	  "ports", "[{\"target\":\"80-81\",\"published\":\"80-81\",\"protocol\":\"udp\"}]",
	  "IPv4" },
	/* directories and devices */
	{ "<devices><filesystem type='mount'><source dir='/s'/><target dir='Tag'/></filesystem>"
	  "</devices>",
	  "volumes", "[{\"type\":\"bind\",\"source\":\"/s\",\"target\":\"/mnt/tag\"}]", "9p" },
	{ "<devices><filesystem><source dir='/s'/><target dir='/srv/x'/><readonly/></filesystem>"
	  "</devices>",
	  "volumes",
	  "[{\"type\":\"bind\",\"source\":\"/s\",\"target\":\"/srv/x\",\"read_only\":true}]",
	  "9p" },
	{ "<devices><hostdev type='pci'><source><address bus='1' slot='2' function='3'/></source>"
	  "</hostdev></devices>",
	  "devices", "[{\"pci\":\"0000:01:02.3\"}]", NULL },
	{ "<devices><hostdev type='pci' managed='no'><source><address bus='0x01' slot='0x1f' "
	  "function='0x7'/></source></hostdev></devices>",
	  "devices", "[{\"pci\":\"0000:01:1f.7\"}]", NULL },
	{ "<devices><hostdev type='pci'><source><address domain='0x10000' bus='0' slot='0' "
	  "function='0'/></source></hostdev></devices>",
	  "devices", "nothing", "no PCI address" },
	{ "<devices><hostdev type='pci' managed='yes'><source><address domain='0' bus='2' slot='0' "
	  "function='0'/></source><rom file='/r.rom'/></hostdev></devices>",
	  "devices", "[{\"pci\":\"0000:02:00.0\",\"rom_file\":\"/r.rom\"}]", "vfio-pci" },
	{ "<devices><hostdev type='usb'><source><vendor id='0x1'/><product id='0x2'/></source>"
	  "</hostdev></devices>",
	  "vm/extra_args",
	  "[\"-device\",\"qemu-xhci,id=holos-usb\",\"-device\",\"usb-host,bus=holos-usb.0,vendorid="
	  "0x0001,productid=0x0002\"]",
	  NULL },
	{ "<devices><hostdev type='scsi'><source/></hostdev></devices>", "devices", "nothing",
	  "\"scsi\" is not supported" },
	{ "<devices><tpm model='tpm-tis'/></devices>", "devices", "nothing", "swtpm" },
	{ "<devices><video><model type='virtio'/></video></devices>", "devices", "nothing",
	  "virtio-vga" },
	{ "<devices><video><model type='none'/></video></devices>", "devices", "nothing", NULL },
	{ "<devices><watchdog model='itco' action='reset'/></devices>", "vm/extra_args", "nothing",
	  NULL },
	{ "<devices><watchdog model='x,y' action='a b'/></devices>", "vm/extra_args", "nothing",
	  "no such action" },
	{ "<devices><emulator>/opt/my/run-qemu.sh</emulator></devices>", "vm/extra_args", "nothing",
	  "run-qemu.sh" },
	{ "<devices><quantum/></devices>", "vm", "nothing", "knows nothing like it" },
	{ "<quantum/>", "vm", "nothing", "knows nothing like it" },
};

START_TEST(test_cases)
{
	const char *path = cases[_i].path;
	struct json_object *o = convert(cases[_i].xml);
	struct json_object *lost = get(o, "lost");
	char full[256];
	const char *told;

	snprintf(full, sizeof(full), "%s%s", path[0] == '/' ? "" : "model/services/web/",
		 path + (path[0] == '/'));
	ck_assert_str_eq(line_of(get(o, full)), cases[_i].json);
	told = line_of(lost);
	if (cases[_i].lost == NULL) {
		/* A VM without a disk is told, whatever the case is about. */
		size_t n = lost != NULL ? json_object_array_length(lost) : 0;
		size_t mine = strstr(told, "boot from") != NULL ? 1 : 0;

		ck_assert_msg(n == mine, "told: %s", told);
	} else {
		char part[256];

		/* As JSON writes it. */
		struct json_object *s = json_object_new_string(cases[_i].lost);

		snprintf(part, sizeof(part), "%s", line_of(s) + 1);
		part[strlen(part) - 1] = '\0';
		json_object_put(s);
		ck_assert_msg(strstr(told, part) != NULL, "\"%s\" is not told: %s", part, told);
	}
	json_object_put(o);
}
END_TEST

/* ---- nothing is dropped silently
 * ------------------------------------------------------------------ */

/* Elements that mean nothing to a VM of holos.  What says no more than the default or
 * another element has the attribute x-default in the document. */
static const char *const irrelevant[] = {
	"uuid",
	"metadata",
	"metadata/libosinfo",
	"metadata/libosinfo/os",
	"resource",
	"resource/partition",
	"seclabel",
	"pm",
	"pm/suspend-to-mem",
	"features/acpi",
	"features/apic",
	"features/pae",
	"features/vmport",
	"os/bootmenu",
	"os/firmware",
	"cpu/vendor",
	"clock/timer",
	"devices/controller",
	"devices/input",
	"devices/redirdev",
	"devices/panic",
	"devices/rng",
	"devices/memballoon",
	"devices/disk/alias",
	"devices/disk/address",
	"devices/disk/backingStore/format",
	"devices/filesystem/driver",
	"devices/filesystem/binary",
	"devices/interface/backend",
	"devices/hostdev/driver",
};

/* These are told, or made, once with all that is in them. */
static const char *const whole[] = {
	"memoryBacking", "memtune",         "numatune",     "blkiotune", "cputune",
	"sysinfo",       "launchSecurity",  "perf",         "keywrap",   "idmap",
	"capabilities",  "features/hyperv", "features/kvm", "cpu/numa",
};

static void path_of(const xmlNode *n, char *ret, size_t size)
{
	char up[256] = "";

	if (n->parent->parent == NULL || n->parent->type != XML_ELEMENT_NODE) {
		ret[0] = '\0';
		return;
	}
	path_of(n->parent, up, sizeof(up));
	snprintf(ret, size, "%.200s%s%.50s", up, up[0] != '\0' ? "/" : "", (const char *)n->name);
}

static int is_listed(const char *path)
{
	for (size_t i = 0; i < sizeof(irrelevant) / sizeof(irrelevant[0]); i++) {
		if (strcmp(irrelevant[i], path) == 0)
			return 1;
	}
	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
		size_t n = strlen(whole[i]);

		if (strncmp(whole[i], path, n) == 0 && path[n] == '/')
			return 1;
	}
	return 0;
}

/* Below <devices>, what is not a disk, card, directory or host device is told as a
 * whole: its children are known by it. */
static int is_inside_of_told(const char *path)
{
	static const char *const walked[] = { "devices/disk/", "devices/interface/",
					      "devices/filesystem/", "devices/hostdev/" };
	const char *slash = strncmp(path, "devices/", 8) == 0 ? strchr(path + 8, '/') : NULL;

	if (slash == NULL)
		return 0;
	for (size_t i = 0; i < sizeof(walked) / sizeof(walked[0]); i++) {
		size_t n = strlen(walked[i]);

		/* Two levels down, it is what says where something is. */
		if (strncmp(path, walked[i], n) == 0)
			return strchr(path + n, '/') != NULL && strstr(path, "/range") == NULL;
	}
	return 1;
}

/* The result without places, which change with the text. */
static char *result_of(xmlDoc *doc)
{
	xmlChar *text;
	const char *result;
	struct json_object *o, *lost;
	char *ret;
	int len;

	xmlDocDumpMemory(doc, &text, &len);
	if (import_text(text, (size_t)len, &result) != HOLOS_OK) {
		xmlFree(text);
		return strdup(result);
	}
	xmlFree(text);
	o = json_tokener_parse(result);
	lost = get(o, "lost");
	for (size_t i = 0; lost != NULL && i < json_object_array_length(lost); i++)
		json_object_object_del(json_object_array_get_idx(lost, i), "line");
	ret = strdup(line_of(o));
	json_object_put(o);
	return ret;
}

static unsigned count(xmlNode *n)
{
	unsigned sum = 0;

	for (n = n->children; n != NULL; n = n->next) {
		if (n->type == XML_ELEMENT_NODE)
			sum += 1 + count(n);
	}
	return sum;
}

/* The element of that number in document order. */
static xmlNode *nth(xmlNode *n, unsigned *index)
{
	for (n = n->children; n != NULL; n = n->next) {
		xmlNode *found;

		if (n->type != XML_ELEMENT_NODE)
			continue;
		if ((*index)-- == 0)
			return n;
		found = nth(n, index);
		if (found != NULL)
			return found;
	}
	return NULL;
}

/* Take each element away in turn: the result must be another one, or the element be
 * listed. */
START_TEST(test_nothing_is_dropped_silently)
{
	xmlDoc *doc = xmlReadFile(getenv("HOLOS_TEST_DOMAIN"), NULL, XML_PARSE_NONET);
	char *all, path[300], dropped[4000] = "";
	unsigned n, checked = 0;

	ck_assert_ptr_nonnull(doc);
	all = result_of(doc);
	ck_assert_int_eq(all[0], '{');
	n = count(xmlDocGetRootElement(doc));
	ck_assert_uint_gt(n, 200);
	for (unsigned i = 0; i < n; i++) {
		xmlDoc *copy = xmlCopyDoc(doc, 1);
		unsigned index = i;
		xmlNode *gone = nth(xmlDocGetRootElement(copy), &index);
		char *result;
		int listed = xmlHasProp(gone, (const xmlChar *)"x-default") != NULL;

		path_of(gone, path, sizeof(path));
		listed = listed || is_listed(path) || is_inside_of_told(path);
		xmlUnlinkNode(gone);
		xmlFreeNode(gone);
		result = result_of(copy);
		if (strcmp(result, all) != 0)
			checked++;
		else if (!listed)
			snprintf(dropped + strlen(dropped), sizeof(dropped) - strlen(dropped),
				 " <%s> (%u)", path, i);
		free(result);
		xmlFreeDoc(copy);
	}
	ck_assert_msg(dropped[0] == '\0', "dropped silently:%s", dropped);
	ck_assert_uint_gt(checked, 120);
	free(all);
	xmlFreeDoc(doc);
}
END_TEST

/* An element that nobody knows is told, wherever elements are walked. */
START_TEST(test_unknown_elements_are_told)
{
	static const char *const places[] = {
		"",
		"os",
		"os/firmware",
		"features",
		"cpu",
		"clock",
		"devices",
		"devices/disk",
		"devices/interface",
		"devices/interface/portForward",
		"devices/filesystem",
		"devices/hostdev",
		"commandline",
	};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		char xml[600] = "", end[300] = "", told[400];
		char copy[100];
		struct json_object *o;

		snprintf(copy, sizeof(copy), "%s", places[i]);
		for (char *at = copy, *key; (key = strsep(&at, "/")) != NULL && *key != '\0';) {
			char back[300];

			snprintf(xml + strlen(xml), sizeof(xml) - strlen(xml), "<%s>", key);
			snprintf(back, sizeof(back), "</%s>%.200s", key, end);
			strcpy(end, back);
		}
		strcat(xml, "<unheard-of/>");
		strcat(xml, end);
		o = convert(xml);
		snprintf(told, sizeof(told), "\"what\":\"%s%sunheard-of\"", places[i],
			 places[i][0] != '\0' ? "/" : "");
		ck_assert_msg(strstr(line_of(get(o, "lost")), told) != NULL, "%s: %s", told,
			      line_of(get(o, "lost")));
		json_object_put(o);
	}
}
END_TEST

/* The host keeps a thousand; what is beyond is told as such. */
START_TEST(test_many_losses)
{
	size_t size = 5000 * 12 + 200;
	char *xml = malloc(size);
	struct json_object *o, *lost;
	size_t len = 0;

	for (int i = 0; i < 5000; i++)
		len += (size_t)snprintf(xml + len, size - len, "<unknown/>");
	o = convert(xml);
	lost = get(o, "lost");
	ck_assert_uint_le(json_object_array_length(lost), 1000);
	ck_assert_ptr_nonnull(strstr(line_of(lost), "and more"));
	json_object_put(o);
	free(xml);
}
END_TEST

/* ---- names
 * ------------------------------------------------------------------------------------------ */

static const struct {
	const char *name, *service; /* NULL: refused */
} names[] = {
	{ "web", "web" },
	{ "Web Server (old)", "web-server-old" },
	{ "--a__b--", "a-b" },
	{ "J&#252;rgen", "j-rgen" },
	{ "&#26481;&#20140;", NULL },
	{ "  ", NULL },
	{ "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggggggggg",
	  "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg" },
};

START_TEST(test_names)
{
	char xml[512], want[128];
	const char *result;

	snprintf(xml, sizeof(xml), "<domain><name>%s</name></domain>", names[_i].name);
	if (names[_i].service == NULL) {
		ck_assert_int_eq(import_text(xml, strlen(xml), &result), HOLOS_E_CONFIG);
		return;
	}
	ck_assert_int_eq(import_text(xml, strlen(xml), &result), HOLOS_OK);
	snprintf(want, sizeof(want), "\"services\": { \"%s\": {", names[_i].service);
	{
		struct json_object *o = json_tokener_parse(result);

		ck_assert_ptr_nonnull(get(get(o, "model/services"), names[_i].service));
		ck_assert_int_eq(strstr(result, "renamed domain") != NULL,
				 strcmp(names[_i].name, names[_i].service) != 0);
		json_object_put(o);
	}
}
END_TEST

/* ---- what is no domain
 * --------------------------------------------------------------------------------- */

#define NAMED "<name>a</name>"

static const struct {
	const char *text, *says, *hint;
} bad[] = {
	{ "", "is empty", "" },
	{ "hello", "bad XML", "" },
	{ "<domain>", ":1: bad XML", "" },
	{ "<domain>\n\n<name></domain>", ":3: bad XML", "" },
	{ "<domain><name>\xff\xfe</name></domain>", "bad XML", "" },
	{ "<?xml version='1.0' encoding='EBCDIC-XY'?><domain/>", "bad XML", "" },
	{ "<domain/>", "no <name>", "" },
	{ "<domain><name/></domain>", "no <name>", "" },
	{ "<network>" NAMED "</network>", "root element is <network>", "networks" },
	{ "<node>" NAMED "</node>", "root element is <node>", "test://" },
	{ "<domstatus>" NAMED "</domstatus>", "root element is <domstatus>", "running" },
	{ "<html/>", "root element is <html>", "virsh dumpxml" },
	{ "<domain>" NAMED "<os><type>exe</type></os></domain>", "container", "" },
	{ "<!DOCTYPE domain><domain>" NAMED "</domain>", "document type", "" },
	{ "<!DOCTYPE domain SYSTEM 'http://127.0.0.1:1/a.dtd'><domain>" NAMED "</domain>",
	  "document type", "" },
	{ "<!DOCTYPE domain [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><domain><name>&x;</name>"
	  "</domain>",
	  "document type", "" },
	{ "<!DOCTYPE d [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'><!ENTITY c "
	  "'&b;&b;&b;&b;&b;&b;'>]><domain><name>&c;</name></domain>",
	  "document type", "" },
	{ "<!DOCTYPE d [<!ENTITY % p SYSTEM 'file:///etc/passwd'> %p;]><domain>" NAMED "</domain>",
	  "document type", "" },
	{ "<domain><name>&undefined;</name></domain>", "bad XML", "" },
};

START_TEST(test_bad_documents)
{
	const char *message;

	ck_assert_int_eq(import_text(bad[_i].text, strlen(bad[_i].text), &message), HOLOS_E_CONFIG);
	ck_assert_msg(strstr(message, bad[_i].says) != NULL, "\"%s\" is not in: %s", bad[_i].says,
		      message);
	ck_assert_ptr_null(strchr(message, '\n'));
	ck_assert_msg(strstr(import_hint(), bad[_i].hint) != NULL, "%s", import_hint());
}
END_TEST

START_TEST(test_too_large)
{
	size_t len = 10u << 20;
	char *text = malloc(len + 64);
	const char *message;

	strcpy(text, "<domain><name>a</name><description>");
	memset(text + strlen(text), 'x', len);
	strcpy(text + len, "</description></domain>");
	ck_assert_int_eq(import_text(text, strlen(text), &message), HOLOS_E_CONFIG);
	ck_assert_ptr_nonnull(strstr(message, "larger than 2 MiB"));
	free(text);
}
END_TEST

/* Deeper than libxml2 goes, and than any stack would. */
START_TEST(test_too_deep)
{
	size_t n = 100000;
	char *text = malloc(n * 3 + 64);
	const char *message;

	strcpy(text, "<domain><name>a</name>");
	for (size_t i = 0; i < n; i++)
		memcpy(text + 22 + i * 3, "<a>", 4);
	ck_assert_int_eq(import_text(text, strlen(text), &message), HOLOS_E_CONFIG);
	ck_assert_ptr_nonnull(strstr(message, "bad XML"));
	free(text);
}
END_TEST

/* Other encodings than UTF-8 are read. */
START_TEST(test_encodings)
{
	static const char latin[] =
		"<?xml version='1.0' encoding='ISO-8859-1'?><domain><name>a</name>"
		"<title>J\xfcrgen</title></domain>";
	const char *result;

	ck_assert_int_eq(import_text(latin, strlen(latin), &result), HOLOS_OK);
	ck_assert_ptr_nonnull(strstr(result, "J\xc3\xbcrgen"));
}
END_TEST

START_TEST(test_sniff)
{
	static const char dump[] = "<domain type='kvm'>";
	static const char kept[] = "\xef\xbb\xbf<!--\nWARNING: made by libvirt\n-->\n<domain>";
	static const char other[] = "<?xml version='1.0'?><svg/>";

	ck_assert_int_gt(import_sniff("x", dump, strlen(dump)), 90);
	ck_assert_int_gt(import_sniff("x", kept, strlen(kept)), 90);
	ck_assert_int_lt(import_sniff("x.xml", other, strlen(other)), 50);
	ck_assert_int_eq(import_sniff("x.xml", "disk_img=a\n", 11), 0);
	ck_assert_int_eq(import_sniff("x.xml", "", 0), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("importer-virsh");
	TCase *tc = tcase_create("all");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	suite_add_tcase(s, tc);
	tcase_add_loop_test(tc, test_cases, 0, (int)(sizeof(cases) / sizeof(cases[0])));
	tcase_add_test(tc, test_nothing_is_dropped_silently);
	tcase_add_test(tc, test_unknown_elements_are_told);
	tcase_add_test(tc, test_many_losses);
	tcase_add_loop_test(tc, test_names, 0, (int)(sizeof(names) / sizeof(names[0])));
	tcase_add_loop_test(tc, test_bad_documents, 0, (int)(sizeof(bad) / sizeof(bad[0])));
	tcase_add_test(tc, test_too_large);
	tcase_add_test(tc, test_too_deep);
	tcase_add_test(tc, test_encodings);
	tcase_add_test(tc, test_sniff);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
