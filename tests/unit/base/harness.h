/* SPDX-License-Identifier: Apache-2.0
 *
 * harness.h - what the unit tests of base, plan, state, engine and cli share: a
 * directory of their own, and running one suite.
 */
#ifndef TESTS_UNIT_HARNESS_H
#define TESTS_UNIT_HARNESS_H

#include <base/alloc.h>
#include <base/error.h>
#include <base/fs.h>
#include <base/strbuf.h>

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define N(a) ((int)(sizeof(a) / sizeof((a)[0])))

static char test_dir[64];

static inline void make_test_dir(void)
{
	snprintf(test_dir, sizeof(test_dir), "/tmp/holos-unit-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(test_dir));
}

static inline void remove_test_dir(void)
{
	ck_assert_int_eq(fs_remove_tree(AT_FDCWD, test_dir, NULL), 0);
}

/* Absolute path below the test's directory; lives as long as the test (each
 * runs in a process of its own). */
static inline const char *in_dir(const char *name)
{
	static char paths[8][1024];
	static unsigned next;
	char *path = paths[next++ % 8];

	snprintf(path, sizeof(paths[0]), "%s/%s", test_dir, name);
	return path;
}

static inline void write_text(const char *name, const char *text)
{
	ck_assert_int_eq(fs_write_replace(AT_FDCWD, in_dir(name), text, strlen(text), 0600, NULL),
			 0);
}

/* The caller frees. */
static inline char *read_text(const char *name)
{
	struct strbuf b = STRBUF_INIT;

	ck_assert_int_eq(fs_read(AT_FDCWD, in_dir(name), 1 << 20, &b, NULL), 0);
	return strbuf_steal(&b);
}

/* Fails unless `text` holds `part`. */
#define assert_has(text, part)                                                                     \
	ck_assert_msg(strstr((text), (part)) != NULL, "\"%s\" does not hold \"%s\"", (text), (part))

/* Run the suite of one program: main()'s result. */
static inline int run_suite(const char *name, void (*add)(TCase *c))
{
	Suite *s = suite_create(name);
	TCase *c = tcase_create(name);
	SRunner *r;
	int failed;

	tcase_set_timeout(c, 30);
	add(c);
	suite_add_tcase(s, c);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}

#endif
