/* SPDX-License-Identifier: Apache-2.0
 *
 * test_diskhead.c - which files QEMU may be given as a base.
 */
#include "../base/harness.h"

#include <fcntl.h>
#include <fetch/internal.h>

#define FILE_SIZE 4096

/* A qcow2 head that is fine: 1 MiB, clusters of 64 KiB, tables at 1024 and 2048. */
static void fine(unsigned char h[FILE_SIZE])
{
	memset(h, 0, FILE_SIZE);
	memcpy(h, "QFI\xfb", 4);
	h[7] = 3;
	h[23] = 9;    /* cluster_bits */
	h[29] = 16;   /* size: 1 MiB */
	h[39] = 32;   /* l1_size: an entry leads to 32 KiB */
	h[46] = 4;    /* l1_table_offset: 1024 */
	h[54] = 8;    /* refcount_table_offset: 2048 */
	h[59] = 1;    /* one cluster of it */
	h[103] = 104; /* header_length */
}

static const struct {
	unsigned at, value;
	const char *says; /* NULL: it is fine */
} changes[] = {
	{ 3, 0xfb, NULL },
	{ 7, 2, NULL },
	{ 7, 1, "newer than 3" },
	{ 7, 4, "newer than 3" },
	{ 15, 1, "overlay on another file" },
	{ 8, 1, "overlay on another file" },
	{ 23, 8, "header is damaged" },
	{ 23, 22, "header is damaged" },
	{ 20, 1, "header is damaged" },
	{ 24, 1, "claims a size of" },
	{ 26, 1, "outside of the file" },
	{ 28, 1, "outside of the file" },
	{ 29, 0, "header is damaged" },
	{ 35, 1, "encrypted" },
	{ 36, 255, "outside of the file" },
	{ 39, 31, "outside of the file" },
	{ 40, 255, "outside of the file" },
	{ 47, 1, "outside of the file" },
	{ 48, 255, "outside of the file" },
	{ 56, 255, "outside of the file" },
	{ 79, 1, "dirty or corrupt" },
	{ 79, 2, "dirty or corrupt" },
	{ 79, 4, "keeps its data in another file" },
	{ 79, 8, NULL }, /* compression type */
	{ 72, 1, "dirty or corrupt, or needs a newer" },
	{ 87, 1, NULL }, /* lazy refcounts: compatible */
};

static holos_status check(const unsigned char *h, size_t n, const char *want,
			  struct holos_error **err)
{
	int fd = open(in_dir("disk"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	uint64_t virtual = 0;
	char format[8] = "";
	holos_status st;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, h, n), (ssize_t)n);
	st = disk_head_check(fd, want, "disk", format, &virtual, err);
	close(fd);
	if (st == HOLOS_OK)
		ck_assert_uint_ne(virtual, 0);
	return st;
}

START_TEST(heads)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	unsigned char h[FILE_SIZE];
	holos_status st;

	fine(h);
	h[changes[_i].at] = (unsigned char)changes[_i].value;
	st = check(h, sizeof(h), "qcow2", &err);
	if (changes[_i].says == NULL) {
		ck_assert_msg(st == HOLOS_OK, "%s", err != NULL ? err->message : "");
		return;
	}
	ck_assert_int_eq(st, HOLOS_E_INTEGRITY);
	assert_has(err->message, changes[_i].says);
}
END_TEST

/* Cut off anywhere it is refused, and nothing is read past its end. */
START_TEST(short_files)
{
	unsigned char h[FILE_SIZE];

	fine(h);
	for (size_t n = 0; n < 2048 + 512; n += n < 128 ? 1 : 97)
		ck_assert_int_ne(check(h, n, "qcow2", NULL), HOLOS_OK);
	ck_assert_int_eq(check(h, 2048 + 512, "qcow2", NULL), HOLOS_OK);
}
END_TEST

START_TEST(raw_disks)
{
	unsigned char h[FILE_SIZE] = { 0xeb, 0x63 };

	ck_assert_int_eq(check(h, 1024, NULL, NULL), HOLOS_OK);
	ck_assert_int_eq(check(h, 1024, "raw", NULL), HOLOS_OK);
	ck_assert_int_eq(check(h, 1024, "qcow2", NULL), HOLOS_E_INTEGRITY);
	ck_assert_int_eq(check(h, 1000, NULL, NULL), HOLOS_E_INTEGRITY);
	ck_assert_int_eq(check(h, 0, NULL, NULL), HOLOS_E_INTEGRITY);
}
END_TEST

static const struct {
	const char *begins, *says;
} others[] = {
	{ "<!DOCTYPE html><html>", "a web page" },
	{ " \n\xef\xbb\xbf<HTML>", "a web page" },
	{ "<?xml version=\"1.0\"?><Error>", "an XML document" },
	{ "KDMV\1\0\0\0", "a VMDK image" },
	{ "vhdxfile", "a VHDX image" },
	{ "conectix", "a VHD image" },
	{ "PK\3\4....", "a ZIP archive" },
	{ "BZh91AY", "compressed with bzip2" },
};

START_TEST(other_files)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	unsigned char h[FILE_SIZE] = { 0 };

	memcpy(h, others[_i].begins, strlen(others[_i].begins));
	ck_assert_int_eq(check(h, sizeof(h), NULL, &err), HOLOS_E_INTEGRITY);
	assert_has(err->message, others[_i].says);
	ck_assert_ptr_nonnull(err->hint);
}
END_TEST

static void add_tests(TCase *c)
{
	tcase_add_checked_fixture(c, make_test_dir, remove_test_dir);
	tcase_add_loop_test(c, heads, 0, N(changes));
	tcase_add_test(c, short_files);
	tcase_add_test(c, raw_disks);
	tcase_add_loop_test(c, other_files, 0, N(others));
}

int main(void)
{
	return run_suite("fetch-diskhead", add_tests);
}
