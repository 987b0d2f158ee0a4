/* SPDX-License-Identifier: Apache-2.0
 *
 * test_host.c - what the host offers: accelerator, QEMU, firmware, packages.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/fs.h>
#include <vm/accel.h>
#include <vm/firmware.h>
#include <vm/packages.h>
#include <vm/program.h>

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static char dir[64];

static void setup(void)
{
	snprintf(dir, sizeof(dir), "/tmp/vh-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void teardown(void)
{
	fs_remove_tree(AT_FDCWD, dir, NULL);
}

static void write_file(const char *name, const char *text, mode_t mode)
{
	_cleanup_(freep) char *path = xasprintf("%s/%s", dir, name);
	_cleanup_(freep) char *parent = xstrndup(path, (size_t)(strrchr(path, '/') - path));

	ck_assert_int_eq(fs_mkdir_p(parent, 0700, NULL), 0);
	ck_assert_int_eq(fs_write_replace(AT_FDCWD, path, text, strlen(text), mode, NULL), 0);
}

static const struct {
	const char *device;
	enum kvm_verdict verdict;
} devices[] = {
	{ "/nonexistent/kvm", KVM_IS_ABSENT },
	{ "/dev/null", KVM_IS_BROKEN }, /* it opens, and is no KVM */
	{ "/proc/self/exe", KVM_IS_BROKEN },
};

START_TEST(probe_of_a_wrong_device)
{
	struct kvm_probe p;

	kvm_probe_device(devices[_i].device, &p);
	if (strcmp(devices[_i].device, "/proc/self/exe") == 0) /* ETXTBSY: cannot be opened */
		ck_assert(p.verdict != KVM_IS_GOOD);
	else
		ck_assert_int_eq(p.verdict, devices[_i].verdict);
	ck_assert_ptr_nonnull(p.reason);
	ck_assert_ptr_nonnull(p.remedy);
}
END_TEST

/* Whatever this host has: the probe ends soon and leaves nothing. */
START_TEST(probe_of_this_host)
{
	struct kvm_probe p;
	sigset_t before, after, pending;
	uint64_t begin = clock_now_ns();
	int next = dup(0);

	close(next);
	sigprocmask(SIG_SETMASK, NULL, &before);
	kvm_probe(&p);
	ck_assert_uint_lt(clock_now_ns() - begin, NS_PER_S); /* 8 ms, on a quiet host */
	ck_assert_uint_le(p.run_ns, 500 * NS_PER_MS);
	sigprocmask(SIG_SETMASK, NULL, &after);
	for (int sig = 1; sig < 32; sig++)
		ck_assert_int_eq(sigismember(&before, sig), sigismember(&after, sig));
	sigpending(&pending);
	ck_assert(!sigismember(&pending, SIGALRM));
	ck_assert_int_eq(dup(0), next); /* no descriptor was left open */
	ck_assert_ptr_nonnull(p.reason);
	ck_assert((p.remedy == NULL) == (p.verdict == KVM_IS_GOOD));
}
END_TEST

static enum arch native(void)
{
	return arch_is_native(ARCH_AARCH64) ? ARCH_AARCH64 : ARCH_X86_64;
}

START_TEST(environment_decides)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct accel_choice c;

	setenv("HOLOS_ACCEL", "tcg", 1);
	ck_assert_int_eq(accel_choose(native(), &c, NULL), 0);
	ck_assert(c.kind == ACCEL_USE_TCG && c.forced && !c.warn && !c.probed);
	setenv("HOLOS_ACCEL", "kvm", 1);
	ck_assert_int_eq(accel_choose(native(), &c, NULL), 0);
	ck_assert(c.kind == ACCEL_USE_KVM && c.forced && c.probed);
	setenv("HOLOS_ACCEL", "warp", 1);
	ck_assert_int_eq(accel_choose(native(), &c, &err), -ERR_USAGE);
	ck_assert_ptr_nonnull(strstr(err->message, "warp"));
	setenv("HOLOS_ACCEL", "auto", 1);
	ck_assert_int_eq(accel_choose(native(), &c, NULL), 0);
	ck_assert(!c.forced && c.probed);
	ck_assert(c.warn == (c.probe.verdict != KVM_IS_GOOD));
	ck_assert((c.kind == ACCEL_USE_KVM) == (c.probe.verdict == KVM_IS_GOOD));
}
END_TEST

/* A program that says this when asked over QMP; its greeting is of QEMU MAJOR.MINOR.22. */
#define GREETING(major, minor)                                                                     \
	"echo '{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": " minor               \
	", \"major\": " major "}, \"package\": \"\"}, \"capabilities\": []}}'; "
