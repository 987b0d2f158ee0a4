/* SPDX-License-Identifier: Apache-2.0
 *
 * hostport.c - see hostport.h.
 */
#include <base/cleanup.h>
#include <vm/hostport.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Bind (address, port), 0 for any; the port in *ret.  0 or -errno. */
static int bind_once(const char *address, bool udp, uint16_t port, uint16_t *ret)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	bool six = strchr(address, ':') != NULL;
	struct sockaddr *sa = six ? (struct sockaddr *)&in6 : (struct sockaddr *)&in4;
	socklen_t len = six ? sizeof(in6) : sizeof(in4);
	_cleanup_(closep) int fd = -1;
	int on = 1;

	if (inet_pton(sa->sa_family, address,
		      six ? (void *)&in6.sin6_addr : (void *)&in4.sin_addr) != 1)
		return -EINVAL;
	fd = socket(sa->sa_family, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* As QEMU does: connections that wait in TIME_WAIT do not matter.  A listener is
	 * seen all the same; and as this socket never listens, it is in nobody's way,
	 * neither of a QEMU that starts nor of another look. */
	if (!udp)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, sa, len) < 0)
		return -errno;
	if (ret != NULL) {
		if (getsockname(fd, sa, &len) < 0)
			return -errno;
		*ret = ntohs(six ? in6.sin6_port : in4.sin_port);
	}
	return 0;
}

int hostport_try(const char *address, bool udp, uint16_t port)
{
	return bind_once(address, udp, port, NULL);
}

int hostport_pick(const char *address, bool udp, uint16_t *ret)
{
	return bind_once(address, udp, 0, ret);
}
