/* SPDX-License-Identifier: Apache-2.0
 *
 * test_beneath.c - holos_open_beneath(), by openat2(2) and without it: nothing is
 * reached through a link, or outside.
 */
#include "harness.h"

#include <holos/beneath.h>

static const struct {
	const char *path;
	bool good;
} cases[] = {
	{ "in/deep/file", true },         { "in/out/passwd", false }, { "in/link/file", false },
	{ "in/deep/last", false },        { "../etc/passwd", false }, { "/etc/passwd", false },
	{ "in/../../etc/passwd", false }, { "in/deep/none", false },
};

START_TEST(opens)
{
	int dir, in, parts;

	ck_assert_int_eq(mkdir(in_dir("in"), 0700), 0);
	ck_assert_int_eq(mkdir(in_dir("in/deep"), 0700), 0);
	write_text("in/deep/file", "x");
	ck_assert_int_eq(symlink("/etc", in_dir("in/out")), 0);
	ck_assert_int_eq(symlink("deep", in_dir("in/link")), 0);
	ck_assert_int_eq(symlink("file", in_dir("in/deep/last")), 0);
	dir = open(test_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	in = holos_open_beneath(dir, cases[_i].path, O_RDONLY);
	parts = holos_open_parts(dir, cases[_i].path, O_RDONLY);
	ck_assert_int_eq(in >= 0, cases[_i].good);
	ck_assert_int_eq(parts >= 0, cases[_i].good);
	if (in >= 0)
		close(in);
	if (parts >= 0)
		close(parts);
	close(dir);
}
END_TEST

static void add_tests(TCase *c)
{
	tcase_add_checked_fixture(c, make_test_dir, remove_test_dir);
	tcase_add_loop_test(c, opens, 0, N(cases));
}

int main(void)
{
	return run_suite("base-beneath", add_tests);
}