#define OPTIONS    "echo '{\"return\": [{\"option\": \"sandbox\"}], \"id\": \"options\"}'; "
#define NO_SANDBOX "echo '{\"id\": \"options\", \"error\": {\"desc\": \"invalid option\"}}'; "
#define ACCELS     "echo '{\"return\": [{\"name\": \"tcg-accel\"}], \"id\": \"types\"}'; "
#define DEVICES    "echo '{\"return\": [{\"name\": \"vfio-pci\"}, 7], \"id\": \"types\"}'; "

static const struct {
	const char *script;
	int code;
	unsigned major, minor;
	bool sandbox;
} programs[] = {
	{ GREETING("7", "2") OPTIONS ACCELS DEVICES, 0, 7, 2, true },
	{ GREETING("10", "0") NO_SANDBOX ACCELS DEVICES, 0, 10, 0, false },
	{ GREETING("6", "2") OPTIONS ACCELS DEVICES, 0, 6, 2, true },
	{ GREETING("6", "1") OPTIONS ACCELS DEVICES, ERR_HOST, 0, 0, false },
	{ GREETING("5", "2"), ERR_HOST, 0, 0, false },
	{ GREETING("7", "2") OPTIONS ACCELS, ERR_HOST, 0, 0, false },
	{ GREETING("\"7\"", "2") OPTIONS ACCELS DEVICES, ERR_HOST, 0, 0, false },
	{ "echo hello", ERR_HOST, 0, 0, false },
	{ "echo 'QEMU emulator version 7.2.22'", ERR_HOST, 0, 0, false },
	{ ":", ERR_HOST, 0, 0, false },
	{ "exit 3", ERR_HOST, 0, 0, false },
	{ "kill -9 $$", ERR_HOST, 0, 0, false },
};

START_TEST(traits)
{
	_cleanup_(freep) char *text = xasprintf("#!/bin/sh\n%s\n", programs[_i].script);
	_cleanup_(freep) char *path = xasprintf("%s/qemu", dir);
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct qemu_traits t = { .major = 1 };

	write_file("qemu", text, 0700);
	ck_assert_int_eq(program_probe(path, -1, &t, &err), -programs[_i].code);
	if (programs[_i].code != 0) {
		ck_assert_int_eq(err->code, ERR_HOST);
		ck_assert_uint_eq(t.major, 1); /* untouched */
		return;
	}
	ck_assert_uint_eq(t.major, programs[_i].major);
	ck_assert_uint_eq(t.minor, programs[_i].minor);
	ck_assert_uint_eq(t.micro, 22);
	ck_assert_int_eq(t.sandbox, programs[_i].sandbox);
	ck_assert(t.tcg && !t.kvm && t.vfio && !t.shares && !t.pvpanic);
}
END_TEST

START_TEST(own_words)
{
	_cleanup_(freep) char *path = xasprintf("%s/qemu", dir);
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct qemu_traits t;

	write_file("qemu", "#!/bin/sh\necho 'qemu: libfoo.so is missing' >&2\nexit 127\n", 0700);
	ck_assert_int_eq(program_probe(path, -1, &t, &err), -ERR_HOST);
	ck_assert_ptr_nonnull(strstr(err->message, "libfoo.so is missing"));
}
END_TEST

/* Asked once for as long as the file stays what it was. */
START_TEST(cached)
{
	static const char script[] =
		"#!/bin/sh\necho x >>\"$0.log\"\n" GREETING("7", "2") OPTIONS ACCELS DEVICES "\n";
	_cleanup_(freep) char *path = xasprintf("%s/qemu", dir);
	_cleanup_(freep) char *log = xasprintf("%s.log", path);
	_cleanup_(closep) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct timespec times[2] = { { 1, 0 }, { 1, 0 } };
	struct qemu_traits a, b;
	struct stat st;

	write_file("qemu", script, 0700);
	ck_assert_int_eq(program_probe(path, fd, &a, NULL), 0);
	ck_assert_int_eq(program_probe(path, fd, &b, NULL), 0);
	ck_assert(a.major == b.major && a.minor == b.minor && a.micro == b.micro);
	ck_assert(a.sandbox == b.sandbox && a.kvm == b.kvm && a.tcg == b.tcg);
	ck_assert(a.vfio == b.vfio && a.shares == b.shares && a.pvpanic == b.pvpanic);
	ck_assert_int_eq(stat(log, &st), 0);
	ck_assert_int_eq(st.st_size, 2);
	ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0); /* another one */
	ck_assert_int_eq(program_probe(path, fd, &b, NULL), 0);
	ck_assert_int_eq(stat(log, &st), 0);
	ck_assert_int_eq(st.st_size, 4);
	ck_assert_int_eq(program_probe(path, -1, &b, NULL), 0); /* no cache: asked */
	ck_assert_int_eq(stat(log, &st), 0);
	ck_assert_int_eq(st.st_size, 6);
	ck_assert(!b.remembered);
	ck_assert_int_eq(program_probe(path, fd, &b, NULL), 0);
	ck_assert(b.remembered);
	ck_assert_int_eq(program_probe_anew(path, fd, &b, NULL), 0);
	ck_assert(!b.remembered);
	ck_assert_int_eq(stat(log, &st), 0);
	ck_assert_int_eq(st.st_size, 8);
}
END_TEST

