/* SPDX-License-Identifier: Apache-2.0
 *
 * harness.h - a directory of files, and loading a project from it.
 */
#ifndef TESTS_COMPOSE_HARNESS_H
#define TESTS_COMPOSE_HARNESS_H

#include <base/alloc.h>
#include <base/fs.h>
#include <base/strbuf.h>
#include <base/strv.h>
#include <compose/output.h>
#include <compose/project.h>

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char test_dir[64];

static inline void make_dir(void)
{
	snprintf(test_dir, sizeof(test_dir), "/tmp/holos-compose-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(test_dir));
}

static inline void remove_dir(void)
{
	ck_assert_int_eq(fs_remove_tree(AT_FDCWD, test_dir, NULL), 0);
}

/* An environment of literals: "A=1", "B=2", NULL.  It lives until the end. */
static inline char *const *environment_of(const char *first, ...)
{
	static struct strv kept[8];
	static unsigned next;
	struct strv *v = &kept[next++ % 8];
	va_list ap;

	strv_finish(v);
	*v = (struct strv)STRV_INIT;
	va_start(ap, first);
	for (const char *s = first; s != NULL; s = va_arg(ap, const char *))
		strv_add(v, s);
	va_end(ap);
	return v->v;
}

/* Write a file below the test's directory; its parents are made. */
static inline void put(const char *name, const char *text)
{
	_cleanup_(freep) char *path = fs_join(test_dir, name);
	_cleanup_(freep) char *dir = fs_normalize(path, "..");

	ck_assert_int_eq(fs_mkdir_p(dir, 0755, NULL), 0);
	ck_assert_int_eq(fs_write_replace(AT_FDCWD, path, text, strlen(text), 0644, NULL), 0);
}

/* Load with cwd at the test's directory unless set.  NULL on failure: the
 * messages, one per line ("file:line:col: message"), are in *ret_errors. */
static inline struct project *load(struct project_options opts, char **ret_errors)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	_cleanup_(strbuf_finish) struct strbuf b = STRBUF_INIT;
	struct project *p = NULL;

	if (opts.cwd == NULL)
		opts.cwd = test_dir;
	if (project_load(&opts, &p, &err) == 0) {
		ck_assert_ptr_null(err);
		return p;
	}
	ck_assert_ptr_nonnull(err);
	for (const struct holos_error *e = err; e != NULL; e = e->next) {
		if (e->file != NULL)
			strbuf_addf(&b, "%s:%u:%u: ", e->file, e->line, e->column);
		strbuf_addf(&b, "%s\n", e->message);
	}
	if (ret_errors != NULL)
		*ret_errors = strbuf_steal(&b);
	return NULL;
}

/* Load or fail the test. */
static inline struct project *load_good(struct project_options opts)
{
	char *errors = NULL;
	struct project *p = load(opts, &errors);

	ck_assert_msg(p != NULL, "%s", errors);
	return p;
}

/* Run the suite of one program. */
static inline int run_suite(const char *name, void (*add)(TCase *c))
{
	Suite *s = suite_create(name);
	TCase *c = tcase_create(name);
	SRunner *r;
	int failed;

	tcase_set_timeout(c, 60);
	add(c);
	suite_add_tcase(s, c);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}

#endif
