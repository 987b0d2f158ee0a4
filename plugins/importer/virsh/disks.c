/* SPDX-License-Identifier: Apache-2.0
 *
 * disks.c - <disk>: the first one (by boot order) becomes the root disk, the others
 * become volumes.
 */
#include "import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Something in a drive, or nothing. */
static void tell_medium(struct import *im, xmlNode *n, const char *device)
{
	char *path = child_attr(n, "source", "file");
	char buf[IMPORT_TEXT_MAX + 4];

	if (path == NULL)
		path = child_attr(n, "source", "dev");
	if (path != NULL)
		lost(im, n, device, "VMs of holos have no drives for removable media (it held %s)",
		     shown(path, buf));
	xmlFree(path);
}

static int has_good_format(struct import *im, xmlNode *n, const struct disk *d, const char *path)
{
	char format[IMPORT_TEXT_MAX + 4], target[IMPORT_TEXT_MAX + 4], buf[IMPORT_TEXT_MAX + 4];

	if (d->format == NULL || strcmp(d->format, "qcow2") == 0 || strcmp(d->format, "raw") == 0)
		return 1;
	lost(im, n, "disk",
	     "disk \"%s\" (%s) has format \"%s\", and must become qcow2 or raw: qemu-img convert "
	     "-O qcow2 OLD NEW",
	     shown(d->target, target), shown(path, buf), shown(d->format, format));
	return 0;
}

/* A volume of a storage pool: libvirt alone knows where it is. */
static void tell_pool(struct import *im, xmlNode *n, const struct disk *d)
{
	char *pool = child_attr(n, "source", "pool"), *volume = child_attr(n, "source", "volume");
	char target[IMPORT_TEXT_MAX + 4], a[IMPORT_TEXT_MAX + 4], b[IMPORT_TEXT_MAX + 4];

	lost(im, n, "disk",
	     "disk \"%s\" has type \"volume\" (only files and block devices are imported); this "
	     "tells its file: virsh vol-path --pool %s %s",
	     shown(d->target, target), shown(pool, a), shown(volume, b));
	xmlFree(pool);
	xmlFree(volume);
}

static const char *type_of(const char *type)
{
	return type != NULL && type[0] != '\0' ? type : "file";
}

/* Where its data is, when that is a file or a block device; else it is told. */
static void find_source(struct import *im, xmlNode *n, struct disk *d, const char *type)
{
	char buf[IMPORT_TEXT_MAX + 4], target[IMPORT_TEXT_MAX + 4];
	char *path = NULL;

	if (strcmp(type, "file") == 0)
		path = child_attr(n, "source", "file");
	else if (strcmp(type, "block") == 0)
		path = child_attr(n, "source", "dev");
	if (path != NULL && path[0] == '/') {
		if (!has_good_format(im, n, d, path)) {
			xmlFree(path);
			return;
		}
		d->path = path;
		d->is_block = strcmp(type, "block") == 0;
		return;
	}
	if (path != NULL)
		lost(im, n, "disk", "disk \"%s\" is at \"%s\", which is no absolute path",
		     shown(d->target, target), shown(path, buf));
	else if (strcmp(type, "volume") == 0)
		tell_pool(im, n, d);
	else if (strcmp(type, "file") == 0 || strcmp(type, "block") == 0)
		lost(im, n, "disk", "disk \"%s\" has no source", shown(d->target, target));
	else
		lost(im, n, "disk",
		     "disk \"%s\" has type \"%s\" (only files and block devices are "
		     "imported)",
		     shown(d->target, target), shown(type, buf));
	xmlFree(path);
}

void take_disk(struct import *im, xmlNode *n)
{
	char *device = attr(n, "device");
	char *type = attr(n, "type");
	char *order = child_attr(n, "boot", "order");
	struct disk *d;

	im->disk = NULL;
	if (device != NULL && strcmp(device, "disk") != 0 && strcmp(device, "lun") != 0) {
		tell_medium(im, n, device);
	} else if (im->n_disks == IMPORT_DISKS_MAX) {
		lost(im, n, NULL, "no VM has so many disks");
	} else {
		d = im->disk = &im->disks[im->n_disks++];
		*d = (struct disk){ .line = (uint32_t)xmlGetLineNo(n) };
		d->target = child_attr(n, "target", "dev");
		d->bus = child_attr(n, "target", "bus");
		d->format = child_attr(n, "driver", "type");
		if (to_number(order, 1000, &d->boot_order) < 0)
			d->boot_order = 0;
		find_source(im, n, d, type_of(type));
		if (device != NULL && strcmp(device, "lun") == 0)
			lost(im, n, NULL,
			     "a LUN becomes an ordinary disk: no SCSI commands reach it");
	}
	xmlFree(device);
	xmlFree(type);
	xmlFree(order);
}