START_TEST(finds_qemu)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct qemu_traits v;
	char *path = NULL;

	setenv("HOLOS_QEMU_SYSTEM", "/etc/passwd", 1); /* not executable */
	ck_assert_int_eq(program_find_qemu(ARCH_X86_64, &path, &err), -ERR_HOST);
	ck_assert_ptr_nonnull(strstr(err->message, "/etc/passwd"));
	setenv("HOLOS_QEMU_SYSTEM", "/bin/true", 1);
	ck_assert_int_eq(program_find_qemu(ARCH_X86_64, &path, NULL), 0);
	free(path);
	unsetenv("HOLOS_QEMU_SYSTEM");
	setenv("PATH", dir, 1);
	ck_assert_int_eq(program_find_qemu(ARCH_X86_64, &path, &err), -ERR_HOST);
	ck_assert_ptr_nonnull(err->hint);
	ck_assert_int_lt(program_probe("/nonexistent/qemu", -1, &v, &err), 0);
	ck_assert_int_eq(err->code, ERR_HOST);
}
END_TEST

START_TEST(finds_firmware)
{
	_cleanup_(firmware_finish) struct firmware f = { .code = NULL };
	_cleanup_(error_destroyp) struct holos_error *err = NULL;

	setenv("HOLOS_HOST_ROOT", dir, 1);
	write_file("etc/os-release", "NAME=x\nID=ubuntu\nID_LIKE=debian\n", 0600);
	ck_assert_int_eq(firmware_find(ARCH_X86_64, false, &f, &err), -ERR_HOST);
	ck_assert_ptr_nonnull(strstr(err->hint, "sudo apt install ovmf"));
	write_file("usr/share/OVMF/OVMF_CODE_4M.fd", "", 0600); /* without its pair */
	write_file("usr/share/qemu/OVMF_CODE.fd", "", 0600);
	write_file("usr/share/qemu/OVMF_VARS.fd", "", 0600);
	ck_assert_int_eq(firmware_find(ARCH_X86_64, false, &f, NULL), 0);
	ck_assert_ptr_nonnull(strstr(f.code, "usr/share/qemu/OVMF_CODE.fd"));
	ck_assert(!f.smm);
	firmware_finish(&f);
	write_file("usr/share/OVMF/OVMF_CODE.fd", "", 0600);
	write_file("usr/share/OVMF/OVMF_VARS.fd", "", 0600);
	ck_assert_int_eq(firmware_find(ARCH_X86_64, false, &f, NULL), 0);
	ck_assert_ptr_nonnull(strstr(f.vars, "usr/share/OVMF/OVMF_VARS.fd"));
	firmware_finish(&f);
	write_file("usr/share/OVMF/OVMF_VARS_4M.fd", "", 0600);
	ck_assert_int_eq(firmware_find(ARCH_X86_64, false, &f, NULL), 0);
	ck_assert_ptr_nonnull(strstr(f.code, "OVMF_CODE_4M.fd"));
	firmware_finish(&f);
	/* What boots anything is neither secure nor another architecture's. */
	ck_assert_int_lt(firmware_find(ARCH_X86_64, true, &f, NULL), 0);
	ck_assert_int_lt(firmware_find(ARCH_AARCH64, false, &f, NULL), 0);
}
END_TEST

