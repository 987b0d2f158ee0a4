/* SPDX-License-Identifier: Apache-2.0
 *
 * test_lock.c - one writer per project: who holds it, how long one waits, and
 * that it goes with its holder.
 */
#include "../base/harness.h"

#include <base/clock.h>
#include <base/interrupt.h>
#include <state/lock.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>

static struct state *s;

static void setup(void)
{
	make_test_dir();
	ck_assert_int_eq(state_open(in_dir("state"), true, &s, NULL), 0);
}

static void teardown(void)
{
	state_close(s);
	remove_test_dir();
}

/* A process that takes the lock and keeps it until it is killed.  Returns when
 * it has it. */
static pid_t make_holder(const char *project, const char *verb)
{
	int p[2];
	char c;
	pid_t pid;

	ck_assert_int_eq(pipe(p), 0);
	pid = fork();
	if (pid == 0) {
		struct state_lock *l;

		if (state_lock(s, project, verb, 0, NULL, &l, NULL) < 0 || write(p[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(p[1]);
	ck_assert_int_eq(read(p[0], &c, 1), 1);
	close(p[0]);
	return pid;
}

static void end_holder(pid_t pid)
{
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

/* A process that sends `sig` to `pid` in a moment. */
static pid_t signal_soon(pid_t pid, int sig)
{
	pid_t child = fork();

	if (child == 0) {
		struct timespec t = { 0, 100000000 };

		nanosleep(&t, NULL);
		kill(pid, sig);
		_exit(0);
	}
	return child;
}

static int try_lock(const char *project, uint64_t deadline, struct state_lock **ret,
		    struct holos_error **err)
{
	return state_lock(s, project, "down", deadline, NULL, ret, err);
}

START_TEST(one_writer)
{
	struct state_lock *l = NULL, *other = NULL, *again = NULL;
	_cleanup_(freep) char *text = NULL;
	_cleanup_(freep) char *want = xasprintf("pid=%ld verb=down started_at=", (long)getpid());

	ck_assert_int_eq(try_lock("demo", 0, &l, NULL), 0);
	text = read_text("state/locks/demo.lock");
	ck_assert_int_eq(strncmp(text, want, strlen(want)), 0);
	/* Not even for ourselves; but another project is another lock. */
	ck_assert_int_eq(try_lock("demo", 0, &again, NULL), -ERR_BUSY);
	ck_assert_ptr_null(again);
	ck_assert_int_eq(try_lock("shop", 0, &other, NULL), 0);
	state_unlock(l);
	state_unlock(other);
	state_unlock(NULL);
	free(text);
	text = read_text("state/locks/demo.lock");
	ck_assert_str_eq(text, ""); /* nobody holds it, so it names nobody */
	ck_assert_int_eq(try_lock("demo", 0, &l, NULL), 0);
	state_unlock(l);
}
END_TEST

START_TEST(busy_names_the_holder)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	_cleanup_(freep) char *want = NULL;
	struct state_lock *l = NULL;
	pid_t holder = make_holder("demo", "up");
	uint64_t began = clock_now_ns();

	ck_assert_int_eq(try_lock("demo", 0, &l, &err), -ERR_BUSY);
	ck_assert_uint_lt(clock_now_ns() - began, NS_PER_S);
	want = xasprintf("project \"demo\" is busy (pid=%ld verb=up started_at=20", (long)holder);
	ck_assert_int_eq(strncmp(err->message, want, strlen(want)), 0);
	ck_assert_ptr_null(strchr(err->message, '\n'));
	ck_assert_ptr_null(strstr(err->message, "gave up"));
	assert_has(err->hint, "--lock-timeout");
	ck_assert_ptr_null(l);
	end_holder(holder);
}
END_TEST

START_TEST(deadline_is_honoured)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct state_lock *l = NULL;
	pid_t holder = make_holder("demo", "up");
	uint64_t began = clock_now_ns();
	struct itimerval timer;
	struct sigaction before, sa;

	ck_assert_int_eq(sigaction(SIGALRM, NULL, &before), 0);
	ck_assert_int_eq(try_lock("demo", began + 300 * NS_PER_MS, &l, &err), -ERR_BUSY);
	ck_assert_uint_ge(clock_now_ns() - began, 300 * NS_PER_MS);
	ck_assert_uint_lt(clock_now_ns() - began, 10 * NS_PER_S);
	assert_has(err->message, "gave up waiting");
	/* The timer is off and the signal as it was. */
	ck_assert_int_eq(getitimer(ITIMER_REAL, &timer), 0);
	ck_assert(timer.it_value.tv_sec == 0 && timer.it_value.tv_usec == 0);
	ck_assert_int_eq(sigaction(SIGALRM, NULL, &sa), 0);
	ck_assert(sa.sa_handler == before.sa_handler);
	/* A deadline in the past does not wait. */
	ck_assert_int_eq(try_lock("demo", 1, &l, NULL), -ERR_BUSY);
	end_holder(holder);
}
END_TEST

/* kill -9 of the holder frees it, and who waits is woken. */
START_TEST(goes_with_its_holder)
{
	struct state_lock *l = NULL;
	pid_t holder = make_holder("demo", "up"), killer;
	uint64_t began = clock_now_ns();

	killer = signal_soon(holder, SIGKILL);
	ck_assert_int_eq(try_lock("demo", began + 25 * NS_PER_S, &l, NULL), 0);
	ck_assert_uint_lt(clock_now_ns() - began, 10 * NS_PER_S);
	state_unlock(l);
	ck_assert_int_eq(waitpid(holder, NULL, 0), holder);
	waitpid(killer, NULL, 0);
}
END_TEST

/* A child that a command leaves behind does not keep its lock. */
START_TEST(is_closed_on_exec)
{
	struct state_lock *l = NULL, *next = NULL;
	pid_t pid, killer;
	int status;

	ck_assert_int_eq(try_lock("demo", 0, &l, NULL), 0);
	pid = fork();
	if (pid == 0) {
		execl("/bin/sleep", "sleep", "30", (char *)NULL);
		_exit(127);
	}
	/* Until the exec it shares the lock: wait, as any other would. */
	state_unlock(l);
	ck_assert_int_eq(try_lock("demo", clock_now_ns() + 20 * NS_PER_S, &next, NULL), 0);
	ck_assert_int_eq(waitpid(pid, &status, WNOHANG), 0); /* it is still there */
	state_unlock(next);
	killer = signal_soon(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	waitpid(killer, NULL, 0);
}
END_TEST

static volatile sig_atomic_t got_signal;
static unsigned questions;
static bool answer;

static void on_signal(int sig)
{
	(void)sig;
	got_signal = 1;
}

static bool interrupted(void)
{
	questions++;
	return answer && got_signal != 0;
}

START_TEST(waiting_is_interrupted)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct sigaction sa = { .sa_handler = on_signal };
	struct state_lock *l = NULL;
	pid_t holder = make_holder("demo", "up"), sender;
	uint64_t began = clock_now_ns();

	sigaction(SIGUSR1, &sa, NULL);
	answer = _i == 0;
	sender = signal_soon(getpid(), SIGUSR1);
	if (answer) { /* the callback says so */
		ck_assert_int_eq(
			state_lock(s, "demo", "down", began + 25 * NS_PER_S, interrupted, &l, &err),
			-ERR_INTERRUPTED);
		ck_assert_uint_lt(clock_now_ns() - began, 10 * NS_PER_S);
		ck_assert_uint_ge(questions, 1);
	} else { /* it says no, or there is none: the signal changes nothing */
		ck_assert_int_eq(state_lock(s, "demo", "down", began + 600 * NS_PER_MS,
					    _i == 1 ? interrupted : NULL, &l, &err),
				 -ERR_BUSY);
		ck_assert_uint_ge(clock_now_ns() - began, 600 * NS_PER_MS);
	}
	ck_assert_int_eq(got_signal, 1);
	ck_assert_ptr_null(l);
	waitpid(sender, NULL, 0);
	end_holder(holder);
}
END_TEST

static bool first_signal(void)
{
	if (questions++ == 0)
		raise(SIGUSR1); /* between the question and the call that blocks */
	return questions > 1;
}

static void on_signal_wake(int sig)
{
	(void)sig;
	interrupt_wake();
}

/* A signal that comes just before the blocking call is not lost. */
START_TEST(signal_before_the_wait)
{
	struct sigaction sa = { .sa_handler = on_signal_wake };
	struct state_lock *l = NULL;
	pid_t holder = make_holder("demo", "up");
	uint64_t began = clock_now_ns();

	sigaction(SIGUSR1, &sa, NULL);
	ck_assert_int_eq(
		state_lock(s, "demo", "down", began + 60 * NS_PER_S, first_signal, &l, NULL),
		-ERR_INTERRUPTED);
	ck_assert_uint_eq(questions, 2);
	ck_assert_uint_lt(clock_now_ns() - began, 30 * NS_PER_S);
	interrupt_wake(); /* out of a wait it does nothing */
	end_holder(holder);
}
END_TEST

START_TEST(free_lock_asks_nobody)
{
	struct state_lock *l = NULL;

	got_signal = 1;
	answer = true;
	ck_assert_int_eq(
		state_lock(s, "demo", "up", clock_now_ns() + NS_PER_S, interrupted, &l, NULL), 0);
	ck_assert_uint_eq(questions, 0);
	state_unlock(l);
}
END_TEST

/* The text is advisory: whatever stands there, the lock works and one line comes out. */
static const struct {
	const char *text, *shown;
} owners[] = {
	{ "", "(holder unknown)" },
	{ "pid=1 verb=x started_at=y\n", "(holder unknown)" },
	{ "no pid", "(holder unknown)" },
	/* One that was killed, or whose number is another's now, is not the holder. */
	{ "pid=1 verb=x started_at=y pid_start=7\n", "(holder unknown)" },
	{ "pid=2147483647 verb=x started_at=y pid_start=7\n", "(holder unknown)" },
	{ "pid=-1 verb=x pid_start=7\n", "(holder unknown)" },
	{ "pid=1 verb=x pid_start=\n", "(holder unknown)" },
	{ NULL, "(holder unknown)" }, /* more than anybody writes */
};

START_TEST(owner_text)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct state_lock *l = NULL;
	pid_t holder = make_holder("demo", "up");
	char big[1000];

	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	{
		const char *text = owners[_i].text != NULL ? owners[_i].text : big;
		_cleanup_(closep) int fd =
			open(in_dir("state/locks/demo.lock"), O_WRONLY | O_TRUNC);

		ck_assert_int_eq(fs_write_all(fd, text, strlen(text)), 0);
	}
	ck_assert_int_eq(try_lock("demo", 0, &l, &err), -ERR_BUSY);
	assert_has(err->message, owners[_i].shown);
	ck_assert_ptr_null(strchr(err->message, '\n'));
	end_holder(holder);
	ck_assert_int_eq(try_lock("demo", 0, &l, NULL), 0);
	state_unlock(l);
}
END_TEST

START_TEST(lock_file_is_ours)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	_cleanup_(freep) char *text = NULL;
	struct state_lock *l = NULL;

	write_text("precious", "text");
	ck_assert_int_eq(symlink(in_dir("precious"), in_dir("state/locks/demo.lock")), 0);
	ck_assert_int_lt(try_lock("demo", 0, &l, &err), 0);
	ck_assert_int_eq(err->code, ERR_FAILED);
	ck_assert_int_eq(err->sys_errno, ELOOP);
	text = read_text("precious");
	ck_assert_str_eq(text, "text");
	ck_assert_int_eq(rename(in_dir("state/locks"), in_dir("state/away")), 0);
	ck_assert_int_lt(try_lock("shop", 0, &l, &err), 0);
	ck_assert_int_eq(err->sys_errno, ENOENT);
	assert_has(err->message, "locks/shop.lock");
}
END_TEST

START_TEST(other_files)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct state_lock *l = NULL, *again = NULL;

	ck_assert_int_eq(
		state_lock_file(s, "images/.lock", "image store", "pull", 0, NULL, &l, NULL), 0);
	ck_assert_int_eq(
		state_lock_file(s, "images/.lock", "image store", "pull", 0, NULL, &again, &err),
		-ERR_BUSY);
	assert_has(err->message, "image store is busy (pid=");
	state_unlock(l);
}
END_TEST

static void add_tests(TCase *c)
{
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, one_writer);
	tcase_add_test(c, busy_names_the_holder);
	tcase_add_test(c, deadline_is_honoured);
	tcase_add_test(c, goes_with_its_holder);
	tcase_add_test(c, is_closed_on_exec);
	tcase_add_loop_test(c, waiting_is_interrupted, 0, 3);
	tcase_add_test(c, signal_before_the_wait);
	tcase_add_test(c, free_lock_asks_nobody);
	tcase_add_loop_test(c, owner_text, 0, N(owners));
	tcase_add_test(c, lock_file_is_ours);
	tcase_add_test(c, other_files);
}

int main(void)
{
	return run_suite("state-lock", add_tests);
}
