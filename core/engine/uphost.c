/* SPDX-License-Identifier: Apache-2.0
 *
 * uphost.c - what this host offers the VMs of an `up`: QEMU and what it can do,
 * accelerator, firmware.  Each is found once, and everything that a VM asks for and
 * does not get is said before anything starts.
 */
#include <base/alloc.h>
#include <engine/up.h>

#include <string.h>

/* A failure of one service, at its place in the file. */
static int refuse(const struct service *s, struct holos_error **err)
{
	error_wrap(err, "%s", s->name);
	error_at(err != NULL ? *err : NULL, s->mark.file, s->mark.line, s->mark.column);
	return -ERR_HOST;
}

/* ---- accelerator ---------------------------------------------------------------- */

static bool wants_kvm(const struct service *s, const struct accel_choice *c)
{
	return c->forced ? c->kind == ACCEL_USE_KVM : s->vm.accel == ACCEL_KVM;
}

static bool wants_tcg(const struct service *s, const struct accel_choice *c)
{
	return c->forced ? c->kind == ACCEL_USE_TCG : s->vm.accel == ACCEL_TCG;
}

bool prepare_uses_kvm(const struct prepare *p, const struct service *s)
{
	return wants_kvm(s, &p->accel) ||
	       (!wants_tcg(s, &p->accel) && p->accel.kind == ACCEL_USE_KVM);
}

static void warn_emulation(struct up *u, const struct kvm_probe *probe)
{
	engine_warn(u->e, "KVM is not used: %s; VMs run by emulation (TCG), slowly%s%s",
		    probe->reason, probe->remedy != NULL ? "; " : "",
		    probe->remedy != NULL ? probe->remedy : "");
}

/* One that is to have KVM, and no other. */
static int check_forced_kvm(struct up *u, const struct service *s, struct holos_error **err)
{
	const struct accel_choice *c = &u->prepare.accel;
	const char *by = c->forced ? "HOLOS_ACCEL" : "vm.accel";

	if (kvm_is_usable(&c->probe) && u->prepare.traits.kvm)
		return 0;
	if (kvm_is_usable(&c->probe)) {
		error_set(err, ERR_HOST, "%s is kvm, and %s has no KVM built in", by,
			  u->prepare.qemu);
		error_hint(err, "install a QEMU with KVM, or let it be auto");
	} else {
		error_set(err, ERR_HOST, "%s is kvm, and KVM does not work: %s", by,
			  c->probe.reason);
		error_hint(err, "%s; or let it be auto", c->probe.remedy);
	}
	return refuse(s, err);
}

/* Every VM has an accelerator that this host and this QEMU have; who asked for none
 * in particular is told, once, when it is the slow one. */
static int check_accel(struct up *u, struct holos_error **err)
{
	struct prepare *p = &u->prepare;
	const struct service *open = NULL; /* one that takes either */
	int r = accel_choose(p->arch, &p->accel, err);

	if (r < 0)
		return r;
	if (p->accel.kind == ACCEL_USE_KVM && !p->accel.forced && !p->traits.kvm) {
		p->accel.kind = ACCEL_USE_TCG;
		p->accel.warn = true;
		p->accel.probe.reason = "this QEMU has no KVM built in";
		p->accel.probe.remedy = "install one that has";
	}
	for (size_t i = 0; i < u->n; i++) {
		const struct service *s = u->vms[i].plan->service;

		if (!up_starts(&u->vms[i]))
			continue;
		if (!p->accel.forced && s->vm.accel == ACCEL_AUTO)
			open = s;
		if (wants_kvm(s, &p->accel)) {
			r = check_forced_kvm(u, s, err);
			if (r < 0)
				return r;
		} else if (!prepare_uses_kvm(p, s) && !p->traits.tcg) {
			error_set(err, ERR_HOST, "KVM is not used%s%s, and %s cannot emulate (TCG)",
				  p->accel.probed ? ": " : "",
				  p->accel.probed ? p->accel.probe.reason : "", p->qemu);
			error_hint(err, "%s",
				   p->accel.probed && p->accel.probe.remedy != NULL
					   ? p->accel.probe.remedy
					   : "install a QEMU with TCG");
			return refuse(s, err);
		}
	}
	if (open != NULL && p->accel.warn)
		warn_emulation(u, &p->accel.probe);
	return 0;
}

