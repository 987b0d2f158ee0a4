/* SPDX-License-Identifier: Apache-2.0
 *
 * The typed calls, with plugin "sinks" of the zoo: what a plugin hands to the
 * host's sinks arrives, and what makes no sense is refused.
 */
#include <base/alloc.h>
#include <base/fs.h>
#include <base/jsonx.h>
#include <plugin/calls.h>

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *dirs[] = { (char *)(uintptr_t)TEST_ZOO, NULL };
static struct worker *worker;

static void setup(void)
{
	struct worker_options o = { .program = TEST_WORKER, .plugin_dirs = dirs };

	worker = worker_create(NULL, &o);
}

static void teardown(void)
{
	worker_destroy(worker);
}

START_TEST(plan)
{
	char any[] = "0.0.0.0";
	struct net_endpoint port = { 17, any, 53, 5353 };
	struct net_nic nic = { .vm = "a-0",
			       .id = "net0",
			       .mac = "52:54:00:00:00:01",
			       .project = "p",
			       .network = "n",
			       .ports = &port,
			       .n_ports = 1,
			       .dir = "/run/vm" };
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct net_plan p;

	/* The refused file name makes the plugin's own error, which it ignores. */
	ck_assert_msg(net_plan(worker, "sinks", NULL, &nic, &p, &err) == 0, "%s",
		      err != NULL ? err->message : "");
	ck_assert_uint_eq(p.qemu.n, 2);
	ck_assert_str_eq(p.qemu.v[1], "stream,id=net0");
	ck_assert_uint_eq(p.n_helpers, 1);
	ck_assert_str_eq(p.helpers[0].name, "passt");
	ck_assert_uint_eq(p.helpers[0].argv.n, 3);
	ck_assert_str_eq(p.helpers[0].argv.v[2], "/run/vm/net-net0-a.conf");
	ck_assert_str_eq(p.helpers[0].ready_path, "/run/vm/net-net0-b.conf");
	ck_assert_uint_eq(p.helpers[0].ready_timeout_ms, 500);
	ck_assert_uint_eq(p.n_endpoints, 1);
	ck_assert_str_eq(p.endpoints[0].host_addr, "0.0.0.0");
	ck_assert_uint_eq(p.endpoints[0].guest_port, 5353);
	ck_assert_uint_eq(p.n_files, 2);
	ck_assert_str_eq(p.files[0].name, "net-net0-a.conf");
	ck_assert_uint_eq(p.files[0].len, strlen("mac 52:54:00:00:00:01"));
	ck_assert_mem_eq(p.files[0].data, "mac 52:54:00:00:00:01", p.files[0].len);
	ck_assert_str_eq(p.files[1].name, "net-net0-b.conf");
	ck_assert_uint_eq(p.files[1].len, 3);
	ck_assert_mem_eq(p.files[1].data, "\0\1\2", 3);
	net_plan_finish(&p);
}
END_TEST

START_TEST(list)
{
	struct image_list l;

	ck_assert_int_eq(image_list(worker, "sinks", &l, NULL), 0);
	ck_assert_uint_eq(l.n, 2);
	ck_assert_str_eq(l.images[0].key, "one");
	ck_assert_str_eq(l.images[0].user, "u");
	ck_assert_str_eq(l.images[0].init, "openrc");
	ck_assert_str_eq(l.images[0].shares, "9p");
	ck_assert_ptr_null(l.images[0].arch);
	ck_assert_str_eq(l.images[1].ref, "sinks:2");
	ck_assert_str_eq(l.images[1].url, "https://h/i");
	ck_assert_str_eq(l.images[1].digest_url, "https://h/SUMS");
	ck_assert_uint_eq(l.images[1].bytes, 1ull << 40);
	ck_assert_str_eq(l.images[1].shares, "");
	image_list_finish(&l);
}
END_TEST

