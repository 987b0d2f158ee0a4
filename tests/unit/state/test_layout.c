/* SPDX-License-Identifier: Apache-2.0
 *
 * test_layout.c - where the state directory is and what lies in it.
 */
#include "../base/harness.h"

#include <base/strv.h>
#include <state/layout.h>

#include <errno.h>

static struct state *s;

static void setup(void)
{
	make_test_dir();
	ck_assert_int_eq(state_open(in_dir("state"), true, &s, NULL), 0);
}

static void teardown(void)
{
	state_close(s);
	remove_test_dir();
}

static void make(const char *rel)
{
	_cleanup_(freep) char *path = xasprintf("%s/%s", s->dir, rel);

	ck_assert_int_eq(fs_mkdir_p(path, 0700, NULL), 0);
}

static void touch(const char *rel)
{
	ck_assert_int_eq(fs_write_replace(s->fd, rel, "x", 1, 0600, NULL), 0);
}

static char *joined(const struct strv *v)
{
	return strv_join(v->v, " ");
}

/* ---- where ----------------------------------------------------------------------- */

static const struct {
	const char *wanted, *variable, *dir;
} places[] = {
	{ "/a/b", NULL, "/a/b" },
	{ "/a/b", "/c", "/a/b" }, /* the option wins */
	{ NULL, "/c", "/c" },
	{ "", "/c", "/c" },
	{ "rel", NULL, "CWD/rel" },
	{ "./rel/../x/", NULL, "CWD/x" },
	{ "/a/../b//c/", NULL, "/b/c" },
	{ NULL, "rel", "CWD/rel" }, /* lessons.md W20 */
};

START_TEST(place_given)
{
	_cleanup_(freep) char *dir = NULL;
	_cleanup_(freep) char *want = NULL;

	ck_assert_int_eq(chdir(test_dir), 0);
	if (places[_i].variable != NULL)
		setenv("HOLOS_STATE_DIR", places[_i].variable, 1);
	else
		unsetenv("HOLOS_STATE_DIR");
	dir = state_default_dir(places[_i].wanted);
	want = strncmp(places[_i].dir, "CWD", 3) == 0
		       ? xasprintf("%s%s", test_dir, places[_i].dir + 3)
		       : xstrdup(places[_i].dir);
	ck_assert_str_eq(dir, want);
}
END_TEST

/* As somebody who is not root, whoever runs the test. */
static void become_nobody(void)
{
	if (geteuid() == 0)
		ck_assert_int_eq(seteuid(65534), 0);
}

static void become_root_again(void)
{
	if (getuid() == 0)
		ck_assert_int_eq(seteuid(0), 0);
}

static const struct {
	const char *home, *dir;
} homes[] = {
	{ "/home/me", "/home/me/.local/state/holos" },
	{ "/home/me/", "/home/me/.local/state/holos" },
	{ NULL, "CWD/.holos" },
	{ "", "CWD/.holos" },
	{ "relative", "CWD/.holos" },
};

START_TEST(place_at_home)
{
	_cleanup_(freep) char *dir = NULL;
	_cleanup_(freep) char *want = NULL;

	unsetenv("HOLOS_STATE_DIR");
	if (geteuid() == 0) {
		_cleanup_(freep) char *of_root = state_default_dir(NULL);

		ck_assert_str_eq(of_root, "/var/lib/holos");
	}
	ck_assert_int_eq(chmod(test_dir, 0755), 0);
	ck_assert_int_eq(chdir(test_dir), 0);
	if (homes[_i].home != NULL)
		setenv("HOME", homes[_i].home, 1);
	else
		unsetenv("HOME");
	become_nobody();
	dir = state_default_dir(NULL);
	become_root_again();
	want = strncmp(homes[_i].dir, "CWD", 3) == 0
		       ? xasprintf("%s%s", test_dir, homes[_i].dir + 3)
		       : xstrdup(homes[_i].dir);
	ck_assert_str_eq(dir, want);
}
END_TEST

/* ---- opening -------------------------------------------------------------------------- */

