/* SPDX-License-Identifier: Apache-2.0
 *
 * test_disk.c - with the real qemu-img; skipped (77) where there is none.
 */
#include <base/alloc.h>
#include <base/fs.h>
#include <vm/disk.h>

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define MIB (1ull << 20)

static char dir[64];
static char *qemu_img;

static char *in_dir(const char *name)
{
	return xasprintf("%s/%s", dir, name);
}

static char *make_base(const char *name, uint64_t size)
{
	char *path = in_dir(name);

	ck_assert_int_eq(disk_create_volume(qemu_img, path, size, NULL), 0);
	return path;
}

static void setup(void)
{
	snprintf(dir, sizeof(dir), "/tmp/vd-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(disk_find_qemu_img(&qemu_img, NULL), 0);
}

static void teardown(void)
{
	fs_remove_tree(AT_FDCWD, dir, NULL);
	free(qemu_img);
}

/* A qemu-img that says it was called. */
static char *counting_qemu_img(void)
{
	char *path = in_dir("count.sh");
	_cleanup_(freep) char *text = xasprintf("#!/bin/sh\necho \"$1\" >> %s/calls\n"
						"exec %s \"$@\"\n",
						dir, qemu_img);

	ck_assert_int_eq(fs_write_replace(AT_FDCWD, path, text, strlen(text), 0700, NULL), 0);
	return path;
}

static unsigned calls(void)
{
	_cleanup_(freep) char *path = in_dir("calls");
	_cleanup_(strbuf_finish) struct strbuf b = STRBUF_INIT;
	unsigned n = 0;

	if (fs_read(AT_FDCWD, path, 100000, &b, NULL) < 0)
		return 0;
	for (const char *p = b.s; *p != '\0'; p++)
		n += *p == '\n';
	return n;
}

static bool same_bytes(const char *a, const char *b)
{
	_cleanup_(strbuf_finish) struct strbuf x = STRBUF_INIT, y = STRBUF_INIT;

	ck_assert_int_eq(fs_read(AT_FDCWD, a, 64 * MIB, &x, NULL), 0);
	ck_assert_int_eq(fs_read(AT_FDCWD, b, 64 * MIB, &y, NULL), 0);
	return x.len == y.len && memcmp(x.s, y.s, x.len) == 0;
}

START_TEST(volume_and_info)
{
	_cleanup_(freep) char *path = make_base("v.qcow2", 100 * MIB);
	_cleanup_(disk_info_finish) struct disk_info i = { 0 };
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct stat st;

	ck_assert_int_eq(disk_info(qemu_img, path, NULL, &i, NULL), 0);
	ck_assert_str_eq(i.format, "qcow2");
	ck_assert_uint_eq(i.virtual_size, 100 * MIB);
	ck_assert_ptr_null(i.backing_file);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	/* Never over what is there. */
	ck_assert_int_lt(disk_create_volume(qemu_img, path, MIB, &err), 0);
	ck_assert_int_eq(err->sys_errno, EEXIST);
	disk_info_finish(&i);
	ck_assert_int_eq(disk_info(qemu_img, path, "qcow2", &i, NULL), 0);
	ck_assert_uint_eq(i.virtual_size, 100 * MIB);
}
END_TEST

START_TEST(grow_and_never_shrink)
{
	_cleanup_(freep) char *path = make_base("v.qcow2", 100 * MIB);
	_cleanup_(disk_info_finish) struct disk_info i = { 0 };
	_cleanup_(error_destroyp) struct holos_error *err = NULL;

	ck_assert_int_eq(disk_grow(qemu_img, path, 100 * MIB, NULL), 0);
	ck_assert_int_eq(disk_grow(qemu_img, path, 200 * MIB, NULL), 0);
	ck_assert_int_eq(disk_info(qemu_img, path, "qcow2", &i, NULL), 0);
	ck_assert_uint_eq(i.virtual_size, 200 * MIB);
	ck_assert_int_eq(disk_grow(qemu_img, path, 100 * MIB, &err), -ERR_INVALID);
}
END_TEST

START_TEST(overlays_are_copies)
{
	_cleanup_(freep) char *base = make_base("base.qcow2", 64 * MIB);
	_cleanup_(freep) char *counting = counting_qemu_img();
	_cleanup_(disk_set_destroyp) struct disk_set *set = disk_set_create(counting);
	_cleanup_(disk_info_finish) struct disk_info i = { 0 };
	_cleanup_(freep) char *by_hand = in_dir("hand.qcow2");
	char *paths[4];

	for (size_t n = 0; n < 4; n++) {
		paths[n] = xasprintf("%s/o%zu.qcow2", dir, n);
		ck_assert_int_eq(
			disk_set_overlay(set, base, "qcow2", 128 * MIB, paths[n], n == 0, NULL), 0);
		/* The first VM may write at once: the others must not get that. */
		if (n == 0)
			ck_assert_int_eq(disk_grow(qemu_img, paths[0], 256 * MIB, NULL), 0);
	}
	ck_assert_uint_eq(calls(), 2); /* info of the base, one create */
	ck_assert(same_bytes(paths[1], paths[2]));
	ck_assert(same_bytes(paths[1], paths[3]));
	ck_assert(!same_bytes(paths[0], paths[1]));
	ck_assert_int_eq(disk_info(qemu_img, paths[3], "qcow2", &i, NULL), 0);
	ck_assert_uint_eq(i.virtual_size, 128 * MIB);
	ck_assert_str_eq(i.backing_file, base);
	ck_assert_str_eq(i.backing_format, "qcow2");
	ck_assert_int_eq(disk_check_chain(qemu_img, paths[3], base, "qcow2", NULL), 0);
	/* And the copy is what qemu-img itself would have made. */
	{
		_cleanup_(disk_set_destroyp) struct disk_set *other = disk_set_create(qemu_img);

		ck_assert_int_eq(
			disk_set_overlay(other, base, "qcow2", 128 * MIB, by_hand, false, NULL), 0);
		ck_assert(same_bytes(by_hand, paths[3]));
	}
	for (size_t n = 0; n < 4; n++)
		free(paths[n]);
}
END_TEST

START_TEST(overlay_sizes)
{
	_cleanup_(freep) char *base = make_base("base.qcow2", 64 * MIB);
	_cleanup_(disk_set_destroyp) struct disk_set *set = disk_set_create(qemu_img);
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	_cleanup_(disk_info_finish) struct disk_info i = { 0 };
	_cleanup_(freep) char *path = in_dir("o.qcow2");
	uint64_t size;

	ck_assert_int_eq(disk_set_base_size(set, base, "qcow2", &size, NULL), 0);
	ck_assert_uint_eq(size, 64 * MIB);
	/* W12: smaller than the base is refused, and leaves nothing. */
	ck_assert_int_eq(disk_set_overlay(set, base, "qcow2", 32 * MIB, path, false, &err),
			 -ERR_INVALID);
	ck_assert(!fs_exists(AT_FDCWD, path));
	ck_assert_int_eq(disk_set_overlay(set, base, "qcow2", 0, path, false, NULL), 0);
	ck_assert_int_eq(disk_info(qemu_img, path, "qcow2", &i, NULL), 0);
	ck_assert_uint_eq(i.virtual_size, 64 * MIB);
}
END_TEST

START_TEST(overlay_never_replaces)
{
	_cleanup_(freep) char *base = make_base("base.qcow2", 64 * MIB);
	_cleanup_(disk_set_destroyp) struct disk_set *set = disk_set_create(qemu_img);
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	_cleanup_(freep) char *path = in_dir("o.qcow2"), *half = in_dir("o.qcow2.new");
	_cleanup_(strbuf_finish) struct strbuf b = STRBUF_INIT;

	ck_assert_int_eq(fs_write_replace(AT_FDCWD, path, "mine", 4, 0600, NULL), 0);
	ck_assert_int_lt(disk_set_overlay(set, base, "qcow2", 0, path, false, &err), 0);
	ck_assert_int_eq(err->sys_errno, EEXIST);
	ck_assert_int_eq(fs_read(AT_FDCWD, path, 100, &b, NULL), 0);
	ck_assert_str_eq(b.s, "mine");
	/* What a killed command left half done is in nobody's way. */
	unlink(path);
	ck_assert_int_eq(fs_write_replace(AT_FDCWD, half, "half", 4, 0600, NULL), 0);
	ck_assert_int_eq(disk_set_overlay(set, base, "qcow2", 0, path, false, NULL), 0);
	ck_assert(!fs_exists(AT_FDCWD, half));
}
END_TEST

START_TEST(troubles)
{
	_cleanup_(freep) char *none = in_dir("none.qcow2"), *o = in_dir("o.qcow2");
	_cleanup_(freep) char *deep = in_dir("missing/o.qcow2");
	_cleanup_(freep) char *base = make_base("base.qcow2", 64 * MIB);
	_cleanup_(disk_set_destroyp) struct disk_set *set = disk_set_create(qemu_img);
	_cleanup_(disk_info_finish) struct disk_info i = { 0 };
	struct holos_error *err = NULL;

	ck_assert_int_lt(disk_info(qemu_img, none, NULL, &i, &err), 0);
	ck_assert_ptr_nonnull(strstr(err->message, "none.qcow2"));
	ck_assert_ptr_null(strchr(err->message, '\n'));
	ck_assert_ptr_null(i.format);
	ck_assert_int_lt(disk_set_overlay(set, none, "qcow2", 0, o, false, &err), 0);
	ck_assert(!fs_exists(AT_FDCWD, o));
	ck_assert_int_lt(disk_set_overlay(set, base, "qcow2", 0, deep, false, &err), 0);
	/* A raw file is no qcow2, whatever its name says. */
	ck_assert_int_eq(fs_write_replace(AT_FDCWD, o, "hello", 5, 0600, NULL), 0);
	ck_assert_int_lt(disk_info(qemu_img, o, "qcow2", &i, &err), 0);
	ck_assert_int_lt(disk_info("/bin/true", base, NULL, &i, &err), 0); /* says nothing */
	ck_assert_int_lt(disk_info("/nonexistent", base, NULL, &i, &err), 0);
	error_destroy(err);
}
END_TEST

START_TEST(chains)
{
	_cleanup_(freep) char *base = make_base("base.qcow2", 64 * MIB);
	_cleanup_(freep) char *other = make_base("other.qcow2", 64 * MIB);
	_cleanup_(freep) char *mid = in_dir("mid.qcow2"), *top = in_dir("top.qcow2");
	_cleanup_(disk_set_destroyp) struct disk_set *set = disk_set_create(qemu_img);
	struct holos_error *err = NULL;

	ck_assert_int_eq(disk_set_overlay(set, base, "qcow2", 0, mid, false, NULL), 0);
	ck_assert_int_eq(disk_set_overlay(set, mid, "qcow2", 0, top, false, NULL), 0);
	ck_assert_int_eq(disk_check_chain(qemu_img, mid, base, "qcow2", NULL), 0);
	ck_assert_int_lt(disk_check_chain(qemu_img, mid, other, "qcow2", &err), 0);
	ck_assert_int_lt(disk_check_chain(qemu_img, mid, base, "raw", &err), 0);
	ck_assert_int_lt(disk_check_chain(qemu_img, top, mid, "qcow2", &err), 0); /* mid has one */
	ck_assert_ptr_nonnull(strstr(err->message, "behind it"));
	ck_assert_int_lt(disk_check_chain(qemu_img, base, other, "qcow2", &err), 0);
	error_destroy(err);
}
END_TEST

START_TEST(finds_the_tool)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	char *path = NULL;

	setenv("HOLOS_QEMU_IMG", "/nonexistent/qemu-img", 1);
	ck_assert_int_eq(disk_find_qemu_img(&path, &err), -ERR_HOST);
	ck_assert_ptr_nonnull(strstr(err->message, "/nonexistent/qemu-img"));
	ck_assert_ptr_nonnull(err->hint);
	setenv("HOLOS_QEMU_IMG", "/bin/true", 1);
	ck_assert_int_eq(disk_find_qemu_img(&path, NULL), 0);
	ck_assert_str_eq(path, "/bin/true");
	free(path);
	unsetenv("HOLOS_QEMU_IMG");
	setenv("PATH", "/nonexistent", 1);
	ck_assert_int_eq(disk_find_qemu_img(&path, &err), -ERR_HOST);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("vm-disk");
	TCase *t = tcase_create("disk");
	_cleanup_(freep) char *tool = NULL;
	SRunner *r;
	int failed;

	if (disk_find_qemu_img(&tool, NULL) < 0)
		return 77;
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, volume_and_info);
	tcase_add_test(t, grow_and_never_shrink);
	tcase_add_test(t, overlays_are_copies);
	tcase_add_test(t, overlay_sizes);
	tcase_add_test(t, overlay_never_replaces);
	tcase_add_test(t, troubles);
	tcase_add_test(t, chains);
	tcase_add_test(t, finds_the_tool);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
