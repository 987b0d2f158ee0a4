/* SPDX-License-Identifier: Apache-2.0
 *
 * The worker and its queue, with plugin "behave" of the zoo: order, cancelling,
 * destroying inside callbacks, descriptors that must not leak.
 */
#include <base/alloc.h>
#include <base/chan.h>
#include <base/clock.h>
#include <base/jsonx.h>
#include <base/process.h>
#include <plugin/calls.h>
#include <plugin/client.h>

#include <check.h>
#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* A call's deadline that no test lives to see: it ends for another reason. */
#define LONG (3600 * NS_PER_S)

static char *dirs[] = { (char *)(uintptr_t)TEST_ZOO, NULL };

struct record {
	struct loop *loop;
	struct worker *worker;
	struct worker_call *victim;
	char text[512]; /* "REF:STATUS " of each call as it ends */
	unsigned left;
	bool destroy;
	unsigned progressed;
};

struct one {
	struct record *record;
	const char *ref;
};

static void on_done(void *data, struct worker_result *res)
{
	struct one *o = data;
	struct record *r = o->record;
	size_t n = strlen(r->text);

	snprintf(r->text + n, sizeof(r->text) - n, "%s:%d ", o->ref, (int)res->status);
	if (r->destroy) {
		worker_destroy(r->worker);
		r->worker = NULL;
		r->left = 0;
	} else {
		r->left--;
	}
	if (r->left == 0)
		loop_quit(r->loop);
}

static void on_progress(void *data, const char *what, uint64_t done, uint64_t total)
{
	struct one *o = data;

	ck_assert_str_eq(what, "thinking");
	ck_assert_uint_eq(done, 1);
	ck_assert_uint_eq(total, 2);
	o->record->progressed++;
}

static struct worker_call *call(struct one *o, uint64_t timeout_ns)
{
	struct worker_request rq = image_resolve_request("behave", o->ref);
	struct worker_call *c;

	rq.retry = false;
	rq.timeout_ns = timeout_ns;
	rq.on_progress = on_progress;
	o->record->left++;
	c = worker_call(o->record->worker, &rq, on_done, o);
	json_object_put(rq.args);
	return c;
}

static unsigned logged;

static void on_log(void *data, int level, const char *plugin, const char *msg)
{
	(void)data;
	ck_assert_int_eq(level, HOLOS_LOG_WARN);
	ck_assert_str_eq(plugin, "image-behave");
	ck_assert_str_eq(msg, "watch out");
	logged++;
}

static void record_init(struct record *r)
{
	struct worker_options o = {
		.program = TEST_WORKER, .plugin_dirs = dirs, .label = "test", .on_log = on_log
	};

	*r = (struct record){ .loop = loop_create() };
	r->worker = worker_create(r->loop, &o);
	logged = 0;
}

static void record_finish(struct record *r)
{
	worker_destroy(r->worker);
	loop_destroy(r->loop);
}

static unsigned count_fds(void)
{
	_cleanup_(closedirp) DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(d) != NULL)
		n++;
	return n;
}

static void assert_no_children(void)
{
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
}

START_TEST(in_order)
{
	unsigned fds = count_fds();
	struct record r;
	struct one refs[] = { { &r, "good" }, { &r, "segv" },   { &r, "good" },
			      { &r, "hang" }, { &r, "silent" }, { &r, "log" } };

	record_init(&r);
	ck_assert_int_eq(worker_pid(r.worker), 0); /* nothing is started yet */
	for (size_t i = 0; i < sizeof(refs) / sizeof(refs[0]); i++)
		(void)call(&refs[i], strcmp(refs[i].ref, "hang") == 0 ? 200 * NS_PER_MS : 0);
	ck_assert_str_eq(r.text, "");
	loop_run(r.loop);
	ck_assert_str_eq(r.text, "good:0 segv:-1 good:0 hang:-7 silent:-3 log:0 ");
	ck_assert_uint_eq(logged, 1);
	ck_assert_uint_eq(r.progressed, 2); /* of hang and of log */
	record_finish(&r);
	ck_assert_uint_eq(count_fds(), fds);
	assert_no_children();
}
END_TEST

