/* SPDX-License-Identifier: Apache-2.0
 *
 * The keys that leave a console: what they are called, and finding them.
 */
#include <base/alloc.h>
#include <guest/detach.h>

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *text, *keys; /* keys NULL: an error */
} names[] = {
	{ "ctrl-]", "\x1d" },
	{ "ctrl-p,ctrl-q", "\x10\x11" },
	{ "CTRL-a", "\x01" },
	{ "ctrl-A", "\x01" },
	{ "ctrl-\\", "\x1c" },
	{ "~,.", "~." },
	{ "x", "x" },
	{ "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p", "abcdefghijklmnop" },
	{ "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q", NULL },
	{ "", NULL },
	{ ",", NULL },
	{ "a,", NULL },
	{ "ab", NULL },
	{ "ctrl-", NULL },
	{ "ctrl-5", NULL },
	{ "ctrl-ab", NULL },
	{ "\xc3\xa4", NULL },
	{ " ", NULL },
};

START_TEST(test_names)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct detach_keys d = { .n = 99 };
	int r = detach_parse(names[_i].text, &d, &err);

	if (names[_i].keys == NULL) {
		ck_assert_int_eq(r, -ERR_USAGE);
		ck_assert_ptr_nonnull(err);
		ck_assert_uint_eq(d.n, 99);
		return;
	}
	ck_assert_int_eq(r, 0);
	ck_assert_uint_eq(d.n, strlen(names[_i].keys));
	ck_assert_mem_eq(d.keys, names[_i].keys, d.n);
}
END_TEST

static const struct {
	const char *keys, *typed, *passed;
	bool found;
} inputs[] = {
	{ "ctrl-]", "abc", "abc", false },
	{ "ctrl-]",
	  "ab\x1d"
	  "cd",
	  "ab", true },
	{ "ctrl-p,ctrl-q", "a\x10\x11z", "a", true },
	{ "ctrl-p,ctrl-q", "a\x10z", "a\x10z", false },
	{ "ctrl-p,ctrl-q", "\x10\x10\x11", "\x10", true },
	{ "ctrl-p,ctrl-q", "\x10", "", false },
	/* The sequence begins again inside what looked like it. */
	{ "a,a,b", "aaab", "a", true },
	{ "a,b,a,c", "ababac", "ab", true },
	{ "a,b,a,c", "abab", "ab", false },
	{ "~,.", "~~.", "~", true },
};

/* All at once, and byte by byte. */
START_TEST(test_filter)
{
	const char *typed = inputs[_i].typed;
	size_t step, n = strlen(typed);

	for (step = 1; step <= n; step = step == n ? n + 1 : n) {
		struct detach_keys d = { .n = 0 };
		char passed[128] = "";
		size_t len = 0, at, got;
		bool found = false;

		ck_assert_int_eq(detach_parse(inputs[_i].keys, &d, NULL), 0);
		for (at = 0; at < n && !found; at += step) {
			found = detach_filter(&d, typed + at, step, passed + len, &got);
			len += got;
		}
		ck_assert_int_eq(found, inputs[_i].found);
		ck_assert_uint_eq(len, strlen(inputs[_i].passed));
		ck_assert_mem_eq(passed, inputs[_i].passed, len);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("guest-detach");
	TCase *t = tcase_create("detach");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_loop_test(t, test_names, 0, sizeof(names) / sizeof(names[0]));
	tcase_add_loop_test(t, test_filter, 0, sizeof(inputs) / sizeof(inputs[0]));
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
