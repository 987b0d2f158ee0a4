/* SPDX-License-Identifier: Apache-2.0
 *
 * test_crash.c - a monitor that dies, a disk that is full, records that lie.
 */
#include "harness.h"

#include <base/process.h>
#include <state/lastword.h>
#include <state/qemuid.h>

#include <sys/wait.h>

static void kill_monitor(void)
{
	kill(vt->monitor, SIGKILL);
	waitpid(vt->monitor, NULL, 0);
	vt->monitor = 0;
	vt_until(vt->ended);
	ck_assert(!vt_alive().monitor);
	ck_assert(vt_alive().qemu);
}

static void up_and_orphaned(void)
{
	vt_start();
	vt_up();
	kill_monitor();
}

static void adopted(pid_t pid)
{
	vm_record_destroy(vt->vm);
	vt->vm = NULL;
	vt_adopt();
	vt_until(vt->vm != NULL && vt->vm->state == VM_RUNNING &&
		 vt->vm->monitor_pid == vt->monitor);
	ck_assert_int_eq(vt->vm->pid, pid);
}

START_TEST(adopts_and_stops)
{
	pid_t pid;

	up_and_orphaned();
	pid = vt->vm->pid;
	adopted(pid);
	ck_assert_ptr_nonnull(vt_ask("stop", NULL));
	vt_down(VM_STOPPED, VM_EXIT_STOPPED);
	waitpid(pid, NULL, 0); /* ours: its parent died */
}
END_TEST

/* What comes while QMP is not reached yet waits for it: no SIGTERM instead of
 * a powerdown. */
START_TEST(stop_during_adoption_is_graceful)
{
	vt_behave("qmp_delay_ms=300\n");
	up_and_orphaned();
	vt_adopt();
	vt_request("stop", NULL);
	for (;;) { /* until it has its signals in hand */
		_cleanup_(vm_record_destroyp) struct vm_record *disk = vt_disk();

		if (disk->monitor_pid == vt->monitor)
			break;
		usleep(1000);
	}
	kill(vt->monitor, SIGTERM);
	vt_until(vt_answered());
	vt_down(VM_STOPPED, VM_EXIT_STOPPED);
	ck_assert_str_eq(vt->vm->exit.message, "stopped");
}
END_TEST

/* QEMU hangs: it is watched all the same, and can be killed. */
START_TEST(adopts_a_deaf_qemu)
{
	pid_t pid;

	up_and_orphaned();
	pid = vt->vm->pid;
	kill(pid, SIGSTOP);
	vt_adopt();
	vt_until(vt->vm->warning != NULL && vt->vm->monitor_pid == vt->monitor);
	ck_assert_int_eq(vt->vm->pid, pid);
	ck_assert_ptr_nonnull(vt_ask("kill", NULL));
	vt_down(VM_STOPPED, VM_EXIT_STOPPED);
}
END_TEST

START_TEST(adopted_guest_powers_off)
{
	vt_behave("guest_poweroff_after_ms=1000\n");
	up_and_orphaned();
	adopted(vt->vm->pid);
	vt_down(VM_STOPPED, VM_EXIT_GUEST);
}
END_TEST

START_TEST(adopted_qemu_is_killed)
{
	up_and_orphaned();
	adopted(vt->vm->pid);
	kill(vt->vm->pid, SIGKILL);
	vt_down(VM_FAILED, VM_EXIT_UNKNOWN); /* nobody could see the signal */
}
END_TEST

/* What it was told when the VM was started holds for the next one as well. */
START_TEST(adopted_qemu_is_restarted)
{
	pid_t first;

	vt->launch->restart = LAUNCH_RESTART_ON_FAILURE;
	up_and_orphaned();
	first = vt->vm->pid;
	adopted(first);
	kill(first, SIGKILL);
	vt_until(vt->vm->state == VM_RUNNING && vt->vm->pid != first);
	ck_assert_uint_eq(vt->vm->restarts, 1);
	ck_assert_int_eq(vt->vm->exit.cause, VM_EXIT_UNKNOWN); /* a failure */
	ck_assert_ptr_nonnull(vt_ask("stop", NULL));
	vt_down(VM_STOPPED, VM_EXIT_STOPPED);
}
END_TEST

