/* SPDX-License-Identifier: Apache-2.0
 *
 * zoo.c - every broken plugin costs its own call, and one sentence.
 *
 * TEST_ZOO is the directory of the plugins, TEST_WORKER the holos-worker.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/fs.h>
#include <base/jsonx.h>
#include <base/process.h>
#include <plugin/calls.h>
#include <plugin/client.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__aarch64__)
#define ZOO_FOREIGN "x86-64"
#else
#define ZOO_FOREIGN "aarch64"
#endif

static char *dirs[] = { (char *)(uintptr_t)TEST_ZOO, NULL };

static struct worker *make_worker(char *const *where)
{
	struct worker_options o = { .program = TEST_WORKER, .plugin_dirs = where };

	return worker_create(NULL, &o);
}

static int resolve(struct worker *w, const char *name, const char *ref, uint64_t timeout_ns,
		   struct worker_result *res)
{
	struct worker_request rq = image_resolve_request(name, ref);
	int r;

	rq.timeout_ns = timeout_ns;
	rq.retry = strcmp(ref, "again") == 0;
	r = worker_call_wait_result(w, &rq, NULL, res);
	json_object_put(rq.args);
	return r;
}

/* The worker of a failed call must be as good as new. */
static void assert_good(struct worker *w)
{
	struct worker_result res;

	ck_assert_int_eq(resolve(w, "behave", "good", 5 * NS_PER_S, &res), 0);
	ck_assert_str_eq(jsonx_str(jsonx_obj(res.value, "image"), "ref", ""), "behave:good");
	worker_result_finish(&res);
}

/* ---- loading ---------------------------------------------------------------- */

static const struct {
	const char *name, *says; /* the text after `image plugin "NAME": ` */
	bool died;
} broken[] = {
	{ "abi2", "holos-image-abi2.so is built for plugin ABI 2, this holos speaks 1.0", false },
	{ "symbol2", "holos-image-symbol2.so is built for plugin ABI 2, this holos speaks 1.0",
	  false },
	{ "symbolless", "holos-image-symbolless.so is no holos plugin: it has no holos_plugin_v1",
	  false },
	{ "short", "holos-image-short.so: its description is cut short (24 bytes)", false },
	{ "needs-newer", "holos-image-needs-newer.so needs plugin ABI 1.99, this holos speaks 1.0",
	  false },
	{ "flags", "holos-image-flags.so needs a newer holos (flags 0x100000)", false },
	{ "misnamed",
	  "holos-image-misnamed.so calls itself \"image-somebody-else\", not \"image-misnamed\"",
	  false },
	{ "versionless", "holos-image-versionless.so has no version", false },
	{ "ifaceless", "holos-image-ifaceless.so offers no interface", false },
	{ "iface-short", "holos-image-iface-short.so: an interface is cut short (16 bytes)",
	  false },
	{ "iface-misnamed", "holos-image-iface-misnamed.so: an interface without id or valid name",
	  false },
	{ "iface-twice", "holos-image-iface-twice.so offers holos.image/1 \"iface-twice\" twice",
	  false },
	{ "ops-short",
	  "holos-image-ops-short.so: holos.image/1 \"ops-short\": its operations are cut short "
	  "(32 bytes)",
	  false },
	{ "ops-missing",
	  "holos-image-ops-missing.so: holos.image/1 \"ops-missing\" lacks the operation resolve",
	  false },
	{ "half-open",
	  "holos-image-half-open.so: holos.image/1 \"half-open\" has only one of open and close",
	  false },
	{ "schema-json",
	  "holos-image-schema-json.so: holos.image/1 \"schema-json\": schema: no valid JSON",
	  false },
	{ "schema-keyword",
	  "holos-image-schema-keyword.so: holos.image/1 \"schema-keyword\": schema.x: keyword "
	  "\"pattern\" is not understood for type \"string\"",
	  false },
	{ "schema-type",
	  "holos-image-schema-type.so: holos.image/1 \"schema-type\": schema: its \"type\" is not "
	  "\"object\"",
	  false },
	{ "undefined",
	  "holos-image-undefined.so cannot be loaded: undefined symbol: holos_zoo_nobody_has_this",
	  false },
	{ "nothing", "holos-image-nothing.so: describes nothing", false },
	{ "text", "holos-image-text.so is no shared object", false },
	{ "empty", "holos-image-empty.so is no shared object", false },
	{ "foreign", "holos-image-foreign.so is built for " ZOO_FOREIGN ", this holos for ",
	  false },
	{ "needs-library",
	  "holos-image-needs-library.so cannot be loaded: libholos-zoo-gone.so: cannot open shared "
	  "object file: No such file or directory",
	  false },
	{ "absent", "holos-image-absent.so is not in any plugin directory", false },
	{ "stale",
	  TEST_ZOO "/holos-image-stale.json does not describe the holos-image-stale.so beside it: "
		   "one of them is of another version",
	  false },
	{ "constructor", "loading crashed (signal 11, Segmentation fault)", true },
	{ "init-crash", "init crashed (signal 6, Aborted)", true },
	{ "init-fails", "the moon is in the wrong phase", false },
	{ "init-hangs", "init did not finish within 100ms and was killed", true },
	{ "open-crash", "open crashed (signal 11, Segmentation fault)", true },
};