START_TEST(writers_make_it)
{
	static const char *const subdirs[] = { "projects", "locks",  "instances", "volumes",
					       "ssh",      "images", "runs" };
	struct state *mine = NULL;
	struct stat st;

	umask(0);
	ck_assert_int_eq(state_open(in_dir("a/b/state"), true, &mine, NULL), 0);
	umask(022);
	ck_assert_str_eq(mine->dir, in_dir("a/b/state"));
	ck_assert_int_eq(fstat(mine->fd, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0700);
	for (int i = 0; i < N(subdirs); i++) {
		ck_assert_int_eq(fstatat(mine->fd, subdirs[i], &st, 0), 0);
		ck_assert_uint_eq(st.st_mode & 07777, 0700);
	}
	state_close(mine);
	ck_assert_int_eq(state_open(in_dir("a/b/state"), true, &mine, NULL), 0); /* again */
	state_close(mine);
	state_close(NULL);
}
END_TEST

START_TEST(readers_make_nothing)
{
	_cleanup_(strv_finish) struct strv v = STRV_INIT;
	struct state *mine = NULL;

	ck_assert_int_eq(state_open(in_dir("none"), false, &mine, NULL), 0);
	ck_assert_int_eq(mine->fd, -1);
	ck_assert(!fs_exists(AT_FDCWD, in_dir("none")));
	/* And what is not there is empty. */
	ck_assert_int_eq(state_list_projects(mine, &v, NULL), 0);
	ck_assert_int_eq(state_list_instances(mine, "demo", &v, NULL), 0);
	ck_assert_uint_eq(v.n, 0);
	ck_assert_int_eq(state_open_dir(mine, false, "projects"), -1);
	ck_assert_int_eq(errno, ENOENT);
	state_close(mine);
	ck_assert_int_eq(mkdir(in_dir("bare"), 0700), 0);
	ck_assert_int_eq(state_open(in_dir("bare"), false, &mine, NULL), 0);
	ck_assert_int_ge(mine->fd, 0);
	ck_assert_int_eq(state_list_projects(mine, &v, NULL), 0);
	ck_assert_int_eq(rmdir(in_dir("bare")), 0);
	state_close(mine);
}
END_TEST

static const mode_t open_modes[] = { 0770, 0702, 0777, 0720 };

START_TEST(others_must_not_write_there)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct state *mine = NULL;

	ck_assert_int_eq(mkdir(in_dir("open"), 0700), 0);
	ck_assert_int_eq(chmod(in_dir("open"), open_modes[_i]), 0);
	for (int writing = 0; writing < 2; writing++) {
		ck_assert_int_eq(state_open(in_dir("open"), writing != 0, &mine, &err), -ERR_HOST);
		assert_has(err->message, "can be written by others");
		assert_has(err->hint, "chmod 700");
		ck_assert_ptr_null(mine);
	}
	ck_assert(!fs_exists(AT_FDCWD, in_dir("open/locks")));
	ck_assert_int_eq(chmod(in_dir("open"), 0755), 0); /* others may look */
	ck_assert_int_eq(state_open(in_dir("open"), true, &mine, NULL), 0);
	state_close(mine);
}
END_TEST

START_TEST(somebody_elses)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct state *mine = NULL;

	if (geteuid() != 0)
		return; /* there is nobody else to be */
	ck_assert_int_eq(chmod(test_dir, 0755), 0);
	ck_assert_int_eq(mkdir(in_dir("roots"), 0755), 0);
	become_nobody();
	ck_assert_int_eq(state_open(in_dir("roots"), false, &mine, &err), -ERR_HOST);
	become_root_again();
	assert_has(err->message, "belongs to user 0, not to you");
}
END_TEST

START_TEST(no_directory)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct state *mine = NULL;

	write_text("file", "");
	ck_assert_int_lt(state_open(in_dir("file"), false, &mine, &err), 0);
	assert_has(err->message, in_dir("file"));
	ck_assert_int_lt(state_open(in_dir("file"), true, &mine, &err), 0);
	ck_assert_int_lt(state_open(in_dir("file/x"), true, &mine, &err), 0);
	ck_assert_int_eq(err->sys_errno, ENOTDIR);
	ck_assert_ptr_null(mine);
}
END_TEST

START_TEST(paths_and_directories)
{
	_cleanup_(freep) char *path = state_path(s, "volumes/%s/%d", "demo", 7);
	_cleanup_(closep) int made = -1;

	ck_assert_str_eq(path, in_dir("state/volumes/demo/7"));
	ck_assert_int_eq(state_open_dir(s, false, "instances/%s", "demo"), -1);
	ck_assert_int_eq(errno, ENOENT);
	made = state_open_dir(s, true, "instances/%s/%s", "demo", "web-0");
	ck_assert_int_ge(made, 0);
	ck_assert(fs_exists(s->fd, "instances/demo/web-0"));
	/* A link is not followed. */
	ck_assert_int_eq(symlink(test_dir, in_dir("state/instances/link")), 0);
	ck_assert_int_eq(state_open_dir(s, false, "instances/link"), -1);
	ck_assert_int_eq(state_open_dir(s, true, "instances/link"), -1);
}
END_TEST

