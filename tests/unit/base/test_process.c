/* SPDX-License-Identifier: Apache-2.0
 *
 * test_process.c - children: descriptors, signals, capture, deadlines, identity.
 * The program is its own child: `unit-base-process child MODE`.
 */
#include "child.h"
#include "harness.h"

#include <base/clock.h>
#include <base/interrupt.h>
#include <base/paths.h>
#include <base/process.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>

/* ---- helpers ---------------------------------------------------------------------- */

static char *const *args(const char *mode, const char *arg)
{
	return vector("child-name", "child", mode, arg);
}

static int wait_for(pid_t pid)
{
	int status = -1;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

static void no_child_is_left(void)
{
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	ck_assert_int_eq(errno, ECHILD);
}

static uint64_t in_seconds(unsigned s)
{
	return clock_now_ns() + s * NS_PER_S;
}

/* Run the child in a mode to its end; what it printed. */
static char *run_child(const char *mode, const char *arg)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct strbuf out = STRBUF_INIT;
	int status;

	ck_assert_msg(process_run(paths_self(), args(mode, arg), in_seconds(20), &out, NULL,
				  &status, &err) == 0,
		      "%s", err != NULL ? err->message : "");
	ck_assert_int_eq(status, 0);
	return strbuf_steal(&out);
}

/* ---- starting ----------------------------------------------------------------------- */

static const struct {
	const char *name, *text;
	mode_t mode;
	int sys_errno, code;
} bad_programs[] = {
	{ "none", NULL, 0, ENOENT, ERR_HOST },
	{ "plain", "text", 0600, EACCES, ERR_HOST },
	{ "format", "no program", 0700, ENOEXEC, ERR_HOST },
	{ "script", "#!/nonexistent/interpreter\n", 0700, ENOENT, ERR_HOST },
	{ "plain/x", NULL, 0, ENOENT, ERR_HOST },
};

START_TEST(failed_exec_tells_why)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct process_spec spec = { .program = in_dir(bad_programs[_i].name),
				     .argv = args("exit", "0") };
	pid_t pid = 77;

	if (bad_programs[_i].text != NULL) {
		write_text(bad_programs[_i].name, bad_programs[_i].text);
		ck_assert_int_eq(chmod(spec.program, bad_programs[_i].mode), 0);
	}
	ck_assert_int_eq(process_spawn(&spec, &pid, &err), -bad_programs[_i].code);
	ck_assert_int_eq(err->sys_errno, bad_programs[_i].sys_errno);
	assert_has(err->message, spec.program);
	ck_assert_int_eq(pid, 77);
	no_child_is_left();
}
END_TEST

START_TEST(directory_is_no_program)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct process_spec spec = { .program = test_dir, .argv = args("exit", "0") };
	pid_t pid;

	ck_assert_int_lt(process_spawn(&spec, &pid, &err), 0);
	ck_assert_int_eq(err->sys_errno, EACCES);
	no_child_is_left();
}
END_TEST

START_TEST(argv_and_status)
{
	struct process_spec spec = { .program = paths_self(), .argv = args("exit", "42") };
	pid_t pid;
	int status;

	ck_assert_int_eq(process_spawn(&spec, &pid, NULL), 0);
	status = wait_for(pid);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 42);
}
END_TEST

START_TEST(environment_is_given)
{
	char a[] = "A=1", b[] = "B=two words";
	char *env[] = { a, b, NULL };
	struct process_spec spec = { .program = paths_self(),
				     .argv = args("env", NULL),
				     .env = env };
	char buf[4096];
	size_t len = 0;
	ssize_t n;
	int p[2];
	pid_t pid;

	ck_assert_int_eq(pipe2(p, O_CLOEXEC), 0);
	spec.fds[0] = -1;
	spec.fds[1] = p[1];
	spec.fds[2] = 2;
	spec.n_fds = 3;
	ck_assert_int_eq(process_spawn(&spec, &pid, NULL), 0);
	close(p[1]);
	while ((n = read(p[0], buf + len, sizeof(buf) - 1 - len)) > 0)
		len += (size_t)n;
	buf[len] = '\0';
	close(p[0]);
	ck_assert_int_eq(wait_for(pid), 0);
	assert_has(buf, "A=1\nB=two words\n");
	ck_assert_ptr_null(strstr(buf, "PATH="));
}
END_TEST

/* ---- descriptors ----------------------------------------------------------------------- */

