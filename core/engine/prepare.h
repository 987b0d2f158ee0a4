/* SPDX-License-Identifier: Apache-2.0
 *
 * prepare.h - everything on disk that one VM needs before its monitor starts.
 */
#ifndef ENGINE_PREPARE_H
#define ENGINE_PREPARE_H

#include <engine/images.h>
#include <engine/ports.h>
#include <plan/plan.h>
#include <vm/accel.h>
#include <vm/disk.h>
#include <vm/firmware.h>
#include <vm/program.h>

/* What all VMs of one `up` share. */
struct prepare {
	struct engine *e;
	const struct project *project;
	const struct plan *plan;
	const char *project_id;
	enum arch arch;
	const char *qemu; /* program; the engine's */
	struct qemu_traits traits;
	struct accel_choice accel;
	char *project_key; /* public line */
	struct disk_set *disks;
	struct ports *ports;
	struct firmware firmware;           /* filled in when some VM boots by UEFI */
	struct firmware secure_firmware;    /* the same with secure boot */
	struct json_object *hosts;          /* of the last seed, for plan_shares_hosts() */
	const struct plan_vm *hosts_of;
	const struct service *nics_checked; /* replicas differ in nothing a driver refuses */
};

/* Begin to make the instance: its directory, host key and root disk.  It exists
 * when prepare_launch() has made it whole, which must follow; after a failure before
 * that nothing of it is left.  *ret becomes the caller's. */
int prepare_create(struct prepare *p, const struct plan_vm *vm, const struct base_image *base,
		   struct instance_record **ret, struct holos_error **err);

/* What a start of the VM would trip over, as far as it can be known in advance:
 * bind sources, disks of the user's, networks, and, with the record of an
 * existing VM, its base image.  Changes nothing. */
int prepare_check(struct prepare *p, const struct plan_vm *vm, const struct instance_record *rec,
		  struct holos_error **err);

/* Is this disk of the user's one that a VM may have?  ERR_INVALID: not there, no
 * disk, an overlay. */
int prepare_check_disk(struct engine *e, const char *path, const char *format,
		       struct holos_error **err);

/* Is the base of this instance's root disk there, and still what it was?
 * ERR_VERIFY. */
int prepare_check_base(const struct instance_record *rec, struct holos_error **err);

/* Is this disk of ours what we made, and not a link to somebody's file? */
int prepare_check_plain(int dirfd, const char *name, const char *path, struct holos_error **err);

/* Is the root disk of this instance, whose directory is `dir` and open, there and what
 * it must be?  `due`: the disk of the user's that it boots, NULL for one of ours. */
int prepare_check_root(const struct instance_record *rec, const char *due, int dirfd,
		       const char *dir, struct holos_error **err);

/* Write what this start needs: ports, seed, launch.json.  rec is the instance's
 * record as it is (or as prepare_create() gave it); it is brought up to date and
 * written. */
int prepare_launch(struct prepare *p, const struct plan_vm *vm, struct instance_record *rec,
		   struct holos_error **err);

enum boot_firmware { BOOT_BIOS, BOOT_UEFI, BOOT_SECURE };

/* By what it boots.  A root disk is for one firmware: that for which it was made
 * (rec), whatever the file says since; rec NULL: it is to be made.  aarch64 has
 * UEFI alone. */
enum boot_firmware prepare_firmware_kind(enum arch arch, const struct plan_vm *vm,
					 const struct instance_record *rec);
/* Does a VM of this service run by KVM?  uphost.c has checked that it can. */
bool prepare_uses_kvm(const struct prepare *p, const struct service *s);

/* Milliseconds since 1970: when a seed, or what follows it, was made. */
int64_t prepare_made_at(void);
/* What the guest of this directory is told of its neighbours (uphosts.c). */
void up_keep_hosts(int dir, struct json_object *all);

#endif
