/* SPDX-License-Identifier: Apache-2.0
 *
 * loop.c - the fake's poll loop.  One per process, so it keeps its own state.
 */
#include "fake.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>

#define TIMERS_MAX 16

static struct {
	struct pollfd p;
	loop_fd_fn *fn;
	void *data;
} watches[LOOP_FDS_MAX];
static unsigned n_watches;

static struct {
	int64_t at_ms;
	loop_timer_fn *fn;
	void *data;
} timers[TIMERS_MAX];
static unsigned n_timers;

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void loop_add(int fd, short events, loop_fd_fn *fn, void *data)
{
	if (n_watches == LOOP_FDS_MAX) {
		complain("too many descriptors");
		abort();
	}
	watches[n_watches].p = (struct pollfd){ .fd = fd, .events = events };
	watches[n_watches].fn = fn;
	watches[n_watches].data = data;
	n_watches++;
}

void loop_remove(int fd)
{
	for (unsigned i = 0; i < n_watches; i++) {
		if (watches[i].p.fd == fd) {
			watches[i] = watches[--n_watches];
			return;
		}
	}
}

void loop_timer(int after_ms, loop_timer_fn *fn, void *data)
{
	if (n_timers == TIMERS_MAX) {
		complain("too many timers");
		abort();
	}
	timers[n_timers].at_ms = now_ms() + after_ms;
	timers[n_timers].fn = fn;
	timers[n_timers].data = data;
	n_timers++;
}

/* Runs one timer that is due; returns false and the time to the next one. */
static bool run_timer(int *ret_wait_ms)
{
	int64_t now = now_ms(), next = -1;

	for (unsigned i = 0; i < n_timers; i++) {
		if (timers[i].at_ms <= now) {
			loop_timer_fn *fn = timers[i].fn;
			void *data = timers[i].data;

			timers[i] = timers[--n_timers];
			fn(data);
			return true;
		}
		if (next < 0 || timers[i].at_ms < next)
			next = timers[i].at_ms;
	}
	*ret_wait_ms = next < 0 ? -1 : (int)(next - now);
	return false;
}

void loop_run(void)
{
	static struct pollfd set[LOOP_FDS_MAX];

	for (;;) {
		int wait_ms = 0;
		unsigned n = n_watches;

		if (run_timer(&wait_ms))
			continue;
		for (unsigned i = 0; i < n; i++)
			set[i] = watches[i].p;
		if (poll(set, n, wait_ms) < 0 && errno != EINTR)
			abort();
		for (unsigned i = 0; i < n; i++) {
			if (!set[i].revents)
				continue;
			/* A callback before this one may have removed it. */
			for (unsigned k = 0; k < n_watches; k++) {
				if (watches[k].p.fd == set[i].fd) {
					watches[k].fn(watches[k].data, set[i].fd, set[i].revents);
					break;
				}
			}
		}
	}
}
