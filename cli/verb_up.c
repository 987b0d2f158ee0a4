/* SPDX-License-Identifier: Apache-2.0
 *
 * verb_up.c - holos up, holos start.
 */
#include <base/alloc.h>
#include <base/units.h>
#include <cli.h>

#include <stdlib.h>
#include <string.h>

#define SCALE_MAX 256 /* as for replicas */

/* What `up` was told on the command line. */
struct up_cli {
	struct common common;
	struct up_options o;
	struct strv services, recreate_words, recreate, scale_words;
	struct service_scale *scale;
	const char *wait_timeout, *pull;
	bool detach, dry_run;
};

static void finish(struct up_cli *u)
{
	common_finish(&u->common);
	strv_finish(&u->services);
	strv_finish(&u->recreate_words);
	strv_finish(&u->recreate);
	strv_finish(&u->scale_words);
	free(u->scale);
}

/* SERVICE=N; the word is cut in two. */
static int parse_scale(struct up_cli *u, struct holos_error **err)
{
	struct common *c = &u->common;

	u->scale = xcalloc(u->scale_words.n, sizeof(*u->scale));
	for (size_t i = 0; i < u->scale_words.n; i++) {
		char *word = u->scale_words.v[i], *number = strchr(word, '=');
		int64_t n;

		if (number == NULL || number == word ||
		    units_parse_int(number + 1, 0, SCALE_MAX, &n) < 0)
			return error_set(err, ERR_USAGE,
					 "--scale %s: must be SERVICE=N, with N from 0 to %d", word,
					 SCALE_MAX);
		*number = '\0';
		u->scale[i] = (struct service_scale){ word, (unsigned)n };
	}
	u->o.scaled = (const char *const *)u->scale_words.v;
	c->scale = u->scale;
	c->n_scale = u->scale_words.n;
	return 0;
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

/* --recreate alone is for the services that were named, or for all. */
static void choose_recreate(struct up_cli *u)
{
	for (size_t i = 0; i < u->recreate_words.n; i++) {
		const char *word = u->recreate_words.v[i];

		if (*word != '\0')
			strv_add(&u->recreate, word);
		else if (u->services.n != 0)
			strv_add_all(&u->recreate, u->services.v);
		else
			strv_add(&u->recreate, "*");
	}
}

static int check_options(struct up_cli *u, struct holos_error **err)
{
	struct up_options *o = &u->o;
	int r = 0;

	if (o->no_recreate && (u->recreate_words.n != 0 || o->assume_yes))
		return error_set(err, ERR_USAGE, "--no-recreate and %s contradict each other",
				 u->recreate_words.n != 0 ? "--recreate" : "--yes");
	if (u->wait_timeout != NULL) {
		r = option_duration("wait-timeout", u->wait_timeout, &o->wait_timeout_ns, err);
		o->wait = true;
	}
	if (r == 0 && u->pull != NULL)
		r = option_pull(u->pull, &o->pull, err);
	if (r == 0)
		r = parse_scale(u, err);
	choose_recreate(u);
	o->services = (const char *const *)u->services.v;
	o->recreate = (const char *const *)u->recreate.v;
	o->ask = cli_can_ask() && !o->assume_yes ? cli_ask_losses : NULL;
	return r;
}

static int dry_run(struct up_cli *u, struct engine *e, struct holos_error **err)
{
	struct json_object *plan = NULL;
	int r = engine_up_plan(e, &u->o, &plan, err);

	if (plan != NULL && u->common.json) {
		print_json(plan);
	} else if (plan != NULL) {
		cli_print_up_plan(plan);
		json_object_put(plan);
	}
	return r;
}

static int up(struct up_cli *u, struct holos_error **err)
{
	_cleanup_(project_destroyp) struct project *project = NULL;
	_cleanup_(engine_destroyp) struct engine *e = NULL;
	int r = check_options(u, err);

	if (r == 0)
		r = cli_project(&u->common, &u->services, &project, err);
	if (r == 0)
		r = cli_engine(&u->common, "up", !u->dry_run, &e, err);
	if (r < 0)
		return r;
	u->o.project = project;
	if (u->dry_run)
		return dry_run(u, e, err);
	r = engine_up(e, &u->o, err);
	return r < 0 ? r : cli_show_project(e, project->name, u->common.json, err);
}

int verb_up(const struct verb *v, int argc, char **argv, struct holos_error **err)
{
	_cleanup_(finish) struct up_cli u = { .common = COMMON_INIT };
	const struct option_def defs[] = {
		OPTIONS_FILE(u.common),
		OPTIONS_PROJECT(u.common),
		{ "detach", 'd', OPTION_FLAG, &u.detach, NULL,
		  "accepted: up never stays attached" },
		{ "dry-run", 0, OPTION_FLAG, &u.dry_run, NULL,
		  "tell what would be done and why; change nothing" },
		{ "wait", 0, OPTION_FLAG, &u.o.wait, NULL,
		  "until everything is healthy or answers" },
		{ "wait-timeout", 0, OPTION_VALUE, &u.wait_timeout, "TIME",
		  "give up waiting after TIME" },
		{ "recreate", 0, OPTION_NAMES, &u.recreate_words, "[=SERVICE]",
		  "make root disks anew where the file asks for it: of SERVICE, or of all named" },
		{ "no-recreate", 0, OPTION_FLAG, &u.o.no_recreate, NULL,
		  "only warn where a new root disk is due" },
		{ "yes", 'y', OPTION_FLAG, &u.o.assume_yes, NULL,
		  "destroy root disks without asking, where the file asks for it" },
		{ "scale", 0, OPTION_LIST, &u.scale_words, "SERVICE=N",
		  "so many replicas, this time (the next up follows the file again)" },
		{ "no-deps", 0, OPTION_FLAG, &u.o.no_deps, NULL,
		  "only the services named, not what they depend on" },
		{ "remove-orphans", 0, OPTION_FLAG, &u.o.remove_orphans, NULL,
		  "remove VMs that the file does not name any more" },
		{ "adopt", 0, OPTION_FLAG, &u.o.adopt, NULL,
		  "take the project over from another compose file" },
		{ "pull", 0, OPTION_VALUE, &u.pull, "WHEN", "images: always, missing or never" },
		{ "locked", 0, OPTION_FLAG, &u.o.locked, NULL, "only the images of holos.lock" },
		OPTIONS_WORK(u.common),
		OPTIONS_LOCK(u.common),
		OPTIONS_STATE(u.common),
		OPTIONS_JSON(u.common),
		OPTIONS_END,
	};
	int r = options_parse(v, defs, false, argc, argv, &u.services, err);

	return r != 0 ? r : up(&u, err);
}

const struct verb entry_up = {
	.name = "up",
	.operands = "[SERVICE...]",
	.summary = "start the VMs of the compose file",
	.run = verb_up,
	.group = GROUP_LIFE,
	.more = "Compares the file with what is there and does what the difference asks"
		" for: starts VMs, makes new ones, restarts those whose machine "
		"changed. Without names, all services; with names, those and what they "
		"depend on. It returns when the VMs run and the conditions between "
		"services hold, and leaves them running.\n\n"
		"A change that needs a new root disk is only made with --recreate, or "
		"after a yes.",
	.examples = {
		{ "holos up", "start everything, dependencies first" },
		{ "holos up --wait", "and wait until all is healthy" },
		{ "holos up --dry-run", "what would be done, and why" },
		{ "holos up --recreate web", "web with a new root disk, where the file asks for one" },
		{ "holos up --scale web=3", "three replicas of web, this time" },
	},
};

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
	return r < 0 ? r : cli_show_project(e, project->name, c.json, err);
}

const struct verb entry_start = {
	.name = "start",
	.operands = "[SERVICE...|PROJECT]",
	.summary = "start VMs that were stopped",
	.run = verb_start,
	.group = GROUP_LIFE,
	.more = "Starts what is down, with what it depends on, as it was: nothing of a "
		"changed compose file is taken up.",
	.examples = {
		{ "holos start", "all of the project here" },
		{ "holos start db", "one service, and what it depends on" },
	},
};
