/*
 * stop.c - the orderly end: processes, file systems, power.
 *
 * Everybody gets SIGTERM, interactive shells (which ignore it) SIGHUP a moment later, and
 * SIGKILL only after GRACE_MS, so that a data base can finish.  An idle guest is gone in
 * well under a second.
 */
#include "micro.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define GRACE_MS   8000
#define HUP_MS     100
#define KILL_MS    1000
#define MAX_MOUNTS 256

/* false when all processes but this one are gone: orphans are PID 1's children */
static bool reap(void)
{
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
		;
	return pid == 0;
}

/* true as soon as all are gone, false at end_ms; the end of a child or an orphan is a
 * SIGCHLD, which PID 1 has blocked, so that none is missed */
static bool await_all(int64_t end_ms)
{
	sigset_t child;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	while (reap()) {
		int64_t left = end_ms - now_ms();
		struct timespec t = { .tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000 };

		if (left <= 0)
			return false;
		(void)sigtimedwait(&child, NULL, &t);
	}
	return true;
}

static void end_processes(void)
{
	int64_t begin = now_ms();

	(void)kill(-1, SIGTERM);
	(void)kill(-1, SIGCONT);
	if (await_all(begin + HUP_MS))
		return;
	(void)kill(-1, SIGHUP);
	if (await_all(begin + GRACE_MS))
		return;
	say("some processes did not end in %d s and are killed", GRACE_MS / 1000);
	(void)kill(-1, SIGKILL);
	(void)await_all(now_ms() + KILL_MS);
}

/* \040 and the like, as the kernel writes blanks in mount points */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] && s[3]) {
			*to++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

static void unmount_all(void)
{
	static char text[65536];
	char *dir[MAX_MOUNTS], *save = NULL;
	size_t n = 0, used = 0;
	int fd = open("/proc/self/mounts", O_RDONLY | O_CLOEXEC);
	ssize_t r;

	if (fd < 0)
		return;
	while (used < sizeof(text) - 1 && (r = read(fd, text + used, sizeof(text) - 1 - used)) > 0)
		used += (size_t)r;
	close(fd);
	for (char *l = strtok_r(text, "\n", &save); l && n < MAX_MOUNTS;
	     l = strtok_r(NULL, "\n", &save)) {
		char *d = strchr(l, ' ');

		if (!d || !strchr(d + 1, ' '))
			continue;
		*strchr(++d, ' ') = '\0';
		unescape(d);
		if (strcmp(d, "/") && !starts(d, "/proc") && !starts(d, "/sys") &&
		    !starts(d, "/dev"))
			dir[n++] = d;
	}
	while (n-- > 0)
		if (umount2(dir[n], 0) < 0 && umount2(dir[n], MNT_DETACH) < 0)
			say("umount %s: %s", dir[n], strerror(errno));
}

_Noreturn void stop_system(enum stop_how how, const char *why)
{
	static const unsigned cmd[] = {
		[STOP_HALT] = RB_HALT_SYSTEM,
		[STOP_POWEROFF] = RB_POWER_OFF,
		[STOP_REBOOT] = RB_AUTOBOOT,
	};

	say("%s: stopping", why);
	end_processes();
	sync();
	unmount_all();
	if (mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY, NULL) < 0)
		sync(); /* still written: the data is safe, the journal replays */
	(void)reboot((int)cmd[how]);
	for (;;)
		pause();
}
