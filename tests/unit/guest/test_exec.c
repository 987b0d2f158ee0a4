/* SPDX-License-Identifier: Apache-2.0
 *
 * guest_exec, the service behind holos.guest/1: results, kept connections, what
 * a guest may get wrong; and keygen.
 */
#include "server.h"

#include <base/alloc.h>
#include <base/clock.h>

#include <check.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

static struct server server;
static char out[64], errout[64], message[512], hint[512];
static int cancel_fd = -1;

/* Run sh -c script, or just log in. */
static holos_status run(const char *script, unsigned ms, int *ret_status)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	const char *const argv[] = { "sh", "-c", script, NULL };
	const struct holos_exec exec = { .size = sizeof(exec),
					 .argv = script != NULL ? argv : NULL };
	struct holos_exec_result res = { .size = sizeof(res),
					 .status = -99,
					 .out = out,
					 .out_cap = sizeof(out),
					 .errout = errout,
					 .errout_cap = sizeof(errout) };
	holos_status st =
		module()->guest_exec(&server.guest, &exec, in_ms(ms), cancel_fd, &res, &err);

	ck_assert_int_eq(st == HOLOS_OK, err == NULL);
	snprintf(message, sizeof(message), "%s", err != NULL ? err->message : "");
	snprintf(hint, sizeof(hint), "%s", err != NULL && err->hint != NULL ? err->hint : "");
	if (ret_status != NULL)
		*ret_status = res.status;
	return st;
}

static const struct {
	const char *script;
	int status;
	const char *out, *errout;
} results[] = {
	{ "true", 0, "", "" },
	{ "exit 7", 7, "", "" },
	{ "exit 255", 255, "", "" },
	{ "echo one; echo two >&2; exit 1", 1, "one\n", "two\n" },
	{ "cat; echo end", 0, "end\n", "" }, /* no input: EOF at once */
	{ "kill -TERM $$", -1, "", "" },
	{ "kill -KILL $$", -1, "", "" },
	/* the end is kept: "...98\n99\n100\n" in 63 bytes */
	{ "i=0; while [ $i -lt 100 ]; do i=$((i+1)); echo $i >&2; done", 0, "",
	  "\n80\n81\n82\n83\n84\n85\n86\n87\n88\n89\n"
	  "90\n91\n92\n93\n94\n95\n96\n97\n98\n99\n100\n" },
};

START_TEST(test_results)
{
	int status;

	server_start(&server, SERVER_DROPBEAR);
	ck_assert_int_eq(run(results[_i].script, 20000, &status), HOLOS_OK);
	ck_assert_int_eq(status, results[_i].status);
	ck_assert_str_eq(out, results[_i].out);
	if (strlen(results[_i].errout) > sizeof(errout) - 1)
		ck_assert_str_eq(errout, results[_i].errout + strlen(results[_i].errout) -
						 (sizeof(errout) - 1));
	else
		ck_assert_str_eq(errout, results[_i].errout);
	server_stop(&server);
}
END_TEST

/* One session serves many calls; dropbear is one process for each. */
static void check_reuse(enum server_kind kind)
{
	int status;
	int i;

	if (server_missing(kind)[0] != '\0')
		return;
	server_start(&server, kind);
	for (i = 0; i < 5; i++) {
		ck_assert_int_eq(run(i % 2 == 0 ? "exit 3" : NULL, 20000, &status), HOLOS_OK);
		ck_assert_int_eq(status, i % 2 == 0 ? 3 : 0);
		ck_assert_uint_eq(server_connections(&server), 1);
	}
	module()->guest_forget();
	server_stop(&server);
}

START_TEST(test_reuse)
{
	check_reuse(SERVER_DROPBEAR);
	check_reuse(SERVER_OPENSSH);
}
END_TEST

START_TEST(test_reconnect)
{
	int status = -1;

	server_start(&server, SERVER_DROPBEAR);
	ck_assert_int_eq(run(NULL, 20000, NULL), HOLOS_OK);
	server_kill(&server);
	server_revive(&server);
	ck_assert_int_eq(run("exit 4", 20000, &status), HOLOS_OK);
	ck_assert_int_eq(status, 4);
	server_kill(&server);
	server_revive(&server);
	ck_assert_int_eq(run(NULL, 20000, NULL), HOLOS_OK);
	server_stop(&server);
}
END_TEST

START_TEST(test_server_dies_in_command)
{
	server_start(&server, SERVER_DROPBEAR);
	ck_assert_int_eq(run("kill -KILL $PPID; sleep 5", 20000, NULL), HOLOS_E_UNREACHED);
	ck_assert_ptr_nonnull(strstr(message, "broke while the command ran"));
	ck_assert_int_eq(run("true", 20000, NULL), HOLOS_OK);
	server_stop(&server);
}
END_TEST

