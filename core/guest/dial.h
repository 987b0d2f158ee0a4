/* SPDX-License-Identifier: Apache-2.0
 *
 * dial.h - a TCP connection on which an SSH server has begun to speak.
 */
#ifndef GUEST_DIAL_H
#define GUEST_DIAL_H

#include <base/error.h>
#include <holos/guest.h>

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

/* Until when a call may wait, and what ends it early. */
struct guest_limits {
	uint64_t deadline_ns; /* CLOCK_MONOTONIC; UINT64_MAX: none */
	int cancel_fd;        /* readable: cancelled; -1: none */
};

/* Connect to guest->ssh_host (a numeric address) and ssh_port and wait for the
 * first byte, which stays unread.  With persist, refused and closed connections
 * are tried again (50 ms doubling to 500 ms) until the deadline; without, the
 * first one is HOLOS_E_UNREACHED, as the deadline is.  Also HOLOS_E_CANCELLED,
 * HOLOS_E_CONFIG (no address or port) and HOLOS_E_IO.  The caller owns *ret_fd,
 * non-blocking and close-on-exec. */
holos_status guest_dial(const struct holos_guest *guest, bool persist,
			const struct guest_limits *limits, int *ret_fd, struct holos_error **err);

/* Set *err to a message whose code stands for the status (TIMEOUT and UNREACHED
 * ERR_TIMEOUT, CANCELLED ERR_INTERRUPTED, else ERR_FAILED) and return status. */
holos_status guest_fail(struct holos_error **err, holos_status status, int sys_errno,
			const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* "web-0 (127.0.0.1:2222)" for messages; the caller frees. */
char *guest_name(const struct holos_guest *guest);

#endif
