/* SPDX-License-Identifier: Apache-2.0
 *
 * net "multicast" - the VMs of a project on one layer-2 segment, over QEMU's
 * socket multicast.  Needs no privileges and no helper process.
 *
 * The segment is bound to the loopback interface: nothing of it is ever sent to
 * or taken from a network card, and it works on a host without any route.
 */
#include <holos/net.h>
#include <holos/util.h>

static const struct holos_host *host;

static holos_status plan(void *inst, const struct holos_nic *nic, holos_plan *out, holos_call *call,
			 holos_error *err)
{
	const struct holos_plan_api *api = host->query(inst, HOLOS_PLAN_ID);
	const char *argv[] = { "-netdev", NULL, NULL };
	char netdev[256];
	int n;

	(void)call;
	if (api == NULL)
		return host->fail(err, HOLOS_E_UNAVAIL, 0, "this holos cannot plan networks");
	if (nic->group == NULL || nic->group_port == 0) {
		return holos_failf(host, err, HOLOS_E_INTERNAL, 0,
				   "no multicast group for network \"%s\" of %s", nic->network,
				   nic->vm);
	}
	if (nic->ports != NULL && nic->ports[0] != NULL) {
		return holos_failf(host, err, HOLOS_E_CONFIG, 0,
				   "ports of %s cannot be published from network \"%s\"", nic->vm,
				   nic->network);
	}
	n = snprintf(netdev, sizeof(netdev), "socket,id=%s,mcast=%s:%u,localaddr=127.0.0.1",
		     nic->id, nic->group, (unsigned)nic->group_port);
	if (n < 0 || (size_t)n >= sizeof(netdev))
		return host->fail(err, HOLOS_E_INTERNAL, 0, "the QEMU option is too long");
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

static const struct holos_iface multicast = {
	.size = sizeof(multicast),
	.id = HOLOS_NET_ID,
	.name = "multicast",
	.ops = &ops.head,
	.schema = NULL,
	.summary = "layer-2 segment between VMs, over multicast on loopback",
};

static const struct holos_iface *const ifaces[] = { &multicast, NULL };

static const struct holos_plugin plugin = {
	HOLOS_PLUGIN_HEAD,       .name = "net-multicast", .version = "1.0",
	.license = "Apache-2.0", .ifaces = ifaces,        .init = init,
};
HOLOS_PLUGIN(holos_net_multicast, plugin);
