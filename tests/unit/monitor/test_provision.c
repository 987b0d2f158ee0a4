/* SPDX-License-Identifier: Apache-2.0
 *
 * test_provision.c - what the guest tells over its port.
 */
#include "harness.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* As the guest would, through QEMU. */
static void say(const char *text)
{
	int fd = openat(vt->dirfd, "provision.out", O_WRONLY | O_CLOEXEC | O_NONBLOCK);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static char *log_text(void)
{
	struct strbuf b = STRBUF_INIT;

	ck_assert_int_eq(fs_read(vt->dirfd, "provision.log", 4u << 20, &b, NULL), 0);
	return strbuf_steal(&b);
}

START_TEST(first_boot)
{
	_cleanup_(freep) char *text = NULL;

	vt_start();
	vt_up();
	ck_assert_int_eq(vt->vm->provision, VM_PROVISION_NONE);
	say("holos: first boot\n");
	vt_until(vt->vm->provision == VM_PROVISION_RUNNING);
	ck_assert_str_eq(vt->vm->provision_text, "first boot");
	say("holos: boot ok\nholos: build: Dockerfile line 3: RUN x\n");
	vt_until(strcmp(vt->vm->provision_text, "Dockerfile line 3: RUN x") == 0);
	ck_assert_int_eq(vt->vm->provision, VM_PROVISION_RUNNING);
	say("holos: step: runcmd 1 of 1: it\n");
	vt_until(strcmp(vt->vm->provision_text, "runcmd 1 of 1: it") == 0);
	say("holos: provisioned\n");
	vt_until(vt->vm->provision == VM_PROVISION_DONE);
	text = log_text();
	ck_assert_ptr_nonnull(strstr(text, "Z first boot\n"));
	ck_assert_ptr_nonnull(strstr(text, "Z provisioned\n"));
}
END_TEST

/* A boot that is not the first ends with boot.sh; a reboot begins anew. */
START_TEST(later_boots)
{
	vt_start();
	vt_up();
	say("holos: boot\nholos: boot ok\n");
	vt_until(vt->vm->provision == VM_PROVISION_DONE);
	say("holos: boot\nholos: error: volume data: no\nholos: boot failed: 1\n");
	vt_until(vt->vm->provision == VM_PROVISION_FAILED);
	ck_assert_str_eq(vt->vm->provision_text, "volume data: no");
	say("holos: boot\nholos: boot ok\n");
	vt_until(vt->vm->provision == VM_PROVISION_DONE);
	ck_assert_ptr_null(vt->vm->provision_output);
}
END_TEST

START_TEST(fails)
{
	_cleanup_(vm_record_destroyp) struct vm_record *disk = NULL;

	vt_start();
	vt_up();
	say("holos: first boot\nholos: error: runcmd 1 of 2: a: exited with status 3\n"
	    "holos: output: one\nholos: output: t\twö\n");
	vt_until(vt->vm->provision_output != NULL && strchr(vt->vm->provision_output, '\n'));
	ck_assert_int_eq(vt->vm->provision, VM_PROVISION_RUNNING); /* more may follow */
	say("holos: runcmd failed\nholos: step: runcmd 2 of 2: b\n"
	    "holos: error: runcmd 2 of 2: b: exited with status 4\nholos: output: other\n"
	    "holos: runcmd failed\nholos: provisioned\n");
	vt_until(vt->vm->provision == VM_PROVISION_FAILED);
	ck_assert_str_eq(vt->vm->provision_text, "runcmd 1 of 2: a: exited with status 3");
	ck_assert_str_eq(vt->vm->provision_output, "one\nt\twö");
	disk = vt_disk();
	ck_assert_int_eq(disk->provision, VM_PROVISION_FAILED);
	ck_assert_str_eq(disk->provision_output, "one\nt\twö");
}
END_TEST

/* Nothing that a terminal would obey, and none of it without end. */
START_TEST(hostile)
{
	_cleanup_(freep) char *text = NULL;
	char line[3000];

	vt_start();
	vt_up();
	say("no line of ours\nholos: first boot\nholos: step: \033]0;x\007a\xc2\x9b"
	    "b\r\n");
	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	say("holos: error: ");
	say(line);
	say("\n");
	for (unsigned i = 0; i < 30; i++)
		say("holos: output: y\n");
	say("holos: runcmd failed\n");
	vt_until(vt->vm->provision == VM_PROVISION_FAILED);
	ck_assert_uint_lt(strlen(vt->vm->provision_text), 1024);
	ck_assert_uint_eq(strlen(vt->vm->provision_output), 20 * 2 - 1);
	text = log_text();
	ck_assert_ptr_nonnull(strstr(text, "Z no line of ours\n"));
	ck_assert_ptr_nonnull(strstr(text, "Z step: ?]0;x?a??b\n"));
	ck_assert_ptr_null(strchr(text, 033));
}
END_TEST

/* Without a reader the pipe keeps it; the next monitor goes on from there. */
START_TEST(outlives_its_monitor)
{
	int qemus;

	vt_start();
	vt_up();
	qemus = openat(vt->dirfd, "provision.out", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	ck_assert_int_ge(qemus, 0);
	say("holos: first boot\n");
	vt_until(vt->vm->provision == VM_PROVISION_RUNNING);
	kill(vt->monitor, SIGKILL);
	waitpid(vt->monitor, NULL, 0);
	vt->monitor = 0;
	vt_until(vt->ended);
	say("holos: boot ok\nholos: step: runcmd 1 of 1: it\n");
	vt_adopt();
	vt_until(vt->vm->provision_text != NULL &&
		 strcmp(vt->vm->provision_text, "runcmd 1 of 1: it") == 0);
	ck_assert_int_eq(vt->vm->provision, VM_PROVISION_RUNNING);
	say("holos: provisioned\n");
	vt_until(vt->vm->provision == VM_PROVISION_DONE);
	close(qemus);
}
END_TEST

/* Killed when it had read a line and the record did not say so yet: it may write no
 * file, so that the kernel ends it at the first. */
START_TEST(killed_between)
{
	static const struct rlimit none = { 0, 0 };
	int qemus;

	vt_start();
	vt_up();
	qemus = openat(vt->dirfd, "provision.out", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	ck_assert_int_ge(qemus, 0);
	say("holos: first boot\nholos: error: e\nholos: output: one\n");
	vt_until(vt->vm->provision_output != NULL && *vt->vm->provision_output != '\0');
	ck_assert_int_eq(prlimit(vt->monitor, RLIMIT_FSIZE, &none, NULL), 0);
	say("holos: output: two\nholos: runcmd failed\n");
	waitpid(vt->monitor, NULL, 0);
	vt->monitor = 0;
	vt_until(vt->ended);
	vt_adopt();
	vt_until(vt->vm->provision == VM_PROVISION_FAILED);
	ck_assert_str_eq(vt->vm->provision_text, "e");
	ck_assert_str_eq(vt->vm->provision_output, "one\ntwo");
	close(qemus);
}
END_TEST

/* The last words of a guest that powers itself off are not lost. */
START_TEST(last_words)
{
	vt_start();
	vt_up();
	say("holos: first boot\nholos: error: e\nholos: output: o\n");
	say("holos: runcmd failed\n");
	kill(vt->vm->pid, SIGKILL);
	vt_down(VM_FAILED, VM_EXIT_SIGNAL);
	ck_assert_int_eq(vt->vm->provision, VM_PROVISION_FAILED);
	ck_assert_str_eq(vt->vm->provision_text, "e");
}
END_TEST

int main(void)
{
	Suite *s = vt_suite("monitor-provision");

	VT_TEST(s, first_boot);
	VT_TEST(s, later_boots);
	VT_TEST(s, fails);
	VT_TEST(s, hostile);
	VT_TEST(s, outlives_its_monitor);
	VT_TEST(s, killed_between);
	VT_TEST(s, last_words);
	return vt_run(s);
}
