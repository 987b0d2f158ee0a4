/*
 * probe.c - what a block device holds: file system, label, UUID; and the `blkid` tool.
 *
 * busybox of Debian has no blkid, and holos asks it before it formats a volume: a device
 * that holds anything known here is reported, a partition table included.
 */
#include "micro.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

static bool get(int fd, off_t at, void *p, size_t n)
{
	return pread(fd, p, n, at) == (ssize_t)n;
}

/* copies a fixed-width field without the blanks at its end */
static void field(char *to, size_t size, const unsigned char *from, size_t n)
{
	size_t len = strnlen((const char *)from, n < size - 1 ? n : size - 1);

	memcpy(to, from, len);
	while (len && to[len - 1] == ' ')
		len--;
	to[len] = '\0';
}

static void uuid_text(char *to, size_t size, const unsigned char *u)
{
	(void)snprintf(to, size,
		       "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0],
		       u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12],
		       u[13], u[14], u[15]);
}

static bool probe_ext(int fd, struct probe *p)
{
	unsigned char sb[1024];

	if (!get(fd, 1024, sb, sizeof(sb)) || sb[0x38] != 0x53 || sb[0x39] != 0xef)
		return false;
	if (sb[0x60] & 0x40 || sb[0x60] & 0x80) /* incompat: extents, 64bit */
		strcpy(p->type, "ext4");
	else
		strcpy(p->type, sb[0x5c] & 4 ? "ext3" : "ext2");
	field(p->label, sizeof(p->label), sb + 0x78, 16);
	uuid_text(p->uuid, sizeof(p->uuid), sb + 0x68);
	return true;
}

/* the Joliet label keeps its case where the primary one may be upper-cased */
static bool probe_iso(int fd, struct probe *p)
{
	unsigned char d[2048];

	if (!get(fd, 32768, d, sizeof(d)) || memcmp(d + 1, "CD001", 5) != 0)
		return false;
	strcpy(p->type, "iso9660");
	field(p->label, sizeof(p->label), d + 40, 32);
	for (off_t s = 17; s < 32 && get(fd, s * 2048, d, sizeof(d)); s++) {
		if (memcmp(d + 1, "CD001", 5) != 0 || d[0] == 255)
			break;
		if (d[0] != 2 || d[88] != '%' || d[89] != '/')
			continue;
		for (size_t i = 0; i < 16; i++) /* UCS-2, big-endian; ASCII is enough here */
			d[i] = d[40 + 2 * i] ? '?' : d[41 + 2 * i];
		field(p->label, sizeof(p->label), d, 16);
		break;
	}
	return true;
}

static bool probe_fat(int fd, struct probe *p)
{
	unsigned char b[512];
	size_t at;

	if (!get(fd, 0, b, sizeof(b)) || b[510] != 0x55 || b[511] != 0xaa)
		return false;
	at = memcmp(b + 0x52, "FAT32", 5) == 0 ? 0x47 : memcmp(b + 0x36, "FAT", 3) == 0 ? 0x2b : 0;
	if (!at)
		return false;
	strcpy(p->type, "vfat");
	field(p->label, sizeof(p->label), b + at, 11);
	(void)snprintf(p->uuid, sizeof(p->uuid), "%02X%02X-%02X%02X", b[at - 1], b[at - 2],
		       b[at - 3], b[at - 4]);
	return true;
}

static const struct magic {
	const char *type, *text;
	size_t n;
	off_t at, label, uuid;
	size_t label_n;
} magics[] = {
	{ "xfs", "XFSB", 4, 0, 108, 32, 12 },
	{ "btrfs", "_BHRfS_M", 8, 0x10040, 0x1012b, 0x10020, 64 },
	{ "swap", "SWAPSPACE2", 10, 4086, 1052, 1036, 16 },
	{ "crypto_LUKS", "LUKS\xba\xbe", 6, 0, 0, 0, 0 },
	{ "LVM2_member", "LABELONE", 8, 512, 0, 0, 0 },
	{ "squashfs", "hsqs", 4, 0, 0, 0, 0 },
	{ "ntfs", "NTFS    ", 8, 3, 0, 0, 0 },
	{ "erofs", "\xe2\xe1\xf5\xe0", 4, 1024, 0, 0, 0 },
	{ "linux_raid_member", "\xfc\x4e\x2b\xa9", 4, 4096, 0, 0, 0 },
	{ "f2fs", "\x10\x20\xf5\xf2", 4, 1024, 0, 0, 0 },
};

