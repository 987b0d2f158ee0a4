/* SPDX-License-Identifier: Apache-2.0
 *
 * Reaching a guest that boots, is gone, or is something else: guest_dial() and
 * guest_wait_ssh(); and the loading of the module.
 */
#include "server.h"

#include <base/clock.h>
#include <guest/dial.h>

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static struct server server;

static holos_status dial(bool persist, unsigned ms, int cancel_fd, char *message, size_t n)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	const struct guest_limits limits = { in_ms(ms), cancel_fd };
	_cleanup_(closep) int fd = -1;
	holos_status st = guest_dial(&server.guest, persist, &limits, &fd, &err);

	ck_assert_int_eq(st == HOLOS_OK, fd >= 0);
	ck_assert_int_eq(st == HOLOS_OK, err == NULL);
	snprintf(message, n, "%s", err != NULL ? err->message : "");
	return st;
}

static const struct {
	enum server_kind kind;
	bool persist;
	unsigned ms;
	holos_status expect;
	unsigned min_ms, max_ms; /* how long it takes */
	const char *message;     /* part of it */
} dials[] = {
	{ SERVER_DROPBEAR, false, 20000, HOLOS_OK, 0, 5000, "" },
	{ SERVER_GARBAGE, false, 20000, HOLOS_OK, 0, 5000, "" },
	{ SERVER_CLOSE, false, 20000, HOLOS_E_UNREACHED, 0, 5000, "closed before an SSH server" },
	{ SERVER_CLOSE, true, 300, HOLOS_E_UNREACHED, 300, 5000, "closed before an SSH server" },
	{ SERVER_SILENT, false, 300, HOLOS_E_UNREACHED, 300, 5000, "no answer from its SSH" },
	{ SERVER_LATE, true, 20000, HOLOS_OK, 350, 5000, "" }, /* 50 + 100 + 200 ms */
	{ SERVER_DEAF, true, 20000, HOLOS_OK, 1000, 5000, "" },
	{ SERVER_DEAF, false, 20000, HOLOS_OK, 1000, 5000, "" },
};

START_TEST(test_dial)
{
	char message[256];
	uint64_t start = clock_now_ns();
	uint64_t ms;

	server_start(&server, dials[_i].kind);
	start = clock_now_ns();
	ck_assert_int_eq(dial(dials[_i].persist, dials[_i].ms, -1, message, sizeof(message)),
			 dials[_i].expect);
	ms = (clock_now_ns() - start) / NS_PER_MS;
	ck_assert_ptr_nonnull(strstr(message, dials[_i].message));
	ck_assert_uint_ge(ms, dials[_i].min_ms);
	ck_assert_uint_le(ms, dials[_i].max_ms);
	server_stop(&server);
}
END_TEST

/* Who refuses is not taken for who answers: the older connection is kept. */
START_TEST(test_busy)
{
	const struct guest_limits limits = { in_ms(20000), -1 };
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	_cleanup_(closep) int fd = -1;
	char banner[4] = "";

	server_start(&server, SERVER_BUSY);
	ck_assert_int_eq(guest_dial(&server.guest, _i != 0, &limits, &fd, &err), HOLOS_OK);
	ck_assert_int_eq(recv(fd, banner, sizeof(banner), MSG_WAITALL), sizeof(banner));
	ck_assert_mem_eq(banner, "SSH-", sizeof(banner));
	server_stop(&server);
}
END_TEST

/* A port on which nobody listens; *ret_fd holds it. */
static void nobody(int *ret_fd)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(a);

	*ret_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(*ret_fd, (struct sockaddr *)&a, len), 0);
	ck_assert_int_eq(getsockname(*ret_fd, (struct sockaddr *)&a, &len), 0);
	server.guest = (struct holos_guest){ .size = sizeof(server.guest),
					     .vm = "db-0",
					     .ssh_host = "127.0.0.1",
					     .ssh_port = ntohs(a.sin_port) };
}

START_TEST(test_refused)
{
	char message[256], expect[256];
	_cleanup_(closep) int fd = -1;

	nobody(&fd);
	ck_assert_int_eq(dial(false, 20000, -1, message, sizeof(message)), HOLOS_E_UNREACHED);
	snprintf(expect, sizeof(expect),
		 "cannot reach db-0 (127.0.0.1:%u): connecting failed: Connection refused",
		 server.guest.ssh_port);
	ck_assert_str_eq(message, expect);
	ck_assert_int_eq(dial(true, 200, -1, message, sizeof(message)), HOLOS_E_UNREACHED);
	ck_assert_str_eq(message, expect);
}
END_TEST

