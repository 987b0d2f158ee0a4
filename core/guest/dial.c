/* SPDX-License-Identifier: Apache-2.0
 *
 * dial.c - see dial.h.
 *
 * QEMU's user-mode network accepts at once and passes the connection on to a
 * guest that may not be there.  Three things follow:
 *   - connected means nothing; the first byte of the server's banner does;
 *   - while the guest boots, connections are accepted and closed;
 *   - a connection made before the guest's network was up hangs on a lost SYN,
 *     which QEMU repeats only after 6 s, 12 s, ...
 * So a connection without an answer is kept (the guest may just be slow), and
 * after a second, then ever more seldom, another one is made beside it; the
 * first to speak wins.  The pauses grow with the wait, to about a fifth of it: a
 * guest so slow that its server needs seconds to speak must not be drowned in
 * connections that are given up before it does.  OpenSSH refuses at once, and in
 * words, what is too much for it: that is no answer, and the others are kept.
 */
#include "dial.h"

#include <base/alloc.h>
#include <base/cleanup.h>
#include <base/clock.h>

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define DIAL_MAX            4
#define DIAL_AGAIN_MIN_NS   (1 * NS_PER_S)
#define DIAL_AGAIN_MAX_NS   (15 * NS_PER_S)
#define DIAL_BACKOFF_MIN_NS (50 * NS_PER_MS)
#define DIAL_BACKOFF_MAX_NS (500 * NS_PER_MS)
#define DIAL_REFUSAL        "Exceeded MaxStartups" /* sshd.c of OpenSSH */

struct dial {
	struct sockaddr_storage addr;
	socklen_t addr_len;
	int fds[DIAL_MAX]; /* the oldest first */
	bool connected[DIAL_MAX];
	unsigned n;
	uint64_t next_ns;  /* when to make another one */
	uint64_t again_ns; /* the pause before it, when none fails */
	uint64_t backoff_ns;
	const char *last; /* what became of the last one that failed */
	int last_errno;
};

holos_status guest_fail(struct holos_error **err, holos_status status, int sys_errno,
			const char *fmt, ...)
{
	int code = ERR_FAILED;
	va_list ap;

	if (status == HOLOS_E_TIMEOUT || status == HOLOS_E_UNREACHED)
		code = ERR_TIMEOUT;
	else if (status == HOLOS_E_CANCELLED)
		code = ERR_INTERRUPTED;
	va_start(ap, fmt);
	error_setv(err, code, sys_errno, fmt, ap);
	va_end(ap);
	return status;
}

char *guest_name(const struct holos_guest *guest)
{
	const char *host = guest->ssh_host != NULL ? guest->ssh_host : "?";
	bool v6 = strchr(host, ':') != NULL;

	return xasprintf("%s (%s%s%s:%u)", guest->vm != NULL ? guest->vm : "the guest",
			 v6 ? "[" : "", host, v6 ? "]" : "", guest->ssh_port);
}

static int dial_resolve(const struct holos_guest *guest, struct dial *d)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
				  .ai_socktype = SOCK_STREAM };
	struct addrinfo *list = NULL;
	char port[16];

	if (guest->ssh_host == NULL || guest->ssh_port == 0 || guest->ssh_port > 65535)
		return -1;
	snprintf(port, sizeof(port), "%u", guest->ssh_port);
	if (getaddrinfo(guest->ssh_host, port, &hints, &list) != 0)
		return -1;
	memcpy(&d->addr, list->ai_addr, list->ai_addrlen);
	d->addr_len = list->ai_addrlen;
	freeaddrinfo(list);
	return 0;
}

static void dial_drop(struct dial *d, unsigned i)
{
	close(d->fds[i]);
	d->n--;
	memmove(&d->fds[i], &d->fds[i + 1], (d->n - i) * sizeof(d->fds[0]));
	memmove(&d->connected[i], &d->connected[i + 1], (d->n - i) * sizeof(d->connected[0]));
}

/* Note why attempt i failed and bring the next one forward. */
static void dial_failed(struct dial *d, const char *why, int sys_errno)
{
	uint64_t at = clock_now_ns() + d->backoff_ns;

	d->last = why;
	d->last_errno = sys_errno;
	if (at < d->next_ns)
		d->next_ns = at;
	if (d->backoff_ns < DIAL_BACKOFF_MAX_NS)
		d->backoff_ns = d->backoff_ns * 2 < DIAL_BACKOFF_MAX_NS ? d->backoff_ns * 2
									: DIAL_BACKOFF_MAX_NS;
}

/* Begin one more connection.  0; 1: it failed at once; -errno: no socket. */
static int dial_start(struct dial *d)
{
	_cleanup_(closep) int fd = -1;
	int one = 1;
	int rc;

	/* The oldest stays: for a slow guest it is the one nearest to an answer. */
	if (d->n == DIAL_MAX)
		dial_drop(d, 1);
	fd = socket(d->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); /* only speed */
	d->next_ns = clock_now_ns() + d->again_ns;
	d->again_ns =
		d->again_ns * 5 / 4 < DIAL_AGAIN_MAX_NS ? d->again_ns * 5 / 4 : DIAL_AGAIN_MAX_NS;
	rc = connect(fd, (struct sockaddr *)&d->addr, d->addr_len);
	if (rc < 0 && errno != EINPROGRESS) {
		dial_failed(d, "connecting failed", errno);
		return 1;
	}
	d->connected[d->n] = rc == 0;
	d->fds[d->n++] = steal_fd(&fd);
	return 0;
}

