/* SPDX-License-Identifier: Apache-2.0
 *
 * The default plugins image file, net user, net multicast, health bypass, through
 * the worker and the typed calls, as the engine uses them.
 */
#include <base/alloc.h>
#include <base/fs.h>
#include <base/jsonx.h>
#include <plugin/calls.h>
#include <plugin/registry.h>

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *dirs[] = { (char *)(uintptr_t)TEST_PLUGINS, NULL };
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

/* ---- image file ----------------------------------------------------------------- */

#define ZEROS8 "\0\0\0\0\0\0\0\0"
/* magic and version, backing file offset, backing length and cluster bits, size,
 * crypt method and l1 size, three words, snapshots, incompatible features */
#define QCOW2_V3(backing, crypt, incompatible)                                                     \
	"QFI\xfb\0\0\0\3" backing "\0\0\0\0\0\0\0\x10" ZEROS8 crypt                                \
	"\0\0\0\0" ZEROS8 ZEROS8 ZEROS8 "\0\0\0\0\0\0\0\0" incompatible

#define TEXT(s) s, sizeof(s) - 1
static const struct {
	const char *data;
	size_t len;
	const char *format, *says; /* says: after 'image plugin "file": PATH' */
} files[] = {
	{ TEXT("just bytes"), "raw", NULL },
	{ TEXT("QFI"), "raw", NULL },
	{ TEXT(QCOW2_V3(ZEROS8, "\0\0\0\0", ZEROS8)), "qcow2", NULL },
	{ TEXT("QFI\xfb\0\0\0\2" ZEROS8 "\0\0\0\0\0\0\0\x10" ZEROS8 "\0\0\0\0"), "qcow2", NULL },
	{ TEXT(""), NULL, ": is empty" },
	{ TEXT("QFI\xfb"), NULL, ": damaged qcow2 header, or a version newer than 3" },
	{ TEXT("QFI\xfb\0\0\0\4" ZEROS8 ZEROS8 ZEROS8 ZEROS8 ZEROS8 ZEROS8 ZEROS8 ZEROS8 ZEROS8),
	  NULL, ": damaged qcow2 header, or a version newer than 3" },
	{ TEXT(QCOW2_V3("\0\0\0\0\0\0\1\0", "\0\0\0\0", ZEROS8)), NULL,
	  ": is an overlay on another file, and cannot be a base image" },
	{ TEXT(QCOW2_V3(ZEROS8, "\0\0\0\1", ZEROS8)), NULL,
	  ": is encrypted, which is not supported" },
	{ TEXT(QCOW2_V3(ZEROS8, "\0\0\0\0", "\0\0\0\0\0\0\0\4")), NULL,
	  ": keeps its data in another file, and cannot be a base image" },
};

START_TEST(image_file)
{
	char path[] = "/tmp/holos-image-XXXXXX";
	int fd = mkstemp(path);
	struct image_info image;
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	int r;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fs_write_all(fd, files[_i].data, files[_i].len), 0);
	close(fd);
	r = image_resolve(worker, "file", path, &image, &err);
	unlink(path);
	if (files[_i].format != NULL) {
		ck_assert_msg(r == 0, "%s", err != NULL ? err->message : "");
		ck_assert_str_eq(image.format, files[_i].format);
		ck_assert_str_eq(image.path, path);
		ck_assert_str_eq(image.ref, path);
		ck_assert_ptr_null(image.url);
		ck_assert_ptr_null(image.key);
		ck_assert_ptr_null(image.shares);
		image_info_finish(&image);
	} else {
		_cleanup_(freep) char *text =
			xasprintf("image plugin \"file\": %s%s", path, files[_i].says);

		ck_assert_int_lt(r, 0);
		ck_assert_str_eq(err->message, text);
	}
}
END_TEST

static const struct {
	const char *path, *says;
	int code;
} paths[] = {
	{ "/nonexistent/x.qcow2",
	  "image plugin \"file\": cannot open /nonexistent/x.qcow2: No such file or directory",
	  ERR_FAILED },
	{ "/tmp", "image plugin \"file\": /tmp: is a directory", ERR_INVALID },
	{ "/dev/null", "image plugin \"file\": /dev/null: is not a regular file", ERR_INVALID },
};

