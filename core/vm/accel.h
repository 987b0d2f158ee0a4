/* SPDX-License-Identifier: Apache-2.0
 *
 * accel.h - KVM or TCG?  KVM only where it works well (holos.md section 8).
 */
#ifndef VM_ACCEL_H
#define VM_ACCEL_H

#include <base/arch.h>

#include <stdint.h>

enum kvm_verdict {
	KVM_IS_GOOD,
	KVM_IS_ABSENT,   /* no /dev/kvm */
	KVM_IS_DENIED,   /* no permission */
	KVM_IS_BUSY,     /* another hypervisor has the CPU */
	KVM_IS_TOO_OLD,  /* API version or a capability that we need is missing */
	KVM_IS_EMULATED, /* works, but interprets every instruction */
	KVM_IS_BROKEN    /* it is there and does not run a guest */
};

struct kvm_probe {
	enum kvm_verdict verdict;
	uint64_t run_ns;    /* what the guest's loop took; at the cut-off: until then */
	int sys_errno;      /* behind absent, denied, busy, broken; or 0 */
	const char *reason; /* one line, static: why not */
	const char *remedy; /* one line, static: what to do; NULL when good */
};

/* Open /dev/kvm and run about 20,000 instructions in a throw-away vCPU, cut off
 * after 5 ms.  Takes at most about 8 ms, in this process, leaves nothing.
 * Always fills in *ret. */
void kvm_probe(struct kvm_probe *ret);
/* The same on another device file (tests). */
void kvm_probe_device(const char *path, struct kvm_probe *ret);
const char *kvm_verdict_name(enum kvm_verdict v); /* "good", "absent", ... */

enum accel_kind { ACCEL_USE_KVM, ACCEL_USE_TCG };

struct accel_choice {
	enum accel_kind kind;
	bool forced; /* HOLOS_ACCEL decided, over whatever a file says */
	bool warn;   /* TCG because KVM does not do: say why, once */
	bool probed; /* probe is filled in */
	struct kvm_probe probe;
};

/* What HOLOS_ACCEL (kvm, tcg, auto or unset; anything else is ERR_USAGE) says,
 * else the probe.  Guests of another architecture than the host's are always
 * emulated.  Forced kvm does not fail here: the probe tells whether it can work. */
int accel_choose(enum arch arch, struct accel_choice *ret, struct holos_error **err);
/* Would QEMU start with it?  An emulated KVM is slow, and does. */
bool kvm_is_usable(const struct kvm_probe *p);

#endif
