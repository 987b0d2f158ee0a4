/* SPDX-License-Identifier: Apache-2.0
 *
 * holos/health.h - health probes: one question, asked again and again.
 */
#ifndef HOLOS_HEALTH_H
#define HOLOS_HEALTH_H
#include <holos/guest.h>

#define HOLOS_HEALTH_ID "holos.health/1"

struct holos_health_ops {
	struct holos_ops head;
	/* One attempt.  The options are the user's `options:`, and "test" (an
	 * argument vector) where the file has one.
	 *   HOLOS_OK           healthy
	 *   HOLOS_E_AGAIN      the guest answers and is not healthy: why, in err
	 *   HOLOS_E_TIMEOUT    no result before the deadline: counts as AGAIN
	 *   HOLOS_E_UNREACHED  the guest does not answer (yet)
	 * Anything else: the probe itself is broken, health becomes unknown.
	 * Interval, retries and grace are the host's business. */
	holos_status (*check)(void *inst, const struct holos_guest *guest,
	                      holos_call *call, holos_error *err);
};
#endif
