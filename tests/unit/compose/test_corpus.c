/* SPDX-License-Identifier: Apache-2.0
 *
 * test_corpus.c - compose files with what must come out of them.
 *
 * tests/data/compose/good/X.yaml loads, and X.expect is its canonical YAML
 * (which must load to itself again); bad/X.yaml fails, and X.expect lists every
 * message.  A first line "# test: KEY=VALUE ..." sets options: files, env,
 * profiles, plugins, state.  With HOLOS_UPDATE_EXPECT set the files are written
 * instead of compared: read the difference before committing it.
 */
#include <base/alloc.h>
#include <base/fs.h>
#include <base/strbuf.h>
#include <base/strv.h>
#include <compose/output.h>
#include <compose/project.h>

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *corpus_dir; /* .../compose/good or bad */

struct options {
	struct strv files, environment, profiles, plugins;
	char *state_dir;
};

static void options_finish(struct options *o)
{
	strv_finish(&o->files);
	strv_finish(&o->environment);
	strv_finish(&o->profiles);
	strv_finish(&o->plugins);
	free(o->state_dir);
}

static void split(struct strv *to, const char *text)
{
	_cleanup_(freep) char *copy = xstrdup(text);
	char *save = NULL;

	for (char *s = strtok_r(copy, ",", &save); s != NULL; s = strtok_r(NULL, ",", &save))
		strv_add(to, s);
}

static void read_options(struct options *o, const char *name, const char *text)
{
	static const char mark[] = "# test: ";
	_cleanup_(freep) char *line = xstrndup(text, strcspn(text, "\n"));
	char *save = NULL;

	strv_add(&o->files, name);
	strv_add(&o->environment, "HOME=/home/me");
	strv_add(&o->environment, "TAG=12");
	strv_add(&o->environment, "EMPTYVAR=");
	if (strncmp(line, mark, sizeof(mark) - 1) != 0)
		return;
	for (char *s = strtok_r(line + sizeof(mark) - 1, " ", &save); s != NULL;
	     s = strtok_r(NULL, " ", &save)) {
		char *value = strchr(s, '=');

		ck_assert_ptr_nonnull(value);
		*value++ = '\0';
		if (strcmp(s, "files") == 0)
			split(&o->files, value);
		else if (strcmp(s, "env") == 0)
			split(&o->environment, value);
		else if (strcmp(s, "profiles") == 0)
			split(&o->profiles, value);
		else if (strcmp(s, "plugins") == 0)
			split(&o->plugins, value);
		else if (strcmp(s, "state") == 0)
			o->state_dir = xstrdup(value);
		else
			ck_abort_msg("%s: unknown option %s", name, s);
	}
}

static const char *plugin_missing(void *data, const char *kind, const char *name)
{
	const struct options *o = data;

	(void)kind;
	return strv_has(&o->plugins, name) ? NULL : "install it";
}

/* Absolute paths in the corpus differ from machine to machine. */
static void add_relocated(struct strbuf *out, const char *text)
{
	size_t len = strlen(corpus_dir);
	const char *at;

	while ((at = strstr(text, corpus_dir)) != NULL) {
		strbuf_add(out, text, (size_t)(at - text));
		strbuf_adds(out, "/corpus");
		text = at + len;
	}
	strbuf_adds(out, text);
}

static void add_messages(struct strbuf *out, const char *prefix, const struct holos_error *e)
{
	_cleanup_(strbuf_finish) struct strbuf b = STRBUF_INIT;

	for (; e != NULL; e = e->next) {
		strbuf_adds(&b, prefix);
		if (e->file != NULL)
			strbuf_addf(&b, "%s:%u:%u: ", e->file, e->line, e->column);
		strbuf_addf(&b, "%s\n", e->message);
		if (e->hint != NULL)
			strbuf_addf(&b, "  hint: %s\n", e->hint);
	}
	if (b.len > 0)
		add_relocated(out, b.s);
}

/* The canonical form of what was loaded, read again, must be the same. */
static void check_round_trip(const struct project *p, const char *yaml, const char *name)
{
	char dir[] = "/tmp/holos-corpus-XXXXXX";
	_cleanup_(freep) char *path = NULL;
	_cleanup_(freep) char *again = NULL;
	_cleanup_(project_destroyp) struct project *second = NULL;
	struct holos_error *err = NULL;
	const char *files[2] = { NULL, NULL };
	struct project_options opts = { .files = files };

	ck_assert_ptr_nonnull(mkdtemp(dir));
	path = fs_join(dir, "holos.yaml");
	files[0] = path;
	ck_assert_int_eq(fs_write_replace(AT_FDCWD, path, yaml, strlen(yaml), 0600, NULL), 0);
	if (project_load(&opts, &second, &err) < 0)
		ck_abort_msg("%s: its canonical form does not load: %s\n%s", name, err->message,
			     yaml);
	again = project_to_yaml(second);
	ck_assert_str_eq(yaml, again);
	for (size_t i = 0; i < p->n_services; i++) {
		struct service_hashes a, b;

		/* A Dockerfile's text, and so its hash, is found by its path: the same. */
		service_hash(p, &p->services[i], &a);
		service_hash(second, project_service(second, p->services[i].name), &b);
		ck_assert_str_eq(a.all, b.all);
		ck_assert_str_eq(a.restart, b.restart);
		ck_assert_str_eq(a.recreate, b.recreate);
		ck_assert_str_eq(a.live, b.live);
	}
	ck_assert_int_eq(fs_remove_tree(AT_FDCWD, dir, NULL), 0);
}

