/* SPDX-License-Identifier: Apache-2.0
 *
 * test_health.c - the healthcheck's states, with a plugin that does what a file
 * says, and a real worker.
 */
#include "harness.h"

#include <base/strbuf.h>

#include <stdlib.h>
#include <sys/wait.h>

static void script(const char *word)
{
	ck_assert_int_eq(fs_write_replace(vt->dirfd, "script", word, strlen(word), 0600, NULL), 0);
}

static void with_health(void)
{
	struct launch *l = vt->launch;
	_cleanup_(freep) char *file = xasprintf("%s/script", vt->dir);

	l->health.set = true;
	l->health.plugin = xstrdup("scripted");
	l->health.options = json_object_new_object();
	jsonx_set_str(l->health.options, "file", file);
	l->health.interval_ns = 100 * NS_PER_MS;
	l->health.start_interval_ns = 50 * NS_PER_MS;
	l->health.timeout_ns = 300 * NS_PER_MS;
	l->health.retries = 3;
	l->plugin_path = xstrdup(SCRIPTED_DIR);
}

/* How often the plugin was asked, as the last snapshot has it. */
static unsigned long probes(void)
{
	const char *detail = vt->vm->health_detail;
	const char *number = detail != NULL ? strrchr(detail, ' ') : NULL;

	return number != NULL ? strtoul(number, NULL, 10) : 0;
}

/* The children that the monitor has now. */
static unsigned count_children(void)
{
	_cleanup_(strbuf_finish) struct strbuf text = STRBUF_INIT;
	char path[64];
	unsigned n = 0;

	snprintf(path, sizeof(path), "/proc/%ld/task/%ld/children", (long)vt->monitor,
		 (long)vt->monitor);
	ck_assert_int_eq(fs_read(AT_FDCWD, path, 4096, &text, NULL), 0);
	for (size_t i = 0; i < text.len; i++)
		n += text.s[i] == ' ';
	return n;
}

START_TEST(becomes_healthy)
{
	with_health();
	script("unreached");
	vt_start();
	vt_up();
	vt_until(vt->vm->health_detail != NULL);
	ck_assert_int_eq(vt->vm->health, VM_HEALTH_STARTING);
	ck_assert(!vt->vm->reachable);
	script("ok");
	vt_until(vt->vm->health == VM_HEALTH_HEALTHY);
	ck_assert(vt->vm->reachable);
	ck_assert_ptr_nonnull(vt->vm->health_since);
	ck_assert_ptr_nonnull(vt_ask("stop", NULL));
	vt_down(VM_STOPPED, VM_EXIT_STOPPED);
}
END_TEST

/* Not reached, or not let in yet, uses up no retries. */
START_TEST(unreached_is_no_failure)
{
	with_health();
	vt->launch->health.retries = 1;
	script(_i == 0 ? "unreached" : "denied");
	vt_start();
	vt_up();
	vt_until(probes() >= 3);
	ck_assert_msg(vt->vm->health == VM_HEALTH_STARTING, "%s", vt_describe());
	ck_assert_uint_eq(vt->vm->health_failures, 0);
}
END_TEST

START_TEST(retries_are_counted)
{
	with_health();
	script("ok");
	vt_start();
	vt_until(vt->vm != NULL && vt->vm->health == VM_HEALTH_HEALTHY);
	script("again");
	vt_until(vt->vm->health_failures == 1);
	ck_assert_int_eq(vt->vm->health, VM_HEALTH_HEALTHY);
	ck_assert(strncmp(vt->vm->health_detail, "the answer is no", 16) == 0);
	vt_until(vt->vm->health == VM_HEALTH_UNHEALTHY);
	ck_assert_uint_eq(vt->vm->health_failures, 3);
	script("ok");
	vt_until(vt->vm->health == VM_HEALTH_HEALTHY);
	ck_assert_uint_eq(vt->vm->health_failures, 0);
}
END_TEST