static const struct {
	const char *ref, *says;
} wrong[] = {
	{ "two-sources",
	  "describes an image (\"two-sources\") that has not exactly one of path, url "
	  "and key" },
	{ "no-source",
	  "describes an image (\"no-source\") that has not exactly one of path, url and key" },
	{ "format", "describes an image (\"format\") whose format is neither qcow2 nor raw" },
	{ "digest", "describes an image (\"digest\") whose digest is neither sha256 nor sha512 in "
		    "lower-case hex" },
	{ "http", "describes an image (\"http\") whose url is not https" },
	{ "utf8", "an image's description is no valid UTF-8" },
	{ "short", "an image's description is cut short" },
};

START_TEST(wrong_image)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	_cleanup_(freep) char *text = xasprintf("image plugin \"sinks\": %s", wrong[_i].says);
	struct image_info i;

	ck_assert_int_lt(image_resolve(worker, "sinks", wrong[_i].ref, &i, &err), 0);
	ck_assert_str_eq(err->message, text);
}
END_TEST

static void on_progress(void *data, const char *what, uint64_t done, uint64_t total)
{
	unsigned *n = data;

	ck_assert_str_eq(what, "making");
	ck_assert_uint_eq(done, 50);
	ck_assert_uint_eq(total, 100);
	++*n;
}

static const struct {
	const char *ref, *key, *says; /* says NULL: it works */
} makes[] = {
	{ "sinks:1", "one", NULL },
	{ "kernel", "one", "make left only some of kernel, initrd and cmdline" },
	{ "sinks:1", "escape", "output \"../x\" is no file of the work directory" },
	{ "sinks:1", "missing", "output \"x\" is no file of the work directory" },
	{ "sinks:1", "role", "output() of an unknown role" },
};

START_TEST(make)
{
	char dir[] = "/tmp/holos-make-XXXXXX";
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct image_files f;
	unsigned progressed = 0;
	int r;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	r = image_make(worker, "sinks", makes[_i].ref, makes[_i].key, dir, dir, on_progress,
		       &progressed, &f, &err);
	ck_assert_uint_eq(progressed, 1);
	if (makes[_i].says == NULL) {
		ck_assert_msg(r == 0, "%s", err != NULL ? err->message : "");
		ck_assert_str_eq(f.disk, "disk.img");
		ck_assert_ptr_null(f.kernel);
		image_files_finish(&f);
	} else {
		_cleanup_(freep) char *text =
			xasprintf("image plugin \"sinks\": %s", makes[_i].says);

		ck_assert_int_lt(r, 0);
		ck_assert_str_eq(err->message, text);
	}
	ck_assert_int_eq(fs_remove_tree(AT_FDCWD, dir, NULL), 0);
}
END_TEST

START_TEST(seed)
{
	static const char text[] = "{\"hostname\":\"web-0\",\"on\":true,\"a/b\":\"slash\"}";
	_cleanup_(json_putp) struct json_object *steps = NULL;
	_cleanup_(fclosep) FILE *out = tmpfile();
	_cleanup_(fclosep) FILE *key = tmpfile();
	static const char hosts[] = "{\"hosts\":[1,7]}";
	_cleanup_(json_putp) struct json_object *shared = NULL;
	struct provision_secret secrets[] = { { "other", fileno(out) }, { "key", fileno(key) } };
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct image_info image;
	char got[64] = "";

	ck_assert_int_eq(fs_write_all(fileno(key), "SECRET", 6), 0);
	ck_assert_int_eq(jsonx_parse(text, strlen(text), "steps", &steps, NULL), 0);
	ck_assert_int_eq(jsonx_parse(hosts, strlen(hosts), "hosts", &shared, NULL), 0);
	/* The second time the child has it; the third child does not. */
	for (int i = 0; i < 3; i++) {
		if (i == 2)
			ck_assert_int_lt(image_resolve(worker, "behave", "segv", &image, NULL), 0);
		ck_assert_int_eq(ftruncate(fileno(out), 0), 0);
		ck_assert_int_eq(lseek(fileno(key), 0, SEEK_SET), 0);
		ck_assert_msg(provision_seed(worker, "sinks", NULL, steps, shared, fileno(out), -1,
					     secrets, 2, &err) == 0,
			      "%s", err != NULL ? err->message : "");
		ck_assert_int_eq(lseek(fileno(out), 0, SEEK_SET), 0);
		ck_assert_int_eq(read(fileno(out), got, sizeof(got) - 1), 11);
		ck_assert_str_eq(got, "web-0SECRET");
		ck_assert_int_eq(lseek(fileno(out), 0, SEEK_SET), 0);
	}
	/* Who gives none gets none. */
	ck_assert_int_lt(
		provision_seed(worker, "sinks", NULL, steps, NULL, fileno(out), -1, NULL, 0, NULL),
		0);
}
END_TEST

