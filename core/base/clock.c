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

int clock_parse_rfc3339(const char *text, struct timespec *ret)
{
	struct tm tm = { 0 };
	const char *p = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	long nsec = 0;

	if (p == NULL)
		return -1;
	if (*p == '.') {
		long scale = 100000000;

		for (p++; *p >= '0' && *p <= '9'; p++, scale /= 10)
			nsec += (*p - '0') * scale;
	}
	if (strcmp(p, "Z") != 0)
		return -1;
	ret->tv_sec = timegm(&tm);
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
