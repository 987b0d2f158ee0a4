/* SPDX-License-Identifier: Apache-2.0
 *
 * conn_run, the engine of `holos exec`: status, streams, terminals, signals.
 * HOLOS_TEST_BULK_MIB sets how much goes through in the bulk tests (8).
 */
#include "server.h"

#include <base/alloc.h>
#include <base/clock.h>
#include <base/fs.h>

#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

static struct server server;
static struct ssh_conn *conn;
static char out[4096], errout[4096], message[512];

static void setup_kind(enum server_kind kind)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;

	server_start(&server, kind);
	if (module()->conn_open(&server.guest, -1, in_ms(20000), -1, &conn, &err) != HOLOS_OK)
		ck_abort_msg("%s", err->message);
}

static void setup(void)
{
	setup_kind(SERVER_DROPBEAR);
}

static void teardown(void)
{
	module()->conn_close(conn);
	server_stop(&server);
}

static int memory(const char *text)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fs_write_all(fd, text, strlen(text)), 0);
	ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void memory_text(int fd, char *buf, size_t size)
{
	ssize_t n = pread(fd, buf, size - 1, 0);

	ck_assert_int_ge(n, 0);
	buf[n] = '\0';
}

/* Run with the streams set in r; returns the status. */
static holos_status run_raw(const struct ssh_run *r, struct ssh_run_result *ret)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	holos_status st = module()->conn_run(conn, r, ret, &err);

	ck_assert_int_eq(st == HOLOS_OK, err == NULL);
	snprintf(message, sizeof(message), "%s", err != NULL ? err->message : "");
	return st;
}

/* Run with input as stdin (NULL: r->in_fd, or none where that is 0) and the
 * output into out and errout. */
static int run_text(struct ssh_run *r, const char *input)
{
	struct ssh_run_result res = { 0 };

	if (input != NULL)
		r->in_fd = memory(input);
	else if (r->in_fd == 0)
		r->in_fd = -1;
	r->out_fd = memory("");
	r->err_fd = memory("");
	if (r->event == NULL)
		r->event_fd = -1;
	if (run_raw(r, &res) != HOLOS_OK)
		ck_abort_msg("%s", message);
	memory_text(r->out_fd, out, sizeof(out));
	memory_text(r->err_fd, errout, sizeof(errout));
	if (r->in_fd >= 0)
		close(r->in_fd);
	close(r->out_fd);
	close(r->err_fd);
	return res.status;
}

static const struct {
	const char *argv[8];
	const char *env[3];
	const char *workdir;
	const char *input;
	int status;
	const char *out, *errout;
} runs[] = {
	{ { "true" }, { 0 }, NULL, NULL, 0, "", "" },
	{ { "sh", "-c", "exit 7" }, { 0 }, NULL, NULL, 7, "", "" },
	{ { "sh", "-c", "echo a; echo b >&2" }, { 0 }, NULL, NULL, 0, "a\n", "b\n" },
	{ { "sh", "-c", "kill -TERM $$" }, { 0 }, NULL, NULL, 128 + SIGTERM, "", "" },
	{ { "sh", "-c", "kill -KILL $$" }, { 0 }, NULL, NULL, 128 + SIGKILL, "", "" },
	/* boundaries */
	{ { "printf", "<%s>", "a b", "", "'", "$HOME", "*" },
	  { 0 },
	  NULL,
	  NULL,
	  0,
	  "<a b><><'><$HOME><*>",
	  "" },
	/* half-closed input: the command sees the end and still answers */
	{ { "sh", "-c", "cat; echo end" }, { 0 }, NULL, "text\n", 0, "text\nend\n", "" },
	{ { "cat" }, { 0 }, NULL, NULL, 0, "", "" },
	/* input that nobody takes */
	{ { "sh", "-c", "exec <&-; echo x" }, { 0 }, NULL, "text\n", 0, "x\n", "" },
	{ { "sh", "-c", "echo $A-$B; pwd" },
	  { "A=1 2", "B='" },
	  "/usr/bin",
	  NULL,
	  0,
	  "1 2-'\n/usr/bin\n",
	  "" },
	{ { "pwd" }, { 0 }, "/usr", NULL, 0, "/usr\n", "" },
	/* login shells */
	{ { NULL }, { 0 }, NULL, "echo hi\nexit 3\n", 3, "hi\n", "" },
	{ { NULL }, { "A=b" }, "/usr", "echo $A; pwd\n", 0, "b\n/usr\n", "" },
};

