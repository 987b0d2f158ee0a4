/* SPDX-License-Identifier: Apache-2.0
 *
 * test_error.c - errors: made, wrapped, chained, moved.
 */
#include "harness.h"

#include <errno.h>

START_TEST(set_gives_the_code)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;

	ck_assert_int_eq(error_set(&err, ERR_BUSY, "%s is %d", "x", 7), -ERR_BUSY);
	ck_assert_int_eq(err->code, ERR_BUSY);
	ck_assert_int_eq(err->sys_errno, 0);
	ck_assert_str_eq(err->message, "x is 7");
	ck_assert_ptr_null(err->hint);
	ck_assert_ptr_null(err->file);
	ck_assert_ptr_null(err->next);
	ck_assert_int_eq(error_set(NULL, ERR_USAGE, "kept nowhere"), -ERR_USAGE);
	/* Set again: the old one is gone (a leak would show under ASan). */
	ck_assert_int_eq(error_set(&err, ERR_HOST, "other"), -ERR_HOST);
	ck_assert_str_eq(err->message, "other");
}
END_TEST

START_TEST(sys_keeps_the_errno)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;

	ck_assert_int_eq(error_sys(&err, ERR_FAILED, ENOSPC, "cannot write %s", "f"), -ERR_FAILED);
	ck_assert_int_eq(err->sys_errno, ENOSPC);
	ck_assert_str_eq(err->message, "cannot write f: No space left on device");
	ck_assert_int_eq(error_sys(NULL, ERR_HOST, ENOENT, "x"), -ERR_HOST);
}
END_TEST

START_TEST(wrap_puts_context_in_front)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;

	error_sys(&err, ERR_HOST, ENOENT, "inner");
	ck_assert_int_eq(error_wrap(&err, "outer %d", 1), -ERR_HOST);
	ck_assert_int_eq(error_wrap(&err, "most"), -ERR_HOST);
	ck_assert_str_eq(err->message, "most: outer 1: inner: No such file or directory");
	ck_assert_int_eq(err->sys_errno, ENOENT);
	ck_assert_int_eq(error_wrap(NULL, "x"), -ERR_FAILED);
}
END_TEST

START_TEST(wrap_of_nothing)
{
	struct holos_error *err = NULL;

	ck_assert_int_eq(error_wrap(&err, "x"), -ERR_FAILED);
	ck_assert_ptr_null(err);
}
END_TEST

START_TEST(cap)
{
	for (unsigned n = 0; n < 24; n++) {
		_cleanup_(error_destroyp) struct holos_error *err = NULL;
		const struct holos_error *last = NULL;
		unsigned left = 0;

		for (unsigned i = 0; i < n; i++) {
			struct holos_error *one = NULL;

			error_set(&one, ERR_BUSY, "%u", i);
			error_append(&err, one);
		}
		error_cap(err);
		for (const struct holos_error *e = err; e != NULL; e = e->next) {
			last = e;
			left++;
		}
		ck_assert_uint_eq(left, n <= 20 ? n : 21);
		if (n == 21)
			ck_assert_str_eq(last->message, "and 1 more");
		if (n == 23)
			ck_assert_str_eq(last->message, "and 3 more");
	}
}
END_TEST

START_TEST(hint_goes_to_the_last_and_stays)
{
	struct holos_error *chain = NULL, *one = NULL;

	error_hint(&chain, "nothing to hint at");
	error_hint(NULL, "nor here");
	ck_assert_ptr_null(chain);
	error_set(&chain, ERR_INVALID, "first");
	error_set(&one, ERR_INVALID, "second");
	error_append(&chain, one);
	error_hint(&chain, "do %s", "this");
	error_hint(&chain, "or that");
	ck_assert_ptr_null(chain->hint);
	ck_assert_str_eq(chain->next->hint, "do this");
	error_destroy(chain);
}
END_TEST

START_TEST(append_keeps_the_order)
{
	static const char *const texts[] = { "a", "b", "c", "d" };
	struct holos_error *chain = NULL;
	int i = 0;

	for (; i < N(texts); i++) {
		struct holos_error *one = NULL;

		error_set(&one, ERR_FAILED, "%s", texts[i]);
		error_append(&chain, one);
	}
	i = 0;
	for (const struct holos_error *e = chain; e != NULL; e = e->next)
		ck_assert_str_eq(e->message, texts[i++]);
	ck_assert_int_eq(i, N(texts));
	error_destroy(chain);
	error_destroy(NULL);
}
END_TEST

