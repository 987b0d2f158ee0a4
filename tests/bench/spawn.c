/* SPDX-License-Identifier: Apache-2.0
 *
 * spawn.c - spawn ROUNDS COMMAND... [-- COMMAND...]...: runs the commands in turn,
 * so often, and prints a line for each: the median of the wall time and of the
 * CPU time in microseconds, and the greatest resident set in KiB.
 *
 * A child's resident set counts from before its exec on, so what starts it must
 * be small: this program does, Python does not.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define COMMANDS_MAX 8

struct command {
	char **argv;
	double *wall_us, *cpu_us;
	long rss_kib;
};

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double in_us(struct timeval t)
{
	return (double)t.tv_sec * 1e6 + (double)t.tv_usec;
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double median(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), compare);
	return v[n / 2];
}

/* Run one command; ends this program when it fails. */
static void run(struct command *c, size_t round)
{
	struct rusage used;
	double begin = now_us();
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0)
			_exit(126);
		execv(c->argv[0], c->argv);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &used) != pid) {
		fprintf(stderr, "spawn: %s: %s\n", c->argv[0], strerror(errno));
		exit(2);
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		fprintf(stderr, "spawn: %s ended with wait status %#x\n", c->argv[0],
			(unsigned)status);
		exit(2);
	}
	c->wall_us[round] = now_us() - begin;
	c->cpu_us[round] = in_us(used.ru_utime) + in_us(used.ru_stime);
	if (used.ru_maxrss > c->rss_kib)
		c->rss_kib = used.ru_maxrss;
}

int main(int argc, char **argv)
{
	struct command commands[COMMANDS_MAX];
	size_t rounds = argc > 2 ? strtoul(argv[1], NULL, 10) : 0, n = 0;

	if (rounds == 0 || rounds > 100000) {
		fputs("usage: spawn ROUNDS COMMAND... [-- COMMAND...]...\n", stderr);
		return 2;
	}
	for (char **a = argv + 2; *a != NULL && n < COMMANDS_MAX; n++) {
		struct command *c = &commands[n];

		c->argv = a;
		c->wall_us = calloc(rounds, sizeof(*c->wall_us));
		c->cpu_us = calloc(rounds, sizeof(*c->cpu_us));
		c->rss_kib = 0;
		if (c->wall_us == NULL || c->cpu_us == NULL)
			return 2;
		while (*a != NULL && strcmp(*a, "--") != 0)
			a++;
		if (*a != NULL)
			*a++ = NULL;
	}
	for (size_t i = 0; i < n; i++)
		run(&commands[i], 0); /* the page cache is warm from here on */
	for (size_t round = 0; round < rounds; round++) {
		for (size_t i = 0; i < n; i++)
			run(&commands[i], round);
	}
	for (size_t i = 0; i < n; i++) {
		printf("%.1f %.1f %ld\n", median(commands[i].wall_us, rounds),
		       median(commands[i].cpu_us, rounds), commands[i].rss_kib);
		free(commands[i].wall_us);
		free(commands[i].cpu_us);
	}
	return 0;
}
