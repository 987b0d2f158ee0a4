/*
 * status.c - how the boot went: the files cloud-init leaves, and `cloud-init status`.
 *
 * /run/cloud-init/errors collects one line per complaint; result.json and boot-finished
 * appear when the boot is done.
 */
#include "micro.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

static char *instance_dir(const struct seed *s)
{
	char *dir = fmt("/var/lib/cloud/instances/%s", s->iid);

	for (char *c = dir + strlen("/var/lib/cloud/instances/"); *c; c++)
		if (*c == '/' || (unsigned char)*c < ' ')
			*c = '_';
	return dir;
}

void status_begin(const struct seed *s)
{
	char *dir = instance_dir(s);

	if (!mkdirs(dir, 0755))
		complain("%s: %s", dir, strerror(errno));
	(void)unlink(CI_INSTANCE);
	if (symlink(dir, CI_INSTANCE) < 0)
		complain(CI_INSTANCE ": %s", strerror(errno));
	(void)unlink(CI_INSTANCE "/boot-finished"); /* of the last boot */
}

static void json_string(struct buf *b, const char *s)
{
	buf_str(b, "\"");
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			buf_str(b, "\\");
		if ((unsigned char)*s >= ' ')
			buf_add(b, s, 1);
	}
	buf_str(b, "\"");
}

static void json_errors(struct buf *b)
{
	char *text = slurp(CI_ERRORS, SEED_CAP, NULL), *save = NULL;
	bool first = true;

	buf_str(b, "[");
	for (char *l = text ? strtok_r(text, "\n", &save) : NULL; l;
	     l = strtok_r(NULL, "\n", &save)) {
		if (!first)
			buf_str(b, ", ");
		first = false;
		json_string(b, l);
	}
	buf_str(b, "]");
}

void status_end(const struct seed *s)
{
	struct buf b = { 0 };
	char up[64];

	if (!sys_value("/proc/uptime", up, sizeof(up)))
		up[0] = '\0';
	up[strcspn(up, " ")] = '\0';
	buf_str(&b, fmt("%s - uptime %s s\n", s->iid, up));
	if (!spew(CI_INSTANCE "/boot-finished", b.p, b.n, O_TRUNC, 0644))
		complain("boot-finished: %s", strerror(errno));
	b.n = 0;
	buf_str(&b, "{\"v1\": {\"datasource\": ");
	json_string(&b,
		    s->device ? fmt("DataSourceNoCloud [seed=%s]", s->device) : "DataSourceNone");
	buf_str(&b, ", \"errors\": ");
	json_errors(&b);
	buf_str(&b, "}}\n");
	/* it appears whole: cloud-init status --wait looks for it */
	if (!spew(CI_RESULT ".new", b.p, b.n, O_TRUNC, 0644) ||
	    rename(CI_RESULT ".new", CI_RESULT) < 0)
		say("%s: %s", CI_RESULT, strerror(errno));
}

/* until status_end() renames it into its place */
static bool await_result(void)
{
	char event[4096];
	int fd = inotify_init1(IN_CLOEXEC);
	bool ok = fd >= 0 && inotify_add_watch(fd, "/run/cloud-init", IN_MOVED_TO) >= 0;

	while (ok && access(CI_RESULT, F_OK) != 0)
		ok = read(fd, event, sizeof(event)) > 0 || errno == EINTR;
	if (fd >= 0)
		close(fd);
	return ok;
}

/* cloud-init status [--wait] [--long] [--format json]; `clean` and the rest are not here */
int cloud_init_main(int argc, char **argv)
{
	bool wait = false, json = false, longer = false;
	struct buf b = { 0 };
	const char *status;
	size_t n = 0;
	char *errors;

	if (argc == 2 && (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-v"))) {
		printf("/usr/bin/cloud-init micro-1\n");
		return 0;
	}
	if (argc < 2 || strcmp(argv[1], "status") != 0) {
		(void)fprintf(stderr,
			      "cloud-init: this guest knows `cloud-init status [--wait]` only\n");
		return 2;
	}
	for (int i = 2; i < argc; i++) {
		wait |= !strcmp(argv[i], "--wait") || !strcmp(argv[i], "-w");
		longer |= !strcmp(argv[i], "--long") || !strcmp(argv[i], "-l");
		json |= strstr(argv[i], "json") != NULL;
	}
	if (wait && !await_result()) {
		(void)fprintf(stderr, "cloud-init: cannot wait for %s: %s\n", CI_RESULT,
			      strerror(errno));
		return 1;
	}
	errors = slurp(CI_ERRORS, SEED_CAP, &n);
	status = access(CI_RESULT, F_OK) != 0 ? "running" : errors && n ? "error" : "done";
	json_errors(&b);
	if (json)
		printf("{\"status\": \"%s\", \"errors\": %s}\n", status, b.p);
	else
		printf("status: %s\n", status);
	if (longer && !json)
		printf("detail:\n%s", errors && n ? errors : "DataSourceNoCloud\n");
	return strcmp(status, "error") == 0;
}
