/* SPDX-License-Identifier: Apache-2.0
 *
 * test_names.c - what may be a name, and the nearest one to a wrong one.
 */
#include "harness.h"

#include <base/names.h>

#define A31 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A62 A31 A31

enum { LABEL = 1, USER = 2, PLUGIN = 4 };

static const struct {
	const char *text;
	int what; /* of LABEL, USER, PLUGIN */
} names[] = {
	{ "a", LABEL | USER | PLUGIN },
	{ "web", LABEL | USER | PLUGIN },
	{ "web-1", LABEL | USER | PLUGIN },
	{ "a--b", LABEL | USER | PLUGIN },
	{ "0", LABEL },
	{ "0web", LABEL },
	{ "7-7", LABEL },
	{ "-web", 0 },
	{ "web-", USER | PLUGIN },
	{ "-", 0 },
	{ "_", USER },
	{ "_www", USER },
	{ "www_data", USER },
	{ "root", LABEL | USER | PLUGIN },
	{ "Web", 0 },
	{ "weB", 0 },
	{ "", 0 },
	{ " ", 0 },
	{ "a b", 0 },
	{ "a.b", 0 },
	{ "a/b", 0 },
	{ "..", 0 },
	{ "a\n", 0 },
	{ "a$", 0 },
	{ "\xc3\xa4", 0 },
	{ A31, LABEL | USER | PLUGIN },
	{ A31 "b", LABEL | USER | PLUGIN }, /* 32 */
	{ A31 "bc", LABEL },                /* 33 */
	{ A62 "b", LABEL },                 /* 63 */
	{ A62 "bc", 0 },                    /* 64 */
	{ A62 "-", 0 },
};

START_TEST(name)
{
	const char *s = names[_i].text;

	ck_assert_msg(names_is_label(s) == ((names[_i].what & LABEL) != 0), "label \"%s\"", s);
	ck_assert_msg(names_is_user(s) == ((names[_i].what & USER) != 0), "user \"%s\"", s);
	ck_assert_msg(names_is_plugin(s) == ((names[_i].what & PLUGIN) != 0), "plugin \"%s\"", s);
}
END_TEST

static const char *const words[] = { "services", "service", "volumes", "networks",
				     "up",       "ps",      "image",   "" };

static const struct {
	const char *word, *nearest;
} wrong[] = {
	{ "services", "services" }, /* itself */
	{ "servcies", "services" }, /* swapped letters are one mistake */
	{ "servces", "services" },
	{ "servicess", "services" },
	{ "sirvices", "services" },
	{ "volume", "volumes" },
	{ "imgae", "image" },
	{ "pu", "up" },
	{ "usp", "up" }, /* as near as ps: the first wins */
	{ "x", NULL },   /* all of it would change */
	{ "xy", NULL },
	{ "volkswagen", NULL },
	{ "network", "networks" },
	{ "netwroks", "networks" },
	{ "ntwrk", NULL }, /* 3 of 5 letters: more than 1 + 5/4 */
	{ "", NULL },
	{ A62 "aaa", NULL }, /* longer than what is looked at */
};

START_TEST(nearest)
{
	const char *got = names_nearest(wrong[_i].word, words, (size_t)N(words));

	ck_assert_pstr_eq(got, wrong[_i].nearest);
}
END_TEST

START_TEST(nearest_of_long_words)
{
	static const char *const one[] = { A62 "b", A62 "xyz" };

	ck_assert_pstr_eq(names_nearest(A62 "c", one, 2), one[0]);
	ck_assert_pstr_eq(names_nearest(A62 "bc", one, 2), one[0]); /* 64 */
	ck_assert_ptr_null(names_nearest("abc", one, 0));
}
END_TEST

static void add_tests(TCase *c)
{
	tcase_add_loop_test(c, name, 0, N(names));
	tcase_add_loop_test(c, nearest, 0, N(wrong));
	tcase_add_test(c, nearest_of_long_words);
}

int main(void)
{
	return run_suite("base-names", add_tests);
}