START_TEST(loading)
{
	_cleanup_(worker_destroyp) struct worker *w = make_worker(dirs);
	_cleanup_(freep) char *text =
		xasprintf("image plugin \"%s\": %s", broken[_i].name, broken[_i].says);
	bool hangs = strcmp(broken[_i].name, "init-hangs") == 0;
	struct worker_result res;

	/* The second time is like the first. */
	for (int i = 0; i < 2; i++) {
		ck_assert_int_lt(resolve(w, broken[_i].name, "x",
					 hangs ? 100 * NS_PER_MS : 5 * NS_PER_S, &res),
				 0);
		ck_assert_msg(strncmp(res.err->message, text, strlen(text)) == 0, "said: %s",
			      res.err->message);
		ck_assert_int_eq(res.died, broken[_i].died);
		ck_assert_ptr_null(res.value);
		worker_result_finish(&res);
	}
	assert_good(w);
}
END_TEST

/* What changes the machine must be able to take it back. */
START_TEST(changes_the_machine)
{
	_cleanup_(worker_destroyp) struct worker *w = make_worker(dirs);
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct net_nic nic = { .vm = "a-0",
			       .id = "net0",
			       .mac = "52:54:00:00:00:01",
			       .project = "p",
			       .network = "default",
			       .dir = "/tmp" };
	struct net_plan plan;

	ck_assert_int_eq(net_plan(w, "applies", NULL, &nic, &plan, &err), -ERR_HOST);
	ck_assert_str_eq(err->message, "network plugin \"applies\": holos-net-applies.so: "
				       "holos.net/1 \"applies\" lacks the operation journal");
}
END_TEST

/* Files that must not be taken at all: a directory of their own. */
START_TEST(unsafe_files)
{
	char dir[] = "/tmp/holos-zoo-XXXXXX";
	char *where[] = { dir, NULL };
	_cleanup_(freep) char *writable = NULL;
	_cleanup_(freep) char *outside = NULL;
	_cleanup_(freep) char *text = NULL;
	_cleanup_(worker_destroyp) struct worker *w = NULL;
	struct worker_result res;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	writable = fs_join(dir, "holos-image-writable.so");
	outside = fs_join(dir, "holos-image-outside.so");
	ck_assert_int_eq(fs_copy(AT_FDCWD, TEST_ZOO "/holos-image-behave.so", AT_FDCWD, writable,
				 0644, NULL),
			 0);
	ck_assert_int_eq(chmod(writable, 0666), 0);
	ck_assert_int_eq(symlink(TEST_ZOO "/holos-image-behave.so", outside), 0);
	w = make_worker(where);

	ck_assert_int_eq(resolve(w, "writable", "x", 0, &res), -ERR_HOST);
	text = xasprintf("image plugin \"writable\": file %s is writable by others", writable);
	ck_assert_str_eq(res.err->message, text);
	worker_result_finish(&res);

	ck_assert_int_eq(resolve(w, "outside", "x", 0, &res), -ERR_HOST);
	free(text);
	text = xasprintf("image plugin \"outside\": %s is a link out of its directory", outside);
	ck_assert_str_eq(res.err->message, text);
	worker_result_finish(&res);

	ck_assert_int_eq(chmod(dir, 0777), 0);
	ck_assert_int_eq(resolve(w, "outside", "x", 0, &res), -ERR_HOST);
	free(text);
	text = xasprintf("image plugin \"outside\": directory %s is writable by others", dir);
	ck_assert_str_eq(res.err->message, text);
	worker_result_finish(&res);
	ck_assert_int_eq(fs_remove_tree(AT_FDCWD, dir, NULL), 0);
}
END_TEST

