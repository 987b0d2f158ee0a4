/* SPDX-License-Identifier: Apache-2.0
 *
 * decode_net.c - ports, networks of a service, extra hosts, subnets.
 */
#include <compose/decode.h>
#include <compose/scalar.h>
#include <compose/shapes.h>

#include <base/alloc.h>
#include <base/units.h>

#include <arpa/inet.h>
#include <string.h>

#define PORTS_MAX 1024 /* of one service, ranges expanded: what a record holds */

struct port_range {
	unsigned first, last;
	bool given;
};

/* A port as the file has it, before ranges are expanded. */
struct port_spec {
	const char *host_ip;
	struct port_range host, guest;
	bool udp;
};

/* ---- addresses ----------------------------------------------------------------- */

/* In its usual form (IPv6 shortened, without brackets), in the arena; or NULL. */
static const char *normal_address(struct arena *a, const char *text)
{
	unsigned char raw[sizeof(struct in6_addr)];
	char shown[INET6_ADDRSTRLEN];
	size_t len = strlen(text);

	if (len > 2 && text[0] == '[' && text[len - 1] == ']')
		text = arena_strndup(a, text + 1, len - 2);
	if (inet_pton(AF_INET, text, raw) == 1)
		return arena_strdup(a, text);
	if (inet_pton(AF_INET6, text, raw) != 1)
		return NULL;
	return arena_strdup(a, inet_ntop(AF_INET6, raw, shown, sizeof(shown)));
}

void decode_subnet(struct decoder *d, const struct shape *sh, const struct node *n,
		   const struct path *p, void *out)
{
	struct network *net = out;
	const char *text = node_text(n), *slash;
	struct in_addr addr;
	int64_t prefix;
	uint32_t mask;

	slash = text != NULL ? strchr(text, '/') : NULL;
	if (slash == NULL || units_parse_int(slash + 1, 8, 30, &prefix) < 0 ||
	    inet_pton(AF_INET, arena_strndup(d->arena, text, (size_t)(slash - text)), &addr) != 1) {
		decode_expected(d, sh, n, p);
		return;
	}
	mask = UINT32_MAX << (32 - (unsigned)prefix);
	net->address = ntohl(addr.s_addr);
	net->prefix = (unsigned)prefix;
	if (net->address & ~mask) {
		addr.s_addr = htonl(net->address & mask);
		diag_error(d->diag, n, p, "%s: not the address of a subnet of this size",
			   node_show(d->arena, n));
		diag_hint(d->diag, "did you mean \"%s/%lld\"?", inet_ntoa(addr), (long long)prefix);
		return;
	}
	net->subnet = text;
}

/* ---- ports ----------------------------------------------------------------------- */

/* "80" or "8000-8010".  NULL, or what is wrong. */
static const char *parse_range(struct arena *a, const char *what, const char *text, int64_t min,
			       struct port_range *ret)
{
	const char *dash = strchr(text, '-');
	int64_t first, last;

	if (text[0] == '\0' || text[strspn(text, "0123456789-")] != '\0')
		return arena_printf(a, "%s must be a number or a range", what);
	if (units_parse_int(dash != NULL ? arena_strndup(a, text, (size_t)(dash - text)) : text,
			    min, 65535, &first) < 0)
		return arena_printf(a, "%s must be %lld to 65535", what, (long long)min);
	last = first;
	if (dash != NULL && units_parse_int(dash + 1, min, 65535, &last) < 0)
		return arena_printf(a, "%s must be %lld to 65535", what, (long long)min);
	if (last < first)
		return arena_printf(a, "the range of the %s runs backwards", what);
	ret->first = (unsigned)first;
	ret->last = (unsigned)last;
	ret->given = true;
	return NULL;
}

static const char *parse_protocol(const char *text, bool *udp)
{
	*udp = strcmp(text, "udp") == 0;
	if (!*udp && strcmp(text, "tcp") != 0)
		return "the protocol must be tcp or udp";
	return NULL;
}

/* What stands before the guest port: [IP:][HOST], s may be changed. */
static const char *parse_host_part(struct arena *a, char *s, struct port_spec *spec)
{
	char *colon = strrchr(s, ':');
	const char *host = s;

	if (s[0] == '[')
		colon = strstr(s, "]:") != NULL ? strstr(s, "]:") + 1 : NULL;
	if (s[0] == '[' && colon == NULL)
		return "an address in brackets must be followed by :";
	if (colon != NULL) {
		*colon = '\0';
		host = colon + 1;
		if (s[0] != '[' && strchr(s, ':') != NULL)
			return "too many colons; an IPv6 address is written in brackets";
		spec->host_ip = normal_address(a, s);
		if (spec->host_ip == NULL)
			return arena_printf(a, "%s is no IPv4 or IPv6 address", text_show(a, s));
		if (host[0] == '\0')
			return NULL; /* IP::GUEST, any free port there */
	}
	return parse_range(a, "host port", host, 0, &spec->host);
}

