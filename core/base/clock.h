/* SPDX-License-Identifier: Apache-2.0
 *
 * clock.h - CLOCK_MONOTONIC for waiting, CLOCK_REALTIME only to show.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_MS 1000000ull
#define NS_PER_S  1000000000ull

uint64_t clock_now_ns(void); /* CLOCK_MONOTONIC */
/* Now, or t, as RFC 3339 with nanoseconds and Z ("2026-11-23T16:00:00.123456789Z");
 * buf >= 40. */
const char *clock_rfc3339_now(char *buf);
const char *clock_rfc3339(const struct timespec *t, char *buf);
/* Nanoseconds since 1970; what int64_t cannot hold is the nearest it can. */
int64_t clock_ns(const struct timespec *t);
/* The reverse of clock_rfc3339; also with an offset such as +01:00.  0 or -1. */
int clock_parse_rfc3339(const char *text, struct timespec *ret);
/* Milliseconds for poll(2) until deadline_ns: rounded up, 0 when past,
 * -1 for UINT64_MAX (no deadline). */
int clock_poll_timeout(uint64_t deadline_ns);

#endif
