/* SPDX-License-Identifier: Apache-2.0
 *
 * verb_stop.c - holos stop, holos down: by the record alone, without the
 * compose file, the network or an image.
 */
#include <base/alloc.h>
#include <cli.h>

#include <stdio.h>
#include <string.h>

int verb_stop(const struct verb *v, int argc, char **argv, struct holos_error **err)
{
	_cleanup_(common_finish) struct common c = COMMON_INIT;
	_cleanup_(strv_finish) struct strv operands = STRV_INIT;
	_cleanup_(engine_destroyp) struct engine *e = NULL;
	_cleanup_(project_status_destroyp) struct project_status *status = NULL;
	_cleanup_(freep) char *project = NULL;
	char *const *services;
	const struct option_def defs[] = {
		OPTIONS_FILE(c),  OPTIONS_PROJECT(c), OPTIONS_WORK(c), OPTIONS_LOCK(c),
		OPTIONS_STATE(c), OPTIONS_JSON(c),    OPTIONS_END,
	};
	int r = options_parse(v, defs, false, argc, argv, &operands, err);

	if (r != 0)
		return r;
	r = cli_engine(&c, "stop", true, &e, err);
	if (r == 0)
		r = cli_resolve(&c, engine_state(e), &operands, &project, &services, err);
	if (r == 0)
		r = engine_stop(e, project, (const char *const *)services, false, err);
	if (r == 0)
		r = project_status_read(engine_state(e), project, &status, err);
	if (r < 0)
		return r;
	if (c.json)
		print_json(project_status_json(status));
	else
		cli_print_project(status);
	return 0;
}

int verb_down(const struct verb *v, int argc, char **argv, struct holos_error **err)
{
	_cleanup_(common_finish) struct common c = COMMON_INIT;
	_cleanup_(strv_finish) struct strv operands = STRV_INIT;
	_cleanup_(engine_destroyp) struct engine *e = NULL;
	_cleanup_(freep) char *project = NULL;
	bool volumes = false, found = false;
	const struct option_def defs[] = {
		OPTIONS_FILE(c),
		OPTIONS_PROJECT(c),
		{ "volumes", 'v', OPTION_FLAG, &volumes, NULL, "remove the named volumes as well" },
		OPTIONS_WORK(c),
		OPTIONS_LOCK(c),
		OPTIONS_STATE(c),
		OPTIONS_END,
	};
	int r = options_parse(v, defs, false, argc, argv, &operands, err);

	if (r != 0)
		return r;
	r = options_at_most(&operands, 1, err);
	if (r == 0 && operands.n == 1)
		c.project = operands.v[0];
	if (r == 0)
		r = cli_engine(&c, "down", true, &e, err);
	if (r == 0)
		r = cli_project_name(&c, engine_state(e), &project, err);
	if (r == 0)
		r = engine_down(e, project, volumes, &found, err);
	if (r < 0)
		return r;
	if (found)
		printf("project \"%s\" removed\n", project);
	else
		fprintf(stderr, "project \"%s\" is not there: nothing to remove\n", project);
	return 0;
}