START_TEST(failures_of_the_start_period_are_free)
{
	with_health();
	vt->launch->health.retries = 1;
	vt->launch->health.start_period_ns = 3600 * NS_PER_S;
	script("again");
	vt_start();
	vt_until(vt->vm != NULL && vt->vm->reachable && probes() >= 3);
	ck_assert_int_eq(vt->vm->health, VM_HEALTH_STARTING);
	ck_assert_uint_eq(vt->vm->health_failures, 0);
	vt->launch->health.start_period_ns = 100 * NS_PER_MS;
	ck_assert_int_eq(launch_write(vt->dirfd, vt->launch, NULL), 0);
	ck_assert_ptr_nonnull(vt_ask("reload", NULL));
	vt_until(vt->vm->health == VM_HEALTH_UNHEALTHY); /* when it is over */
}
END_TEST

START_TEST(a_broken_probe_is_unknown)
{
	static const char *const words[] = { "broken", "crash" };

	with_health();
	script("ok");
	vt_start();
	vt_until(vt->vm != NULL && vt->vm->health == VM_HEALTH_HEALTHY);
	script(words[_i]);
	vt_until(vt->vm->health == VM_HEALTH_UNKNOWN);
	ck_assert_ptr_nonnull(vt->vm->health_detail);
	script("ok");
	vt_until(vt->vm->health == VM_HEALTH_HEALTHY);
}
END_TEST

START_TEST(a_hanging_probe_fails)
{
	with_health();
	vt->launch->health.retries = 2;
	script("ok");
	vt_start();
	vt_until(vt->vm != NULL && vt->vm->health == VM_HEALTH_HEALTHY);
	script("hang");
	vt_until(vt->vm->health == VM_HEALTH_UNHEALTHY);
	script("ok");
	vt_until(vt->vm->health == VM_HEALTH_HEALTHY);
}
END_TEST

START_TEST(unhealthy_is_restarted)
{
	pid_t first;

	with_health();
	vt->launch->health.restart = true;
	vt->launch->health.retries = 2;
	script("ok");
	vt_start();
	vt_until(vt->vm != NULL && vt->vm->health == VM_HEALTH_HEALTHY);
	first = vt->vm->pid;
	script("again");
	vt_until(vt->vm->state == VM_STOPPING);
	script("ok");
	vt_until(vt->vm->state == VM_RUNNING && vt->vm->pid != first);
	vt_until(vt->vm->health == VM_HEALTH_HEALTHY);
	ck_assert_uint_eq(vt->vm->restarts, 1);
	ck_assert_int_eq(vt->vm->exit.cause, VM_EXIT_STOPPED);
}
END_TEST

/* The next monitor goes on where the one before was killed. */
START_TEST(goes_on_after_adoption)
{
	pid_t qemu;

	with_health();
	vt->launch->health.restart = true;
	vt->launch->health.retries = 2;
	script("ok");
	vt_start();
	vt_until(vt->vm != NULL && vt->vm->health == VM_HEALTH_HEALTHY);
	qemu = vt->vm->pid;
	kill(vt->monitor, SIGKILL);
	waitpid(vt->monitor, NULL, 0);
	vt->monitor = 0;
	vt_until(vt->ended);
	vm_record_destroy(vt->vm);
	vt->vm = NULL;
	vt_adopt();
	vt_until(vt->vm != NULL && vt->vm->state == VM_RUNNING);
	ck_assert_int_eq(vt->vm->pid, qemu);
	script("again");
	vt_until(vt->vm->restarts == 1);
	script("ok");
	vt_until(vt->vm->state == VM_RUNNING && vt->vm->pid != qemu &&
		 vt->vm->health == VM_HEALTH_HEALTHY);
}
END_TEST

