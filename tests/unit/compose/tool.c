/* SPDX-License-Identifier: Apache-2.0
 *
 * tool.c - the loader for test scripts.
 *
 *   compose-tool --schema       print the JSON Schema
 *   compose-tool --check DIR    for each file of DIR, in order of name: one line
 *                               "NAME ok" or "NAME bad", then its messages, each
 *                               behind a tab
 */
#include <base/alloc.h>
#include <base/fs.h>
#include <base/jsonx.h>
#include <base/strv.h>
#include <compose/project.h>
#include <compose/schema.h>

#include <stdio.h>
#include <string.h>

static void check(const char *dir, const char *name)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	_cleanup_(project_destroyp) struct project *p = NULL;
	const char *files[] = { name, NULL };
	struct project_options opts = { .files = files, .cwd = dir, .name = "test" };
	bool good = project_load(&opts, &p, &err) == 0;

	printf("%s %s\n", name, good ? "ok" : "bad");
	for (const struct holos_error *e = err; e != NULL; e = e->next)
		printf("\t%s\n", e->message);
}

int main(int argc, char **argv)
{
	_cleanup_(strv_finish) struct strv names = STRV_INIT;
	_cleanup_(closedirp) DIR *dir = NULL;

	if (argc == 2 && strcmp(argv[1], "--schema") == 0) {
		_cleanup_(json_putp) struct json_object *o = compose_schema();
		_cleanup_(freep) char *text = jsonx_pretty(o);

		puts(text);
		return 0;
	}
	if (argc != 3 || strcmp(argv[1], "--check") != 0 || (dir = opendir(argv[2])) == NULL)
		return 2;
	for (struct dirent *e; (e = readdir(dir)) != NULL;) {
		if (e->d_name[0] != '.')
			strv_add(&names, e->d_name);
	}
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++)
		check(argv[2], names.v[i]);
	return 0;
}