START_TEST(image_path)
{
	struct image_info image;
	_cleanup_(error_destroyp) struct holos_error *err = NULL;

	ck_assert_int_eq(image_resolve(worker, "file", paths[_i].path, &image, &err),
			 -paths[_i].code);
	ck_assert_str_eq(err->message, paths[_i].says);
}
END_TEST

START_TEST(image_fifo)
{
	char dir[] = "/tmp/holos-fifo-XXXXXX";
	_cleanup_(freep) char *path = NULL;
	struct image_info image;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	path = fs_join(dir, "x.raw");
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_eq(image_resolve(worker, "file", path, &image, NULL), -ERR_INVALID);
	ck_assert_int_eq(fs_remove_tree(AT_FDCWD, dir, NULL), 0);
}
END_TEST

START_TEST(image_lists_nothing)
{
	struct image_list list;
	struct image_files made;
	_cleanup_(error_destroyp) struct holos_error *err = NULL;

	ck_assert_int_eq(image_list(worker, "file", &list, NULL), 0);
	ck_assert_uint_eq(list.n, 0);
	image_list_finish(&list);
	ck_assert_int_lt(
		image_make(worker, "file", "/x", "k", "/tmp", "/tmp", NULL, NULL, &made, &err), 0);
	ck_assert_str_eq(err->message, "image plugin \"file\": it makes no images");
}
END_TEST

/* ---- networks ---------------------------------------------------------------------- */

static char address[] = "127.0.0.1", any[] = "0.0.0.0", six[] = "::1", word[] = "a,b=c";

static const struct {
	struct net_endpoint ports[3];
	size_t n;
	const char *netdev, *says;
	bool internal;
} users[] = {
	{ .netdev = "user,id=net0" },
	{ .internal = true, .netdev = "user,id=net0,restrict=on" },
	{ .ports = { { 6, address, 8080, 80 }, { 17, any, 53, 5353 }, { 6, NULL, 2222, 22 } },
	  .n = 3,
	  .netdev = "user,id=net0,hostfwd=tcp:127.0.0.1:8080-:80,hostfwd=udp:0.0.0.0:53-:5353,"
		    "hostfwd=tcp:127.0.0.1:2222-:22" },
	{ .ports = { { 6, six, 8080, 80 } },
	  .n = 1,
	  .says = "network plugin \"user\": web-0: cannot publish on IPv6 address ::1: QEMU's "
		  "user-mode network forwards from IPv4 addresses only" },
	{ .ports = { { 6, word, 8080, 80 } },
	  .n = 1,
	  .says = "network plugin \"user\": web-0: cannot publish on \"a,b=c\": it is no IPv4 "
		  "address" },
	{ .ports = { { 132, address, 8080, 80 } },
	  .n = 1,
	  .says = "network plugin \"user\": web-0: cannot forward IP protocol 132, only tcp and "
		  "udp" },
	{ .ports = { { 6, address, 0, 80 } },
	  .n = 1,
	  .says = "network plugin \"user\": web-0: port 0:80 is out of range" },
};

START_TEST(net_user)
{
	_cleanup_(json_putp) struct json_object *options = json_object_new_object();
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct net_nic nic = { .vm = "web-0",
			       .id = "net0",
			       .mac = "52:54:00:00:00:01",
			       .project = "p",
			       .network = "external",
			       .ports = users[_i].ports,
			       .n_ports = users[_i].n,
			       .dir = "/tmp" };
	struct net_plan plan;
	int r;

	if (users[_i].internal)
		jsonx_set_bool(options, "internal", true);
	r = net_plan(worker, "user", options, &nic, &plan, &err);
	if (users[_i].says != NULL) {
		ck_assert_int_eq(r, -ERR_INVALID);
		ck_assert_str_eq(err->message, users[_i].says);
		return;
	}
	ck_assert_msg(r == 0, "%s", err != NULL ? err->message : "");
	ck_assert_uint_eq(plan.qemu.n, 2);
	ck_assert_str_eq(plan.qemu.v[0], "-netdev");
	ck_assert_str_eq(plan.qemu.v[1], users[_i].netdev);
	ck_assert_uint_eq(plan.n_endpoints, users[_i].n);
	for (size_t i = 0; i < plan.n_endpoints; i++) {
		ck_assert_uint_eq(plan.endpoints[i].host_port, users[_i].ports[i].host_port);
		ck_assert_uint_eq(plan.endpoints[i].guest_port, users[_i].ports[i].guest_port);
		ck_assert_uint_eq(plan.endpoints[i].protocol, users[_i].ports[i].protocol);
	}
	ck_assert_uint_eq(plan.n_helpers, 0);
	ck_assert_uint_eq(plan.n_files, 0);
	net_plan_finish(&plan);
}
END_TEST