/* [HOST_IP:][HOST[-END]:]GUEST[-END][/tcp|udp].  NULL, or what is wrong. */
static const char *parse_port(struct arena *a, const char *text, struct port_spec *spec)
{
	_cleanup_(freep) char *s = xstrdup(text);
	char *slash = strchr(s, '/'), *colon;
	const char *wrong = NULL;

	*spec = (struct port_spec){ .host_ip = NULL };
	if (slash != NULL) {
		*slash = '\0';
		wrong = parse_protocol(slash + 1, &spec->udp);
		if (wrong != NULL)
			return wrong;
	}
	colon = strrchr(s, ':');
	if (colon != NULL) {
		*colon = '\0';
		wrong = parse_host_part(a, s, spec);
		if (wrong != NULL)
			return wrong;
	}
	return parse_range(a, "guest port", colon != NULL ? colon + 1 : s, 1, &spec->guest);
}

static const char *parse_range_node(struct arena *a, const char *what, const struct node *n,
				    int64_t min, struct port_range *ret)
{
	const char *wrong = parse_range(a, what, n->text, min, ret);

	return wrong != NULL ? arena_printf(a, "%s: %s", node_show(a, n), wrong) : NULL;
}

/* The long form; keys that are not there leave spec alone. */
static const char *parse_port_map(struct arena *a, const struct node *n, struct port_spec *spec)
{
	const struct node *target = node_get(n, "target"), *published = node_get(n, "published");
	const struct node *host_ip = node_get(n, "host_ip");
	const char *protocol = node_text(node_get(n, "protocol"));
	const char *wrong = NULL;

	*spec = (struct port_spec){ .host_ip = NULL };
	if (node_text(target) == NULL)
		return "\"target\" must be a port";
	wrong = parse_range_node(a, "target", target, 1, &spec->guest);
	if (wrong == NULL && node_text(published) != NULL)
		wrong = parse_range_node(a, "published", published, 0, &spec->host);
	if (wrong == NULL && protocol != NULL)
		wrong = parse_protocol(protocol, &spec->udp);
	if (wrong == NULL && node_text(host_ip) != NULL) {
		spec->host_ip = normal_address(a, host_ip->text);
		if (spec->host_ip == NULL)
			wrong = arena_printf(a, "%s: host_ip is no IPv4 or IPv6 address",
					     node_show(a, host_ip));
	}
	return wrong;
}

/* Ranges must fit each other: n to n, n to 1, none to n. */
static const char *check_ranges(struct arena *a, const struct port_spec *s)
{
	unsigned guests = s->guest.last - s->guest.first + 1;
	unsigned hosts = s->host.last - s->host.first + 1;

	if (!s->host.given || guests == hosts || guests == 1) {
		if (s->host.given && s->host.first == 0 && s->host.last != 0)
			return "a range of host ports cannot begin with 0";
		return NULL;
	}
	return arena_printf(a, "%u host ports for %u guest ports: the ranges must be equally long",
			    hosts, guests);
}

const char *port_merge_key(struct arena *a, const struct node *item)
{
	struct port_spec s;
	const char *wrong;

	if (item->kind == NODE_MAP)
		wrong = parse_port_map(a, item, &s);
	else if (node_text(item) != NULL)
		wrong = parse_port(a, item->text, &s);
	else
		return NULL;
	if (wrong != NULL)
		return NULL;
	return arena_printf(a, "%s|%u-%u|%u-%u|%d", s.host_ip != NULL ? s.host_ip : "",
			    s.host.first, s.host.last, s.guest.first, s.guest.last, s.udp);
}

