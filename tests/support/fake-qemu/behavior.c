/* SPDX-License-Identifier: Apache-2.0
 *
 * behavior.c - the orders of the test: key=value lines, # starts a comment.
 *
 *   fail_start=STATUS           exit before the loop; message=TEXT to stderr
 *   first_starts=N              the file counts for the first N starts only
 *                               (counted in NAME.starts of the directory)
 *   start_delay_ms=N            before any socket exists
 *   refuse_port=PORT            forwarding PORT fails as if it were taken
 *   die_after_ms=N              with die_status=N or die_signal=N, die_message=TEXT
 *   no_qmp=1                    never makes the QMP socket
 *   hang_qmp=1                  accepts and never greets
 *   hang_commands=1             negotiates, then never answers
 *   qmp_delay_ms=N              greets later
 *   garbage_qmp=greeting|later|flood
 *                               junk for a greeting; after negotiation; without end
 *   wrong_uuid=1                query-uuid tells another one
 *   ignore_powerdown, ignore_quit, ignore_sigterm=1
 *   powerdown_delay_ms=N        from the button to the guest's end
 *   guest_poweroff_after_ms, guest_panic_after_ms, guest_reset_after_ms=N
 *   after_query=1               *_after_ms count from the first query-status, and
 *                               not from the start: a slow host changes nothing
 *   io_error_after_ms=N         pauses as on a full host disk
 *   internal_error_after_ms=N   stops as KVM does at what it cannot run
 *   ssh=banner|silent|close     what the forward of guest port 22 does
 *   ssh_run=PROGRAM             executed with the VM's name for each connection to port 22,
 *                               which is its standard input and output
 *   ports=answer|silent|close   what the others do
 *   console_lines=N             lines of boot output
 */
#include "fake.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
	const char *key;
	size_t offset;
} numbers[] = {
	{ "fail_start", offsetof(struct behavior, fail_start) },
	{ "first_starts", offsetof(struct behavior, first_starts) },
	{ "start_delay_ms", offsetof(struct behavior, start_delay_ms) },
	{ "refuse_port", offsetof(struct behavior, refuse_port) },
	{ "die_after_ms", offsetof(struct behavior, die_after_ms) },
	{ "die_status", offsetof(struct behavior, die_status) },
	{ "die_signal", offsetof(struct behavior, die_signal) },
	{ "powerdown_delay_ms", offsetof(struct behavior, powerdown_delay_ms) },
	{ "qmp_delay_ms", offsetof(struct behavior, qmp_delay_ms) },
	{ "guest_poweroff_after_ms", offsetof(struct behavior, guest_poweroff_after_ms) },
	{ "guest_panic_after_ms", offsetof(struct behavior, guest_panic_after_ms) },
	{ "guest_reset_after_ms", offsetof(struct behavior, guest_reset_after_ms) },
	{ "io_error_after_ms", offsetof(struct behavior, io_error_after_ms) },
	{ "internal_error_after_ms", offsetof(struct behavior, internal_error_after_ms) },
	{ "console_lines", offsetof(struct behavior, console_lines) },
};

static const struct {
	const char *key;
	size_t offset;
} flags[] = {
	{ "no_qmp", offsetof(struct behavior, no_qmp) },
	{ "hang_qmp", offsetof(struct behavior, hang_qmp) },
	{ "hang_commands", offsetof(struct behavior, hang_commands) },
	{ "wrong_uuid", offsetof(struct behavior, wrong_uuid) },
	{ "ignore_powerdown", offsetof(struct behavior, ignore_powerdown) },
	{ "ignore_quit", offsetof(struct behavior, ignore_quit) },
	{ "ignore_sigterm", offsetof(struct behavior, ignore_sigterm) },
	{ "after_query", offsetof(struct behavior, after_query) },
};

static void set_defaults(struct behavior *b)
{
	*b = (struct behavior){
		.fail_start = -1,
		.die_after_ms = -1,
		.guest_poweroff_after_ms = -1,
		.guest_panic_after_ms = -1,
		.guest_reset_after_ms = -1,
		.io_error_after_ms = -1,
		.internal_error_after_ms = -1,
		.console_lines = 2,
	};
}

static int set_word(const char *value, const char *const *words, int *ret)
{
	for (int i = 0; words[i]; i++) {
		if (!strcmp(words[i], value)) {
			*ret = i;
			return 0;
		}
	}
	return -1;
}

static int set_key(struct behavior *b, const char *key, const char *value)
{
	static const char *const garbage[] = { "no", "greeting", "later", "flood", NULL };
	static const char *const ssh[] = { "banner", "silent", "close", NULL };
	static const char *const ports[] = { "answer", "silent", "close", NULL };
	int word = 0;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		if (!strcmp(numbers[i].key, key)) {
			char *end;
			long n = strtol(value, &end, 10);

			if (!*value || *end || n < -1 || n > INT_MAX)
				return -1;
			*(int *)(void *)((char *)b + numbers[i].offset) = (int)n;
			return 0;
		}
	}
	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		if (!strcmp(flags[i].key, key)) {
			*(bool *)(void *)((char *)b + flags[i].offset) = strcmp(value, "0") != 0;
			return 0;
		}
	}
	if (!strcmp(key, "message") || !strcmp(key, "die_message")) {
		char *to = *key == 'm' ? b->message : b->die_message;

		snprintf(to, sizeof(b->message), "%s", value);
		return 0;
	}
	if (!strcmp(key, "ssh_run")) {
		snprintf(b->ssh_run, sizeof(b->ssh_run), "%s", value);
		return 0;
	}
	if (!strcmp(key, "garbage_qmp") && !set_word(value, garbage, &word)) {
		b->garbage_qmp = (enum garbage)word;
		return 0;
	}
	if (!strcmp(key, "ssh") && !set_word(value, ssh, &word)) {
		b->ssh = (enum reply)word;
		return 0;
	}
	if (!strcmp(key, "ports") && !set_word(value, ports, &word)) {
		b->ports = (enum reply)word;
		return 0;
	}
	return -1;
}

/* The number of this start, from 1: the length of a file that grows by a byte. */
static int count_start(const char *dir, const char *name)
{
	char path[PATH_MAX];
	struct stat st = { 0 };
	int fd;

	snprintf(path, sizeof(path), "%s/%s.starts", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, ".", 1) != 1 || fstat(fd, &st))
		complain("cannot count in %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return (int)st.st_size;
}

static FILE *open_conf(const char *dir, const char *name, char *path, size_t size)
{
	FILE *file;

	snprintf(path, size, "%s/%s.conf", dir, name);
	file = fopen(path, "re");
	if (!file) {
		snprintf(path, size, "%s/default.conf", dir);
		file = fopen(path, "re");
	}
	return file;
}

int behavior_load(struct behavior *b, const char *name)
{
	const char *dir = getenv("FAKE_QEMU_BEHAVIOR");
	char path[PATH_MAX], line[1024];
	int result = 0;
	FILE *file;

	set_defaults(b);
	file = dir ? open_conf(dir, name, path, sizeof(path)) : NULL;
	while (file && fgets(line, sizeof(line), file)) {
		char *value = strchr(line, '=');

		line[strcspn(line, "\n")] = '\0';
		if (!*line || *line == '#')
			continue;
		if (value)
			*value++ = '\0';
		/* A test with a spelling mistake must not pass by luck. */
		if (!value || set_key(b, line, value)) {
			complain("%s: what is '%s'?", path, line);
			result = -1;
		}
	}
	if (file)
		fclose(file);
	if (b->first_starts && count_start(dir, name) > b->first_starts)
		set_defaults(b);
	return result;
}
