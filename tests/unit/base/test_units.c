/* SPDX-License-Identifier: Apache-2.0
 *
 * test_units.c - sizes and durations as users write them (contract.md section 0).
 */
#include "harness.h"

#include <base/clock.h>
#include <base/units.h>

#define BAD UINT64_MAX /* no size or duration has this value */
#define S   NS_PER_S

static const struct {
	const char *text;
	uint64_t value;
} sizes[] = {
	{ "0", 0 },
	{ "1", 1 },
	{ "1048576", 1048576 },
	{ "1b", 1 },
	{ "1B", 1 },
	{ "1k", 1024 },
	{ "1K", 1024 },
	{ "1KB", 1024 },
	{ "1kb", 1024 },
	{ "1KiB", 1024 },
	{ "1kib", 1024 },
	{ "512m", 512ull << 20 },
	{ "10G", 10ull << 30 },
	{ "10GiB", 10ull << 30 },
	{ "10gb", 10ull << 30 },
	{ "2T", 2ull << 40 },
	{ "007K", 7 * 1024 },
	/* decimals */
	{ "1.5G", 3ull << 29 },
	{ "0.5K", 512 },
	{ ".5K", 512 },
	{ "1.K", 1024 },
	{ "0.1K", 102 }, /* 102.4: fractions of a byte are cut */
	{ "1.000000001G", (1ull << 30) + 1 },
	{ "0.25T", 1ull << 38 },
	/* the largest */
	{ "8388607T", 8388607ull << 40 },
	{ "9223372036854775807", INT64_MAX },
	{ "9223372036854775808", BAD },
	{ "8388608T", BAD },
	{ "8388607.99999999999T", 9223372036854774708u }, /* nine digits count */
	{ "18446744073709551615", BAD },
	{ "18446744073709551616", BAD },
	{ "18446744073709551617", BAD }, /* would be 1 after a wrap */
	{ "99999999999999999999999999999999G", BAD },
	/* no sizes */
	{ "", BAD },
	{ ".", BAD },
	{ "G", BAD },
	{ "B", BAD },
	{ ".G", BAD },
	{ "-1", BAD },
	{ "+1", BAD },
	{ " 1", BAD },
	{ "1 ", BAD },
	{ "1 G", BAD },
	{ "1GG", BAD },
	{ "1Gi", BAD },
	{ "1iB", BAD },
	{ "1BB", BAD },
	{ "1GBB", BAD },
	{ "1BiB", BAD },
	{ "1P", BAD },
	{ "1,5G", BAD },
	{ "1.5.5G", BAD },
	{ "0x10", BAD },
	{ "1e3", BAD },
	{ "1_000", BAD },
	{ "1G\n", BAD },
	{ "\xd9\xa1", BAD }, /* ARABIC-INDIC DIGIT ONE */
};

START_TEST(size)
{
	uint64_t v = 77;
	int r = units_parse_size(sizes[_i].text, &v);

	ck_assert_msg(r == (sizes[_i].value == BAD ? -1 : 0), "\"%s\"", sizes[_i].text);
	ck_assert_msg(v == (r < 0 ? 77 : sizes[_i].value), "\"%s\" is %llu", sizes[_i].text,
		      (unsigned long long)v);
}
END_TEST

static const struct {
	const char *text;
	uint64_t value;
} durations[] = {
	{ "0", 0 },
	{ "0s", 0 },
	{ "300ms", 300 * NS_PER_MS },
	{ "30s", 30 * S },
	{ "2m", 120 * S },
	{ "1h", 3600 * S },
	{ "1h30m", 5400 * S },
	{ "1h1m1s1ms1us1ns", 3661 * S + 1001001 },
	{ "1m1h", 3660 * S }, /* any order, as Go */
	{ "1s1s", 2 * S },
	{ "10ns", 10 },
	{ "10us", 10000 },
	{ "10\xc2\xb5s", 10000 }, /* MICRO SIGN */
	{ "10\xce\xbcs", 10000 }, /* GREEK SMALL LETTER MU */
	{ "1.5s", 1500 * NS_PER_MS },
	{ ".5s", 500 * NS_PER_MS },
	{ "1.s", S },
	{ "1.5h", 5400 * S },
	{ "0.1ns", 0 },
	{ "2562047h47m16.854775807s", INT64_MAX },
	{ "9223372036854775807ns", INT64_MAX },
	{ "9223372036854775808ns", BAD },
	{ "2562047h47m16.854775808s", BAD },
	{ "2562047h48m", BAD },
	{ "2562048h", BAD },
	{ "9999999999999999999999s", BAD },
	{ "30", BAD },
	{ "00", BAD },
	{ "1h30", BAD },
	{ "", BAD },
	{ "s", BAD },
	{ ".s", BAD },
	{ ".", BAD },
	{ "-1s", BAD },
	{ "+1s", BAD },
	{ "1h-1m", BAD },
	{ " 1s", BAD },
	{ "1s ", BAD },
	{ "1 s", BAD },
	{ "1S", BAD },
	{ "1d", BAD },
	{ "1min", BAD },
	{ "1..5s", BAD },
	{ "1,5s", BAD },
	{ "10\xc2\xb5", BAD },
	{ "10\xb5s", BAD }, /* Latin-1 */
	{ "1e3s", BAD },
};

