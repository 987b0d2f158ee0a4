/* SPDX-License-Identifier: Apache-2.0
 *
 * hasher.c - the digests of a file while it grows, on another CPU.
 *
 * A child of this process reads the file behind the writer, as far as it is told
 * through a socket, and answers with the digests.
 */
#include "internal.h"

#include <base/alloc.h>
#include <base/clock.h>
#include <base/fs.h>
#include <base/process.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIECE     (256u << 10)
#define FEED_STEP (1u << 20) /* it is told once per so many bytes */

struct hasher {
	pid_t pid;
	int fd; /* ours of the socket pair */
	uint64_t told;
};

/* What goes to the child, and what comes back. */
struct order {
	uint64_t bytes; /* the file has so many */
	uint8_t last;   /* and no more */
};

struct answer {
	char hex256[65], hex512[129];
	int error; /* errno, or 0 */
};

/* The next order; the newest of those that wait is as good.  False: the end. */
static bool next_order(int fd, struct order *o)
{
	ssize_t n;

	do {
		n = recv(fd, o, sizeof(*o), 0);
	} while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(*o);
}

static _Noreturn void child(int fd, int file, bool sha512)
{
	struct digest_pair *d = digest_create(sha512);
	struct answer a = { .error = 0 };
	char *buf = xmalloc(PIECE);
	struct order o = { 0 };
	uint64_t at = 0;

	while (!o.last) {
		if (!next_order(fd, &o))
			_exit(1);
		while (at < o.bytes && a.error == 0) {
			size_t want = o.bytes - at < PIECE ? (size_t)(o.bytes - at) : PIECE;
			ssize_t n = pread(file, buf, want, (off_t)at);

			if (n > 0) {
				digest_add(d, buf, (size_t)n);
				at += (uint64_t)n;
			} else if (n == 0 || errno != EINTR) {
				a.error = n == 0 ? EIO : errno;
			}
		}
	}
	digest_end(d, a.hex256, a.hex512);
	(void)send(fd, &a, sizeof(a), MSG_NOSIGNAL);
	_exit(0);
}

holos_status hasher_start(int fd, bool sha512, struct hasher **ret, struct holos_error **err)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return fetch_fail(err, HOLOS_E_IO, errno, "cannot start to hash");
	pid = process_fork((int[]){ pair[1], fd }, 2);
	if (pid == 0)
		child(pair[1], fd, sha512);
	close(pair[1]);
	if (pid < 0) {
		int e = errno;

		close(pair[0]);
		return fetch_fail(err, HOLOS_E_IO, e, "cannot start to hash");
	}
	*ret = xnew(struct hasher);
	(*ret)->pid = pid;
	(*ret)->fd = pair[0];
	return HOLOS_OK;
}

void hasher_feed(struct hasher *h, uint64_t bytes)
{
	struct order o = { .bytes = bytes };

	if (bytes < h->told + FEED_STEP)
		return;
	/* A queue that is full is no harm: a later order says more. */
	if (send(h->fd, &o, sizeof(o), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		h->told = bytes;
}

static void reap(struct hasher *h, bool kill_it)
{
	if (kill_it)
		kill(h->pid, SIGKILL);
	while (waitpid(h->pid, NULL, 0) < 0 && errno == EINTR)
		;
	close(h->fd);
	free(h);
}

void hasher_destroy(struct hasher *h)
{
	if (h != NULL)
		reap(h, true);
}

holos_status hasher_finish(struct hasher *h, uint64_t bytes, const struct fetch_limits *limits,
			   char hex256[65], char hex512[129], struct holos_error **err)
{
	struct pollfd p[2] = { { .fd = h->fd, .events = POLLIN },
			       { .fd = limits->cancel_fd, .events = POLLIN } };
	struct order o = { .bytes = bytes, .last = 1 };
	struct answer a;
	ssize_t n;

	n = send(h->fd, &o, sizeof(o), MSG_NOSIGNAL);
	while (n > 0 && poll(p, 2, clock_poll_timeout(limits->deadline_ns)) < 0 && errno == EINTR)
		;
	if (n > 0 && p[1].revents != 0) {
		hasher_destroy(h);
		return fetch_cancel_error(err);
	}
	n = n > 0 ? recv(h->fd, &a, sizeof(a), MSG_DONTWAIT) : -1;
	reap(h, n != (ssize_t)sizeof(a));
	if (n != (ssize_t)sizeof(a))
		return fetch_fail(err, HOLOS_E_IO, 0, "the process that hashes has ended");
	if (a.error != 0)
		return fetch_fail(err, HOLOS_E_IO, a.error, "cannot read what was downloaded");
	memcpy(hex256, a.hex256, sizeof(a.hex256));
	memcpy(hex512, a.hex512, sizeof(a.hex512));
	return HOLOS_OK;
}