START_TEST(adopts_without_a_record)
{
	pid_t pid;

	up_and_orphaned();
	pid = vt->vm->pid;
	ck_assert_int_eq(unlinkat(vt->dirfd, VM_RECORD_FILE, 0), 0);
	adopted(pid);
	ck_assert_ptr_nonnull(vt_ask("stop", NULL));
	vt_down(VM_STOPPED, VM_EXIT_STOPPED);
}
END_TEST

/* The monitor was killed before it wrote down which process QEMU is, and QMP is
 * taken, or not there yet. */
START_TEST(adopts_by_the_child_s_own_word)
{
	_cleanup_(vm_record_destroyp) struct vm_record *r = NULL;
	struct alive a = { .qemu = true };
	uint64_t start;
	pid_t pid;

	up_and_orphaned();
	pid = vt->vm->pid;
	start = vt->vm->pid_start;
	r = vt_disk();
	r->state = VM_STARTING;
	r->pid = 0;
	r->pid_start = 0;
	ck_assert_int_eq(vm_record_write(vt->dirfd, r, false, NULL), 0);
	qemu_id_apply(vt->dirfd, &a, r);
	ck_assert_int_eq(r->pid, pid);
	ck_assert_uint_eq(r->pid_start, start);
	ck_assert_int_eq(unlinkat(vt->dirfd, "qmp.sock", 0), 0);
	vt_adopt();
	vt_until(vt->vm->pid == pid && vt->vm->monitor_pid == vt->monitor);
	ck_assert_ptr_nonnull(vt_ask("kill", NULL));
	vt_down(VM_STOPPED, VM_EXIT_STOPPED);
	waitpid(pid, NULL, 0);
	r->pid = 0; /* it is gone, and another QEMU is not this one */
	qemu_id_apply(vt->dirfd, &a, r);
	ck_assert_int_eq(r->pid, 0);
}
END_TEST

START_TEST(adopts_with_a_lying_record)
{
	_cleanup_(vm_record_destroyp) struct vm_record *r = NULL;
	pid_t pid;

	up_and_orphaned();
	pid = vt->vm->pid;
	r = vt_disk();
	r->pid = getpid(); /* a stranger */
	r->pid_start = process_start_time(getpid());
	ck_assert_int_eq(vm_record_write(vt->dirfd, r, false, NULL), 0);
	adopted(pid);
	ck_assert_ptr_nonnull(vt_ask("kill", NULL));
	vt_down(VM_STOPPED, VM_EXIT_STOPPED);
}
END_TEST

START_TEST(refuses_another_uuid)
{
	pid_t pid;

	vt_behave("wrong_uuid=1\n");
	up_and_orphaned();
	pid = vt->vm->pid;
	vt_adopt();
	vt_until(vt->ended);
	ck_assert_ptr_nonnull(vt->vm->warning);
	ck_assert_ptr_nonnull(strstr(vt->vm->warning, "UUID"));
	ck_assert_uint_ne(process_start_time(pid), 0); /* not touched */
	ck_assert(vt_alive().qemu);
}
END_TEST

/* Killed in the middle of a stop: the next monitor ends what was begun. */
START_TEST(adoption_finishes_a_stop)
{
	vt->launch->stop_grace_ns = 500 * NS_PER_MS;
	vt_behave("ignore_powerdown=1\n");
	vt_start();
	vt_up();
	vt_request("stop", "{\"grace_ns\":60000000000}");
	vt_until(vt->vm->state == VM_STOPPING);
	kill_monitor();
	vt_adopt();
	vt_down(VM_STOPPED, VM_EXIT_STOPPED);
}
END_TEST