START_TEST(duration)
{
	uint64_t v = 77;
	int r = units_parse_duration(durations[_i].text, &v);

	ck_assert_msg(r == (durations[_i].value == BAD ? -1 : 0), "\"%s\"", durations[_i].text);
	ck_assert_msg(v == (r < 0 ? 77 : durations[_i].value), "\"%s\" is %llu", durations[_i].text,
		      (unsigned long long)v);
}
END_TEST

static const struct {
	uint64_t bytes;
	const char *text;
} shown_sizes[] = {
	{ 0, "0 B" },
	{ 1, "1 B" },
	{ 1023, "1023 B" },
	{ 1024, "1 KiB" },
	{ 1536, "1.5 KiB" },
	{ 512ull << 20, "512 MiB" },
	{ (1ull << 20) + 1, "1 MiB" },
	{ 10ull << 30, "10 GiB" },
	{ 3ull << 29, "1.5 GiB" },
	{ 123456789, "118 MiB" },
	{ 1ull << 40, "1 TiB" },
	{ 1ull << 50, "1024 TiB" },
	{ UINT64_MAX, "16777216 TiB" },
};

START_TEST(shown_size)
{
	char buf[32];

	ck_assert_str_eq(units_format_size(shown_sizes[_i].bytes, buf), shown_sizes[_i].text);
}
END_TEST

static const struct {
	uint64_t ns;
	const char *text;
} shown_durations[] = {
	{ 0, "0ms" },
	{ 340 * NS_PER_MS, "340ms" },
	{ S - 1, "999ms" },
	{ S, "1.0s" },
	{ 8150 * NS_PER_MS, "8.1s" },
	{ 60 * S - 1, "59.9s" },
	{ 60 * S, "1m00s" },
	{ 150 * S, "2m30s" },
	{ 3599 * S, "59m59s" },
	{ 3 * 3600 * S + 5 * 60 * S, "3h05m" },
	{ 98 * 3600 * S, "4d02h" },
	{ UINT64_MAX, "213503d23h" },
};

START_TEST(shown_duration)
{
	char buf[32];

	ck_assert_str_eq(units_format_duration(shown_durations[_i].ns, buf),
			 shown_durations[_i].text);
}
END_TEST

static const struct {
	uint64_t seconds;
	const char *text;
} texts[] = {
	{ 0, "0s" },
	{ 1, "1s" },
	{ 30, "30s" },
	{ 59, "59s" },
	{ 60, "1m0s" },
	{ 90, "1m30s" },
	{ 3600, "1h0m0s" },
	{ 5400, "1h30m0s" },
	{ 86399, "23h59m59s" },
	{ 360000, "100h0m0s" },
};

START_TEST(duration_text_reads_back)
{
	char buf[32];
	uint64_t back = 0;

	ck_assert_str_eq(units_duration_text(texts[_i].seconds * S, buf), texts[_i].text);
	ck_assert_int_eq(units_parse_duration(buf, &back), 0);
	ck_assert_uint_eq(back, texts[_i].seconds * S);
}
END_TEST

static const struct {
	const char *text;
	int64_t min, max;
	int r;
	int64_t value;
} integers[] = {
	{ "0", 0, 10, 0, 0 },
	{ "10", 0, 10, 0, 10 },
	{ "11", 0, 10, -1, 0 },
	{ "-1", 0, 10, -1, 0 },
	{ "-1", -1, 10, 0, -1 },
	{ "-2", -1, 10, -1, 0 },
	{ "007", 0, 10, 0, 7 },
	{ "9223372036854775807", 0, INT64_MAX, 0, INT64_MAX },
	{ "9223372036854775808", 0, INT64_MAX, -1, 0 },
	{ "-9223372036854775808", INT64_MIN, 0, 0, INT64_MIN },
	{ "-9223372036854775809", INT64_MIN, 0, -1, 0 },
	{ "", 0, 10, -1, 0 },
	{ "-", -10, 10, -1, 0 },
	{ "+5", 0, 10, -1, 0 },
	{ "--5", -10, 10, -1, 0 },
	{ " 5", 0, 10, -1, 0 },
	{ "5 ", 0, 10, -1, 0 },
	{ "5\n", 0, 10, -1, 0 },
	{ "5x", 0, 10, -1, 0 },
	{ "0x5", 0, 10, -1, 0 },
	{ "1e1", 0, 10, -1, 0 },
	{ "5.0", 0, 10, -1, 0 },
};

START_TEST(integer)
{
	int64_t v = 77;

	ck_assert_msg(units_parse_int(integers[_i].text, integers[_i].min, integers[_i].max, &v) ==
			      integers[_i].r,
		      "\"%s\"", integers[_i].text);
	ck_assert_int_eq(v, integers[_i].r < 0 ? 77 : integers[_i].value);
}
END_TEST

static void add_tests(TCase *c)
{
	tcase_add_loop_test(c, size, 0, N(sizes));
	tcase_add_loop_test(c, duration, 0, N(durations));
	tcase_add_loop_test(c, shown_size, 0, N(shown_sizes));
	tcase_add_loop_test(c, shown_duration, 0, N(shown_durations));
	tcase_add_loop_test(c, duration_text_reads_back, 0, N(texts));
	tcase_add_loop_test(c, integer, 0, N(integers));
}

int main(void)
{
	return run_suite("base-units", add_tests);
}
