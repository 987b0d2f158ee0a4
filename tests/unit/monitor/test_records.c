/* SPDX-License-Identifier: Apache-2.0
 *
 * test_records.c - vm.json, launch.json and the locks of the living, without any
 * process: what is read, what is refused.
 */
#include "harness.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>

static char dir[64];
static int dfd;

static void setup(void)
{
	snprintf(dir, sizeof(dir), "/tmp/vr-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	dfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void teardown(void)
{
	close(dfd);
	fs_remove_tree(AT_FDCWD, dir, NULL);
}

static struct json_object *parse(const char *text)
{
	struct json_object *o = NULL;

	ck_assert_int_eq(jsonx_parse(text, strlen(text), "test", &o, NULL), 0);
	return o;
}

#define VM(more)                                                                                   \
	"{\"format\":1,\"instance\":\"web-0\",\"uuid\":\"u\",\"state\":\"running\"" more "}"

START_TEST(record_round_trip)
{
	static const char text[] =
		"{\"format\":1,\"instance\":\"web-0\",\"uuid\":\"u-1\",\"state\":\"paused\","
		"\"since\":\"2026-11-23T16:00:00Z\",\"paused_cause\":\"no-space\",\"pid\":42,"
		"\"pid_start\":77,\"monitor_pid\":43,\"monitor_start\":78,\"started_at\":\"x\","
		"\"health\":\"unhealthy\",\"health_since\":\"y\",\"health_detail\":\"no\","
		"\"health_failures\":3,\"reachable\":true,"
		"\"exit\":{\"cause\":\"signal\",\"status\":-1,\"signal\":9,\"message\":\"m\","
		"\"at\":\"z\"},\"restarts\":2,"
		"\"ports\":[{\"name\":\"port-0\",\"host_ip\":\"0.0.0.0\",\"host_port\":8080,"
		"\"guest_port\":80,\"protocol\":\"tcp\"}],\"ssh_port\":2222,"
		"\"helpers\":[{\"name\":\"h\",\"pid\":5,\"pid_start\":6}],\"warning\":\"w\"}";
	_cleanup_(json_putp) struct json_object *in = parse(text), *out = NULL;
	_cleanup_(vm_record_destroyp) struct vm_record *r = NULL;

	ck_assert_int_eq(vm_record_decode(in, "test", &r, NULL), 0);
	ck_assert_int_eq(r->state, VM_PAUSED);
	ck_assert_int_eq(r->exit.signal, 9);
	ck_assert_uint_eq(r->ports[0].host_port, 8080);
	out = vm_record_encode(r);
	ck_assert_str_eq(jsonx_line(out), text);
}
END_TEST

START_TEST(record_defaults)
{
	_cleanup_(json_putp) struct json_object *in = parse(VM(",\"new\":{\"a\":[1]}"));
	_cleanup_(vm_record_destroyp) struct vm_record *r = NULL;

	ck_assert_int_eq(vm_record_decode(in, "test", &r, NULL), 0);
	ck_assert_int_eq(r->exit.cause, VM_EXIT_NONE);
	ck_assert_int_eq(r->health, VM_HEALTH_NONE);
	ck_assert_uint_eq(r->n_ports, 0);
}
END_TEST

static const struct {
	const char *text, *message;
} bad_records[] = {
	{ "[]", "not a JSON object" },
	{ "{}", "\"format\" is missing" },
	{ "{\"format\":0}", "\"format\"" },
	{ "{\"format\":2,\"state\":\"flying\"}", "newer holos" },
	{ "{\"format\":\"1\"}", "\"format\" is of the wrong type" },
	{ "{\"format\":1,\"uuid\":\"u\",\"state\":\"running\"}", "\"instance\" is missing" },
	{ "{\"format\":1,\"instance\":\"i\",\"uuid\":\"u\"}", "\"state\" is missing" },
	{ "{\"format\":1,\"instance\":\"i\",\"uuid\":\"u\",\"state\":\"flying\"}",
	  "\"state\" is unknown (flying)" },
	{ VM(",\"pid\":-1"), "\"pid\" is out of range" },
	{ VM(",\"pid\":4294967297"), "\"pid\" is out of range" },
	{ VM(",\"pid\":\"1\""), "\"pid\" is of the wrong type" },
	{ VM(",\"ssh_port\":65536"), "\"ssh_port\" is out of range" },
	{ VM(",\"ports\":{}"), "\"ports\" is of the wrong type" },
	{ VM(",\"ports\":[1]"), "not a JSON object" },
	{ VM(",\"ports\":[{}]"), "\"name\" is missing" },
	{ VM(",\"exit\":[]"), "\"exit\" is of the wrong type" },
	{ VM(",\"exit\":{\"cause\":\"signal\",\"signal\":1000}"), "\"signal\" is out of range" },
	{ VM(",\"helpers\":[{\"name\":\"h\",\"pid\":\"\"}]"), "\"pid\"" },
	{ VM(",\"helpers\":[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]"), "too many" },
};

START_TEST(bad_record)
{
	_cleanup_(json_putp) struct json_object *in = parse(bad_records[_i].text);
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct vm_record *r = NULL;

	ck_assert_int_lt(vm_record_decode(in, "vm.json", &r, &err), 0);
	ck_assert_ptr_null(r);
	ck_assert_msg(strstr(err->message, bad_records[_i].message) != NULL, "%s", err->message);
}
END_TEST

/* What a newer monitor may say, an older CLI shows as unknown. */
START_TEST(unknown_words)
{
	_cleanup_(json_putp) struct json_object *in =
		parse(VM(",\"health\":\"dreaming\",\"exit\":{\"cause\":\"eaten\"}"));
	_cleanup_(vm_record_destroyp) struct vm_record *r = NULL;

	ck_assert_int_eq(vm_record_decode(in, "test", &r, NULL), 0);
	ck_assert_int_eq(r->health, VM_HEALTH_UNKNOWN);
	ck_assert_int_eq(r->exit.cause, VM_EXIT_UNKNOWN);
}
END_TEST

START_TEST(control_characters_do_not_reach_a_terminal)
{
	_cleanup_(json_putp) struct json_object *in =
		parse(VM(",\"health_detail\":\"a\\u001b[31mb\\nc\""));
	_cleanup_(vm_record_destroyp) struct vm_record *r = NULL;

	ck_assert_int_eq(vm_record_decode(in, "test", &r, NULL), 0);
	ck_assert_str_eq(r->health_detail, "a?[31mb?c");
}
END_TEST

START_TEST(record_files)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	_cleanup_(vm_record_destroyp) struct vm_record *r = vm_record_create(), *back = NULL;

	ck_assert_int_lt(vm_record_read(dfd, &back, &err), 0);
	ck_assert_int_eq(err->sys_errno, ENOENT);
	r->instance = xstrdup("web-0");
	r->uuid = xstrdup("u");
	for (int durable = 0; durable < 2; durable++) {
		ck_assert_int_eq(vm_record_write(dfd, r, durable, NULL), 0);
		vm_record_destroy(back);
		ck_assert_int_eq(vm_record_read(dfd, &back, NULL), 0);
	}
	/* Every truncation is an error. */
	for (size_t n = 0; n < 200; n += 7) {
		struct strbuf b = STRBUF_INIT;
		struct vm_record *none;

		ck_assert_int_eq(vm_record_write(dfd, r, false, NULL), 0);
		ck_assert_int_eq(fs_read(dfd, VM_RECORD_FILE, 100000, &b, NULL), 0);
		ck_assert_int_eq(fs_write_replace(dfd, VM_RECORD_FILE, b.s, n, 0600, NULL), 0);
		ck_assert_int_lt(vm_record_read(dfd, &none, NULL), 0);
		strbuf_finish(&b);
	}
}
END_TEST

static const struct {
	enum vm_state state;
	bool monitor, qemu;
	enum vm_state then;
	enum vm_exit_cause cause;
	pid_t pid, monitor_pid;
} settled[] = {
	{ VM_RUNNING, true, true, VM_RUNNING, VM_EXIT_NONE, 7, 8 },
	{ VM_RUNNING, false, true, VM_RUNNING, VM_EXIT_NONE, 7, 0 },
	{ VM_RUNNING, true, false, VM_RUNNING, VM_EXIT_NONE, 7, 8 }, /* about to say why */
	{ VM_RUNNING, false, false, VM_FAILED, VM_EXIT_UNKNOWN, 0, 0 },
	{ VM_STARTING, false, false, VM_FAILED, VM_EXIT_UNKNOWN, 0, 0 },
	{ VM_PAUSED, false, false, VM_FAILED, VM_EXIT_UNKNOWN, 0, 0 },
	{ VM_STOPPING, false, false, VM_STOPPED, VM_EXIT_STOPPED, 0, 0 },
	{ VM_STOPPED, false, false, VM_STOPPED, VM_EXIT_NONE, 0, 0 },
	{ VM_CREATED, false, false, VM_CREATED, VM_EXIT_NONE, 0, 0 },
};

START_TEST(settle)
{
	_cleanup_(vm_record_destroyp) struct vm_record *r = vm_record_create();
	struct alive a = { settled[_i].monitor, settled[_i].qemu };

	r->state = settled[_i].state;
	r->pid = 7;
	r->monitor_pid = 8;
	vm_record_settle(r, &a);
	ck_assert_int_eq(r->state, settled[_i].then);
	ck_assert_int_eq(r->exit.cause, settled[_i].cause);
	ck_assert_int_eq(r->pid, settled[_i].pid);
	ck_assert_int_eq(r->monitor_pid, settled[_i].monitor_pid);
}
END_TEST

START_TEST(locks)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct alive a;
	int fd, other = -1, copy, pipefd[2];
	pid_t pid;

	ck_assert_int_eq(alive_query(dfd, &a, NULL), 0);
	ck_assert(!a.monitor && !a.qemu);
	ck_assert(!fs_exists(dfd, ALIVE_FILE)); /* a reader makes nothing */
	ck_assert_int_eq(alive_take(dfd, ALIVE_QEMU, &fd, NULL), 0);
	ck_assert_int_eq(alive_query(dfd, &a, NULL), 0);
	ck_assert(!a.monitor && a.qemu);
	ck_assert_int_eq(alive_take(dfd, ALIVE_QEMU, &other, &err), -ERR_BUSY);
	ck_assert_int_eq(other, -1);
	ck_assert_int_eq(alive_take(dfd, ALIVE_MONITOR, &other, NULL), 0);
	copy = dup(fd);
	close(fd);
	ck_assert_int_eq(alive_query(dfd, &a, NULL), 0);
	ck_assert(a.monitor && a.qemu);
	close(other);
	/* It passes to a child, and a zombie does not hold it. */
	ck_assert_int_eq(pipe(pipefd), 0);
	pid = fork();
	if (pid == 0) {
		char c;

		close(pipefd[1]);
		_exit((int)read(pipefd[0], &c, 1));
	}
	close(copy);
	ck_assert_int_eq(alive_query(dfd, &a, NULL), 0);
	ck_assert(!a.monitor && a.qemu);
	close(pipefd[1]);
	ck_assert_int_eq(waitid(P_PID, (id_t)pid, &(siginfo_t){ 0 }, WEXITED | WNOWAIT), 0);
	ck_assert_int_eq(alive_query(dfd, &a, NULL), 0);
	ck_assert(!a.qemu);
	waitpid(pid, NULL, 0);
	close(pipefd[0]);
}
END_TEST