/* ---- calls ----------------------------------------------------------------------- */

static const struct {
	const char *ref, *says; /* NULL: it works */
	uint64_t timeout_ms;
	holos_status status;
	int code;
	bool died;
} behaviours[] = {
	{ "good", NULL, 5000, HOLOS_OK, 0, false },
	{ "stdout", NULL, 5000, HOLOS_OK, 0, false },
	{ "log", NULL, 5000, HOLOS_OK, 0, false },
	{ "again", NULL, 5000, HOLOS_OK, 0, false },
	{ "segv", "resolve crashed (signal 11, Segmentation fault)", 5000, HOLOS_E_INTERNAL,
	  ERR_FAILED, true },
	{ "fork", "resolve crashed (signal 11, Segmentation fault)", 5000, HOLOS_E_INTERNAL,
	  ERR_FAILED, true },
	{ "abort", "resolve crashed (signal 6, Aborted)", 5000, HOLOS_E_INTERNAL, ERR_FAILED,
	  true },
	{ "exit", "resolve ended the process it ran in (exit status 3)", 5000, HOLOS_E_INTERNAL,
	  ERR_FAILED, true },
	{ "exit0", "resolve ended the process it ran in (exit status 0)", 5000, HOLOS_E_INTERNAL,
	  ERR_FAILED, true },
	{ "close", "resolve closed its connection to holos or was killed", 5000, HOLOS_E_INTERNAL,
	  ERR_FAILED, true },
	{ "garbage", "resolve answered with nonsense (holos-worker: no valid JSON", 5000,
	  HOLOS_E_INTERNAL, ERR_FAILED, true },
	{ "forged", "resolve answered with nonsense (an answer to nothing)", 5000, HOLOS_E_INTERNAL,
	  ERR_FAILED, true },
	{ "hang", "resolve did not finish within 100ms and was killed", 100, HOLOS_E_TIMEOUT,
	  ERR_TIMEOUT, true },
	{ "cancel", "resolve did not finish within 100ms", 100, HOLOS_E_TIMEOUT, ERR_TIMEOUT,
	  false },
	{ "sleep", "resolve did not finish within 100ms", 100, HOLOS_E_TIMEOUT, ERR_TIMEOUT,
	  false },
	{ "silent", "resolve failed without saying why (not found)", 5000, HOLOS_E_NOTFOUND,
	  ERR_FAILED, false },
	{ "strange", "resolve returned 7, which is no status", 5000, HOLOS_E_INTERNAL, ERR_FAILED,
	  false },
	{ "noise", "line one line ? two", 5000, HOLOS_E_CONFIG, ERR_INVALID, false },
	{ "nested", "no image: cannot open the vault: Permission denied", 5000, HOLOS_E_DENIED,
	  ERR_HOST, false },
	{ "nothing", "resolve told of 0 images, not of one", 5000, HOLOS_E_INTERNAL, ERR_FAILED,
	  false },
	{ "twice", "resolve told of 2 images, not of one", 5000, HOLOS_E_INTERNAL, ERR_FAILED,
	  false },
};

START_TEST(calling)
{
	_cleanup_(worker_destroyp) struct worker *w = make_worker(dirs);
	_cleanup_(freep) char *text =
		xasprintf("image plugin \"behave\": %s",
			  behaviours[_i].says != NULL ? behaviours[_i].says : "");
	const char *ref = behaviours[_i].ref;
	struct worker_result res;
	uint64_t start = clock_now_ns();
	int r;

	r = resolve(w, "behave", ref, behaviours[_i].timeout_ms * NS_PER_MS, &res);
	ck_assert_uint_lt(clock_now_ns() - start, 4 * NS_PER_S);
	ck_assert_int_eq(r, -behaviours[_i].code);
	ck_assert_int_eq(res.status, behaviours[_i].status);
	ck_assert_int_eq(res.died, behaviours[_i].died);
	if (behaviours[_i].says != NULL) {
		ck_assert_msg(strncmp(res.err->message, text, strlen(text)) == 0, "said: %s",
			      res.err->message);
		ck_assert_msg(strstr(res.reason, "behave") == NULL, "reason: %s", res.reason);
	}
	if (strcmp(ref, "nested") == 0) {
		ck_assert_str_eq(res.err->hint, "knock first");
		ck_assert_int_eq(res.err->sys_errno, EACCES);
	}
	worker_result_finish(&res);
	assert_good(w);
}
END_TEST

