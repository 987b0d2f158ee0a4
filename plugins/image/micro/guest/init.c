/*
 * init.c - PID 1 on the root file system.
 *
 * Mounts what every program expects, starts the worker that applies the seed (boot.c) and a
 * shell on the serial console, then waits: for children to reap, for the power button, and
 * for the signals busybox's poweroff, halt and reboot send.  It allocates nothing here: it
 * must live even when memory is short.
 */
#include "micro.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define MAX_INPUTS 16
#define RESPAWN_MS 1000

static void mounts(void)
{
	static const struct {
		const char *dev, *dir, *type, *data;
		unsigned long flags;
	} all[] = {
		{ "devpts", "/dev/pts", "devpts", "mode=0620,gid=5,ptmxmode=0666",
		  MS_NOSUID | MS_NOEXEC },
		{ "shm", "/dev/shm", "tmpfs", "mode=1777", MS_NOSUID | MS_NODEV },
		{ "run", "/run", "tmpfs", "mode=0755", MS_NOSUID | MS_NODEV },
		{ "tmp", "/tmp", "tmpfs", "mode=1777", MS_NOSUID | MS_NODEV },
	};

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		(void)mkdir(all[i].dir, 0755);
		if (mount(all[i].dev, all[i].dir, all[i].type, all[i].flags, all[i].data) < 0)
			say("mount %s: %s", all[i].dir, strerror(errno));
	}
	(void)mkdir("/run/cloud-init", 0755);
	(void)mkdir("/run/micro", 0755);
	(void)mkdir("/run/lock", 01777);
	(void)symlink("/proc/self/fd", "/dev/fd");
	(void)symlink("/proc/self/fd/0", "/dev/stdin");
	(void)symlink("/proc/self/fd/1", "/dev/stdout");
	(void)symlink("/proc/self/fd/2", "/dev/stderr");
	/* programs that ping by datagram sockets may do so as any user; busybox has ping.c */
	(void)spew("/proc/sys/net/ipv4/ping_group_range", "0 2147483647", 12, 0, 0644);
}

static pid_t start_worker(void)
{
	static const char *const argv[] = { MICRO_EXE, "boot", NULL };
	pid_t pid = fork();
	sigset_t none;

	if (pid == 0) {
		sigemptyset(&none); /* PID 1 reads its signals; its children take them as usual */
		sigprocmask(SIG_SETMASK, &none, NULL);
		setsid();
		exec_args(MICRO_EXE, argv);
	}
	return pid;
}

/* waits for Enter on the console and becomes a login shell */
static _Noreturn void console_shell(void)
{
	static const char prompt[] = "\r\nmicro: press Enter for a shell on this console.\r\n";
	static const char *const argv[] = { "-sh", NULL };
	struct termios t;
	sigset_t none;
	char c = 0;
	int fd;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	fd = open("/dev/ttyS0", O_RDWR);
	if (fd < 0)
		fd = open("/dev/console", O_RDWR);
	if (fd < 0)
		_exit(1);
	(void)ioctl(fd, TIOCSCTTY, 1); /* without it the shell has no job control: still useful */
	for (int i = 0; i < 3; i++)
		dup2(fd, i);
	if (fd > 2)
		close(fd);
	(void)tcflush(0, TCIFLUSH);
	if (tcgetattr(0, &t) == 0) { /* a shell that died may have left raw mode behind */
		t.c_iflag |= ICRNL;
		t.c_oflag |= OPOST | ONLCR;
		t.c_lflag |= ICANON | ECHO | ECHOE | ISIG;
		(void)tcsetattr(0, TCSANOW, &t);
	}
	(void)write_all(1, prompt, sizeof(prompt) - 1);
	while (c != '\n') {
		ssize_t r = read(0, &c, 1);

		if (r == 0 || (r < 0 && errno != EINTR))
			_exit(1); /* keep_console() does not start the next one at once */
	}
	setenv("HOME", "/root", 1);
	setenv("USER", "root", 1);
	setenv("TERM", "vt220", 0);
	(void)chdir("/root");
	exec_args("/bin/sh", argv);
}

static pid_t start_console(void)
{
	pid_t pid = fork();

	if (pid == 0)
		console_shell();
	return pid;
}

/* opens the input devices that have a power key; they appear when their modules load */
static size_t open_inputs(struct pollfd *pfd, size_t used)
{
	DIR *d = opendir("/dev/input");
	struct dirent *e;
	char path[64];

	for (size_t i = 1; i < used; i++)
		close(pfd[i].fd);
	used = 1;
	while (d && used < MAX_INPUTS && (e = readdir(d))) {
		unsigned char keys[KEY_MAX / 8 + 1] = { 0 };
		int fd;

		if (!starts(e->d_name, "event"))
			continue;
		(void)snprintf(path, sizeof(path), "/dev/input/%.40s", e->d_name);
		fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (ioctl(fd, EVIOCGBIT(EV_KEY, sizeof(keys)), keys) < 0 ||
		    !(keys[KEY_POWER / 8] & 1 << KEY_POWER % 8)) {
			close(fd);
			continue;
		}
		pfd[used++] = (struct pollfd){ .fd = fd, .events = POLLIN };
	}
	if (d)
		closedir(d);
	return used;
}

static bool power_pressed(int fd)
{
	struct input_event ev;

	while (read(fd, &ev, sizeof(ev)) == sizeof(ev))
		if (ev.type == EV_KEY && ev.code == KEY_POWER && ev.value == 1)
			return true;
	return false;
}

static void on_signal(uint32_t sig)
{
	switch (sig) {
	case SIGUSR1:
		stop_system(STOP_HALT, "halt");
	case SIGUSR2:
	case SIGPWR:
		stop_system(STOP_POWEROFF, "poweroff");
	case SIGTERM:
	case SIGINT:
		stop_system(STOP_REBOOT, "reboot");
	default:
		break;
	}
}

/* keeps a console shell running, but does not spin when it cannot */
static void keep_console(pid_t *pid, int64_t *started)
{
	if (*pid > 0 || now_ms() - *started < RESPAWN_MS)
		return;
	*started = now_ms();
	*pid = start_console();
}

int init_main(void)
{
	struct pollfd pfd[MAX_INPUTS];
	size_t n = 1;
	sigset_t set;
	pid_t console = -1;
	int64_t started = -RESPAWN_MS;

	sigfillset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	umask(022);
	setenv("PATH", MICRO_PATH, 1);
	mounts();
	pfd[0] = (struct pollfd){ .fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK),
				  .events = POLLIN };
	(void)start_worker();
	for (;;) {
		struct signalfd_siginfo si;
		bool rescan = false;
		pid_t pid;

		keep_console(&console, &started);
		(void)poll(pfd, n, console > 0 ? -1 : RESPAWN_MS);
		while (read(pfd[0].fd, &si, sizeof(si)) == sizeof(si)) {
			rescan |= si.ssi_signo == SIGHUP; /* from the worker: modules are loaded */
			on_signal(si.ssi_signo);
		}
		while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
			if (pid == console)
				console = -1;
		if (rescan)
			n = open_inputs(pfd, n);
		for (size_t i = 1; i < n; i++)
			if (pfd[i].revents && power_pressed(pfd[i].fd))
				stop_system(STOP_POWEROFF, "power button");
	}
}
