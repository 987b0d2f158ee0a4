/* SPDX-License-Identifier: Apache-2.0
 *
 * child.c - see child.h.
 */
#include "child.h"

#include <base/alloc.h>
#include <base/paths.h>
#include <base/process.h>

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHOWN_FDS 100 /* valgrind keeps some of its own above */

char *const *vector(const char *a, const char *b, const char *c, const char *d)
{
	static char text[4][256];
	static char *v[5];
	const char *const from[] = { a, b, c, d };

	for (unsigned i = 0; i < 4; i++) {
		snprintf(text[i], sizeof(text[i]), "%s", from[i] != NULL ? from[i] : "");
		v[i] = from[i] != NULL ? text[i] : NULL;
	}
	return v;
}

void show_fds(FILE *to)
{
	for (int fd = 0; fd < SHOWN_FDS; fd++) {
		struct stat st;

		if (fstat(fd, &st) == 0)
			fprintf(to, "%d:%llu:%llu%s\n", fd, (unsigned long long)st.st_dev,
				(unsigned long long)st.st_ino,
				(fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0 ? ":cloexec" : "");
	}
}

static void show_signals(void)
{
	sigset_t blocked;

	sigprocmask(SIG_SETMASK, NULL, &blocked);
	for (int sig = 1; sig < 32; sig++) {
		struct sigaction sa;

		/* The sanitizers handle the second three. */
		if (sig == SIGKILL || sig == SIGSTOP || sig == SIGSEGV || sig == SIGBUS ||
		    sig == SIGFPE || sigaction(sig, NULL, &sa) < 0)
			continue;
		if (sa.sa_handler != SIG_DFL || sigismember(&blocked, sig))
			printf("%d ", sig);
	}
	printf("end\n");
}

/* Starts a child of its own that pauses, and pauses. */
static int parent_of_one(bool die_with_parent)
{
	struct process_spec spec = { .program = paths_self(),
				     .argv = vector("x", "child", "pause", NULL),
				     .fds = { 0, 1, 2 },
				     .n_fds = 3,
				     .die_with_parent = die_with_parent };
	pid_t pid;

	if (process_spawn(&spec, &pid, NULL) < 0)
		return 1;
	printf("%ld\n", (long)pid);
	fflush(stdout);
	for (;;)
		pause();
}

int child_main(int argc, char **argv)
{
	const char *mode = argv[2];
	int arg = argc > 3 ? atoi(argv[3]) : 0;

	if (strcmp(mode, "fds") == 0) {
		FILE *f = fopen(argv[3], "we");

		show_fds(f);
		fclose(f);
	} else if (strcmp(mode, "signals") == 0) {
		show_signals();
	} else if (strcmp(mode, "exit") == 0) {
		return arg;
	} else if (strcmp(mode, "kill") == 0) {
		kill(getpid(), arg);
	} else if (strcmp(mode, "print") == 0) { /* arg KiB on both streams */
		for (int i = 0; i < arg * 64; i++) {
			printf("out4567890abcdef");
			fprintf(stderr, "err4567890abcdef");
		}
	} else if (strcmp(mode, "pause") == 0) {
		for (;;)
			pause();
	} else if (strcmp(mode, "deaf") == 0) { /* closes its streams, ignores everything */
		for (int sig = 1; sig < 32; sig++)
			signal(sig, SIG_IGN);
		close(0);
		close(1);
		close(2);
		for (;;)
			pause();
	} else if (strcmp(mode, "session") == 0) {
		printf("%d\n", getsid(0) == getpid());
	} else if (strcmp(mode, "parent") == 0) {
		return parent_of_one(arg != 0);
	} else if (strcmp(mode, "stdin") == 0) {
		printf("%d\n", getchar() == EOF);
	} else if (strcmp(mode, "env") == 0) {
		for (char **e = environ; *e != NULL; e++)
			printf("%s\n", *e);
	}
	return 0;
}
