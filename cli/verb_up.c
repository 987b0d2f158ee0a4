/* SPDX-License-Identifier: Apache-2.0
 *
 * verb_up.c - holos up, holos start.
 */
#include <base/alloc.h>
#include <cli.h>

#include <stdlib.h>
#include <string.h>

static int show(struct engine *e, const char *project, bool json, struct holos_error **err)
{
	_cleanup_(project_status_destroyp) struct project_status *status = NULL;
	int r = project_status_read(engine_state(e), project, &status, err);

	if (r == 0 && json)
		print_json(project_status_json(status));
	else if (r == 0)
		cli_print_project(status);
	return r;
}

static int option_pull(const char *text, enum image_pull *ret, struct holos_error **err)
{
	static const char *const names[] = { "missing", "always", "never" };

	for (int i = 0; i < 3; i++) {
		if (strcmp(text, names[i]) == 0) {
			*ret = (enum image_pull)i;
			return 0;
		}
	}
	return error_set(err, ERR_USAGE, "--pull %s: must be always, missing or never", text);
}

int verb_up(const struct verb *v, int argc, char **argv, struct holos_error **err)
{
	_cleanup_(common_finish) struct common c = COMMON_INIT;
	_cleanup_(strv_finish) struct strv services = STRV_INIT;
	_cleanup_(strv_finish) struct strv recreate = STRV_INIT;
	_cleanup_(project_destroyp) struct project *project = NULL;
	_cleanup_(engine_destroyp) struct engine *e = NULL;
	struct up_options o = { 0 };
	const char *wait_timeout = NULL;
	const char *pull = NULL;
	bool detach, recreate_all = false;
	const struct option_def defs[] = {
		OPTIONS_FILE(c),
		OPTIONS_PROJECT(c),
		{ "detach", 'd', OPTION_FLAG, &detach, NULL, "accepted: up never stays attached" },
		{ "wait", 0, OPTION_FLAG, &o.wait, NULL, "until everything is healthy or answers" },
		{ "wait-timeout", 0, OPTION_VALUE, &wait_timeout, "TIME",
		  "give up waiting after TIME" },
		{ "recreate", 0, OPTION_FLAG, &recreate_all, NULL,
		  "make root disks anew where the file asks for it" },
		{ "no-recreate", 0, OPTION_FLAG, &o.no_recreate, NULL,
		  "only warn where a new root disk is due" },
		{ "adopt", 0, OPTION_FLAG, &o.adopt, NULL,
		  "take the project over from another compose file" },
		{ "pull", 0, OPTION_VALUE, &pull, "WHEN", "images: always, missing or never" },
		{ "locked", 0, OPTION_FLAG, &o.locked, NULL, "only the images of holos.lock" },
		OPTIONS_WORK(c),
		OPTIONS_LOCK(c),
		OPTIONS_STATE(c),
		OPTIONS_JSON(c),
		OPTIONS_END,
	};
	int r = options_parse(v, defs, false, argc, argv, &services, err);

	if (r != 0)
		return r;
	if (pull != NULL) {
		r = option_pull(pull, &o.pull, err);
		if (r < 0)
			return r;
	}
	if (wait_timeout != NULL) {
		r = option_duration("wait-timeout", wait_timeout, &o.wait_timeout_ns, err);
		if (r < 0)
			return r;
		o.wait = true;
	}
	r = cli_project(&c, &services, &project, err);
	if (r == 0)
		r = cli_engine(&c, "up", true, &e, err);
	if (r < 0)
		return r;
	if (recreate_all) /* of the services that were named, or of all */
		strv_add_all(&recreate, services.v);
	if (recreate_all && services.n == 0)
		strv_add(&recreate, "*");
	o.project = project;
	o.services = (const char *const *)services.v;
	o.recreate = (const char *const *)recreate.v;
	r = engine_up(e, &o, err);
	if (r < 0)
		return r;
	return show(e, project->name, c.json, err);
}

int verb_start(const struct verb *v, int argc, char **argv, struct holos_error **err)
{
	_cleanup_(common_finish) struct common c = COMMON_INIT;
	_cleanup_(strv_finish) struct strv operands = STRV_INIT;
	_cleanup_(project_destroyp) struct project *project = NULL;
	_cleanup_(engine_destroyp) struct engine *e = NULL;
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	struct up_options o = { .start_only = true };
	const struct option_def defs[] = {
		OPTIONS_FILE(c),
		OPTIONS_PROJECT(c),
		OPTIONS_WORK(c),
		OPTIONS_LOCK(c),
		OPTIONS_STATE(c),
		OPTIONS_JSON(c),
		{ "wait", 0, OPTION_FLAG, &o.wait, NULL, "until everything is healthy or answers" },
		OPTIONS_END,
	};
	char *const *services;
	int r = options_parse(v, defs, false, argc, argv, &operands, err);

	if (r != 0)
		return r;
	services = operands.v;
	r = cli_engine(&c, "start", true, &e, err);
	if (r < 0)
		return r;
	if (c.project != NULL && c.files.n == 0 && cli_is_project(engine_state(e), c.project))
		r = cli_project_recorded(&c, engine_state(e), c.project, &project, &why);
	else
		r = cli_project(&c, NULL, &project, &why);
	if (operands.n != 0 && c.files.n == 0 && c.project == NULL &&
	    (project == NULL || project_service(project, operands.v[0]) == NULL) &&
	    cli_is_project(engine_state(e), operands.v[0])) {
		/* A known project's name, and no service of the file here. */
		project_destroy(steal_ptr(&project));
		r = cli_project_recorded(&c, engine_state(e), operands.v[0], &project, err);
		services++;
	} else if (r < 0) {
		return error_move(err, &why);
	}
	if (r < 0)
		return r;
	o.project = project;
	o.services = (const char *const *)services;
	r = engine_up(e, &o, err);
	return r < 0 ? r : show(e, project->name, c.json, err);
}
