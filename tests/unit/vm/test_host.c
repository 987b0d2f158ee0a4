/* SPDX-License-Identifier: Apache-2.0
 *
 * test_host.c - what the host offers: accelerator, QEMU's version, firmware.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/fs.h>
#include <vm/accel.h>
#include <vm/firmware.h>
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

START_TEST(environment_decides)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct accel_choice c;

	setenv("HOLOS_ACCEL", "tcg", 1);
	ck_assert_int_eq(accel_choose(&c, NULL), 0);
	ck_assert(c.kind == ACCEL_USE_TCG && c.forced && !c.warn && !c.probed);
	setenv("HOLOS_ACCEL", "kvm", 1);
	ck_assert_int_eq(accel_choose(&c, NULL), 0);
	ck_assert(c.kind == ACCEL_USE_KVM && c.forced && c.probed);
	setenv("HOLOS_ACCEL", "warp", 1);
	ck_assert_int_eq(accel_choose(&c, &err), -ERR_USAGE);
	ck_assert_ptr_nonnull(strstr(err->message, "warp"));
	setenv("HOLOS_ACCEL", "auto", 1);
	ck_assert_int_eq(accel_choose(&c, NULL), 0);
	ck_assert(!c.forced && c.probed);
	ck_assert(c.warn == (c.probe.verdict != KVM_IS_GOOD));
	ck_assert((c.kind == ACCEL_USE_KVM) == (c.probe.verdict == KVM_IS_GOOD));
}
END_TEST

static const struct {
	const char *script;
	int code;
	unsigned major, minor, micro;
} versions[] = {
	{ "echo 'QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)'", 0, 7, 2, 22 },
	{ "echo 'QEMU emulator version 10.0.50'", 0, 10, 0, 50 },
	{ "echo 'QEMU emulator version 6.2.0'", 0, 6, 2, 0 },
	{ "echo 'QEMU emulator version 6.1.1'", ERR_HOST, 0, 0, 0 },
	{ "echo 'QEMU emulator version 5.2.0'", ERR_HOST, 0, 0, 0 },
	{ "echo hello", ERR_HOST, 0, 0, 0 },
	{ "echo 'version x.y.z'", ERR_HOST, 0, 0, 0 },
	{ "echo 'version 7.2'", ERR_HOST, 0, 0, 0 },
	{ "echo 'version 99999999999999999999.1.1'", ERR_HOST, 0, 0, 0 },
	{ ":", ERR_HOST, 0, 0, 0 },
	{ "exit 3", ERR_HOST, 0, 0, 0 },
	{ "kill -9 $$", ERR_HOST, 0, 0, 0 },
};

START_TEST(version)
{
	_cleanup_(freep) char *text = xasprintf("#!/bin/sh\n%s\n", versions[_i].script);
	_cleanup_(freep) char *path = xasprintf("%s/qemu", dir);
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct qemu_version v = { 1, 2, 3 };

	write_file("qemu", text, 0700);
	ck_assert_int_eq(program_qemu_version(path, &v, &err), -versions[_i].code);
	if (versions[_i].code != 0) {
		ck_assert_int_eq(err->code, ERR_HOST);
		ck_assert_uint_eq(v.major, 1); /* untouched */
		return;
	}
	ck_assert_uint_eq(v.major, versions[_i].major);
	ck_assert_uint_eq(v.minor, versions[_i].minor);
	ck_assert_uint_eq(v.micro, versions[_i].micro);
}
END_TEST

START_TEST(finds_qemu)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct qemu_version v;
	char *path = NULL;

	setenv("HOLOS_QEMU_SYSTEM", "/etc/passwd", 1); /* not executable */
	ck_assert_int_eq(program_find_qemu(&path, &err), -ERR_HOST);
	ck_assert_ptr_nonnull(strstr(err->message, "/etc/passwd"));
	setenv("HOLOS_QEMU_SYSTEM", "/bin/true", 1);
	ck_assert_int_eq(program_find_qemu(&path, NULL), 0);
	free(path);
	unsetenv("HOLOS_QEMU_SYSTEM");
	setenv("PATH", dir, 1);
	ck_assert_int_eq(program_find_qemu(&path, &err), -ERR_HOST);
	ck_assert_ptr_nonnull(err->hint);
	ck_assert_int_lt(program_qemu_version("/nonexistent/qemu", &v, &err), 0);
	ck_assert_int_eq(err->code, ERR_HOST);
}
END_TEST

START_TEST(finds_firmware)
{
	_cleanup_(firmware_finish) struct firmware f = { NULL, NULL };
	_cleanup_(error_destroyp) struct holos_error *err = NULL;

	ck_assert_int_eq(firmware_find_at(dir, &f, &err), -ERR_HOST);
	ck_assert_ptr_nonnull(err->hint);
	write_file("usr/share/OVMF/OVMF_CODE_4M.fd", "", 0600); /* without its pair */
	write_file("usr/share/qemu/OVMF_CODE.fd", "", 0600);
	write_file("usr/share/qemu/OVMF_VARS.fd", "", 0600);
	ck_assert_int_eq(firmware_find_at(dir, &f, NULL), 0);
	ck_assert_ptr_nonnull(strstr(f.code, "usr/share/qemu/OVMF_CODE.fd"));
	firmware_finish(&f);
	write_file("usr/share/OVMF/OVMF_CODE.fd", "", 0600);
	write_file("usr/share/OVMF/OVMF_VARS.fd", "", 0600);
	ck_assert_int_eq(firmware_find_at(dir, &f, NULL), 0);
	ck_assert_ptr_nonnull(strstr(f.vars, "usr/share/OVMF/OVMF_VARS.fd"));
	firmware_finish(&f);
	write_file("usr/share/OVMF/OVMF_VARS_4M.fd", "", 0600);
	ck_assert_int_eq(firmware_find_at(dir, &f, NULL), 0);
	ck_assert_ptr_nonnull(strstr(f.code, "OVMF_CODE_4M.fd"));
}
END_TEST

START_TEST(firmware_from_the_environment)
{
	_cleanup_(firmware_finish) struct firmware f = { NULL, NULL };
	struct holos_error *err = NULL;

	setenv("HOLOS_OVMF_CODE", "/etc/passwd", 1);
	unsetenv("HOLOS_OVMF_VARS");
	ck_assert_int_eq(firmware_find(&f, &err), -ERR_HOST); /* both or neither */
	setenv("HOLOS_OVMF_VARS", "/nonexistent", 1);
	ck_assert_int_eq(firmware_find(&f, &err), -ERR_HOST);
	ck_assert_ptr_nonnull(strstr(err->message, "HOLOS_OVMF_VARS"));
	setenv("HOLOS_OVMF_VARS", "/etc", 1); /* a directory */
	ck_assert_int_eq(firmware_find(&f, &err), -ERR_HOST);
	setenv("HOLOS_OVMF_VARS", "/etc/hosts", 1);
	ck_assert_int_eq(firmware_find(&f, NULL), 0);
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
	tcase_add_loop_test(t, version, 0, N(versions));
	tcase_add_test(t, finds_qemu);
	tcase_add_test(t, finds_firmware);
	tcase_add_test(t, firmware_from_the_environment);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