static char *fd_line(int number, int of)
{
	struct stat st;

	ck_assert_int_eq(fstat(of, &st), 0);
	return xasprintf("%d:%llu:%llu\n", number, (unsigned long long)st.st_dev,
			 (unsigned long long)st.st_ino);
}

/* The child says which descriptors it has; nothing else may be there but the
 * file it writes to. */
static void check_layout(struct process_spec *spec)
{
	_cleanup_(strbuf_finish) struct strbuf want = STRBUF_INIT;
	_cleanup_(freep) char *got = NULL;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	char *own;
	pid_t pid;

	for (unsigned i = 0; i < spec->n_fds || i < 3; i++) {
		int fd = i < spec->n_fds ? spec->fds[i] : -1;
		_cleanup_(freep) char *line = NULL;

		if (fd < 0 && i >= 3)
			continue;
		line = fd_line((int)i, fd < 0 ? null : fd);
		strbuf_adds(&want, line);
	}
	spec->program = paths_self();
	spec->argv = args("fds", in_dir("seen"));
	ck_assert_int_eq(process_spawn(spec, &pid, NULL), 0);
	ck_assert_int_eq(wait_for(pid), 0);
	got = read_text("seen");
	own = strstr(got, ":cloexec"); /* its line was at the first free number */
	ck_assert_ptr_nonnull(own);
	while (own > got && own[-1] != '\n')
		own--;
	memmove(own, strchr(own, '\n') + 1, strlen(strchr(own, '\n') + 1) + 1);
	ck_assert_str_eq(got, want.s);
	close(null);
}

static void put_at(const char *name, int fd)
{
	int now = open(in_dir(name), O_RDWR | O_CREAT, 0600);

	if (now == fd)
		return;
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1); /* not one of libcheck's */
	ck_assert_int_eq(dup2(now, fd), fd);
	close(now);
}

START_TEST(layout_of_nothing)
{
	struct process_spec spec = { .n_fds = 0 };

	put_at("a", 20); /* open in the parent, not listed */
	check_layout(&spec);
}
END_TEST

START_TEST(layout_with_gaps)
{
	struct process_spec spec = { .fds = { -1, 20, 20, 21, -1, 22 }, .n_fds = 6 };

	put_at("a", 20);
	put_at("b", 21);
	put_at("c", 22);
	check_layout(&spec);
}
END_TEST

/* A number from `from` on that is free, below those that the child keeps. */
static int free_number(int from)
{
	while (from < PROCESS_FDS_MAX && fcntl(from, F_GETFD) >= 0)
		from++;
	ck_assert_int_lt(from, PROCESS_FDS_MAX);
	return from;
}

/* Each one's number is another one's place. */
START_TEST(layout_swapped)
{
	struct process_spec spec = { .n_fds = PROCESS_FDS_MAX };
	int a = free_number(3), b = free_number(a + 1), c = free_number(b + 1);

	put_at("c", c); /* from the top: open(2) takes the lowest for a moment */
	put_at("b", b);
	put_at("a", a);
	for (unsigned i = 0; i < PROCESS_FDS_MAX; i++)
		spec.fds[i] = -1;
	spec.fds[a] = c;
	spec.fds[b] = a;
	spec.fds[c] = b;
	check_layout(&spec);
}
END_TEST

START_TEST(layout_full)
{
	struct process_spec spec = { .n_fds = PROCESS_FDS_MAX };
	int low = free_number(3);

	put_at("a", 20);
	put_at("b", low);
	for (unsigned i = 0; i < PROCESS_FDS_MAX - 1; i++)
		spec.fds[i] = i % 2 == 0 ? 20 : low;
	spec.fds[PROCESS_FDS_MAX - 1] = -1; /* room for the child's own file */
	check_layout(&spec);
}
END_TEST

START_TEST(layout_from_closed_streams)
{
	struct process_spec spec = { .fds = { -1, 20, -1, 21 }, .n_fds = 4 };

	put_at("a", 20);
	put_at("b", 21);
	close(0); /* the pipes of process_spawn() get these numbers now */
	close(1);
	check_layout(&spec);
}
END_TEST

START_TEST(parent_keeps_its_descriptors)
{
	struct process_spec spec = { .fds = { -1, 20 }, .n_fds = 2 };
	_cleanup_(freep) char *before = NULL;
	_cleanup_(freep) char *after = NULL;
	size_t n;
	FILE *f;

	put_at("a", 20);
	f = open_memstream(&before, &n);
	show_fds(f);
	fclose(f);
	check_layout(&spec);
	f = open_memstream(&after, &n);
	show_fds(f);
	fclose(f);
	ck_assert_str_eq(before, after);
}
END_TEST