START_TEST(both_are_killed)
{
	_cleanup_(vm_record_destroyp) struct vm_record *r = NULL;
	struct alive a;

	vt_start();
	vt_up();
	kill(vt->monitor, SIGKILL);
	waitpid(vt->monitor, NULL, 0);
	vt->monitor = 0;
	kill(vt->vm->pid, SIGKILL); /* a zombie, until somebody reaps: no lock */
	vt_until(!vt_alive().qemu);
	a = vt_alive();
	r = vt_disk();
	ck_assert_int_eq(r->state, VM_RUNNING);
	vm_record_settle(r, &a);
	ck_assert_int_eq(r->state, VM_FAILED);
	ck_assert_int_eq(r->exit.cause, VM_EXIT_UNKNOWN);
	ck_assert_int_eq(r->pid, 0);
	vt_start();
	vt_up();
	ck_assert_ptr_nonnull(vt_ask("stop", NULL));
	vt_down(VM_STOPPED, VM_EXIT_STOPPED);
}
END_TEST

/* Adopting what is not there ends with the truth on disk. */
START_TEST(adopts_nothing)
{
	vt_start();
	vt_up();
	kill(vt->monitor, SIGKILL);
	waitpid(vt->monitor, NULL, 0);
	kill(vt->vm->pid, SIGKILL);
	vt_until(!vt_alive().qemu);
	vt_adopt();
	vt_down(VM_FAILED, VM_EXIT_UNKNOWN);
}
END_TEST

START_TEST(no_second_monitor)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct monitor_options o = { .program = "/bin/true" };

	vt_start();
	vt_up();
	ck_assert_int_eq(monitor_start(vt->dir, &o, NULL, &err), -ERR_BUSY);
	ck_assert_ptr_nonnull(vt_ask("ping", NULL)); /* its socket is still there */
}
END_TEST

/* A start while an orphaned QEMU lives must not make a second one. */
START_TEST(no_second_qemu)
{
	pid_t pid;

	up_and_orphaned();
	pid = vt->vm->pid;
	vt_start();
	vt_until(vt->ended);
	ck_assert_int_eq(vt->vm->state, VM_FAILED);
	ck_assert_ptr_nonnull(strstr(vt->vm->exit.message, "lives already"));
	ck_assert_uint_ne(process_start_time(pid), 0);
	ck_assert(vt_alive().qemu);
	kill(pid, SIGKILL);
}
END_TEST

/* A directory in the place of vm.json: every write fails, as on a full disk. */
START_TEST(record_cannot_be_written)
{
	_cleanup_(vm_record_destroyp) struct vm_record *r = NULL;

	vt_start();
	vt_up();
	ck_assert_int_eq(unlinkat(vt->dirfd, VM_RECORD_FILE, 0), 0);
	ck_assert_int_eq(mkdirat(vt->dirfd, VM_RECORD_FILE, 0700), 0);
	ck_assert_ptr_nonnull(vt_ask("pause", NULL));
	vt_until(vt->vm->state == VM_PAUSED);
	ck_assert_ptr_nonnull(vt->vm->warning);
	ck_assert_ptr_nonnull(strstr(vt->vm->warning, VM_RECORD_FILE));
	ck_assert_int_eq(unlinkat(vt->dirfd, VM_RECORD_FILE, AT_REMOVEDIR), 0);
	vt_until(vt->vm->warning == NULL); /* written by the timer alone */
	r = vt_disk();
	ck_assert_int_eq(r->state, VM_PAUSED);
	ck_assert_ptr_null(r->warning);
}
END_TEST

/* As on a full disk: the records that are there stay, no new one is written. */
static void fill_disk(void)
{
	_cleanup_(freep) char *name = xasprintf(VM_RECORD_FILE ".tmp.%ld", (long)vt->monitor);

	ck_assert_int_eq(mkdirat(vt->dirfd, name, 0700), 0);
}

/* What a reader makes of the files. */
static struct vm_record *settled(void)
{
	struct vm_record *r = vt_disk();
	struct alive a = vt_alive();

	ck_assert_int_eq(r->state, VM_RUNNING); /* the last that could be written */
	last_word_apply(vt->dirfd, &a, r);
	vm_record_settle(r, &a);
	return r;
}

