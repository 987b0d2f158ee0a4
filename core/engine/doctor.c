/* SPDX-License-Identifier: Apache-2.0
 *
 * doctor.c - see doctor.h.  A failure keeps VMs from starting; a warning makes them
 * slow, or keeps some of them.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/fs.h>
#include <base/paths.h>
#include <base/process.h>
#include <base/units.h>
#include <engine/devices.h>
#include <engine/doctor.h>
#include <plugin/registry.h>
#include <state/layout.h>
#include <vm/accel.h>
#include <vm/disk.h>
#include <vm/firmware.h>
#include <vm/hostpath.h>
#include <vm/program.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#define VERSION_TIME (3 * NS_PER_S)
#define SPACE_WANTED (1ull << 30) /* less is soon full */

struct doctor {
	doctor_fn *fn;
	void *data;
	enum arch arch;
	bool arch_known;
	int cache; /* directory, or -1 */
};

static void tell(const struct doctor *d, const char *name, enum doctor_status status,
		 const char *remedy, const char *fmt, ...) __attribute__((format(printf, 5, 6)));
static void tell(const struct doctor *d, const char *name, enum doctor_status status,
		 const char *remedy, const char *fmt, ...)
{
	_cleanup_(freep) char *message = NULL;
	struct doctor_check c = { .name = name, .status = status, .remedy = remedy };
	va_list ap;

	va_start(ap, fmt);
	message = xvasprintf(fmt, ap);
	va_end(ap);
	c.message = message;
	d->fn(d->data, &c);
}

static void tell_error(const struct doctor *d, const char *name, enum doctor_status status,
		       const struct holos_error *why)
{
	tell(d, name, status, why->hint, "%s", why->message);
}

static void check_os(struct doctor *d)
{
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	unsigned major = 0, minor = 0;
	struct utsname u;

	uname(&u);
	d->arch_known = arch_get(&d->arch, &why) == 0;
	if (!d->arch_known)
		tell_error(d, "host os", DOCTOR_FAIL, why);
	else if (sscanf(u.release, "%u.%u", &major, &minor) == 2 &&
		 (major < 5 || (major == 5 && minor < 10)))
		tell(d, "host os", DOCTOR_FAIL, "update the kernel",
		     "%s %s: holos needs Linux 5.10 or newer", u.sysname, u.release);
	else
		tell(d, "host os", DOCTOR_OK, NULL, "%s %s, VMs of %s%s", u.sysname, u.release,
		     arch_name(d->arch), arch_is_native(d->arch) ? "" : " (HOLOS_ARCH)");
}

static void check_user(const struct doctor *d)
{
	if (geteuid() == 0)
		tell(d, "user", DOCTOR_WARN, "run holos as an ordinary user",
		     "you are root, and so is QEMU then; holos never needs it");
	else
		tell(d, "user", DOCTOR_OK, NULL, "not root");
}

static void check_kvm(const struct doctor *d)
{
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	_cleanup_(freep) char *message = NULL;
	struct accel_choice c;
	struct doctor_check check = { .name = "/dev/kvm" };

	if (accel_choose(d->arch, &c, &why) < 0) {
		tell_error(d, check.name, DOCTOR_FAIL, why);
		return;
	}
	if (!c.probed) {
		tell(d, check.name, DOCTOR_OK, NULL, "not asked for: HOLOS_ACCEL is tcg");
		return;
	}
	check.state = kvm_verdict_name(c.probe.verdict);
	check.remedy = c.probe.remedy;
	if (c.probe.verdict == KVM_IS_GOOD) {
		message = xasprintf("%s (20,000 instructions in %llu us)", c.probe.reason,
				    (unsigned long long)(c.probe.run_ns / 1000));
	} else {
		bool fatal = c.kind == ACCEL_USE_KVM && !kvm_is_usable(&c.probe);

		check.status = fatal ? DOCTOR_FAIL : DOCTOR_WARN;
		message = xasprintf("%s: %s%s%s; %s", check.state, c.probe.reason,
				    c.probe.sys_errno != 0 ? ": " : "",
				    c.probe.sys_errno != 0 ? strerror(c.probe.sys_errno) : "",
				    fatal ? "and HOLOS_ACCEL is kvm"
				    : c.kind == ACCEL_USE_KVM
					    ? "used all the same: HOLOS_ACCEL is kvm"
					    : "VMs run by emulation (TCG), slowly");
	}
	check.message = message;
	d->fn(d->data, &check);
}

