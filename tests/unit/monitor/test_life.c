/* SPDX-License-Identifier: Apache-2.0
 *
 * test_life.c - start, and each way to end.
 */
#include "harness.h"

#include <sys/wait.h>

START_TEST(starts_and_stops)
{
	_cleanup_(vm_record_destroyp) struct vm_record *disk = NULL;
	struct alive a;

	vt_start();
	a = vt_alive();
	ck_assert(a.monitor); /* at once: the lock is the starter's gift */
	vt_up();
	a = vt_alive();
	ck_assert(a.monitor && a.qemu);
	disk = vt_disk();
	ck_assert_int_eq(disk->state, VM_RUNNING);
	ck_assert_int_eq(disk->pid, vt->vm->pid);
	ck_assert_int_gt(disk->pid, 0);
	ck_assert_uint_gt(disk->pid_start, 0);
	ck_assert_int_eq(disk->monitor_pid, vt->monitor);
	ck_assert_str_eq(disk->uuid, vt->launch->uuid);
	ck_assert_ptr_nonnull(disk->started_at);
	ck_assert_ptr_nonnull(vt_ask("stop", NULL));
	ck_assert_str_eq(jsonx_str(jsonx_obj(vt->answer, "vm"), "state", ""), "stopped");
	vt_down(VM_STOPPED, VM_EXIT_STOPPED);
	ck_assert_str_eq(vt->vm->exit.message, "stopped");
}
END_TEST

START_TEST(guest_powers_off)
{
	vt_behave("guest_poweroff_after_ms=600\n");
	vt_start();
	vt_down(VM_STOPPED, VM_EXIT_GUEST);
	ck_assert_int_eq(vt->vm->exit.status, 0);
}
END_TEST

START_TEST(guest_panics)
{
	vt_behave("guest_panic_after_ms=600\n");
	vt_start();
	vt_down(VM_FAILED, VM_EXIT_PANIC);
}
END_TEST

START_TEST(qemu_fails_at_start)
{
	vt_behave("fail_start=1\nmessage=qemu-system-x86_64: -drive file=x: No such file\n");
	vt_start();
	vt_down(VM_FAILED, VM_EXIT_QEMU);
	ck_assert_int_eq(vt->vm->exit.status, 1);
	ck_assert_ptr_nonnull(strstr(vt->vm->exit.message, "No such file"));
}
END_TEST

/* A line of the last start must not pass for one of this start. */
START_TEST(old_log_is_not_quoted)
{
	vt_behave("fail_start=1\nmessage=the old trouble\n");
	vt_start();
	vt_down(VM_FAILED, VM_EXIT_QEMU);
	ck_assert_str_eq(vt->vm->exit.message, "the old trouble");
	vt_behave("die_after_ms=50\ndie_status=3\n");
	vt_start();
	vt_until(vt->ended);
	ck_assert_int_eq(vt->vm->exit.cause, VM_EXIT_QEMU);
	ck_assert_int_eq(vt->vm->exit.status, 3);
	ck_assert_ptr_null(strstr(vt->vm->exit.message, "old trouble"));
}
END_TEST

START_TEST(qemu_dies_later)
{
	vt_behave("die_after_ms=400\ndie_status=2\ndie_message=lost my mind\n");
	vt_start();
	vt_up();
	vt_down(VM_FAILED, VM_EXIT_QEMU);
	ck_assert_int_eq(vt->vm->exit.status, 2);
	ck_assert_str_eq(vt->vm->exit.message, "lost my mind");
}
END_TEST

START_TEST(qemu_is_killed)
{
	vt_start();
	vt_up();
	kill(vt->vm->pid, SIGKILL);
	vt_down(VM_FAILED, VM_EXIT_SIGNAL);
	ck_assert_int_eq(vt->vm->exit.signal, SIGKILL);
}
END_TEST

START_TEST(qemu_is_told_to_end)
{
	vt_start();
	vt_up();
	kill(vt->vm->pid, SIGTERM);
	vt_down(VM_FAILED, VM_EXIT_SIGNAL);
	ck_assert_int_eq(vt->vm->exit.signal, SIGTERM);
}
END_TEST

START_TEST(program_is_missing)
{
	free(vt->launch->program);
	vt->launch->program = xstrdup("/nonexistent/qemu");
	vt_start();
	vt_down(VM_FAILED, VM_EXIT_QEMU);
	ck_assert_ptr_nonnull(strstr(vt->vm->exit.message, "/nonexistent/qemu"));
}
END_TEST

static const char *const mute[] = {
	"no_qmp=1\n",          "hang_qmp=1\n",        "hang_commands=1\n", "garbage_qmp=greeting\n",
	"garbage_qmp=flood\n", "garbage_qmp=later\n",
};