static bool probe_magic(int fd, struct probe *p)
{
	unsigned char b[64];

	for (size_t i = 0; i < ARRAY_LEN(magics); i++) {
		const struct magic *m = &magics[i];

		if (!get(fd, m->at, b, m->n) || memcmp(b, m->text, m->n) != 0)
			continue;
		strcpy(p->type, m->type);
		if (m->label && get(fd, m->label, b, m->label_n))
			field(p->label, sizeof(p->label), b, m->label_n);
		if (m->uuid && get(fd, m->uuid, b, 16))
			uuid_text(p->uuid, sizeof(p->uuid), b);
		return true;
	}
	return false;
}

bool probe(const char *dev, struct probe *ret)
{
	int fd = open(dev, O_RDONLY | O_CLOEXEC);
	unsigned char b[8];
	bool found;

	memset(ret, 0, sizeof(*ret));
	if (fd < 0)
		return false;
	found = probe_ext(fd, ret) || probe_iso(fd, ret) || probe_fat(fd, ret) ||
		probe_magic(fd, ret);
	if (!found && get(fd, 512, b, 8) && memcmp(b, "EFI PART", 8) == 0)
		strcpy(ret->pttype, "gpt");
	else if (!found && get(fd, 510, b, 2) && b[0] == 0x55 && b[1] == 0xaa)
		strcpy(ret->pttype, "dos");
	close(fd);
	return found || ret->pttype[0];
}

bool sys_value(const char *file, char *ret, size_t size)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, ret, size - 1);
	close(fd);
	if (n < 0)
		return false;
	ret[n] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
	return true;
}