START_TEST(test_table)
{
	struct ssh_run r = { .argv = runs[_i].argv[0] != NULL ? runs[_i].argv : NULL,
			     .env = runs[_i].env,
			     .workdir = runs[_i].workdir };

	ck_assert_int_eq(run_text(&r, runs[_i].input), runs[_i].status);
	ck_assert_str_eq(out, runs[_i].out);
	ck_assert_str_eq(errout, runs[_i].errout);
}
END_TEST

static const struct {
	const char *argv[4];
	const char *workdir;
	int status;
} failures[] = {
	{ { "no-such-program-here" }, NULL, 127 },
	{ { "/etc/passwd" }, NULL, 126 },
	{ { "true" }, "/nonexistent", 1 }, /* 2 in dash */
};

START_TEST(test_cannot_start)
{
	struct ssh_run r = { .argv = failures[_i].argv, .workdir = failures[_i].workdir };
	int status = run_text(&r, NULL);

	ck_assert(status == failures[_i].status || (status == 2 && failures[_i].status == 1));
	ck_assert_str_ne(errout, "");
}
END_TEST

START_TEST(test_runs_follow_each_other)
{
	const char *const argv[] = { "sh", "-c", "echo x; exit 5", NULL };
	int i;

	for (i = 0; i < 12; i++) {
		struct ssh_run r = { .argv = argv };

		ck_assert_int_eq(run_text(&r, i % 2 == 0 ? "in" : NULL), 5);
		ck_assert_str_eq(out, "x\n");
	}
	ck_assert_uint_eq(server_connections(&server), 1);
}
END_TEST

/* ---- bulk ---- */

static size_t bulk_bytes(void)
{
	const char *mib = getenv("HOLOS_TEST_BULK_MIB");

	return (mib != NULL ? strtoul(mib, NULL, 10) : 8) << 20;
}

/* Every byte value, in no short period. */
static void pattern(char *buf, size_t n, uint64_t *seed)
{
	size_t i;

	for (i = 0; i < n; i++) {
		*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
		buf[i] = (char)(*seed >> 56);
	}
}

/* A child that writes the pattern into a new pipe or socket; returns our end. */
static int producer(size_t total, bool sock, unsigned slow_ms)
{
	char buf[65536];
	uint64_t seed = 42;
	int p[2];

	ck_assert_int_eq(sock ? socketpair(AF_UNIX, SOCK_STREAM, 0, p) : pipe(p), 0);
	if (fork() != 0) {
		close(p[1]);
		return p[0];
	}
	close(p[0]);
	while (total > 0) {
		size_t n = total < sizeof(buf) ? total : sizeof(buf);

		pattern(buf, n, &seed);
		if (fs_write_all(p[1], buf, n) != 0)
			_exit(1);
		total -= n;
		if (slow_ms > 0)
			(void)poll(NULL, 0, (int)slow_ms);
	}
	_exit(0);
}

/* A child that holds what it reads to be the pattern of this length and exits
 * with 0 if so; it starts late and reads slowly when slow_ms is set. */
