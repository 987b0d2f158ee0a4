/*
 * host_disk.c - mkdisk: the disk's boot area, written by the builder on the host.
 *
 *	mkdisk KERNEL INITRD CMDLINE DISK ROOT_MIB SIGNATURE
 *
 * KERNEL is an uncompressed ELF kernel with a PVH entry.  Writes boot sector, loader,
 * kernel and initrd, and a partition table with the root as partition 1 (the last on the
 * disk, so that it can grow) and the boot area as partition 2.  Prints the byte offset of
 * the root partition for mke2fs.
 */
#include "micro.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECTOR           512u
#define FIRST_LBA        2048u
#define MAX_SEGMENTS     16
#define CLUSTER          128u /* sectors of a qcow2 cluster */
#define MIB              (1024u * 1024u)
#define TABLE_AT         0x600u
#define CMDLINE_AT       0x800u
#define STAGE2_SIZE      0x1000u
#define XEN_PHYS32_ENTRY 18
#define TABLE_MAGIC      0x6f72636du

struct layout {
	unsigned char boot[SECTOR + STAGE2_SIZE];
	const char *kernel, *initrd;
	size_t kernel_n, initrd_n;
	uint32_t lba, segments, top;
	int fd;
};

static _Noreturn void die(const char *what, const char *why)
{
	(void)fprintf(stderr, "mkdisk: %s: %s\n", what, why);
	exit(1);
}

static void put32(unsigned char *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (unsigned char)(v >> (8 * i));
}

static uint32_t sectors(size_t n)
{
	return (uint32_t)((n + SECTOR - 1) / SECTOR);
}

/* one run of sectors: written to the disk, listed in the table */
static void segment(struct layout *l, uint32_t dst, const char *p, size_t n)
{
	unsigned char *e = l->boot + SECTOR + TABLE_AT + 20 + 12 * l->segments;

	if (l->segments == MAX_SEGMENTS)
		die("kernel", "too many segments");
	if (pwrite(l->fd, p, n, (off_t)l->lba * SECTOR) != (ssize_t)n)
		die("disk", strerror(errno));
	put32(e, dst);
	put32(e + 4, l->lba);
	put32(e + 8, sectors(n));
	l->segments++;
	l->lba += (sectors(n) + CLUSTER - 1) / CLUSTER * CLUSTER;
}

static uint32_t pvh_entry(const struct layout *l, const Elf64_Phdr *ph)
{
	size_t at = ph->p_offset, end = at + ph->p_filesz;

	while (at + sizeof(Elf64_Nhdr) <= end && end <= l->kernel_n) {
		Elf64_Nhdr n;
		size_t name = at + sizeof(n), desc;
		uint32_t entry;

		memcpy(&n, l->kernel + at, sizeof(n));
		desc = name + (n.n_namesz + 3u) / 4 * 4;
		if (n.n_type == XEN_PHYS32_ENTRY && n.n_namesz == 4 && desc + 4 <= end &&
		    memcmp(l->kernel + name, "Xen", 4) == 0) {
			memcpy(&entry, l->kernel + desc, sizeof(entry));
			return entry;
		}
		at = desc + (n.n_descsz + 3u) / 4 * 4;
	}
	return 0;
}

