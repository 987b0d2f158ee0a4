/* SPDX-License-Identifier: Apache-2.0
 *
 * clock.c - see clock.h.
 */
#include <base/clock.h>

#include <limits.h>
#include <stdio.h>
#include <string.h>

uint64_t clock_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

const char *clock_rfc3339(const struct timespec *t, char *buf)
{
	struct tm tm;
	size_t n;

	gmtime_r(&t->tv_sec, &tm);
	n = strftime(buf, 24, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + n, 40 - n, ".%09ldZ", t->tv_nsec);
	return buf;
}

const char *clock_rfc3339_now(char *buf)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return clock_rfc3339(&t, buf);
}

int64_t clock_ns(const struct timespec *t)
{
	int64_t ns;

	if (__builtin_mul_overflow((int64_t)t->tv_sec, (int64_t)NS_PER_S, &ns) ||
	    __builtin_add_overflow(ns, (int64_t)t->tv_nsec, &ns))
		return t->tv_sec < 0 ? INT64_MIN : INT64_MAX;
	return ns;
}

/* "Z", "+01:00", "-08:30": seconds east of Greenwich; 0 or -1. */
static int parse_offset(const char *p, long *ret)
{
	const char *digits = "0123456789";

	*ret = 0;
	if (strcmp(p, "Z") == 0)
		return 0;
	if (strlen(p) != 6 || (p[0] != '+' && p[0] != '-') || strspn(p + 1, digits) != 2 ||
	    p[3] != ':' || strspn(p + 4, digits) != 2 || p[1] > '2' || p[4] > '5')
		return -1;
	*ret = ((p[1] - '0') * 10 + (p[2] - '0')) * 3600L +
	       ((p[4] - '0') * 10 + (p[5] - '0')) * 60L;
	if (p[0] == '-')
		*ret = -*ret;
	return 0;
}

int clock_parse_rfc3339(const char *text, struct timespec *ret)
{
	struct tm tm = { 0 };
	const char *p = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	long nsec = 0, offset;

	if (p == NULL)
		return -1;
	if (*p == '.') {
		long scale = 100000000;

		for (p++; *p >= '0' && *p <= '9'; p++, scale /= 10)
			nsec += (*p - '0') * scale;
	}
	if (parse_offset(p, &offset) < 0)
		return -1;
	ret->tv_sec = timegm(&tm) - offset;
	ret->tv_nsec = nsec;
	return 0;
}

int clock_poll_timeout(uint64_t deadline_ns)
{
	uint64_t now;
	uint64_t ms;

	if (deadline_ns == UINT64_MAX)
		return -1;
	now = clock_now_ns();
	if (deadline_ns <= now)
		return 0;
	ms = (deadline_ns - now + NS_PER_MS - 1) / NS_PER_MS;
	return ms > INT_MAX ? INT_MAX : (int)ms;
}
