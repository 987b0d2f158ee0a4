/* SPDX-License-Identifier: Apache-2.0
 *
 * consoletimes.h - when a guest said what: console.times beside console.log.
 *
 * QEMU writes console.log by itself, without times.  The monitor, which looks at its
 * size now and then anyway, notes "it had so many bytes at that time": what lies between
 * two notes was said between their times.
 */
#ifndef STATE_CONSOLETIMES_H
#define STATE_CONSOLETIMES_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct console_time {
	uint64_t size; /* bytes of console.log ... */
	int64_t ns;    /* ... at this time of the wall clock, since 1970 */
};

/* Note that console.log has `size` bytes; nothing when it had them before.  A smaller
 * size begins anew.  What fails is a note less. */
void console_times_add(int dirfd, uint64_t size);
/* The notes in their order; *ret (n of them, perhaps NULL) is the caller's. */
void console_times_read(int dirfd, struct console_time **ret, size_t *n);

/* When was the byte at this offset there?  0: not yet at the last note. */
int64_t console_time_of(const struct console_time *t, size_t n, uint64_t offset);
/* Offsets between which lies what was said after `since`, before `until` (0: no bound):
 * at least that, and what came with it between two notes.  *ret_end is UINT64_MAX when
 * it goes to the end. */
void console_times_range(const struct console_time *t, size_t n, int64_t since, int64_t until,
			 uint64_t *ret_begin, uint64_t *ret_end);

#endif