/* ---- QEMU ------------------------------------------------------------------------ */

static bool has_shares(const struct service *s)
{
	for (size_t i = 0; i < s->n_mounts; i++) {
		if (s->mounts[i].type == MOUNT_BIND)
			return true;
	}
	return false;
}

/* What this VM needs and this QEMU was built without. */
static int check_traits(const struct prepare *p, const struct service *s, struct holos_error **err)
{
	const char *lacks = NULL, *hint = NULL;

	if (s->vm.sandbox && !p->traits.sandbox) {
		lacks = "the seccomp sandbox (-sandbox)";
		hint = "install a QEMU with seccomp, or say vm.sandbox: false";
	} else if (s->n_devices != 0 && !p->traits.vfio) {
		lacks = "the passing on of PCI devices (vfio-pci)";
		hint = "install a QEMU with VFIO";
	} else if (has_shares(s) && !p->traits.shares) {
		lacks = "directories of the host (-virtfs), which bind mounts need";
		hint = "install a QEMU with virtfs, or use a named volume";
	}
	if (lacks == NULL)
		return 0;
	error_set(err, ERR_HOST, "%s was built without %s", p->qemu, lacks);
	error_hint(err, "%s", hint);
	return refuse(s, err);
}

static int find_qemu(struct up *u, struct holos_error **err)
{
	struct prepare *p = &u->prepare;
	const char *qemu_img;
	int r = arch_get(&p->arch, err);

	if (r == 0)
		r = engine_qemu(u->e, p->arch, &p->qemu, &p->traits, err);
	if (r == 0)
		r = engine_qemu_img(u->e, &qemu_img, err);
	for (size_t i = 0; i < u->n && r == 0; i++) {
		if (up_starts(&u->vms[i]))
			r = check_traits(p, u->vms[i].plan->service, err);
	}
	return r;
}

/* ---- firmware -------------------------------------------------------------------- */

static int find_firmware(struct up *u, struct holos_error **err)
{
	struct prepare *p = &u->prepare;
	int r = 0;

	for (size_t i = 0; i < u->n && r == 0; i++) {
		const struct up_vm *v = &u->vms[i];
		const struct service *s = v->plan->service;
		enum boot_firmware kind;
		struct firmware *f;

		if (!up_starts(v))
			continue;
		kind = prepare_firmware_kind(p->arch, v->plan,
					     up_creates(v) || v->status == NULL ? NULL
										: v->status->rec);
		if (kind == BOOT_BIOS)
			continue;
		if (kind == BOOT_SECURE && p->arch == ARCH_X86_64 && s->vm.machine != NULL &&
		    strstr(s->vm.machine, "q35") == NULL) {
			error_set(err, ERR_INVALID,
				  "services.%s.vm.secure_boot needs the machine q35, and "
				  "vm.machine is %s",
				  s->name, s->vm.machine);
			error_at(err != NULL ? *err : NULL, s->vm.machine_mark.file,
				 s->vm.machine_mark.line, s->vm.machine_mark.column);
			return -ERR_INVALID;
		}
		f = kind == BOOT_SECURE ? &p->secure_firmware : &p->firmware;
		if (f->code == NULL)
			r = firmware_find(p->arch, kind == BOOT_SECURE, f, err);
		if (r < 0)
			return refuse(s, err);
	}
	return r;
}

static int check_offers(struct up *u, struct holos_error **err)
{
	int r = find_qemu(u, err);

	if (r == 0)
		r = find_firmware(u, err);
	if (r == 0)
		r = check_accel(u, err);
	return r;
}

int up_check_offers(struct up *u, struct holos_error **err)
{
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	int r = check_offers(u, &why);

	/* Not refused by memory alone. */
	if (r == -ERR_HOST && u->prepare.traits.remembered) {
		error_destroy(steal_ptr(&why));
		engine_qemu_forget(u->e);
		r = check_offers(u, &why);
	}
	return r < 0 ? error_move(err, &why) : 0;
}
