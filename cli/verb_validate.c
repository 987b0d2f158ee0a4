/* SPDX-License-Identifier: Apache-2.0
 *
 * verb_validate.c - holos validate: is the file right, and what does it mean?
 * No network, no lock, and no plugin code in this process: a Dockerfile is read by
 * a worker.
 */
#include <base/alloc.h>
#include <base/jsonx.h>
#include <cli.h>
#include <compose/diag.h>
#include <plan/plan.h>
#include <plan/spec.h>
#include <plugin/registry.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* What the compose layer cannot know: images and plugins. */
static int check(const struct project *p, struct registry *reg, struct holos_error **err)
{
	struct diag d;

	diag_init(&d, p->arena);
	for (size_t i = 0; i < p->n_services; i++) {
		const struct service *s = &p->services[i];
		const struct plugin_info *info;
		struct holos_error *one = NULL;
		struct stat st;

		if (s->image_path != NULL && stat(s->image_path, &st) < 0)
			error_sys(&one, ERR_INVALID, errno, "image \"%s\"", s->image);
		else if (s->image != NULL)
			(void)registry_image_source(
				reg, s->image_path != NULL ? s->image_path : s->image, &info, NULL,
				&one);
		if (one != NULL) {
			error_wrap(&one, "services.%s.image", s->name);
			diag_add(&d, &s->image_mark, one);
		}
	}
	find_plugin_faults(p, reg, &d);
	return diag_take(&d, NULL, err);
}

/* The plan as `up` would make it now. */
static int plan(const struct common *c, const struct project *p, struct plan **ret,
		struct project_status **ret_status, struct holos_error **err)
{
	_cleanup_(freep) char *dir = state_default_dir(c->state_dir);
	_cleanup_(state_closep) struct state *s = NULL;
	struct plan_past *past = NULL;
	size_t n = 0, cap = 0;
	const char *id = "";
	int r = state_open(dir, false, &s, err);