/* ---- signals, session, limits ------------------------------------------------------------ */

static void on_signal(int sig)
{
	(void)sig;
}

START_TEST(signals_are_default_in_the_child)
{
	_cleanup_(freep) char *seen = NULL;
	sigset_t set, after;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR1, on_signal);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	seen = run_child("signals", NULL);
	ck_assert_str_eq(seen, "end\n");
	/* And ours are as they were. */
	sigprocmask(SIG_SETMASK, NULL, &after);
	ck_assert(sigismember(&after, SIGTERM) && !sigismember(&after, SIGINT));
}
END_TEST

START_TEST(session)
{
	for (int want = 0; want < 2; want++) {
		struct process_spec spec = { .program = paths_self(),
					     .argv = args("session", NULL),
					     .n_fds = 3,
					     .new_session = want != 0 };
		char c = 0;
		pid_t pid;
		int p[2];

		ck_assert_int_eq(pipe2(p, O_CLOEXEC), 0);
		spec.fds[0] = -1;
		spec.fds[1] = p[1];
		spec.fds[2] = 2;
		ck_assert_int_eq(process_spawn(&spec, &pid, NULL), 0);
		close(p[1]);
		ck_assert_int_eq(read(p[0], &c, 1), 1);
		ck_assert_int_eq(c, '0' + want);
		close(p[0]);
		wait_for(pid);
	}
}
END_TEST

START_TEST(memory_limit)
{
	struct process_spec spec = { .program = "/bin/sh",
				     .argv = vector("sh", "-c", "ulimit -d", NULL),
				     .n_fds = 3,
				     .memory_max = 64 << 20 };
	char buf[16] = "";
	pid_t pid;
	int p[2];

	ck_assert_int_eq(pipe2(p, O_CLOEXEC), 0);
	spec.fds[0] = -1;
	spec.fds[1] = p[1];
	spec.fds[2] = 2;
	ck_assert_int_eq(process_spawn(&spec, &pid, NULL), 0);
	close(p[1]);
	ck_assert_int_gt(read(p[0], buf, sizeof(buf) - 1), 0);
	ck_assert_str_eq(buf, "65536\n"); /* KiB */
	close(p[0]);
	wait_for(pid);
}
END_TEST

/* A parent that is killed takes its child along, when asked to.  The grandchild
 * holds the pipe: its end shows there. */
START_TEST(die_with_parent)
{
	struct process_spec spec = { .program = paths_self(),
				     .argv = args("parent", _i != 0 ? "1" : "0"),
				     .n_fds = 3 };
	struct pollfd p = { .events = POLLIN };
	char buf[32] = "";
	pid_t pid, grandchild;
	int fds[2], r;

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	spec.fds[0] = -1;
	spec.fds[1] = fds[1];
	spec.fds[2] = -1;
	ck_assert_int_eq(process_spawn(&spec, &pid, NULL), 0);
	close(fds[1]);
	ck_assert_int_gt(read(fds[0], buf, sizeof(buf) - 1), 0);
	grandchild = (pid_t)atol(buf);
	ck_assert_int_gt(grandchild, 1);
	kill(pid, SIGKILL);
	wait_for(pid);
	p.fd = fds[0];
	r = poll(&p, 1, _i != 0 ? 20000 : 200);
	kill(grandchild, SIGKILL);
	ck_assert_int_eq(r, _i != 0 ? 1 : 0);
	close(fds[0]);
}
END_TEST

/* ---- running to the end -------------------------------------------------------------------- */

START_TEST(run_captures_both_streams)
{
	_cleanup_(strbuf_finish) struct strbuf out = STRBUF_INIT;
	_cleanup_(strbuf_finish) struct strbuf errout = STRBUF_INIT;
	int status = -1;

	ck_assert_int_eq(process_run(paths_self(), args("print", "200"), in_seconds(20), &out,
				     &errout, &status, NULL),
			 0);
	ck_assert_int_eq(status, 0);
	ck_assert_uint_eq(out.len, 200 * 1024);
	ck_assert_uint_eq(errout.len, 200 * 1024);
	for (size_t i = 0; i < out.len; i += 16) {
		ck_assert_mem_eq(out.s + i, "out4567890abcdef", 16);
		ck_assert_mem_eq(errout.s + i, "err4567890abcdef", 16);
	}
}
END_TEST