START_TEST(qemu_without_qmp)
{
	vt->launch->qmp_timeout_ns = 300 * NS_PER_MS;
	vt_behave(mute[_i]);
	vt_start();
	vt_down(VM_FAILED, VM_EXIT_QEMU);
	ck_assert_ptr_nonnull(strstr(vt->vm->exit.message, "QMP"));
}
END_TEST

START_TEST(restarts_on_failure)
{
	vt->launch->restart = LAUNCH_RESTART_ON_FAILURE;
	vt->launch->restart_max = 2;
	vt_behave("die_after_ms=500\ndie_status=1\n");
	vt_start();
	vt_down(VM_FAILED, VM_EXIT_QEMU);
	ck_assert_uint_eq(vt->vm->restarts, 2);
}
END_TEST

/* A start that never worked is no case for the policy. */
START_TEST(no_restart_of_a_failed_start)
{
	vt->launch->restart = LAUNCH_RESTART_ALWAYS;
	vt_behave("fail_start=1\nmessage=no\n");
	vt_start();
	vt_down(VM_FAILED, VM_EXIT_QEMU);
	ck_assert_uint_eq(vt->vm->restarts, 0);
}
END_TEST

START_TEST(on_failure_ignores_poweroff)
{
	vt->launch->restart = LAUNCH_RESTART_ON_FAILURE;
	vt_behave("guest_poweroff_after_ms=600\n");
	vt_start();
	vt_down(VM_STOPPED, VM_EXIT_GUEST);
	ck_assert_uint_eq(vt->vm->restarts, 0);
}
END_TEST

START_TEST(always_restarts_after_poweroff)
{
	pid_t first;

	vt->launch->restart = LAUNCH_RESTART_ALWAYS;
	vt_behave("first_starts=1\nguest_poweroff_after_ms=500\n");
	vt_start();
	vt_up();
	first = vt->vm->pid;
	vt_until(vt->vm->state == VM_RUNNING && vt->vm->pid != first && vt->vm->pid != 0);
	ck_assert_uint_eq(vt->vm->restarts, 1);
	ck_assert_int_eq(vt->vm->exit.cause, VM_EXIT_GUEST);
	ck_assert_ptr_nonnull(vt_ask("stop", NULL));
	vt_down(VM_STOPPED, VM_EXIT_STOPPED);
}
END_TEST

START_TEST(stop_during_the_pause_before_a_restart)
{
	vt->launch->restart = LAUNCH_RESTART_ALWAYS;
	vt_behave("die_after_ms=500\ndie_status=1\n");
	vt_start();
	vt_until(vt->vm != NULL && vt->vm->restarts >= 2 && vt->vm->pid == 0);
	ck_assert_int_eq(vt->vm->state, VM_STARTING);
	ck_assert_ptr_nonnull(vt_ask("stop", NULL));
	vt_until(vt->ended);
	ck_assert_int_eq(vt->vm->state, VM_STOPPED);
	ck_assert(!vt_alive().qemu);
}
END_TEST

START_TEST(reset_is_no_exit)
{
	pid_t pid;

	vt_behave("guest_reset_after_ms=50\n");
	vt_start();
	vt_up();
	pid = vt->vm->pid;
	loop_run_once(vt->loop, clock_now_ns() + 300 * NS_PER_MS);
	ck_assert_int_eq(vt->vm->state, VM_RUNNING);
	ck_assert_int_eq(vt->vm->pid, pid);
}
END_TEST

START_TEST(pauses_for_want_of_space)
{
	vt_behave("io_error_after_ms=600\n");
	vt_start();
	vt_until(vt->vm != NULL && vt->vm->state == VM_PAUSED);
	ck_assert_str_eq(vt->vm->paused_cause, "no-space");
	ck_assert_ptr_nonnull(vt_ask("cont", NULL));
	vt_up();
	ck_assert_ptr_null(vt->vm->paused_cause);
}
END_TEST

/* Nobody asks: a look at the file system, which has room, is enough. */
START_TEST(goes_on_when_there_is_space)
{
	vt_behave("io_error_after_ms=100\n");
	vt_start();
	vt_until(vt->vm != NULL && vt->vm->state == VM_PAUSED);
	vt_up();
	ck_assert_ptr_null(vt->vm->paused_cause);
}
END_TEST

START_TEST(pause_and_cont)
{
	vt_start();
	vt_up();
	ck_assert_ptr_nonnull(vt_ask("pause", NULL));
	vt_until(vt->vm->state == VM_PAUSED);
	ck_assert_str_eq(vt->vm->paused_cause, "user");
	ck_assert_ptr_nonnull(vt_ask("stop", NULL)); /* a paused guest is stopped as well */
	vt_down(VM_STOPPED, VM_EXIT_STOPPED);
	ck_assert_str_eq(vt->vm->exit.message, "stopped");
}
END_TEST

