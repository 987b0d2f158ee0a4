/* SPDX-License-Identifier: Apache-2.0
 *
 * validate_ports.c - host ports of all services and replicas together.
 *
 * A port taken by 0.0.0.0 is taken on every IPv4 address, by :: on every IPv6
 * one.  Ephemeral ports and ports picked from a range cannot clash.
 */
#include <compose/validate.h>

#include <base/alloc.h>

#include <stdlib.h>
#include <string.h>

#define LISTENERS_MAX 200000u

struct listener {
	unsigned port;
	bool udp;
	const char *host_ip;
	const struct service *service;
	const struct port_map *map;
	unsigned replica;
	size_t seq; /* order in the file */
};

static int by_port(const void *pa, const void *pb)
{
	const struct listener *a = pa, *b = pb;
	int c;

	if (a->udp != b->udp)
		return a->udp ? 1 : -1;
	if (a->port != b->port)
		return a->port < b->port ? -1 : 1;
	c = strcmp(a->host_ip, b->host_ip);
	if (c != 0)
		return c;
	return a->seq < b->seq ? -1 : a->seq > b->seq;
}

static bool is_any(const struct listener *x, bool ipv6)
{
	return strcmp(x->host_ip, ipv6 ? "::" : "0.0.0.0") == 0;
}

static void report(struct loader *l, const struct listener *first, const struct listener *again)
{
	const struct service *s = again->service;

	if (first->service == s) {
		diag_error_mark(
			l->diag, &again->map->mark,
			"services.%s.ports: host port %u would be used by replica %u for guest "
			"port %u and by replica %u for guest port %u",
			s->name, again->port, first->replica, first->map->guest, again->replica,
			again->map->guest);
		if (s->replicas > 1)
			diag_hint(l->diag,
				  "fixed host ports count up with the replicas; keep them %u "
				  "apart",
				  s->replicas);
		return;
	}
	diag_error_mark(
		l->diag, &again->map->mark,
		"services.%s.ports: host port %u is used by service \"%s\" (line %u) as well",
		s->name, again->port, first->service->name, first->map->mark.line);
	if (s->replicas > 1 || first->service->replicas > 1)
		diag_hint(l->diag, "fixed host ports count up with the replicas");
}

/* Listeners in list[0..n) have one port and protocol, sorted by address: each is
 * held against the one before it, and against the one that takes all addresses
 * of its family. */
static void check_group(struct loader *l, const struct listener *list, size_t n)
{
	const struct listener *any[2] = { NULL, NULL };

	for (size_t i = n; i-- > 0;) {
		for (unsigned v6 = 0; v6 < 2; v6++) {
			if (is_any(&list[i], v6))
				any[v6] = &list[i];
		}
	}
	for (size_t i = 0; i < n; i++) {
		const struct listener *x = &list[i];
		const struct listener *other = any[strchr(x->host_ip, ':') != NULL];

		if (i > 0 && strcmp(list[i - 1].host_ip, x->host_ip) == 0)
			report(l, &list[i - 1], x);
		else if (other != NULL && other != x)
			report(l, other->seq < x->seq ? other : x, other->seq < x->seq ? x : other);
	}
}

static bool in_range(struct loader *l, const struct service *s, const struct port_map *m)
{
	unsigned room = m->host_end - m->host + 1u;

	if (m->host_end > m->host && room < s->replicas) {
		diag_error_mark(l->diag, &m->mark,
				"services.%s.ports: %u host ports for %u replicas", s->name, room,
				s->replicas);
		return false;
	}
	if (m->host_end > m->host)
		return false; /* picked when it starts */
	if (m->host + s->replicas - 1 > 65535) {
		diag_error_mark(
			l->diag, &m->mark,
			"services.%s.ports: host port %u counted up for %u replicas goes beyond "
			"65535",
			s->name, m->host, s->replicas);
		return false;
	}
	return true;
}

/* One message for each line of the file, not one for each replica. */
static bool same_line(const struct listener *a, const struct listener *b)
{
	return a->map->mark.line == b->map->mark.line &&
	       a->map->mark.column == b->map->mark.column && a->service == b->service;
}

void validate_ports(struct loader *l, const struct project *p)
{
	_cleanup_(freep) struct listener *list = NULL;
	const struct listener *told = NULL;
	size_t n = 0, cap = 0;

	for (size_t i = 0; i < p->n_services; i++) {
		const struct service *s = &p->services[i];

		for (size_t j = 0; j < s->n_ports; j++) {
			const struct port_map *m = &s->ports[j];

			if (m->host == 0 || !in_range(l, s, m))
				continue;
			if (n + s->replicas > LISTENERS_MAX) {
				diag_error_mark(l->diag, &m->mark, "more than %u fixed host ports",
						LISTENERS_MAX);
				return;
			}
			for (unsigned r = 0; r < s->replicas; r++) {
				struct listener one = {
					m->host + r, m->udp, m->host_ip, s, m, r, n
				};

				*ARRAY_PUSH(list, n, cap) = one;
			}
		}
	}
	if (n > 0)
		qsort(list, n, sizeof(*list), by_port);
	for (size_t i = 0, j; i < n; i = j) {
		for (j = i + 1;
		     j < n && list[j].port == list[i].port && list[j].udp == list[i].udp;)
			j++;
		if (j - i < 2 || (told != NULL && same_line(told, &list[j - 1])))
			continue;
		check_group(l, &list[i], j - i);
		told = &list[j - 1];
	}
}
