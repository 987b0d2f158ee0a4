/* SPDX-License-Identifier: Apache-2.0
 *
 * test_load.c - which files are read, what the project is called, which
 * variables count, which services are on.
 */
#include "harness.h"

#include <base/clock.h>

#include <sys/stat.h>
#include <unistd.h>

#define ONE_SERVICE "services: {web: {image: a}}\n"

static char *at(const char *name)
{
	return fs_join(test_dir, name);
}

/* ---- discovery --------------------------------------------------------------- */

START_TEST(in_a_parent)
{
	_cleanup_(project_destroyp) struct project *p = NULL;
	_cleanup_(freep) char *deep = at("top/a/b");
	_cleanup_(freep) char *top = at("top");
	_cleanup_(freep) char *file = at("top/holos.yml");
	_cleanup_(freep) char *errors = NULL;

	put("top/holos.yml", "services: {web: {image: ./x.img}}\n");
	put("top/a/b/other", "");
	p = load_good((struct project_options){ .cwd = deep });
	ck_assert_str_eq(p->name, "top");
	ck_assert_str_eq(p->dir, top);
	ck_assert_str_eq(p->file, file);
	ck_assert_str_eq(p->services[0].mark.file, "../../holos.yml");
	/* holos.yaml goes before holos.yml, a nearer one before a farther one. */
	put("top/holos.yaml", "services: {near: {image: a, oops: 1}}\n");
	ck_assert_ptr_null(load((struct project_options){ .cwd = deep }, &errors));
	ck_assert_ptr_nonnull(strstr(errors, "../../holos.yaml:1:29: services.near.oops"));
}
END_TEST

START_TEST(override_beside_it)
{
	_cleanup_(project_destroyp) struct project *p = NULL;
	_cleanup_(project_destroyp) struct project *alone = NULL;
	const char *only[] = { "holos.yaml", NULL };

	put("holos.yaml", ONE_SERVICE);
	put("holos.override.yml", "services: {web: {hostname: over}}\n");
	p = load_good((struct project_options){ 0 });
	ck_assert_str_eq(p->services[0].hostname, "over");
	ck_assert_ptr_nonnull(p->files[1]);
	ck_assert_ptr_null(p->files[2]);
	/* Not with -f. */
	alone = load_good((struct project_options){ .files = only });
	ck_assert_ptr_null(alone->services[0].hostname);
}
END_TEST

START_TEST(nothing_there)
{
	_cleanup_(freep) char *errors = NULL;

	ck_assert_ptr_null(load((struct project_options){ 0 }, &errors));
	ck_assert_msg(strncmp(errors, "no holos.yaml found in ", 23) == 0, "%s", errors);
}
END_TEST

START_TEST(several_files)
{
	_cleanup_(project_destroyp) struct project *p = NULL;
	const char *files[] = { "sub/one.yaml", "two.yaml", NULL };
	char *const *environment = environment_of("HOLOS_FILE=nowhere.yaml", NULL);
	_cleanup_(freep) char *dir = at("sub");
	_cleanup_(freep) char *image = at("sub/disk.img");

	put("sub/one.yaml", ONE_SERVICE);
	put("two.yaml", "services: {web: {image: ./disk.img}}\n");
	p = load_good((struct project_options){ .files = files, .environ = environment });
	/* Paths of all files are relative to the first. */
	ck_assert_str_eq(p->dir, dir);
	ck_assert_str_eq(p->services[0].image_path, image);
	ck_assert_str_eq(p->name, "sub");
}
END_TEST

START_TEST(files_from_environment)
{
	_cleanup_(project_destroyp) struct project *p = NULL;
	char *const *environment = environment_of("HOLOS_FILE=one.yaml::two.yaml", NULL);

	put("one.yaml", ONE_SERVICE);
	put("two.yaml", "services: {web: {hostname: two}}\n");
	p = load_good((struct project_options){ .environ = environment });
	ck_assert_str_eq(p->services[0].hostname, "two");
}
END_TEST

START_TEST(real_path)
{
	_cleanup_(project_destroyp) struct project *p = NULL;
	_cleanup_(freep) char *real = at("real/holos.yaml");
	_cleanup_(freep) char *link = at("link.yaml");
	const char *files[] = { "link.yaml", NULL };

	put("real/holos.yaml", ONE_SERVICE);
	ck_assert_int_eq(symlink("real/holos.yaml", link), 0);
	p = load_good((struct project_options){ .files = files });
	ck_assert_str_eq(p->file, real);
	ck_assert_str_eq(p->dir, test_dir); /* of the path as it was given */
}
END_TEST