START_TEST(format_tells_the_place)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	_cleanup_(freep) char *none = NULL;
	_cleanup_(freep) char *file = NULL;
	_cleanup_(freep) char *full = NULL;

	error_set(&err, ERR_INVALID, "text");
	none = error_format(err);
	ck_assert_str_eq(none, "text");
	error_at(err, "holos.yaml", 0, 0);
	file = error_format(err);
	ck_assert_str_eq(file, "holos.yaml: text");
	error_at(err, "other.yaml", 3, 14);
	full = error_format(err);
	ck_assert_str_eq(full, "other.yaml:3:14: text");
	error_at(NULL, "x", 1, 1);
}
END_TEST

START_TEST(move_hands_over)
{
	_cleanup_(error_destroyp) struct holos_error *from = NULL;
	_cleanup_(error_destroyp) struct holos_error *to = NULL;

	error_set(&to, ERR_FAILED, "old");
	error_set(&from, ERR_START, "new");
	ck_assert_int_eq(error_move(&to, &from), -ERR_START);
	ck_assert_ptr_null(from);
	ck_assert_str_eq(to->message, "new");
	/* Nobody wants it: it stays with its owner. */
	ck_assert_int_eq(error_move(NULL, &to), -ERR_START);
	ck_assert_ptr_nonnull(to);
	ck_assert_int_eq(error_move(&to, &from), -ERR_FAILED);
}
END_TEST

/* Scripts rely on them: they are exit statuses. */
START_TEST(copy_is_its_own)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL, *copy = NULL;

	error_sys(&err, ERR_BUSY, EAGAIN, "it is busy: 100%% of it");
	error_hint(&err, "wait");
	error_at(err, "a.yaml", 3, 4);
	ck_assert_int_eq(error_copy(&copy, err), -ERR_BUSY);
	ck_assert_int_eq(error_copy(NULL, err), -ERR_BUSY);
	error_destroy(steal_ptr(&err));
	ck_assert_int_eq(copy->code, ERR_BUSY);
	ck_assert_int_eq(copy->sys_errno, EAGAIN);
	ck_assert_str_eq(copy->message, "it is busy: 100% of it: Resource temporarily unavailable");
	ck_assert_str_eq(copy->hint, "wait");
	ck_assert_str_eq(copy->file, "a.yaml");
	ck_assert_uint_eq(copy->line, 3);
	ck_assert_uint_eq(copy->column, 4);
}
END_TEST

START_TEST(codes_are_stable)
{
	ck_assert_int_eq(ERR_FAILED, 1);
	ck_assert_int_eq(ERR_USAGE, 2);
	ck_assert_int_eq(ERR_INVALID, 3);
	ck_assert_int_eq(ERR_HOST, 4);
	ck_assert_int_eq(ERR_BUSY, 5);
	ck_assert_int_eq(ERR_START, 6);
	ck_assert_int_eq(ERR_TIMEOUT, 7);
	ck_assert_int_eq(ERR_VERIFY, 8);
	ck_assert_int_eq(ERR_HOLOS, 125);
	ck_assert_int_eq(ERR_INTERRUPTED, 130);
}
END_TEST

static void add_tests(TCase *c)
{
	tcase_add_test(c, set_gives_the_code);
	tcase_add_test(c, sys_keeps_the_errno);
	tcase_add_test(c, wrap_puts_context_in_front);
	tcase_add_test(c, wrap_of_nothing);
	tcase_add_test(c, hint_goes_to_the_last_and_stays);
	tcase_add_test(c, append_keeps_the_order);
	tcase_add_test(c, cap);
	tcase_add_test(c, format_tells_the_place);
	tcase_add_test(c, move_hands_over);
	tcase_add_test(c, copy_is_its_own);
	tcase_add_test(c, codes_are_stable);
}

int main(void)
{
	return run_suite("base-error", add_tests);
}
