/* SPDX-License-Identifier: Apache-2.0
 *
 * makeseed.c - makeseed STEPS.json KEY|- OUT.iso [REPEAT [CONTEXT]]: runs the plugin
 * outside of holos, for the tests that need a seed file, and measures it.
 */
#include "mockhost.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static char *slurp(const char *path)
{
	char *text = calloc(1, 65536);
	FILE *f = fopen(path, "re");

	if (f == NULL || text == NULL || fread(text, 1, 65535, f) == 0) {
		perror(path);
		exit(2);
	}
	fclose(f);
	return text;
}

int main(int argc, char **argv)
{
	struct json_object *steps;
	struct mock_error error = { 0 };
	char *key = NULL;
	long repeat = argc > 4 ? strtol(argv[4], NULL, 10) : 1;
	holos_status status = HOLOS_OK;
	double begin;

	if (argc < 4) {
		fprintf(stderr, "usage: makeseed STEPS.json KEY|- OUT.iso [REPEAT [CONTEXT]]\n");
		return 2;
	}
	steps = json_object_from_file(argv[1]);
	if (steps == NULL) {
		fprintf(stderr, "%s: %s\n", argv[1], json_util_get_last_err());
		return 2;
	}
	if (strcmp(argv[2], "-") != 0)
		key = slurp(argv[2]);
	if (argc > 5)
		mock_context = open(argv[5], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	begin = cpu_ms();
	for (long i = 0; i < repeat && status == HOLOS_OK; i++) {
		int fd = open(argv[3], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

		if (fd < 0) {
			perror(argv[3]);
			return 2;
		}
		status = mock_seed_fd(steps, key, fd, &error);
		close(fd);
	}
	if (repeat > 1)
		printf("%.3f ms of CPU a seed\n", (cpu_ms() - begin) / (double)repeat);
	if (status != HOLOS_OK)
		fprintf(stderr, "%d %s: %s\n", status, error.pointer, error.message);
	json_object_put(steps);
	free(key);
	return status == HOLOS_OK ? 0 : 1;
}