/* ---- what cannot be read -------------------------------------------------------- */

START_TEST(no_regular_file)
{
	_cleanup_(freep) char *path = at("x.yaml");
	const char *files[] = { "x.yaml", NULL };
	static const char *const rules[] = { "No such file", "is a directory", "no regular file",
					     "Permission denied" };
	_cleanup_(freep) char *errors = NULL;

	switch (_i) {
	case 1:
		ck_assert_int_eq(mkdir(path, 0755), 0);
		break;
	case 2:
		ck_assert_int_eq(mkfifo(path, 0644), 0);
		break;
	case 3:
		if (geteuid() == 0)
			return; /* root reads everything */
		put("x.yaml", ONE_SERVICE);
		ck_assert_int_eq(chmod(path, 0), 0);
		break;
	default:
		break;
	}
	ck_assert_ptr_null(load((struct project_options){ .files = files }, &errors));
	ck_assert_msg(strstr(errors, rules[_i]) != NULL, "%s", errors);
	ck_assert_msg(strstr(errors, path) != NULL, "%s", errors);
}
END_TEST

/* ---- stdin ------------------------------------------------------------------------ */

static void feed_stdin(const char *text)
{
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(fs_write_all(fds[1], text, strlen(text)), 0);
	close(fds[1]);
	ck_assert_int_ge(dup2(fds[0], 0), 0);
	close(fds[0]);
}

START_TEST(from_stdin)
{
	_cleanup_(project_destroyp) struct project *p = NULL;
	_cleanup_(freep) char *errors = NULL;
	const char *files[] = { "-", NULL };

	feed_stdin(ONE_SERVICE);
	p = load_good((struct project_options){ .files = files, .name = "piped" });
	ck_assert_str_eq(p->name, "piped");
	ck_assert_ptr_null(p->file);
	ck_assert_str_eq(p->dir, test_dir);
	ck_assert_str_eq(p->services[0].mark.file, "<stdin>");
	feed_stdin("name: inside\n" ONE_SERVICE);
	project_destroy(p);
	p = load_good((struct project_options){ .files = files });
	ck_assert_str_eq(p->name, "inside");
	/* A directory's name says nothing about it. */
	feed_stdin(ONE_SERVICE);
	ck_assert_ptr_null(load((struct project_options){ .files = files }, &errors));
	ck_assert_str_eq(errors, "the project has no name\n");
}
END_TEST

/* ---- the name ---------------------------------------------------------------------- */

