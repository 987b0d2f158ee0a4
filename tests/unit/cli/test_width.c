/* SPDX-License-Identifier: Apache-2.0
 *
 * test_width.c - how wide text is on a terminal (cli/width.h).
 */
#include "../base/harness.h"

#include <width.h>

static const struct {
	const char *text;
	size_t width, cut; /* bytes that go into 3 columns */
} texts[] = {
	{ "", 0, 0 },
	{ "abc", 3, 3 },
	{ "abcd", 4, 3 },
	{ "\u00e4\u00f6\u00fc\u00df", 4, 6 }, /* two bytes, one column each */
	{ "a\u0308b\u0308c\u0308d", 4, 9 },   /* with combining marks */
	{ "\u65e5\u672c\u8a9e", 6, 3 },       /* wide: the second goes over */
	{ "a\u65e5\u672c", 5, 4 },            /* three columns, exactly */
	{ "\uc11c\uc6b8", 4, 3 },             /* Hangul */
	{ "\uff21\uff22", 4, 3 },             /* fullwidth */
	{ "\U0001f600x", 3, 5 },              /* an emoji */
	{ "\u2192\u2500", 2, 6 },             /* arrows and lines are narrow */
	{ "x\u200by", 2, 5 },                 /* zero width */
	{ "\xff\xfe", 2, 2 },                 /* no UTF-8 */
	{ "\xe6\x97", 2, 2 },                 /* cut off */
};

START_TEST(widths)
{
	ck_assert_msg(text_width(texts[_i].text) == texts[_i].width, "%s: %zu", texts[_i].text,
		      text_width(texts[_i].text));
	ck_assert_msg(text_cut(texts[_i].text, 3) == texts[_i].cut, "%s: %zu", texts[_i].text,
		      text_cut(texts[_i].text, 3));
	ck_assert_uint_eq(text_cut(texts[_i].text, 100), strlen(texts[_i].text));
	ck_assert_uint_eq(text_width(texts[_i].text) != 0 ? text_cut(texts[_i].text, 0) : 0, 0);
}
END_TEST

static void add_tests(TCase *c)
{
	tcase_add_loop_test(c, widths, 0, N(texts));
}

int main(void)
{
	return run_suite("cli-width", add_tests);
}