/* Look at connection i after poll.  1: the server speaks; 0: nothing yet, from
 * another one if not from this; -1: it failed and is gone. */
static int dial_look(struct dial *d, unsigned i)
{
	char said[sizeof(DIAL_REFUSAL) - 1];
	ssize_t n;

	if (!d->connected[i]) {
		int e = 0;
		socklen_t len = sizeof(e);

		(void)getsockopt(d->fds[i], SOL_SOCKET, SO_ERROR, &e, &len); /* e stays 0 */
		if (e != 0) {
			dial_drop(d, i);
			dial_failed(d, "connecting failed", e);
			return -1;
		}
		d->connected[i] = true;
	}
	n = recv(d->fds[i], said, sizeof(said), MSG_PEEK | MSG_DONTWAIT);
	if (n == (ssize_t)sizeof(said) && memcmp(said, DIAL_REFUSAL, sizeof(said)) == 0) {
		/* The next one waits its turn: it has too many already. */
		d->last = "its SSH server is busy with other connections";
		d->last_errno = 0;
		dial_drop(d, i);
		return d->n > 0 ? 0 : -1;
	}
	if (n > 0)
		return 1;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	dial_failed(d, "the connection was closed before an SSH server answered",
		    n < 0 && errno != ECONNRESET ? errno : 0);
	dial_drop(d, i);
	return -1;
}

/* Wait for events on all connections.  HOLOS_E_AGAIN: time for another one. */
static holos_status dial_wait(struct dial *d, const struct guest_limits *limits, short *ret_revents)
{
	struct pollfd p[DIAL_MAX + 1];
	uint64_t until = d->next_ns < limits->deadline_ns ? d->next_ns : limits->deadline_ns;
	unsigned i;
	int rc;

	for (i = 0; i < d->n; i++)
		p[i] = (struct pollfd){ .fd = d->fds[i],
					.events = d->connected[i] ? POLLIN : POLLOUT };
	p[i] = (struct pollfd){ .fd = limits->cancel_fd, .events = POLLIN };
	rc = poll(p, d->n + 1, clock_poll_timeout(until));
	if (rc < 0 && errno != EINTR)
		return HOLOS_E_IO;
	for (i = 0; i < d->n; i++)
		ret_revents[i] = rc > 0 ? p[i].revents : 0;
	if (rc > 0 && p[i].revents != 0)
		return HOLOS_E_CANCELLED;
	if (rc <= 0 && clock_now_ns() >= limits->deadline_ns)
		return HOLOS_E_TIMEOUT;
	return HOLOS_OK;
}

/* One round: at most one new connection, then wait.  HOLOS_OK: d->fds[*ret_i]
 * speaks; HOLOS_E_AGAIN: go on; HOLOS_E_PASS: one failed. */
static holos_status dial_round(struct dial *d, const struct guest_limits *limits, unsigned *ret_i)
{
	short revents[DIAL_MAX] = { 0 };
	bool failed = false;
	holos_status st;
	unsigned i;

	if (clock_now_ns() >= d->next_ns) {
		int rc = dial_start(d);

		if (rc < 0) {
			errno = -rc;
			return HOLOS_E_IO;
		}
		if (rc > 0)
			return HOLOS_E_PASS;
	}
	st = dial_wait(d, limits, revents);
	if (st != HOLOS_OK)
		return st;
	/* From the newest down, as a failed one leaves the arrays. */
	for (i = d->n; i-- > 0;) {
		int rc = revents[i] != 0 ? dial_look(d, i) : 0;

		if (rc > 0) {
			*ret_i = i;
			return HOLOS_OK;
		}
		failed = failed || rc < 0;
	}
	return failed ? HOLOS_E_PASS : HOLOS_E_AGAIN;
}

holos_status guest_dial(const struct holos_guest *guest, bool persist,
			const struct guest_limits *limits, int *ret_fd, struct holos_error **err)
{
	_cleanup_(freep) char *name = guest_name(guest);
	struct dial d = { .backoff_ns = DIAL_BACKOFF_MIN_NS, .again_ns = DIAL_AGAIN_MIN_NS };
	holos_status st;
	unsigned i;

	if (dial_resolve(guest, &d) < 0)
		return guest_fail(err, HOLOS_E_CONFIG, 0,
				  "cannot reach %s: no numeric SSH address and port", name);
	do {
		st = dial_round(&d, limits, &i);
	} while (st == HOLOS_E_AGAIN || (st == HOLOS_E_PASS && persist));

	if (st == HOLOS_OK) {
		*ret_fd = d.fds[i];
		d.fds[i] = d.fds[--d.n];
	} else if (st == HOLOS_E_CANCELLED) {
		guest_fail(err, st, 0, "connecting to %s was interrupted", name);
	} else if (st == HOLOS_E_IO) {
		guest_fail(err, st, errno, "cannot connect to %s", name);
	} else if (d.last != NULL) {
		st = guest_fail(err, HOLOS_E_UNREACHED, d.last_errno, "cannot reach %s: %s", name,
				d.last);
	} else {
		st = guest_fail(err, HOLOS_E_UNREACHED, 0,
				"cannot reach %s: no answer from its SSH server", name);
	}
	while (d.n > 0)
		dial_drop(&d, d.n - 1);
	return st;
}
