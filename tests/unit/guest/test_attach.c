/* SPDX-License-Identifier: Apache-2.0
 *
 * guest_attach, as `holos exec` uses it: on a terminal and on pipes, typed at
 * and signalled from outside.
 */
#include "server.h"

#include <base/clock.h>
#include <guest/attach.h>

#include <check.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>

#define EXIT_CANCELLED        201
#define EXIT_TERMINAL_CHANGED 202
#define EXIT_OTHER            203

static struct server server;
static pid_t child;
static int child_fd; /* the terminal's master or a socket: its 0, 1 and 2 */

static _Noreturn void child_main(const char *script, bool tty)
{
	const char *const argv[] = { "sh", "-c", script, NULL };
	const struct guest_attach a = { .argv = script != NULL ? argv : NULL, .tty = tty };
	struct ssh_run_result res = { 0 };
	struct ssh_conn *conn = NULL;
	struct termios before, after;
	holos_status st;
	bool terminal = tcgetattr(0, &before) == 0;

	if (module()->conn_open(&server.guest, -1, in_ms(20000), -1, &conn, NULL) != HOLOS_OK)
		_exit(EXIT_OTHER);
	st = guest_attach(module(), conn, &a, &res, NULL);
	if (terminal && (tcgetattr(0, &after) < 0 || before.c_lflag != after.c_lflag ||
			 before.c_iflag != after.c_iflag || before.c_oflag != after.c_oflag))
		_exit(EXIT_TERMINAL_CHANGED);
	if (st != HOLOS_OK)
		_exit(st == HOLOS_E_CANCELLED ? EXIT_CANCELLED : EXIT_OTHER);
	_exit(res.status);
}

static void start(const char *script, bool tty)
{
	struct winsize size = { .ws_col = 100, .ws_row = 30 };
	int p[2];

	server_start(&server, SERVER_DROPBEAR);
	setenv("TERM", "vt100", 1);
	if (tty) {
		child = forkpty(&child_fd, NULL, NULL, &size);
		if (child == 0)
			child_main(script, tty);
	} else {
		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
		child = fork();
		if (child == 0) {
			dup2(p[1], 0);
			dup2(p[1], 1);
			dup2(p[1], 2);
			close(p[0]);
			child_main(script, tty);
		}
		close(p[1]);
		child_fd = p[0];
	}
	ck_assert_int_gt(child, 0);
}

/* Read until the output so far holds text. */
static void expect(const char *text)
{
	char seen[4096] = "";
	size_t len = 0;
	uint64_t deadline = in_ms(20000);

	while (strstr(seen, text) == NULL) {
		struct pollfd p = { .fd = child_fd, .events = POLLIN };
		ssize_t n;

		ck_assert_msg(poll(&p, 1, clock_poll_timeout(deadline)) > 0 && len < 4000,
			      "no \"%s\" in \"%s\"", text, seen);
		n = read(child_fd, seen + len, sizeof(seen) - len - 1);
		ck_assert_msg(n > 0, "no \"%s\" in \"%s\"", text, seen);
		len += (size_t)n;
		seen[len] = '\0';
	}
}

static void type(const char *text)
{
	ck_assert_int_eq(write(child_fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void expect_exit(int status)
{
	int got = -1;

	ck_assert_int_eq(waitpid(child, &got, 0), child);
	ck_assert(WIFEXITED(got));
	ck_assert_int_eq(WEXITSTATUS(got), status);
	close(child_fd);
	server_stop(&server);
}

START_TEST(test_terminal)
{
	struct winsize size = { .ws_col = 120, .ws_row = 40 };

	start("stty size; echo $TERM; read x; echo got-$x;"
	      "while [ \"$(stty size)\" != '40 120' ]; do sleep 0.05; done; echo resized; exit 4",
	      true);
	expect("30 100\r\nvt100\r\n");
	type("hello\n");
	expect("got-hello\r\n");
	ck_assert_int_eq(ioctl(child_fd, TIOCSWINSZ, &size), 0);
	expect("resized\r\n");
	expect_exit(4);
}
END_TEST

/* ^C is a byte for the guest, not a signal for us. */
START_TEST(test_interrupt_key)
{
	start("echo ready; exec sleep 20", true);
	expect("ready");
	type("\x03");
	expect_exit(128 + SIGINT);
}
END_TEST

START_TEST(test_shell_until_end_of_file)
{
	start(NULL, true);
	type("stty -echo; echo $((40 + 2))-x\n");
	expect("42-x");
	type("exit 6\n");
	expect_exit(6);
}
END_TEST

START_TEST(test_signal)
{
	start("echo ready; exec sleep 20", false);
	expect("ready\n");
	ck_assert_int_eq(kill(child, SIGTERM), 0);
	expect_exit(128 + SIGTERM);
}
END_TEST

START_TEST(test_second_signal_ends)
{
	start("trap 'echo int' INT; echo ready; while :; do sleep 0.05; done", false);
	expect("ready\n");
	ck_assert_int_eq(kill(child, SIGINT), 0);
	expect("int\n");
	ck_assert_int_eq(kill(child, SIGINT), 0);
	expect_exit(EXIT_CANCELLED);
}
END_TEST

START_TEST(test_pipe)
{
	start("read x; echo got-$x; exit 5", false);
	type("hello\n");
	expect("got-hello\n");
	expect_exit(5);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("guest-attach");
	TCase *t = tcase_create("attach");
	SRunner *r = srunner_create(s);
	int failed;

	if (server_missing(SERVER_DROPBEAR)[0] != '\0') {
		fprintf(stderr, "skipped: %s\n", server_missing(SERVER_DROPBEAR));
		return 77;
	}
	setenv("HOLOS_MODULE_DIR", MODULE_DIR, 0);
	tcase_set_timeout(t, 60);
	/* A server that is not root cannot give a terminal to its user (chown). */
	if (geteuid() == 0) {
		tcase_add_test(t, test_terminal);
		tcase_add_test(t, test_interrupt_key);
		tcase_add_test(t, test_shell_until_end_of_file);
	}
	tcase_add_test(t, test_signal);
	tcase_add_test(t, test_second_signal_ends);
	tcase_add_test(t, test_pipe);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