START_TEST(test_deadline_in_command)
{
	uint64_t start;

	server_start(&server, SERVER_DROPBEAR);
	ck_assert_int_eq(run(NULL, 20000, NULL), HOLOS_OK);
	start = clock_now_ns();
	ck_assert_int_eq(run("echo begun; exec sleep 5", 400, NULL), HOLOS_E_TIMEOUT);
	ck_assert_uint_lt(clock_now_ns() - start, 3 * NS_PER_S);
	ck_assert_str_eq(out, "begun\n");
	ck_assert_int_eq(run("true", 20000, NULL), HOLOS_OK);
	server_stop(&server);
}
END_TEST

START_TEST(test_flood_until_deadline)
{
	server_start(&server, SERVER_DROPBEAR);
	ck_assert_int_eq(run("yes", 400, NULL), HOLOS_E_TIMEOUT);
	ck_assert_uint_eq(strlen(out), sizeof(out) - 1);
	server_stop(&server);
}
END_TEST

START_TEST(test_cancel_in_command)
{
	uint64_t start = clock_now_ns();
	int p[2];

	ck_assert_int_eq(pipe(p), 0);
	server_start(&server, SERVER_DROPBEAR);
	ck_assert_int_eq(run(NULL, 20000, NULL), HOLOS_OK);
	if (fork() == 0) {
		(void)poll(NULL, 0, 300);
		_exit(write(p[1], "x", 1) == 1 ? 0 : 1);
	}
	cancel_fd = p[0];
	ck_assert_int_eq(run("sleep 10", 20000, NULL), HOLOS_E_CANCELLED);
	ck_assert_uint_lt(clock_now_ns() - start, 8 * NS_PER_S);
	/* ... and before anything was sent */
	ck_assert_int_eq(run("true", 20000, NULL), HOLOS_E_CANCELLED);
	server_stop(&server);
}
END_TEST

static const struct {
	enum server_kind kind;
	unsigned ms;
} unreached[] = {
	{ SERVER_CLOSE, 20000 },
	{ SERVER_GARBAGE, 20000 },
	{ SERVER_SILENT, 300 },
};

START_TEST(test_unreached)
{
	uint64_t start;

	server_start(&server, unreached[_i].kind);
	start = clock_now_ns();
	ck_assert_int_eq(run("true", unreached[_i].ms, NULL), HOLOS_E_UNREACHED);
	ck_assert_uint_lt(clock_now_ns() - start, 5 * NS_PER_S);
	ck_assert_ptr_nonnull(strstr(message, "web-0 (127.0.0.1:"));
	server_stop(&server);
}
END_TEST

START_TEST(test_wrong_key)
{
	_cleanup_(freep) char *path = NULL;
	struct ssh_keypair other;

	server_start(&server, SERVER_DROPBEAR);
	ck_assert_int_eq(module()->keygen(&other, NULL), 0);
	path = server_file(&server, "other", other.private_text);
	server.guest.ssh_key = path;
	ck_assert_int_eq(run(NULL, 20000, NULL), HOLOS_E_DENIED);
	ck_assert_ptr_nonnull(strstr(message, "refuses to log in user tester with key"));
	ck_assert_ptr_nonnull(strstr(message, path));
	free(other.private_text);
	free(other.public_line);
	server_stop(&server);
}
END_TEST

START_TEST(test_wrong_user)
{
	server_start(&server, SERVER_DROPBEAR);
	server.guest.ssh_user = "nobody-here";
	ck_assert_int_eq(run("true", 20000, NULL), HOLOS_E_DENIED);
	server_stop(&server);
}
END_TEST

/* The user's own known_hosts and settings never matter: only this file does. */
START_TEST(test_host_key_mismatch)
{
	_cleanup_(freep) char *path = NULL;
	_cleanup_(freep) char *text = NULL;
	struct ssh_keypair other;

	server_start(&server, SERVER_DROPBEAR);
	ck_assert_int_eq(run(NULL, 20000, NULL), HOLOS_OK);
	ck_assert_int_eq(module()->keygen(&other, NULL), 0);
	text = xasprintf("[127.0.0.1]:%u %s\n", server.guest.ssh_port, other.public_line);
	path = server_file(&server, "other_hosts", text);
	server.guest.ssh_known_hosts = path;
	ck_assert_int_eq(run("touch $HOME/was-here", 20000, NULL), HOLOS_E_DENIED);
	ck_assert_ptr_nonnull(strstr(message, "the host key of web-0"));
	ck_assert_ptr_nonnull(strstr(message, "SHA256:"));
	ck_assert_ptr_nonnull(strstr(message, path));
	ck_assert_str_ne(hint, "");
	free(other.private_text);
	free(other.public_line);
	server_stop(&server);
}
END_TEST

/* %s is the right "ssh-ed25519 AAAA..." */
static const struct {
	const char *format;
	holos_status expect;
} host_files[] = {
	{ "%s", HOLOS_OK },
	{ "%s comment\n", HOLOS_OK },
	{ "[127.0.0.1]:1 %s\n", HOLOS_OK }, /* ports change, the file is the VM's */
	{ "# x\n\n* ssh-rsa AAAAB3NzaC1yc2E=\n* %s\r\n", HOLOS_OK },
	{ "", HOLOS_E_CONFIG },
	{ "# %s\n", HOLOS_E_CONFIG },
	{ "@revoked * %s\n", HOLOS_E_CONFIG },
	{ "* ssh-ed25519\n", HOLOS_E_CONFIG },
	{ "* ssh-ed25519 AAAA\n", HOLOS_E_CONFIG },
};

