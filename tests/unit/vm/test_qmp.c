/* SPDX-License-Identifier: Apache-2.0
 *
 * test_qmp.c - the QMP client against a scripted peer on a socketpair.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/jsonx.h>
#include <vm/qmp.h>

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define GREETING "{\"QMP\":{\"version\":{},\"capabilities\":[\"oob\"]}}\r\n"
#define CAPS_OK  "{\"return\":{},\"id\":1}\r\n"

static struct loop *loop;
static struct qmp *q;
static int peer;
static unsigned n_ready, n_ends, n_events;
static char last_event[64], end_message[256], answers[512];
static bool destroy_in_callback;

static void on_ready(void *data)
{
	(void)data;
	n_ready++;
}

static void on_event(void *data, const char *name, struct json_object *args)
{
	(void)data;
	n_events++;
	snprintf(last_event, sizeof(last_event), "%s:%s", name,
		 args != NULL ? jsonx_line(args) : "none");
	if (destroy_in_callback) {
		qmp_destroy(q);
		q = NULL;
	}
}

static void on_end(void *data, struct holos_error *err)
{
	(void)data;
	n_ends++;
	snprintf(end_message, sizeof(end_message), "%s", err != NULL ? err->message : "closed");
}

static const struct qmp_ops ops = { on_ready, on_event, on_end };

static void setup(void)
{
	int fds[2];

	n_ready = n_ends = n_events = 0; /* for CK_FORK=no */
	*answers = *last_event = *end_message = '\0';
	destroy_in_callback = false;
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	loop = loop_create();
	peer = fds[1];
	q = qmp_create(loop, fds[0], &ops, NULL);
}

static void teardown(void)
{
	qmp_destroy(q);
	loop_destroy(loop);
	if (peer >= 0)
		close(peer);
}

static void turn(void)
{
	for (int i = 0; i < 20; i++)
		loop_run_once(loop, clock_now_ns());
}

static void say(const char *text)
{
	ck_assert_int_eq(send(peer, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
	turn();
}

/* What the client sent since the last look. */
static const char *heard(void)
{
	static char buf[65536];
	ssize_t n = recv(peer, buf, sizeof(buf) - 1, MSG_DONTWAIT);

	buf[n > 0 ? n : 0] = '\0';
	return buf;
}

static void negotiate(void)
{
	say(GREETING);
	ck_assert_str_eq(heard(), "{\"execute\":\"qmp_capabilities\",\"id\":1}\n");
	say(CAPS_OK);
	ck_assert_uint_eq(n_ready, 1);
}

static void on_answer(void *data, struct json_object *ret, const struct qmp_error *error)
{
	size_t n = strlen(answers);

	snprintf(answers + n, sizeof(answers) - n, "%s=%s ", (const char *)data,
		 ret != NULL     ? jsonx_line(ret)
		 : error != NULL ? error->class
				 : "gone");
}

static void ask(const char *command, const char *tag)
{
	ck_assert_int_eq(qmp_execute(q, command, NULL, on_answer, (void *)(uintptr_t)tag, NULL), 0);
}

START_TEST(negotiates)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;

	ck_assert_int_lt(qmp_execute(q, "stop", NULL, NULL, NULL, &err), 0);
	negotiate();
	ck_assert_uint_eq(n_ends, 0);
}
END_TEST

START_TEST(answers_in_order)
{
	_cleanup_(json_putp) struct json_object *args = json_object_new_object();

	negotiate();
	ask("query-status", "a");
	ask("query-uuid", "b");
	jsonx_set_int(args, "x", 3);
	ck_assert_int_eq(qmp_execute(q, "c", args, on_answer, (void *)(uintptr_t) "c", NULL), 0);
	turn();
	ck_assert_str_eq(heard(), "{\"execute\":\"query-status\",\"id\":2}\n"
				  "{\"execute\":\"query-uuid\",\"id\":3}\n"
				  "{\"execute\":\"c\",\"arguments\":{\"x\":3},\"id\":4}\n");
	say("{\"return\":{\"status\":\"running\"},\"id\":2}\n"
	    "{\"event\":\"STOP\",\"timestamp\":{}}\n"
	    "{\"id\":3,\"error\":{\"class\":\"CommandNotFound\",\"desc\":\"no\"}}\n"
	    "{\"return\":[1],\"id\":4}\n");
	ck_assert_str_eq(answers, "a={\"status\":\"running\"} b=CommandNotFound c=[1] ");
	ck_assert_str_eq(last_event, "STOP:none");
}
END_TEST

START_TEST(events_with_data)
{
	negotiate();
	say("{\"event\":\"SHUTDOWN\",\"data\":{\"guest\":true},\"timestamp\":{\"seconds\":1}}\n");
	ck_assert_str_eq(last_event, "SHUTDOWN:{\"guest\":true}");
	say("{\"event\":\"X\",\"data\":7}\n"); /* data of another type is no data */
	ck_assert_str_eq(last_event, "X:none");
}
END_TEST

/* A line may come in any pieces. */
START_TEST(byte_by_byte)
{
	static const char text[] = GREETING CAPS_OK "{\"event\":\"RESET\"}\r\n";

	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		char one[2] = { text[i], '\0' };

		say(one);
	}
	ck_assert_uint_eq(n_ready, 1);
	ck_assert_str_eq(last_event, "RESET:none");
}
END_TEST