#define LAUNCH(more)                                                                               \
	"{\"format\":1,\"project\":\"p\",\"service\":\"s\",\"instance\":\"s-0\",\"uuid\":\"u\","   \
	"\"program\":\"/bin/q\",\"argv\":[\"q\"]" more "}"

START_TEST(launch_round_trip)
{
	static const char text[] = LAUNCH(
		",\"stop_grace_ns\":5,\"restart\":{\"policy\":\"on-failure\",\"max\":3},"
		"\"helpers\":[{\"name\":\"h\",\"argv\":[\"/bin/h\",\"-x\"],\"ready_path\":\"/r\","
		"\"ready_timeout_ms\":70}],\"networks\":[{\"driver\":\"d\",\"options\":{},\"nic\":{"
		"}}],"
		"\"health\":{\"plugin\":\"ssh\",\"options\":{\"test\":"
		"[\"true\"]},\"interval_ns\":1,\"timeout_ns\":2,\"start_period_ns\":3,"
		"\"start_interval_ns\":4,\"retries\":5,\"on_failure\":\"restart\"},"
		"\"guest\":{\"user\":\"u\",\"key\":\"/k\",\"host_key\":\"/h\"},"
		"\"log\":{\"console_max\":9,\"console_files\":1},"
		"\"reserved_ports\":[{\"first\":80,\"last\":81},{\"first\":443,\"last\":443}],"
		"\"ports\":[{\"name\":\"p\",\"host_ip\":\"::1\",\"protocol\":\"udp\","
		"\"host_port\":8,\"guest_port\":9,\"low\":7,\"high\":11}],"
		"\"worker\":{\"plugin_path\":\"/p\"}");
	_cleanup_(json_putp) struct json_object *in = parse(text), *once = NULL, *twice = NULL;
	_cleanup_(launch_destroyp) struct launch *l = NULL, *again = NULL;

	ck_assert_int_eq(launch_decode(in, "test", &l, NULL), 0);
	ck_assert_int_eq(l->restart, LAUNCH_RESTART_ON_FAILURE);
	ck_assert_uint_eq(l->restart_max, 3);
	ck_assert(l->health.set && l->health.restart);
	ck_assert_uint_eq(l->helpers[0].ready_timeout_ns, 70 * NS_PER_MS);
	ck_assert_uint_eq(l->qmp_timeout_ns, 30 * NS_PER_S);
	ck_assert_str_eq(l->plugin_path, "/p");
	ck_assert_uint_eq(jsonx_len(l->networks), 1);
	ck_assert_uint_eq(l->n_reserved, 2);
	ck_assert_uint_eq(l->reserved[0].last, 81);
	ck_assert_uint_eq(l->ports[0].low, 7);
	ck_assert_uint_eq(l->ports[0].high, 11);
	once = launch_encode(l);
	ck_assert_int_eq(launch_decode(once, "test", &again, NULL), 0);
	twice = launch_encode(again);
	ck_assert_str_eq(jsonx_line(once), jsonx_line(twice));
	ck_assert_uint_eq(jsonx_len(jsonx_arr(twice, "networks")), 1);
}
END_TEST