START_TEST(stops_with_a_full_disk)
{
	_cleanup_(vm_record_destroyp) struct vm_record *r = NULL;

	vt_start();
	vt_up();
	fill_disk();
	ck_assert_ptr_nonnull(vt_ask("stop", NULL));
	vt_until(vt->ended);
	ck_assert_int_eq(vt->vm->state, VM_STOPPED);
	r = settled();
	ck_assert_int_eq(r->state, VM_STOPPED);
	ck_assert_int_eq(r->exit.cause, VM_EXIT_STOPPED);
	ck_assert_str_eq(r->exit.message, "stopped");
	ck_assert_int_eq(r->pid, 0);
}
END_TEST

/* Killed on its way down: that somebody wanted it is known all the same. */
START_TEST(stop_with_a_full_disk_and_no_monitor)
{
	_cleanup_(vm_record_destroyp) struct vm_record *r = NULL;

	vt_behave("ignore_powerdown=1\n");
	vt_start();
	vt_up();
	fill_disk();
	vt_request("stop", NULL);
	vt_until(vt->vm->state == VM_STOPPING);
	kill_monitor();
	kill(vt->vm->pid, SIGKILL);
	vt_until(!vt_alive().qemu);
	r = settled();
	ck_assert_int_eq(r->state, VM_STOPPED);
}
END_TEST

START_TEST(guest_ends_with_a_full_disk)
{
	_cleanup_(vm_record_destroyp) struct vm_record *r = NULL;
	_cleanup_(vm_record_destroyp) struct vm_record *later = NULL;

	vt_behave("guest_panic_after_ms=300\n");
	vt_start();
	vt_up();
	fill_disk();
	vt_until(vt->ended);
	r = settled();
	ck_assert_int_eq(r->state, VM_FAILED);
	ck_assert_int_eq(r->exit.cause, VM_EXIT_PANIC);
	ck_assert_str_eq(r->since, vt->vm->since);
	/* The next run does not end with these words. */
	vt_behave("");
	waitpid(vt->monitor, NULL, 0);
	vt_start();
	vt_up();
	kill_monitor();
	kill(vt->vm->pid, SIGKILL);
	vt_until(!vt_alive().qemu);
	later = settled();
	ck_assert_int_eq(later->exit.cause, VM_EXIT_UNKNOWN);
}
END_TEST

START_TEST(no_start_without_a_record)
{
	ck_assert_int_eq(mkdirat(vt->dirfd, VM_RECORD_FILE, 0700), 0);
	vt_start();
	vt_until(vt->ended);
	ck_assert_int_eq(vt->vm->state, VM_FAILED);
	ck_assert(!fs_exists(vt->dirfd, "qemu.log")); /* intent before effect: no QEMU */
}
END_TEST

static const char *const bad_launch[] = {
	"",
	"{",
	"[]",
	"{\"format\":1}",
	"{\"format\":2}",
	"\x01\x02\x03",
	"{\"format\":1,\"project\":7}",
};

START_TEST(damaged_launch_file)
{
	struct monitor_options o;

	(void)o;
	ck_assert_int_eq(fs_write_replace(vt->dirfd, LAUNCH_FILE, bad_launch[_i],
					  strlen(bad_launch[_i]), 0600, NULL),
			 0);
	vt_adopt(); /* nothing to adopt, nothing to read */
	vt_until(vt->ended);
	ck_assert_ptr_nonnull(vt->vm->warning);
	ck_assert_ptr_nonnull(strstr(vt->vm->warning, LAUNCH_FILE));
}
END_TEST