static uint32_t kernel(struct layout *l)
{
	Elf64_Ehdr eh;
	uint32_t entry = 0;

	if (l->kernel_n < sizeof(eh))
		die("kernel", "too short");
	memcpy(&eh, l->kernel, sizeof(eh));
	if (memcmp(eh.e_ident, ELFMAG, SELFMAG) != 0 || eh.e_machine != EM_X86_64)
		die("kernel", "not an x86-64 ELF file");
	for (unsigned i = 0; i < eh.e_phnum; i++) {
		Elf64_Phdr ph;
		size_t n;

		if (eh.e_phoff + (i + 1) * sizeof(ph) > l->kernel_n)
			die("kernel", "cut short");
		memcpy(&ph, l->kernel + eh.e_phoff + i * sizeof(ph), sizeof(ph));
		if (ph.p_offset > l->kernel_n || ph.p_filesz > l->kernel_n - ph.p_offset)
			die("kernel", "cut short");
		if (ph.p_type == PT_NOTE && !entry)
			entry = pvh_entry(l, &ph);
		if (ph.p_type != PT_LOAD)
			continue;
		if (ph.p_paddr + ph.p_memsz > l->top)
			l->top = (uint32_t)(ph.p_paddr + ph.p_memsz);
		for (n = ph.p_filesz; n && !l->kernel[ph.p_offset + n - 1];)
			n--; /* zeros at the end: the kernel clears its bss itself */
		if (n)
			segment(l, (uint32_t)ph.p_paddr, l->kernel + ph.p_offset, n);
	}
	if (!entry)
		die("kernel", "it has no PVH entry");
	return entry;
}

static void partition(unsigned char *e, unsigned char flags, unsigned char type, uint32_t start,
		      uint32_t size)
{
	memset(e, 0, 16);
	e[0] = flags;
	memset(e + 1, 0xff, 3); /* CHS addresses nobody reads */
	e[4] = type;
	memset(e + 5, 0xff, 3);
	put32(e + 8, start);
	put32(e + 12, size);
}

static void command_line(struct layout *l, const char *path)
{
	size_t n;
	char *text = slurp(path, STAGE2_SIZE - CMDLINE_AT - 1, &n);

	if (!text)
		die(path, strerror(errno));
	text = chomp(text);
	memcpy(l->boot + SECTOR + CMDLINE_AT, text, strlen(text));
}

int mkdisk_main(int argc, char **argv)
{
	struct layout *l = xalloc(sizeof(*l));
	unsigned char *t = l->boot + SECTOR + TABLE_AT;
	uint32_t entry, at, root, size, initrd;

	if (argc != 7) {
		(void)fprintf(stderr,
			      "usage: mkdisk KERNEL INITRD CMDLINE DISK ROOT_MIB SIGNATURE\n");
		return 2;
	}
	memcpy(l->boot, loader_start, (size_t)(loader_end - loader_start));
	l->kernel = slurp(argv[1], (size_t)256 << 20, &l->kernel_n);
	l->initrd = slurp(argv[2], (size_t)256 << 20, &l->initrd_n);
	if (!l->kernel || !l->initrd)
		die(l->kernel ? argv[2] : argv[1], strerror(errno));
	l->fd = open(argv[4], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (l->fd < 0)
		die(argv[4], strerror(errno));
	l->lba = FIRST_LBA;
	entry = kernel(l);
	initrd = (l->top + 2 * MIB - 1) / (2 * MIB) * (2 * MIB);
	segment(l, initrd, l->initrd, l->initrd_n);
	put32(t, TABLE_MAGIC);
	put32(t + 4, entry);
	put32(t + 8, initrd);
	put32(t + 12, (uint32_t)l->initrd_n);
	put32(t + 16, l->segments);
	command_line(l, argv[3]);
	at = MIB / SECTOR;
	root = (l->lba + at - 1) / at * at;
	size = (uint32_t)strtoul(argv[5], NULL, 10) * at;
	put32(l->boot + 440, (uint32_t)strtoul(argv[6], NULL, 16));
	partition(l->boot + 446, 0x80, 0x83, root, size);
	partition(l->boot + 462, 0, 0xda, FIRST_LBA, root - FIRST_LBA);
	l->boot[510] = 0x55;
	l->boot[511] = 0xaa;
	if (pwrite(l->fd, l->boot, sizeof(l->boot), 0) != (ssize_t)sizeof(l->boot) ||
	    ftruncate(l->fd, ((off_t)root + size) * SECTOR) < 0 || close(l->fd) < 0)
		die(argv[4], strerror(errno));
	printf("%llu\n", (unsigned long long)root * SECTOR);
	return 0;
}