static const struct {
	const char *text, *message;
} bad_launches[] = {
	{ "{\"format\":1}", "\"project\" is missing" },
	{ LAUNCH(",\"argv\":[]"), NULL },
	{ LAUNCH(",\"program\":1"), NULL },
	{ LAUNCH(",\"helpers\":[{\"name\":\"h\",\"argv\":[\"rel\"]}]"), "no absolute path" },
	{ LAUNCH(",\"helpers\":[{\"name\":\"h\",\"argv\":[]}]"), "\"argv\" is empty" },
	{ LAUNCH(",\"helpers\":[{\"name\":\"h\",\"argv\":[\"/x\"],\"ready_path\":\"r\"}]"),
	  "\"ready_path\" is no absolute path" },
	{ LAUNCH(",\"restart\":{\"policy\":\"maybe\"}"), "\"policy\" is unknown" },
	{ LAUNCH(",\"reserved_ports\":[7]"), NULL },
	{ LAUNCH(",\"reserved_ports\":[{\"first\":0}]"), "\"first\" is out of range" },
	{ LAUNCH(",\"health\":{}"), "\"plugin\" is missing" },
	{ LAUNCH(",\"health\":{\"plugin\":\"ssh\",\"retries\":0}"), "\"retries\" is out of range" },
	{ LAUNCH(",\"stop_grace_ns\":-1"), "\"stop_grace_ns\" is out of range" },
};

