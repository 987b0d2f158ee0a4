/* SPDX-License-Identifier: Apache-2.0
 *
 * log.c - what the fake tells the test: its arguments and its turns of life.
 */
#include "fake.h"

#include <dirent.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void complain(const char *fmt, ...)
{
	va_list ap;

	fputs(PROGRAM ": ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

/* One write per line, so that the lines of many VMs do not mix. */
static void append_line(const char *path, struct json_object *line)
{
	const char *text = json_object_to_json_string_ext(
		line, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	size_t len = strlen(text);
	char *copy = malloc(len + 1);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	if (copy && fd >= 0) {
		memcpy(copy, text, len);
		copy[len] = '\n';
		if (write(fd, copy, len + 1) != (ssize_t)(len + 1))
			complain("cannot write %s", path);
	}
	free(copy);
	if (fd >= 0)
		close(fd);
}

static struct json_object *new_line(const struct fake *f, const char *event)
{
	struct json_object *line = json_object_new_object();
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	json_object_object_add(line, "time",
			       json_object_new_double((double)t.tv_sec + (double)t.tv_nsec / 1e9));
	json_object_object_add(line, "pid", json_object_new_int(getpid()));
	json_object_object_add(line, "name", json_object_new_string(f->name));
	json_object_object_add(line, "event", json_object_new_string(event));
	return line;
}

void log_event(const struct fake *f, const char *event)
{
	const char *path = getenv("FAKE_QEMU_LOG");

	if (path) {
		struct json_object *line = new_line(f, event);

		append_line(path, line);
		json_object_put(line);
	}
}

/* The descriptors this process was born with, so that a test sees leaks. */
static struct json_object *open_fds(void)
{
	struct json_object *list = json_object_new_array();
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;

	while (d && (e = readdir(d))) {
		int fd = atoi(e->d_name);

		if (fd > 2 && fd != dirfd(d))
			json_object_array_add(list, json_object_new_int(fd));
	}
	if (d)
		closedir(d);
	return list;
}

static char *beside_qmp(const struct fake *f)
{
	for (unsigned i = 0; i < f->n_options; i++) {
		if (!strcmp(f->options[i].name, "chardev")) {
			char *id = opts_get(f->options[i].value, "id");
			char *path = opts_get(f->options[i].value, "path");
			char *slash = path ? strrchr(path, '/') : NULL;
			char *result = NULL;

			if (id && slash && !strcmp(id, "qmp")) {
				*slash = '\0';
				if (asprintf(&result, "%s/argv.json", path) < 0)
					result = NULL;
			}
			free(id);
			free(path);
			if (result)
				return result;
		}
	}
	return NULL;
}

void log_start(struct fake *f)
{
	struct json_object *line = new_line(f, "start");
	struct json_object *argv = json_object_new_array();
	const char *path = getenv("FAKE_QEMU_LOG");
	char *beside = beside_qmp(f);
	char cwd[4096] = "";

	for (int i = 0; i < f->argc; i++)
		json_object_array_add(argv, json_object_new_string(f->argv[i]));
	if (beside) {
		append_line(beside, argv);
		free(beside);
	}
	json_object_object_add(line, "argv", argv);
	json_object_object_add(line, "fds", open_fds());
	json_object_object_add(line, "cwd",
			       json_object_new_string(getcwd(cwd, sizeof(cwd)) ? cwd : ""));
	if (path)
		append_line(path, line);
	json_object_put(line);
}
