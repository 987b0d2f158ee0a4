/* SPDX-License-Identifier: Apache-2.0
 *
 * verb_config.c - holos config: the resolved model, or a part of it.
 */
#include <base/alloc.h>
#include <base/jsonx.h>
#include <cli.h>
#include <compose/output.h>
#include <compose/schema.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct config {
	struct common common;
	bool hash, services, images, volumes, variables, no_interpolate, schema, quiet;
};

static int print_hashes(const struct project *p, const char *name, bool json,
			struct holos_error **err)
{
	struct json_object *o = json_object_new_object();

	if (name != NULL && project_service(p, name) == NULL) {
		json_object_put(o);
		return error_set(err, ERR_FAILED, "service \"%s\" not found in project \"%s\"",
				 name, p->name);
	}
	for (size_t i = 0; i < p->n_services; i++) {
		const struct service *s = &p->services[p->order[i]];
		struct service_hashes h;

		if (name != NULL && strcmp(s->name, name) != 0)
			continue;
		service_hash(p, s, &h);
		if (json)
			jsonx_set_str(o, s->name, h.all);
		else
			printf("%s %s\n", s->name, h.all);
	}
	if (json)
		print_json(o);
	else
		json_object_put(o);
	return 0;
}

/* One word a line, or a JSON array. */
static void print_list(const struct strv *list, bool json)
{
	if (json) {
		print_json(jsonx_from_strv(list->v));
		return;
	}
	for (size_t i = 0; i < list->n; i++)
		puts(list->v[i]);
}

static void print_names(const struct project *p, const struct config *c)
{
	_cleanup_(strv_finish) struct strv list = STRV_INIT;

	for (size_t i = 0; c->services && i < p->n_services; i++)
		strv_add(&list, p->services[p->order[i]].name);
	for (size_t i = 0; c->images && i < p->n_services; i++) {
		const char *image = p->services[p->order[i]].image;

		if (image != NULL && !strv_has(&list, image))
			strv_add(&list, image);
	}
	for (size_t i = 0; c->volumes && i < p->n_volumes; i++)
		strv_add(&list, p->volumes[i].name);
	print_list(&list, c->common.json);
}

static void print_variables(const struct project *p, bool json)
{
	static const char *const header[] = { "NAME", "VALUE", "FROM", NULL };
	struct json_object *arr = json_object_new_array();
	struct table *t = table_create("", header);

	for (size_t i = 0; i < p->n_variables; i++) {
		const struct variable *v = &p->variables[i];
		struct json_object *o = json_object_new_object();

		jsonx_set_str(o, "name", v->name);
		jsonx_set_str(o, "value", v->value);
		jsonx_set_str(o, "from", v->origin);
		json_object_array_add(arr, o);
		table_row(t, v->name, v->value, v->origin);
	}
	if (json) {
		table_destroy(t);
		print_json(arr);
	} else {
		json_object_put(arr);
		table_print(t, stdout);
	}
}

static int print_model(const struct project *p, const struct config *c, const char *service,
		       struct holos_error **err)
{
	_cleanup_(freep) char *yaml = NULL;

	if (c->hash)
		return print_hashes(p, service, c->common.json, err);
	if (c->services || c->images || c->volumes) {
		print_names(p, c);
	} else if (c->variables) {
		print_variables(p, c->common.json);
	} else if (c->common.json) {
		print_json(project_to_json(p));
	} else if (!c->quiet) {
		yaml = project_to_yaml(p);
		fputs(yaml, stdout);
	}
	return 0;
}

static int config(const struct config *c, const struct strv *operands, struct holos_error **err)
{
	_cleanup_(project_destroyp) struct project *p = NULL;
	_cleanup_(freep) char *yaml = NULL;
	int r = options_at_most(operands, c->hash ? 1 : 0, err);

	if (r < 0)
		return r;
	if (c->schema) {
		print_json(compose_schema());
		return 0;
	}
	if (c->no_interpolate) {
		r = cli_project_merged(&c->common, &yaml, err);
		if (r == 0)
			fputs(yaml, stdout);
		return r;
	}
	r = cli_project(&c->common, NULL, &p, err);
	/* What they are, a Dockerfile has a say in. */
	if (r == 0 && (c->hash || c->images))
		r = cli_build(&c->common, "config", p, err);
	return r < 0 ? r : print_model(p, c, operands->n != 0 ? operands->v[0] : NULL, err);
}

int verb_config(const struct verb *v, int argc, char **argv, struct holos_error **err)
{
	struct config c = { .common = COMMON_INIT };
	_cleanup_(strv_finish) struct strv operands = STRV_INIT;
	const struct option_def defs[] = {
		OPTIONS_FILE(c.common),
		OPTIONS_PROJECT(c.common),
		OPTIONS_STATE(c.common),
		OPTIONS_JSON(c.common),
		{ "quiet", 'q', OPTION_FLAG, &c.quiet, NULL, "only check: the exit status tells" },
		{ "hash", 0, OPTION_FLAG, &c.hash, NULL, "hashes of the services, or of SERVICE" },
		{ "services", 0, OPTION_FLAG, &c.services, NULL,
		  "names of the services, in start order" },
		{ "images", 0, OPTION_FLAG, &c.images, NULL, "the images" },
		{ "volumes", 0, OPTION_FLAG, &c.volumes, NULL, "names of the volumes" },
		{ "variables", 0, OPTION_FLAG, &c.variables, NULL,
		  "variables used, and where from" },
		{ "no-interpolate", 0, OPTION_FLAG, &c.no_interpolate, NULL,
		  "leave ${...} as it stands" },
		{ "schema", 0, OPTION_FLAG, &c.schema, NULL, "the JSON Schema of compose files" },
		OPTIONS_END,
	};
	int r = options_parse(v, defs, false, argc, argv, &operands, err);

	if (r == 0)
		r = config(&c, &operands, err);
	common_finish(&c.common);
	return r;
}

const struct verb entry_config = {
	.name = "config",
	.operands = "[SERVICE]",
	.summary = "print the resolved compose file",
	.run = verb_config,
	.group = GROUP_FILE,
	.examples = {
		{ "holos config", "variables replaced, files merged, defaults filled in" },
		{ "holos config --variables", "which variables were used, and where from" },
		{ "holos config --schema > holos.schema.json", "for editors" },
	},
};