/* A descriptor, and the two files it names. */
static void descriptor(const char *name, const char *stem, const char *target, const char *features,
		       const char *rest)
{
	_cleanup_(freep) char *text = xasprintf(
		"{\"interface-types\": [\"uefi\"], \"mapping\": {\"device\": \"flash\"%s, "
		"\"executable\": {\"filename\": \"/fw/%s.code\", \"format\": \"qcow2\"}, "
		"\"nvram-template\": {\"filename\": \"/fw/%s.vars\", \"format\": \"raw\"}}, "
		"\"targets\": [%s], \"features\": [%s], \"tags\": []}",
		rest, stem, stem, target, features);
	_cleanup_(freep) char *code = xasprintf("fw/%s.code", stem);
	_cleanup_(freep) char *vars = xasprintf("fw/%s.vars", stem);

	write_file(name, text, 0600);
	write_file(code, "", 0600);
	write_file(vars, "", 0600);
}

#define USR     "usr/share/qemu/firmware/"
#define X86     "{\"architecture\": \"x86_64\", \"machines\": [\"pc-i440fx-*\", \"pc-q35-*\"]}"
#define ARM     "{\"architecture\": \"aarch64\", \"machines\": [\"virt-*\"]}"
#define PC_ONLY "{\"architecture\": \"x86_64\", \"machines\": [\"pc-i440fx-*\"]}"
#define SECURE  "\"secure-boot\", \"enrolled-keys\", \"requires-smm\""

static void finds(enum arch arch, bool secure, const char *stem)
{
	_cleanup_(firmware_finish) struct firmware f = { .code = NULL };
	int r = firmware_find(arch, secure, &f, NULL);

	ck_assert_int_eq(r, stem != NULL ? 0 : -ERR_HOST);
	if (stem == NULL)
		return;
	ck_assert_ptr_nonnull(strstr(f.code, stem));
	ck_assert_ptr_nonnull(strstr(f.vars, stem));
	ck_assert_str_eq(f.code_format, "qcow2");
	ck_assert_str_eq(f.vars_format, "raw");
	ck_assert_int_eq(f.smm, secure && arch == ARCH_X86_64);
}

START_TEST(finds_firmware_by_descriptors)
{
	_cleanup_(freep) char *config = xasprintf("%s/config", dir);

	setenv("HOLOS_HOST_ROOT", dir, 1);
	setenv("XDG_CONFIG_HOME", config, 1);
	/* None of these is one. */
	write_file(USR "00-empty.json", "", 0600);
	write_file(USR "01-damaged.json", "{\"mapping\": ", 0600);
	write_file(USR "02-other.json", "[1, 2]", 0600);
	write_file(USR "03-nothing.json", "{}", 0600);
	write_file(USR "04-types.json",
		   "{\"interface-types\": 3, \"mapping\": [], \"targets\": [5]}", 0600);
	descriptor(USR "05-elsewhere", "name", X86, "", ""); /* no .json */
	descriptor(USR "10-pc.json", "pc", PC_ONLY, "", "");
	descriptor(USR "11-secure.json", "secure", X86, SECURE, "");
	descriptor(USR "12-stateless.json", "stateless", X86, "", ", \"mode\": \"stateless\"");
	finds(ARCH_X86_64, false, NULL);
	finds(ARCH_X86_64, true, "secure");
	finds(ARCH_AARCH64, false, NULL);
	descriptor(USR "60-plain.json", "plain", X86, "\"acpi-s3\"", "");
	descriptor(USR "61-arm.json", "arm", ARM, "", "");
	finds(ARCH_X86_64, false, "plain");
	finds(ARCH_AARCH64, false, "arm");
	finds(ARCH_AARCH64, true, NULL);
	/* The first name counts, wherever it lies; and of one name the first directory. */
	descriptor("etc/qemu/firmware/50-admin.json", "admin", X86, "", "");
	finds(ARCH_X86_64, false, "admin");
	descriptor("config/qemu/firmware/50-admin.json", "user", X86, "", "");
	finds(ARCH_X86_64, false, "user");
	write_file("config/qemu/firmware/50-admin.json", "", 0600); /* hides the others */
	finds(ARCH_X86_64, false, "plain");
}
END_TEST

