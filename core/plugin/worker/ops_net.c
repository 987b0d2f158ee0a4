/* SPDX-License-Identifier: Apache-2.0
 *
 * ops_net.c - network plugins: plan; journal, apply and undo.
 *
 * A plan changes nothing on the machine: a file that the plugin asks for is an
 * anonymous one here, and its content goes to the host, which makes the file
 * when the VM starts.  What a driver changes on the machine (apply) it writes down
 * before (journal), and the engine keeps that until it is undone.
 */
#include <plugin/worker/endpoints.h>
#include <plugin/worker/worker.h>

#include <base/alloc.h>
#include <base/fs.h>
#include <base/jsonx.h>
#include <plugin/wire.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define ITEMS_MAX 1024

struct holos_plan {
	struct holos_call *call;
	const char *dir; /* the VM's private directory */
	struct json_object *qemu, *helpers, *endpoints, *files;
	struct strv paths; /* of files, live until the call returns */
};

/* Append a NULL-terminated vector; false: too long or no UTF-8. */
static bool add_vector(struct json_object *list, const char *const *v)
{
	for (; v != NULL && *v != NULL; v++) {
		if (jsonx_len(list) >= ITEMS_MAX || !text_is_utf8(*v))
			return false;
		json_object_array_add(list, json_object_new_string(*v));
	}
	return true;
}

static holos_status plan_qemu(holos_plan *plan, const char *const *argv)
{
	if (argv == NULL || argv[0] == NULL || argv[0][0] != '-' || !add_vector(plan->qemu, argv))
		return call_fail(plan->call, HOLOS_E_INTERNAL,
				 "plan gave a QEMU option that is none");
	return HOLOS_OK;
}

static holos_status plan_helper(holos_plan *plan, const struct holos_helper *helper)
{
	struct json_object *obj, *argv;

	if (helper == NULL || !HOLOS_HAS(helper, struct holos_helper, ready_path) ||
	    helper->name == NULL || helper->argv == NULL || helper->argv[0] == NULL ||
	    jsonx_len(plan->helpers) >= ITEMS_MAX)
		return call_fail(plan->call, HOLOS_E_INTERNAL, "plan gave an incomplete helper");
	obj = json_object_new_object();
	argv = json_object_new_array();
	jsonx_set(obj, "argv", argv);
	jsonx_set_int(obj, "ready_timeout_ms", helper->ready_timeout_ms);
	if (!set_text(obj, "name", helper->name) ||
	    !set_text(obj, "ready_path", helper->ready_path) || !add_vector(argv, helper->argv)) {
		json_object_put(obj);
		return call_fail(plan->call, HOLOS_E_INTERNAL, "plan gave an incomplete helper");
	}
	json_object_array_add(plan->helpers, obj);
	return HOLOS_OK;
}

static holos_status plan_endpoint(holos_plan *plan, const struct holos_endpoint *e)
{
	struct json_object *obj;

	if (e == NULL || !HOLOS_HAS(e, struct holos_endpoint, guest_port) ||
	    (e->host_addr != NULL && !text_is_utf8(e->host_addr)) ||
	    jsonx_len(plan->endpoints) >= ITEMS_MAX)
		return call_fail(plan->call, HOLOS_E_INTERNAL, "plan gave an incomplete endpoint");
	obj = json_object_new_object();
	jsonx_set_int(obj, "protocol", e->protocol);
	jsonx_set_str(obj, "host_addr", e->host_addr);
	jsonx_set_int(obj, "host_port", e->host_port);
	jsonx_set_int(obj, "guest_port", e->guest_port);
	json_object_array_add(plan->endpoints, obj);
	return HOLOS_OK;
}

/* An unnamed file, gone with its descriptor; -1 with errno. */
static int anonymous_file(void)
{
	_cleanup_(fclosep) FILE *f = tmpfile();

	return f != NULL ? fcntl(fileno(f), F_DUPFD_CLOEXEC, 3) : -1;
}

static holos_status plan_file(holos_plan *plan, const char *name, int *fd, const char **path)
{
	struct holos_call *c = plan->call;
	_cleanup_(freep) char *own = NULL;

	if (name == NULL || fd == NULL || path == NULL || name[0] == '\0' || name[0] == '.' ||
	    strchr(name, '/') != NULL || !text_is_utf8(name))
		return call_fail(c, HOLOS_E_INTERNAL, "plan gave a file a name that is none");
	if (plan->dir == NULL)
		return call_fail(c, HOLOS_E_INTERNAL, "there is no directory for files");
	if (c->n_out_fds == WORKER_FDS_MAX)
		return call_fail(c, HOLOS_E_INTERNAL, "plan wants more than %d files",
				 WORKER_FDS_MAX);
	/* Never the name of a file of holos itself, or of another NIC. */
	own = xasprintf("net-%s-%s", jsonx_str(c->args, "id", ""), name);
	*fd = anonymous_file();
	if (*fd < 0)
		return call_fail(c, HOLOS_E_IO, "cannot make a temporary file");
	c->out_fds[c->n_out_fds++] = *fd;
	json_object_array_add(plan->files, json_object_new_string(own));
	strv_take(&plan->paths, fs_join(plan->dir, own));
	*path = plan->paths.v[plan->paths.n - 1];
	return HOLOS_OK;
}

