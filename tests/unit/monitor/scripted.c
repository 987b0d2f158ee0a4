/* SPDX-License-Identifier: Apache-2.0
 *
 * health "scripted" - what a test wrote into the file of option "file" decides:
 * ok, again, unreached, denied, broken, crash or hang.  What it says of a failure
 * ends with the number of probes so far, for tests that wait for some.
 */
#include <holos/health.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct holos_host *host;

struct inst {
	char file[256];
};

static holos_status open_inst(void *state, const holos_cfg *cfg, holos_call *call, void **ret,
			      holos_error *err)
{
	struct inst *i = calloc(1, sizeof(*i));

	(void)state;
	(void)call;
	if (i == NULL)
		return host->fail(err, HOLOS_E_NOMEM, 0, "out of memory");
	snprintf(i->file, sizeof(i->file), "%s", host->cfg_str(cfg, "/file", ""));
	*ret = i;
	return HOLOS_OK;
}

static holos_status say(holos_error *err, holos_status status, const char *what, unsigned probes)
{
	char text[64];

	snprintf(text, sizeof(text), "%s, %u", what, probes);
	return host->fail(err, status, 0, text);
}

static holos_status check(void *inst, const struct holos_guest *guest, holos_call *call,
			  holos_error *err)
{
	static unsigned probes;
	struct inst *i = inst;
	char word[32] = "";
	FILE *f = fopen(i->file, "r");

	(void)guest;
	(void)call;
	if (f == NULL || fscanf(f, "%31s", word) != 1)
		snprintf(word, sizeof(word), "broken");
	if (f != NULL)
		fclose(f);
	probes++;
	if (strcmp(word, "ok") == 0)
		return HOLOS_OK;
	if (strcmp(word, "again") == 0)
		return say(err, HOLOS_E_AGAIN, "the answer is no", probes);
	if (strcmp(word, "unreached") == 0)
		return say(err, HOLOS_E_UNREACHED, "nobody there", probes);
	if (strcmp(word, "denied") == 0)
		return say(err, HOLOS_E_DENIED, "not let in", probes);
	if (strcmp(word, "crash") == 0)
		abort();
	if (strcmp(word, "hang") == 0)
		for (;;)
			pause(); /* deaf to the deadline */
	return host->fail(err, HOLOS_E_UNAVAIL, 0, "the probe is broken");
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
	.head = { .size = sizeof(ops), .open = open_inst, .close = free },
	.check = check,
};

static const struct holos_iface iface = {
	.size = sizeof(iface),
	.id = HOLOS_HEALTH_ID,
	.name = "scripted",
	.ops = &ops.head,
	.schema = "{\"type\":\"object\",\"properties\":{\"file\":{\"type\":\"string\"}}}",
	.summary = "what a file says",
};

static const struct holos_iface *const ifaces[] = { &iface, NULL };

static const struct holos_plugin plugin = {
	HOLOS_PLUGIN_HEAD,       .name = "health-scripted", .version = "1.0",
	.license = "Apache-2.0", .ifaces = ifaces,          .init = init,
};
HOLOS_PLUGIN(holos_health_scripted, plugin);
