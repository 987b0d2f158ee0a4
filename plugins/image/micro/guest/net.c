/*
 * net.c - network-config version 2: ethernets, matched by MAC address.
 *
 * Renames first (through a temporary name, as two NICs may swap theirs), then addresses
 * and routes with busybox ip, then udhcpc in the background: nothing here waits.
 */
#include "micro.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_NICS 32
#define DNS_DIR  "/run/micro/dns"

struct nic {
	char now[16], want[16];
	struct ynode *conf;
};

static void ip_link(const char *nic, const char *what, const char *value)
{
	if (runl("ip", "link", "set", nic, what, value, (char *)NULL) != 0)
		complain("network: %s: cannot set %s %s", nic, what, value ? value : "");
}

static bool nic_matches(const char *nic, const char *id, struct ynode *conf)
{
	struct ynode *m = y_get(conf, "match");
	const char *mac = y_text(m, "macaddress"), *name = y_text(m, "name");
	char path[96], have[32];

	if (!m)
		return strcmp(nic, id) == 0;
	(void)snprintf(path, sizeof(path), "/sys/class/net/%.32s/address", nic);
	if (mac && (!sys_value(path, have, sizeof(have)) || strcasecmp(have, mac) != 0))
		return false;
	return (mac || name) && (!name || fnmatch(name, nic, 0) == 0);
}

static size_t find_nics(struct ynode *eths, struct nic *nic)
{
	DIR *d = opendir("/sys/class/net");
	struct dirent *e;
	size_t n = 0;

	while (d && n < MAX_NICS && (e = readdir(d))) {
		if (e->d_name[0] == '.' || strlen(e->d_name) >= sizeof(nic->now))
			continue;
		for (size_t i = 0; eths && i < eths->n && n < MAX_NICS; i++) {
			const char *id = y_str(eths->key[i]), *set;

			if (!id || !nic_matches(e->d_name, id, eths->item[i]))
				continue;
			set = y_text(eths->item[i], "set-name");
			if (set && strlen(set) >= sizeof(nic->want))
				set = NULL;
			(void)snprintf(nic[n].now, sizeof(nic[n].now), "%.15s", e->d_name);
			(void)snprintf(nic[n].want, sizeof(nic[n].want), "%.15s",
				       set ? set : e->d_name);
			nic[n++].conf = eths->item[i];
			break;
		}
	}
	if (d)
		closedir(d);
	return n;
}

static void rename_nics(struct nic *nic, size_t n)
{
	char path[64];

	for (size_t i = 0; i < n; i++) {
		(void)snprintf(path, sizeof(path), "/sys/class/net/%.15s", nic[i].want);
		if (strcmp(nic[i].now, nic[i].want) == 0 || access(path, F_OK) != 0)
			continue;
		for (size_t k = 0; k < n; k++) { /* the name is taken: its holder steps aside */
			char tmp[16];

			if (k == i || strcmp(nic[k].now, nic[i].want) != 0)
				continue;
			(void)snprintf(tmp, sizeof(tmp), "micro%zu", k);
			ip_link(nic[k].now, "name", tmp);
			(void)snprintf(nic[k].now, sizeof(nic[k].now), "%.15s", tmp);
		}
	}
	for (size_t i = 0; i < n; i++) {
		if (strcmp(nic[i].now, nic[i].want) == 0)
			continue;
		ip_link(nic[i].now, "name", nic[i].want);
	}
}

static void route(const char *nic, struct ynode *r)
{
	const char *to = y_text(r, "to"), *via = y_text(r, "via"), *metric = y_text(r, "metric");
	const char *argv[16] = { "ip", "route", "replace" };
	size_t n = 3;

	if (!to)
		to = "default";
	if (strcmp(to, "0.0.0.0/0") == 0 || strcmp(to, "::/0") == 0)
		to = "default";
	if (via && strchr(via, ':')) {
		argv[1] = "-6";
		argv[2] = "route";
		argv[n++] = "replace";
	}
	argv[n++] = to;
	if (via) {
		argv[n++] = "via";
		argv[n++] = via;
	}
	argv[n++] = "dev";
	argv[n++] = nic;
	if (metric) {
		argv[n++] = "metric";
		argv[n++] = metric;
	}
	if (y_true(y_get(r, "on-link"), false))
		argv[n++] = "onlink";
	if (run(RUN_NULL, RUN_NULL, argv) != 0)
		complain("network: %s: route to %s failed", nic, to);
}

