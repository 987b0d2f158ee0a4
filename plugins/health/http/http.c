/* SPDX-License-Identifier: Apache-2.0
 *
 * health "http" - a VM is healthy when a web server in it answers: with the
 * right status, and with the right text where one is asked for.
 *
 * A client of its own rather than libcurl: one plain GET to an address that is
 * known, no TLS, proxies, redirections or cookies, and a probe that runs beside
 * every VM should not bring twenty libraries with it.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memmem */
#endif
#include "answer.h"
#include "dial.h"

#include <holos/util.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct holos_host *host;

struct probe {
	uint32_t port;
	int64_t status;                           /* 0: 200 to 399 */
	const char *method, *path, *name, *match; /* the cfg's */
};

/* What goes into the request must not end a line of it. */
static holos_status check_text(const holos_cfg *cfg, const char *pointer, const char *text,
			       holos_error *err)
{
	for (const char *c = text; *c != '\0'; c++) {
		if ((unsigned char)*c <= ' ' || *c == 0x7f) {
			host->fail_at(err, cfg, pointer);
			return holos_failf(host, err, HOLOS_E_CONFIG, 0,
					   "%s has a space or control character in it",
					   pointer + 1);
		}
	}
	return HOLOS_OK;
}

static holos_status open_probe(void *state, const holos_cfg *cfg, holos_call *call, void **inst,
			       holos_error *err)
{
	struct probe p = {
		.port = (uint32_t)host->cfg_int(cfg, "/port", 80),
		.status = host->cfg_int(cfg, "/status", 0),
		.method = host->cfg_str(cfg, "/method", "GET"),
		.path = host->cfg_str(cfg, "/path", "/"),
		.name = host->cfg_str(cfg, "/host", "localhost"),
		.match = host->cfg_str(cfg, "/match", NULL),
	};
	holos_status status = check_text(cfg, "/path", p.path, err);
	struct probe *copy;

	(void)state;
	(void)call;
	if (status == HOLOS_OK)
		status = check_text(cfg, "/host", p.name, err);
	if (status == HOLOS_OK && p.path[0] != '/') {
		host->fail_at(err, cfg, "/path");
		status = holos_failf(host, err, HOLOS_E_CONFIG, 0,
				     "path \"%.100s\" does not begin with /", p.path);
	}
	if (status != HOLOS_OK)
		return status;
	copy = malloc(sizeof(*copy));
	if (copy == NULL)
		return host->fail(err, HOLOS_E_NOMEM, 0, "out of memory");
	*copy = p;
	*inst = copy;
	return HOLOS_OK;
}

static holos_status judge(const struct probe *p, const struct answer *a, holos_error *err)
{
	if (p->status != 0 && a->status != p->status)
		return holos_failf(host, err, HOLOS_E_AGAIN, 0, "%s answered %d, not %d", p->path,
				   a->status, (int)p->status);
	if (p->status == 0 && (a->status < 200 || a->status > 399))
		return holos_failf(host, err, HOLOS_E_AGAIN, 0, "%s answered %d", p->path,
				   a->status);
	if (p->match != NULL && memmem(a->body, a->body_len, p->match, strlen(p->match)) == NULL)
		return holos_failf(host, err, HOLOS_E_AGAIN, 0,
				   "%s answered %d without \"%.100s\" in it", p->path, a->status,
				   p->match);
	return HOLOS_OK;
}

static holos_status ask(struct dial *d, const struct probe *p, struct answer *a)
{
	char request[16384];
	int n = snprintf(request, sizeof(request),
			 "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: holos\r\nAccept: */*\r\n"
			 "Connection: close\r\n\r\n",
			 p->method, p->path, p->name);
	holos_status status;

	if (n < 0 || (size_t)n >= sizeof(request))
		return host->fail(d->err, HOLOS_E_CONFIG, 0, "path and host are too long");
	status = dial_send(d, request, (size_t)n);
	while (status == HOLOS_OK && !answer_is_complete(a, strcmp(p->method, "HEAD") == 0)) {
		size_t got = 0;

		status = dial_receive(d, a->data + a->len, sizeof(a->data) - a->len, &got);
		if (got == 0)
			break; /* closed, or failed */
		a->len += got;
	}
	return status;
}

static holos_status check(void *inst, const struct holos_guest *guest, holos_call *call,
			  holos_error *err)
{
	const struct probe *p = inst;
	struct dial d = { .host = host, .call = call, .err = err, .port = p->port };
	struct answer *a = calloc(1, sizeof(*a));
	holos_status status;

	if (a == NULL)
		return host->fail(err, HOLOS_E_NOMEM, 0, "out of memory");
	status = dial_connect(&d, guest);
	if (status == HOLOS_OK) {
		status = ask(&d, p, a);
		close(d.fd);
	}
	if (status == HOLOS_OK && a->len == 0)
		status = holos_failf(host, err, HOLOS_E_AGAIN, 0, "%s closed the connection",
				     d.where);
	else if (status == HOLOS_OK && !answer_parse(a))
		status = holos_failf(host, err, HOLOS_E_AGAIN, 0, "%s does not speak HTTP/1",
				     d.where);
	if (status == HOLOS_OK)
		status = judge(p, a, err);
	free(a);
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
	"{\"type\":\"object\",\"properties\":{"
	"\"port\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":65535,\"default\":80,"
	"\"description\":\"port in the guest; it must be listed under ports:\"},"
	"\"path\":{\"type\":\"string\",\"default\":\"/\",\"description\":\"what to ask for\"},"
	"\"host\":{\"type\":\"string\",\"default\":\"localhost\","
	"\"description\":\"name of the server, for the Host header\"},"
	"\"method\":{\"type\":\"string\",\"enum\":[\"GET\",\"HEAD\"],\"default\":\"GET\","
	"\"description\":\"HEAD asks for no body\"},"
	"\"status\":{\"type\":\"integer\",\"minimum\":100,\"maximum\":599,"
	"\"description\":\"the status that is healthy; absent: 200 to 399\"},"
	"\"match\":{\"type\":\"string\","
	"\"description\":\"text that the first 256 KiB of the answer must contain\"}}}";

static const struct holos_iface http = {
	.size = sizeof(http),
	.id = HOLOS_HEALTH_ID,
	.name = "http",
	.ops = &ops.head,
	.schema = schema,
	.summary = "asks a web server in the guest, through a published port",
};

static const struct holos_iface *const ifaces[] = { &http, NULL };

static const struct holos_plugin plugin = {
	HOLOS_PLUGIN_HEAD,       .name = "health-http", .version = "1.0",
	.license = "Apache-2.0", .ifaces = ifaces,      .init = init,
};
HOLOS_PLUGIN(holos_health_http, plugin);
