/* SPDX-License-Identifier: Apache-2.0
 *
 * retry.c - what is worth another try, and when.
 *
 * The pause doubles from 200 ms to eight seconds; a server that says when
 * (Retry-After) is listened to, up to a minute.
 */
#include "internal.h"

#include <base/clock.h>
#include <base/units.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#define TRIES_DEFAULT  6
#define PAUSE_FIRST_NS (200 * NS_PER_MS)
#define PAUSE_MAX_NS   (8 * NS_PER_S)
#define AFTER_MAX_S    60

struct retry retry_begin(void)
{
	const char *text = getenv("HOLOS_FETCH_RETRIES");
	int64_t n;

	if (text == NULL || units_parse_int(text, 0, 1000, &n) < 0)
		n = TRIES_DEFAULT - 1;
	return (struct retry){ .max = (unsigned)n + 1, .pause_ns = PAUSE_FIRST_NS };
}

void retry_reset(struct retry *r)
{
	r->tries = 0;
	r->pause_ns = PAUSE_FIRST_NS;
}

bool fetch_cancelled(const struct fetch_limits *limits)
{
	struct pollfd p = { .fd = limits->cancel_fd, .events = POLLIN };

	return limits->cancel_fd >= 0 && poll(&p, 1, 0) > 0;
}

holos_status fetch_cancel_error(struct holos_error **err)
{
	return fetch_fail(err, HOLOS_E_CANCELLED, 0, "the download was interrupted");
}

void fetch_progress(const struct fetch_limits *limits, const char *what, uint64_t done,
		    uint64_t total)
{
	if (limits->progress != NULL)
		limits->progress(limits->data, what, done, total);
}

/* HOLOS_E_CANCELLED when that came first. */
static holos_status sleep_until(uint64_t until_ns, const struct fetch_limits *limits)
{
	struct pollfd p = { .fd = limits->cancel_fd, .events = POLLIN };

	for (;;) {
		int rc = poll(&p, 1, clock_poll_timeout(until_ns));

		if (rc > 0)
			return HOLOS_E_CANCELLED;
		if (rc == 0 || errno != EINTR || clock_now_ns() >= until_ns)
			return HOLOS_OK;
	}
}

holos_status retry_pause(struct retry *r, uint64_t retry_after, const struct fetch_limits *limits,
			 struct holos_error **err)
{
	uint64_t pause = retry_after != 0 ? retry_after * NS_PER_S : r->pause_ns;
	uint64_t until;

	if (++r->tries >= r->max)
		return HOLOS_E_AGAIN;
	if (retry_after > AFTER_MAX_S) {
		error_hint(err, "the server asks to come back in %llu seconds",
			   (unsigned long long)retry_after);
		return HOLOS_E_AGAIN;
	}
	until = clock_now_ns() + pause;
	if (until > limits->deadline_ns)
		return HOLOS_E_AGAIN;
	if (sleep_until(until, limits) != HOLOS_OK) {
		error_destroy(*err);
		*err = NULL;
		return fetch_cancel_error(err);
	}
	r->pause_ns = r->pause_ns * 2 < PAUSE_MAX_NS ? r->pause_ns * 2 : PAUSE_MAX_NS;
	error_destroy(*err);
	*err = NULL;
	return HOLOS_OK;
}
