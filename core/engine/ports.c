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
#include <vm/hostport.h>

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct ports {
	uint16_t *given;
	size_t n, cap;
	struct launch_range *reserved;
	size_t n_reserved, cap_reserved;
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
	free(p->reserved);
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

void ports_reserve(struct ports *p, const struct project *project)
{
	for (size_t i = 0; i < project->n_services; i++) {
		const struct service *s = &project->services[i];

		for (size_t k = 0; k < s->n_ports; k++) {
			const struct port_map *m = &s->ports[k];
			unsigned last = m->host_end;

			if (m->host == 0)
				continue;
			if (m->host == m->host_end && s->replicas > 1)
				last += s->replicas - 1;
			*ARRAY_PUSH(p->reserved, p->n_reserved, p->cap_reserved) =
				(struct launch_range){
					m->host, (uint16_t)(last < UINT16_MAX ? last : UINT16_MAX)
				};
		}
	}
}

const struct launch_range *ports_reserved(const struct ports *p, size_t *ret_n)
{
	*ret_n = p->n_reserved;
	return p->reserved;
}

static bool reserved(const struct ports *p, uint16_t port)
{
	for (size_t i = 0; i < p->n_reserved; i++) {
		if (port >= p->reserved[i].first && port <= p->reserved[i].last)
			return true;
	}
	return false;
}

static void give(struct ports *p, uint16_t port)
{
	*ARRAY_PUSH(p->given, p->n, p->cap) = port;
}

int ports_try(const char *address, bool udp, uint16_t port)
{
	return hostport_try(address, udp, port);
}

int ports_choose(struct ports *p, const char *address, bool udp, uint16_t *ret,
		 struct holos_error **err)
{
	while (p->test_next != NULL && *p->test_next != '\0') {
		char *word = strsep(&p->test_next, ",");
		int64_t port;

		if (units_parse_int(word, 1, 65535, &port) < 0 || reserved(p, (uint16_t)port))
			continue;
		give(p, (uint16_t)port);
		*ret = (uint16_t)port;
		return 0;
	}
	for (unsigned tries = 0; tries < 1000; tries++) {
		uint16_t port;
		int r = hostport_pick(address, udp, &port);

		if (r < 0)
			return error_sys(err, ERR_HOST, -r, "cannot find a free %s port on %s",
					 udp ? "udp" : "tcp", address);
		if (given(p, port) || reserved(p, port))
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
	return !reserved(p, port) && ports_take(p, address, udp, port);
}

bool ports_take(struct ports *p, const char *address, bool udp, uint16_t port)
{
	if (port == 0 || given(p, port) || ports_try(address, udp, port) < 0)
		return false;
	give(p, port);
	return true;
}

/* An address as /proc/net/tcp and its like have it (proc(5)): words of 32 bits in
 * hex, each as the machine reads it.  Empty when it is of another family. */
static void hex_address(const char *address, bool six, char hex[33])
{
	uint32_t words[4];
	unsigned n = six ? 4 : 1;

	*hex = '\0';
	if (inet_pton(six ? AF_INET6 : AF_INET, address, words) != 1)
		return;
	for (unsigned i = 0; i < n; i++)
		snprintf(hex + 8 * (size_t)i, 9, "%08X", words[i]);
}

static bool is_wildcard(const char *hex)
{
	return strspn(hex, "0") == strlen(hex);
}

/* The inode of a socket in a table of /proc/net that is in the way of (address,
 * port): on the same address, or where one of the two is every address. */
static bool find_inode(const char *table, const char *address, bool udp, uint16_t port,
		       unsigned long *ret)
{
	_cleanup_(fclosep) FILE *f = fopen(table, "re");
	char line[512], local[33], ours[33];

	hex_address(address, table[strlen(table) - 1] == '6', ours);
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		unsigned long inode;
		unsigned local_port, state;

		if (sscanf(line,
			   " %*u: %32[0-9A-F]:%x %*[0-9A-F]:%*x %x %*x:%*x %*x:%*x %*x %*u %*u %lu",
			   local, &local_port, &state, &inode) != 4)
			continue;
		if (local_port != port || (!udp && state != 0x0a)) /* TCP_LISTEN */
			continue;
		if (is_wildcard(local) || is_wildcard(ours) || strcmp(local, ours) == 0) {
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

char *ports_holder(const char *address, bool udp, uint16_t port)
{
	_cleanup_(closedirp) DIR *proc = NULL;
	_cleanup_(freep) char *wanted = NULL;
	unsigned long inode;
	struct dirent *e;

	if (!find_inode(udp ? "/proc/net/udp" : "/proc/net/tcp", address, udp, port, &inode) &&
	    !find_inode(udp ? "/proc/net/udp6" : "/proc/net/tcp6", address, udp, port, &inode))
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
