/* SPDX-License-Identifier: Apache-2.0
 *
 * clockshift.c - preloaded: the wall clock is off by the seconds in the file that
 * HOLOS_TEST_CLOCK names, read each time, so that a test makes it jump under
 * programs that run.  The other clocks go as ever.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *t)
{
	static int (*real)(clockid_t, struct timespec *);
	const char *path = getenv("HOLOS_TEST_CLOCK");
	char text[32] = "";
	int r, fd;

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
	r = real(clock, t);
	if (r != 0 || clock != CLOCK_REALTIME || path == NULL)
		return r;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0)
		t->tv_sec += atol(text);
	if (fd >= 0)
		close(fd);
	return r;
}
