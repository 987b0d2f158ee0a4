/* SPDX-License-Identifier: Apache-2.0
 *
 * verb_inspect.c - holos inspect: all that is known of VMs, as JSON.
 */
#include <base/alloc.h>
#include <base/fs.h>
#include <base/jsonx.h>
#include <cli.h>

#include <stdio.h>
#include <string.h>

/* What `ps --json` says of the instance. */
static struct json_object *find_listed(struct json_object *project, const struct vm_status *v)
{
	struct json_object *services = jsonx_arr(project, "services");

	for (size_t i = 0; services != NULL && i < json_object_array_length(services); i++) {
		struct json_object *s = json_object_array_get_idx(services, i);
		struct json_object *list = jsonx_arr(s, "instances");

		for (size_t k = 0; list != NULL && k < json_object_array_length(list); k++) {
			struct json_object *o = json_object_array_get_idx(list, k);

			if (strcmp(jsonx_str(o, "name", ""), v->name) == 0)
				return json_object_get(o);
		}
	}
	return json_object_new_object();
}

static struct json_object *describe_nics(const struct instance_record *rec)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < rec->n_nics; i++) {
		struct json_object *o = json_object_new_object();

		jsonx_set_str(o, "network", rec->nics[i].network);
		jsonx_set_str(o, "mac", rec->nics[i].mac);
		jsonx_set_str(o, "address", rec->nics[i].address);
		json_object_array_add(list, o);
	}
	return list;
}

static void add_record(struct json_object *o, const struct instance_record *rec)
{
	jsonx_set_str(o, "uuid", rec->uuid);
	jsonx_set_str(o, "generation", rec->generation);
	jsonx_set_str(o, "created_at", rec->created_at);
	jsonx_set_str(o, "file", rec->file);
	jsonx_set_str(o, "user", rec->user);
	jsonx_set_str(o, "init", rec->init);
	jsonx_set_str(o, "base", rec->base);
	jsonx_set_str(o, "root_format", rec->root_format);
	jsonx_set(o, "nics", describe_nics(rec));
	jsonx_set(o, "spec", json_object_get(rec->spec));
}

static struct json_object *describe(struct json_object *project, const char *name,
				    const struct vm_status *v)
{
	static const struct {
		const char *key, *file;
	} logs[] = { { "console", "console.log" },
		     { "provision", "provision.log" },
		     { "qemu", "qemu.log" },
		     { "monitor", "monitor.log" } };
	struct json_object *o = find_listed(project, v), *files = json_object_new_object();

	jsonx_set_str(o, "project", name);
	jsonx_set_str(o, "service", v->service);
	jsonx_set_int(o, "monitor_pid", v->vm->monitor_pid);
	jsonx_set_str(o, "warning", v->vm->warning);
	if (v->rec != NULL)
		add_record(o, v->rec);
	for (size_t i = 0; i < sizeof(logs) / sizeof(logs[0]); i++) {
		_cleanup_(freep) char *path = fs_join(v->dir, logs[i].file);

		jsonx_set_str(files, logs[i].key, path);
	}
	jsonx_set(o, "logs", files);
	return o;
}

static int inspect(const struct common *c, const struct strv *operands, bool quiet,
		   struct holos_error **err)
{
	_cleanup_(state_closep) struct state *s = NULL;
	_cleanup_(project_status_destroyp) struct project_status *p = NULL;
	_cleanup_(json_putp) struct json_object *all = NULL;
	char *const *names = NULL;
	struct json_object *list;
	int r = cli_read_members(c, operands, &s, &p, &names, err);

	if (r < 0)
		return r;
	all = project_status_json(p);
	list = json_object_new_array();
	for (size_t i = 0; i < p->n_vms; i++) {
		if (!cli_is_named(&p->vms[i], names))
			continue;
		if (quiet)
			puts(p->vms[i].name);
		else
			json_object_array_add(list, describe(all, p->name, &p->vms[i]));
	}
	if (quiet)
		json_object_put(list);
	else
		print_json(list);
	return 0;
}

int verb_inspect(const struct verb *v, int argc, char **argv, struct holos_error **err)
{
	_cleanup_(common_finish) struct common c = COMMON_INIT;
	_cleanup_(strv_finish) struct strv operands = STRV_INIT;
	bool quiet = false;
	const struct option_def defs[] = {
		OPTIONS_FILE(c),
		OPTIONS_PROJECT(c),
		{ "quiet", 'q', OPTION_FLAG, &quiet, NULL, "only the names" },
		OPTIONS_STATE(c),
		{ "json", 0, OPTION_FLAG, &c.json, NULL, "accepted: it is always JSON" },
		OPTIONS_END,
	};
	int r = options_parse(v, defs, false, argc, argv, &operands, err);

	return r != 0 ? r : inspect(&c, &operands, quiet, err);
}

const struct verb entry_inspect = {
	.name = "inspect",
	.operands = "[PROJECT] [SERVICE|INSTANCE...]",
	.summary = "print all that is known of VMs, as JSON",
	.run = verb_inspect,
	.group = GROUP_LOOK,
	.more = "An array with an object for each VM: what `holos ps --json` says of it, and its "
		"UUID, network cards, base image, files, and what it was made from.",
	.examples = {
		{ "holos inspect web-0", "one VM" },
		{ "holos inspect demo | jq '.[].nics'", "a part of it, for all of a project" },
	},
};