START_TEST(run_bounds_what_it_keeps)
{
	_cleanup_(strbuf_finish) struct strbuf out = STRBUF_INIT;
	int status = -1;

	/* The child writes on and must not be blocked by what is dropped. */
	ck_assert_int_eq(process_run(paths_self(), args("print", "3000"), in_seconds(20), &out,
				     NULL, &status, NULL),
			 0);
	ck_assert_int_eq(status, 0);
	ck_assert_uint_eq(out.len, 1 << 20);
}
END_TEST

static const struct {
	const char *mode, *arg, *text;
	int status;
} ends[] = {
	{ "exit", "0", "exited with status 0", 0 },
	{ "exit", "3", "exited with status 3", 3 << 8 },
	{ "exit", "255", "exited with status 255", 255 << 8 },
	{ "kill", "9", "was killed by signal 9 (Killed)", 9 },
	{ "kill", "15", "was killed by signal 15 (Terminated)", 15 },
};

START_TEST(run_tells_how_it_ended)
{
	int status = -1;
	char buf[64];

	ck_assert_int_eq(process_run(paths_self(), args(ends[_i].mode, ends[_i].arg),
				     in_seconds(20), NULL, NULL, &status, NULL),
			 0);
	ck_assert_int_eq(status, ends[_i].status);
	ck_assert_str_eq(process_describe_status(status, buf), ends[_i].text);
}
END_TEST

START_TEST(run_reads_nothing_of_ours)
{
	_cleanup_(freep) char *seen = run_child("stdin", NULL);

	ck_assert_str_eq(seen, "1\n");
}
END_TEST

static const char *const endless[] = { "pause", "deaf" };

START_TEST(run_kills_at_the_deadline)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	uint64_t began = clock_now_ns();
	int status;

	ck_assert_int_eq(process_run(paths_self(), args(endless[_i], NULL), began + 200 * NS_PER_MS,
				     NULL, NULL, &status, &err),
			 -ERR_TIMEOUT);
	ck_assert_uint_ge(clock_now_ns() - began, 200 * NS_PER_MS);
	ck_assert_uint_lt(clock_now_ns() - began, 15 * NS_PER_S);
	assert_has(err->message, "did not end in time");
	no_child_is_left();
}
END_TEST

/* Who starts a process that keeps the streams open has ended all the same. */
START_TEST(run_does_not_wait_for_others)
{
	_cleanup_(strbuf_finish) struct strbuf out = STRBUF_INIT;
	uint64_t began = clock_now_ns();
	int status = -1;

	ck_assert_int_eq(process_run("/bin/sh",
				     vector("sh", "-c", "echo hi; sleep 5 & exit 4", NULL),
				     in_seconds(20), &out, NULL, &status, NULL),
			 0);
	ck_assert_int_eq(status, 4 << 8);
	ck_assert_str_eq(out.s, "hi\n");
	ck_assert_uint_lt(clock_now_ns() - began, 4 * NS_PER_S);
}
END_TEST

static volatile sig_atomic_t asked;

static void on_alarm(int sig)
{
	(void)sig;
	asked = 1;
}

static bool was_asked(void)
{
	return asked != 0;
}

/* Ctrl-C: the child is ended, and the deadline is far. */
START_TEST(run_is_interrupted)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct sigaction sa = { .sa_handler = on_alarm };
	struct itimerval timer = { { 0, 100000 }, { 0, 100000 } };
	uint64_t began = clock_now_ns();
	int status;

	interrupt_set_hook(was_asked);
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
	ck_assert_int_eq(process_run(paths_self(), args(endless[_i], NULL), in_seconds(25), NULL,
				     NULL, &status, &err),
			 -ERR_INTERRUPTED);
	ck_assert_uint_lt(clock_now_ns() - began, 15 * NS_PER_S);
	no_child_is_left();
}
END_TEST

START_TEST(run_of_nothing)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	int status = 77;

	ck_assert_int_eq(process_run(in_dir("none"), args("exit", "0"), in_seconds(20), NULL, NULL,
				     &status, &err),
			 -ERR_HOST);
	ck_assert_int_eq(err->sys_errno, ENOENT);
	ck_assert_int_eq(status, 77);
}
END_TEST

/* ---- identity ----------------------------------------------------------------------------------
 */

