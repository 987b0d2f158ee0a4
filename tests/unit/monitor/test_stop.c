/* SPDX-License-Identifier: Apache-2.0
 *
 * test_stop.c - the steps of a stop, and who may ask for it.
 */
#include "harness.h"

static uint64_t since(uint64_t begin)
{
	return (clock_now_ns() - begin) / NS_PER_MS;
}

START_TEST(stop_after_the_grace_period)
{
	uint64_t begin;

	vt_behave("ignore_powerdown=1\n");
	vt_start();
	vt_up();
	begin = clock_now_ns();
	ck_assert_ptr_nonnull(vt_ask("stop", "{\"grace_ns\":300000000}"));
	ck_assert_uint_ge(since(begin), 300);
	ck_assert_uint_lt(since(begin), 2500);
	vt_down(VM_STOPPED, VM_EXIT_STOPPED);
	ck_assert_ptr_nonnull(strstr(vt->vm->exit.message, "without a powerdown"));
}
END_TEST

START_TEST(stop_takes_launch_grace)
{
	uint64_t begin;

	vt->launch->stop_grace_ns = 400 * NS_PER_MS;
	vt_behave("ignore_powerdown=1\n");
	vt_start();
	vt_up();
	begin = clock_now_ns();
	ck_assert_ptr_nonnull(vt_ask("stop", NULL));
	ck_assert_uint_ge(since(begin), 400);
	ck_assert_uint_lt(since(begin), 3000);
	vt_down(VM_STOPPED, VM_EXIT_STOPPED);
}
END_TEST

START_TEST(kill_asks_nobody)
{
	vt_behave("ignore_powerdown=1\n");
	vt_start();
	vt_up();
	ck_assert_ptr_nonnull(vt_ask("kill", NULL));
	vt_down(VM_STOPPED, VM_EXIT_STOPPED);
	ck_assert_str_eq(vt->vm->exit.message, "killed");
}
END_TEST

START_TEST(kill_of_a_deaf_qemu)
{
	vt_behave("ignore_powerdown=1\nignore_quit=1\nignore_sigterm=1\n");
	vt_start();
	vt_up();
	ck_assert_ptr_nonnull(vt_ask("kill", NULL)); /* 2 s, then SIGKILL */
	vt_down(VM_STOPPED, VM_EXIT_STOPPED);
}
END_TEST

START_TEST(kill_shortens_a_stop)
{
	uint64_t begin;

	vt_behave("ignore_powerdown=1\n");
	vt_start();
	vt_up();
	vt_request("stop", NULL); /* 30 s */
	vt_until(vt->vm->state == VM_STOPPING);
	begin = clock_now_ns();
	ck_assert_ptr_nonnull(vt_ask("kill", NULL));
	ck_assert_uint_lt(since(begin), 3000);
	vt_down(VM_STOPPED, VM_EXIT_STOPPED);
}
END_TEST

START_TEST(a_second_stop_shortens_the_first)
{
	vt_behave("ignore_powerdown=1\n");
	vt_start();
	vt_up();
	vt_request("stop", NULL);
	vt_until(vt->vm->state == VM_STOPPING);
	ck_assert_ptr_nonnull(vt_ask("stop", "{\"grace_ns\":100000000}"));
	vt_down(VM_STOPPED, VM_EXIT_STOPPED);
}
END_TEST

START_TEST(stop_before_qmp_answers)
{
	vt_behave("hang_qmp=1\n");
	vt_start();
	vt_until(vt->vm != NULL && vt->vm->pid != 0);
	ck_assert_ptr_nonnull(vt_ask("stop", NULL));
	vt_down(VM_STOPPED, VM_EXIT_STOPPED);
}
END_TEST

START_TEST(stop_is_recorded_before_it_happens)
{
	_cleanup_(vm_record_destroyp) struct vm_record *disk = NULL;

	vt_behave("powerdown_delay_ms=300\n");
	vt_start();
	vt_up();
	vt_request("stop", NULL);
	vt_until(vt->vm->state == VM_STOPPING);
	disk = vt_disk();
	ck_assert_int_eq(disk->state, VM_STOPPING);
	vt_until(vt_answered());
	vt_down(VM_STOPPED, VM_EXIT_STOPPED);
}
END_TEST

START_TEST(stop_wins_over_the_restart_policy)
{
	vt->launch->restart = LAUNCH_RESTART_ALWAYS;
	vt_start();
	vt_up();
	ck_assert_ptr_nonnull(vt_ask("stop", NULL));
	vt_down(VM_STOPPED, VM_EXIT_STOPPED);
	ck_assert_uint_eq(vt->vm->restarts, 0);
}
END_TEST

/* A host that shuts down sends SIGTERM: the guest is asked to. */
START_TEST(sigterm_to_the_monitor)
{
	vt_start();
	vt_up();
	kill(vt->monitor, SIGTERM);
	vt_down(VM_STOPPED, VM_EXIT_STOPPED);
}
END_TEST

/* Everybody who waits gets the answer. */
START_TEST(two_clients_stop)
{
	_cleanup_(json_putp) struct json_object *answer = NULL;
	_cleanup_(error_destroyp) struct holos_error *err = NULL;

	vt_behave("powerdown_delay_ms=200\n");
	vt_start();
	vt_up();
	vt_request("stop", NULL);
	loop_run_once(vt->loop, clock_now_ns()); /* sent */
	if (monitor_call_wait(vt->dir, "stop", NULL, clock_now_ns() + 5 * NS_PER_S, &answer, NULL,
			      &err) < 0)
		ck_abort_msg("%s", err->message);
	ck_assert_str_eq(jsonx_str(jsonx_obj(answer, "vm"), "state", ""), "stopped");
	vt_until(vt_answered());
	ck_assert_ptr_null(vt->error);
	vt_down(VM_STOPPED, VM_EXIT_STOPPED);
}
END_TEST

/* The end of the connection is the end of the lock: a start may follow. */
START_TEST(start_right_after_stop)
{
	for (int i = 0; i < 5; i++) {
		vt_start();
		vt_up();
		ck_assert_ptr_nonnull(vt_ask("stop", NULL));
		vt_down(VM_STOPPED, VM_EXIT_STOPPED);
		vm_record_destroy(vt->vm);
		vt->vm = NULL;
	}
}
END_TEST

int main(void)
{
	Suite *s = vt_suite("monitor-stop");

	VT_TEST(s, stop_after_the_grace_period);
	VT_TEST(s, stop_takes_launch_grace);
	VT_TEST(s, kill_asks_nobody);
	VT_TEST(s, kill_of_a_deaf_qemu);
	VT_TEST(s, kill_shortens_a_stop);
	VT_TEST(s, a_second_stop_shortens_the_first);
	VT_TEST(s, stop_before_qmp_answers);
	VT_TEST(s, stop_is_recorded_before_it_happens);
	VT_TEST(s, stop_wins_over_the_restart_policy);
	VT_TEST(s, sigterm_to_the_monitor);
	VT_TEST(s, two_clients_stop);
	VT_TEST(s, start_right_after_stop);
	return vt_run(s);
}