/* Until the plugin says that it works on the call. */
static void run_until_begun(struct record *r)
{
	loop_resume(r->loop);
	while (r->progressed == 0)
		(void)loop_run_once(r->loop, UINT64_MAX);
}

/* ref of the running call, what it ends with, whether the next gets a new child */
static const struct {
	const char *ref, *text;
	bool new_child;
} cancels[] = {
	{ "cancel", "cancel:-8 good:0 ", false },
	{ "sleep", "sleep:-8 good:0 ", false },
	{ "hang", "hang:-8 good:0 ", true },
};

START_TEST(cancel_running)
{
	struct record r;
	struct one victim = { &r, cancels[_i].ref };
	struct one good = { &r, "good" };
	int pid;

	record_init(&r);
	(void)call(&good, 0);
	loop_run(r.loop);
	pid = worker_pid(r.worker);
	r.text[0] = '\0';
	r.victim = call(&victim, LONG);
	(void)call(&good, 0);
	run_until_begun(&r);
	worker_cancel(r.victim);
	loop_run(r.loop);
	ck_assert_str_eq(r.text, cancels[_i].text);
	if (cancels[_i].new_child)
		ck_assert_int_ne(worker_pid(r.worker), pid);
	else
		ck_assert_int_eq(worker_pid(r.worker), pid);
	/* The byte of that cancellation must not reach a later call. */
	r.text[0] = '\0';
	struct one sleep = { &r, "sleep" };
	(void)call(&sleep, 100 * NS_PER_MS);
	loop_run(r.loop);
	ck_assert_str_eq(r.text, "sleep:-7 ");
	record_finish(&r);
}
END_TEST

START_TEST(cancel_queued)
{
	struct record r;
	struct one first = { &r, "sleep" }, second = { &r, "good" }, third = { &r, "good" };

	record_init(&r);
	(void)call(&first, 300 * NS_PER_MS);
	r.victim = call(&second, 0);
	(void)call(&third, 0);
	worker_cancel(r.victim);
	loop_run(r.loop);
	ck_assert_str_eq(r.text, "good:-8 sleep:-7 good:0 ");
	record_finish(&r);
}
END_TEST

static const char *const endings[] = { "good", "silent", "segv", "hang", "garbage" };

START_TEST(destroy_in_done)
{
	unsigned fds = count_fds();
	struct record r;
	struct one one = { &r, endings[_i] }, queued = { &r, "good" };

	record_init(&r);
	r.destroy = true;
	(void)call(&one, strcmp(endings[_i], "hang") == 0 ? 200 * NS_PER_MS : 0);
	(void)call(&queued, 0);
	loop_run(r.loop);
	ck_assert_ptr_null(r.worker);
	ck_assert_ptr_eq(strchr(r.text, ' '), r.text + strlen(r.text) - 1); /* one call ended */
	loop_destroy(r.loop);
	ck_assert_uint_eq(count_fds(), fds);
	assert_no_children();
}
END_TEST

START_TEST(destroy_while_running)
{
	struct record r;
	struct one one = { &r, "hang" };

	record_init(&r);
	(void)call(&one, LONG);
	run_until_begun(&r);
	record_finish(&r);
	ck_assert_str_eq(r.text, "");
	assert_no_children();
}
END_TEST

static void on_quit_timer(void *data)
{
	struct record *r = data;

	loop_quit(r->loop);
}

/* The child was killed between two calls: the next one gets another. */
START_TEST(killed_while_idle)
{
	struct record r;
	struct one one = { &r, "good" };

	record_init(&r);
	(void)call(&one, 0);
	loop_run(r.loop);
	kill(worker_pid(r.worker), SIGKILL);
	loop_resume(r.loop);
	while (worker_pid(r.worker) != 0)
		(void)loop_run_once(r.loop, UINT64_MAX);
	(void)call(&one, 0);
	loop_run(r.loop);
	ck_assert_str_eq(r.text, "good:0 good:0 ");
	record_finish(&r);
}
END_TEST

