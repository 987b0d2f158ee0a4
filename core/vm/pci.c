/* SPDX-License-Identifier: Apache-2.0
 *
 * pci.c - see pci.h.
 */
#include <base/alloc.h>
#include <base/fs.h>
#include <vm/hostpath.h>
#include <vm/pci.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define DEVICES_MAX   65536u
#define ATTRIBUTE_MAX 4096u /* a page: sysfs(5) */

void pci_list_finish(struct pci_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->devices[i].address);
		free(l->devices[i].driver);
		free(l->devices[i].vendor_name);
		free(l->devices[i].name);
	}
	free(l->devices);
	memset(l, 0, sizeof(*l));
}

/* A file that holds "0x10de\n"; -1. */
static int read_hex(int dir, const char *name)
{
	_cleanup_(strbuf_finish) struct strbuf text = STRBUF_INIT;
	char *end;
	long v;

	if (fs_read(dir, name, ATTRIBUTE_MAX, &text, NULL) < 0 || text.len == 0)
		return -1;
	errno = 0;
	v = strtol(text.s, &end, 16);
	if (errno != 0 || end == text.s || (*end != '\n' && *end != '\0') || v < 0 || v > 0xffffff)
		return -1;
	return (int)v;
}

/* The last part of what a link names; NULL when there is none. */
static char *link_base(int dir, const char *name)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);
	const char *slash;

	if (n <= 0)
		return NULL;
	target[n] = '\0';
	slash = strrchr(target, '/');
	return xstrdup(slash != NULL ? slash + 1 : target);
}

static void read_device(int bus, const char *address, struct pci_device *d)
{
	_cleanup_(closep) int dir = openat(bus, address, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(freep) char *group = NULL;
	char *end;

	d->address = xstrdup(address);
	d->class_code = d->vendor = d->device = -1;
	d->group = PCI_NO_GROUP;
	if (dir < 0)
		return;
	d->class_code = read_hex(dir, "class");
	if (d->class_code >= 0)
		d->class_code >>= 8; /* without the programming interface */
	d->vendor = read_hex(dir, "vendor");
	d->device = read_hex(dir, "device");
	d->driver = link_base(dir, "driver");
	group = link_base(dir, "iommu_group");
	if (group != NULL && *group != '\0') {
		long v = strtol(group, &end, 10);

		if (*end == '\0' && v >= 0 && v <= INT_MAX)
			d->group = (int)v;
	}
}

static int by_address(const void *a, const void *b)
{
	return strcmp(((const struct pci_device *)a)->address,
		      ((const struct pci_device *)b)->address);
}

int pci_scan(struct pci_list *ret, struct holos_error **err)
{
	_cleanup_(freep) char *path = host_path("/sys/bus/pci/devices");
	_cleanup_(freep) char *groups = host_path("/sys/kernel/iommu_groups");
	_cleanup_(closedirp) DIR *dir = opendir(path);
	struct pci_list l = { .iommu_known = fs_exists(AT_FDCWD, groups) };
	size_t cap = 0;
	const struct dirent *e;

	if (dir == NULL && errno != ENOENT)
		return error_sys(err, ERR_HOST, errno, "cannot read %s", path);
	while (dir != NULL && l.n < DEVICES_MAX && (e = readdir(dir)) != NULL) {
		struct pci_device *d;

		if (e->d_name[0] == '.')
			continue;
		d = ARRAY_PUSH(l.devices, l.n, cap);
		memset(d, 0, sizeof(*d));
		read_device(dirfd(dir), e->d_name, d);
		l.iommu = l.iommu || d->group != PCI_NO_GROUP;
	}
	if (l.n > 1)
		qsort(l.devices, l.n, sizeof(*l.devices), by_address);
	*ret = l;
	return 0;
}

const struct pci_device *pci_find(const struct pci_list *l, const char *address)
{
	for (size_t i = 0; i < l->n; i++) {
		if (strcmp(l->devices[i].address, address) == 0)
			return &l->devices[i];
	}
	return NULL;
}

bool pci_is_gpu(const struct pci_device *d)
{
	return d->class_code == 0x0300 || d->class_code == 0x0302 || d->class_code == 0x0380;
}

bool pci_is_bridge(const struct pci_device *d)
{
	return d->class_code >> 8 == 0x06;
}

const char *pci_class_name(const struct pci_device *d, char *buf)
{
	static const struct {
		int code;
		const char *name;
	} names[] = {
		{ 0x0300, "VGA" },   { 0x0302, "3D Controller" }, { 0x0380, "Display" },
		{ 0x0403, "Audio" }, { 0x0200, "Ethernet" },      { 0x0108, "NVMe" },
		{ 0x0106, "SATA" },  { 0x0604, "PCI Bridge" },    { 0x0600, "Host Bridge" },
		{ 0x0c03, "USB" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i].code == d->class_code)
			return names[i].name;
	}
	if (d->class_code < 0)
		return "unknown";
	snprintf(buf, 16, "%04x", (unsigned)d->class_code & 0xffff);
	return buf;
}

