/*
 * stage1.c - /init of the initramfs: reaches the root file system and hands over to it.
 *
 * Loads the disk and file system modules, waits for the device named by root= (default:
 * the label holos-micro), mounts it, moves /dev, /proc and /sys across, frees the
 * initramfs's memory and executes /sbin/init of the root, which is this program again.
 */
#include "micro.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#define ROOT    "/newroot"
#define WAIT_MS 15000 /* for the root device */

static void root_spec(char *ret, size_t size)
{
	char *cmd = slurp("/proc/cmdline", 65536, NULL), *save = NULL;

	(void)snprintf(ret, size, "LABEL=holos-micro");
	if (!cmd)
		return;
	cmd[strcspn(cmd, "\n")] = '\0';
	for (char *w = strtok_r(cmd, " ", &save); w; w = strtok_r(NULL, " ", &save))
		if (starts(w, "root="))
			(void)snprintf(ret, size, "%s", w + 5);
}

/* an initramfs is RAM: what it held is not needed any more */
static void drop_initramfs(void)
{
	DIR *d = opendir("/m");
	struct dirent *e;
	char path[300];

	while (d && (e = readdir(d))) {
		(void)snprintf(path, sizeof(path), "/m/%s", e->d_name);
		(void)unlink(path); /* "." and ".." fail, and should */
	}
	if (d)
		closedir(d);
	(void)unlink("/init");
}

static _Noreturn void give_up(const char *what)
{
	say("%s: %s; the guest stops", what, strerror(errno));
	(void)tcdrain(1); /* the console has said so before */
	_exit(1);         /* the kernel panics, and panic= and pvpanic do the rest */
}

/* the kernel tells of each device here once its file is in /dev: kobject_uevent(9) */
static int open_uevents(void)
{
	struct sockaddr_nl nl = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			NETLINK_KOBJECT_UEVENT);

	if (fd >= 0 && bind(fd, (struct sockaddr *)&nl, sizeof(nl)) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* fd is older than the modules: no device comes unnoticed */
static void await_root(int fd, const char *spec, char *dev, size_t size)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	int64_t end = now_ms() + WAIT_MS, left = WAIT_MS;
	char event[4096];

	while (!resolve_device(spec, dev, size)) {
		if (fd < 0 || left <= 0 || poll(&pfd, 1, (int)left) == 0) {
			errno = ENODEV;
			give_up(spec);
		}
		while (read(fd, event, sizeof(event)) > 0)
			;
		left = end - now_ms();
	}
	close(fd);
}

/* descriptors 0 to 2 must be taken before anything else opens a file */
static void open_console(void)
{
	int fd = open("/dev/console", O_RDWR);

	if (fd < 0)
		fd = open("/dev/null", O_RDWR);
	for (int i = 0; i < 3; i++)
		if (fd != i)
			(void)dup2(fd, i);
	if (fd > 2)
		close(fd);
}

static void carry_mount(const char *name)
{
	char to[64];

	(void)snprintf(to, sizeof(to), ROOT "%s", name);
	if (mount(name, to, NULL, MS_MOVE, NULL) < 0)
		say("cannot move %s: %s", name, strerror(errno));
}

int stage1_main(void)
{
	static const char *const next[] = { "/sbin/init", NULL };
	char spec[160], dev[80];
	int events;

	(void)mkdir("/dev", 0755);
	(void)mkdir("/proc", 0755);
	(void)mkdir("/sys", 0755);
	(void)mkdir(ROOT, 0755);
	if (mount("dev", "/dev", "devtmpfs", MS_NOSUID, "mode=0755") < 0 && errno != EBUSY)
		give_up("mount /dev");
	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0 ||
	    mount("sys", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		give_up("mount /proc and /sys");
	open_console();
	events = open_uevents();
	load_modules("/m");
	root_spec(spec, sizeof(spec));
	await_root(events, spec, dev, sizeof(dev));
	/* noinit_itable: a grown disk's tables stay unwritten, and its qcow2 small */
	if (mount(dev, ROOT, "ext4", MS_NOATIME, "noinit_itable") < 0)
		give_up(dev);
	carry_mount("/dev");
	carry_mount("/proc");
	carry_mount("/sys");
	drop_initramfs();
	if (chdir(ROOT) < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 ||
	    chdir("/") < 0)
		give_up("switch to the root file system");
	exec_args(next[0], next);
}