/* The sanitizers' allocator does not mind the limit. */
#if defined(__SANITIZE_ADDRESS__)
#define UNDER_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_SANITIZER 1
#endif
#endif

#if !defined(UNDER_SANITIZER)
START_TEST(memory_limit)
{
	struct worker_options o = { .program = TEST_WORKER,
				    .plugin_dirs = dirs,
				    .memory_max = 256u << 20 };
	_cleanup_(worker_destroyp) struct worker *w = worker_create(NULL, &o);
	struct worker_result res;

	ck_assert_int_lt(resolve(w, "behave", "eat", 20 * NS_PER_S, &res), 0);
	ck_assert_str_eq(res.err->message, "image plugin \"behave\": out of memory");
	worker_result_finish(&res);
}
END_TEST

/* One that does not look at what it gets crashes, and the cause is named. */
START_TEST(memory_careless)
{
	struct worker_options o = { .program = TEST_WORKER,
				    .plugin_dirs = dirs,
				    .memory_max = 256u << 20 };
	_cleanup_(worker_destroyp) struct worker *w = worker_create(NULL, &o);
	struct worker_result res;

	ck_assert_int_lt(resolve(w, "behave", "careless", 20 * NS_PER_S, &res), 0);
	ck_assert_str_eq(res.err->message, "image plugin \"behave\": resolve used up the memory a "
					   "plugin may have (256 MiB)");
	worker_result_finish(&res);
	assert_good(w);
}
END_TEST

#endif

/* Alive, and not a zombie that its reaper has not come to yet. */
static bool lives(long pid)
{
	return process_start_time((pid_t)pid) != 0;
}

static long read_pid(const char *file)
{
	_cleanup_(strbuf_finish) struct strbuf b = STRBUF_INIT;

	ck_assert_int_eq(fs_read(AT_FDCWD, file, 64, &b, NULL), 0);
	return strtol(b.s, NULL, 10);
}

/* A daemon left the worker's process group and session; it ends with the call
 * that crashed, or with the worker that served it. */
START_TEST(no_daemon_is_left)
{
	static const char *const refs[] = { "daemon", "helper" };
	char dir[] = "/tmp/holos-zoo-XXXXXX";
	_cleanup_(freep) char *file = NULL;
	struct worker_result res;
	struct worker *w;
	long pid;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	file = fs_join(dir, "pid");
	setenv("ZOO_PID_FILE", file, 1);
	w = make_worker(dirs);
	(void)resolve(w, "behave", refs[_i], 10 * NS_PER_S, &res);
	ck_assert_int_eq(res.died, strcmp(refs[_i], "daemon") == 0);
	worker_result_finish(&res);
	pid = read_pid(file);
	ck_assert_int_gt(pid, 0);
	if (strcmp(refs[_i], "helper") == 0)
		ck_assert(lives(pid));
	worker_destroy(w);
	ck_assert(!lives(pid));
	ck_assert_int_eq(fs_remove_tree(AT_FDCWD, dir, NULL), 0);
}
END_TEST

/* The program that called was killed: its plugins go, and what they started. */
START_TEST(no_daemon_outlives_caller)
{
	char dir[] = "/tmp/holos-zoo-XXXXXX";
	_cleanup_(freep) char *file = NULL;
	struct worker_result res;
	pid_t caller;
	long pid;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	file = fs_join(dir, "pid");
	setenv("ZOO_PID_FILE", file, 1);
	caller = fork();
	if (caller == 0) {
		(void)resolve(make_worker(dirs), "behave", "helper", 10 * NS_PER_S, &res);
		raise(SIGKILL);
	}
	ck_assert_int_eq(waitpid(caller, NULL, 0), caller);
	pid = read_pid(file);
	for (int i = 0; i < 1000 && lives(pid); i++)
		usleep(10000);
	ck_assert(!lives(pid));
	ck_assert_int_eq(fs_remove_tree(AT_FDCWD, dir, NULL), 0);
}
END_TEST