static int consumer(size_t total, bool sock, unsigned slow_ms, pid_t *ret_pid)
{
	char buf[65536], expect[65536];
	uint64_t seed = 42;
	int p[2];
	ssize_t n;

	ck_assert_int_eq(sock ? socketpair(AF_UNIX, SOCK_STREAM, 0, p) : pipe(p), 0);
	*ret_pid = fork();
	if (*ret_pid != 0) {
		close(p[0]);
		return p[1];
	}
	close(p[1]);
	if (slow_ms > 0)
		(void)poll(NULL, 0, 500);
	while ((n = read(p[0], buf, sizeof(buf))) > 0) {
		pattern(expect, (size_t)n, &seed);
		if ((size_t)n > total || memcmp(buf, expect, (size_t)n) != 0)
			_exit(1);
		total -= (size_t)n;
		if (slow_ms > 0)
			(void)poll(NULL, 0, (int)slow_ms);
	}
	_exit(total == 0 ? 0 : 2);
}

static void check_child(pid_t pid)
{
	int status = -1;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}

static const struct {
	const char *script;
	bool sock;
	unsigned slow_in_ms, slow_out_ms, slow_err_ms;
	bool err; /* the same bytes come on stderr */
} bulks[] = {
	{ "exec cat", false, 0, 0, 0, false },
	{ "exec cat", true, 0, 0, 0, false },
	{ "exec cat", false, 2, 0, 0, false },
	{ "exec cat", false, 0, 2, 0, false },
	{ "exec tee /dev/fd/2", false, 0, 0, 0, true },
	{ "exec tee /dev/fd/2", true, 0, 0, 0, true },
	{ "exec tee /dev/fd/2", false, 0, 2, 0, true },
	{ "exec tee /dev/fd/2", false, 0, 0, 2, true },
};

static void check_bulk(int i)
{
	const char *const argv[] = { "sh", "-c", bulks[i].script, NULL };
	struct ssh_run r = { .argv = argv, .err_fd = -1, .event_fd = -1 };
	struct ssh_run_result res = { 0 };
	size_t total = bulk_bytes();
	pid_t pids[2];

	r.out_fd = consumer(total, bulks[i].sock, bulks[i].slow_out_ms, &pids[0]);
	if (bulks[i].err)
		r.err_fd = consumer(total, bulks[i].sock, bulks[i].slow_err_ms, &pids[1]);
	r.in_fd = producer(total, bulks[i].sock, bulks[i].slow_in_ms);
	if (run_raw(&r, &res) != HOLOS_OK)
		ck_abort_msg("%s", message);
	ck_assert_int_eq(res.status, 0);
	close(r.in_fd);
	/* Both first: the later child holds the earlier one's pipe as well. */
	close(r.out_fd);
	if (bulks[i].err)
		close(r.err_fd);
	check_child(pids[0]);
	if (bulks[i].err)
		check_child(pids[1]);
}

START_TEST(test_bulk)
{
	check_bulk(_i);
}
END_TEST

START_TEST(test_bulk_openssh)
{
	if (server_missing(SERVER_OPENSSH)[0] != '\0')
		return;
	setup_kind(SERVER_OPENSSH);
	check_bulk(_i);
	teardown();
}
END_TEST