static void take_read_only(struct import *im, xmlNode *n)
{
	(void)n;
	if (im->disk != NULL)
		im->disk->read_only = 1;
}

static void take_shareable(struct import *im, xmlNode *n)
{
	(void)n;
	if (im->disk != NULL)
		im->disk->shared = 1;
}

/* A live domain shows the files below an overlay, and an empty element below a disk
 * that is none. */
static void take_backing(struct import *im, xmlNode *n)
{
	char *path = child_attr(n, "source", "file");
	char buf[IMPORT_TEXT_MAX + 4];

	if (im->disk != NULL && im->disk->path != NULL &&
	    (path != NULL || child(n, "source") != NULL))
		lost(im, n, NULL,
		     "the disk is an overlay on %s and holos takes whole disks; "
		     "flatten it: qemu-img convert -O qcow2 OLD NEW",
		     shown(path, buf));
	xmlFree(path);
}

static void take_serial(struct import *im, xmlNode *n)
{
	char *text = text_of(n);
	char buf[IMPORT_TEXT_MAX + 4];

	if (im->disk != NULL && im->disk->path != NULL && text != NULL)
		lost(im, n, NULL,
		     "the disk's serial number is another (it was %s): what the guest "
		     "mounts by /dev/disk/by-id changes",
		     shown(text, buf));
	xmlFree(text);
}

static void take_bus(struct import *im, xmlNode *n)
{
	char buf[IMPORT_TEXT_MAX + 4];
	const struct disk *d = im->disk;

	if (d == NULL || d->path == NULL || d->bus == NULL || strcmp(d->bus, "virtio") == 0)
		return;
	lost(im, n, NULL,
	     "the disk is on a %s bus and becomes a virtio disk: the guest needs that "
	     "driver, and sees vda for sda",
	     shown(d->bus, buf));
}

/* A drive for media, and a disk that is left out, are told as a whole. */
#define DISK_ONLY(text)                                                                            \
	{                                                                                          \
		if (im->disk != NULL && im->disk->path != NULL)                                    \
			lost(im, n, NULL, "%s", text);                                             \
	}

static void take_encryption(struct import *im, xmlNode *n) DISK_ONLY(
	"holos cannot open encrypted disks; convert it: qemu-img convert")

	static void take_tune(struct import *im,
			      xmlNode *n) DISK_ONLY("holos does not limit disk input and output")

		static void take_transient(struct import *im, xmlNode *n) DISK_ONLY(
			"what the VM writes stays; holos down removes it with the root disk")

			static void take_mirror(struct import *im, xmlNode *n) DISK_ONLY(
				"a copy was under way; import the domain when it is done")

				static void take_identity(struct import *im, xmlNode *n) DISK_ONLY(
					"virtio disks have no such identity")

					static void take_geometry(struct import *im, xmlNode *n)
						DISK_ONLY("disks have the geometry and block sizes "
							  "that QEMU gives them")

							const
	struct rule disk_rules[] = {
		{ .name = "source" },  /* take_disk() */
		{ .name = "driver" },  /* the format by take_disk(); caching is holos's own */
		{ .name = "boot" },    /* take_disk() */
		{ .name = "address" }, /* where libvirt put it */
		{ .name = "alias" },   /* libvirt's name for it */
		{ .name = "target", .take = take_bus },
		{ .name = "readonly", .take = take_read_only },
		{ .name = "shareable", .take = take_shareable },
		{ .name = "backingStore", .take = take_backing },
		{ .name = "serial", .take = take_serial },
		{ .name = "encryption", .take = take_encryption },
		{ .name = "auth", .take = take_encryption },
		{ .name = "iotune", .take = take_tune },
		{ .name = "throttlefilters", .take = take_tune },
		{ .name = "transient", .take = take_transient },
		{ .name = "mirror", .take = take_mirror },
		{ .name = "wwn", .take = take_identity },
		{ .name = "vendor", .take = take_identity },
		{ .name = "product", .take = take_identity },
		{ .name = "geometry", .take = take_geometry },
		{ .name = "blockio", .take = take_geometry },
		{ .name = NULL },
	};

/* ---- where they go ------------------------------------------------------------------------------
 */

