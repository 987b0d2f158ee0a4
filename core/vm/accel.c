/* SPDX-License-Identifier: Apache-2.0
 *
 * accel.c - see accel.h.
 *
 * The probe's guest counts down from 10,000 in flat 32-bit protected mode (two
 * instructions a turn; real mode would be emulated on old Intel CPUs) and
 * halts.  A timer's signal, blocked everywhere but inside KVM_RUN, ends a run
 * that takes too long: no handler, and no race between timer and ioctl.
 */
#include <base/cleanup.h>
#include <base/clock.h>
#include <vm/accel.h>
#include <vm/hostpath.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define CUT_OFF (5 * NS_PER_MS)
/* Real KVM needs some microseconds; the quickest run of an emulated one that was
 * seen took 4.1 ms, and the timer's signal may come late.  Halting alone proves nothing. */
#define GOOD_WITHIN (1 * NS_PER_MS)
/* A run that was cut off with less CPU time than this was not running: the
 * host was busy.  It is tried again. */
#define RAN_AT_LEAST (2 * NS_PER_MS)
#define TRIES        3

static const struct {
	const char *name, *reason, *remedy;
} texts[] = {
	[KVM_IS_GOOD] = { "good", "KVM works", NULL },
	[KVM_IS_ABSENT] = { "absent", "this host offers no KVM",
			    "switch on virtualisation in the firmware (or nested virtualisation "
			    "in the hypervisor), and load kvm_intel or kvm_amd" },
	[KVM_IS_DENIED] = { "denied", "no permission to use /dev/kvm",
			    "add yourself to the group kvm (sudo usermod -aG kvm $USER) and log "
			    "in again" },
	[KVM_IS_BUSY] = { "busy", "another hypervisor holds the CPU's virtualisation",
			  "stop it (VirtualBox and VMware do this)" },
	[KVM_IS_TOO_OLD] = { "too old", "the kernel's KVM is too old for QEMU",
			     "update the kernel" },
	[KVM_IS_EMULATED] = { "emulated",
			      "KVM interprets instructions here, slower than QEMU's own TCG",
			      "use a host whose hypervisor passes hardware virtualisation on" },
	[KVM_IS_BROKEN] = { "broken", "KVM is there and runs no guest",
			    "look for kvm in the kernel's log (dmesg)" },
};

const char *kvm_verdict_name(enum kvm_verdict v)
{
	return texts[v].name;
}

static void judge(struct kvm_probe *p, enum kvm_verdict v, int sys_errno)
{
	p->verdict = v;
	p->sys_errno = sys_errno;
	p->reason = texts[v].reason;
	p->remedy = texts[v].remedy;
}

#if defined(__x86_64__)

#include <linux/kvm.h>

#define GUEST_MEMORY 4096u

/* What QEMU 6.2 demands of KVM on x86. */
static const int capabilities[] = {
	KVM_CAP_USER_MEMORY, KVM_CAP_SET_TSS_ADDR, KVM_CAP_EXT_CPUID,
	KVM_CAP_IRQCHIP,     KVM_CAP_MP_STATE,     KVM_CAP_DESTROY_MEMORY_REGION_WORKS,
	KVM_CAP_IOEVENTFD,
};

static const unsigned char guest_code[] = {
	0xb9, 0x10, 0x27, 0x00, 0x00, /* mov $10000, %ecx */
	0x49,                         /* dec %ecx */
	0x75, 0xfd,                   /* jnz -3 */
	0xf4,                         /* hlt */
};

struct guest {
	int kvm, vm, vcpu;
	unsigned char *memory;
	struct kvm_run *run;
	size_t run_size;
};

static void guest_finish(struct guest *g)
{
	if (g->run != NULL)
		munmap(g->run, g->run_size);
	if (g->memory != NULL)
		munmap(g->memory, GUEST_MEMORY);
	closep(&g->vcpu);
	closep(&g->vm);
	closep(&g->kvm);
}

static void *map(int fd, size_t size)
{
	int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);

	return p != MAP_FAILED ? p : NULL;
}

