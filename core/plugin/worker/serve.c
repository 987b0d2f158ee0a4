/* SPDX-License-Identifier: Apache-2.0
 *
 * serve.c - one request: find the plugin, load, init, open, run, answer.
 */
#include <plugin/worker/worker.h>

#include <base/alloc.h>
#include <base/jsonx.h>
#include <plugin/wire.h>

#include <string.h>

static const struct worker_kind *const kinds[] = {
	&worker_image, &worker_net, &worker_health, &worker_provision, &worker_importer,
};
#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

const struct worker_kind *worker_kind_of_id(const char *id)
{
	for (size_t i = 0; i < N_KINDS; i++) {
		if (strcmp(kinds[i]->id, id) == 0)
			return kinds[i];
	}
	return NULL;
}

const void *worker_table_find(const char *id)
{
	for (size_t i = 0; i < N_KINDS; i++) {
		for (const struct worker_table *t = kinds[i]->tables; t->id != NULL; t++) {
			if (strcmp(t->id, id) == 0)
				return t->table;
		}
	}
	return NULL;
}

int call_fd(const struct holos_call *c, const char *name)
{
	for (unsigned i = 0; i < c->n_fds; i++) {
		const char *have = jsonx_str_at(c->fd_names, i);

		if (have != NULL && strcmp(have, name) == 0)
			return c->fds[i];
	}
	return -1;
}

static holos_status run_probe(struct holos_call *c)
{
	const struct holos_ops *ops = &c->iface->ops.head;

	if (ops->probe == NULL)
		return HOLOS_OK;
	return ops->probe(c->iface->plugin->state, c, call_error_of(c));
}

static const struct worker_op probe = { "probe", run_probe, true };

static const struct worker_op *find_op(const struct worker_iface *iface, const char *name)
{
	if (strcmp(name, probe.name) == 0)
		return &probe;
	for (const struct worker_op *op = iface->kind->ops; op->name != NULL; op++) {
		if (strcmp(op->name, name) == 0)
			return op;
	}
	return NULL;
}

static holos_status find(struct holos_call *c, char *const *dirs, struct json_object *request)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	const char *kind = jsonx_str(request, "kind", "");
	const char *name = jsonx_str(request, "name", "");

	if (plugin_kind_find(kind) == NULL)
		return call_fail(c, HOLOS_E_INTERNAL, "there is no kind \"%s\"", kind);
	if (!plugin_is_loaded(kind, name))
		worker_send_phase(c, "load");
	if (plugin_get(dirs, kind, name, &c->iface, &err) < 0)
		return call_fail_error(
			c, err->code == ERR_INVALID ? HOLOS_E_CONFIG : HOLOS_E_UNAVAIL, &err);
	return plugin_init(c->iface->plugin, c);
}

static holos_status run(struct holos_call *c, char *const *dirs, struct json_object *request)
{
	const char *name = jsonx_str(request, "op", "");
	struct json_object *options = jsonx_obj(request, "options");
	const struct worker_op *op;
	holos_status status;

	if (strcmp(jsonx_str(request, "kind", ""), WIRE_KIND_WORKER) == 0)
		return inspect_run(c, name);
	if (strcmp(jsonx_str(request, "kind", ""), WIRE_FETCH) == 0)
		return fetch_run(c, name);
	status = find(c, dirs, request);
	if (status != HOLOS_OK)
		return status;
	op = find_op(c->iface, name);
	if (op == NULL)
		return call_fail(c, HOLOS_E_INTERNAL, "there is no operation \"%s\"", name);
	if (!op->without_instance) {
		status = options != NULL ? instance_get(c, options)
					 : call_fail(c, HOLOS_E_INTERNAL, "no options");
		if (status != HOLOS_OK)
			return status;
	}
	if (c->phase_sent)
		worker_send_phase(c, "");
	return op->run(c);
}

/* What a plugin returned, made honest: a known status, with a text. */
static holos_status settle(struct holos_call *c, holos_status status, const char *op)
{
	if (status == HOLOS_OK)
		return HOLOS_OK;
	if (status > HOLOS_OK || status < HOLOS_E_UNREACHED)
		return call_fail(c, HOLOS_E_INTERNAL, "%s returned %d, which is no status", op,
				 (int)status);
	/* The first fail() tells the cause; what is returned may come from outer
	 * layers, except where only it was given. */
	return c->err.text != NULL ? c->err.code : status;
}

static void answer(struct holos_call *c, holos_status status)
{
	_cleanup_(json_putp) struct json_object *line = json_object_new_object();

	jsonx_set_int(line, "id", (int64_t)c->id);
	jsonx_set_int(line, "status", status);
	if (status == HOLOS_OK) {
		jsonx_set(line, "result", json_object_get(c->result));
		worker_send(line, c->out_fds, c->n_out_fds);
		return;
	}
	jsonx_set_str(line, "message", c->err.text != NULL ? c->err.text : "");
	if (c->err.hint != NULL)
		jsonx_set_str(line, "hint", c->err.hint);
	if (c->err.at != NULL)
		jsonx_set_str(line, "at", c->err.at);
	if (c->err.sys_errno != 0)
		jsonx_set_int(line, "errno", c->err.sys_errno);
	worker_send(line, NULL, 0);
}

/* What this request has in common with others: sent with it, or before. */
static struct json_object *shared_of(struct json_object *request)
{
	static struct json_object *kept;
	struct json_object *sent = jsonx_obj(request, "shared");

	if (sent != NULL) {
		json_object_put(kept);
		kept = json_object_get(sent);
	}
	return sent != NULL || jsonx_bool(request, "shared", false) ? kept : NULL;
}

void serve(char *const *dirs, struct json_object *request, int *fds, unsigned n_fds)
{
	struct holos_call c = {
		.args = jsonx_obj(request, "args"),
		.shared = shared_of(request),
		.id = (uint64_t)jsonx_int(request, "id", 0),
		.deadline_ns = (uint64_t)jsonx_int(request, "deadline_ns", INT64_MAX),
		.fd_names = jsonx_arr(request, "fds"),
		.result = json_object_new_object(),
	};
	holos_status status;

	for (unsigned i = 0; i < n_fds; i++) {
		if (c.n_fds < WORKER_FDS_MAX)
			c.fds[c.n_fds++] = fds[i];
		else
			close(fds[i]);
	}
	host_drain_cancel((uint64_t)jsonx_int(request, "told", 0));
	status = run(&c, dirs, request);
	answer(&c, settle(&c, status, jsonx_str(request, "op", "")));

	for (unsigned i = 0; i < c.n_fds; i++)
		close(c.fds[i]);
	for (unsigned i = 0; i < c.n_out_fds; i++)
		close(c.out_fds[i]);
	json_object_put(c.result);
	call_error_finish(&c.err);
	free(c.progress_what);
}