START_TEST(test_dial_cancel)
{
	char message[256];
	int p[2];

	ck_assert_int_eq(pipe(p), 0);
	ck_assert_int_eq(write(p[1], "x", 1), 1);
	server_start(&server, SERVER_SILENT);
	ck_assert_int_eq(dial(true, 20000, p[0], message, sizeof(message)), HOLOS_E_CANCELLED);
	server_stop(&server);
}
END_TEST

static const struct {
	const char *host;
	unsigned port;
} addresses[] = { { NULL, 22 }, { "localhost", 22 }, { "127.0.0.1", 0 }, { "127.0.0.1", 65536 } };

START_TEST(test_bad_address)
{
	char message[256];

	server.guest = (struct holos_guest){ .ssh_host = addresses[_i].host,
					     .ssh_port = addresses[_i].port };
	ck_assert_int_eq(dial(true, 20000, -1, message, sizeof(message)), HOLOS_E_CONFIG);
}
END_TEST

static holos_status wait_ssh(unsigned ms, int *ret_code)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct ssh_conn *conn = NULL;
	holos_status st = guest_wait_ssh(&server.guest, in_ms(ms), -1, &conn, &err);

	*ret_code = err != NULL ? err->code : 0;
	module()->conn_close(conn);
	return st;
}

static const struct {
	enum server_kind kind;
	unsigned ms;
	holos_status expect;
	int code;
} waits[] = {
	{ SERVER_DROPBEAR, 20000, HOLOS_OK, 0 },
	{ SERVER_LATE, 20000, HOLOS_OK, 0 },
	{ SERVER_DEAF, 20000, HOLOS_OK, 0 },
	{ SERVER_CLOSE, 300, HOLOS_E_UNREACHED, ERR_TIMEOUT },
	{ SERVER_SILENT, 300, HOLOS_E_UNREACHED, ERR_TIMEOUT },
	{ SERVER_GARBAGE, 300, HOLOS_E_UNREACHED, ERR_TIMEOUT },
};

START_TEST(test_wait)
{
	int code = -1;

	server_start(&server, waits[_i].kind);
	ck_assert_int_eq(wait_ssh(waits[_i].ms, &code), waits[_i].expect);
	ck_assert_int_eq(code, waits[_i].code);
	server_stop(&server);
}
END_TEST

/* What will not change is not waited for. */
START_TEST(test_wait_denied)
{
	uint64_t start;
	int code = -1;

	server_start(&server, SERVER_DROPBEAR);
	server.guest.ssh_user = "nobody-here";
	start = clock_now_ns();
	ck_assert_int_eq(wait_ssh(60000, &code), HOLOS_E_DENIED);
	ck_assert_uint_lt(clock_now_ns() - start, 20 * NS_PER_S);
	server_stop(&server);
}
END_TEST

START_TEST(test_module_missing)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	const struct holos_ssh_module *m = NULL;

	setenv("HOLOS_MODULE_DIR", "/nonexistent", 1);
	ck_assert_int_eq(guest_ssh_module(&m, &err), -ERR_HOST);
	ck_assert_ptr_nonnull(strstr(err->message, "/nonexistent/holos-ssh.so"));
	ck_assert_ptr_nonnull(err->hint);
	setenv("HOLOS_MODULE_DIR", MODULE_DIR, 1);
	error_destroy(steal_ptr(&err));
	ck_assert_int_eq(guest_ssh_module(&m, &err), 0);
	ck_assert_str_eq(m->version, HOLOS_VERSION);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("guest-dial");
	TCase *t = tcase_create("dial");
	SRunner *r = srunner_create(s);
	int failed;

	if (server_missing(SERVER_DROPBEAR)[0] != '\0') {
		fprintf(stderr, "skipped: %s\n", server_missing(SERVER_DROPBEAR));
		return 77;
	}
	setenv("HOLOS_MODULE_DIR", MODULE_DIR, 0);
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, test_dial, 0, sizeof(dials) / sizeof(dials[0]));
	tcase_add_loop_test(t, test_busy, 0, 2); /* in one go, or for as long as it takes */
	tcase_add_test(t, test_refused);
	tcase_add_test(t, test_dial_cancel);
	tcase_add_loop_test(t, test_bad_address, 0, sizeof(addresses) / sizeof(addresses[0]));
	tcase_add_loop_test(t, test_wait, 0, sizeof(waits) / sizeof(waits[0]));
	tcase_add_test(t, test_wait_denied);
	tcase_add_test(t, test_module_missing);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