const char *pci_ids(const struct pci_device *d, char *buf)
{
	char v[8] = "????", p[8] = "????";

	if (d->vendor >= 0)
		snprintf(v, sizeof(v), "%04x", (unsigned)d->vendor & 0xffff);
	if (d->device >= 0)
		snprintf(p, sizeof(p), "%04x", (unsigned)d->device & 0xffff);
	snprintf(buf, 16, "%s:%s", v, p);
	return buf;
}

/* ---- pci.ids ------------------------------------------------------------------- */

#define IDS_MAX (16u << 20) /* it has 1.3 MiB */

/* Four hex digits and two spaces, then the name; -1 when it is none of it. */
static int parse_id(const char *line, const char *end, const char **ret_name)
{
	int id = 0;

	if (end - line < 7)
		return -1;
	for (int i = 0; i < 4; i++) {
		char c = line[i];
		int v = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;

		if (v < 0)
			return -1;
		id = id * 16 + v;
	}
	*ret_name = line + 4 + strspn(line + 4, " ");
	return line[4] == ' ' && *ret_name < end ? id : -1;
}

static void name_devices(struct pci_list *l, const char *text)
{
	int vendor = -1, id;
	const char *name;

	for (const char *line = text, *end; *line != '\0'; line = *end != '\0' ? end + 1 : end) {
		size_t len = strcspn(line, "\n");
		bool is_device = line[0] == '\t' && line[1] != '\t';

		end = line + len;
		if (line[0] == 'C' && line[1] == ' ') /* classes, behind all devices */
			return;
		if (line[0] == '#' || len == 0 || (line[0] == '\t' && !is_device))
			continue;
		id = parse_id(line + (is_device ? 1 : 0), end, &name);
		if (!is_device)
			vendor = id;
		for (size_t i = 0; id >= 0 && i < l->n; i++) {
			struct pci_device *d = &l->devices[i];

			if (d->vendor != vendor || (is_device && d->device != id))
				continue;
			if (is_device && d->name == NULL)
				d->name = xstrndup(name, (size_t)(end - name));
			else if (!is_device && d->vendor_name == NULL)
				d->vendor_name = xstrndup(name, (size_t)(end - name));
		}
	}
}

void pci_name_all(struct pci_list *l)
{
	static const char *const files[] = { "/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids",
					     "/usr/share/pci.ids", "/var/lib/pciutils/pci.ids" };

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		_cleanup_(freep) char *path = host_path(files[i]);
		_cleanup_(strbuf_finish) struct strbuf text = STRBUF_INIT;

		if (fs_read(AT_FDCWD, path, IDS_MAX, &text, NULL) < 0 || text.len == 0)
			continue;
		name_devices(l, text.s);
		return;
	}
}
