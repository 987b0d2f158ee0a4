/* SPDX-License-Identifier: Apache-2.0
 *
 * dial.c - see dial.h.
 */
#include "dial.h"

#include <holos/util.h>

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_MS 1000000u

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static const struct holos_endpoint *find(const struct holos_guest *guest, uint32_t port)
{
	for (size_t i = 0; guest->endpoints != NULL && guest->endpoints[i] != NULL; i++) {
		const struct holos_endpoint *e = guest->endpoints[i];

		if (e->protocol == IPPROTO_TCP && e->guest_port == port)
			return e;
	}
	return NULL;
}

/* Published on all addresses: any of them does. */
static const char *address_of(const struct holos_endpoint *e)
{
	if (e->host_addr == NULL || e->host_addr[0] == '\0' || strcmp(e->host_addr, "0.0.0.0") == 0)
		return "127.0.0.1";
	return strcmp(e->host_addr, "::") == 0 ? "::1" : e->host_addr;
}

int dial_wait_until(struct dial *d, short events, uint64_t until_ns, holos_status *ret)
{
	uint64_t deadline = d->host->deadline_ns(d->call);
	uint64_t end = until_ns < deadline ? until_ns : deadline;

	for (;;) {
		struct pollfd p[] = { { .fd = d->fd, .events = events },
				      { .fd = d->host->cancel_fd(d->call), .events = POLLIN } };
		uint64_t now = now_ns();
		uint64_t ms = now < end ? (end - now + NS_PER_MS - 1) / NS_PER_MS : 0;
		int n = poll(p, 2, ms < 60000 ? (int)ms : 60000);

		*ret = HOLOS_OK;
		if (n > 0 && p[0].revents != 0)
			return 0;
		/* Cancelled at the deadline is late, not cancelled. */
		if (n > 0 && p[1].revents != 0 && now_ns() < deadline) {
			*ret = d->host->fail(d->err, HOLOS_E_CANCELLED, 0, "cancelled");
			return 0;
		}
		if (n < 0 && errno != EINTR) {
			*ret = d->host->fail(d->err, HOLOS_E_IO, errno, "cannot wait");
			return 0;
		}
		if (now_ns() >= until_ns && until_ns < deadline)
			return 1;
		if (now_ns() >= deadline) {
			*ret = holos_failf(d->host, d->err, HOLOS_E_UNREACHED, 0,
					   "%s does not answer", d->where);
			return 0;
		}
	}
}

holos_status dial_wait(struct dial *d, short events)
{
	holos_status status;

	(void)dial_wait_until(d, events, UINT64_MAX, &status);
	return status;
}

static holos_status open_socket(struct dial *d, const struct holos_endpoint *e)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
				  .ai_socktype = SOCK_STREAM };
	struct addrinfo *a = NULL;
	char port[16];
	holos_status status = HOLOS_OK;

	snprintf(port, sizeof(port), "%u", (unsigned)e->host_port);
	if (getaddrinfo(address_of(e), port, &hints, &a) != 0)
		return holos_failf(d->host, d->err, HOLOS_E_CONFIG, 0, "%s is no address",
				   address_of(e));
	d->fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (d->fd < 0)
		status = d->host->fail(d->err, HOLOS_E_IO, errno, "cannot make a socket");
	else if (connect(d->fd, a->ai_addr, a->ai_addrlen) < 0 && errno != EINPROGRESS)
		status = holos_failf(d->host, d->err, HOLOS_E_UNREACHED, errno,
				     "cannot connect to %s", d->where);
	freeaddrinfo(a);
	return status;
}

holos_status dial_connect(struct dial *d, const struct holos_guest *guest)
{
	const struct holos_endpoint *e = find(guest, d->port);
	socklen_t len = sizeof(int);
	holos_status status;
	int error = 0;

	d->fd = -1;
	if (e == NULL) {
		d->host->fail(d->err, HOLOS_E_CONFIG, 0, "the port to probe is not published");
		d->host->fail_at(d->err, NULL, "/port");
		d->host->fail_hint(d->err, "list it under ports: of the service");
		return HOLOS_E_CONFIG;
	}
	snprintf(d->where, sizeof(d->where), "port %u (%.64s:%u)", (unsigned)d->port, address_of(e),
		 (unsigned)e->host_port);
	status = open_socket(d, e);
	if (status == HOLOS_OK)
		status = dial_wait(d, POLLOUT);
	if (status == HOLOS_OK && getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 &&
	    error != 0)
		status = holos_failf(d->host, d->err, HOLOS_E_UNREACHED, error,
				     "cannot connect to %s", d->where);
	if (status != HOLOS_OK && d->fd >= 0) {
		close(d->fd);
		d->fd = -1;
	}
	return status;
}

/* QEMU took the connection, and the guest refused it or dropped it. */
static holos_status closed(struct dial *d, int error)
{
	return holos_failf(d->host, d->err, HOLOS_E_AGAIN, error, "%s closed the connection",
			   d->where);
}

holos_status dial_send(struct dial *d, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = send(d->fd, data, len, MSG_NOSIGNAL);

		if (n >= 0) {
			data += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) {
			holos_status status = dial_wait(d, POLLOUT);

			if (status != HOLOS_OK)
				return status;
		} else if (errno != EINTR) {
			return closed(d, errno);
		}
	}
	return HOLOS_OK;
}

holos_status dial_receive(struct dial *d, char *buf, size_t cap, size_t *ret_len)
{
	for (;;) {
		ssize_t n = recv(d->fd, buf, cap, 0);
		holos_status status;

		if (n >= 0) {
			*ret_len = (size_t)n;
			return HOLOS_OK;
		}
		if (errno != EAGAIN && errno != EINTR)
			return closed(d, errno);
		status = dial_wait(d, POLLIN);
		if (status != HOLOS_OK)
			return status;
	}
}