/* What the file gives: YAML, or messages. */
static void run_one(const char *name, const char *text, bool good, struct strbuf *out)
{
	_cleanup_(options_finish) struct options o = { 0 };
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	_cleanup_(error_destroyp) struct holos_error *warnings = NULL;
	_cleanup_(project_destroyp) struct project *p = NULL;
	_cleanup_(freep) char *yaml = NULL;
	struct project_options opts;
	int r;

	read_options(&o, name, text);
	opts = (struct project_options){
		.files = (const char *const *)o.files.v,
		.environ = o.environment.v,
		.profiles = (const char *const *)o.profiles.v,
		.cwd = corpus_dir,
		.state_dir = o.state_dir,
		.plugin_missing = o.plugins.n > 0 ? plugin_missing : NULL,
		.plugin_data = &o,
		.warnings = &warnings,
	};
	r = project_load(&opts, &p, &err);
	add_messages(out, "warning: ", warnings);
	if (good && r < 0)
		ck_abort_msg("%s does not load: %s:%u:%u: %s", name, err->file, err->line,
			     err->column, err->message);
	if (!good && r == 0)
		ck_abort_msg("%s loads, but must not", name);
	if (r < 0) {
		ck_assert_int_eq(r, -ERR_INVALID);
		ck_assert_ptr_null(p);
		add_messages(out, "", err);
		return;
	}
	yaml = project_to_yaml(p);
	add_relocated(out, yaml);
	check_round_trip(p, yaml, name);
}

static void check_file(const char *name, bool good)
{
	_cleanup_(strbuf_finish) struct strbuf text = STRBUF_INIT;
	_cleanup_(strbuf_finish) struct strbuf expect = STRBUF_INIT;
	_cleanup_(strbuf_finish) struct strbuf out = STRBUF_INIT;
	_cleanup_(freep) char *path = fs_join(corpus_dir, name);
	_cleanup_(freep) char *expect_path =
		xasprintf("%.*s.expect", (int)(strlen(path) - strlen(".yaml")), path);

	ck_assert_int_eq(fs_read(AT_FDCWD, path, 2u << 20, &text, NULL), 0);
	run_one(name, text.s, good, &out);
	if (getenv("HOLOS_UPDATE_EXPECT") != NULL) {
		fs_write_replace(AT_FDCWD, expect_path, out.s, out.len, 0644, NULL);
		return;
	}
	ck_assert_msg(fs_read(AT_FDCWD, expect_path, 2u << 20, &expect, NULL) == 0, "no %s",
		      expect_path);
	if (strcmp(expect.s, out.s) != 0)
		ck_abort_msg("%s gives\n%s\ninstead of\n%s", name, out.s, expect.s);
}

static void check_dir(const char *which, bool good)
{
	const char *data = getenv("HOLOS_TEST_DATA");
	_cleanup_(freep) char *base = fs_join(data != NULL ? data : "tests/data", "compose");
	_cleanup_(strv_finish) struct strv names = STRV_INIT;
	_cleanup_(closedirp) DIR *dir = NULL;
	char cwd[4096];

	if (base[0] != '/') {
		char *relative = base;

		ck_assert_ptr_nonnull(getcwd(cwd, sizeof(cwd)));
		base = fs_join(cwd, relative);
		free(relative);
	}
	corpus_dir = fs_join(base, which);
	dir = opendir(corpus_dir);
	ck_assert_msg(dir != NULL, "no %s", corpus_dir);
	for (struct dirent *e; (e = readdir(dir)) != NULL;) {
		size_t n = strlen(e->d_name);

		if (n > 5 && strcmp(e->d_name + n - 5, ".yaml") == 0)
			strv_add(&names, e->d_name);
	}
	ck_assert_uint_ge(names.n, 10);
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++)
		check_file(names.v[i], good);
	free(corpus_dir);
}

START_TEST(good_files)
{
	check_dir("good", true);
}
END_TEST

START_TEST(bad_files)
{
	check_dir("bad", false);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("compose-corpus");
	TCase *c = tcase_create("corpus");
	SRunner *r;
	int failed;

	tcase_set_timeout(c, 60);
	tcase_add_test(c, good_files);
	tcase_add_test(c, bad_files);
	suite_add_tcase(s, c);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