START_TEST(test_host_key_file)
{
	_cleanup_(freep) char *path = NULL;
	_cleanup_(freep) char *text = NULL;
	char line[256];
	FILE *f;

	server_start(&server, SERVER_DROPBEAR);
	f = fopen(server.known_hosts, "re");
	ck_assert_ptr_nonnull(fgets(line, sizeof(line), f));
	ck_assert_ptr_nonnull(fgets(line, sizeof(line), f));
	fclose(f);
	line[strcspn(line, "\n")] = '\0';
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	text = xasprintf(host_files[_i].format, line + strlen("* "));
#pragma GCC diagnostic pop
	path = server_file(&server, "hosts", text);
	server.guest.ssh_known_hosts = path;
	ck_assert_int_eq(run(NULL, 20000, NULL), host_files[_i].expect);
	server_stop(&server);
}
END_TEST

START_TEST(test_bad_files)
{
	_cleanup_(freep) char *empty = NULL;
	const char *key;

	server_start(&server, SERVER_DROPBEAR);
	empty = server_file(&server, "empty", "");
	key = server.guest.ssh_key;
	server.guest.ssh_key = "/nonexistent/key";
	ck_assert_int_eq(run(NULL, 20000, NULL), HOLOS_E_CONFIG);
	ck_assert_ptr_nonnull(strstr(message, "/nonexistent/key"));
	server.guest.ssh_key = empty;
	ck_assert_int_eq(run(NULL, 20000, NULL), HOLOS_E_CONFIG);
	server.guest.ssh_key = server.known_hosts;
	ck_assert_int_eq(run(NULL, 20000, NULL), HOLOS_E_CONFIG);
	server.guest.ssh_key = key;
	server.guest.ssh_known_hosts = "/nonexistent/hosts";
	ck_assert_int_eq(run(NULL, 20000, NULL), HOLOS_E_CONFIG);
	ck_assert_ptr_nonnull(strstr(message, "/nonexistent/hosts"));
	server.guest.ssh_known_hosts = NULL;
	ck_assert_int_eq(run(NULL, 20000, NULL), HOLOS_E_CONFIG);
	server_stop(&server);
}
END_TEST

START_TEST(test_keygen)
{
	struct ssh_keypair a, b;
	const char *line;

	ck_assert_int_eq(module()->keygen(&a, NULL), 0);
	ck_assert_int_eq(module()->keygen(&b, NULL), 0);
	ck_assert_str_ne(a.private_text, b.private_text);
	ck_assert_str_ne(a.public_line, b.public_line);
	ck_assert_int_eq(strncmp(a.public_line, "ssh-ed25519 AAAA", 16), 0);
	ck_assert_uint_eq(strcspn(a.public_line + 12, " \n@"), strlen(a.public_line + 12));
	ck_assert_int_eq(strncmp(a.private_text, "-----BEGIN OPENSSH PRIVATE KEY-----\n", 36), 0);
	ck_assert_ptr_nonnull(strstr(a.private_text, "\n-----END OPENSSH PRIVATE KEY-----\n"));
	for (line = a.private_text; *line != '\0'; line += strcspn(line, "\n") + 1)
		ck_assert_uint_le(strcspn(line, "\n"), 70);
	ck_assert(line[-1] == '\n' && line[-2] != '\n');
	free(a.private_text);
	free(a.public_line);
	free(b.private_text);
	free(b.public_line);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("guest-exec");
	TCase *t = tcase_create("exec");
	SRunner *r = srunner_create(s);
	int failed;

	if (server_missing(SERVER_DROPBEAR)[0] != '\0') {
		fprintf(stderr, "skipped: %s\n", server_missing(SERVER_DROPBEAR));
		return 77;
	}
	setenv("HOLOS_MODULE_DIR", MODULE_DIR, 0);
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, test_results, 0, sizeof(results) / sizeof(results[0]));
	tcase_add_test(t, test_reuse);
	tcase_add_test(t, test_reconnect);
	tcase_add_test(t, test_server_dies_in_command);
	tcase_add_test(t, test_deadline_in_command);
	tcase_add_test(t, test_flood_until_deadline);
	tcase_add_test(t, test_cancel_in_command);
	tcase_add_loop_test(t, test_unreached, 0, sizeof(unreached) / sizeof(unreached[0]));
	tcase_add_test(t, test_wrong_key);
	tcase_add_test(t, test_wrong_user);
	tcase_add_test(t, test_host_key_mismatch);
	tcase_add_loop_test(t, test_host_key_file, 0, sizeof(host_files) / sizeof(host_files[0]));
	tcase_add_test(t, test_bad_files);
	tcase_add_test(t, test_keygen);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
