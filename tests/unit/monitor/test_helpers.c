/* SPDX-License-Identifier: Apache-2.0
 *
 * test_helpers.c - programs beside QEMU, and strays.
 */
#include "harness.h"

#include <base/process.h>
#include <base/strv.h>

#include <sys/wait.h>

static void add_helper(const char *name, const char *script, const char *ready)
{
	struct launch *l = vt->launch;
	struct launch_helper *h;
	struct strv v = STRV_INIT;

	strv_add(&v, "/bin/sh");
	strv_add(&v, "-c");
	strv_add(&v, script);
	l->helpers = xrealloc(l->helpers, l->n_helpers + 1, sizeof(*l->helpers));
	h = &l->helpers[l->n_helpers++];
	*h = (struct launch_helper){ .name = xstrdup(name),
				     .argv = v.v,
				     .ready_path = ready != NULL
							   ? xasprintf("%s/%s", vt->dir, ready)
							   : NULL,
				     .ready_timeout_ns = 500 * NS_PER_MS };
}

START_TEST(helpers_live_with_the_vm)
{
	pid_t one, two;

	add_helper("one", "sleep 0.1; : > one.ready; exec sleep 100", "one.ready");
	/* It sees what the one before made ready. */
	add_helper("two", "test -e one.ready && : > two.ready && exec sleep 100", "two.ready");
	vt_start();
	vt_up();
	ck_assert_uint_eq(vt->vm->n_helpers, 2);
	one = vt->vm->helpers[0].pid;
	two = vt->vm->helpers[1].pid;
	ck_assert_uint_ne(process_start_time(one), 0);
	ck_assert_uint_ne(process_start_time(two), 0);
	ck_assert_ptr_nonnull(vt_ask("stop", NULL));
	vt_down(VM_STOPPED, VM_EXIT_STOPPED);
	ck_assert_uint_eq(process_start_time(one), 0);
	ck_assert_uint_eq(process_start_time(two), 0);
}
END_TEST

/* What an earlier start left at the place is not taken for readiness. */
START_TEST(stale_ready_path)
{
	ck_assert_int_eq(fs_write_replace(vt->dirfd, "ready", "", 0, 0600, NULL), 0);
	add_helper("late", "exec sleep 100", "ready");
	vt_start();
	vt_down(VM_FAILED, VM_EXIT_QEMU);
	ck_assert_ptr_nonnull(strstr(vt->vm->exit.message, "late was not ready in time"));
}
END_TEST

START_TEST(helper_fails)
{
	add_helper("bad", "exit 3", "never");
	vt_start();
	vt_down(VM_FAILED, VM_EXIT_QEMU);
	ck_assert_ptr_nonnull(strstr(vt->vm->exit.message, "bad exited with status 3"));
}
END_TEST

START_TEST(helper_dies_later)
{
	add_helper("weak", ": > r; exec sleep 100", "r");
	vt_start();
	vt_up();
	kill(vt->vm->helpers[0].pid, SIGKILL);
	vt_until(vt->vm->warning != NULL);
	ck_assert_ptr_nonnull(strstr(vt->vm->warning, "weak"));
	ck_assert_int_eq(vt->vm->state, VM_RUNNING);
}
END_TEST

START_TEST(stop_while_helpers_start)
{
	add_helper("slow", "exec sleep 100", "never");
	vt->launch->helpers[0].ready_timeout_ns = 100 * NS_PER_S;
	vt_start();
	vt_until(vt->vm != NULL && vt->vm->n_helpers == 1 && vt->vm->helpers[0].pid != 0);
	ck_assert_ptr_nonnull(vt_ask("stop", NULL));
	vt_down(VM_STOPPED, VM_EXIT_STOPPED);
}
END_TEST

START_TEST(helpers_are_adopted)
{
	pid_t pid;

	add_helper("one", ": > r; exec sleep 100", "r");
	vt_start();
	vt_up();
	pid = vt->vm->helpers[0].pid;
	kill(vt->monitor, SIGKILL);
	waitpid(vt->monitor, NULL, 0);
	vt_until(vt->ended);
	ck_assert_uint_ne(process_start_time(pid), 0);
	vt_adopt();
	vt_until(vt->vm->state == VM_RUNNING && vt->vm->monitor_pid == vt->monitor);
	ck_assert_ptr_nonnull(vt_ask("stop", NULL));
	vt_down(VM_STOPPED, VM_EXIT_STOPPED);
	ck_assert_uint_eq(process_start_time(pid), 0);
}
END_TEST

/* Monitor and QEMU were killed, the helper was not: the next start ends it. */
START_TEST(leftover_helper_is_ended)
{
	pid_t pid;

	add_helper("one", ": > r; exec sleep 100", "r");
	vt_start();
	vt_up();
	pid = vt->vm->helpers[0].pid;
	kill(vt->monitor, SIGKILL);
	waitpid(vt->monitor, NULL, 0);
	kill(vt->vm->pid, SIGKILL);
	vt_until(!vt_alive().qemu && vt->ended);
	vm_record_destroy(vt->vm);
	vt->vm = NULL;
	vt_start();
	vt_up();
	ck_assert_int_ne(vt->vm->helpers[0].pid, pid);
	ck_assert_uint_eq(process_start_time(pid), 0);
	ck_assert_ptr_nonnull(vt_ask("stop", NULL));
	vt_down(VM_STOPPED, VM_EXIT_STOPPED);
}
END_TEST

/* A child that a helper left behind comes to the monitor, and is ended. */
START_TEST(strays_are_ended)
{
	struct strbuf b = STRBUF_INIT;
	pid_t stray;

	add_helper("parent",
		   "sh -c 'echo $$ > stray; exec sleep 100' & sleep 0.2; : > r; "
		   "exec sleep 0.2",
		   "r");
	vt_start();
	vt_up();
	ck_assert_int_eq(fs_read(vt->dirfd, "stray", 100, &b, NULL), 0);
	stray = (pid_t)atoi(b.s);
	strbuf_finish(&b);
	ck_assert_int_gt(stray, 1);
	vt_until(process_start_time(stray) == 0);
	ck_assert_int_eq(vt->vm->state, VM_RUNNING);
}
END_TEST

int main(void)
{
	Suite *s = vt_suite("monitor-helpers");

	VT_TEST(s, helpers_live_with_the_vm);
	VT_TEST(s, stale_ready_path);
	VT_TEST(s, helper_fails);
	VT_TEST(s, helper_dies_later);
	VT_TEST(s, stop_while_helpers_start);
	VT_TEST(s, helpers_are_adopted);
	VT_TEST(s, leftover_helper_is_ended);
	VT_TEST(s, strays_are_ended);
	return vt_run(s);
}
