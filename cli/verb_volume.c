/* SPDX-License-Identifier: Apache-2.0
 *
 * verb_volume.c - holos volume ls, holos volume rm: named volumes, also of
 * projects that are down.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/jsonx.h>
#include <base/units.h>
#include <cli.h>
#include <engine/volumes.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct volume_options {
	struct common c;
	struct strv operands;
	bool yes, quiet;
};

static char *size_text(uint64_t size)
{
	char buf[32];

	return xstrdup(size != 0 ? units_format_size(size, buf) : "-");
}

static void add_json(struct json_object *arr, const char *project, const struct volume_info *v,
		     const struct vm_status *user)
{
	struct json_object *o = json_object_new_object();
	char changed[40];

	jsonx_set_str(o, "project", project);
	jsonx_set_str(o, "name", v->name);
	jsonx_set_int(o, "size", (int64_t)v->size);
	jsonx_set_int(o, "used", (int64_t)v->used);
	jsonx_set_str(o, "in_use_by", user != NULL ? user->name : NULL);
	jsonx_set_bool(o, "formatted", !v->fresh);
	jsonx_set_str(o, "last_written", clock_rfc3339(&v->changed, changed));
	json_object_array_add(arr, o);
}

static void add_row(struct table *t, const char *project, const struct volume_info *v,
		    const struct vm_status *user)
{
	_cleanup_(freep) char *size = size_text(v->size);
	_cleanup_(freep) char *used = size_text(v->used);
	char changed[40];
	char *dot;

	clock_rfc3339(&v->changed, changed);
	dot = strchr(changed, '.'); /* to the second: "2026-11-23T19:27:55Z" */
	if (dot != NULL)
		strcpy(dot, "Z");
	table_row(t, project, v->name, size, used, user != NULL ? user->name : "-", changed);
}

static int list_project(const struct state *s, const char *project, struct json_object *arr,
			struct table *t, const struct volume_options *o, struct holos_error **err)
{
	_cleanup_(project_status_destroyp) struct project_status *p = NULL;
	struct volume_info *list = NULL;
	size_t n = 0;
	int r = volumes_list(s, project, &list, &n, err);

	if (r == 0 && n != 0)
		r = project_status_read(s, project, &p, err);
	for (size_t i = 0; i < n && r == 0; i++) {
		const struct vm_status *user = project_status_volume_user(p, list[i].name);

		if (o->quiet)
			puts(list[i].name);
		else if (o->c.json)
			add_json(arr, project, &list[i], user);
		else
			add_row(t, project, &list[i], user);
	}
	volumes_list_free(list, n);
	return r;
}

static int volume_ls(struct volume_options *o, struct holos_error **err)
{
	static const char *const header[] = { "PROJECT", "VOLUME",       "SIZE", "USED",
					      "USED BY", "LAST WRITTEN", NULL };
	_cleanup_(freep) char *dir = state_default_dir(o->c.state_dir);
	_cleanup_(state_closep) struct state *s = NULL;
	_cleanup_(strv_finish) struct strv projects = STRV_INIT;
	struct json_object *arr = json_object_new_array();
	struct table *t = table_create("", header);
	char *name = NULL;
	int r = options_at_most(&o->operands, 0, err);

	if (r == 0)
		r = state_open(dir, false, &s, err);
	if (r == 0 && (o->c.project != NULL || o->c.files.n != 0)) {
		r = cli_project_name(&o->c, s, &name, err);
		if (r == 0)
			strv_take(&projects, name);
	} else if (r == 0) {
		r = state_list_volumes(s, &projects, err);
	}
	for (size_t i = 0; i < projects.n && r == 0; i++)
		r = list_project(s, projects.v[i], arr, t, o, err);
	if (r == 0 && o->c.json && !o->quiet)
		print_json(arr);
	else
		json_object_put(arr);
	if (r == 0 && !o->c.json && !o->quiet)
		table_print(t, stdout);
	else
		table_destroy(t);
	return r;
}

static int ask(const char *project, const struct strv *disks, struct holos_error **err)
{
	_cleanup_(freep) char *list = strv_join(disks->v, ", ");

	return cli_confirm(err, "remove volume%s %s of project \"%s\", with all that is on %s",
			   disks->n > 1 ? "s" : "", list, project, disks->n > 1 ? "them" : "it");
}

static int volume_rm(struct volume_options *o, struct holos_error **err)
{
	_cleanup_(engine_destroyp) struct engine *e = NULL;
	_cleanup_(project_status_destroyp) struct project_status *p = NULL;
	_cleanup_(strv_finish) struct strv disks = STRV_INIT;
	_cleanup_(freep) char *project = NULL;
	const char *const *names = (const char *const *)o->operands.v;
	int r;

	if (o->operands.n == 0)
		return error_set(err, ERR_USAGE, "volume rm needs the name of a volume");
	r = cli_engine(&o->c, "volume rm", true, &e, err);
	if (r == 0)
		r = cli_project_name(&o->c, engine_state(e), &project, err);
	if (r == 0)
		r = project_status_read(engine_state(e), project, &p, err);
	if (r == 0)
		r = project_status_check(p, err);
	if (r == 0)
		r = volumes_find(engine_state(e), p, names, &disks, err);
	if (r == 0 && !o->yes)
		r = ask(project, &disks, err);
	if (r == 0)
		r = engine_remove_volumes(e, project, names, err);
	return r;
}

int verb_volume(const struct verb *v, int argc, char **argv, struct holos_error **err)
{
	struct volume_options o = { .c = COMMON_INIT };
	const struct option_def defs[] = {
		OPTIONS_FILE(o.c),
		OPTIONS_PROJECT(o.c),
		{ "yes", 'y', OPTION_FLAG, &o.yes, NULL, "rm: do not ask" },
		{ "quiet", 'q', OPTION_FLAG, &o.quiet, NULL, "ls: names alone" },
		OPTIONS_LOCK(o.c),
		OPTIONS_STATE(o.c),
		OPTIONS_JSON(o.c),
		OPTIONS_END,
	};
	_cleanup_(freep) char *what = NULL;
	int r = options_parse(v, defs, false, argc, argv, &o.operands, err);

	if (r == 0 && o.operands.n != 0) {
		what = o.operands.v[0];
		memmove(o.operands.v, o.operands.v + 1, o.operands.n * sizeof(*o.operands.v));
		o.operands.n--;
	}
	if (r == 0 && what != NULL && (strcmp(what, "ls") == 0 || strcmp(what, "list") == 0)) {
		r = volume_ls(&o, err);
	} else if (r == 0 && what != NULL &&
		   (strcmp(what, "rm") == 0 || strcmp(what, "remove") == 0)) {
		r = volume_rm(&o, err);
	} else if (r == 0) {
		r = verb_unknown_word(v, what, err);
	}
	common_finish(&o.c);
	strv_finish(&o.operands);
	return r;
}

const struct verb entry_volume = {
	.name = "volume",
	.operands = "ls | rm VOLUME...",
	.summary = "list or remove named volumes",
	.run = verb_volume,
	.group = GROUP_STORE,
	.examples = {
		{ "holos volume ls", "of all projects, also of those that are down" },
		{ "holos volume rm -p demo data", "remove one, with all that is on it" },
	},
};