/* PARTUUID of a partition in an MBR: the disk's signature and the partition's number */
bool partuuid(const char *name, char *ret, size_t size)
{
	char path[160], num[16], disk[160], *slash;
	unsigned char sig[4];
	int fd;
	bool ok;

	(void)snprintf(path, sizeof(path), "/sys/class/block/%.40s/partition", name);
	if (!sys_value(path, num, sizeof(num)))
		return false;
	(void)snprintf(path, sizeof(path), "/sys/class/block/%.40s/..", name);
	{
		char *real = realpath(path, NULL);

		if (!real)
			return false;
		slash = strrchr(real, '/');
		(void)snprintf(disk, sizeof(disk), "/dev/%.100s", slash + 1);
		free(real);
	}
	fd = open(disk, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ok = get(fd, 440, sig, 4);
	close(fd);
	(void)snprintf(ret, size, "%02x%02x%02x%02x-%02ld", sig[3], sig[2], sig[1], sig[0],
		       strtol(num, NULL, 10));
	return ok;
}

int each_block(int (*fn)(const char *name, void *arg), void *arg)
{
	DIR *d = opendir("/sys/class/block");
	struct dirent *e;
	int r = 0;

	if (!d)
		return 0;
	while (r == 0 && (e = readdir(d)))
		if (e->d_name[0] != '.' && !starts(e->d_name, "loop") && !starts(e->d_name, "ram"))
			r = fn(e->d_name, arg);
	closedir(d);
	return r;
}

struct wanted {
	const char *name, *value;
	char *ret;
	size_t size;
};

static int match(const char *name, void *arg)
{
	struct wanted *w = arg;
	char dev[64], id[32];
	struct probe p;
	bool hit;

	(void)snprintf(dev, sizeof(dev), "/dev/%.50s", name);
	if (strcmp(w->name, "PARTUUID") == 0) {
		hit = partuuid(name, id, sizeof(id)) && strcasecmp(id, w->value) == 0;
	} else {
		if (!probe(dev, &p))
			return 0;
		if (strcmp(w->name, "LABEL") == 0)
			hit = strcmp(p.label, w->value) == 0;
		else if (strcmp(w->name, "UUID") == 0)
			hit = strcasecmp(p.uuid, w->value) == 0;
		else
			hit = strcmp(w->name, "TYPE") == 0 && strcmp(p.type, w->value) == 0;
	}
	if (hit)
		(void)snprintf(w->ret, w->size, "%s", dev);
	return hit;
}

bool find_device(const char *name, const char *value, char *ret, size_t size)
{
	struct wanted w = { name, value, ret, size };

	return *value && each_block(match, &w) == 1;
}

bool resolve_device(const char *spec, char *ret, size_t size)
{
	const char *eq = strchr(spec, '=');
	struct stat st;
	char name[16], value[128];
	size_t n;

	if (!eq || spec[0] == '/') {
		(void)snprintf(ret, size, "%s%s", spec[0] == '/' ? "" : "/dev/", spec);
		return stat(ret, &st) == 0 && S_ISBLK(st.st_mode);
	}
	(void)snprintf(name, sizeof(name), "%.*s", (int)(eq - spec), spec);
	(void)snprintf(value, sizeof(value), "%s", eq[1] == '"' ? eq + 2 : eq + 1);
	n = strlen(value);
	if (n && value[n - 1] == '"')
		value[n - 1] = '\0';
	return find_device(name, value, ret, size);
}

struct blkid {
	const char *tag, *format;
	int shown;
};

static void show_tag(const struct blkid *b, const char *name, const char *value)
{
	if (!*value || (b->tag && strcmp(b->tag, name) != 0))
		return;
	if (strcmp(b->format, "value") == 0)
		printf("%s\n", value);
	else if (strcmp(b->format, "export") == 0)
		printf("%s=%s\n", name, value);
	else
		printf(" %s=\"%s\"", name, value);
}

static int show(const char *dev, struct blkid *b)
{
	bool full = strcmp(b->format, "full") == 0;
	const char *base = strrchr(dev, '/');
	char part[32] = "";
	struct probe p;

	if (!probe(dev, &p) && !partuuid(base ? base + 1 : dev, part, sizeof(part)))
		return 0;
	b->shown++;
	(void)partuuid(base ? base + 1 : dev, part, sizeof(part)); /* whole disks have none */
	if (strcmp(b->format, "device") == 0) {
		printf("%s\n", dev);
		return 0;
	}
	if (full)
		printf("%s:", dev);
	if (strcmp(b->format, "export") == 0)
		printf("DEVNAME=%s\n", dev);
	show_tag(b, "LABEL", p.label);
	show_tag(b, "UUID", p.uuid);
	show_tag(b, "TYPE", p.type);
	show_tag(b, "PTTYPE", p.pttype);
	show_tag(b, "PARTUUID", part);
	if (full)
		printf("\n");
	return 0;
}

static int show_name(const char *name, void *arg)
{
	char dev[64];

	(void)snprintf(dev, sizeof(dev), "/dev/%.50s", name);
	return show(dev, arg);
}

static int print_found(const char *name, const char *value)
{
	char dev[64];

	if (!find_device(name, value, dev, sizeof(dev)))
		return 2;
	printf("%s\n", dev);
	return 0;
}

int blkid_main(int argc, char **argv)
{
	struct blkid b = { .format = "full" };
	char *eq;
	int c;

	while ((c = getopt(argc, argv, "L:U:t:s:o:c:n:u:pgilk")) != -1) {
		switch (c) {
		case 'L':
			return print_found("LABEL", optarg);
		case 'U':
			return print_found("UUID", optarg);
		case 't':
			eq = strchr(optarg, '=');
			if (!eq)
				return 4;
			*eq = '\0';
			return print_found(optarg, eq + 1);
		case 's':
			b.tag = optarg;
			break;
		case 'o':
			b.format = optarg;
			break;
		case '?':
			return 4;
		default: /* -p, -c and the like change nothing: there is no cache */
			break;
		}
	}
	if (optind == argc)
		each_block(show_name, &b);
	for (; optind < argc; optind++)
		show(argv[optind], &b);
	return b.shown ? 0 : 2;
}