static const struct {
	const char *os_release;
	enum package_need need;
	enum arch arch;
	const char *command;
} distributions[] = {
	{ "ID=debian\n", NEED_QEMU, ARCH_X86_64, "sudo apt install qemu-system-x86" },
	{ "ID=debian\n", NEED_QEMU, ARCH_AARCH64, "sudo apt install qemu-system-arm" },
	{ "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", NEED_QEMU_IMG, ARCH_X86_64,
	  "sudo apt install qemu-utils" },
	{ "ID=fedora\n", NEED_QEMU, ARCH_X86_64, "sudo dnf install qemu-system-x86" },
	{ "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n", NEED_QEMU, ARCH_X86_64,
	  "sudo dnf install qemu-kvm" },
	{ "ID='nobara'\nID_LIKE=fedora\n", NEED_FIRMWARE, ARCH_X86_64,
	  "sudo dnf install edk2-ovmf" },
	{ "ID=manjaro\nID_LIKE=arch\n", NEED_FIRMWARE, ARCH_X86_64, "sudo pacman -S edk2-ovmf" },
	{ "ID=opensuse-tumbleweed\nID_LIKE=\"opensuse suse\"", NEED_QEMU, ARCH_X86_64,
	  "sudo zypper install qemu-x86" },
	{ "ID=alpine\n", NEED_QEMU, ARCH_X86_64, "sudo apk add qemu-system-x86_64" },
	{ "ID=plan9\n", NEED_QEMU, ARCH_X86_64,
	  "install your distribution's package of QEMU with qemu-system-x86_64" },
	{ "", NEED_QEMU_IMG, ARCH_X86_64,
	  "install your distribution's package of QEMU's tools with qemu-img" },
	{ "# ID=debian\nVERSION_ID=debian\nID=\"\n", NEED_FIRMWARE, ARCH_AARCH64,
	  "install your distribution's package of the UEFI firmware for QEMU on aarch64 (OVMF, "
	  "edk2)" },
};

START_TEST(packages)
{
	_cleanup_(freep) char *command = NULL;

	setenv("HOLOS_HOST_ROOT", dir, 1);
	write_file("etc/os-release", distributions[_i].os_release, 0600);
	command = packages_command(distributions[_i].need, distributions[_i].arch);
	ck_assert_str_eq(command, distributions[_i].command);
}
END_TEST

START_TEST(architecture)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct accel_choice c;
	enum arch a;

	setenv("HOLOS_ARCH", "aarch64", 1);
	ck_assert_int_eq(arch_get(&a, NULL), 0);
	ck_assert_int_eq(a, ARCH_AARCH64);
	setenv("HOLOS_ARCH", "pdp11", 1);
	ck_assert_int_eq(arch_get(&a, &err), -ERR_USAGE);
	ck_assert_ptr_nonnull(strstr(err->message, "pdp11"));
	unsetenv("HOLOS_ACCEL");
	ck_assert_int_eq(
		accel_choose(native() == ARCH_X86_64 ? ARCH_AARCH64 : ARCH_X86_64, &c, NULL), 0);
	ck_assert(c.kind == ACCEL_USE_TCG && c.warn && !kvm_is_usable(&c.probe));
}
END_TEST

START_TEST(firmware_from_the_environment)
{
	_cleanup_(firmware_finish) struct firmware f = { .code = NULL };
	struct holos_error *err = NULL;

	setenv("HOLOS_OVMF_CODE", "/etc/passwd", 1);
	unsetenv("HOLOS_OVMF_VARS");
	ck_assert_int_eq(firmware_find(ARCH_X86_64, false, &f, &err),
			 -ERR_HOST); /* both or neither */
	setenv("HOLOS_OVMF_VARS", "/nonexistent", 1);
	ck_assert_int_eq(firmware_find(ARCH_X86_64, false, &f, &err), -ERR_HOST);
	ck_assert_ptr_nonnull(strstr(err->message, "HOLOS_OVMF_VARS"));
	setenv("HOLOS_OVMF_VARS", "/etc", 1); /* a directory */
	ck_assert_int_eq(firmware_find(ARCH_X86_64, false, &f, &err), -ERR_HOST);
	setenv("HOLOS_OVMF_VARS", "/etc/hosts", 1);
	ck_assert_int_eq(firmware_find(ARCH_X86_64, false, &f, NULL), 0);
	ck_assert_str_eq(f.vars, "/etc/hosts");
	error_destroy(err);
}
END_TEST

#define N(a) ((int)(sizeof(a) / sizeof((a)[0])))

int main(void)
{
	Suite *s = suite_create("vm-host");
	TCase *t = tcase_create("host");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 30);
	tcase_add_loop_test(t, probe_of_a_wrong_device, 0, N(devices));
	tcase_add_test(t, probe_of_this_host);
	tcase_add_test(t, environment_decides);
	tcase_add_loop_test(t, traits, 0, N(programs));
	tcase_add_test(t, own_words);
	tcase_add_test(t, cached);
	tcase_add_test(t, finds_qemu);
	tcase_add_test(t, finds_firmware);
	tcase_add_test(t, finds_firmware_by_descriptors);
	tcase_add_test(t, firmware_from_the_environment);
	tcase_add_loop_test(t, packages, 0, N(distributions));
	tcase_add_test(t, architecture);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