START_TEST(translate)
{
	_cleanup_(json_putp) struct json_object *steps = NULL;
	_cleanup_(error_destroyp) struct holos_error *err = NULL;

	ck_assert_int_eq(provision_translate(worker, "sinks", NULL, "/x", &steps, NULL), 0);
	ck_assert_str_eq(jsonx_str_at(jsonx_arr(steps, "runcmd"), 0), "true");
	ck_assert_int_lt(provision_translate(worker, "sinks", NULL, "/bad", &steps, &err), 0);
	ck_assert_ptr_nonnull(strstr(err->message, "steps: no valid JSON"));
}
END_TEST

START_TEST(import)
{
	static const char *const names[] = { "source" };
	_cleanup_(fclosep) FILE *source = tmpfile();
	int fd = fileno(source);
	_cleanup_(json_putp) struct json_object *args = json_object_new_object();
	struct worker_request rq = { .kind = "importer",
				     .name = "sinks",
				     .op = "sniff",
				     .args = args,
				     .fds = &fd,
				     .fd_names = names,
				     .n_fds = 1 };
	struct json_object *answer = NULL;

	jsonx_set_str(args, "name", "x.conf");
	ck_assert_int_eq(worker_call_wait(worker, &rq, &answer, NULL), 0);
	ck_assert_int_eq(jsonx_int(answer, "score", -1), 0);
	json_object_put(answer);
	ck_assert_int_eq(fs_write_all(fd, "SINK", 4), 0);
	ck_assert_int_eq(worker_call_wait(worker, &rq, &answer, NULL), 0);
	ck_assert_int_eq(jsonx_int(answer, "score", -1), 100);
	json_object_put(answer);
	rq.op = "convert";
	ck_assert_int_eq(worker_call_wait(worker, &rq, &answer, NULL), 0);
	ck_assert_ptr_nonnull(jsonx_obj(jsonx_obj(answer, "model"), "services"));
	ck_assert_uint_eq(jsonx_len(jsonx_arr(answer, "lost")), 1);
	json_object_put(answer);
}
END_TEST

/* One MiB and more passes in both directions in one call each. */
START_TEST(large)
{
	_cleanup_(json_putp) struct json_object *steps = json_object_new_object();
	_cleanup_(freep) char *text = xmalloc(8u << 20);
	_cleanup_(fclosep) FILE *out = tmpfile();
	_cleanup_(error_destroyp) struct holos_error *err = NULL;

	memset(text, 'x', (8u << 20) - 1);
	text[(8u << 20) - 1] = '\0';
	jsonx_set_str(steps, "big", text);
	ck_assert_int_lt(
		provision_seed(worker, "sinks", NULL, steps, NULL, fileno(out), -1, NULL, 0, &err),
		0);
	ck_assert_str_eq(err->message, "provision plugin \"sinks\": the steps are not as expected");
	jsonx_set_str(steps, "big2", text);
	jsonx_set_str(steps, "big3", text);
	ck_assert_int_lt(
		provision_seed(worker, "sinks", NULL, steps, NULL, fileno(out), -1, NULL, 0, &err),
		0);
	ck_assert_str_eq(err->message,
			 "provision plugin \"sinks\": holos-worker does not take what it is sent");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("calls");
	TCase *tc = tcase_create("calls");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 30);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, plan);
	tcase_add_test(tc, list);
	tcase_add_loop_test(tc, wrong_image, 0, sizeof(wrong) / sizeof(wrong[0]));
	tcase_add_loop_test(tc, make, 0, sizeof(makes) / sizeof(makes[0]));
	tcase_add_test(tc, seed);
	tcase_add_test(tc, translate);
	tcase_add_test(tc, import);
	tcase_add_test(tc, large);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