/* ---- crash rule 3 ------------------------------------------------------------------------- */

static const struct {
	const char *path;
	bool inside;
} paths[] = {
	{ "SD/instances/demo/web-0/root.qcow2", true },
	{ "SD/x", true },
	{ "SD", false },
	{ "SD/", false },
	{ "SDx/y", false },
	{ "SD/../x", false },
	{ "SD/a/../../x", false },
	{ "SD/a/../x", false }, /* inside, but nobody of us writes it so */
	{ "SD/./x", false },
	{ "SD//x", false },
	{ "SD/x/", false },
	{ "/etc/passwd", false },
	{ "/", false },
	{ "", false },
	{ "instances/demo", false },
};

START_TEST(contains)
{
	_cleanup_(freep) char *path = strncmp(paths[_i].path, "SD", 2) == 0
					      ? xasprintf("%s%s", s->dir, paths[_i].path + 2)
					      : xstrdup(paths[_i].path);

	ck_assert_msg(state_contains(s, path) == paths[_i].inside, "%s", path);
}
END_TEST

/* ---- names ------------------------------------------------------------------------------------
 */

#define A63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct {
	const char *name, *service; /* NULL: none */
	unsigned index;
} instances[] = {
	{ "web-0", "web", 0 },
	{ "web-12", "web", 12 },
	{ "web-1048576", "web", 1048576 },
	{ "a-b-3", "a-b", 3 },
	{ "0-0", "0", 0 },
	{ "web-1-2", "web-1", 2 },
	{ A63 "-7", A63, 7 },
	{ A63 "a-7", NULL, 0 },
	{ "web-01", NULL, 0 }, /* another name for web-1 */
	{ "web-00", NULL, 0 },
	{ "web-1048577", NULL, 0 },
	{ "web-99999999999999999999", NULL, 0 },
	{ "web", NULL, 0 },
	{ "web-", NULL, 0 },
	{ "-1", NULL, 0 },
	{ "web--1", NULL, 0 },
	{ "web-x", NULL, 0 },
	{ "web-1x", NULL, 0 },
	{ "web-+1", NULL, 0 },
	{ "web- 1", NULL, 0 },
	{ "Web-1", NULL, 0 },
	{ ".removing-web-0", NULL, 0 },
	{ "../x-1", NULL, 0 },
	{ "", NULL, 0 },
	{ "-", NULL, 0 },
	{ "5", NULL, 0 },
};

START_TEST(instance_name)
{
	char service[64] = "untouched";
	unsigned index = 77;

	ck_assert_msg(state_split_instance(instances[_i].name, service, &index) ==
			      (instances[_i].service != NULL),
		      "\"%s\"", instances[_i].name);
	if (instances[_i].service == NULL)
		return;
	ck_assert_str_eq(service, instances[_i].service);
	ck_assert_uint_eq(index, instances[_i].index);
}
END_TEST

START_TEST(lists)
{
	static const char *const dirs[] = { "web-10", "web-2", "web-0", "db-0",
					    "web-01", "db-1",  "web",   ".removing-web-3-0",
					    "app-0",  "a-9-0", "x" };
	_cleanup_(strv_finish) struct strv v = STRV_INIT;
	_cleanup_(strv_finish) struct strv p = STRV_INIT;
	_cleanup_(freep) char *names = NULL;
	_cleanup_(freep) char *projects = NULL;

	for (int i = 0; i < N(dirs); i++) {
		_cleanup_(freep) char *rel = xasprintf("instances/demo/%s", dirs[i]);

		make(rel);
	}
	ck_assert_int_eq(state_list_instances(s, "demo", &v, NULL), 0);
	names = joined(&v);
	ck_assert_str_eq(names, "a-9-0 app-0 db-0 db-1 web-0 web-2 web-10");
	/* Of records and of instances, each once; nothing else that lies there. */
	touch("projects/demo.json");
	touch("projects/recorded.json");
	touch("projects/Wrong.json");
	touch("projects/.json");
	touch("projects/demo.json.tmp.123");
	touch("projects/note");
	make("instances/unrecorded");
	make("instances/.hidden");
	ck_assert_int_eq(state_list_projects(s, &p, NULL), 0);
	projects = joined(&p);
	ck_assert_str_eq(projects, "demo recorded unrecorded");
}
END_TEST