static bool decode_port(struct decoder *d, const struct shape *sh, const struct node *n,
			const struct path *p, struct port_spec *spec)
{
	const struct shape *fit = shape_for_node(sh, n);
	const char *wrong;

	if (fit == NULL || node_is_null(n))
		return decode_expected(d, sh->alts[0], n, p);
	if (n->kind == NODE_MAP) {
		size_t before = d->diag->n_errors + d->diag->dropped;

		/* Unknown and missing keys; the values are looked at below. */
		decode_object(d, fit, n, p, NULL);
		if (d->diag->n_errors + d->diag->dropped > before)
			return false;
		wrong = parse_port_map(d->arena, n, spec);
	} else {
		wrong = parse_port(d->arena, n->text, spec);
	}
	if (wrong == NULL)
		wrong = check_ranges(d->arena, spec);
	if (wrong == NULL)
		return true;
	if (n->kind == NODE_MAP)
		diag_error(d->diag, n, p, "%s", wrong);
	else
		diag_error(d->diag, n, p, "%s: %s", node_show(d->arena, n), wrong);
	return false;
}

static size_t spec_count(const struct port_spec *s)
{
	return s->guest.last - s->guest.first + 1;
}

static void add_ports(struct port_map *ports, size_t *n, const struct port_spec *s,
		      const struct node *at)
{
	bool any_of = s->host.given && s->guest.first == s->guest.last;

	for (unsigned i = 0; i < spec_count(s); i++) {
		struct port_map *m = &ports[(*n)++];

		m->mark = node_mark(at);
		m->host_ip = s->host_ip != NULL ? s->host_ip : "127.0.0.1";
		m->guest = (uint16_t)(s->guest.first + i);
		m->udp = s->udp;
		if (!s->host.given || s->host.first == 0)
			continue;
		m->host = (uint16_t)(s->host.first + i);
		m->host_end = any_of ? (uint16_t)s->host.last : m->host;
	}
}

void decode_ports(struct decoder *d, const struct shape *sh, const struct node *n,
		  const struct path *p, void *out)
{
	_cleanup_(freep) struct port_spec *specs = NULL;
	struct model_list list = { NULL, 0 };
	struct port_map *ports;
	size_t total = 0;

	if (!decode_is(d, sh, n, p, NODE_LIST))
		return;
	specs = xcalloc(n->n + 1, sizeof(*specs));
	for (size_t i = 0; i < n->n; i++) {
		const struct path here = { p, NULL, i };

		if (!decode_port(d, sh->item, n->items[i], &here, &specs[i])) {
			specs[i].guest = (struct port_range){ 1, 0, false }; /* none */
			continue;
		}
		total += spec_count(&specs[i]);
		if (total > PORTS_MAX) {
			diag_error(d->diag, n->items[i], &here, "more than %d ports", PORTS_MAX);
			return;
		}
	}
	ports = arena_array(d->arena, total + 1, struct port_map);
	for (size_t i = 0; i < n->n; i++)
		add_ports(ports, &list.n, &specs[i], n->items[i]);
	list.items = ports;
	memcpy(out, &list, sizeof(list));
}

/* ---- networks and hosts ----------------------------------------------------------- */

void decode_service_networks(struct decoder *d, const struct shape *sh, const struct node *n,
			     const struct path *p, void *out)
{
	const struct shape *item = sh->alts[0]->item;
	struct service_network *nets;
	struct model_list list = { NULL, 0 };

	if (!decode_is(d, sh, n, p, NODE_MAP))
		return;
	nets = arena_array(d->arena, n->n + 1, struct service_network);
	for (size_t i = 0; i < n->n; i++) {
		const struct node *key = n->pairs[i].key;
		const struct path here = { p, key->text, 0 };

		if (key_is_ignored(sh->alts[0], key->text))
			continue;
		decode_object(d, item, n->pairs[i].value, &here, &nets[list.n]);
		nets[list.n].mark = node_mark(key);
		nets[list.n++].name = key->text;
	}
	list.items = nets;
	memcpy(out, &list, sizeof(list));
}

void decode_extra_hosts(struct decoder *d, const struct shape *sh, const struct node *n,
			const struct path *p, void *out)
{
	struct extra_host *hosts;
	struct model_list list;

	if (!decode_is(d, sh, n, p, NODE_MAP))
		return;
	hosts = arena_array(d->arena, n->n + 1, struct extra_host);
	for (size_t i = 0; i < n->n; i++) {
		const struct node *key = n->pairs[i].key, *value = n->pairs[i].value;
		const struct path here = { p, key->text, 0 };
		const char *text = decode_text(d, sh->alts[0]->item, value, &here);

		hosts[i].mark = node_mark(key);
		hosts[i].name = decode_text(d, &shape_host_name, key, &here);
		if (text == NULL)
			continue;
		hosts[i].address = normal_address(d->arena, text);
		if (hosts[i].address == NULL)
			decode_expected(d, sh->alts[0]->item, value, &here);
	}
	list = (struct model_list){ hosts, n->n };
	memcpy(out, &list, sizeof(list));
}
