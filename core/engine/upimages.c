/* SPDX-License-Identifier: Apache-2.0
 *
 * upimages.c - the images of an `up`: had, downloaded or made before anything is
 * stopped, and whether they can do what their services ask.
 */
#include <base/alloc.h>
#include <base/fs.h>
#include <base/units.h>
#include <engine/imagelock.h>
#include <engine/images.h>
#include <engine/up.h>
#include <plugin/registry.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static int check_shares(const struct service *s, const struct base_image *base,
			struct holos_error **err)
{
	if (base->shares == NULL || strstr(base->shares, "9p") != NULL)
		return 0;
	for (size_t i = 0; i < s->n_mounts; i++) {
		if (s->mounts[i].type != MOUNT_BIND)
			continue;
		error_set(err, ERR_INVALID,
			  "services.%s: image %s cannot mount %s: its kernel has no 9p", s->name,
			  s->image, s->mounts[i].source);
		error_at(err != NULL ? *err : NULL, s->mounts[i].mark.file, s->mounts[i].mark.line,
			 s->mounts[i].mark.column);
		error_hint(err, "use another image, a named volume, or cloud_init.write_files");
		return -ERR_INVALID;
	}
	return 0;
}

/* An image with a kernel of its own boots by UEFI when that is an EFI program; those
 * begin as MS-DOS's did. */
static int check_kernel(const struct up *u, const struct service *s, const struct base_image *base,
			struct holos_error **err)
{
	_cleanup_(base_image_finish) struct base_image boot = { 0 };
	_cleanup_(closep) int fd = -1;
	char magic[2];
	int r;

	if (base->path == NULL || base->ident != NULL ||
	    (u->prepare.arch == ARCH_X86_64 && !s->vm.uefi))
		return 0;
	r = images_read_boot(base->path, &boot, err);
	if (r < 0 || boot.kernel == NULL)
		return r;
	fd = open(boot.kernel, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0 && pread(fd, magic, sizeof(magic), 0) == sizeof(magic) &&
	    memcmp(magic, "MZ", 2) == 0)
		return 0;
	error_set(err, ERR_INVALID, "image %s has a kernel that UEFI cannot start", s->image);
	error_hint(err, "use another image; or leave vm.uefi, vm.secure_boot and devices out");
	return -ERR_INVALID;
}

/* A root disk cannot be smaller than its base; an overlay needs some room. */
static int check_disk(struct up *u, const struct service *s, const struct base_image *base,
		      struct holos_error **err)
{
	char wanted[32], is[32];
	const char *qemu_img;
	uint64_t size;
	int r;

	if (s->vm.disk_size == 0)
		return 0;
	r = engine_qemu_img(u->e, &qemu_img, err);
	if (r < 0)
		return r;
	if (u->prepare.disks == NULL)
		u->prepare.disks = disk_set_create(qemu_img);
	r = disk_set_base_size(u->prepare.disks, base->path, base->format, &size, err);
	if (r < 0 || s->vm.disk_size >= size)
		return r;
	error_set(err, ERR_INVALID, "vm.disk_size: %s is smaller than the image, which has %s",
		  units_format_size(s->vm.disk_size, wanted), units_format_size(size, is));
	error_at(err != NULL ? *err : NULL, s->vm.disk_size_mark.file, s->vm.disk_size_mark.line,
		 s->vm.disk_size_mark.column);
	return -ERR_INVALID;
}

/* Point at the image that could not be had; one that is not there is a mistake
 * of the file's. */
static int blame_image(const struct service *s, struct holos_error **err)
{
	bool gone = s->image_path != NULL && fs_absent(AT_FDCWD, s->image_path);

	error_wrap(err, "services.%s.image", s->name);
	if (err == NULL || *err == NULL)
		return -ERR_FAILED;
	if (gone)
		(*err)->code = ERR_INVALID;
	if ((*err)->file == NULL)
		error_at(*err, s->image_mark.file, s->image_mark.line, s->image_mark.column);
	return -(*err)->code;
}

/* An image that is asked for, and the service that asks. */
struct wanted_by {
	const struct service *service;
};

static int blame(void *data, struct holos_error **err)
{
	const struct wanted_by *by = data;

	return blame_image(by->service, err);
}

