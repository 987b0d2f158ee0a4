/* SPDX-License-Identifier: Apache-2.0
 *
 * upplan.c - what `up --dry-run` prints for people; its JSON is docs/up.md's.
 */
#include <base/alloc.h>
#include <base/jsonx.h>
#include <cli.h>

#include <string.h>

/* The action with what it waits for; the caller frees. */
static char *action_text(struct json_object *vm)
{
	const char *action = jsonx_str(vm, "action", "none");
	const char *waits = NULL;

	if (jsonx_bool(vm, "waits_for_recreate", false))
		waits = "waits for a recreate";
	else if (jsonx_bool(vm, "orphan", false) && strcmp(action, "keep") == 0)
		waits = "orphan";
	else if (jsonx_bool(vm, "waits_for_remove", false))
		waits = "waits for a yes to remove it";
	if (waits == NULL)
		return xstrdup(action);
	return strcmp(action, "none") == 0 ? xstrdup(waits) : xasprintf("%s (%s)", action, waits);
}

/* "vm.vcpu: 1 -> 2 at holos.yaml:7:13"; the caller frees. */
static char *reason_text(struct json_object *r)
{
	const char *was = jsonx_str(r, "was", NULL), *file = jsonx_str(r, "file", NULL);
	_cleanup_(freep) char *place =
		file != NULL
			? xasprintf(" at %s:%lld:%lld", file, (long long)jsonx_int(r, "line", 0),
				    (long long)jsonx_int(r, "column", 0))
			: xstrdup("");

	return xasprintf("%s: %s%s%s%s", jsonx_str(r, "path", ""), was != NULL ? was : "",
			 was != NULL ? " -> " : "", jsonx_str(r, "is", ""), place);
}

static void add_rows(struct table *t, struct json_object *vm)
{
	_cleanup_(freep) char *action = action_text(vm);
	struct json_object *reasons = jsonx_arr(vm, "reasons");
	const char *name = jsonx_str(vm, "name", ""), *first = action;

	if (jsonx_bool(vm, "destroys_root_disk", false)) {
		table_row(t, name, action, "its root disk is lost");
		name = first = " ";
	} else if (jsonx_len(reasons) == 0) {
		table_row(t, name, action,
			  strcmp(action, "create") == 0  ? "it is not there yet"
			  : strcmp(action, "start") == 0 ? "it is not running"
							 : NULL);
	}
	for (size_t i = 0; i < jsonx_len(reasons); i++) {
		_cleanup_(freep) char *text = reason_text(json_object_array_get_idx(reasons, i));

		table_row(t, name, first, text);
		name = first = " ";
	}
}

void cli_print_up_plan(struct json_object *plan)
{
	static const char *const header[] = { "INSTANCE", "ACTION", "REASON", NULL };
	struct json_object *vms = jsonx_arr(plan, "instances");
	struct json_object *images = jsonx_arr(plan, "images");
	struct table *t = table_create("", header);

	for (size_t i = 0; i < jsonx_len(vms); i++)
		add_rows(t, json_object_array_get_idx(vms, i));
	table_print(t, stdout);
	for (size_t i = 0; i < jsonx_len(images); i++) {
		struct json_object *o = json_object_array_get_idx(images, i);
		_cleanup_(freep) char *image = printable(jsonx_str(o, "image", ""));

		if (!jsonx_bool(o, "present", true))
			printf("image %s is not here and would be made or downloaded first, for "
			       "%s\n",
			       image, jsonx_str(o, "service", ""));
	}
}