/* Same process, same children: the exit status is still seen. */
START_TEST(upgrade_in_place)
{
	_cleanup_(freep) char *args = NULL;
	char exe[512], link[64];
	pid_t pid;
	ssize_t n;

	vt->launch->restart = LAUNCH_RESTART_ON_FAILURE;
	vt->launch->restart_max = 1;
	vt_start();
	vt_up();
	pid = vt->vm->pid;
	snprintf(link, sizeof(link), "/proc/%ld/exe", (long)vt->monitor);
	n = readlink(link, exe, sizeof(exe) - 1);
	ck_assert_int_gt(n, 0);
	exe[n] = '\0';
	args = xasprintf("{\"program\":\"%s\"}", exe);
	vt_request("upgrade", args);
	vt_until(vt->ended);
	vm_record_destroy(vt->vm);
	vt->vm = NULL;
	vt_connect(); /* the listening socket went along */
	vt_until(vt->vm != NULL && vt->vm->state == VM_RUNNING && vt->vm->pid == pid);
	ck_assert_ptr_nonnull(vt_ask("qmp", "{\"command\":\"query-name\"}"));
	ck_assert(vt_alive().monitor);
	ck_assert(vt_alive().qemu);
	kill(pid, SIGKILL);
	vt_until(vt->vm->state == VM_RUNNING && vt->vm->pid != pid);
	ck_assert_int_eq(vt->vm->exit.signal, SIGKILL);
	kill(vt->vm->pid, SIGKILL);
	vt_down(VM_FAILED, VM_EXIT_SIGNAL);
	ck_assert_uint_eq(vt->vm->restarts, 1);
}
END_TEST

/* A program that cannot be executed costs nothing. */
START_TEST(upgrade_to_nothing)
{
	_cleanup_(freep) char *args = xasprintf("{\"program\":\"%s/no\"}", vt->dir);
	_cleanup_(freep) char *bad = xasprintf("{\"program\":\"%s/bad\"}", vt->dir);
	pid_t pid;

	ck_assert_int_eq(fs_write_replace(vt->dirfd, "bad", "\177ELF", 4, 0700, NULL), 0);
	vt_start();
	vt_up();
	pid = vt->vm->pid;
	ck_assert_ptr_null(vt_ask("upgrade", args));
	ck_assert_ptr_nonnull(strstr(vt->error, "no such program"));
	ck_assert_ptr_null(vt_ask("upgrade", NULL));
	ck_assert_ptr_null(vt_ask("upgrade", bad));
	ck_assert_ptr_nonnull(strstr(vt->error, "cannot be executed"));
	ck_assert_ptr_nonnull(vt_ask("stop", NULL));
	vt_down(VM_STOPPED, VM_EXIT_STOPPED);
	ck_assert_uint_eq(process_start_time(pid), 0);
}
END_TEST

int main(void)
{
	Suite *s = vt_suite("monitor-crash");
	TCase *t = tcase_create("damaged_launch_file");

	VT_TEST(s, adopts_and_stops);
	VT_TEST(s, stop_during_adoption_is_graceful);
	VT_TEST(s, adopts_a_deaf_qemu);
	VT_TEST(s, adopted_guest_powers_off);
	VT_TEST(s, adopted_qemu_is_killed);
	VT_TEST(s, adopted_qemu_is_restarted);
	VT_TEST(s, adopts_without_a_record);
	VT_TEST(s, adopts_by_the_child_s_own_word);
	VT_TEST(s, adopts_with_a_lying_record);
	VT_TEST(s, refuses_another_uuid);
	VT_TEST(s, adoption_finishes_a_stop);
	VT_TEST(s, both_are_killed);
	VT_TEST(s, adopts_nothing);
	VT_TEST(s, no_second_monitor);
	VT_TEST(s, no_second_qemu);
	VT_TEST(s, record_cannot_be_written);
	VT_TEST(s, stops_with_a_full_disk);
	VT_TEST(s, stop_with_a_full_disk_and_no_monitor);
	VT_TEST(s, guest_ends_with_a_full_disk);
	VT_TEST(s, no_start_without_a_record);
	VT_TEST(s, upgrade_in_place);
	VT_TEST(s, upgrade_to_nothing);
	tcase_set_timeout(t, 30);
	tcase_add_checked_fixture(t, vt_setup, vt_teardown);
	tcase_add_loop_test(t, damaged_launch_file, 0,
			    (int)(sizeof(bad_launch) / sizeof(bad_launch[0])));
	suite_add_tcase(s, t);
	return vt_run(s);
}