static void check_qemu(const struct doctor *d)
{
	_cleanup_(freep) char *name = xasprintf("qemu-system-%s", arch_name(d->arch));
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	_cleanup_(freep) char *program = NULL;
	struct qemu_traits t;

	if (program_find_qemu(d->arch, &program, &why) < 0 ||
	    program_probe_anew(program, d->cache, &t, &why) < 0) {
		tell_error(d, name, DOCTOR_FAIL, why);
		return;
	}
	if (!t.sandbox)
		tell(d, name, DOCTOR_WARN, "install a QEMU with seccomp, or say vm.sandbox: false",
		     "%s: %u.%u.%u, built without the sandbox", program, t.major, t.minor, t.micro);
	else
		tell(d, name, DOCTOR_OK, NULL, "%s: %u.%u.%u%s%s%s%s", program, t.major, t.minor,
		     t.micro, t.kvm ? ", kvm" : "", t.tcg ? ", tcg" : "",
		     t.vfio ? ", device passthrough" : "", t.shares ? ", bind mounts" : "");
}

static void check_qemu_img(const struct doctor *d)
{
	_cleanup_(strbuf_finish) struct strbuf out = STRBUF_INIT;
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	_cleanup_(freep) char *program = NULL;
	char arg0[] = "qemu-img", arg1[] = "--version", how[64];
	char *argv[] = { arg0, arg1, NULL };
	int status;

	if (disk_find_qemu_img(&program, &why) < 0 ||
	    process_run(program, argv, clock_now_ns() + VERSION_TIME, &out, NULL, &status, &why) <
		    0) {
		tell_error(d, arg0, DOCTOR_FAIL, why);
		return;
	}
	if (status != 0)
		tell(d, arg0, DOCTOR_FAIL, "install it again", "%s --version %s", program,
		     process_describe_status(status, how));
	else
		tell(d, arg0, DOCTOR_OK, NULL, "%s", program);
}

static void check_firmware(const struct doctor *d)
{
	_cleanup_(firmware_finish) struct firmware f = { .code = NULL };
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	bool due = d->arch != ARCH_X86_64 || getenv("HOLOS_OVMF_CODE") != NULL ||
		   getenv("HOLOS_OVMF_VARS") != NULL;

	if (firmware_find(d->arch, false, &f, &why) == 0)
		tell(d, "OVMF firmware", DOCTOR_OK, NULL, "%s", f.code);
	else
		tell(d, "OVMF firmware", due ? DOCTOR_FAIL : DOCTOR_WARN, why->hint, "%s%s",
		     why->message, due ? "" : ": VMs with uefi or devices cannot start");
}

/* The parts of holos that are files of their own. */
static void check_module(const struct doctor *d, const char *name, const char *file,
			 const char *what)
{
	_cleanup_(freep) char *path = fs_join(paths_modules(), file);

	if (access(path, R_OK) == 0)
		tell(d, name, DOCTOR_OK, NULL, "%s", what);
	else
		tell(d, name, DOCTOR_FAIL, "install holos again", "cannot read %s: %s", path,
		     strerror(errno));
}

static void check_plugins(const struct doctor *d)
{
	_cleanup_(registry_destroyp) struct registry *reg = registry_create(NULL);
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	_cleanup_(strbuf_finish) struct strbuf bad = STRBUF_INIT;
	const struct plugin_info *const *all;
	const struct plugin_info *seed;
	size_t n, refused = 0;

	if (registry_find(reg, "provision", "cloud-init", &seed, &why) < 0)
		tell_error(d, "cloud-init seed builder", DOCTOR_FAIL, why);
	else
		tell(d, "cloud-init seed builder", DOCTOR_OK, NULL,
		     "plugin cloud-init %s; no other program is needed", seed->version);
	registry_list(reg, &all, &n);
	for (size_t i = 0; i < n; i++) {
		if (all[i]->refused == NULL)
			continue;
		strbuf_addf(&bad, "%s%s %s: %s", refused++ != 0 ? "; " : "", all[i]->kind,
			    all[i]->name, all[i]->refused);
	}
	if (refused != 0)
		tell(d, "plugins", DOCTOR_WARN, "holos plugins shows where they lie",
		     "%zu of %zu refused: %s", refused, n, bad.s);
	else
		tell(d, "plugins", DOCTOR_OK, NULL, "%zu", n);
}

