/* SPDX-License-Identifier: Apache-2.0
 *
 * Manifests alone: the .so files of these tests are empty, no code is loaded.
 */
#include <base/alloc.h>
#include <base/fs.h>
#include <base/jsonx.h>
#include <plugin/registry.h>
#include <plugin/search.h>

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[] = "/tmp/holos-registry-XXXXXX";
static char *one, *two; /* two plugin directories */
static char *dirs[3];

static void put(const char *dir, const char *file, const char *text)
{
	_cleanup_(freep) char *path = fs_join(dir, file);

	ck_assert_int_eq(fs_write_replace(AT_FDCWD, path, text, strlen(text), 0644, NULL), 0);
}

/* A plugin of one interface; more is put before "name". */
static void put_plugin(const char *dir, const char *kind, const char *name, const char *more,
		       const char *iface_more)
{
	_cleanup_(freep) char *json = xasprintf("holos-%s-%s.json", kind, name);
	_cleanup_(freep) char *so = xasprintf("holos-%s-%s.so", kind, name);
	_cleanup_(freep) char *text = xasprintf(
		"{\"manifest\":1,%s\"name\":\"%s-%s\",\"version\":\"1.2\",\"abi\":\"1.0\","
		"\"host_minor_min\":0,\"package\":\"p-%s\",\"interfaces\":[{\"id\":\"holos.%s/1\","
		"\"name\":\"%s\",\"summary\":\"sum\"%s}]}",
		more, kind, name, name, kind, name, iface_more);

	put(dir, json, text);
	put(dir, so, "");
}

