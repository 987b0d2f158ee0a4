/* SPDX-License-Identifier: Apache-2.0
 *
 * ops_health.c - health plugins: check; and their way into the guest, the
 * holos.guest/1 table on top of the module holos-ssh.so.
 */
#include <plugin/worker/endpoints.h>
#include <plugin/worker/worker.h>

#include <base/jsonx.h>
#include <guest/guest.h>
#include <plugin/wire.h>

static holos_status guest_exec(const struct holos_guest *guest, const struct holos_exec *exec,
			       holos_call *call, struct holos_exec_result *res, holos_error *err)
{
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	const struct holos_ssh_module *ssh;
	holos_status status;

	(void)err; /* the call's own, as in every operation */
	if (guest_ssh_module(&ssh, &why) < 0)
		return call_fail_error(call, HOLOS_E_UNAVAIL, &why);
	status = ssh->guest_exec(guest, exec, call->deadline_ns, WIRE_CANCEL_FD, res, &why);
	return status == HOLOS_OK ? status : call_fail_error(call, status, &why);
}

static const struct holos_guest_api guest_api = {
	.size = sizeof(guest_api),
	.exec = guest_exec,
};

static holos_status run_check(struct holos_call *c)
{
	struct endpoints endpoints = endpoints_from_json(jsonx_arr(c->args, "endpoints"));
	struct holos_guest guest = {
		.size = sizeof(guest),
		.ssh_port = (uint32_t)jsonx_int(c->args, "ssh_port", 0),
		.vm = jsonx_str(c->args, "vm", ""),
		.ssh_host = jsonx_str(c->args, "ssh_host", NULL),
		.ssh_user = jsonx_str(c->args, "ssh_user", NULL),
		.ssh_key = jsonx_str(c->args, "ssh_key", NULL),
		.ssh_known_hosts = jsonx_str(c->args, "ssh_known_hosts", NULL),
		.agent_socket = jsonx_str(c->args, "agent_socket", NULL),
		.console_log = jsonx_str(c->args, "console_log", NULL),
		.endpoints = endpoints.list,
	};
	holos_status status;

	status = c->iface->ops.health.check(c->inst, &guest, c, call_error_of(c));
	endpoints_finish(&endpoints);
	return status;
}

static const char *missing(const union worker_ops *ops)
{
	return ops->health.check == NULL ? "check" : NULL;
}

static const struct worker_op ops[] = {
	{ "check", run_check, false },
	{ NULL, NULL, false },
};

static const struct worker_table tables[] = {
	{ HOLOS_GUEST_API_ID, &guest_api },
	{ NULL, NULL },
};

const struct worker_kind worker_health = {
	.kind = &plugin_kinds[2],
	.id = HOLOS_HEALTH_ID,
	.ops_size = sizeof(struct holos_health_ops),
	.missing = missing,
	.ops = ops,
	.tables = tables,
};