static void check_state_dir(struct doctor *d, const char *dir)
{
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	_cleanup_(state_closep) struct state *s = NULL;
	struct statvfs fs;
	uint64_t room;
	char text[32];

	if (state_open(dir, true, &s, &why) < 0 ||
	    fs_write_replace(s->fd, ".doctor", "", 0, 0600, &why) < 0) {
		if (why->hint == NULL)
			error_hint(&why, "make it yours, or choose another one: --state-dir, "
					 "HOLOS_STATE_DIR");
		tell_error(d, "state dir", DOCTOR_FAIL, why);
		return;
	}
	unlinkat(s->fd, ".doctor", 0);
	d->cache = state_open_dir(s, true, "cache");
	if (fstatvfs(s->fd, &fs) < 0)
		return;
	room = (uint64_t)fs.f_bavail * fs.f_frsize;
	units_format_size(room, text);
	if (room < SPACE_WANTED)
		tell(d, "state dir", DOCTOR_WARN,
		     "make room, or choose another one: --state-dir, HOLOS_STATE_DIR",
		     "%s has %s free; a VM whose disk cannot grow is paused", s->dir, text);
	else
		tell(d, "state dir", DOCTOR_OK, NULL, "%s, %s free", s->dir, text);
}

/* ---- what the file asks for --------------------------------------------------------- */

struct found {
	const struct doctor *d;
	size_t n;
};

static void on_device(void *data, const struct service *s, const struct vfio_problem *p)
{
	struct found *f = data;

	f->n++;
	tell(f->d, "devices", p->harmless ? DOCTOR_WARN : DOCTOR_FAIL, p->remedy, "%s: %s", s->name,
	     p->text);
}

static void check_devices(const struct doctor *d, const struct project *p)
{
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	struct found f = { .d = d };
	size_t n = 0;

	for (size_t i = 0; i < p->n_services; i++)
		n += p->services[i].n_devices;
	if (n == 0)
		return;
	if (devices_check(p, NULL, on_device, &f, &why) < 0)
		tell_error(d, "devices", DOCTOR_FAIL, why);
	else if (f.n == 0)
		tell(d, "devices", DOCTOR_OK, NULL, "%zu of the file can be passed on", n);
}

/* "MemAvailable:  123 kB" of /proc/meminfo; 0: unknown. */
static uint64_t available_memory(void)
{
	_cleanup_(freep) char *path = host_path("/proc/meminfo");
	_cleanup_(strbuf_finish) struct strbuf text = STRBUF_INIT;
	unsigned long long kib;
	const char *line;

	if (fs_read(AT_FDCWD, path, 65536, &text, NULL) < 0 || text.len == 0)
		return 0;
	line = strstr(text.s, "MemAvailable:");
	return line != NULL && sscanf(line, "MemAvailable: %llu kB", &kib) == 1 ? kib << 10 : 0;
}

static void check_memory(const struct doctor *d, const struct project *p)
{
	uint64_t want = 0, have = available_memory();
	char a[32], b[32];

	for (size_t i = 0; i < p->n_services; i++)
		want += ((uint64_t)p->services[i].vm.memory_mb << 20) * p->services[i].replicas;
	if (have == 0)
		return;
	units_format_size(want, a);
	units_format_size(have, b);
	if (want > have)
		tell(d, "memory", DOCTOR_WARN, "give the services less vm.memory, or add memory",
		     "the VMs of %s may use %s, and %s is available now", p->name, a, b);
	else
		tell(d, "memory", DOCTOR_OK, NULL, "%s for the VMs of %s, %s available", a, p->name,
		     b);
}

void doctor_run(const char *state_dir, const struct project *project, doctor_fn *fn, void *data)
{
	struct doctor d = { .fn = fn, .data = data, .cache = -1 };

	check_os(&d);
	check_user(&d);
	check_state_dir(&d, state_dir);
	if (d.arch_known) {
		check_kvm(&d);
		check_qemu(&d);
		check_firmware(&d);
	}
	check_qemu_img(&d);
	check_plugins(&d);
	check_module(&d, "ssh", "holos-ssh.so", "built in; no other program is needed");
	check_module(&d, "downloads", "holos-fetch.so", "built in");
	if (project != NULL) {
		check_memory(&d, project);
		check_devices(&d, project);
	}
	closep(&d.cache);
}