/* Waiting, with calls queued before it, on a loop that does not run meanwhile. */
START_TEST(wait_on_a_loop)
{
	struct record r;
	struct one first = { &r, "good" }, second = { &r, "segv" }, third = { &r, "sleep" };
	struct image_info image;

	record_init(&r);
	(void)call(&first, 0);
	(void)call(&second, 0);
	(void)call(&third, 100 * NS_PER_MS);
	loop_add_timer(r.loop, 0, on_quit_timer, &r);
	ck_assert_int_eq(image_resolve(r.worker, "behave", "good", &image, NULL), 0);
	image_info_finish(&image);
	ck_assert_str_eq(r.text, "good:0 segv:-1 sleep:-7 ");
	ck_assert_int_eq(image_resolve(r.worker, "behave", "exit", &image, NULL), -ERR_FAILED);
	r.text[0] = '\0';
	(void)call(&first, 0);
	loop_run(r.loop); /* ends with the timer */
	loop_run(r.loop);
	ck_assert_str_eq(r.text, "good:0 ");
	record_finish(&r);
}
END_TEST

/* A worker that has served and is told to go ends by itself, with status 0: also
 * the leak checker has nothing to say then. */
START_TEST(worker_ends_cleanly)
{
	char plugins[] = "--plugins=" TEST_ZOO;
	char program[] = TEST_WORKER;
	char *argv[] = { program, plugins, NULL };
	struct process_spec spec = { .program = program, .argv = argv, .n_fds = 5 };
	struct json_object *request = NULL, *answer = NULL;
	static const char text[] = "{\"id\":1,\"kind\":\"image\",\"name\":\"behave\","
				   "\"op\":\"resolve\",\"options\":{},\"args\":{\"ref\":\"good\"},"
				   "\"fds\":[]}";
	int talk[2], cancel[2], status;
	struct chan *c;
	pid_t pid;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, talk), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, cancel), 0);
	spec.fds[0] = -1;
	spec.fds[1] = spec.fds[2] = 2;
	spec.fds[3] = talk[1];
	spec.fds[4] = cancel[1];
	ck_assert_int_eq(process_spawn(&spec, &pid, NULL), 0);
	close(talk[1]);
	close(cancel[1]);
	c = chan_create(NULL, talk[0], "worker", 4096, NULL, NULL, NULL);
	ck_assert_int_eq(jsonx_parse(text, strlen(text), "request", &request, NULL), 0);
	ck_assert_int_eq(chan_send(c, request, NULL, 0, NULL), 0);
	do {
		json_object_put(answer);
		ck_assert_int_eq(chan_read_wait(c, clock_now_ns() + 20 * NS_PER_S, &answer, NULL,
						NULL, NULL),
				 0);
	} while (jsonx_int(answer, "status", 1) != 0);
	json_object_put(answer);
	json_object_put(request);
	chan_destroy(c);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	close(cancel[0]);
}
END_TEST

START_TEST(no_program)
{
	struct worker_options o = { .program = "/nonexistent/holos-worker", .plugin_dirs = dirs };
	_cleanup_(worker_destroyp) struct worker *w = worker_create(NULL, &o);
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct image_info image;

	ck_assert_int_eq(image_resolve(w, "behave", "good", &image, &err), -ERR_HOST);
	ck_assert_str_eq(err->message, "image plugin \"behave\": cannot start "
				       "/nonexistent/holos-worker: No such file or directory");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("client");
	TCase *tc = tcase_create("client");
	SRunner *sr = srunner_create(s);
	int failed;

	/* Crashes are to be crashes in a build with sanitizers too. */
	setenv("ASAN_OPTIONS", "handle_segv=0:handle_abort=0", 1);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, in_order);
	tcase_add_loop_test(tc, cancel_running, 0, sizeof(cancels) / sizeof(cancels[0]));
	tcase_add_test(tc, cancel_queued);
	tcase_add_loop_test(tc, destroy_in_done, 0, sizeof(endings) / sizeof(endings[0]));
	tcase_add_test(tc, destroy_while_running);
	tcase_add_test(tc, killed_while_idle);
	tcase_add_test(tc, wait_on_a_loop);
	tcase_add_test(tc, worker_ends_cleanly);
	tcase_add_test(tc, no_program);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