START_TEST(list_of_a_link_is_refused)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	_cleanup_(strv_finish) struct strv v = STRV_INIT;

	ck_assert_int_eq(mkdir(in_dir("out"), 0700), 0);
	ck_assert_int_eq(symlink(in_dir("out"), in_dir("state/instances/demo")), 0);
	ck_assert_int_lt(state_list_instances(s, "demo", &v, &err), 0);
	assert_has(err->message, "demo");
}
END_TEST

/* ---- removal
 * -------------------------------------------------------------------------------------- */

START_TEST(discard_and_sweep)
{
	_cleanup_(strv_finish) struct strv v = STRV_INIT;

	make("instances/demo/web-0/sub");
	touch("instances/demo/web-0/root.qcow2");
	make("instances/demo/web-1");
	ck_assert_int_eq(state_discard_instance(s, "demo", "web-0", NULL), 0);
	/* Decided: no reader sees it, and its bytes are still there. */
	ck_assert_int_eq(state_list_instances(s, "demo", &v, NULL), 0);
	ck_assert_uint_eq(v.n, 1);
	ck_assert_str_eq(v.v[0], "web-1");
	ck_assert(fs_exists(s->fd, "instances/demo/.removing-web-0-0/root.qcow2"));
	/* A new one of the same name, discarded as well before the sweep. */
	make("instances/demo/web-0");
	touch("instances/demo/web-0/root.qcow2");
	ck_assert_int_eq(state_discard_instance(s, "demo", "web-0", NULL), 0);
	ck_assert(fs_exists(s->fd, "instances/demo/.removing-web-0-1/root.qcow2"));
	ck_assert_int_eq(state_sweep_discarded(s, "demo", NULL), 0);
	ck_assert(!fs_exists(s->fd, "instances/demo/.removing-web-0-0"));
	ck_assert(!fs_exists(s->fd, "instances/demo/.removing-web-0-1"));
	ck_assert(fs_exists(s->fd, "instances/demo/web-1"));
	ck_assert_int_eq(state_sweep_discarded(s, "demo", NULL), 0); /* nothing is left to do */
}
END_TEST

START_TEST(discard_of_nothing)
{
	ck_assert_int_eq(state_discard_instance(s, "none", "web-0", NULL), 0);
	ck_assert_int_eq(state_sweep_discarded(s, "none", NULL), 0);
	make("instances/demo");
	ck_assert_int_eq(state_discard_instance(s, "demo", "web-0", NULL), 0);
}
END_TEST

/* A volume of the existing implementation is a link in the instance's directory. */
START_TEST(sweep_follows_no_link)
{
	make("instances/demo/web-0");
	make("volumes/demo");
	touch("volumes/demo/data.qcow2");
	ck_assert_int_eq(symlink(in_dir("state/volumes/demo/data.qcow2"),
				 in_dir("state/instances/demo/web-0/vol-data.qcow2")),
			 0);
	ck_assert_int_eq(symlink(in_dir("state/volumes"), in_dir("state/instances/demo/web-0/all")),
			 0);
	ck_assert_int_eq(
		symlink(in_dir("state/volumes"), in_dir("state/instances/demo/.removing-x")), 0);
	ck_assert_int_eq(state_discard_instance(s, "demo", "web-0", NULL), 0);
	ck_assert_int_eq(state_sweep_discarded(s, "demo", NULL), 0);
	ck_assert(fs_exists(s->fd, "volumes/demo/data.qcow2"));
	ck_assert(!fs_exists(s->fd, "instances/demo/.removing-x"));
}
END_TEST

/* Unseen until it is published, and then whole; a second try begins afresh. */
START_TEST(begin_and_publish)
{
	_cleanup_(freep) char *begun = state_begun_path(s, "demo", "web-0");
	_cleanup_(strv_finish) struct strv before = STRV_INIT;
	_cleanup_(strv_finish) struct strv after = STRV_INIT;

	for (int i = 0; i < 2; i++) {
		_cleanup_(closep) int fd = -1;

		ck_assert_int_eq(state_begin_instance(s, "demo", "web-0", &fd, NULL), 0);
		ck_assert(!fs_exists(fd, "left"));
		ck_assert_int_eq(fs_write_replace(fd, i == 0 ? "left" : "file", "x", 1, 0600, NULL),
				 0);
	}
	ck_assert(fs_exists(AT_FDCWD, begun));
	ck_assert_int_eq(state_list_instances(s, "demo", &before, NULL), 0);
	ck_assert_uint_eq(before.n, 0);
	ck_assert_int_eq(state_publish_instance(s, "demo", "web-0", NULL), 0);
	ck_assert_int_eq(state_list_instances(s, "demo", &after, NULL), 0);
	ck_assert_uint_eq(after.n, 1);
	ck_assert(fs_exists(s->fd, "instances/demo/web-0/file"));
	ck_assert(fs_absent(AT_FDCWD, begun));
}
END_TEST