/* Open KVM and make an empty VM.  False: judged. */
static bool open_kvm(struct guest *g, const char *path, struct kvm_probe *p)
{
	g->kvm = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (g->kvm < 0) {
		bool denied = errno == EACCES || errno == EPERM;

		judge(p, denied ? KVM_IS_DENIED : KVM_IS_ABSENT, errno);
		return false;
	}
	if (ioctl(g->kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION) {
		judge(p, errno == ENOTTY ? KVM_IS_BROKEN : KVM_IS_TOO_OLD, 0);
		return false;
	}
	for (size_t i = 0; i < sizeof(capabilities) / sizeof(capabilities[0]); i++) {
		if (ioctl(g->kvm, KVM_CHECK_EXTENSION, capabilities[i]) <= 0) {
			judge(p, KVM_IS_TOO_OLD, 0);
			return false;
		}
	}
	g->vm = ioctl(g->kvm, KVM_CREATE_VM, 0);
	if (g->vm < 0) {
		judge(p, errno == EBUSY ? KVM_IS_BUSY : KVM_IS_BROKEN, errno);
		return false;
	}
	return true;
}

/* One page of memory and one CPU that stands before guest_code. */
static int set_up(struct guest *g)
{
	struct kvm_userspace_memory_region region = { .memory_size = GUEST_MEMORY };
	struct kvm_segment flat = {
		.limit = 0xffffffff, .selector = 8, .type = 3, .present = 1, .db = 1, .s = 1, .g = 1
	};
	struct kvm_regs regs = { .rflags = 2 };
	struct kvm_sregs sregs;
	int size = ioctl(g->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

	g->memory = map(-1, GUEST_MEMORY);
	if (g->memory == NULL || size < (int)sizeof(struct kvm_run))
		return -1;
	memcpy(g->memory, guest_code, sizeof(guest_code));
	region.userspace_addr = (uintptr_t)g->memory;
	if (ioctl(g->vm, KVM_SET_TSS_ADDR, 0xfffbd000ul) < 0 ||
	    ioctl(g->vm, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		return -1;
	g->vcpu = ioctl(g->vm, KVM_CREATE_VCPU, 0);
	if (g->vcpu < 0)
		return -1;
	g->run_size = (size_t)size;
	g->run = map(g->vcpu, g->run_size);
	if (g->run == NULL || ioctl(g->vcpu, KVM_GET_SREGS, &sregs) < 0)
		return -1;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = flat;
	flat.type = 11;
	sregs.cs = flat;
	sregs.cr0 |= 1; /* protected mode */
	if (ioctl(g->vcpu, KVM_SET_SREGS, &sregs) < 0)
		return -1;
	return ioctl(g->vcpu, KVM_SET_REGS, &regs);
}

/* Inside KVM_RUN, and nowhere else, SIGALRM gets through. */
static int set_signal_mask(int vcpu, const sigset_t *outside)
{
	union {
		struct kvm_signal_mask mask;
		unsigned char room[sizeof(struct kvm_signal_mask) + 8];
	} u;
	sigset_t inside = *outside;

	memset(&u, 0, sizeof(u));
	sigdelset(&inside, SIGALRM);
	u.mask.len = 8; /* the kernel's sigset_t */
	memcpy(u.room + sizeof(struct kvm_signal_mask), &inside, 8);
	return ioctl(vcpu, KVM_SET_SIGNAL_MASK, &u.mask);
}

static uint64_t cpu_time(void)
{
	struct timespec t;

	if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) < 0)
		return 0;
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* Run until the guest halts or the timer ends it; judges. */
static void run_guest(struct guest *g, timer_t timer, const sigset_t *alarm_only,
		      struct kvm_probe *p)
{
	struct itimerspec cut_off = { .it_value = { .tv_nsec = (long)CUT_OFF } };
	struct itimerspec off = { .it_value = { .tv_sec = 0 } };

	struct kvm_regs start;

	if (ioctl(g->vcpu, KVM_GET_REGS, &start) < 0) {
		judge(p, KVM_IS_BROKEN, errno);
		return;
	}
	for (int i = 0; i < TRIES; i++) {
		uint64_t begin = clock_now_ns(), cpu = cpu_time();
		bool halted;
		int r, e;

		timer_settime(timer, 0, &cut_off, NULL);
		r = ioctl(g->vcpu, KVM_RUN, 0);
		e = errno;
		timer_settime(timer, 0, &off, NULL);
		p->run_ns = clock_now_ns() - begin;
		cpu = cpu_time() - cpu;
		halted = r == 0 && g->run->exit_reason == KVM_EXIT_HLT;
		if (halted && (p->run_ns <= GOOD_WITHIN || cpu <= GOOD_WITHIN)) {
			judge(p, KVM_IS_GOOD, 0);
			return;
		}
		if (!halted && (r == 0 || e != EINTR)) {
			judge(p, KVM_IS_BROKEN, r == 0 ? 0 : e);
			return;
		}
		judge(p, KVM_IS_EMULATED, 0);
		if (cpu >= RAN_AT_LEAST || ioctl(g->vcpu, KVM_SET_REGS, &start) < 0)
			return;
		/* The signal is pending and would end the next run at once. */
		sigtimedwait(alarm_only, NULL, &(struct timespec){ 0, 0 });
	}
}

void kvm_probe_device(const char *path, struct kvm_probe *ret)
{
	struct guest g = { .kvm = -1, .vm = -1, .vcpu = -1 };
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };
	sigset_t alarm_only, old;
	timer_t timer;

	memset(ret, 0, sizeof(*ret));
	if (!open_kvm(&g, path, ret)) {
		guest_finish(&g);
		return;
	}
	sigemptyset(&alarm_only);
	sigaddset(&alarm_only, SIGALRM);
	sigprocmask(SIG_BLOCK, &alarm_only, &old);
	if (set_up(&g) < 0 || set_signal_mask(g.vcpu, &old) < 0 ||
	    timer_create(CLOCK_MONOTONIC, &ev, &timer) < 0) {
		judge(ret, KVM_IS_BROKEN, errno);
	} else {
		run_guest(&g, timer, &alarm_only, ret);
		timer_delete(timer);
	}
	while (sigtimedwait(&alarm_only, NULL, &(struct timespec){ 0, 0 }) > 0)
		; /* ours, if any: the timer is gone */
	sigprocmask(SIG_SETMASK, &old, NULL);
	guest_finish(&g);
}

#else

void kvm_probe_device(const char *path, struct kvm_probe *ret)
{
	(void)path;
	memset(ret, 0, sizeof(*ret));
	judge(ret, KVM_IS_ABSENT, 0);
	ret->reason = "KVM runs x86-64 guests on x86-64 hosts only";
	ret->remedy = "use such a host";
}

#endif

void kvm_probe(struct kvm_probe *ret)
{
	_cleanup_(freep) char *path = host_path("/dev/kvm");

	kvm_probe_device(path, ret);
}

bool kvm_is_usable(const struct kvm_probe *p)
{
	return p->verdict == KVM_IS_GOOD || p->verdict == KVM_IS_EMULATED;
}

static void probe_for(enum arch arch, struct accel_choice *c)
{
	c->probed = true;
	if (arch_is_native(arch)) {
		kvm_probe(&c->probe);
		return;
	}
	judge(&c->probe, KVM_IS_ABSENT, 0);
	c->probe.reason = "KVM runs guests of the host's own architecture only";
	c->probe.remedy = "unset HOLOS_ARCH";
}

int accel_choose(enum arch arch, struct accel_choice *ret, struct holos_error **err)
{
	const char *wish = getenv("HOLOS_ACCEL");
	struct accel_choice c = { .kind = ACCEL_USE_TCG };

	if (wish == NULL || *wish == '\0' || strcmp(wish, "auto") == 0) {
		probe_for(arch, &c);
		c.warn = c.probe.verdict != KVM_IS_GOOD;
		c.kind = c.warn ? ACCEL_USE_TCG : ACCEL_USE_KVM;
	} else if (strcmp(wish, "kvm") == 0) {
		probe_for(arch, &c);
		c.forced = true;
		c.kind = ACCEL_USE_KVM;
	} else if (strcmp(wish, "tcg") == 0) {
		c.forced = true;
	} else {
		error_set(err, ERR_USAGE, "HOLOS_ACCEL is \"%.32s\"", wish);
		error_hint(err, "it may be kvm, tcg or auto");
		return -ERR_USAGE;
	}
	*ret = c;
	return 0;
}
