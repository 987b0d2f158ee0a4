/* SPDX-License-Identifier: Apache-2.0
 *
 * test_strbuf.c - growing strings and vectors of strings.
 */
#include "harness.h"

#include <base/strv.h>

START_TEST(adds_of_every_kind)
{
	_cleanup_(strbuf_finish) struct strbuf b = STRBUF_INIT;

	strbuf_adds(&b, "one");
	strbuf_addc(&b, ' ');
	strbuf_addf(&b, "%d-%s", 2, "three");
	strbuf_add(&b, "\0x", 2);
	ck_assert_uint_eq(b.len, 13);
	ck_assert_mem_eq(b.s, "one 2-three\0x", 14);
}
END_TEST

START_TEST(is_terminated_at_every_length)
{
	_cleanup_(strbuf_finish) struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; i < 1000; i++) {
		strbuf_addc(&b, (char)('a' + i % 26));
		ck_assert_uint_eq(b.len, i + 1);
		ck_assert_uint_eq(strlen(b.s), i + 1);
		ck_assert_uint_gt(b.cap, b.len);
	}
	for (size_t i = 0; i < 1000; i++)
		ck_assert_int_eq(b.s[i], (char)('a' + i % 26));
}
END_TEST

START_TEST(reserve_keeps_the_text)
{
	_cleanup_(strbuf_finish) struct strbuf b = STRBUF_INIT;

	strbuf_reserve(&b, 0);
	ck_assert_str_eq(b.s, "");
	strbuf_adds(&b, "abc");
	strbuf_reserve(&b, 100000);
	ck_assert_uint_gt(b.cap, 100003);
	ck_assert_uint_eq(b.len, 3);
	ck_assert_str_eq(b.s, "abc");
}
END_TEST

START_TEST(consume_drops_the_start)
{
	_cleanup_(strbuf_finish) struct strbuf b = STRBUF_INIT;

	strbuf_consume(&b, 0); /* of one that is empty */
	strbuf_adds(&b, "abcdef");
	strbuf_consume(&b, 0);
	ck_assert_str_eq(b.s, "abcdef");
	strbuf_consume(&b, 2);
	ck_assert_str_eq(b.s, "cdef");
	strbuf_consume(&b, 4);
	ck_assert_str_eq(b.s, "");
	ck_assert_uint_eq(b.len, 0);
}
END_TEST

START_TEST(clear_and_steal)
{
	struct strbuf b = STRBUF_INIT;
	_cleanup_(freep) char *empty = strbuf_steal(&b);
	_cleanup_(freep) char *text = NULL;

	ck_assert_str_eq(empty, "");
	strbuf_clear(&b);
	strbuf_adds(&b, "abc");
	strbuf_clear(&b);
	ck_assert_str_eq(b.s, "");
	strbuf_adds(&b, "de");
	text = strbuf_steal(&b);
	ck_assert_str_eq(text, "de");
	ck_assert_ptr_null(b.s);
	ck_assert_uint_eq(b.len + b.cap, 0);
}
END_TEST

START_TEST(vector_stays_terminated)
{
	_cleanup_(strv_finish) struct strv v = STRV_INIT;

	for (unsigned i = 0; i < 100; i++) {
		strv_addf(&v, "%u", i);
		ck_assert_uint_eq(v.n, i + 1);
		ck_assert_ptr_null(v.v[v.n]);
	}
	ck_assert_str_eq(v.v[0], "0");
	ck_assert_str_eq(v.v[99], "99");
	ck_assert(strv_has(&v, "50"));
	ck_assert(!strv_has(&v, "100"));
	ck_assert(!strv_has(&v, "5 "));
}
END_TEST

START_TEST(vector_adds_take_copies)
{
	_cleanup_(strv_finish) struct strv v = STRV_INIT;
	char text[] = "copied";
	char *list[] = { text, text, NULL };

	strv_add(&v, text);
	strv_add_all(&v, list);
	strv_add_all(&v, NULL);
	strv_take(&v, xstrdup("taken"));
	text[0] = 'X';
	ck_assert_uint_eq(v.n, 4);
	for (size_t i = 0; i < 3; i++)
		ck_assert_str_eq(v.v[i], "copied");
	ck_assert_str_eq(v.v[3], "taken");
}
END_TEST

START_TEST(vector_sorts_by_bytes)
{
	static const char *const words[] = { "b", "B", "a-2", "a", "a-10", "\xc3\xa4", "" };
	_cleanup_(strv_finish) struct strv v = STRV_INIT;
	_cleanup_(freep) char *joined = NULL;

	strv_sort(&v); /* of nothing */
	for (int i = 0; i < N(words); i++)
		strv_add(&v, words[i]);
	strv_sort(&v);
	joined = strv_join(v.v, "|");
	ck_assert_str_eq(joined, "|B|a|a-10|a-2|b|\xc3\xa4");
}
END_TEST

START_TEST(vector_joins)
{
	_cleanup_(strv_finish) struct strv v = STRV_INIT;
	_cleanup_(freep) char *none = strv_join(NULL, ", ");
	_cleanup_(freep) char *one = NULL;
	_cleanup_(freep) char *two = NULL;

	ck_assert_str_eq(none, "");
	strv_add(&v, "a");
	one = strv_join(v.v, ", ");
	ck_assert_str_eq(one, "a");
	strv_add(&v, "b");
	two = strv_join(v.v, ", ");
	ck_assert_str_eq(two, "a, b");
}
END_TEST

START_TEST(arrays_grow)
{
	int *arr = NULL;
	size_t n = 0, cap = 0;

	for (int i = 0; i < 1000; i++)
		*ARRAY_PUSH(arr, n, cap) = i;
	ck_assert_uint_eq(n, 1000);
	ck_assert_uint_ge(cap, n);
	for (int i = 0; i < 1000; i++)
		ck_assert_int_eq(arr[i], i);
	free(arr);
}
END_TEST

START_TEST(copies_of_strings)
{
	_cleanup_(freep) char *part = xstrndup("abcdef", 3);
	_cleanup_(freep) char *whole = xstrndup("abc", 100);
	_cleanup_(freep) char *copy = xmemdup("a\0b", 3);

	ck_assert_str_eq(part, "abc");
	ck_assert_str_eq(whole, "abc");
	ck_assert_mem_eq(copy, "a\0b", 3);
	ck_assert_ptr_null(xstrdup_null(NULL));
}
END_TEST

static void add_tests(TCase *c)
{
	tcase_add_test(c, adds_of_every_kind);
	tcase_add_test(c, is_terminated_at_every_length);
	tcase_add_test(c, reserve_keeps_the_text);
	tcase_add_test(c, consume_drops_the_start);
	tcase_add_test(c, clear_and_steal);
	tcase_add_test(c, vector_stays_terminated);
	tcase_add_test(c, vector_adds_take_copies);
	tcase_add_test(c, vector_sorts_by_bytes);
	tcase_add_test(c, vector_joins);
	tcase_add_test(c, arrays_grow);
	tcase_add_test(c, copies_of_strings);
}

int main(void)
{
	return run_suite("base-strbuf", add_tests);
}