/* A guest that boots again is starting again. */
START_TEST(reset_starts_anew)
{
	with_health();
	script("ok");
	vt_start();
	vt_until(vt->vm != NULL && vt->vm->health == VM_HEALTH_HEALTHY);
	script("unreached");
	ck_assert_ptr_nonnull(vt_ask("reset", NULL));
	vt_until(vt->vm->health == VM_HEALTH_STARTING && !vt->vm->reachable);
	script("ok");
	vt_until(vt->vm->health == VM_HEALTH_HEALTHY && vt->vm->reachable);
}
END_TEST

START_TEST(reach_waits_for_the_guest)
{
	unsigned long before;

	with_health();
	script("unreached");
	vt_start();
	vt_up();
	vt_request("reach", NULL);
	before = probes();
	vt_until(probes() >= before + 2);
	ck_assert(!vt_answered());
	script("again"); /* it answers, healthy or not */
	vt_until(vt_answered());
	ck_assert_ptr_nonnull(vt->answer);
	ck_assert(jsonx_bool(jsonx_obj(vt->answer, "vm"), "reachable", false));
	ck_assert_ptr_nonnull(vt_ask("reach", NULL)); /* at once now */
}
END_TEST

START_TEST(reach_fails_when_the_vm_ends)
{
	with_health();
	script("unreached");
	vt_start();
	vt_up();
	vt_request("reach", NULL);
	vt_until(probes() >= 2);
	ck_assert(!vt_answered());
	kill(vt->vm->pid, SIGKILL);
	vt_until(vt_answered());
	ck_assert_ptr_nonnull(vt->error);
	ck_assert_ptr_nonnull(strstr(vt->error, "down"));
}
END_TEST

/* Without a healthcheck nothing is probed until somebody wants to know. */
START_TEST(reach_without_a_healthcheck)
{
	setenv("HOLOS_HEALTH_BYPASS", "1", 1);
	vt_start();
	vt_up();
	ck_assert_ptr_nonnull(vt_ask("ping", NULL));
	ck_assert_uint_eq(count_children(), 1); /* QEMU, and no worker */
	ck_assert(!vt->vm->reachable);
	ck_assert_int_eq(vt->vm->health, VM_HEALTH_NONE);
	ck_assert_ptr_nonnull(vt_ask("reach", NULL));
	vt_until(vt->vm->reachable);
	ck_assert_int_eq(vt->vm->health, VM_HEALTH_NONE);
}
END_TEST

START_TEST(reload_brings_a_healthcheck)
{
	vt_start();
	vt_up();
	ck_assert_int_eq(vt->vm->health, VM_HEALTH_NONE);
	with_health();
	script("ok");
	ck_assert_int_eq(launch_write(vt->dirfd, vt->launch, NULL), 0);
	ck_assert_ptr_nonnull(vt_ask("reload", NULL));
	vt_until(vt->vm->health == VM_HEALTH_HEALTHY);
}
END_TEST

int main(void)
{
	Suite *s = vt_suite("monitor-health");
	TCase *t = tcase_create("loops");

	VT_TEST(s, becomes_healthy);
	VT_TEST(s, retries_are_counted);
	VT_TEST(s, failures_of_the_start_period_are_free);
	VT_TEST(s, a_hanging_probe_fails);
	VT_TEST(s, unhealthy_is_restarted);
	VT_TEST(s, goes_on_after_adoption);
	VT_TEST(s, reset_starts_anew);
	VT_TEST(s, reach_waits_for_the_guest);
	VT_TEST(s, reach_fails_when_the_vm_ends);
	VT_TEST(s, reach_without_a_healthcheck);
	VT_TEST(s, reload_brings_a_healthcheck);
	tcase_set_timeout(t, 30);
	tcase_add_checked_fixture(t, vt_setup, vt_teardown);
	tcase_add_loop_test(t, unreached_is_no_failure, 0, 2);
	tcase_add_loop_test(t, a_broken_probe_is_unknown, 0, 2);
	suite_add_tcase(s, t);
	return vt_run(s);
}
