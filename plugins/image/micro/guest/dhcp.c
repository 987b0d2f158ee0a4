/*
 * dhcp.c - udhcpc's script, as an applet, and /etc/resolv.conf.
 *
 * udhcpc calls it with deconfig, bound or renew and the lease in the environment.  Each
 * source of name servers has a file below /run; resolv.conf is put together from all.
 */
#include "micro.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DNS_DIR "/run/micro/dns"

static void join_files(void)
{
	DIR *d = opendir(DNS_DIR);
	struct buf b = { 0 };
	struct dirent *e;

	buf_add(&b, "", 0);
	while (d && (e = readdir(d))) {
		char *path = fmt(DNS_DIR "/%s", e->d_name), *text;

		if (e->d_name[0] == '.')
			continue;
		text = slurp(path, 8192, NULL);
		if (text)
			buf_str(&b, text);
	}
	if (d)
		closedir(d);
	(void)spew("/etc/resolv.conf.new", b.p, b.n, O_TRUNC, 0644);
	if (rename("/etc/resolv.conf.new", "/etc/resolv.conf") < 0)
		say("cannot write /etc/resolv.conf");
}

void resolv_conf(const char *iface, const char *servers, const char *search)
{
	char *list = xdup(servers), *save = NULL;
	struct buf b = { 0 };

	buf_add(&b, "", 0);
	if (search[strspn(search, " ")])
		buf_str(&b, fmt("search %s\n", search));
	for (char *w = strtok_r(list, " ", &save); w; w = strtok_r(NULL, " ", &save))
		buf_str(&b, fmt("nameserver %s\n", w));
	(void)mkdirs(DNS_DIR, 0755);
	(void)spew(fmt(DNS_DIR "/%s", iface), b.p, b.n, O_TRUNC, 0644);
	join_files();
}

static const char *lease(const char *name)
{
	const char *v = getenv(name);

	return v ? v : "";
}

static void default_routes(const char *nic)
{
	char *list = xdup(lease("router")), *save = NULL;

	for (char *w = strtok_r(list, " ", &save); w; w = strtok_r(NULL, " ", &save))
		(void)runl("ip", "route", "replace", "default", "via", w, "dev", nic, (char *)NULL);
}

int udhcpc_main(int argc, char **argv)
{
	const char *nic = lease("interface"), *mask = lease("mask");

	if (argc < 2 || (strcmp(argv[1], "bound") != 0 && strcmp(argv[1], "renew") != 0))
		return 0;
	if (!*nic || !*lease("ip"))
		return 1;
	if (runl("ip", "addr", "replace", fmt("%s/%s", lease("ip"), *mask ? mask : "24"), "dev",
		 nic, (char *)NULL) != 0)
		say("dhcp: %s: address %s refused", nic, lease("ip"));
	default_routes(nic);
	resolv_conf(nic, lease("dns"), lease("domain"));
	if (strcmp(argv[1], "bound") == 0)
		say("dhcp: %s has %s", nic, lease("ip"));
	return 0;
}
