/*
 * main.c - the micro guest's only program: chooses what to be by its name, or by its first
 * argument (micro-init APPLET ...).
 */
#include "micro.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct applet {
	const char *name;
	int (*main)(int argc, char **argv);
} applets[] = {
	{ "boot", boot_main },
	{ "fail", fail_main },
	{ "cloud-init", cloud_init_main },
	{ "sudo", sudo_main },
	{ "blkid", blkid_main },
	{ "udevadm", links_main },
	{ "udhcpc", udhcpc_main }, /* its script, not the client */
	{ "mountpoint", mountpoint_main },
	{ "bash", bash_main },
	{ "nohup", nohup_main },
	{ "ping", ping_main },
	{ "ping6", ping_main },
	{ "shutdown", shutdown_main },
	/* the builder's, on the host */
	{ "mkdisk", mkdisk_main },
	{ "mkcpio", mkcpio_main },
	{ "unsign", unsign_main },
	{ "payload", payload_main },
	{ "unping", unping_main },
};

static const struct applet *find(const char *path)
{
	const char *base = strrchr(path, '/');

	base = base ? base + 1 : path;
	base += *base == '-'; /* a login shell's name */
	for (size_t i = 0; i < ARRAY_LEN(applets); i++)
		if (strcmp(applets[i].name, base) == 0)
			return &applets[i];
	return NULL;
}

static bool is_ping(const char *path)
{
	const char *base = strrchr(path, '/');

	base = base ? base + 1 : path;
	return strcmp(base, "ping") == 0 || strcmp(base, "ping6") == 0;
}

int main(int argc, char **argv)
{
	const struct applet *a;

	if (argc < 1)
		return 2;
	if (getuid() != geteuid()) /* set-user-ID: these two, whatever else the name may be */
		return is_ping(argv[0]) ? ping_main(argc, argv) : sudo_main(argc, argv);
	if (getpid() == 1 && access("/m/order", F_OK) == 0)
		return stage1_main();
	if (getpid() == 1)
		return init_main();
	a = find(argv[0]);
	if (!a && argc > 1) {
		argc--;
		argv++;
		a = find(argv[0]);
	}
	if (!a) {
		(void)fprintf(stderr, "micro-init: unknown applet; known are:");
		for (size_t i = 0; i < ARRAY_LEN(applets); i++)
			(void)fprintf(stderr, " %s", applets[i].name);
		(void)fprintf(stderr, "\n");
		return 2;
	}
	return a->main(argc, argv);
}
