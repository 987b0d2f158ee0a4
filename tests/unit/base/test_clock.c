/* SPDX-License-Identifier: Apache-2.0
 *
 * test_clock.c - time stamps in text and back, and deadlines for poll(2).
 */
#include "harness.h"

#include <base/clock.h>

#include <limits.h>

static const struct {
	time_t sec;
	long nsec;
	const char *text;
} stamps[] = {
	{ 0, 0, "1970-01-01T00:00:00.000000000Z" },
	{ 951782400, 1, "2000-02-29T00:00:00.000000001Z" },
	{ 1795449600, 123456789, "2026-11-23T16:00:00.123456789Z" },
	{ 4102444799, 999999999, "2099-12-31T23:59:59.999999999Z" },
};

START_TEST(round_trip)
{
	struct timespec t = { stamps[_i].sec, stamps[_i].nsec }, back = { 0, 0 };
	char buf[40];

	setenv("TZ", "Asia/Kolkata", 1); /* the text is UTC wherever we are */
	tzset();
	ck_assert_str_eq(clock_rfc3339(&t, buf), stamps[_i].text);
	ck_assert_int_eq(clock_parse_rfc3339(buf, &back), 0);
	ck_assert_int_eq(back.tv_sec, t.tv_sec);
	ck_assert_int_eq(back.tv_nsec, t.tv_nsec);
}
END_TEST

static const struct {
	const char *text;
	int r;
	time_t sec;
	long nsec;
} parsed[] = {
	{ "1970-01-01T00:00:10Z", 0, 10, 0 },
	{ "1970-01-01T00:00:10.5Z", 0, 10, 500000000 },
	{ "1970-01-01T00:00:10.000000001Z", 0, 10, 1 },
	{ "1970-01-01T00:00:10.0000000019Z", 0, 10, 1 }, /* more digits than kept */
	{ "0001-01-01T00:00:00Z", 0, -62135596800, 0 },  /* Go's zero time */
	{ "1970-01-01T00:00:10", -1, 0, 0 },
	{ "1970-01-01T00:00:10Zx", -1, 0, 0 },
	{ "1970-01-01T01:00:10+01:00", 0, 10, 0 },
	{ "1969-12-31T15:30:10.5-08:30", 0, 10, 500000000 },
	{ "1970-01-01T00:00:10+01", -1, 0, 0 },
	{ "1970-01-01T00:00:10+0100", -1, 0, 0 },
	{ "1970-01-01T00:00:10+01:0x", -1, 0, 0 },
	{ "1970-01-01T00:00:10+01:000", -1, 0, 0 },
	{ "1970-01-01T00:00:10 01:00", -1, 0, 0 },
	{ "1970-01-01 00:00:10Z", -1, 0, 0 },
	{ "1970-13-01T00:00:10Z", -1, 0, 0 },
	{ "yesterday", -1, 0, 0 },
	{ "", -1, 0, 0 },
};

START_TEST(parse)
{
	struct timespec t = { 77, 78 };

	ck_assert_int_eq(clock_parse_rfc3339(parsed[_i].text, &t), parsed[_i].r);
	ck_assert_int_eq(t.tv_sec, parsed[_i].r < 0 ? 77 : parsed[_i].sec);
	ck_assert_int_eq(t.tv_nsec, parsed[_i].r < 0 ? 78 : parsed[_i].nsec);
}
END_TEST

START_TEST(nanoseconds)
{
	ck_assert_int_eq(clock_ns(&(struct timespec){ 0, 1 }), 1);
	ck_assert_int_eq(clock_ns(&(struct timespec){ -1, 1 }), -999999999);
	ck_assert_int_eq(clock_ns(&(struct timespec){ 9223372036, 854775807 }), INT64_MAX);
	ck_assert_int_eq(clock_ns(&(struct timespec){ 9223372036, 854775808 }), INT64_MAX);
	ck_assert_int_eq(clock_ns(&(struct timespec){ 253402300799, 0 }), INT64_MAX);
	ck_assert_int_eq(clock_ns(&(struct timespec){ -62135596800, 0 }), INT64_MIN);
}
END_TEST

START_TEST(stamp_of_now)
{
	struct timespec before, t, after;
	char buf[40];

	clock_gettime(CLOCK_REALTIME, &before);
	clock_rfc3339_now(buf);
	clock_gettime(CLOCK_REALTIME, &after);
	ck_assert_int_eq(clock_parse_rfc3339(buf, &t), 0);
	ck_assert_int_ge(t.tv_sec, before.tv_sec);
	ck_assert_int_le(t.tv_sec, after.tv_sec);
}
END_TEST

START_TEST(poll_timeouts)
{
	uint64_t now = clock_now_ns();

	ck_assert_int_eq(clock_poll_timeout(UINT64_MAX), -1);
	ck_assert_int_eq(clock_poll_timeout(0), 0);
	ck_assert_int_eq(clock_poll_timeout(now), 0);
	ck_assert_int_eq(clock_poll_timeout(UINT64_MAX - 1), INT_MAX);
	/* Rounded up: a wait never ends before its deadline and then spins. */
	ck_assert_int_ge(clock_poll_timeout(clock_now_ns() + 10 * NS_PER_S), 9000);
	ck_assert_int_le(clock_poll_timeout(clock_now_ns() + 10 * NS_PER_S), 10000);
	ck_assert_int_eq(clock_poll_timeout(clock_now_ns() + 3600ull * NS_PER_S + 1) > 3590000, 1);
}
END_TEST

START_TEST(short_waits_are_not_busy)
{
	unsigned zero = 0;

	for (unsigned i = 0; i < 100; i++)
		zero += clock_poll_timeout(clock_now_ns() + 500000) == 0;
	/* Half a millisecond is 1 ms, unless the machine paused us just then. */
	ck_assert_uint_lt(zero, 50);
}
END_TEST

START_TEST(monotonic)
{
	uint64_t last = clock_now_ns();

	for (unsigned i = 0; i < 1000; i++) {
		uint64_t now = clock_now_ns();

		ck_assert_uint_ge(now, last);
		last = now;
	}
}
END_TEST

static void add_tests(TCase *c)
{
	tcase_add_loop_test(c, round_trip, 0, N(stamps));
	tcase_add_loop_test(c, parse, 0, N(parsed));
	tcase_add_test(c, nanoseconds);
	tcase_add_test(c, stamp_of_now);
	tcase_add_test(c, poll_timeouts);
	tcase_add_test(c, short_waits_are_not_busy);
	tcase_add_test(c, monotonic);
}

int main(void)
{
	return run_suite("base-clock", add_tests);
}