/* The caller's descriptors must come back as they were. */
START_TEST(test_flags_stay)
{
	const char *const argv[] = { "echo", "x", NULL };
	struct ssh_run r = { .argv = argv, .in_fd = -1, .event_fd = -1 };
	struct ssh_run_result res;
	int p[2], q[2];

	ck_assert_int_eq(pipe(p), 0);
	ck_assert_int_eq(pipe(q), 0);
	r.in_fd = p[0];
	r.out_fd = q[1];
	r.err_fd = q[1];
	close(p[1]);
	ck_assert_int_eq(run_raw(&r, &res), HOLOS_OK);
	ck_assert_int_eq(fcntl(p[0], F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_eq(fcntl(q[1], F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_eq(read(q[0], out, sizeof(out)), 2);
}
END_TEST

/* `holos exec x yes | head -1`: the reader's end is the command's end. */
START_TEST(test_reader_leaves)
{
	const char *const argv[] = { "yes", NULL };
	struct ssh_run r = { .argv = argv, .in_fd = -1, .err_fd = -1, .event_fd = -1 };
	struct ssh_run_result res;
	sigset_t pending;
	int p[2];

	ck_assert_int_eq(_i == 0 ? pipe(p) : socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
	if (fork() == 0) {
		close(p[1]);
		_exit(read(p[0], out, sizeof(out)) > 0 ? 0 : 1);
	}
	close(p[0]);
	r.out_fd = p[1];
	ck_assert_int_eq(run_raw(&r, &res), HOLOS_OK);
	ck_assert_int_eq(res.status, 128 + SIGPIPE);
	ck_assert_int_eq(res.signo, SIGPIPE);
	ck_assert_int_eq(sigpending(&pending), 0);
	ck_assert_int_eq(sigismember(&pending, SIGPIPE), 0);
}
END_TEST

START_TEST(test_disk_full)
{
	const char *const argv[] = { "echo", "x", NULL };
	struct ssh_run r = { .argv = argv, .in_fd = -1, .err_fd = -1, .event_fd = -1 };
	struct ssh_run_result res;

	r.out_fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	ck_assert_int_eq(run_raw(&r, &res), HOLOS_E_IO);
	ck_assert_ptr_nonnull(strstr(message, "No space left"));
}
END_TEST

/* ---- events and terminals ---- */

struct events {
	struct ssh_run_event event;
	int fd; /* a timer: again and again, as a server may miss the first one */
	bool taken;
	bool kill_server;
};

static bool take_event(void *data, struct ssh_run_event *ret)
{
	struct events *e = data;
	uint64_t n;

	if (e->taken || e->kill_server) {
		if (read(e->fd, &n, sizeof(n)) == sizeof(n) && e->kill_server)
			server_kill(&server);
		e->taken = false;
		return false;
	}
	*ret = e->event;
	e->taken = true;
	return true;
}

static void events_start(struct events *e, struct ssh_run *r)
{
	const struct itimerspec each = { { 0, 100000000 }, { 0, 1 } };

	e->fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	ck_assert_int_eq(timerfd_settime(e->fd, 0, &each, NULL), 0);
	r->event_fd = e->fd;
	r->event = take_event;
	r->event_data = e;
}

static void check_signal(int signo)
{
	const char *const argv[] = { "sleep", "20", NULL };
	struct events e = { .event = { .kind = SSH_RUN_SIGNAL, .signo = signo } };
	struct ssh_run r = { .argv = argv };
	uint64_t start = clock_now_ns();

	events_start(&e, &r);
	ck_assert_int_eq(run_text(&r, NULL), 128 + signo);
	ck_assert_uint_lt(clock_now_ns() - start, 10 * NS_PER_S);
}

/* OpenSSH passes signals on only where it has dropped privileges, which needs
 * root to start with and another user to log in: not in this ring. */
static const int signals[] = { SIGHUP, SIGINT, SIGTERM, SIGUSR1 };

START_TEST(test_signal)
{
	check_signal(signals[_i]);
}
END_TEST

START_TEST(test_abort)
{
	const char *const argv[] = { "sleep", "20", NULL };
	struct events e = { .event = { .kind = SSH_RUN_ABORT } };
	struct ssh_run r = { .argv = argv, .in_fd = -1, .out_fd = -1, .err_fd = -1 };
	struct ssh_run_result res;

	events_start(&e, &r);
	ck_assert_int_eq(run_raw(&r, &res), HOLOS_E_CANCELLED);
}
END_TEST

START_TEST(test_server_dies)
{
	const char *const argv[] = { "sleep", "5", NULL };
	struct events e = { .kill_server = true };
	struct ssh_run r = { .argv = argv, .in_fd = -1, .out_fd = -1, .err_fd = -1 };
	struct ssh_run_result res;

	events_start(&e, &r);
	ck_assert_int_eq(run_raw(&r, &res), HOLOS_E_UNREACHED);
	ck_assert_ptr_nonnull(strstr(message, "web-0 (127.0.0.1:"));
	server_revive(&server);
}
END_TEST

static void check_terminal(void)
{
	/* Ends only when the new size has arrived. */
	const char *const argv[] = {
		"sh", "-c",
		"test -t 0 && test -t 1 && test -t 2 && echo tty; echo $TERM; stty size >&2;"
		"while [ \"$(stty size)\" != '50 132' ]; do sleep 0.05; done; echo resized",
		NULL
	};
	struct events e = { .event = { .kind = SSH_RUN_RESIZE, .cols = 132, .rows = 50 } };
	struct ssh_run r = { .argv = argv, .term = "xterm-256color", .cols = 80, .rows = 24 };
	int p[2];

	/* Input that stays open: OpenSSH resizes no terminal after its end. */
	ck_assert_int_eq(pipe(p), 0);
	r.in_fd = p[0];
	events_start(&e, &r);
	ck_assert_int_eq(run_text(&r, NULL), 0);
	ck_assert_ptr_nonnull(strstr(out, "tty\r\nxterm-256color\r\n"));
	ck_assert_ptr_nonnull(strstr(out, "resized\r\n"));
	ck_assert_str_eq(errout, ""); /* a terminal has one stream */
}

START_TEST(test_terminal)
{
	check_terminal();
}
END_TEST

START_TEST(test_terminal_openssh)
{
	if (server_missing(SERVER_OPENSSH)[0] != '\0')
		return;
	setup_kind(SERVER_OPENSSH);
	check_terminal();
	teardown();
}
END_TEST

/* Typed into a shell: its echo, an interrupt by ^C, the end by ^D. */
START_TEST(test_interactive)
{
	struct ssh_run r = { .term = "dumb", .cols = 80, .rows = 24 };

	ck_assert_int_eq(run_text(&r, "stty -echo; PS1=\necho a''b; exit 9\n"), 9);
	ck_assert_ptr_nonnull(strstr(out, "ab\r\n"));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("guest-run");
	TCase *t = tcase_create("run");
	TCase *o = tcase_create("openssh");
	SRunner *r = srunner_create(s);
	const int n_bulks = sizeof(bulks) / sizeof(bulks[0]);
	int failed;

	if (server_missing(SERVER_DROPBEAR)[0] != '\0') {
		fprintf(stderr, "skipped: %s\n", server_missing(SERVER_DROPBEAR));
		return 77;
	}
	setenv("HOLOS_MODULE_DIR", MODULE_DIR, 0);
	tcase_set_timeout(t, 100);
	tcase_set_timeout(o, 100);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, test_table, 0, sizeof(runs) / sizeof(runs[0]));
	tcase_add_loop_test(t, test_cannot_start, 0, sizeof(failures) / sizeof(failures[0]));
	tcase_add_test(t, test_runs_follow_each_other);
	tcase_add_loop_test(t, test_bulk, 0, n_bulks);
	tcase_add_test(t, test_flags_stay);
	tcase_add_loop_test(t, test_reader_leaves, 0, 2);
	tcase_add_test(t, test_disk_full);
	tcase_add_loop_test(t, test_signal, 0, sizeof(signals) / sizeof(signals[0]));
	tcase_add_test(t, test_abort);
	tcase_add_test(t, test_server_dies);
	/* A server that is not root cannot give a terminal to its user (chown). */
	if (geteuid() == 0) {
		tcase_add_test(t, test_terminal);
		tcase_add_test(t, test_interactive);
	}
	tcase_add_loop_test(o, test_bulk_openssh, 0, n_bulks);
	if (geteuid() == 0)
		tcase_add_test(o, test_terminal_openssh);
	suite_add_tcase(s, t);
	suite_add_tcase(s, o);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