/* What `up --locked` asks for: nothing but what was locked. */
static int use_lock(const struct image_lock *lock, struct registry *reg, const struct service *s,
		    struct image_want *want, struct holos_error **err)
{
	const struct plugin_info *plugin;
	_cleanup_(freep) char *full = NULL;
	struct image_locked locked;
	int r = 0;

	if (s->image_path == NULL)
		r = registry_image_source(reg, s->image, &plugin, &full, err);
	if (r < 0 || !image_lock_find(lock, full != NULL ? full : s->image, &locked) ||
	    locked.url == NULL)
		return r; /* what is not locked is found out afterwards */
	want->lock_disk = locked.disk;
	want->lock_url = locked.url;
	want->lock_download = locked.download;
	return 0;
}

/* Are all VMs, also those that stay, on what was locked? */
static int check_locked(struct up *u, const struct image_lock *lock, struct holos_error **err)
{
	for (size_t i = 0; i < u->n; i++) {
		const struct up_vm *v = &u->vms[i];
		const struct service *s = v->plan->service;
		const struct base_image *base = &u->bases[v->service];
		const struct instance_record *rec = v->status != NULL ? v->status->rec : NULL;
		const char *path = up_creates(v) ? base->path : rec != NULL ? rec->base : NULL;
		_cleanup_(freep) char *full = NULL;
		const struct plugin_info *plugin;
		int r = 0;

		if (v->action == UP_NOTHING || path == NULL)
			continue;
		if (s->image_path == NULL)
			r = registry_image_source(engine_registry(u->e), s->image, &plugin, &full,
						  err);
		if (r == 0)
			r = image_lock_check(u->e, lock, full != NULL ? full : s->image, path,
					     up_creates(v) ? base->ident : rec->base_ident, err);
		if (r < 0)
			return error_wrap(err, "%s", v->plan->name);
	}
	return 0;
}

/* The images of services that get new root disks, each service once. */
static int list_wanted(struct up *u, const struct image_lock *lock, struct image_want *wants,
		       struct wanted_by *by, size_t *ret_n, struct holos_error **err)
{
	bool *seen = xcalloc(u->project->n_services, sizeof(*seen));
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < u->n; i++) {
		const struct up_vm *v = &u->vms[i];
		const struct service *s = v->plan->service;

		if (!up_creates(v) || s->vm.root_disk != NULL || seen[v->service])
			continue;
		seen[v->service] = true;
		by[n] = (struct wanted_by){ .service = s };
		wants[n] = (struct image_want){ .ref = s->image,
						.path = s->image_path,
						.format = s->image_format,
						.ret = &u->bases[v->service],
						.blame = blame,
						.data = &by[n] };
		if (lock != NULL)
			r = use_lock(lock, engine_registry(u->e), s, &wants[n], err);
		n++;
	}
	free(seen);
	*ret_n = n;
	return r;
}

int up_obtain_images(struct up *u, struct holos_error **err)
{
	struct image_want *wants = xcalloc(u->project->n_services + 1, sizeof(*wants));
	struct wanted_by *by = xcalloc(u->project->n_services + 1, sizeof(*by));
	_cleanup_(image_lock_destroyp) struct image_lock *lock = NULL;
	_cleanup_(freep) char *path = u->o->locked ? image_lock_path(u->project) : NULL;
	size_t n = 0;
	int r = 0;

	u->bases = xcalloc(u->project->n_services, sizeof(*u->bases));
	if (path != NULL) {
		r = image_lock_read(path, &lock, err);
		if (r < 0 && err != NULL && (*err)->sys_errno == ENOENT)
			error_hint(err, "holos pull writes it");
	}
	if (r == 0)
		r = list_wanted(u, lock, wants, by, &n, err);
	if (r == 0 && n != 0 && !u->dry)
		r = images_obtain_all(u->e, wants, n, u->o->pull, err);
	for (size_t i = 0; r == 0 && u->dry && i < n; i++)
		r = images_look(u->e, &wants[i], u->o->pull, err);
	for (size_t i = 0; r == 0 && i < n; i++) {
		r = check_shares(by[i].service, wants[i].ret, err);
		if (r == 0)
			r = check_kernel(u, by[i].service, wants[i].ret, err);
		if (r == 0 && wants[i].ret->path != NULL)
			r = check_disk(u, by[i].service, wants[i].ret, err);
		if (r < 0)
			r = blame_image(by[i].service, err);
	}
	if (r == 0 && lock != NULL)
		r = check_locked(u, lock, err);
	free(wants);
	free(by);
	return r;
}
