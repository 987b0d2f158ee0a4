/* SPDX-License-Identifier: Apache-2.0
 *
 * plugin.c - a plugin as it was written for ABI 1.0: a health probe and a network,
 * which use every part of the host.  It is never changed.
 */
#include <holos/health.h>
#include <holos/net.h>
#include <holos/util.h>

#include <stdlib.h>
#include <string.h>

static const struct holos_host *host;
static const struct holos_guest_api *guest_api;
static const struct holos_plan_api *plan_api;

static holos_status open_it(void *state, const holos_cfg *cfg, holos_call *call, void **inst,
			    holos_error *err)
{
	char *word = strdup(host->cfg_str(cfg, "/word", "none"));

	(void)state;
	(void)call;
	if (word == NULL)
		return host->fail(err, HOLOS_E_NOMEM, 0, "out of memory");
	if (strcmp(word, "bad") == 0) {
		free(word);
		host->fail(err, HOLOS_E_CONFIG, 0, "it is bad");
		host->fail_at(err, cfg, "/word");
		host->fail_hint(err, "say something good");
		return HOLOS_E_CONFIG;
	}
	*inst = word;
	return HOLOS_OK;
}

static holos_status check(void *inst, const struct holos_guest *guest, holos_call *call,
			  holos_error *err)
{
	const char *argv[] = { "echo", inst, NULL };
	char out[64] = "";
	struct holos_exec exec = { .size = sizeof(exec), .argv = argv };
	struct holos_exec_result res = { .size = sizeof(res), .out = out, .out_cap = sizeof(out) };
	holos_status status;

	if (host->cancelled(call) != 0 || host->deadline_ns(call) == 0 || host->cancel_fd(call) < 0)
		return host->fail(err, HOLOS_E_CANCELLED, 0, "cancelled");
	host->progress(call, "asking", 1, 2);
	if (!HOLOS_HAS(guest, struct holos_guest, endpoints) || guest->vm == NULL)
		return host->fail(err, HOLOS_E_INTERNAL, 0, "no guest");
	status = guest_api->exec(guest, &exec, call, &res, err);
	if (status != HOLOS_OK)
		return status;
	if (strcmp(out, inst) != 0)
		return holos_failf(host, err, HOLOS_E_AGAIN, 0, "it said \"%s\", not \"%s\"", out,
				   (const char *)inst);
	return host->sleep_ns(call, 1000);
}

static holos_status plan(void *inst, const struct holos_nic *nic, holos_plan *out, holos_call *call,
			 holos_error *err)
{
	const char *argv[] = { "-netdev", "user,id=net0", NULL };
	struct holos_endpoint e = { .size = sizeof(e), .protocol = 6, .host_port = 1, .guest_port = 2 };

	(void)inst;
	(void)call;
	if (strcmp(nic->id, "net0") != 0)
		return host->fail(err, HOLOS_E_INTERNAL, 0, "another nic");
	if (plan_api->qemu(out, argv) != HOLOS_OK)
		return HOLOS_E_INTERNAL;
	return plan_api->endpoint(out, &e);
}

static holos_status init(const struct holos_host *h, holos_self *self, void **state,
			 holos_error *err)
{
	(void)state;
	host = h;
	if (!HOLOS_HAS(h, struct holos_host, cfg_count))
		return h->fail(err, HOLOS_E_UNAVAIL, 0, "the host is cut short");
	guest_api = h->query(self, HOLOS_GUEST_API_ID);
	plan_api = h->query(self, HOLOS_PLAN_ID);
	h->log(self, HOLOS_LOG_INFO, "ready");
	return guest_api != NULL && plan_api != NULL ? HOLOS_OK : HOLOS_E_UNAVAIL;
}

static const struct holos_health_ops health_ops = {
	.head = { .size = sizeof(health_ops), .open = open_it, .close = free },
	.check = check,
};
static const struct holos_net_ops net_ops = {
	.head = { .size = sizeof(net_ops) },
	.plan = plan,
};
static const struct holos_iface health = {
	.size = sizeof(health),
	.id = HOLOS_HEALTH_ID,
	.name = "abi",
	.ops = &health_ops.head,
	.schema = "{\"type\":\"object\",\"properties\":{\"word\":{\"type\":\"string\","
		  "\"description\":\"what the guest must say\"}}}",
	.summary = "a probe of ABI 1.0",
};
static const struct holos_iface net = {
	.size = sizeof(net),
	.id = HOLOS_NET_ID,
	.name = "abinet",
	.ops = &net_ops.head,
	.summary = "a network of ABI 1.0",
};
static const struct holos_iface *const ifaces[] = { &health, &net, NULL };
static const struct holos_plugin plugin = {
	HOLOS_PLUGIN_HEAD,       .name = "health-abi", .version = "1.0",
	.license = "Apache-2.0", .ifaces = ifaces,     .init = init,
};
HOLOS_PLUGIN(holos_health_abi, plugin);
