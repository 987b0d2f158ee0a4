/*
 * grow.c - lets the root file system fill its disk.
 *
 * The disk may be larger than the image it was made from.  When the root is the last
 * partition of an MBR, its entry is enlarged, the kernel is told (BLKPG), and ext4 grows
 * online (EXT4_IOC_RESIZE_FS).  When there is nothing to do this costs four small reads.
 */
#include "micro.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/blkpg.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* from the kernel's ext4.h, which is no public header */
#define MICRO_EXT4_RESIZE _IOW('f', 16, uint64_t)
#define SLACK_SECTORS     2048 /* less than this at the end of the disk is left alone */

struct place {
	char part[64], disk[64];
	int number;
	uint64_t start, size, disk_size; /* in sectors */
};

static uint64_t number(const char *dir, const char *file)
{
	char path[300], value[32];

	(void)snprintf(path, sizeof(path), "%.200s/%s", dir, file);
	return sys_value(path, value, sizeof(value)) ? strtoull(value, NULL, 10) : 0;
}

static bool find_root(struct place *p)
{
	char path[64], *real, *slash;
	struct stat st;

	if (stat("/", &st) < 0)
		return false;
	(void)snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(st.st_dev),
		       minor(st.st_dev));
	real = realpath(path, NULL);
	if (!real)
		return false;
	p->number = (int)number(real, "partition");
	p->start = number(real, "start");
	p->size = number(real, "size");
	slash = strrchr(real, '/');
	(void)snprintf(p->part, sizeof(p->part), "/dev/%.50s", slash + 1);
	*slash = '\0';
	p->disk_size = number(real, "size");
	slash = strrchr(real, '/');
	(void)snprintf(p->disk, sizeof(p->disk), "/dev/%.50s", slash + 1);
	return p->number >= 1 && p->number <= 4;
}

static uint32_t le32(const unsigned char *b)
{
	return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

/* the end this partition may have: the disk's, or where the next one starts */
static uint64_t limit(const unsigned char *mbr, const struct place *p)
{
	uint64_t end = p->disk_size > UINT32_MAX ? UINT32_MAX : p->disk_size;

	for (int i = 0; i < 4; i++) {
		uint64_t at = le32(mbr + 446 + 16 * i + 8);

		if (i != p->number - 1 && at >= p->start + p->size && at < end &&
		    mbr[446 + 16 * i + 4])
			end = at;
	}
	return end;
}

static bool grow_partition(struct place *p)
{
	unsigned char mbr[512], *e = mbr + 446 + 16 * (p->number - 1);
	struct blkpg_partition part = { 0 };
	struct blkpg_ioctl_arg arg = { .op = BLKPG_RESIZE_PARTITION,
				       .datalen = sizeof(part),
				       .data = &part };
	int fd = open(p->disk, O_RDWR | O_CLOEXEC);
	uint64_t end, size;
	bool ok = false;

	if (fd < 0 || pread(fd, mbr, sizeof(mbr), 0) != sizeof(mbr) || le32(e + 8) != p->start)
		goto out;
	end = limit(mbr, p);
	if (end < p->start + p->size + SLACK_SECTORS)
		goto out;
	size = (end - p->start) / 8 * 8;
	for (int i = 0; i < 4; i++)
		e[12 + i] = (unsigned char)(size >> (8 * i));
	part.pno = p->number;
	part.start = (long long)p->start * 512;
	part.length = (long long)size * 512;
	if (pwrite(fd, mbr, sizeof(mbr), 0) != sizeof(mbr) || fsync(fd) < 0 ||
	    ioctl(fd, BLKPG, &arg) < 0) {
		complain("cannot grow partition %d of %s: %s", p->number, p->disk, strerror(errno));
		goto out;
	}
	p->size = size;
	ok = true;
out:
	if (fd >= 0)
		close(fd);
	return ok;
}

static void grow_fs(const struct place *p)
{
	unsigned char sb[1024];
	int fd = open(p->part, O_RDONLY | O_CLOEXEC), root;
	uint64_t blocks, have, bs;

	if (fd < 0)
		return;
	if (pread(fd, sb, sizeof(sb), 1024) != sizeof(sb)) {
		close(fd);
		return;
	}
	close(fd);
	bs = (uint64_t)1024 << (sb[24] & 7);
	have = le32(sb + 4) | (uint64_t)le32(sb + 0x150) << 32;
	blocks = p->size * 512 / bs;
	if (blocks <= have + (SLACK_SECTORS * 512) / bs)
		return;
	root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0 || ioctl(root, MICRO_EXT4_RESIZE, &blocks) < 0)
		complain("cannot grow the root file system: %s", strerror(errno));
	else
		say("root file system grown to %llu MiB", (unsigned long long)(blocks * bs >> 20));
	if (root >= 0)
		close(root);
}

void grow_root(void)
{
	struct place p = { 0 };

	if (!find_root(&p))
		return;
	(void)grow_partition(&p); /* an earlier boot may have got only this far */
	grow_fs(&p);
}
