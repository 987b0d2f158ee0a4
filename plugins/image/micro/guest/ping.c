/*
 * ping.c - ping for every user.
 *
 * busybox's ping wants a raw socket.  This set-user-ID front gives the right to open one
 * (an ambient CAP_NET_RAW), drops root, and only then executes busybox as ping.
 */
#include "micro.h"

#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool keep_net_raw_only(uid_t uid, gid_t gid)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	data[0].effective = data[0].permitted = data[0].inheritable = 1u << CAP_NET_RAW;
	return prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0 && setresgid(gid, gid, gid) == 0 &&
	       setresuid(uid, uid, uid) == 0 && syscall(SYS_capset, &head, data) == 0 &&
	       prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0) == 0;
}

int ping_main(int argc, char **argv)
{
	const char *av[64];
	const char *base = strrchr(argv[0], '/');
	size_t n = 0;

	base = base ? base + 1 : argv[0];
	av[n++] = strcmp(base, "ping6") == 0 ? "pinf6" : "pinf"; /* see unping in host_files.c */
	for (int i = 1; i < argc && n < ARRAY_LEN(av) - 1; i++)
		av[n++] = argv[i];
	av[n] = NULL;
	if (getuid() != geteuid() && !keep_net_raw_only(getuid(), getgid())) {
		perror("ping");
		return 1;
	}
	exec_args("/bin/busybox", av);
}
