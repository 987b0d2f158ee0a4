/* SPDX-License-Identifier: Apache-2.0
 *
 * ops_provision.c - provision plugins: seed, translate.
 */
#include <plugin/worker/worker.h>

#include <base/alloc.h>
#include <base/jsonx.h>

#include <stdio.h>
#include <string.h>

#define STEPS_MAX (12u << 20) /* what a line of the wire can hold, and some room */

struct holos_steps_sink {
	struct holos_call *call;
	struct json_object *steps;
};

static int api_secret(const holos_call *call, const char *name)
{
	char fd_name[128];

	if (name == NULL ||
	    snprintf(fd_name, sizeof(fd_name), "secret:%s", name) >= (int)sizeof(fd_name))
		return -1;
	return call_fd(call, fd_name);
}

static holos_status api_steps(holos_steps_sink *out, const char *json, size_t len)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct json_object *steps = NULL;

	if (out->steps != NULL)
		return call_fail(out->call, HOLOS_E_INTERNAL, "steps were given twice");
	if (json == NULL || len > STEPS_MAX)
		return call_fail(out->call, HOLOS_E_INTERNAL, "steps of more than %u bytes",
				 STEPS_MAX);
	if (jsonx_parse(json, len, "steps", &steps, &err) < 0)
		return call_fail_error(out->call, HOLOS_E_INTERNAL, &err);
	if (!json_object_is_type(steps, json_type_object)) {
		json_object_put(steps);
		return call_fail(out->call, HOLOS_E_INTERNAL, "steps are no object");
	}
	out->steps = steps;
	return HOLOS_OK;
}

static int api_medium(const holos_call *call, const char *name)
{
	return name != NULL && strcmp(name, "context") == 0 ? call_fd(call, name) : -1;
}

static const struct holos_provision_api api = {
	.size = sizeof(api),
	.secret = api_secret,
	.steps = api_steps,
	.medium = api_medium,
};

static holos_status run_seed(struct holos_call *c)
{
	struct holos_cfg steps = { .root = jsonx_obj(c->args, "steps") };
	int fd = call_fd(c, "seed");

	if (c->iface->ops.provision.seed == NULL)
		return call_fail(c, HOLOS_E_CONFIG, "it writes no seed, it only translates");
	if (steps.root == NULL || fd < 0)
		return call_fail(c, HOLOS_E_INTERNAL, "seed without steps or file");
	if (c->shared != NULL) {
		json_object_object_foreach (c->shared, key, value)
			jsonx_set(steps.root, key, json_object_get(value));
	}
	return c->iface->ops.provision.seed(c->inst, &steps, fd, c, call_error_of(c));
}

static holos_status run_translate(struct holos_call *c)
{
	struct holos_steps_sink sink = { .call = c };
	const char *path = jsonx_str(c->args, "path", NULL);
	holos_status status;

	if (c->iface->ops.provision.translate == NULL)
		return call_fail(c, HOLOS_E_CONFIG, "it translates nothing, it only writes seeds");
	if (path == NULL || path[0] != '/')
		return call_fail(c, HOLOS_E_INTERNAL, "translate without an absolute path");
	status = c->iface->ops.provision.translate(c->inst, path, c, &sink, call_error_of(c));
	if (status == HOLOS_OK && sink.steps == NULL)
		status = call_fail(c, HOLOS_E_INTERNAL, "translate gave no steps");
	if (status == HOLOS_OK)
		jsonx_set(c->result, "steps", steal_ptr(&sink.steps));
	json_object_put(sink.steps);
	return status;
}

static const char *missing(const union worker_ops *ops)
{
	return ops->provision.seed == NULL && ops->provision.translate == NULL ? "seed or translate"
									       : NULL;
}

static const struct worker_op ops[] = {
	{ "seed", run_seed, false },
	{ "translate", run_translate, false },
	{ NULL, NULL, false },
};

static const struct worker_table tables[] = {
	{ HOLOS_PROVISION_API_ID, &api },
	{ NULL, NULL },
};

const struct worker_kind worker_provision = {
	.kind = &plugin_kinds[3],
	.id = HOLOS_PROVISION_ID,
	.ops_size = sizeof(struct holos_provision_ops),
	.missing = missing,
	.ops = ops,
	.tables = tables,
};
