/* SPDX-License-Identifier: Apache-2.0
 *
 * verb_down.c - holos down: by the record alone, without the compose file.
 */
#include <base/alloc.h>
#include <base/jsonx.h>
#include <cli.h>

#include <stdio.h>

/* The first operand names a project, known or not, unless it is a service or an
 * instance of the one that is meant here. */
static int resolve(const struct common *c, const struct state *s, const struct strv *operands,
		   char **ret_project, char *const **ret_names, struct holos_error **err)
{
	_cleanup_(project_status_destroyp) struct project_status *p = NULL;
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	struct common named = *c;
	int r = cli_resolve(c, s, operands, ret_project, ret_names, &why);

	if (operands->n == 0 || c->project != NULL || *ret_names != operands->v)
		return r < 0 ? error_move(err, &why) : 0;
	if (r == 0) {
		r = project_status_read(s, *ret_project, &p, err);
		if (r < 0 || project_status_find(p, operands->v[0], NULL) == 0)
			return r;
		freep(ret_project);
	}
	named.project = operands->v[0];
	*ret_names = operands->v + 1;
	return cli_project_name(&named, s, ret_project, err);
}

static void report(const char *project, bool found, const struct strv *names, bool json)
{
	if (json) {
		struct json_object *o = json_object_new_object();

		jsonx_set_str(o, "project", project);
		jsonx_set_bool(o, "removed", found);
		jsonx_set(o, "names", jsonx_from_strv(names->v));
		print_json(o);
	} else if (!found) {
		fprintf(stderr, "project \"%s\" is not there: nothing to remove\n", project);
	} else if (names->n != 0) {
		_cleanup_(freep) char *list = strv_join(names->v, ", ");

		printf("%s of project \"%s\" removed\n", list, project);
	} else {
		printf("project \"%s\" removed\n", project);
	}
}

int verb_down(const struct verb *v, int argc, char **argv, struct holos_error **err)
{
	_cleanup_(common_finish) struct common c = COMMON_INIT;
	_cleanup_(strv_finish) struct strv operands = STRV_INIT;
	_cleanup_(strv_finish) struct strv names = STRV_INIT;
	_cleanup_(engine_destroyp) struct engine *e = NULL;
	_cleanup_(freep) char *project = NULL;
	struct stop_options o = { 0 };
	const char *timeout = NULL;
	bool volumes = false, found = false;
	char *const *rest = NULL;
	const struct option_def defs[] = {
		OPTIONS_FILE(c),
		OPTIONS_PROJECT(c),
		{ "volumes", 'v', OPTION_FLAG, &volumes, NULL, "remove the named volumes as well" },
		OPTION_TIMEOUT(timeout),
		OPTIONS_WORK(c),
		OPTIONS_LOCK(c),
		OPTIONS_STATE(c),
		OPTIONS_JSON(c),
		OPTIONS_END,
	};
	int r = options_parse(v, defs, false, argc, argv, &operands, err);

	if (r != 0)
		return r;
	r = option_grace(timeout, &o, err);
	if (r == 0)
		r = cli_engine(&c, "down", true, &e, err);
	if (r == 0)
		r = resolve(&c, engine_state(e), &operands, &project, &rest, err);
	if (r < 0)
		return r;
	strv_add_all(&names, rest);
	if (volumes && names.n != 0) {
		error_set(err, ERR_USAGE,
			  "--volumes removes those of the whole project, and %s is "
			  "a part of it",
			  names.v[0]);
		error_hint(err, "holos volume rm -p %s NAME removes one", project);
		return -ERR_USAGE;
	}
	o.names = (const char *const *)names.v;
	r = engine_down(e, project, &o, volumes, &found, err);
	if (r == 0)
		report(project, found, &names, c.json);
	return r;
}

const struct verb entry_down = {
	.name = "down",
	.operands = "[PROJECT] [SERVICE...]",
	.summary = "stop and remove the VMs and their root disks",
	.run = verb_down,
	.group = GROUP_LIFE,
	.more = "Named volumes, keys and images stay; --volumes removes the volumes as "
		"well. What is not there is no error.",
	.examples = {
		{ "holos down", "the project here" },
		{ "holos down demo", "a project by its name" },
		{ "holos down web", "the VMs of one service" },
	},
};