START_TEST(bad_launch)
{
	_cleanup_(json_putp) struct json_object *in = NULL;
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct launch *l = NULL;

	/* Duplicate keys (message NULL) are refused by the JSON reader itself, or
	 * by the rule that the second one breaks. */
	if (jsonx_parse(bad_launches[_i].text, strlen(bad_launches[_i].text), "t", &in, NULL) < 0) {
		ck_assert_ptr_null(bad_launches[_i].message);
		return;
	}
	ck_assert_int_lt(launch_decode(in, "launch.json", &l, &err), 0);
	ck_assert_ptr_null(l);
	if (bad_launches[_i].message != NULL)
		ck_assert_msg(strstr(err->message, bad_launches[_i].message) != NULL, "%s",
			      err->message);
}
END_TEST

static const struct {
	struct vm_exit exit;
	const char *text;
} described[] = {
	{ { .cause = VM_EXIT_GUEST }, "powered off by the guest" },
	{ { .cause = VM_EXIT_QEMU, .status = 1, .message = (char *)(uintptr_t) "no disk" },
	  "QEMU failed with status 1: no disk" },
	{ { .cause = VM_EXIT_QEMU, .status = -1, .message = (char *)(uintptr_t) "no answer" },
	  "QEMU failed: no answer" },
	{ { .cause = VM_EXIT_SIGNAL, .signal = 9 }, "QEMU was killed by signal 9 (Killed)" },
	{ { .cause = VM_EXIT_NONE }, "has not ended" },
};

START_TEST(describe)
{
	_cleanup_(freep) char *text = vm_exit_describe(&described[_i].exit);

	ck_assert_str_eq(text, described[_i].text);
}
END_TEST

#define N(a) ((int)(sizeof(a) / sizeof((a)[0])))

int main(void)
{
	Suite *s = suite_create("monitor-records");
	TCase *t = tcase_create("records");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, record_round_trip);
	tcase_add_test(t, record_defaults);
	tcase_add_loop_test(t, bad_record, 0, N(bad_records));
	tcase_add_test(t, unknown_words);
	tcase_add_test(t, control_characters_do_not_reach_a_terminal);
	tcase_add_test(t, record_files);
	tcase_add_loop_test(t, settle, 0, N(settled));
	tcase_add_test(t, locks);
	tcase_add_test(t, launch_round_trip);
	tcase_add_loop_test(t, bad_launch, 0, N(bad_launches));
	tcase_add_loop_test(t, describe, 0, N(described));
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
