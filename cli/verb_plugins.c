/* SPDX-License-Identifier: Apache-2.0
 *
 * verb_plugins.c - holos plugins: what is installed, by the manifests; only
 * `show` runs a plugin, to ask whether it can work here.
 */
#include <base/alloc.h>
#include <base/jsonx.h>
#include <cli.h>
#include <plugin/calls.h>
#include <plugin/registry.h>
#include <plugins.h>

#include <stdio.h>
#include <string.h>

static struct json_object *describe(const struct plugin_info *p)
{
	struct json_object *o = json_object_new_object();

	jsonx_set_str(o, "kind", p->kind);
	jsonx_set_str(o, "name", p->name);
	jsonx_set_str(o, "version", p->version);
	jsonx_set_str(o, "abi", p->abi);
	jsonx_set_str(o, "file", p->path);
	jsonx_set_str(o, "state", p->refused != NULL ? "refused" : "ok");
	jsonx_set_str(o, "reason", p->refused);
	jsonx_set_str(o, "summary", p->summary);
	jsonx_set_str(o, "package", p->package);
	return o;
}

static int list(struct registry *reg, bool json)
{
	static const char *const header[] = { "KIND",  "NAME", "VERSION", "ABI",
					      "STATE", "FILE", NULL };
	const struct plugin_info *const *all;
	struct json_object *arr = json_object_new_array();
	struct table *t = table_create("", header);
	size_t n;

	registry_list(reg, &all, &n);
	for (size_t i = 0; i < n; i++) {
		_cleanup_(freep) char *state = all[i]->refused != NULL
						       ? xasprintf("refused: %s", all[i]->refused)
						       : xstrdup("ok");

		json_object_array_add(arr, describe(all[i]));
		table_row(t, all[i]->kind, all[i]->name, all[i]->version, all[i]->abi, state,
			  all[i]->path);
	}
	if (json) {
		table_destroy(t);
		print_json(arr);
		return 0;
	}
	json_object_put(arr);
	table_print(t, stdout);
	return 0;
}

static void print_options(struct json_object *schema)
{
	struct json_object *properties = jsonx_obj(schema, "properties");

	if (properties == NULL || json_object_object_length(properties) == 0) {
		puts("options:  none");
		return;
	}
	puts("options:");
	json_object_object_foreach (properties, key, value) {
		printf("  %-16s %-8s %s\n", key, jsonx_str(value, "type", ""),
		       jsonx_str(value, "description", ""));
	}
}

static int show_one(const struct plugin_info *p, bool json)
{
	_cleanup_(worker_destroyp) struct worker *w = NULL;
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	struct worker_options o = { .label = "plugins" };
	const char *probe = p->refused;

	if (probe == NULL) {
		w = worker_create(NULL, &o);
		probe = plugin_probe(w, p->kind, p->name, &why) == 0 ? "works here" : why->message;
	}
	if (json) {
		struct json_object *d = describe(p);

		jsonx_set_str(d, "probe", probe);
		jsonx_set(d, "options", json_object_get(p->schema));
		jsonx_set_str(d, "license", p->license);
		print_json(d);
		return 0;
	}
	_cleanup_(freep) char *summary = printable(p->summary != NULL ? p->summary : "-");
	_cleanup_(freep) char *said = printable(probe);

	printf("plugin:   %s %s\nsummary:  %s\nversion:  %s\nabi:      %s\nfile:     %s\n"
	       "package:  %s\nlicense:  %s\nprobe:    %s\n",
	       p->kind, p->name, summary, p->version != NULL ? p->version : "-",
	       p->abi != NULL ? p->abi : "-", p->path, p->package != NULL ? p->package : "-",
	       p->license != NULL ? p->license : "-", said);
	print_options(p->schema);
	return 0;
}

/* NAME, or KIND-NAME where several kinds have it. */
static int show(struct registry *reg, const char *name, bool json, struct holos_error **err)
{
	const struct plugin_info *const *all;
	const struct plugin_info *found = NULL;
	size_t n;

	registry_list(reg, &all, &n);
	for (size_t i = 0; i < n; i++) {
		_cleanup_(freep) char *full = xasprintf("%s-%s", all[i]->kind, all[i]->name);

		if (strcmp(full, name) == 0)
			return show_one(all[i], json);
		if (strcmp(all[i]->name, name) != 0)
			continue;
		if (found != NULL)
			return error_set(err, ERR_USAGE,
					 "several plugins are called \"%s\": say %s-%s or "
					 "%s-%s",
					 name, found->kind, found->name, all[i]->kind,
					 all[i]->name);
		found = all[i];
	}
	if (found == NULL) {
		error_set(err, ERR_FAILED, "no plugin \"%s\" is installed", name);
		error_hint(err, "holos plugins lists them");
		return -ERR_FAILED;
	}
	return show_one(found, json);
}

/* The subcommands; without one, the list. */
static int dispatch(struct registry *reg, const struct strv *operands, const char *package,
		    bool json, struct holos_error **err)
{
	const char *sub = operands->v[0];
	struct strv files = { .v = operands->v + 1, .n = operands->n - 1 };

	if (strcmp(sub, "show") == 0) {
		if (operands->n != 2)
			return error_set(err, ERR_USAGE,
					 "plugins show needs the name of one plugin");
		return show(reg, operands->v[1], json, err);
	}
	if (strcmp(sub, "check") == 0) {
		if (files.n == 0)
			return error_set(err, ERR_USAGE, "plugins check needs a plugin file");
		return plugins_check(&files, json, err);
	}
	if (strcmp(sub, "manifest") == 0) {
		if (files.n != 1)
			return error_set(err, ERR_USAGE, "plugins manifest needs one plugin file");
		return plugins_manifest(files.v[0], package, err);
	}
	return verb_unknown_word(&entry_plugins, sub, err);
}

int verb_plugins(const struct verb *v, int argc, char **argv, struct holos_error **err)
{
	_cleanup_(strv_finish) struct strv operands = STRV_INIT;
	_cleanup_(registry_destroyp) struct registry *reg = NULL;
	const char *package = NULL;
	bool json = false;
	const struct option_def defs[] = {
		{ "json", 0, OPTION_FLAG, &json, NULL, "print JSON" },
		{ "package", 0, OPTION_VALUE, &package, "NAME",
		  "for manifest: the package it is in" },
		OPTIONS_END,
	};
	int r = options_parse(v, defs, false, argc, argv, &operands, err);

	if (r != 0)
		return r;
	reg = registry_create(NULL);
	return operands.n == 0 ? list(reg, json) : dispatch(reg, &operands, package, json, err);
}

const struct verb entry_plugins = {
	.name = "plugins",
	.operands = "[show PLUGIN | check FILE... | manifest FILE]",
	.summary = "list the plugins",
	.run = verb_plugins,
	.group = GROUP_SELF,
	.examples = {
		{ "holos plugins", "what is installed" },
		{ "holos plugins show debian", "one, and whether it works here" },
		{ "holos plugins check ./holos-health-x.so", "does it keep the rules?" },
	},
};
