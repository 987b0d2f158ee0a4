/* SPDX-License-Identifier: Apache-2.0
 *
 * dial.h - a TCP connection to a published port of the guest, for the probes
 * "http" and "tcp".
 */
#ifndef HEALTH_DIAL_H
#define HEALTH_DIAL_H

#include <holos/health.h>

#include <stddef.h>

struct dial {
	const struct holos_host *host;
	holos_call *call;
	holos_error *err;
	uint32_t port;  /* of the guest */
	char where[96]; /* "port 80 (127.0.0.1:8080)", for messages */
	int fd;
};

/* Connect to where `port` of the guest is published; close d->fd. */
holos_status dial_connect(struct dial *d, const struct holos_guest *guest);
/* Wait for events (POLLIN, POLLOUT).  No answer until the deadline is
 * HOLOS_E_UNREACHED: QEMU takes connections for a guest that does not. */
holos_status dial_wait(struct dial *d, short events);
/* The same, at most until a point of time; 1: that came first. */
int dial_wait_until(struct dial *d, short events, uint64_t until_ns, holos_status *ret);
holos_status dial_send(struct dial *d, const char *data, size_t len);
/* At most cap bytes; *ret_len 0: the other side has closed. */
holos_status dial_receive(struct dial *d, char *buf, size_t cap, size_t *ret_len);

#endif
