/* SPDX-License-Identifier: Apache-2.0
 *
 * verb_plugins_check.c - holos plugins check and manifest, for authors of plugins.
 */
#include <base/alloc.h>
#include <base/jsonx.h>
#include <cli.h>
#include <plugin/check.h>
#include <plugins.h>

#include <stdio.h>

struct checking {
	bool json;
	unsigned rules, broken;
	struct json_object *list; /* of one file's rules */
};

static void on_rule(void *data, const char *rule, bool ok, const char *detail)
{
	struct checking *c = data;
	_cleanup_(freep) char *rule_text = printable(rule);
	_cleanup_(freep) char *text = detail != NULL ? printable(detail) : NULL;

	c->rules++;
	c->broken += !ok;
	if (c->json) {
		struct json_object *o = json_object_new_object();

		jsonx_set_str(o, "rule", rule_text);
		jsonx_set_bool(o, "ok", ok);
		jsonx_set_str(o, "detail", text);
		json_object_array_add(c->list, o);
		return;
	}
	printf("  %s  %s%s%s\n", ok ? "ok  " : "FAIL", rule_text, text != NULL ? ": " : "",
	       text != NULL ? text : "");
	fflush(stdout); /* the next rule may take its time */
}

int plugins_check(const struct strv *files, bool json, struct holos_error **err)
{
	struct checking c = { .json = json };
	struct json_object *all = json_object_new_array();
	unsigned bad = 0;
	int r = 0;

	for (size_t i = 0; i < files->n && r >= 0; i++) {
		struct json_object *o = json_object_new_object();

		c.list = json_object_new_array();
		jsonx_set_str(o, "file", files->v[i]);
		jsonx_set(o, "rules", c.list);
		json_object_array_add(all, o);
		if (!json)
			printf("%s\n", files->v[i]);
		r = plugin_check(files->v[i], on_rule, &c, err);
		jsonx_set_bool(o, "ok", r == 0);
		bad += r == 1;
	}
	if (json && r >= 0)
		print_json(json_object_get(all));
	json_object_put(all);
	if (r < 0)
		return r;
	if (bad == 0)
		return 0;
	return error_set(err, ERR_FAILED, "%u of %zu plugin files broke %u of %u rules", bad,
			 files->n, c.broken, c.rules);
}

int plugins_manifest(const char *file, const char *package, struct holos_error **err)
{
	_cleanup_(freep) char *text = NULL;
	int r = plugin_manifest(file, package, &text, err);

	if (r < 0)
		return r;
	fputs(text, stdout);
	return 0;
}