static const struct {
	const char *dir, *expect;
} dirs[] = {
	{ "shop", "shop" },
	{ "My Shop", "my-shop" },
	{ "a_b.c", "a-b-c" },
	{ "--x--", "x" },
	{ "UPPER9", "upper9" },
	{ "...", NULL },
	{ "\xc3\xa4\xc3\xb6", NULL },
	{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-bbbb",
	  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" },
};

START_TEST(name_from_directory)
{
	_cleanup_(project_destroyp) struct project *p = NULL;
	_cleanup_(freep) char *dir = at(dirs[_i].dir);
	_cleanup_(freep) char *file = xasprintf("%s/holos.yaml", dirs[_i].dir);
	_cleanup_(freep) char *errors = NULL;

	put(file, ONE_SERVICE);
	p = load((struct project_options){ .cwd = dir }, &errors);
	if (dirs[_i].expect == NULL) {
		ck_assert_ptr_null(p);
		ck_assert_str_eq(errors, "the project has no name\n");
		return;
	}
	ck_assert_ptr_nonnull(p);
	ck_assert_str_eq(p->name, dirs[_i].expect);
}
END_TEST

START_TEST(precedence_of_names)
{
	char *const *environment =
		environment_of("HOLOS_PROJECT_NAME=from-env", "NAME=interpolated", NULL);
	struct project *p;
	char *errors = NULL;

	put("holos.yaml", "name: ${NAME:-from-file}\n" ONE_SERVICE);
	p = load_good((struct project_options){ .name = "from-flag", .environ = environment });
	ck_assert_str_eq(p->name, "from-flag");
	project_destroy(p);
	p = load_good((struct project_options){ .environ = environment });
	ck_assert_str_eq(p->name, "from-env");
	project_destroy(p);
	p = load_good((struct project_options){ .environ = environment + 1 });
	ck_assert_str_eq(p->name, "interpolated");
	project_destroy(p);
	/* The last file that has one. */
	put("holos.override.yaml", "name: last\n");
	p = load_good((struct project_options){ 0 });
	ck_assert_str_eq(p->name, "last");
	project_destroy(p);
	ck_assert_ptr_null(load((struct project_options){ .name = "No!" }, &errors));
	ck_assert_ptr_nonnull(strstr(errors, "--project: project name \"No!\" must be"));
	free(errors);
}
END_TEST

/* ---- variables ----------------------------------------------------------------------- */

START_TEST(env_files)
{
	char *const *environment = environment_of("SHELL_HAS=shell", NULL);
	char *const *from_env = environment_of("HOLOS_ENV_FILES=one.env,two.env", NULL);
	const char *given[] = { "one.env", "two.env", NULL };
	const char *missing[] = { "three.env", NULL };
	struct project *p;
	char *errors = NULL;

	put("holos.yaml", "services: {web: {image: \"${A-}/${B-}/${SHELL_HAS-}\"}}\n");
	put(".env", "A=usual\nSHELL_HAS=file\n");
	put("one.env", "A=one\nB=one\n");
	put("two.env", "B=two-$A\n");
	p = load_good((struct project_options){ .environ = environment });
	ck_assert_str_eq(p->services[0].image, "usual//shell");
	project_destroy(p);
	p = load_good((struct project_options){ .environ = environment, .env_files = given });
	ck_assert_str_eq(p->services[0].image, "one/two-one/shell");
	project_destroy(p);
	p = load_good((struct project_options){ .environ = from_env });
	ck_assert_str_eq(p->services[0].image, "one/two-one/");
	project_destroy(p);
	ck_assert_ptr_null(load((struct project_options){ .env_files = missing }, &errors));
	ck_assert_ptr_nonnull(strstr(errors, "three.env: No such file"));
	free(errors);
	/* .env is where the project is. */
	put("sub/x", "");
	put("sub/.env", "A=wrong\n");
	{
		_cleanup_(freep) char *sub = at("sub");

		p = load_good((struct project_options){ .cwd = sub });
		ck_assert_str_eq(p->services[0].image, "usual//file");
		project_destroy(p);
	}
}
END_TEST

/* env_file: is for the guest and feeds no ${...}. */
START_TEST(env_file_is_for_the_guest)
{
	_cleanup_(project_destroyp) struct project *p = NULL;

	put("web.env", "A=guest\n");
	put("holos.yaml", "services: {web: {image: \"x${A-}\", env_file: web.env}}\n");
	p = load_good((struct project_options){ 0 });
	ck_assert_str_eq(p->services[0].image, "x");
	ck_assert_str_eq(p->services[0].environment[0].value, "guest");
}
END_TEST

/* ---- values ------------------------------------------------------------------------------ */

#define S NS_PER_S

static const struct {
	const char *text;
	uint64_t grace, interval; /* in ns; interval 0: refused */
} durations[] = {
	{ "30s", 30 * S, 30 * S }, { "1h30m", 5400 * S, 5400 * S },
	{ "1.9s", 1 * S, 1 * S },  { "1500ms", 1 * S, 1 * S },
	{ "300ms", 1 * S, 1 * S }, { "1ns", 1 * S, 1 * S },
	{ "0", 1 * S, 0 },         { "0s", 1 * S, 0 },
};

/* Whole seconds (contract.md section 0). */
START_TEST(whole_seconds)
{
	_cleanup_(project_destroyp) struct project *p = NULL;
	_cleanup_(project_destroyp) struct project *q = NULL;
	_cleanup_(freep) char *grace =
		xasprintf("services: {a: {image: a, stop_grace_period: %s}}\n", durations[_i].text);
	_cleanup_(freep) char *interval =
		xasprintf("services: {a: {image: a, healthcheck: {test: x, interval: %s}}}\n",
			  durations[_i].text);
	_cleanup_(freep) char *errors = NULL;

	put("holos.yaml", grace);
	p = load_good((struct project_options){ 0 });
	ck_assert_uint_eq(p->services[0].stop_grace_period_ns, durations[_i].grace);
	put("holos.yaml", interval);
	q = load((struct project_options){ 0 }, &errors);
	ck_assert_int_eq(q == NULL, durations[_i].interval == 0);
	if (q != NULL)
		ck_assert_uint_eq(q->services[0].healthcheck.interval_ns, durations[_i].interval);
}
END_TEST

/* vm.memory in whole MiB, rounded up. */
START_TEST(memory)
{
	static const struct {
		const char *text;
		unsigned mb;
	} sizes[] = { { "2G", 2048 }, { "128M", 128 }, { "1.5GiB", 1536 }, { "134217729", 129 } };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		_cleanup_(project_destroyp) struct project *p = NULL;
		_cleanup_(freep) char *text =
			xasprintf("services: {a: {image: a, vm: {memory: %s}}}\n", sizes[i].text);

		put("holos.yaml", text);
		p = load_good((struct project_options){ 0 });
		ck_assert_uint_eq(p->services[0].vm.memory_mb, sizes[i].mb);
	}
}
END_TEST

