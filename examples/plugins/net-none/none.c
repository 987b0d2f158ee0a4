/* SPDX-License-Identifier: Apache-2.0
 *
 * net "none" - a network without anything on it: the guest has its NIC, and a
 * hub with nobody else behind it.
 */
#include <holos/net.h>
#include <holos/util.h>

static const struct holos_host *host;

static holos_status plan(void *inst, const struct holos_nic *nic, holos_plan *out, holos_call *call,
			 holos_error *err)
{
	const struct holos_plan_api *api = host->query(inst, HOLOS_PLAN_ID);
	const char *argv[] = { "-netdev", NULL, NULL };
	char netdev[128];

	(void)call;
	if (api == NULL)
		return host->fail(err, HOLOS_E_UNAVAIL, 0, "this holos cannot plan networks");
	if (nic->ports != NULL && nic->ports[0] != NULL)
		return holos_failf(host, err, HOLOS_E_CONFIG, 0,
				   "ports of %s cannot be published from network \"%s\"", nic->vm,
				   nic->network);
	snprintf(netdev, sizeof(netdev), "hubport,id=%s,hubid=%d", nic->id, 1000);
	argv[1] = netdev;
	return api->qemu(out, argv);
}

static holos_status init(const struct holos_host *h, holos_self *self, void **state,
			 holos_error *err)
{
	(void)err;
	host = h;
	*state = self;
	return HOLOS_OK;
}

static const struct holos_net_ops ops = {
	.head = { .size = sizeof(ops) },
	.plan = plan,
};

static const struct holos_iface none = {
	.size = sizeof(none),
	.id = HOLOS_NET_ID,
	.name = "none",
	.ops = &ops.head,
	.summary = "a NIC that leads nowhere",
};

static const struct holos_iface *const ifaces[] = { &none, NULL };

static const struct holos_plugin plugin = {
	HOLOS_PLUGIN_HEAD,       .name = "net-none", .version = "1.0",
	.license = "Apache-2.0", .ifaces = ifaces,   .init = init,
};
HOLOS_PLUGIN(holos_net_none, plugin);