START_TEST(console_log_is_rotated)
{
	static char old[5000];
	struct stat st;

	memset(old, 'o', sizeof(old));
	vt->launch->console_max = 4000;
	vt->launch->console_files = 2;
	for (int i = 0; i < 4; i++) {
		old[0] = (char)('0' + i);
		ck_assert_int_eq(
			fs_write_replace(vt->dirfd, "console.log", old, sizeof(old), 0600, NULL),
			0);
		vt_start();
		vt_up();
		ck_assert_int_eq(fstatat(vt->dirfd, "console.log", &st, 0), 0);
		ck_assert_int_lt(st.st_size, 4000);
		ck_assert_ptr_nonnull(vt_ask("kill", NULL));
		vt_down(VM_STOPPED, VM_EXIT_STOPPED);
		vm_record_destroy(vt->vm);
		vt->vm = NULL;
	}
	for (int i = 1; i <= 2; i++) { /* the newest is .1, and there is no .3 */
		_cleanup_(strbuf_finish) struct strbuf b = STRBUF_INIT;
		_cleanup_(freep) char *name = xasprintf("console.log.%d", i);

		ck_assert_int_eq(fs_read(vt->dirfd, name, 100000, &b, NULL), 0);
		ck_assert_uint_ge(b.len, sizeof(old));
		ck_assert_int_eq(b.s[0], '4' - i);
	}
	ck_assert(!fs_exists(vt->dirfd, "console.log.3"));
	ck_assert(!fs_exists(vt->dirfd, "console.log.new"));
	/* Fewer are kept from now on. */
	vt->launch->console_files = 1;
	ck_assert_int_eq(fs_write_replace(vt->dirfd, "console.log", old, sizeof(old), 0600, NULL),
			 0);
	vt_start();
	vt_up();
	ck_assert(fs_exists(vt->dirfd, "console.log.1"));
	ck_assert(!fs_exists(vt->dirfd, "console.log.2"));
}
END_TEST

/* No room for the copy: nothing that is kept is moved or lost. */
START_TEST(console_log_stays_on_a_full_disk)
{
	static char old[5000];
	struct stat st;

	memset(old, 'o', sizeof(old));
	vt->launch->console_max = 4000;
	ck_assert_int_eq(fs_write_replace(vt->dirfd, "console.log", old, sizeof(old), 0600, NULL),
			 0);
	ck_assert_int_eq(fs_write_replace(vt->dirfd, "console.log.1", "1", 1, 0600, NULL), 0);
	ck_assert_int_eq(mkdirat(vt->dirfd, "console.log.new", 0700), 0);
	vt_start();
	vt_up();
	ck_assert_int_eq(fstatat(vt->dirfd, "console.log", &st, 0), 0);
	ck_assert_int_ge(st.st_size, 5000);
	ck_assert_int_eq(fstatat(vt->dirfd, "console.log.1", &st, 0), 0);
	ck_assert_int_eq(st.st_size, 1);
}
END_TEST

int main(void)
{
	Suite *s = vt_suite("monitor-life");
	TCase *t = tcase_create("qemu_without_qmp");

	VT_TEST(s, starts_and_stops);
	VT_TEST(s, guest_powers_off);
	VT_TEST(s, guest_panics);
	VT_TEST(s, qemu_fails_at_start);
	VT_TEST(s, old_log_is_not_quoted);
	VT_TEST(s, qemu_dies_later);
	VT_TEST(s, qemu_is_killed);
	VT_TEST(s, qemu_is_told_to_end);
	VT_TEST(s, program_is_missing);
	VT_TEST(s, restarts_on_failure);
	VT_TEST(s, no_restart_of_a_failed_start);
	VT_TEST(s, on_failure_ignores_poweroff);
	VT_TEST(s, always_restarts_after_poweroff);
	VT_TEST(s, stop_during_the_pause_before_a_restart);
	VT_TEST(s, reset_is_no_exit);
	VT_TEST(s, pauses_for_want_of_space);
	VT_TEST(s, goes_on_when_there_is_space);
	VT_TEST(s, pause_and_cont);
	VT_TEST(s, console_log_is_rotated);
	VT_TEST(s, console_log_stays_on_a_full_disk);
	tcase_set_timeout(t, 30);
	tcase_add_checked_fixture(t, vt_setup, vt_teardown);
	tcase_add_loop_test(t, qemu_without_qmp, 0, (int)(sizeof(mute) / sizeof(mute[0])));
	suite_add_tcase(s, t);
	return vt_run(s);
}