/* A directory above that others can write is as bad as the directory itself. */
START_TEST(unsafe_ancestor)
{
	char top[] = "/tmp/holos-zoo-XXXXXX";
	_cleanup_(freep) char *dir = NULL;
	_cleanup_(freep) char *file = NULL;
	_cleanup_(freep) char *text = NULL;
	_cleanup_(worker_destroyp) struct worker *w = NULL;
	struct worker_result res;

	ck_assert_ptr_nonnull(mkdtemp(top));
	dir = fs_join(top, "plugins");
	file = fs_join(dir, "holos-image-behave.so");
	ck_assert_int_eq(mkdir(dir, 0755), 0);
	ck_assert_int_eq(
		fs_copy(AT_FDCWD, TEST_ZOO "/holos-image-behave.so", AT_FDCWD, file, 0644, NULL),
		0);
	char *where[] = { dir, NULL };
	w = make_worker(where);
	assert_good(w);
	worker_destroy(w);
	ck_assert_int_eq(chmod(top, 0777), 0);
	w = make_worker(where);
	ck_assert_int_eq(resolve(w, "behave", "good", 0, &res), -ERR_HOST);
	text = xasprintf("image plugin \"behave\": directory %s, above a plugin directory, is "
			 "writable by others",
			 top);
	ck_assert_str_eq(res.err->message, text);
	worker_result_finish(&res);
	ck_assert_int_eq(chmod(top, 01777), 0); /* as /tmp: names belong to their owners */
	assert_good(w);
	ck_assert_int_eq(fs_remove_tree(AT_FDCWD, top, NULL), 0);
}
END_TEST

/* A child that a crashed plugin left behind is ended with it: it has the pid of
 * the worker as its process group. */
START_TEST(nothing_is_left)
{
	_cleanup_(worker_destroyp) struct worker *w = make_worker(dirs);
	struct worker_result res;
	pid_t group;

	assert_good(w);
	group = worker_pid(w);
	ck_assert_int_gt(group, 0);
	ck_assert_int_lt(resolve(w, "behave", "fork", 5 * NS_PER_S, &res), 0);
	worker_result_finish(&res);
	/* It was killed; whoever inherits it reaps it, soon. */
	for (int i = 0; i < 500 && kill(-group, 0) == 0; i++)
		usleep(10000);
	ck_assert_int_eq(kill(-group, 0), -1);
}
END_TEST

START_TEST(wrong_options)
{
	_cleanup_(worker_destroyp) struct worker *w = make_worker(dirs);
	struct worker_request rq = image_resolve_request("behave", "good");
	struct worker_result res;

	rq.options = json_object_new_object();
	jsonx_set_str(rq.options, "n", "many");
	ck_assert_int_eq(worker_call_wait_result(w, &rq, NULL, &res), -ERR_INVALID);
	ck_assert_str_eq(res.err->message,
			 "image plugin \"behave\": options.n: must be an integer, is \"many\"");
	ck_assert_str_eq(res.at, "/n");
	worker_result_finish(&res);
	json_object_put(rq.options);
	json_object_put(rq.args);
	assert_good(w);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("zoo");
	TCase *tc = tcase_create("zoo");
	SRunner *sr = srunner_create(s);
	int failed;

	/* Crashes are to be crashes in a build with sanitizers too. */
	setenv("ASAN_OPTIONS", "handle_segv=0:handle_abort=0", 1);
	tcase_set_timeout(tc, 30);
	tcase_add_loop_test(tc, loading, 0, sizeof(broken) / sizeof(broken[0]));
	tcase_add_test(tc, changes_the_machine);
	tcase_add_test(tc, unsafe_files);
	tcase_add_loop_test(tc, calling, 0, sizeof(behaviours) / sizeof(behaviours[0]));
#if !defined(UNDER_SANITIZER)
	tcase_add_test(tc, memory_limit);
	tcase_add_test(tc, memory_careless);
#endif
	tcase_add_test(tc, nothing_is_left);
	tcase_add_loop_test(tc, no_daemon_is_left, 0, 2);
	tcase_add_test(tc, no_daemon_outlives_caller);
	tcase_add_test(tc, unsafe_ancestor);
	tcase_add_test(tc, wrong_options);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