	if (r == 0)
		r = project_status_read(s, p->name, ret_status, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < (*ret_status)->n_vms; i++) {
		const struct instance_record *rec = (*ret_status)->vms[i].rec;

		for (size_t k = 0; rec != NULL && k < rec->n_nics; k++)
			*ARRAY_PUSH(past, n, cap) =
				(struct plan_past){ (*ret_status)->vms[i].name,
						    rec->nics[k].network, rec->nics[k].mac,
						    rec->nics[k].address };
	}
	if ((*ret_status)->rec != NULL && (*ret_status)->rec->id != NULL)
		id = (*ret_status)->rec->id;
	r = plan_create(p, id, past, n, ret, err);
	free(past);
	return r;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

static void print_text(const struct project *p, const struct plan *plan, bool known)
{
	static const char *const header[] = {
		"SERVICE", "IMAGE", "REPLICAS", "VCPU", "MEMORY", NULL
	};
	struct table *t = table_create("", header);
	char hash[65];

	plan_project_hash(p, hash);
	printf("project: %s\nspec_hash: %s\nservices: %zu\norder: [", p->name, hash, p->n_services);
	for (size_t i = 0; i < p->n_services; i++) {
		const struct service *s = &p->services[p->order[i]];
		_cleanup_(freep) char *replicas = xasprintf("%u", s->replicas);
		_cleanup_(freep) char *vcpu = xasprintf("%u", s->vm.vcpu);
		_cleanup_(freep) char *memory = xasprintf("%uMB", s->vm.memory_mb);

		printf("%s%s", i != 0 ? " " : "", s->name);
		table_row(t, s->name,
			  s->image != NULL          ? base_name(s->image)
			  : s->vm.root_disk != NULL ? base_name(s->vm.root_disk)
						    : base_name(s->dockerfile),
			  replicas, vcpu, memory);
	}
	puts("]\n");
	table_print(t, stdout);
	for (size_t i = 0; i < p->n_networks; i++) {
		const char *name = p->networks[i].name;
		bool plain = strcmp(name, "default") == 0;

		printf("%snetwork%s%s: %s", i == 0 ? "\n" : "", plain ? "" : " ", plain ? "" : name,
		       p->networks[i].subnet);
		if (known)
			printf(" (mcast %s:%u)\n", plan->segments[i].group, plan->segments[i].port);
		else
			puts(" (mcast group chosen by the first up)");
	}
	puts("hosts:");
	for (size_t i = 0; i < plan->n_vms; i++) {
		const struct plan_vm *vm = &plan->vms[i];

		for (size_t k = 1; k < vm->n_nics; k++) {
			int n = (int)strcspn(vm->nics[k].address, "/");

			if (vm->index == 0)
				printf("  %s -> %.*s\n", vm->service->name, n, vm->nics[k].address);
			printf("  %s -> %.*s\n", vm->name, n, vm->nics[k].address);
		}
	}
}

static void print_as_json(const struct project *p, const struct plan *plan, bool known)
{
	struct json_object *o = json_object_new_object();
	struct json_object *order = json_object_new_array();
	struct json_object *services = json_object_new_array();
	struct json_object *network = json_object_new_object();
	struct json_object *hosts = json_object_new_object();
	char hash[65];

	plan_project_hash(p, hash);
	jsonx_set_str(o, "project", p->name);
	jsonx_set_str(o, "spec_hash", hash);
	for (size_t i = 0; i < p->n_services; i++) {
		const struct service *s = &p->services[p->order[i]];
		struct json_object *so = json_object_new_object();

		json_object_array_add(order, json_object_new_string(s->name));
		jsonx_set_str(so, "name", s->name);
		jsonx_set_str(so, "image", s->image);
		jsonx_set_int(so, "replicas", s->replicas);
		jsonx_set_int(so, "vcpu", s->vm.vcpu);
		jsonx_set_int(so, "memory_mb", s->vm.memory_mb);
		json_object_array_add(services, so);
	}
	jsonx_set(o, "order", order);
	jsonx_set(o, "services", services);
	jsonx_set_str(network, "subnet", p->networks[0].subnet);
	jsonx_set_str(network, "multicast_group", known ? plan->segments[0].group : NULL);
	jsonx_set_int(network, "multicast_port", known ? plan->segments[0].port : 0);
	for (size_t i = 0; i < plan->n_vms; i++) {
		const struct plan_vm *vm = &plan->vms[i];
		_cleanup_(freep) char *address = NULL;

		if (vm->n_nics < 2)
			continue;
		address = xstrndup(vm->nics[1].address, strcspn(vm->nics[1].address, "/"));
		if (vm->index == 0)
			jsonx_set_str(hosts, vm->service->name, address);
		jsonx_set_str(hosts, vm->name, address);
	}
	jsonx_set(network, "hosts", hosts);
	jsonx_set(o, "network", network);
	print_json(o);
}

int verb_validate(const struct verb *v, int argc, char **argv, struct holos_error **err)
{
	_cleanup_(common_finish) struct common c = COMMON_INIT;
	_cleanup_(strv_finish) struct strv operands = STRV_INIT;
	_cleanup_(project_destroyp) struct project *p = NULL;
	_cleanup_(registry_destroyp) struct registry *reg = NULL;
	_cleanup_(plan_destroyp) struct plan *pl = NULL;
	_cleanup_(project_status_destroyp) struct project_status *status = NULL;
	bool quiet = false, known;
	const struct option_def defs[] = {
		OPTIONS_FILE(c),
		OPTIONS_PROJECT(c),
		OPTIONS_STATE(c),
		OPTIONS_JSON(c),
		{ "quiet", 'q', OPTION_FLAG, &quiet, NULL, "only the exit status" },
		OPTIONS_END,
	};
	int r = options_parse(v, defs, false, argc, argv, &operands, err);

	if (r != 0)
		return r;
	r = options_at_most(&operands, 0, err);
	if (r == 0)
		r = cli_project(&c, NULL, &p, err);
	if (r == 0)
		r = cli_build(&c, "validate", p, err);
	if (r < 0)
		return r;
	reg = registry_create(NULL);
	r = check(p, reg, err);
	if (r == 0)
		r = plan(&c, p, &pl, &status, err);
	if (r < 0 || quiet)
		return r;
	known = status->rec != NULL && status->rec->id != NULL;
	if (c.json)
		print_as_json(p, pl, known);
	else
		print_text(p, pl, known);
	return 0;
}

const struct verb entry_validate = {
	.name = "validate",
	.operands = "",
	.summary = "check the compose file and show what it means",
	.run = verb_validate,
	.group = GROUP_FILE,
	.more = "All mistakes of the file are told at once, each with its place.",
	.examples = {
		{ "holos validate", "is the file right?" },
		{ "holos validate -q -f other.yaml", "the exit status alone" },
	},
};
