/* SPDX-License-Identifier: Apache-2.0
 *
 * health "ssh" - a VM is healthy when a command in it exits with status 0, or,
 * without a command, when it lets us log in.  The SSH session is the host's,
 * kept open between attempts.
 */
#include <holos/health.h>
#include <holos/util.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define OUTPUT_MAX 4096
/* Of the line that says why; more does not fit a table or a message. */
#define LINE_MAX_SHOWN 200

static const struct holos_host *host;
static const struct holos_guest_api *guest_api;

struct probe {
	const char **argv; /* NULL: the login alone counts; strings are cfg's */
	char out[OUTPUT_MAX];
	char errout[OUTPUT_MAX];
};

static holos_status probe_open(void *state, const struct holos_cfg *cfg, holos_call *call,
			       void **inst, holos_error *err)
{
	int64_t n = host->cfg_count(cfg, "/test");
	struct probe *p = calloc(1, sizeof(*p));
	int64_t i;

	(void)state;
	(void)call;
	if (p != NULL && n > 0)
		p->argv = calloc((size_t)n + 1, sizeof(*p->argv));
	if (p == NULL || (n > 0 && p->argv == NULL)) {
		free(p);
		return host->fail(err, HOLOS_E_NOMEM, 0, "out of memory");
	}
	for (i = 0; i < n; i++) {
		char pointer[32];

		snprintf(pointer, sizeof(pointer), "/test/%lld", (long long)i);
		p->argv[i] = host->cfg_str(cfg, pointer, "");
	}
	*inst = p;
	return HOLOS_OK;
}

static void probe_close(void *inst)
{
	struct probe *p = inst;

	free(p->argv);
	free(p);
}

/* The last line with something on it, cut and free of control characters, in
 * place; "" when there is none. */
static const char *last_line(char *text)
{
	size_t end = strlen(text);
	char *line;
	char *c;

	while (end > 0 && (unsigned char)text[end - 1] <= ' ')
		end--;
	text[end] = '\0';
	line = strrchr(text, '\n');
	line = line != NULL ? line + 1 : text;
	end = strlen(line);
	if (end > LINE_MAX_SHOWN) {
		end = LINE_MAX_SHOWN;
		while (end > 0 && ((unsigned char)line[end] & 0xc0) == 0x80)
			end--; /* not inside a UTF-8 character */
		line[end] = '\0';
	}
	for (c = line; *c != '\0'; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = ' ';
	}
	return line;
}

static holos_status check(void *inst, const struct holos_guest *guest, holos_call *call,
			  holos_error *err)
{
	struct probe *p = inst;
	struct holos_exec exec = { .size = sizeof(exec), .argv = p->argv };
	struct holos_exec_result res = {
		.size = sizeof(res),
		.out = p->out,
		.out_cap = sizeof(p->out),
		.errout = p->errout,
		.errout_cap = sizeof(p->errout),
	};
	const char *why;
	holos_status st;

	if (guest_api == NULL)
		return host->fail(err, HOLOS_E_UNAVAIL, 0, "this holos has no access to guests");
	st = guest_api->exec(guest, &exec, call, &res, err);
	if (st != HOLOS_OK || p->argv == NULL || res.status == 0)
		return st;
	why = last_line(p->errout);
	if (why[0] == '\0')
		why = last_line(p->out);
	if (res.status < 0)
		return holos_failf(host, err, HOLOS_E_AGAIN, 0, "test was killed by a signal%s%s",
				   why[0] != '\0' ? ": " : "", why);
	return holos_failf(host, err, HOLOS_E_AGAIN, 0, "test exited with status %d%s%s",
			   (int)res.status, why[0] != '\0' ? ": " : "", why);
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
	.head = { .size = sizeof(ops), .open = probe_open, .close = probe_close },
	.check = check,
};

static const struct holos_iface ssh = {
	.size = sizeof(ssh),
	.id = HOLOS_HEALTH_ID,
	.name = "ssh",
	.ops = &ops.head,
	.schema = "{\"type\":\"object\",\"properties\":{"
		  "\"test\":{\"type\":\"array\",\"items\":{\"type\":\"string\"},"
		  "\"description\":\"command and arguments to run in the guest; "
		  "healthy when it exits with status 0; absent: when the login works\"}}}",
	.summary = "runs a command in the guest over SSH",
};

static const struct holos_iface *const ifaces[] = { &ssh, NULL };

static const struct holos_plugin plugin = {
	HOLOS_PLUGIN_HEAD,       .name = "health-ssh", .version = "1.0",
	.license = "Apache-2.0", .ifaces = ifaces,     .init = init,
};
HOLOS_PLUGIN(holos_health_ssh, plugin);
