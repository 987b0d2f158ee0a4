/* SPDX-License-Identifier: Apache-2.0
 *
 * ports.c - see ports.h.
 */
#include <base/alloc.h>
#include <base/cleanup.h>
#include <base/fs.h>
#include <base/strbuf.h>
#include <base/units.h>
#include <engine/ports.h>

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct ports {
	uint16_t *given;
	size_t n, cap;
	char *test_ports; /* the rest of HOLOS_TEST_EPHEMERAL_PORTS */
	char *test_next;
};

struct ports *ports_create(void)
{
	struct ports *p = xnew(struct ports);
	const char *test = getenv("HOLOS_TEST_EPHEMERAL_PORTS");

	if (test != NULL)
		p->test_ports = p->test_next = xstrdup(test);
	return p;
}

void ports_destroy(struct ports *p)
{
	if (p == NULL)
		return;
	free(p->given);
	free(p->test_ports);
	free(p);
}

static bool given(const struct ports *p, uint16_t port)
{
	for (size_t i = 0; i < p->n; i++) {
		if (p->given[i] == port)
			return true;
	}
	return false;
}

static void give(struct ports *p, uint16_t port)
{
	*ARRAY_PUSH(p->given, p->n, p->cap) = port;
}

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

int ports_try(const char *address, bool udp, uint16_t port)
{
	return bind_once(address, udp, port, NULL);
}

int ports_choose(struct ports *p, const char *address, bool udp, uint16_t *ret,
		 struct holos_error **err)
{
	while (p->test_next != NULL && *p->test_next != '\0') {
		char *word = strsep(&p->test_next, ",");
		int64_t port;

		if (units_parse_int(word, 1, 65535, &port) < 0)
			continue;
		give(p, (uint16_t)port);
		*ret = (uint16_t)port;
		return 0;
	}
	for (unsigned tries = 0; tries < 1000; tries++) {
		uint16_t port;
		int r = bind_once(address, udp, 0, &port);

		if (r < 0)
			return error_sys(err, ERR_HOST, -r, "cannot find a free %s port on %s",
					 udp ? "udp" : "tcp", address);
		if (given(p, port))
			continue;
		give(p, port);
		*ret = port;
		return 0;
	}
	return error_set(err, ERR_HOST, "cannot find a free %s port on %s", udp ? "udp" : "tcp",
			 address);
}

bool ports_keep(struct ports *p, const char *address, bool udp, uint16_t port)
{
	if (port == 0 || given(p, port) || ports_try(address, udp, port) < 0)
		return false;
	give(p, port);
	return true;
}

/* The inode of the socket bound to `port` by /proc/net/tcp and its like
 * (proc(5)): local_address is hex, the port behind the last colon. */
static bool find_inode(const char *table, bool udp, uint16_t port, unsigned long *ret)
{
	_cleanup_(fclosep) FILE *f = fopen(table, "re");
	char line[512];

	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		unsigned long inode;
		unsigned local_port, state;

		if (sscanf(line,
			   " %*u: %*[0-9A-F]:%x %*[0-9A-F]:%*x %x %*x:%*x %*x:%*x %*x %*u %*u %lu",
			   &local_port, &state, &inode) != 3)
			continue;
		if (local_port == port && (udp || state == 0x0a)) { /* TCP_LISTEN */
			*ret = inode;
			return true;
		}
	}
	return false;
}

static bool holds(const char *pid, const char *wanted)
{
	_cleanup_(freep) char *path = xasprintf("/proc/%s/fd", pid);
	_cleanup_(closedirp) DIR *d = opendir(path);
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL) {
		char link[64];
		ssize_t n = readlinkat(dirfd(d), e->d_name, link, sizeof(link) - 1);

		if (n <= 0)
			continue;
		link[n] = '\0';
		if (strcmp(link, wanted) == 0)
			return true;
	}
	return false;
}

char *ports_holder(bool udp, uint16_t port)
{
	_cleanup_(closedirp) DIR *proc = NULL;
	_cleanup_(freep) char *wanted = NULL;
	unsigned long inode;
	struct dirent *e;

	if (!find_inode(udp ? "/proc/net/udp" : "/proc/net/tcp", udp, port, &inode) &&
	    !find_inode(udp ? "/proc/net/udp6" : "/proc/net/tcp6", udp, port, &inode))
		return NULL;
	wanted = xasprintf("socket:[%lu]", inode);
	proc = opendir("/proc");
	while (proc != NULL && (e = readdir(proc)) != NULL) {
		_cleanup_(strbuf_finish) struct strbuf name = STRBUF_INIT;
		_cleanup_(freep) char *path = NULL;

		if (!isdigit((unsigned char)e->d_name[0]) || !holds(e->d_name, wanted))
			continue;
		path = xasprintf("/proc/%s/comm", e->d_name);
		if (fs_read(AT_FDCWD, path, 64, &name, NULL) < 0 || name.len == 0)
			return xasprintf("pid %s", e->d_name);
		name.s[strcspn(name.s, "\n")] = '\0';
		return xasprintf("%s, pid %s", name.s, e->d_name);
	}
	return NULL;
}