START_TEST(net_multicast)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct net_endpoint port = { 6, address, 80, 80 };
	struct net_nic nic = { .vm = "web-0",
			       .id = "net1",
			       .mac = "52:54:00:00:00:02",
			       .project = "p",
			       .network = "default",
			       .group = "230.1.2.3",
			       .group_port = 12345,
			       .dir = "/tmp" };
	struct net_plan plan;

	ck_assert_int_eq(net_plan(worker, "multicast", NULL, &nic, &plan, NULL), 0);
	ck_assert_uint_eq(plan.qemu.n, 2);
	ck_assert_str_eq(plan.qemu.v[1],
			 "socket,id=net1,mcast=230.1.2.3:12345,localaddr=127.0.0.1");
	net_plan_finish(&plan);

	nic.ports = &port;
	nic.n_ports = 1;
	ck_assert_int_eq(net_plan(worker, "multicast", NULL, &nic, &plan, &err), -ERR_INVALID);
	ck_assert_str_eq(err->message, "network plugin \"multicast\": ports of web-0 cannot be "
				       "published from network \"default\"");
	nic.n_ports = 0;
	nic.group = NULL;
	ck_assert_int_eq(net_plan(worker, "multicast", NULL, &nic, &plan, NULL), -ERR_FAILED);
}
END_TEST

/* ---- health, any kind ------------------------------------------------------------------ */

START_TEST(health_bypass)
{
	struct health_guest guest = { .vm = "web-0" };
	_cleanup_(json_putp) struct json_object *options = json_object_new_object();
	struct worker_request rq;
	struct worker_result res;

	jsonx_set(options, "test", json_object_new_array()); /* what an ssh check would take */
	rq = health_check_request("bypass", options, &guest, 1000000000);
	ck_assert_int_eq(worker_call_wait_result(worker, &rq, NULL, &res), 0);
	ck_assert_int_eq(res.status, HOLOS_OK);
	worker_result_finish(&res);
	json_object_put(rq.args);
}
END_TEST

START_TEST(unknown_operation)
{
	struct worker_request rq = { .kind = "health", .name = "bypass", .op = "resolve" };
	_cleanup_(error_destroyp) struct holos_error *err = NULL;

	ck_assert_int_eq(plugin_probe(worker, "health", "bypass", NULL), 0);
	ck_assert_int_lt(worker_call_wait(worker, &rq, NULL, &err), 0);
	ck_assert_str_eq(err->message,
			 "health plugin \"bypass\": there is no operation \"resolve\"");
}
END_TEST

/* Every plugin that was built is found, by name and in the list. */
START_TEST(manifests)
{
	static const char *const modules[][2] = { { "health", "bypass" },
						  { "image", "file" },
						  { "net", "multicast" },
						  { "net", "user" } };
	_cleanup_(registry_destroyp) struct registry *r = registry_create(dirs);
	const struct plugin_info *const *list;
	const struct plugin_info *p;
	size_t n;

	for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++) {
		_cleanup_(error_destroyp) struct holos_error *err = NULL;

		ck_assert_msg(registry_find(r, modules[i][0], modules[i][1], &p, &err) == 0, "%s",
			      err != NULL ? err->message : "");
		ck_assert_ptr_nonnull(p->summary);
	}
	registry_list(r, &list, &n);
	ck_assert_uint_ge(n, 4);
	for (size_t i = 0; i < n; i++)
		ck_assert_msg(list[i]->refused == NULL, "%s", list[i]->refused);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("defaults");
	TCase *tc = tcase_create("defaults");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 30);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, image_file, 0, sizeof(files) / sizeof(files[0]));
	tcase_add_loop_test(tc, image_path, 0, sizeof(paths) / sizeof(paths[0]));
	tcase_add_test(tc, image_fifo);
	tcase_add_test(tc, image_lists_nothing);
	tcase_add_loop_test(tc, net_user, 0, sizeof(users) / sizeof(users[0]));
	tcase_add_test(tc, net_multicast);
	tcase_add_test(tc, health_bypass);
	tcase_add_test(tc, unknown_operation);
	tcase_add_test(tc, manifests);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