static const struct holos_plan_api plan_api = {
	.size = sizeof(plan_api),
	.qemu = plan_qemu,
	.helper = plan_helper,
	.endpoint = plan_endpoint,
	.file = plan_file,
};

/* The NIC of this call; ports is to be finished after it. */
static struct holos_nic nic_of(struct holos_call *c, struct endpoints *ports)
{
	*ports = endpoints_from_json(jsonx_arr(c->args, "ports"));
	return (struct holos_nic){
		.size = sizeof(struct holos_nic),
		.mtu = (uint32_t)jsonx_int(c->args, "mtu", 0),
		.vm = jsonx_str(c->args, "vm", ""),
		.id = jsonx_str(c->args, "id", ""),
		.mac = jsonx_str(c->args, "mac", ""),
		.ports = ports->list,
		.project = jsonx_str(c->args, "project", ""),
		.network = jsonx_str(c->args, "network", ""),
		.group = jsonx_str(c->args, "group", NULL),
		.group_port = (uint32_t)jsonx_int(c->args, "group_port", 0),
	};
}

static holos_status run_plan(struct holos_call *c)
{
	struct holos_plan plan = {
		.call = c,
		.dir = jsonx_str(c->args, "dir", NULL),
		.qemu = json_object_new_array(),
		.helpers = json_object_new_array(),
		.endpoints = json_object_new_array(),
		.files = json_object_new_array(),
	};
	struct endpoints ports;
	struct holos_nic nic = nic_of(c, &ports);
	holos_status status;

	jsonx_set(c->result, "qemu", plan.qemu);
	jsonx_set(c->result, "helpers", plan.helpers);
	jsonx_set(c->result, "endpoints", plan.endpoints);
	jsonx_set(c->result, "files", plan.files);
	jsonx_set_bool(c->result, "applies", c->iface->ops.net.apply != NULL);
	status = c->iface->ops.net.plan(c->inst, &nic, &plan, c, call_error_of(c));
	strv_finish(&plan.paths);
	endpoints_finish(&ports);
	return status;
}

/* ---- changes of the machine ---------------------------------------------------- */

/* The arguments of plan -> {"journal": "..."} */
static holos_status run_journal(struct holos_call *c)
{
	char buf[NET_JOURNAL_MAX + 1] = "";
	struct endpoints ports;
	struct holos_nic nic = nic_of(c, &ports);
	size_t len = 0;
	holos_status status = HOLOS_E_INTERNAL;

	if (c->iface->ops.net.journal == NULL)
		call_fail(c, HOLOS_E_INTERNAL, "it changes nothing");
	else
		status = c->iface->ops.net.journal(c->inst, &nic, buf, NET_JOURNAL_MAX, &len,
						   call_error_of(c));
	endpoints_finish(&ports);
	if (status != HOLOS_OK)
		return status;
	if (len > NET_JOURNAL_MAX || memchr(buf, '\0', len) != NULL || !text_is_utf8(buf))
		return call_fail(c, HOLOS_E_INTERNAL, "journal is no text of at most %d bytes",
				 NET_JOURNAL_MAX);
	buf[len] = '\0';
	jsonx_set_str(c->result, "journal", buf);
	return HOLOS_OK;
}

/* The arguments of plan, and "journal". */
static holos_status run_apply(struct holos_call *c)
{
	const char *journal = jsonx_str(c->args, "journal", NULL);
	struct endpoints ports;
	struct holos_nic nic = nic_of(c, &ports);
	holos_status status;

	if (c->iface->ops.net.apply == NULL || journal == NULL)
		status = call_fail(c, HOLOS_E_INTERNAL, "apply without a journal");
	else
		status = c->iface->ops.net.apply(c->inst, &nic, journal, c, call_error_of(c));
	endpoints_finish(&ports);
	return status;
}

static holos_status run_undo(struct holos_call *c)
{
	const char *journal = jsonx_str(c->args, "journal", NULL);

	if (c->iface->ops.net.undo == NULL || journal == NULL)
		return call_fail(c, HOLOS_E_INTERNAL, "it undoes nothing");
	return c->iface->ops.net.undo(c->iface->plugin->state, journal, c, call_error_of(c));
}

static const char *missing(const union worker_ops *ops)
{
	const struct holos_net_ops *net = &ops->net;
	bool some = net->journal != NULL || net->apply != NULL || net->undo != NULL;

	if (net->plan == NULL)
		return "plan";
	if (!some)
		return NULL;
	return net->journal == NULL ? "journal"
	       : net->apply == NULL ? "apply"
	       : net->undo == NULL  ? "undo"
				    : NULL;
}

static const struct worker_op ops[] = {
	{ "plan", run_plan, false },   { "journal", run_journal, false },
	{ "apply", run_apply, false }, { "undo", run_undo, true },
	{ NULL, NULL, false },
};

static const struct worker_table tables[] = {
	{ HOLOS_PLAN_ID, &plan_api },
	{ NULL, NULL },
};

const struct worker_kind worker_net = {
	.kind = &plugin_kinds[1],
	.id = HOLOS_NET_ID,
	.ops_size = sizeof(struct holos_net_ops),
	.missing = missing,
	.ops = ops,
	.tables = tables,
};
