/* SPDX-License-Identifier: Apache-2.0
 *
 * forwards.c - host ports that somebody else took between their choice and
 * QEMU's bind.
 *
 * QEMU ends then before the guest has run.  What holos had chosen is chosen
 * again, here and not by the command that started the VM: an automatic restart
 * has no such command.  The new numbers go into QEMU's arguments, as the network
 * plugin "user" wrote them; into launch.json; and into the record.
 */
#include <base/alloc.h>
#include <base/strbuf.h>
#include <monitor/monitor.h>
#include <vm/hostport.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TRIES_MAX  5u /* of one start */
#define CHOICE_MAX 1000u

/* One forward, wherever its number is kept. */
struct forward {
	const char *ip;
	bool udp;
	unsigned low, high, guest;
	uint16_t *port;
};

static struct forward nth(struct launch *l, size_t i)
{
	struct vm_port *p;

	if (i == l->n_ports)
		return (struct forward){ "127.0.0.1", false, 1, UINT16_MAX, 22, &l->ssh_port };
	p = &l->ports[i];
	return (struct forward){ p->host_ip,    strcmp(p->protocol, "udp") == 0,
				 p->low,        p->high,
				 p->guest_port, &p->host_port };
}

/* Is it all the same which one? */
static bool is_any(const struct forward *f)
{
	return f->low == 1 && f->high == UINT16_MAX;
}

static bool is_free(struct launch *l, const struct forward *f, unsigned port)
{
	for (size_t i = 0; i <= l->n_ports; i++) {
		if (*nth(l, i).port == port)
			return false;
	}
	for (size_t i = 0; is_any(f) && i < l->n_reserved; i++) {
		if (port >= l->reserved[i].first && port <= l->reserved[i].last)
			return false;
	}
	return hostport_try(f->ip, f->udp, (uint16_t)port) == 0;
}

/* Another port for f; 0: there is none. */
static uint16_t choose(struct launch *l, const struct forward *f)
{
	uint16_t port;

	for (unsigned p = f->low; !is_any(f) && p <= f->high; p++) {
		if (is_free(l, f, p))
			return (uint16_t)p;
	}
	for (unsigned i = 0; is_any(f) && i < CHOICE_MAX; i++) {
		if (hostport_pick(f->ip, f->udp, &port) == 0 && is_free(l, f, port))
			return port;
	}
	return 0;
}

/* Change the one rule of f in the argument vector; false when it is not there:
 * it is another network's, whose words only its plugin knows. */
static bool rewrite(char **argv, const struct forward *f, uint16_t port)
{
	_cleanup_(freep) char *old = xasprintf("hostfwd=%s:%s:%u-:%u", f->udp ? "udp" : "tcp",
					       f->ip, *f->port, f->guest);
	size_t n = strlen(old);

	for (char **a = argv; *a != NULL; a++) {
		char *at = strncmp(*a, "user,", 5) == 0 ? strstr(*a, old) : NULL;

		while (at != NULL && (at[-1] != ',' || (at[n] != ',' && at[n] != '\0')))
			at = strstr(at + 1, old);
		if (at != NULL) {
			char *fresh =
				xasprintf("%.*shostfwd=%s:%s:%u-:%u%s", (int)(at - *a), *a,
					  f->udp ? "udp" : "tcp", f->ip, port, f->guest, at + n);

			free(*a);
			*a = fresh;
			return true;
		}
	}
	return false;
}

/* Is the port taken, or was it for long enough that QEMU could not have it?  Then
 * its last words quote the rule that we gave it. */
static bool is_lost(const struct forward *f, const char *said)
{
	_cleanup_(freep) char *quoted =
		xasprintf("'%s:%s:%u-:%u'", f->udp ? "udp" : "tcp", f->ip, *f->port, f->guest);

	return hostport_try(f->ip, f->udp, *f->port) == -EADDRINUSE ||
	       (said != NULL && strstr(said, quoted) != NULL);
}

bool forwards_renew(struct monitor *m)
{
	_cleanup_(freep) char *said = qemu_last_line(m);
	_cleanup_(launch_destroyp) struct launch *l = NULL;
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	bool any = false;

	/* On a copy: all of it works, or nothing is changed. */
	if (m->port_tries++ >= TRIES_MAX || launch_read(m->dirfd, &l, &err) < 0 ||
	    strcmp(l->uuid, m->launch->uuid) != 0)
		return false;
	for (size_t i = 0; i <= l->n_ports; i++) {
		struct forward f = nth(l, i);
		uint16_t port;

		if (f.low == 0 || *f.port == 0 || !is_lost(&f, said))
			continue;
		port = choose(l, &f);
		if (port == 0 || !rewrite(l->argv, &f, port))
			return false;
		fprintf(stderr, "holos-monitor: port %s:%u was taken while QEMU started: now %u\n",
			f.ip, *f.port, port);
		*f.port = port;
		any = true;
	}
	if (!any || launch_write(m->dirfd, l, &err) < 0)
		return false;
	launch_destroy(m->launch);
	m->launch = steal_ptr(&l);
	record_ports(m);
	return true;
}
