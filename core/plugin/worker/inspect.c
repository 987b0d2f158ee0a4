/* SPDX-License-Identifier: Apache-2.0
 *
 * inspect.c - the state of this process that plugins must leave alone, for the
 * conformance checker: it asks before a plugin is loaded and after it was closed.
 */
#include <plugin/worker/worker.h>

#include <base/alloc.h>
#include <base/fs.h>
#include <base/jsonx.h>

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STATUS_MAX 65536

/* Names in a directory of /proc, with what links lead to; without the descriptor
 * that reads them. */
static struct json_object *list_dir(const char *path)
{
	_cleanup_(closedirp) DIR *d = opendir(path);
	struct json_object *list = json_object_new_object();
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL) {
		char target[PATH_MAX];
		ssize_t n = readlinkat(dirfd(d), e->d_name, target, sizeof(target) - 1);

		if (e->d_name[0] == '.' || atoi(e->d_name) == dirfd(d))
			continue;
		target[n > 0 ? n : 0] = '\0';
		if (text_is_utf8(target))
			jsonx_set_str(list, e->d_name, target);
	}
	return list;
}

/* "SigCgt:\t0000" of /proc/self/status as a member of state. */
static void add_status(struct json_object *state)
{
	static const char *const wanted[] = { "Umask", "SigBlk", "SigIgn", "SigCgt", "Threads" };
	_cleanup_(strbuf_finish) struct strbuf b = STRBUF_INIT;

	if (fs_read(AT_FDCWD, "/proc/self/status", STATUS_MAX, &b, NULL) < 0)
		return;
	for (char *line = b.s, *next; line != NULL && *line != '\0'; line = next) {
		char *colon = strchr(line, ':');

		next = strchr(line, '\n');
		if (next != NULL)
			*next++ = '\0';
		if (colon == NULL)
			continue;
		*colon = '\0';
		for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
			if (strcmp(line, wanted[i]) == 0)
				jsonx_set_str(state, wanted[i],
					      colon + 1 + strspn(colon + 1, " \t"));
		}
	}
}

static holos_status snapshot(struct holos_call *c)
{
	struct json_object *env = json_object_new_object();
	_cleanup_(freep) char *cwd = getcwd(NULL, 0);
	_cleanup_(strbuf_finish) struct strbuf children = STRBUF_INIT;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%ld/children", (long)getpid());
	if (fs_read(AT_FDCWD, path, STATUS_MAX, &children, NULL) == 0)
		jsonx_set_str(c->result, "children", children.len != 0 ? children.s : "");
	for (char **e = environ; e != NULL && *e != NULL; e++) {
		_cleanup_(freep) char *name = xstrndup(*e, strcspn(*e, "="));

		if (text_is_utf8(*e))
			jsonx_set_str(env, name, *e + strlen(name));
	}
	jsonx_set(c->result, "environment", env);
	jsonx_set(c->result, "descriptors", list_dir("/proc/self/fd"));
	jsonx_set_str(c->result, "directory", cwd);
	jsonx_set_str(c->result, "locale", setlocale(LC_ALL, NULL));
	add_status(c->result);
	return HOLOS_OK;
}

holos_status inspect_run(struct holos_call *c, const char *op)
{
	if (strcmp(op, "snapshot") == 0)
		return snapshot(c);
	if (strcmp(op, "close") == 0) {
		instances_finish();
		plugins_rest();
		return HOLOS_OK;
	}
	return call_fail(c, HOLOS_E_INTERNAL, "the worker has no operation \"%s\"", op);
}
