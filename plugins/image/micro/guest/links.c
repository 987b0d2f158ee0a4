/*
 * links.c - /dev/disk/by-id, by-label and by-uuid, as udev would make them.
 *
 * Made once at boot and again by `udevadm trigger` or `udevadm settle`, which is what
 * scripts written for other distributions call.
 */
#include "micro.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void link_one(const char *dir, const char *name, const char *dev)
{
	char path[256], target[80];

	if (!*name || strchr(name, '/') || name[0] == '.')
		return;
	(void)snprintf(path, sizeof(path), "/dev/disk/%s/%s", dir, name);
	(void)snprintf(target, sizeof(target), "../../%s", dev);
	(void)mkparents(path);
	(void)unlink(path); /* it may be of an earlier run, or not exist */
	if (symlink(target, path) < 0)
		say("%s: %s", path, strerror(errno));
}

static int one(const char *name, void *arg)
{
	char path[160], serial[32], id[96], dev[64], part[16], pu[32];
	struct probe p;

	(void)arg;
	(void)snprintf(path, sizeof(path), "/sys/class/block/%.40s/serial", name);
	if (sys_value(path, serial, sizeof(serial)) && serial[0]) {
		(void)snprintf(id, sizeof(id), "virtio-%s", serial);
		link_one("by-id", id, name);
	}
	(void)snprintf(path, sizeof(path), "/sys/class/block/%.40s/partition", name);
	if (sys_value(path, part, sizeof(part))) {
		(void)snprintf(path, sizeof(path), "/sys/class/block/%.40s/../serial", name);
		if (sys_value(path, serial, sizeof(serial)) && serial[0]) {
			(void)snprintf(id, sizeof(id), "virtio-%s-part%s", serial, part);
			link_one("by-id", id, name);
		}
		if (partuuid(name, pu, sizeof(pu)))
			link_one("by-partuuid", pu, name);
	}
	(void)snprintf(dev, sizeof(dev), "/dev/%.50s", name);
	if (!probe(dev, &p))
		return 0;
	link_one("by-label", p.label, name);
	link_one("by-uuid", p.uuid, name);
	if (strcmp(p.label, "CIDATA") == 0) /* a seed may be labelled either way */
		link_one("by-label", "cidata", name);
	else if (strcmp(p.label, "cidata") == 0)
		link_one("by-label", "CIDATA", name);
	return 0;
}

void make_links(void)
{
	each_block(one, NULL);
}

/* udevadm settle|trigger: the links are up to date when this returns */
int links_main(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	if (geteuid() == 0)
		make_links();
	return 0;
}
