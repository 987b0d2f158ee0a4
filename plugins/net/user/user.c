/* SPDX-License-Identifier: Apache-2.0
 *
 * net "user" - QEMU's user-mode network: the way out for a guest, and forwarded
 * ports in.  Needs no privileges and no helper process.
 *
 * The guest reaches the host's loopback through 10.0.2.2; QEMU can forbid that
 * only together with the way out: option `internal`.
 */
#include <holos/net.h>
#include <holos/util.h>

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define PROTOCOL_TCP 6
#define PROTOCOL_UDP 17

static const struct holos_host *host;

struct driver {
	holos_self *self;
	int32_t internal;
};

/* Append to the text in buf; 0, or -1 when it does not fit. */
HOLOS_PRINTF(4, 5)
static int append(char *buf, size_t cap, size_t *len, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf + *len, cap - *len, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= cap - *len)
		return -1;
	*len += (size_t)n;
	return 0;
}

static holos_status check_port(const struct holos_nic *nic, const struct holos_endpoint *port,
			       holos_error *err)
{
	if (port->protocol != PROTOCOL_TCP && port->protocol != PROTOCOL_UDP) {
		return holos_failf(host, err, HOLOS_E_CONFIG, 0,
				   "%s: cannot forward IP protocol %u, only tcp and udp", nic->vm,
				   (unsigned)port->protocol);
	}
	if (port->host_addr != NULL && strchr(port->host_addr, ':') != NULL) {
		return holos_failf(host, err, HOLOS_E_CONFIG, 0,
				   "%s: cannot publish on IPv6 address %s: QEMU's user-mode "
				   "network forwards from IPv4 addresses only",
				   nic->vm, port->host_addr);
	}
	if (port->host_addr != NULL &&
	    strspn(port->host_addr, "0123456789.") != strlen(port->host_addr)) {
		return holos_failf(host, err, HOLOS_E_CONFIG, 0,
				   "%s: cannot publish on \"%s\": it is no IPv4 address", nic->vm,
				   port->host_addr);
	}
	if (port->host_port == 0 || port->host_port > 65535 || port->guest_port == 0 ||
	    port->guest_port > 65535) {
		return holos_failf(host, err, HOLOS_E_CONFIG, 0, "%s: port %u:%u is out of range",
				   nic->vm, (unsigned)port->host_port, (unsigned)port->guest_port);
	}
	return HOLOS_OK;
}

static holos_status write_netdev(const struct driver *d, const struct holos_nic *nic, char *buf,
				 size_t cap, holos_error *err)
{
	size_t len = 0;
	int full;

	full = append(buf, cap, &len, "user,id=%s%s", nic->id, d->internal ? ",restrict=on" : "");
	for (size_t i = 0; nic->ports != NULL && nic->ports[i] != NULL; i++) {
		const struct holos_endpoint *port = nic->ports[i];
		holos_status status = check_port(nic, port, err);

		if (status != HOLOS_OK)
			return status;
		full |= append(buf, cap, &len, ",hostfwd=%s:%s:%u-:%u",
			       port->protocol == PROTOCOL_UDP ? "udp" : "tcp",
			       port->host_addr != NULL ? port->host_addr : "127.0.0.1",
			       (unsigned)port->host_port, (unsigned)port->guest_port);
	}
	if (full != 0)
		return holos_failf(host, err, HOLOS_E_CONFIG, 0, "%s has too many ports", nic->vm);
	return HOLOS_OK;
}

static holos_status plan(void *inst, const struct holos_nic *nic, holos_plan *out, holos_call *call,
			 holos_error *err)
{
	const struct driver *d = inst;
	const struct holos_plan_api *api = host->query(d->self, HOLOS_PLAN_ID);
	const char *argv[] = { "-netdev", NULL, NULL };
	char netdev[32768];
	holos_status status;

	(void)call;
	if (api == NULL)
		return host->fail(err, HOLOS_E_UNAVAIL, 0, "this holos cannot plan networks");
	status = write_netdev(d, nic, netdev, sizeof(netdev), err);
	if (status != HOLOS_OK)
		return status;
	argv[1] = netdev;
	status = api->qemu(out, argv);
	for (size_t i = 0; status == HOLOS_OK && nic->ports != NULL && nic->ports[i] != NULL; i++)
		status = api->endpoint(out, nic->ports[i]);
	return status;
}

static holos_status open_driver(void *state, const holos_cfg *cfg, holos_call *call, void **inst,
				holos_error *err)
{
	struct driver *d = malloc(sizeof(*d));

	(void)call;
	if (d == NULL)
		return host->fail(err, HOLOS_E_NOMEM, 0, "out of memory");
	d->self = state;
	d->internal = host->cfg_bool(cfg, "/internal", 0);
	*inst = d;
	return HOLOS_OK;
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
	.head = { .size = sizeof(ops), .open = open_driver, .close = free },
	.plan = plan,
};

static const char schema[] =
	"{\"type\":\"object\",\"properties\":{"
	"\"internal\":{\"type\":\"boolean\",\"default\":false,\"description\":"
	"\"no way out: the guest reaches neither the host nor anything beyond it\"}"
	"}}";

static const struct holos_iface user = {
	.size = sizeof(user),
	.id = HOLOS_NET_ID,
	.name = "user",
	.ops = &ops.head,
	.schema = schema,
	.summary = "QEMU's user-mode network: the way out, and forwarded ports",
};

static const struct holos_iface *const ifaces[] = { &user, NULL };

static const struct holos_plugin plugin = {
	HOLOS_PLUGIN_HEAD,       .name = "net-user", .version = "1.0",
	.license = "Apache-2.0", .ifaces = ifaces,   .init = init,
};
HOLOS_PLUGIN(holos_net_user, plugin);
