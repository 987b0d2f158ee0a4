/*
 * modules.c - loads the kernel modules the builder listed, in its order.
 *
 * DIR/order names one file of DIR per line, dependencies first, so nothing has to be
 * searched at boot.  Everything else is loaded on demand by the kernel through modprobe.
 */
#include "micro.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

void load_modules(const char *dir)
{
	char path[256], *list, *save = NULL;

	(void)snprintf(path, sizeof(path), "%s/order", dir);
	list = slurp(path, 65536, NULL);
	if (!list)
		return;
	for (char *m = strtok_r(list, "\n", &save); m; m = strtok_r(NULL, "\n", &save)) {
		int fd;

		(void)snprintf(path, sizeof(path), "%s/%s", dir, m);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST &&
			       errno != ENODEV))
			say("module %s: %s", m, strerror(errno));
		if (fd >= 0)
			close(fd);
	}
}