static void addresses(const char *nic, struct ynode *list)
{
	for (size_t i = 0; i < y_len(list); i++) {
		struct ynode *item = y_at(list, i);
		const char *a = y_str(item);

		if (item && item->kind == Y_MAP && item->n) /* {"10.0.0.2/24": {label: ..}} */
			a = y_str(item->key[0]);
		if (a && runl("ip", "addr", "replace", a, "dev", nic, (char *)NULL) != 0)
			complain("network: %s: address %s refused", nic, a);
	}
}

static void nameservers(const char *nic, struct ynode *ns)
{
	struct buf servers = { 0 }, search = { 0 };
	struct ynode *a = y_get(ns, "addresses"), *s = y_get(ns, "search");

	if (!ns)
		return;
	for (size_t i = 0; i < y_len(a); i++)
		buf_str(&servers, fmt("%s ", y_str(y_at(a, i)) ? y_str(y_at(a, i)) : ""));
	for (size_t i = 0; i < y_len(s); i++)
		buf_str(&search, fmt("%s ", y_str(y_at(s, i)) ? y_str(y_at(s, i)) : ""));
	resolv_conf(fmt("%s.static", nic), servers.n ? servers.p : "", search.n ? search.p : "");
}

static void dhcp(const char *nic)
{
	char pid[64];

	(void)snprintf(pid, sizeof(pid), "/run/udhcpc.%.15s.pid", nic);
	const char *const argv[] = {
		"udhcpc", "-f", "-R", "-i", nic, "-s", "/usr/lib/micro/udhcpc", "-p", pid, "-t",
		"8",      "-T", "1",  "-A", "5", NULL
	};

	if (start(RUN_NULL, RUN_NULL, argv) < 0)
		complain("network: %s: cannot start udhcpc", nic);
}

static void configure(const struct nic *n)
{
	struct ynode *c = n->conf, *routes = y_get(c, "routes");
	const char *mtu = y_text(c, "mtu"), *gw = y_text(c, "gateway4"),
		   *gw6 = y_text(c, "gateway6");

	if (mtu)
		ip_link(n->want, "mtu", mtu);
	ip_link(n->want, "up", NULL);
	addresses(n->want, y_get(c, "addresses"));
	if (gw &&
	    runl("ip", "route", "replace", "default", "via", gw, "dev", n->want, (char *)NULL) != 0)
		complain("network: %s: gateway %s refused", n->want, gw);
	if (gw6 && runl("ip", "-6", "route", "replace", "default", "via", gw6, "dev", n->want,
			(char *)NULL) != 0)
		complain("network: %s: gateway %s refused", n->want, gw6);
	for (size_t i = 0; i < y_len(routes); i++)
		route(n->want, y_at(routes, i));
	nameservers(n->want, y_get(c, "nameservers"));
	if (y_true(y_get(c, "dhcp4"), false))
		dhcp(n->want);
	if (y_true(y_get(c, "dhcp6"), false))
		say("network: %s: dhcp6 is not supported, router advertisements are used", n->want);
}

/* no network-config: every Ethernet device asks by DHCP */
static void dhcp_everywhere(void)
{
	DIR *d = opendir("/sys/class/net");
	struct dirent *e;

	while (d && (e = readdir(d))) {
		if (e->d_name[0] != 'e')
			continue;
		ip_link(e->d_name, "up", NULL);
		dhcp(e->d_name);
	}
	if (d)
		closedir(d);
}

void network_up(const struct seed *s)
{
	struct nic nic[MAX_NICS];
	struct ynode *eths = y_get(s->net, "ethernets");
	const char *version = y_text(s->net, "version");
	size_t n;

	(void)mkdirs(DNS_DIR, 0755);
	(void)spew("/etc/resolv.conf", "", 0, O_TRUNC, 0644); /* of the last boot */
	ip_link("lo", "up", NULL);
	if (!s->net) {
		dhcp_everywhere();
		return;
	}
	if (version && strcmp(version, "2") != 0)
		complain("network-config: version %s is not supported, only 2", version);
	n = find_nics(eths, nic);
	if (eths && n < eths->n)
		say("network: %zu of %zu ethernets have no device", eths->n - n, eths->n);
	rename_nics(nic, n);
	for (size_t i = 0; i < n; i++)
		configure(&nic[i]);
}
