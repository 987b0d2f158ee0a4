/* SPDX-License-Identifier: Apache-2.0
 *
 * ops_importer.c - importers: sniff, convert.
 */
#include <plugin/worker/worker.h>

#include <base/alloc.h>
#include <base/jsonx.h>

#include <string.h>
#include <unistd.h>

#define MODEL_MAX   (8u << 20)
#define LOST_MAX    1000
#define SNIFF_BYTES 4096

struct holos_importer_sink {
	struct holos_call *call;
	struct json_object *model, *lost;
};

static holos_status sink_model(holos_importer_sink *out, const char *json, size_t len)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct json_object *model = NULL;

	if (out->model != NULL)
		return call_fail(out->call, HOLOS_E_INTERNAL, "the model was given twice");
	if (json == NULL || len > MODEL_MAX)
		return call_fail(out->call, HOLOS_E_INTERNAL, "a model of more than %u bytes",
				 MODEL_MAX);
	if (jsonx_parse(json, len, "model", &model, &err) < 0)
		return call_fail_error(out->call, HOLOS_E_INTERNAL, &err);
	if (!json_object_is_type(model, json_type_object)) {
		json_object_put(model);
		return call_fail(out->call, HOLOS_E_INTERNAL, "the model is no object");
	}
	out->model = model;
	return HOLOS_OK;
}

static void sink_lost(holos_importer_sink *out, uint32_t line, const char *what, const char *why)
{
	_cleanup_(freep) char *clean_what = text_clean(what != NULL ? what : "");
	_cleanup_(freep) char *clean_why = text_clean(why != NULL ? why : "");
	struct json_object *obj;

	if (jsonx_len(out->lost) >= LOST_MAX)
		return;
	obj = json_object_new_object();
	jsonx_set_int(obj, "line", line);
	jsonx_set_str(obj, "what", clean_what);
	jsonx_set_str(obj, "why", clean_why);
	json_object_array_add(out->lost, obj);
}

static const struct holos_importer_sink_api sink_api = {
	.size = sizeof(sink_api),
	.model = sink_model,
	.lost = sink_lost,
};

/* {"name"} and descriptor "source", seekable -> {"score": 0..100} */
static holos_status run_sniff(struct holos_call *c)
{
	const char *name = jsonx_str(c->args, "name", NULL);
	int fd = call_fd(c, "source");
	char head[SNIFF_BYTES];
	ssize_t n;
	int32_t score;

	n = fd >= 0 ? pread(fd, head, sizeof(head), 0) : -1;
	if (name == NULL || n < 0)
		return call_fail(c, HOLOS_E_INTERNAL, "sniff without a name or readable source");
	score = c->iface->ops.importer.sniff(c->iface->plugin->state, name, head, (size_t)n);
	jsonx_set_int(c->result, "score", score < 0 ? 0 : score > 100 ? 100 : score);
	return HOLOS_OK;
}

/* {"name"} and descriptor "source" -> {"model": {...}, "lost": [...]} */
static holos_status run_convert(struct holos_call *c)
{
	struct holos_importer_sink sink = { .call = c };
	const char *name = jsonx_str(c->args, "name", NULL);
	int fd = call_fd(c, "source");
	holos_status status;

	if (name == NULL || fd < 0)
		return call_fail(c, HOLOS_E_INTERNAL, "convert without a name or source");
	sink.lost = json_object_new_array();
	status = c->iface->ops.importer.convert(c->inst, fd, name, &sink, c, call_error_of(c));
	if (status == HOLOS_OK && sink.model == NULL)
		status = call_fail(c, HOLOS_E_INTERNAL, "convert gave no model");
	jsonx_set(c->result, "lost", sink.lost);
	if (sink.model != NULL)
		jsonx_set(c->result, "model", sink.model);
	return status;
}

static const char *missing(const union worker_ops *ops)
{
	return ops->importer.sniff == NULL     ? "sniff"
	       : ops->importer.convert == NULL ? "convert"
					       : NULL;
}

static const struct worker_op ops[] = {
	{ "sniff", run_sniff, true },
	{ "convert", run_convert, false },
	{ NULL, NULL, false },
};

static const struct worker_table tables[] = {
	{ HOLOS_IMPORTER_SINK_ID, &sink_api },
	{ NULL, NULL },
};

const struct worker_kind worker_importer = {
	.kind = &plugin_kinds[4],
	.id = HOLOS_IMPORTER_ID,
	.ops_size = sizeof(struct holos_importer_ops),
	.missing = missing,
	.ops = ops,
	.tables = tables,
};
