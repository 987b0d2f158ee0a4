/* SPDX-License-Identifier: Apache-2.0
 *
 * health "hello" - a VM is healthy when a file in it says so.
 */
#include <holos/health.h>
#include <holos/util.h>

#include <stdlib.h>
#include <string.h>

static const struct holos_host *host;
static const struct holos_guest_api *guest_api; /* NULL: no way into guests here */

struct probe {
	const char *file, *text; /* the options': good until close */
};

/* One instance for one block of options.  They fit the schema below. */
static holos_status open_probe(void *state, const holos_cfg *cfg, holos_call *call, void **inst,
			       holos_error *err)
{
	struct probe *p = malloc(sizeof(*p));

	(void)state;
	(void)call;
	if (p == NULL)
		return host->fail(err, HOLOS_E_NOMEM, 0, "out of memory");
	p->file = host->cfg_str(cfg, "/file", "/run/hello");
	p->text = host->cfg_str(cfg, "/text", "hello");
	*inst = p;
	return HOLOS_OK;
}

/* One attempt.  Interval, retries and deadlines are the host's business. */
static holos_status check(void *inst, const struct holos_guest *guest, holos_call *call,
			  holos_error *err)
{
	const struct probe *p = inst;
	const char *argv[] = { "cat", "--", p->file, NULL };
	char out[4096];
	struct holos_exec exec = { .size = sizeof(exec), .argv = argv };
	struct holos_exec_result res = { .size = sizeof(res), .out = out, .out_cap = sizeof(out) };
	holos_status status;

	if (guest_api == NULL)
		return host->fail(err, HOLOS_E_UNAVAIL, 0, "this holos has no access to guests");
	status = guest_api->exec(guest, &exec, call, &res, err);
	if (status != HOLOS_OK)
		return status; /* the host has said why */
	if (res.status != 0)
		return holos_failf(host, err, HOLOS_E_AGAIN, 0, "cannot read %s", p->file);
	if (strstr(out, p->text) == NULL)
		return holos_failf(host, err, HOLOS_E_AGAIN, 0, "%s does not say \"%s\"", p->file,
				   p->text);
	return HOLOS_OK;
}

static holos_status init(const struct holos_host *h, holos_self *self, void **state,
			 holos_error *err)
{
	(void)state;
	(void)err;
	host = h;
	guest_api = h->query(self, HOLOS_GUEST_API_ID);
	return HOLOS_OK;
}

static const struct holos_health_ops ops = {
	.head = { .size = sizeof(ops), .open = open_probe, .close = free },
	.check = check,
};

static const char schema[] = "{\"type\":\"object\",\"properties\":{"
			     "\"file\":{\"type\":\"string\",\"default\":\"/run/hello\","
			     "\"description\":\"file in the guest\"},"
			     "\"text\":{\"type\":\"string\",\"default\":\"hello\","
			     "\"description\":\"what it must contain\"}}}";

static const struct holos_iface hello = {
	.size = sizeof(hello),
	.id = HOLOS_HEALTH_ID,
	.name = "hello",
	.ops = &ops.head,
	.schema = schema,
	.summary = "looks for a text in a file of the guest",
};

static const struct holos_iface *const ifaces[] = { &hello, NULL };

static const struct holos_plugin plugin = {
	HOLOS_PLUGIN_HEAD,       .name = "health-hello", .version = "1.0",
	.license = "Apache-2.0", .ifaces = ifaces,       .init = init,
};
HOLOS_PLUGIN(holos_health_hello, plugin);
