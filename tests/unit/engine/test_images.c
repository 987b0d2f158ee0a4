/* SPDX-License-Identifier: Apache-2.0
 *
 * test_images.c - the identity of a local base, and what lies beside a stored one.
 */
#include "../base/harness.h"

#include <engine/images.h>

#include <errno.h>
#include <fcntl.h>

static char *ident(const char *name)
{
	char *id = NULL;

	ck_assert_int_eq(images_ident(in_dir(name), &id, NULL), 0);
	return id;
}

/* lessons.md W7: a base that was replaced is noticed. */
START_TEST(identity)
{
	_cleanup_(freep) char *first = NULL;
	_cleanup_(freep) char *again = NULL;
	_cleanup_(freep) char *replaced = NULL;
	_cleanup_(freep) char *grown = NULL;
	_cleanup_(freep) char *touched = NULL;
	const struct timespec old[2] = { { 1000000000, 5 }, { 1000000000, 5 } };

	write_text("base", "text");
	ck_assert_int_eq(utimensat(AT_FDCWD, in_dir("base"), old, 0), 0);
	first = ident("base");
	again = ident("base");
	ck_assert_str_eq(first, again);
	assert_has(first, ":4:1000000000.000000005");
	/* Another file of the same size and time. */
	write_text("new", "next");
	ck_assert_int_eq(utimensat(AT_FDCWD, in_dir("new"), old, 0), 0);
	ck_assert_int_eq(rename(in_dir("base"), in_dir("kept")), 0);
	ck_assert_int_eq(rename(in_dir("new"), in_dir("base")), 0);
	replaced = ident("base");
	ck_assert_str_ne(first, replaced);
	/* The same file, longer; or written in place. */
	ck_assert_int_eq(truncate(in_dir("kept"), 5), 0);
	ck_assert_int_eq(utimensat(AT_FDCWD, in_dir("kept"), old, 0), 0);
	grown = ident("kept");
	ck_assert_str_ne(first, grown);
	ck_assert_int_eq(truncate(in_dir("kept"), 4), 0);
	touched = ident("kept");
	ck_assert_str_ne(first, touched);
}
END_TEST

START_TEST(identity_of_no_file)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	char *id = NULL;

	ck_assert_int_lt(images_ident(in_dir("none"), &id, &err), 0);
	ck_assert_int_eq(err->sys_errno, ENOENT);
	assert_has(err->message, in_dir("none"));
	ck_assert_int_lt(images_ident(test_dir, &id, &err), 0);
	assert_has(err->message, "is no file");
	ck_assert_int_lt(images_ident("/dev/null", &id, &err), 0);
	ck_assert_ptr_null(id);
}
END_TEST

START_TEST(boot_files)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct base_image b = { 0 };

	ck_assert_int_eq(images_read_boot(in_dir("sha256-ab.qcow2"), &b, NULL), 0);
	ck_assert_ptr_null(b.kernel); /* none: it boots from its disk */
	write_text("sha256-ab.kernel", "k");
	ck_assert_int_lt(images_read_boot(in_dir("sha256-ab.qcow2"), &b, &err), 0);
	ck_assert_ptr_null(b.kernel); /* all or none */
	write_text("sha256-ab.initrd", "i");
	write_text("sha256-ab.cmdline", "console=ttyS0 quiet\nsecond line\n");
	ck_assert_int_eq(images_read_boot(in_dir("sha256-ab.qcow2"), &b, NULL), 0);
	ck_assert_str_eq(b.kernel, in_dir("sha256-ab.kernel"));
	ck_assert_str_eq(b.initrd, in_dir("sha256-ab.initrd"));
	ck_assert_str_eq(b.cmdline, "console=ttyS0 quiet");
	base_image_finish(&b);
	ck_assert_ptr_null(b.kernel);
	base_image_finish(&b);
}
END_TEST

START_TEST(kernel_line_is_bounded)
{
	struct base_image b = { 0 };
	char text[2050];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	write_text("a.kernel", "k");
	write_text("a.cmdline", text); /* one more than the kernel takes */
	ck_assert_int_lt(images_read_boot(in_dir("a.raw"), &b, NULL), 0);
	write_text("a.cmdline", text + 1);
	ck_assert_int_eq(images_read_boot(in_dir("a.raw"), &b, NULL), 0);
	base_image_finish(&b);
	write_text("a.cmdline", "");
	ck_assert_int_eq(images_read_boot(in_dir("a.raw"), &b, NULL), 0);
	ck_assert_str_eq(b.cmdline, "");
	base_image_finish(&b);
}
END_TEST

static void add_tests(TCase *c)
{
	tcase_add_checked_fixture(c, make_test_dir, remove_test_dir);
	tcase_add_test(c, identity);
	tcase_add_test(c, identity_of_no_file);
	tcase_add_test(c, boot_files);
	tcase_add_test(c, kernel_line_is_bounded);
}

int main(void)
{
	return run_suite("engine-images", add_tests);
}