static void setup(void)
{
	strcpy(root + sizeof(root) - 7, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
	one = fs_join(root, "one");
	two = fs_join(root, "two");
	ck_assert_int_eq(mkdir(one, 0755), 0);
	ck_assert_int_eq(mkdir(two, 0755), 0);
	dirs[0] = one;
	dirs[1] = two;
}

static void teardown(void)
{
	ck_assert_int_eq(fs_remove_tree(AT_FDCWD, root, NULL), 0);
	free(one);
	free(two);
}

/* Text of the error and its hint: "message [hint]". */
static char *say(const struct holos_error *err)
{
	return err->hint != NULL ? xasprintf("%s [%s]", err->message, err->hint)
				 : xstrdup(err->message);
}

static void assert_says(struct holos_error *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static void assert_says(struct holos_error *err, const char *fmt, ...)
{
	_cleanup_(freep) char *is = say(err);
	_cleanup_(freep) char *should = NULL;
	va_list ap;

	va_start(ap, fmt);
	should = xvasprintf(fmt, ap);
	va_end(ap);
	ck_assert_str_eq(is, should);
	error_destroy(err);
}

START_TEST(find)
{
	_cleanup_(registry_destroyp) struct registry *r = registry_create(dirs);
	const struct plugin_info *p = NULL, *again = NULL;
	_cleanup_(freep) char *so = fs_join(one, "holos-net-passt.so");

	put_plugin(one, "net", "passt", "\"license\":\"MIT\",",
		   ",\"schema\":{\"type\":\"object\"}");
	ck_assert_int_eq(registry_find(r, "net", "passt", &p, NULL), 0);
	ck_assert_str_eq(p->kind, "net");
	ck_assert_str_eq(p->name, "passt");
	ck_assert_str_eq(p->module, "net-passt");
	ck_assert_str_eq(p->path, so);
	ck_assert_str_eq(p->version, "1.2");
	ck_assert_str_eq(p->abi, "1.0");
	ck_assert_str_eq(p->summary, "sum");
	ck_assert_str_eq(p->package, "p-passt");
	ck_assert_str_eq(p->license, "MIT");
	ck_assert_ptr_null(p->refused);
	ck_assert_ptr_nonnull(p->schema);
	ck_assert_int_eq(registry_find(r, "net", "passt", &again, NULL), 0);
	ck_assert_ptr_eq(p, again);
}
END_TEST

START_TEST(earlier_directory_wins)
{
	_cleanup_(registry_destroyp) struct registry *r = registry_create(dirs);
	const struct plugin_info *p = NULL;
	const struct plugin_info *const *list;
	size_t n;

	put_plugin(two, "net", "user", "", "");
	put_plugin(one, "net", "user", "", "");
	put_plugin(two, "image", "zeta", "", "");
	put_plugin(one, "image", "alpha", "", "");
	put(one, "README", "no plugin");
	put(one, "holos-soup-tomato.json", "no plugin");
	ck_assert_int_eq(registry_find(r, "net", "user", &p, NULL), 0);
	ck_assert_str_eq(p->dir, one);
	registry_list(r, &list, &n);
	ck_assert_uint_eq(n, 3);
	ck_assert_str_eq(list[0]->module, "image-alpha");
	ck_assert_str_eq(list[1]->module, "image-zeta");
	ck_assert_str_eq(list[2]->module, "net-user");
}
END_TEST

START_TEST(not_installed)
{
	_cleanup_(registry_destroyp) struct registry *r = registry_create(dirs);
	const struct plugin_info *p;
	struct holos_error *err = NULL;

	put_plugin(one, "net", "passt", "", "");
	ck_assert_int_eq(registry_find(r, "net", "passtt", &p, &err), -ERR_HOST);
	assert_says(err,
		    "no network plugin \"passtt\" (looked in %s, %s) [did you mean \"passt\"?]",
		    one, two);
	err = NULL;
	ck_assert_int_eq(registry_find(r, "net", "user", &p, &err), -ERR_HOST);
	assert_says(err,
		    "no network plugin \"user\" (looked in %s, %s) [it is in package "
		    "holos-plugin-net-user, not installed]",
		    one, two);
	err = NULL;
	ck_assert_int_eq(registry_find(r, "net", "multicats", &p, &err), -ERR_HOST);
	assert_says(err,
		    "no network plugin \"multicats\" (looked in %s, %s) [did you mean "
		    "\"multicast\"? It is in package holos-plugin-net-multicast, not installed]",
		    one, two);
	err = NULL;
	ck_assert_int_eq(registry_find(r, "health", "quantum", &p, &err), -ERR_HOST);
	assert_says(
		err,
		"no health plugin \"quantum\" (looked in %s, %s) [if there is such a plugin, it "
		"is in package holos-plugin-health-quantum, not installed]",
		one, two);
	err = NULL;
	ck_assert_int_eq(registry_find(r, "net", "../passt", &p, &err), -ERR_INVALID);
	error_destroy(err);
	ck_assert_int_eq(registry_find(r, "soup", "x", &p, NULL), -ERR_FAILED);
}
END_TEST

START_TEST(refused)
{
	_cleanup_(registry_destroyp) struct registry *r = registry_create(dirs);
	_cleanup_(freep) char *so = fs_join(one, "holos-net-writable.so");
	_cleanup_(freep) char *gone = fs_join(one, "holos-net-gone.so");
	const struct plugin_info *const *list;
	const struct plugin_info *p;
	struct holos_error *err = NULL;
	size_t n;

	put(one, "holos-net-next.json",
	    "{\"manifest\":1,\"name\":\"net-next\",\"abi\":\"2.0\",\"interfaces\":[]}");
	put(one, "holos-net-newer.json",
	    "{\"manifest\":1,\"name\":\"net-newer\",\"abi\":\"1.7\",\"host_minor_min\":7,"
	    "\"interfaces\":[]}");
	put(one, "holos-net-broken.json", "{\"manifest\":1,");
	put(one, "holos-net-old.json", "{\"manifest\":7}");
	put(one, "holos-net-liar.json",
	    "{\"manifest\":1,\"name\":\"net-other\",\"abi\":\"1.0\",\"interfaces\":[]}");
	put_plugin(one, "net", "gone", "", "");
	ck_assert_int_eq(unlink(gone), 0);
	put_plugin(one, "net", "writable", "", "");
	ck_assert_int_eq(chmod(so, 0664), 0);
	put_plugin(one, "net", "bad-schema", "", ",\"schema\":{\"type\":\"string\"}");

	ck_assert_int_eq(registry_find(r, "net", "next", &p, &err), -ERR_HOST);
	assert_says(err, "network plugin \"next\": holos-net-next.so is built for plugin ABI 2, "
			 "this holos speaks 1.0");
	err = NULL;
	ck_assert_int_eq(registry_find(r, "net", "newer", &p, &err), -ERR_HOST);
	assert_says(err, "network plugin \"newer\": holos-net-newer.so needs plugin ABI 1.7, "
			 "this holos speaks 1.0");
	err = NULL;
	ck_assert_int_eq(registry_find(r, "net", "broken", &p, &err), -ERR_HOST);
	ck_assert_ptr_nonnull(strstr(err->message, "no valid JSON"));
	error_destroy(err);
	err = NULL;
	ck_assert_int_eq(registry_find(r, "net", "old", &p, &err), -ERR_HOST);
	assert_says(err,
		    "network plugin \"old\": %s/holos-net-old.json is no manifest that this holos "
		    "understands",
		    one);
	err = NULL;
	ck_assert_int_eq(registry_find(r, "net", "liar", &p, &err), -ERR_HOST);
	assert_says(
		err,
		"network plugin \"liar\": %s/holos-net-liar.json describes plugin \"net-other\", "
		"not \"net-liar\"",
		one);
	err = NULL;
	ck_assert_int_eq(registry_find(r, "net", "gone", &p, &err), -ERR_HOST);
	assert_says(err,
		    "network plugin \"gone\": %s/holos-net-gone.so is missing beside its manifest",
		    one);
	err = NULL;
	ck_assert_int_eq(registry_find(r, "net", "writable", &p, &err), -ERR_HOST);
	assert_says(err, "network plugin \"writable\": file %s is writable by others", so);
	err = NULL;
	ck_assert_int_eq(registry_find(r, "net", "bad-schema", &p, &err), -ERR_HOST);
	error_destroy(err);
	registry_list(r, &list, &n);
	ck_assert_uint_eq(n, 8);
	for (size_t i = 0; i < n; i++)
		ck_assert_ptr_nonnull(list[i]->refused);
}
END_TEST

START_TEST(writable_directory)
{
	_cleanup_(registry_destroyp) struct registry *r = registry_create(dirs);
	const struct plugin_info *p;
	struct holos_error *err = NULL;

	put_plugin(one, "net", "user", "", "");
	ck_assert_int_eq(chmod(one, 0777), 0);
	ck_assert_int_eq(registry_find(r, "net", "user", &p, &err), -ERR_HOST);
	assert_says(err, "network plugin \"user\": directory %s is writable by others", one);
}
END_TEST

/* Root takes nothing that belongs to somebody else. */
START_TEST(foreign_owner)
{
	_cleanup_(registry_destroyp) struct registry *r = registry_create(dirs);
	_cleanup_(freep) char *so = fs_join(one, "holos-net-user.so");
	const struct plugin_info *p;
	struct holos_error *err = NULL;

	put_plugin(one, "net", "user", "", "");
	ck_assert_int_eq(chown(so, 1234, (gid_t)-1), 0);
	ck_assert_int_eq(registry_find(r, "net", "user", &p, &err), -ERR_HOST);
	assert_says(err, "network plugin \"user\": file %s belongs to user 1234 and not to root",
		    so);
}
END_TEST

START_TEST(links)
{
	_cleanup_(registry_destroyp) struct registry *r = registry_create(dirs);
	_cleanup_(freep) char *alias = fs_join(one, "holos-net-alias.json");
	_cleanup_(freep) char *out = fs_join(one, "holos-net-out.json");
	_cleanup_(freep) char *loop = fs_join(one, "holos-net-loop.json");
	_cleanup_(freep) char *so = fs_join(one, "holos-net-both.so");
	const struct plugin_info *p = NULL;
	struct holos_error *err = NULL;

	put(one, "holos-net-both.json",
	    "{\"manifest\":1,\"name\":\"net-both\",\"version\":\"1\",\"abi\":\"1.0\","
	    "\"interfaces\":["
	    "{\"id\":\"holos.net/1\",\"name\":\"both\"},"
	    "{\"id\":\"holos.net/1\",\"name\":\"alias\"}]}");
	put(one, "holos-net-both.so", "");
	ck_assert_int_eq(symlink("holos-net-both.json", alias), 0);
	ck_assert_int_eq(symlink("../one/holos-net-both.json", out), 0);
	ck_assert_int_eq(symlink("holos-net-loop.json", loop), 0);

	ck_assert_int_eq(registry_find(r, "net", "alias", &p, &err), 0);
	ck_assert_str_eq(p->module, "net-both");
	ck_assert_str_eq(p->path, so);
	ck_assert_int_eq(registry_find(r, "net", "out", &p, &err), -ERR_HOST);
	assert_says(err, "network plugin \"out\": %s is a link out of its directory", out);
	err = NULL;
	ck_assert_int_eq(registry_find(r, "net", "loop", &p, &err), -ERR_HOST);
	assert_says(err, "network plugin \"loop\": %s: too many links", loop);
}
END_TEST

/* ---- images ----------------------------------------------------------------- */

static void put_images(void)
{
	put_plugin(one, "image", "file", "", "");
	put_plugin(one, "image", "debian", "",
		   ",\"serves\":[{\"ref\":\"debian:12\"},{\"ref\":\"debian:bookworm\"}]");
	put_plugin(two, "image", "clouds", "",
		   ",\"serves\":[{\"ref\":\"rocky:9\"},{\"ref\":\"alma:9\"}]");
}

static const struct {
	const char *ref, *module, *canonical;
} images[] = {
	{ "debian", "image-debian", "debian:12" },
	{ "debian:12", "image-debian", "debian:12" },
	{ "debian:bookworm", "image-debian", "debian:bookworm" },
	{ "rocky", "image-clouds", "rocky:9" },
	{ "alma:9", "image-clouds", "alma:9" },
	{ "/a/b", "image-file", "/a/b" },
	{ "./x.qcow2", "image-file", "./x.qcow2" },
	{ "../x", "image-file", "../x" },
	{ "sub/x.qcow2", "image-file", "sub/x.qcow2" },
	{ "x.raw", "image-file", "x.raw" },
	{ "x.img", "image-file", "x.img" },
};

START_TEST(image_source)
{
	_cleanup_(registry_destroyp) struct registry *r = registry_create(dirs);
	const struct plugin_info *p = NULL;
	_cleanup_(freep) char *ref = NULL;

	put_images();
	ck_assert_int_eq(registry_image_source(r, images[_i].ref, &p, &ref, NULL), 0);
	ck_assert_str_eq(p->module, images[_i].module);
	ck_assert_str_eq(ref, images[_i].canonical);
}
END_TEST

static const struct {
	const char *ref;
	int code;
	const char *says;
} unknown[] = {
	{ "debain", ERR_INVALID, "unknown image \"debain\" [did you mean \"debian\"?]" },
	{ "debian:13", ERR_INVALID,
	  "unknown image \"debian:13\" [did you mean \"debian:12\"? there are debian:12, "
	  "debian:bookworm]" },
	{ "debian:sid-nightly-2", ERR_INVALID,
	  "unknown image \"debian:sid-nightly-2\" [there are debian:12, debian:bookworm]" },
	{ "fedora:43", ERR_INVALID,
	  "unknown image \"fedora:43\" [it is in package holos-plugin-image-fedora, not "
	  "installed]" },
	{ ".", ERR_INVALID,
	  "unknown image \".\" ['holos plugins' lists the image sources; a file needs a path that "
	  "starts with ./ or /]" },
	{ "", ERR_INVALID, "an image needs a name" },
};

START_TEST(unknown_image)
{
	_cleanup_(registry_destroyp) struct registry *r = registry_create(dirs);
	const struct plugin_info *p = NULL;
	struct holos_error *err = NULL;

	put_images();
	ck_assert_int_eq(registry_image_source(r, unknown[_i].ref, &p, NULL, &err),
			 -unknown[_i].code);
	assert_says(err, "%s", unknown[_i].says);
}
END_TEST

START_TEST(options)
{
	_cleanup_(registry_destroyp) struct registry *r = registry_create(dirs);
	_cleanup_(json_putp) struct json_object *o = json_object_new_object();
	const struct plugin_info *p = NULL;
	struct holos_error *err = NULL;

	put_plugin(one, "net", "user", "",
		   ",\"schema\":{\"type\":\"object\",\"properties\":{\"internal\":"
		   "{\"type\":\"boolean\"}}}");
	ck_assert_int_eq(registry_find(r, "net", "user", &p, NULL), 0);
	ck_assert_int_eq(
		registry_check_options(p, NULL, "networks.external.options", NULL, NULL, NULL), 0);
	jsonx_set_str(o, "internal", "yes");
	ck_assert_int_eq(
		registry_check_options(p, o, "networks.external.options", NULL, NULL, &err),
		-ERR_INVALID);
	assert_says(err, "networks.external.options.internal: must be true or false, is \"yes\"");
}
END_TEST

START_TEST(search_path)
{
	_cleanup_(strv_finish) struct strv found = STRV_INIT;

	setenv("HOLOS_PLUGIN_PATH", "/x/a::relative:/x/b", 1);
	setenv("HOME", "/home/somebody", 1);
	plugin_search_dirs(&found);
	ck_assert_uint_eq(found.n, 4);
	ck_assert_str_eq(found.v[0], "/x/a");
	ck_assert_str_eq(found.v[1], "/x/b");
	ck_assert_str_eq(found.v[2], "/home/somebody/.local/lib/holos/plugins");
}
END_TEST

static const struct {
	const char *file;
	bool ok;
} names[] = {
	{ "holos-net-user.so", true },
	{ "holos-provision-cloud-init.so", true },
	{ "holos-net-.so", false },
	{ "holos-net.so", false },
	{ "holos-soup-user.so", false },
	{ "holos-net-User.so", false },
	{ "holos-net-user.so.1", false },
	{ "libholos-net-user.so", false },
	{ "holos-net-1user.so", false },
	{ "holos-net-user.json", false },
	{ "holos-net-abcdefghijklmnopqrstuvwxyz0123456.so", false },
	{ "holos-net-abcdefghijklmnopqrstuvwxyz012345.so", true },
};

START_TEST(file_names)
{
	const char *kind;
	char name[33];

	ck_assert_int_eq(plugin_file_parse(names[_i].file, ".so", &kind, name), names[_i].ok);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("registry");
	TCase *tc = tcase_create("registry");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, find);
	tcase_add_test(tc, earlier_directory_wins);
	tcase_add_test(tc, not_installed);
	tcase_add_test(tc, refused);
	tcase_add_test(tc, writable_directory);
	if (geteuid() == 0) /* nobody else can give a file away */
		tcase_add_test(tc, foreign_owner);
	tcase_add_test(tc, links);
	tcase_add_loop_test(tc, image_source, 0, sizeof(images) / sizeof(images[0]));
	tcase_add_loop_test(tc, unknown_image, 0, sizeof(unknown) / sizeof(unknown[0]));
	tcase_add_test(tc, options);
	tcase_add_test(tc, search_path);
	tcase_add_loop_test(tc, file_names, 0, sizeof(names) / sizeof(names[0]));
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