/* A local file or the name of an image (contract.md section 10). */
START_TEST(image_paths)
{
	static const struct {
		const char *image;
		bool path;
	} images[] = {
		{ "debian:12", false }, { "ubuntu", false },     { "/x/y", true },
		{ "./y", true },        { "../y", true },        { "sub/x.qcow2", true },
		{ "x.raw", true },      { "x.img", true },       { "x:y.img", false },
		{ ".", false },         { "sub/x.vmdk", false }, { ".img", false },
	};

	for (size_t i = 0; i < sizeof(images) / sizeof(images[0]); i++) {
		_cleanup_(project_destroyp) struct project *p = NULL;
		_cleanup_(freep) char *text =
			xasprintf("services: {a: {image: \"%s\"}}\n", images[i].image);

		put("holos.yaml", text);
		p = load_good((struct project_options){ 0 });
		ck_assert_msg((p->services[0].image_path != NULL) == images[i].path, "%s",
			      images[i].image);
		ck_assert_str_eq(p->services[0].image, images[i].image);
	}
}
END_TEST

/* ---- profiles ------------------------------------------------------------------------- */

static const struct {
	const char *profiles[3], *services[2], *environment;
	const char *on; /* joined */
} profile_cases[] = {
	{ { NULL }, { NULL }, NULL, "web" },
	{ { "debug" }, { NULL }, NULL, "web shell both" },
	{ { "debug", "trace" }, { NULL }, NULL, "web shell trace both" },
	{ { "nobody" }, { NULL }, NULL, "web" },
	{ { "*" }, { NULL }, NULL, "web shell trace both" },
	{ { NULL }, { "trace" }, NULL, "web trace both" },
	{ { NULL }, { "web" }, NULL, "web" },
	{ { NULL }, { NULL }, "HOLOS_PROFILES=,trace", "web trace both" },
	{ { "debug" }, { NULL }, "HOLOS_PROFILES=trace", "web shell trace both" },
};

START_TEST(profiles)
{
	char *environment[2] = { NULL, NULL };
	_cleanup_(project_destroyp) struct project *p = NULL;
	_cleanup_(strv_finish) struct strv on = STRV_INIT;
	_cleanup_(freep) char *joined = NULL;
	_cleanup_(freep) char *variable = xstrdup_null(profile_cases[_i].environment);

	put("holos.yaml", "services:\n"
			  "  web: {image: a}\n"
			  "  shell: {image: a, profiles: [debug]}\n"
			  "  trace: {image: a, profiles: [trace]}\n"
			  "  both: {image: a, profiles: [debug, trace]}\n");
	environment[0] = variable;
	p = load_good((struct project_options){ .profiles = profile_cases[_i].profiles,
						.services = profile_cases[_i].services,
						.environ = environment });
	for (size_t i = 0; i < p->n_services; i++)
		strv_add(&on, p->services[i].name);
	joined = strv_join(on.v, " ");
	ck_assert_str_eq(joined, profile_cases[_i].on);
	/* The others are named, so that they are no orphans. */
	for (size_t i = 0; i < 4 - p->n_services; i++)
		ck_assert_ptr_nonnull(p->inactive[i]);
	ck_assert_ptr_null(p->inactive[4 - p->n_services]);
}
END_TEST

static void add(TCase *c)
{
	tcase_add_checked_fixture(c, make_dir, remove_dir);
	tcase_add_test(c, in_a_parent);
	tcase_add_test(c, override_beside_it);
	tcase_add_test(c, nothing_there);
	tcase_add_test(c, several_files);
	tcase_add_test(c, files_from_environment);
	tcase_add_test(c, real_path);
	tcase_add_loop_test(c, no_regular_file, 0, 4);
	tcase_add_test(c, from_stdin);
	tcase_add_loop_test(c, name_from_directory, 0, sizeof(dirs) / sizeof(dirs[0]));
	tcase_add_test(c, precedence_of_names);
	tcase_add_test(c, env_files);
	tcase_add_test(c, env_file_is_for_the_guest);
	tcase_add_loop_test(c, whole_seconds, 0, sizeof(durations) / sizeof(durations[0]));
	tcase_add_test(c, memory);
	tcase_add_test(c, image_paths);
	tcase_add_loop_test(c, profiles, 0, sizeof(profile_cases) / sizeof(profile_cases[0]));
}

int main(void)
{
	return run_suite("compose-load", add);
}
