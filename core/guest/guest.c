/* SPDX-License-Identifier: Apache-2.0
 *
 * guest.c - see guest.h.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/module.h>
#include <guest/dial.h>
#include <guest/guest.h>

#include <errno.h>
#include <poll.h>

#define RETRY_MIN_NS (50 * NS_PER_MS)
#define RETRY_MAX_NS (500 * NS_PER_MS)

int guest_ssh_module(const struct holos_ssh_module **ret, struct holos_error **err)
{
	static const struct module_file file = { .file = HOLOS_SSH_MODULE_FILE,
						 .symbol = HOLOS_SSH_MODULE_SYMBOL,
						 .size = sizeof(struct holos_ssh_module),
						 .what = "the SSH module",
						 .hint = "it is in package holos-guest" };
	static const void *loaded;
	int r = module_load(&file, &loaded, err);

	if (r < 0)
		return r;
	*ret = loaded;
	return 0;
}

/* Pause before the next attempt.  HOLOS_OK, HOLOS_E_CANCELLED. */
static holos_status retry_pause(uint64_t until_ns, int cancel_fd)
{
	struct pollfd p = { .fd = cancel_fd, .events = POLLIN };
	int rc;

	do {
		rc = poll(&p, 1, clock_poll_timeout(until_ns));
	} while (rc < 0 && errno == EINTR);
	return rc > 0 ? HOLOS_E_CANCELLED : HOLOS_OK;
}

holos_status guest_wait_ssh(const struct holos_guest *guest, uint64_t deadline_ns, int cancel_fd,
			    struct ssh_conn **ret, struct holos_error **err)
{
	const struct guest_limits limits = { deadline_ns, cancel_fd };
	const struct holos_ssh_module *m;
	uint64_t pause_ns = RETRY_MIN_NS;

	if (guest_ssh_module(&m, err) < 0)
		return HOLOS_E_UNAVAIL;
	for (;;) {
		_cleanup_(error_destroyp) struct holos_error *e = NULL;
		holos_status st;
		uint64_t next;
		int fd;

		st = guest_dial(guest, true, &limits, &fd, &e);
		if (st == HOLOS_OK)
			st = m->conn_open(guest, fd, deadline_ns, cancel_fd, ret, &e);
		next = clock_now_ns() + pause_ns;
		if (st == HOLOS_E_UNREACHED && next < deadline_ns) {
			if (retry_pause(next, cancel_fd) == HOLOS_OK) {
				pause_ns =
					pause_ns * 2 < RETRY_MAX_NS ? pause_ns * 2 : RETRY_MAX_NS;
				continue;
			}
			st = guest_fail(&e, HOLOS_E_CANCELLED, 0,
					"waiting for the guest was interrupted");
		}
		if (st != HOLOS_OK)
			error_move(err, &e);
		return st;
	}
}