static const struct {
	bool ready;
	const char *text, *message;
} broken[] = {
	{ false, "SSH-2.0-OpenSSH\r\n", "JSON" },
	{ false, "{}\n", "no greeting" },
	{ false, "[]\n", "no JSON object" },
	{ false, GREETING "{\"error\":{\"class\":\"G\",\"desc\":\"no way\"},\"id\":1}\n",
	  "no way" },
	{ false, GREETING "{\"return\":{},\"id\":9}\n", "no question" },
	{ true, "{\"return\":{}}\n", "no question" },
	{ true, "{\"return\":{},\"id\":\"2\"}\n", "no question" },
	{ true, "{\"id\":2}\n", "neither answer nor event" },
	{ true, "{\"error\":{\"class\":\"G\",\"desc\":\"bad json\"}}\n", "bad json" },
	{ true, "\x80\x81\n", "JSON" },
	{ true, "{\"return\":{},\"return\":{},\"id\":2}\n", "" },
};

START_TEST(garbage_ends_it)
{
	if (broken[_i].ready)
		negotiate();
	if (broken[_i].ready)
		ask("query-status", "a");
	say(broken[_i].text);
	if (*broken[_i].message == '\0') /* answered or refused, never crashed */
		return;
	ck_assert_uint_eq(n_ends, 1);
	ck_assert_msg(strstr(end_message, broken[_i].message) != NULL, "%s", end_message);
	if (broken[_i].ready)
		ck_assert_str_eq(answers, "a=gone ");
	ck_assert_int_lt(qmp_execute(q, "stop", NULL, NULL, NULL, NULL), 0);
}
END_TEST

START_TEST(too_long_a_line)
{
	char block[4096];

	memset(block, 'x', sizeof(block));
	negotiate();
	for (unsigned i = 0; i < 2 * QMP_LINE_MAX / sizeof(block) && n_ends == 0; i++) {
		ck_assert_int_gt(send(peer, block, sizeof(block), MSG_NOSIGNAL), 0);
		turn();
	}
	ck_assert_uint_eq(n_ends, 1);
}
END_TEST

START_TEST(peer_closes)
{
	negotiate();
	ask("a", "a");
	ask("b", "b");
	close(peer);
	peer = -1;
	turn();
	ck_assert_str_eq(answers, "a=gone b=gone ");
	ck_assert_uint_eq(n_ends, 1);
	ck_assert_str_eq(end_message, "closed");
}
END_TEST

START_TEST(last_event_before_the_end)
{
	negotiate();
	ck_assert_int_gt(send(peer, "{\"event\":\"SHUTDOWN\"}\n", 21, 0), 0);
	close(peer);
	peer = -1;
	turn();
	ck_assert_str_eq(last_event, "SHUTDOWN:none");
	ck_assert_uint_eq(n_ends, 1);
}
END_TEST

START_TEST(destroyed_in_a_callback)
{
	negotiate();
	ask("a", "a");
	destroy_in_callback = true;
	say("{\"event\":\"ONE\"}\n{\"event\":\"TWO\"}\n{\"return\":{},\"id\":2}\n");
	ck_assert_uint_eq(n_events, 1);
	ck_assert_str_eq(answers, "");
	ck_assert_uint_eq(n_ends, 0);
}
END_TEST

START_TEST(too_many_commands)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;

	negotiate();
	for (unsigned i = 0; i < QMP_PENDING_MAX; i++)
		ask("x", "x");
	ck_assert_int_lt(qmp_execute(q, "x", NULL, NULL, NULL, &err), 0);
	ck_assert_uint_eq(n_ends, 0);
}
END_TEST

START_TEST(connect_needs_a_socket)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct qmp *none = NULL;

	ck_assert_int_lt(qmp_connect(loop, AT_FDCWD, "no.sock", &ops, NULL, &none, &err), 0);
	ck_assert_ptr_null(none);
	ck_assert_int_ne(err->sys_errno, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("vm-qmp");
	TCase *t = tcase_create("qmp");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 30);
	tcase_add_test(t, negotiates);
	tcase_add_test(t, answers_in_order);
	tcase_add_test(t, events_with_data);
	tcase_add_test(t, byte_by_byte);
	tcase_add_loop_test(t, garbage_ends_it, 0, (int)(sizeof(broken) / sizeof(broken[0])));
	tcase_add_test(t, too_long_a_line);
	tcase_add_test(t, peer_closes);
	tcase_add_test(t, last_event_before_the_end);
	tcase_add_test(t, destroyed_in_a_callback);
	tcase_add_test(t, too_many_commands);
	tcase_add_test(t, connect_needs_a_socket);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