/* The lowest boot order, else the first. */
static struct disk *root_of(struct import *im)
{
	struct disk *root = NULL;

	for (unsigned i = 0; i < im->n_disks; i++) {
		struct disk *d = &im->disks[i];

		if (d->path == NULL)
			continue;
		if (root == NULL || (d->boot_order != 0 &&
				     (root->boot_order == 0 || d->boot_order < root->boot_order)))
			root = d;
	}
	return root;
}

static void place_root(struct import *im, const struct disk *d)
{
	char buf[IMPORT_TEXT_MAX + 4];

	if (d->is_block) {
		set_str(im->vm, "root_disk", d->path);
		lost_at(im, d->line, "disk", "the block device %s is booted in place, as it is",
			shown(d->path, buf));
	} else {
		set_str(im->service, "image", d->path);
	}
	if (d->format != NULL)
		set_str(im->service, "image_format", d->format);
	else if (d->is_block)
		set_str(im->service, "image_format", "raw");
	if (d->read_only)
		lost_at(im, d->line, "disk", "the root disk can be written to");
}

static int has_suffix(const char *path, const char *suffix)
{
	size_t n = strlen(path), m = strlen(suffix);

	return n > m && strcmp(path + n - m, suffix) == 0;
}

/* A volume's format is told by its name: holos never guesses it from what a guest
 * may have written. */
static int has_right_name(struct import *im, const struct disk *d, const char *target)
{
	const char *format = d->format != NULL ? d->format : "raw";
	int qcow2 = strcmp(format, "qcow2") == 0;
	char buf[IMPORT_TEXT_MAX + 4];

	if (has_suffix(d->path, ".qcow2") == qcow2)
		return 1;
	lost_at(im, d->line, "disk",
		"disk \"%s\" (%s) has format %s, and a volume's format is told by its name: %s, "
		"and "
		"add it to volumes",
		target, shown(d->path, buf), format,
		qcow2 ? "make a link to it that ends in .qcow2"
		      : "make a link to it that does not end in .qcow2");
	return 0;
}

static void place_volume(struct import *im, const struct disk *d, unsigned index)
{
	struct json_object *volume, *mount;
	char label[64], dev[16], target[32], path[IMPORT_TEXT_MAX + 4];
	size_t len;

	to_label(d->target != NULL ? d->target : "", sizeof(dev) - 1, dev);
	if (dev[0] == '\0')
		snprintf(dev, sizeof(dev), "disk%u", index);
	if (!has_right_name(im, d, dev))
		return;
	len = strlen(im->name);
	if (len > sizeof(label) - 2 - strlen(dev))
		len = sizeof(label) - 2 - strlen(dev);
	while (len > 0 && im->name[len - 1] == '-')
		len--;
	snprintf(label, sizeof(label), "%.*s-%s", (int)len, im->name, dev);
	if (json_object_object_get_ex(im->volumes, label, &volume)) {
		lost_at(im, d->line, "disk", "another disk is called \"%s\" as well", dev);
		return;
	}
	snprintf(target, sizeof(target), "/mnt/%s", dev);
	volume = json_object_new_object();
	set_str(volume, "source", d->path);
	mount = json_object_new_object();
	set_str(mount, "type", "volume");
	set_str(mount, "source", label);
	set_str(mount, "target", target);
	if (d->read_only)
		json_object_object_add(mount, "read_only", json_object_new_boolean(1));
	if (d->shared && d->read_only)
		json_object_object_add(volume, "shared", json_object_new_boolean(1));
	else if (d->shared)
		lost_at(im, d->line, "disk",
			"a disk that VMs share can only be read: say "
			"\"shared: true\" and mount it read-only");
	json_object_object_add(im->volumes, label, volume);
	json_object_array_add(im->mounts, mount);
	lost_at(im, d->line, "disk",
		"extra disk \"%s\" (%s) becomes volume \"%s\", attached in place; a guest that "
		"holos "
		"sets up mounts its file system at %s",
		dev, shown(d->path, path), label, target);
}

void place_disks(struct import *im)
{
	struct disk *root = root_of(im);

	if (root == NULL) {
		set_str(im->service, "image", "");
		lost_at(im, 0, "disk",
			"no file or block device to boot from was found; fill in \"image\"");
	} else {
		place_root(im, root);
	}
	for (unsigned i = 0; i < im->n_disks; i++) {
		if (&im->disks[i] != root && im->disks[i].path != NULL)
			place_volume(im, &im->disks[i], i);
	}
}
