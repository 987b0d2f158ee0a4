/* SPDX-License-Identifier: Apache-2.0
 *
 * plugin.c - the provision plugin "dockerfile": a Dockerfile becomes steps
 * (docs/steps.md): a script for the first boot, its variables, and the files
 * that it copies, by reference.
 */
#include "dockerfile.h"
#include "translate.h"

#include <holos/provision.h>
#include <holos/util.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct holos_host *host;
static const struct holos_provision_api *api;

/* Instances are their options: "cmd". */
static const char with_service[] = "service";

static holos_status read_file(struct df_pool *p, const char *path, struct df_text *t,
			      holos_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	char chunk[16384];
	ssize_t n = 0;

	(void)p;
	if (fd < 0)
		return host->fail(err, HOLOS_E_CONFIG, errno, "cannot read it");
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return host->fail(err, HOLOS_E_CONFIG, 0, "is no file");
	}
	while (t->len <= DF_TEXT_MAX && (n = read(fd, chunk, sizeof(chunk))) > 0)
		df_add(t, chunk, (size_t)n);
	close(fd);
	return n < 0 ? host->fail(err, HOLOS_E_IO, errno, "cannot read it") : HOLOS_OK;
}

static holos_status report(const struct df_pool *p, holos_error *err)
{
	if (p->hint[0] != '\0')
		host->fail_hint(err, p->hint);
	if (p->line == 0)
		return host->fail(err, HOLOS_E_CONFIG, 0, p->message);
	return holos_failf(host, err, HOLOS_E_CONFIG, 0, "line %u: %s", p->line, p->message);
}

static holos_status translate(void *inst, const char *path, holos_call *call, holos_steps_sink *out,
			      holos_error *err)
{
	const struct df_options options = { .service = inst == (const void *)with_service };
	struct df_pool pool = { 0 };
	struct df_text text = DF_TEXT(&pool);
	struct json_object *steps = NULL;
	holos_status status = read_file(&pool, path, &text, err);

	(void)call;
	if (status == HOLOS_OK &&
	    !df_translate(&pool, path, df_str(&text), text.len, &options, &steps))
		status = report(&pool, err);
	if (status == HOLOS_OK) {
		const char *json = json_object_to_json_string_ext(
			steps, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);

		status = api->steps(out, json, strlen(json));
	}
	json_object_put(steps);
	df_pool_finish(&pool);
	return status;
}

static holos_status open_options(void *state, const holos_cfg *cfg, holos_call *call, void **inst,
				 holos_error *err)
{
	static char none[] = "";
	union {
		const char *text;
		void *inst;
	} service = { .text = with_service };

	(void)state;
	(void)call;
	(void)err;
	*inst = strcmp(host->cfg_str(cfg, "/cmd", ""), with_service) == 0 ? service.inst : none;
	return HOLOS_OK;
}

static void close_options(void *inst)
{
	(void)inst;
}

static holos_status init(const struct holos_host *h, holos_self *self, void **state,
			 holos_error *err)
{
	(void)state;
	host = h;
	api = h->query(self, HOLOS_PROVISION_API_ID);
	return api != NULL ? HOLOS_OK
			   : h->fail(err, HOLOS_E_INTERNAL, 0,
				     "the host does not take " HOLOS_PROVISION_API_ID);
}

static const struct holos_provision_ops ops = {
	.head = { .size = sizeof(ops), .open = open_options, .close = close_options },
	.translate = translate,
};

static const struct holos_iface iface = {
	.size = sizeof(iface),
	.id = HOLOS_PROVISION_ID,
	.name = "dockerfile",
	.ops = &ops.head,
	.schema = "{\"type\":\"object\",\"properties\":{"
		  "\"cmd\":{\"type\":\"string\",\"enum\":[\"service\"],\"description\":\"CMD and "
		  "ENTRYPOINT become a "
		  "service of the guest\"}}}",
	.summary = "steps of a Dockerfile, run at the first boot",
};

static const struct holos_iface *const ifaces[] = { &iface, NULL };

static const struct holos_plugin plugin = {
	HOLOS_PLUGIN_HEAD,        .name = "provision-dockerfile",
	.version = HOLOS_VERSION, .license = "Apache-2.0",
	.ifaces = ifaces,         .init = init,
};

HOLOS_PLUGIN(holos_provision_dockerfile, plugin);
