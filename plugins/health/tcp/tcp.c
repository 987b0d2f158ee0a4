/* SPDX-License-Identifier: Apache-2.0
 *
 * health "tcp" - a VM is healthy when something in it takes a connection on a
 * published port, and says what is expected where something is.
 *
 * QEMU's user-mode network takes the connection before it asks the guest: a
 * guest that refuses shows by a connection that is closed at once, one that is
 * not there by silence.  So without `expect` the connection must stay open for
 * `hold`; with it, the text must come.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memmem */
#endif
#include <dial.h>

#include <holos/util.h>

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MAX 4096

static const struct holos_host *host;

struct probe {
	uint32_t port;
	uint64_t hold_ns;
	const char *send, *expect; /* the cfg's; NULL: none */
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static holos_status open_probe(void *state, const holos_cfg *cfg, holos_call *call, void **inst,
			       holos_error *err)
{
	struct probe *p = malloc(sizeof(*p));

	(void)state;
	(void)call;
	if (p == NULL)
		return host->fail(err, HOLOS_E_NOMEM, 0, "out of memory");
	*p = (struct probe){
		.port = (uint32_t)host->cfg_int(cfg, "/port", 0),
		.hold_ns = (uint64_t)host->cfg_int(cfg, "/hold_ms", 500) * 1000000u,
		.send = host->cfg_str(cfg, "/send", NULL),
		.expect = host->cfg_str(cfg, "/expect", NULL),
	};
	*inst = p;
	return HOLOS_OK;
}

/* The connection must stay open, whatever comes through it. */
static holos_status hold(struct dial *d, const struct probe *p)
{
	uint64_t until = now_ns() + p->hold_ns;
	char buf[512];

	for (;;) {
		holos_status status;
		size_t n = 0;

		if (dial_wait_until(d, POLLIN, until, &status) == 1)
			return HOLOS_OK;
		if (status == HOLOS_OK)
			status = dial_receive(d, buf, sizeof(buf), &n);
		if (status != HOLOS_OK)
			return status;
		if (n == 0)
			return holos_failf(host, d->err, HOLOS_E_AGAIN, 0,
					   "%s closed the connection", d->where);
		return HOLOS_OK; /* it talks: there is somebody */
	}
}

static holos_status expect(struct dial *d, const struct probe *p)
{
	char buf[ANSWER_MAX];
	size_t len = 0;

	while (len < sizeof(buf)) {
		size_t n = 0;
		holos_status status = dial_receive(d, buf + len, sizeof(buf) - len, &n);

		if (status != HOLOS_OK)
			return status;
		len += n;
		if (memmem(buf, len, p->expect, strlen(p->expect)) != NULL)
			return HOLOS_OK;
		if (n == 0)
			break;
	}
	return holos_failf(host, d->err, HOLOS_E_AGAIN, 0, "%s did not say \"%.100s\"", d->where,
			   p->expect);
}

static holos_status check(void *inst, const struct holos_guest *guest, holos_call *call,
			  holos_error *err)
{
	const struct probe *p = inst;
	struct dial d = { .host = host, .call = call, .err = err, .port = p->port };
	holos_status status = dial_connect(&d, guest);

	if (status != HOLOS_OK)
		return status;
	if (p->send != NULL)
		status = dial_send(&d, p->send, strlen(p->send));
	if (status == HOLOS_OK)
		status = p->expect != NULL ? expect(&d, p) : hold(&d, p);
	close(d.fd);
	return status;
}

static holos_status init(const struct holos_host *h, holos_self *self, void **state,
			 holos_error *err)
{
	(void)self;
	(void)state;
	(void)err;
	host = h;
	return HOLOS_OK;
}

static const struct holos_health_ops ops = {
	.head = { .size = sizeof(ops), .open = open_probe, .close = free },
	.check = check,
};

static const char schema[] =
	"{\"type\":\"object\",\"required\":[\"port\"],\"properties\":{"
	"\"port\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":65535,"
	"\"description\":\"port in the guest; it must be listed under ports:\"},"
	"\"send\":{\"type\":\"string\",\"description\":\"text to send first\"},"
	"\"expect\":{\"type\":\"string\","
	"\"description\":\"text that must come, within the first 4 KiB\"},"
	"\"hold_ms\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":60000,\"default\":500,"
	"\"description\":\"without expect: milliseconds that the connection must stay open\"}}}";

static const struct holos_iface tcp = {
	.size = sizeof(tcp),
	.id = HOLOS_HEALTH_ID,
	.name = "tcp",
	.ops = &ops.head,
	.schema = schema,
	.summary = "connects to a published port of the guest",
};

static const struct holos_iface *const ifaces[] = { &tcp, NULL };

static const struct holos_plugin plugin = {
	HOLOS_PLUGIN_HEAD,       .name = "health-tcp", .version = "1.0",
	.license = "Apache-2.0", .ifaces = ifaces,     .init = init,
};
HOLOS_PLUGIN(holos_health_tcp, plugin);