/* What is there may be somebody's VM. */
START_TEST(publish_over_nothing)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	_cleanup_(closep) int fd = -1;

	make("instances/demo/web-0");
	touch("instances/demo/web-0/root.qcow2");
	ck_assert_int_eq(state_begin_instance(s, "demo", "web-0", &fd, NULL), 0);
	ck_assert_int_lt(state_publish_instance(s, "demo", "web-0", &err), 0);
	ck_assert_int_eq(err->sys_errno, EEXIST);
	ck_assert(fs_exists(s->fd, "instances/demo/web-0/root.qcow2"));
	state_abandon_instance(s, "demo", "web-0");
	ck_assert(fs_exists(s->fd, "instances/demo/web-0/root.qcow2"));
	ck_assert(fs_absent(s->fd, "instances/demo/.new-web-0"));
}
END_TEST

START_TEST(sweep_of_what_was_begun)
{
	_cleanup_(closep) int fd = -1;

	make("instances/demo/web-1");
	ck_assert_int_eq(state_begin_instance(s, "demo", "web-0", &fd, NULL), 0);
	ck_assert_int_eq(fs_write_replace(fd, "root.qcow2", "x", 1, 0600, NULL), 0);
	ck_assert_int_eq(state_sweep_discarded(s, "demo", NULL), 0);
	ck_assert(fs_absent(s->fd, "instances/demo/.new-web-0"));
	ck_assert(fs_exists(s->fd, "instances/demo/web-1"));
}
END_TEST

/* What killed writers left goes; what only looks like it, or is another
 * project's, stays. */
START_TEST(sweep_of_temporary_files)
{
	static const char *const gone[] = { "projects/demo.json.tmp.17", "ssh/demo/id.tmp.1",
					    "volumes/demo/data.json.tmp.99",
					    "volumes/demo/data.qcow2.new" };
	static const char *const kept[] = { "projects/demo.json",
					    "projects/demo.json.tmp.x",
					    "projects/demo2.json.tmp.17",
					    "projects/demo.json.damaged-17",
					    "ssh/demo/id",
					    "volumes/demo/data.0.qcow2",
					    "volumes/other/data.qcow2.new" };

	make("projects");
	make("ssh/demo");
	make("volumes/demo");
	make("volumes/other");
	for (size_t i = 0; i < N(gone); i++)
		touch(gone[i]);
	for (size_t i = 0; i < N(kept); i++)
		touch(kept[i]);
	ck_assert_int_eq(state_sweep_discarded(s, "demo", NULL), 0);
	for (size_t i = 0; i < N(gone); i++)
		ck_assert_msg(!fs_exists(s->fd, gone[i]), "%s is left", gone[i]);
	for (size_t i = 0; i < N(kept); i++)
		ck_assert_msg(fs_exists(s->fd, kept[i]), "%s is gone", kept[i]);
}
END_TEST

static void add_tests(TCase *c)
{
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_loop_test(c, place_given, 0, N(places));
	tcase_add_loop_test(c, place_at_home, 0, N(homes));
	tcase_add_test(c, writers_make_it);
	tcase_add_test(c, readers_make_nothing);
	tcase_add_loop_test(c, others_must_not_write_there, 0, N(open_modes));
	tcase_add_test(c, somebody_elses);
	tcase_add_test(c, no_directory);
	tcase_add_test(c, paths_and_directories);
	tcase_add_loop_test(c, contains, 0, N(paths));
	tcase_add_loop_test(c, instance_name, 0, N(instances));
	tcase_add_test(c, lists);
	tcase_add_test(c, list_of_a_link_is_refused);
	tcase_add_test(c, discard_and_sweep);
	tcase_add_test(c, discard_of_nothing);
	tcase_add_test(c, sweep_follows_no_link);
	tcase_add_test(c, sweep_of_temporary_files);
	tcase_add_test(c, begin_and_publish);
	tcase_add_test(c, publish_over_nothing);
	tcase_add_test(c, sweep_of_what_was_begun);
}

int main(void)
{
	return run_suite("state-layout", add_tests);
}