/* Field 22 of proc(5), counted from the end of the name. */
static unsigned long long start_by_hand(pid_t pid)
{
	_cleanup_(strbuf_finish) struct strbuf b = STRBUF_INIT;
	_cleanup_(freep) char *path = xasprintf("/proc/%ld/stat", (long)pid);
	unsigned long long start = 0;

	ck_assert_int_eq(fs_read(AT_FDCWD, path, 4096, &b, NULL), 0);
	ck_assert_int_eq(
		sscanf(strrchr(b.s, ')') + 2,
		       "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d"
		       " %*d %*d %llu",
		       &start),
		1);
	return start;
}

START_TEST(start_time_is_that_of_the_kernel)
{
	uint64_t before = process_start_time(getpid());
	_cleanup_(freep) char *memory = NULL;

	ck_assert_uint_ne(before, 0);
	ck_assert_uint_eq(before, start_by_hand(getpid()));
	memory = xmalloc(50 << 20); /* it is no measure of the process's size */
	memset(memory, 1, 50 << 20);
	ck_assert_uint_eq(process_start_time(getpid()), before);
	/* A name that looks like the fields behind it. */
	prctl(PR_SET_NAME, "a) Z 1 (b) R 9");
	ck_assert_uint_eq(process_start_time(getpid()), before);
	ck_assert_uint_ge(process_start_time(getpid()), process_start_time(getppid()));
}
END_TEST

START_TEST(age_counts_from_the_start)
{
	uint64_t parent = process_age_ns(process_start_time(getppid()));
	uint64_t mine = process_age_ns(process_start_time(getpid()));

	ck_assert_uint_ge(parent, mine);
	ck_assert_uint_lt(mine, 3600 * NS_PER_S); /* of this very test */
	ck_assert_uint_ge(process_age_ns(process_start_time(getpid())), mine);
	ck_assert_uint_eq(process_age_ns(UINT64_MAX / 2), 0); /* not there yet */
	ck_assert_uint_gt(process_age_ns(1), mine);
}
END_TEST

START_TEST(start_time_of_the_dead)
{
	struct process_spec spec = { .program = paths_self(), .argv = args("pause", NULL) };
	siginfo_t info;
	pid_t pid;

	ck_assert_int_eq(process_spawn(&spec, &pid, NULL), 0);
	ck_assert_uint_eq(process_start_time(pid), start_by_hand(pid));
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	ck_assert_uint_eq(process_start_time(pid), 0); /* a zombie */
	wait_for(pid);
	ck_assert_uint_eq(process_start_time(pid), 0); /* nobody */
	ck_assert_uint_eq(process_start_time(0), 0);
	ck_assert_uint_eq(process_start_time(-1), 0);
}
END_TEST

static void add_tests(TCase *c)
{
	tcase_add_checked_fixture(c, make_test_dir, remove_test_dir);
	tcase_add_loop_test(c, failed_exec_tells_why, 0, N(bad_programs));
	tcase_add_test(c, directory_is_no_program);
	tcase_add_test(c, argv_and_status);
	tcase_add_test(c, environment_is_given);
	tcase_add_test(c, layout_of_nothing);
	tcase_add_test(c, layout_with_gaps);
	tcase_add_test(c, layout_swapped);
	tcase_add_test(c, layout_full);
	tcase_add_test(c, layout_from_closed_streams);
	tcase_add_test(c, parent_keeps_its_descriptors);
	tcase_add_test(c, signals_are_default_in_the_child);
	tcase_add_test(c, session);
	tcase_add_test(c, memory_limit);
	tcase_add_loop_test(c, die_with_parent, 0, 2);
	tcase_add_test(c, run_captures_both_streams);
	tcase_add_test(c, run_bounds_what_it_keeps);
	tcase_add_loop_test(c, run_tells_how_it_ended, 0, N(ends));
	tcase_add_test(c, run_reads_nothing_of_ours);
	tcase_add_loop_test(c, run_kills_at_the_deadline, 0, N(endless));
	tcase_add_test(c, run_does_not_wait_for_others);
	tcase_add_loop_test(c, run_is_interrupted, 0, N(endless));
	tcase_add_test(c, run_of_nothing);
	tcase_add_test(c, start_time_is_that_of_the_kernel);
	tcase_add_test(c, age_counts_from_the_start);
	tcase_add_test(c, start_time_of_the_dead);
}

int main(int argc, char **argv)
{
	if (argc > 2 && strcmp(argv[1], "child") == 0)
		return child_main(argc, argv);
	return run_suite("base-process", add_tests);
}
