/* SPDX-License-Identifier: Apache-2.0
 *
 * verb_port.c - holos port: where a port of a guest is to be reached.
 */
#include <base/alloc.h>
#include <base/jsonx.h>
#include <base/units.h>
#include <cli.h>

#include <stdio.h>
#include <string.h>

struct wanted {
	const char *name; /* service or instance */
	int64_t guest;    /* 0: all */
	const char *protocol;
};

/* "80", "80/tcp" */
static int parse_port(const char *text, struct wanted *w, struct holos_error **err)
{
	size_t n = strcspn(text, "/");
	_cleanup_(freep) char *number = xstrndup(text, n);

	if (text[n] == '/')
		w->protocol = text + n + 1;
	if (units_parse_int(number, 1, 65535, &w->guest) < 0)
		return error_set(err, ERR_USAGE,
				 "port \"%s\": must be a port of the guest, such as 80 or 53/udp",
				 text);
	if (strcmp(w->protocol, "tcp") != 0 && strcmp(w->protocol, "udp") != 0)
		return error_set(err, ERR_USAGE, "protocol \"%s\": must be tcp or udp",
				 w->protocol);
	return 0;
}

static bool matches(const struct wanted *w, const struct vm_port *p)
{
	return w->guest == 0 ||
	       (p->guest_port == w->guest && strcmp(p->protocol, w->protocol) == 0);
}

static void show(const struct vm_status *v, const struct wanted *w, bool json)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < v->rec->n_ports; i++) {
		const struct vm_port *p = &v->rec->ports[i];
		struct json_object *o;

		if (!matches(w, p))
			continue;
		if (!json && w->guest != 0)
			printf("%s:%u\n", p->host_ip, p->host_port);
		else if (!json)
			printf("%u/%s -> %s:%u\n", p->guest_port, p->protocol, p->host_ip,
			       p->host_port);
		o = json_object_new_object();
		jsonx_set_str(o, "instance", v->name);
		jsonx_set_str(o, "host_ip", p->host_ip);
		jsonx_set_int(o, "host_port", p->host_port);
		jsonx_set_int(o, "guest_port", p->guest_port);
		jsonx_set_str(o, "protocol", p->protocol);
		json_object_array_add(list, o);
	}
	if (json)
		print_json(list);
	else
		json_object_put(list);
}

static int find(const struct project_status *p, const struct wanted *w, unsigned index,
		struct vm_status **ret, struct holos_error **err)
{
	_cleanup_(strv_finish) struct strv has = STRV_INIT;
	_cleanup_(freep) char *list = NULL;
	struct vm_status *v;
	bool any = w->guest == 0;
	int r = cli_find_instance(p, w->name, index, &v, err);

	if (r < 0)
		return r;
	if (v->rec == NULL)
		return error_set(err, ERR_FAILED, "instance \"%s\": %s", v->name, v->problem);
	for (size_t i = 0; i < v->rec->n_ports; i++) {
		any = any || matches(w, &v->rec->ports[i]);
		strv_addf(&has, "%u/%s", v->rec->ports[i].guest_port, v->rec->ports[i].protocol);
	}
	if (any) {
		*ret = v;
		return 0;
	}
	error_set(err, ERR_FAILED, "%s publishes no port %lld/%s", v->name, (long long)w->guest,
		  w->protocol);
	list = has.n != 0 ? strv_join(has.v, ", ") : xstrdup("none");
	error_hint(err, "it publishes: %s", list);
	return -ERR_FAILED;
}

static int port(const struct common *c, const struct strv *operands, struct wanted *w,
		unsigned index, struct holos_error **err)
{
	_cleanup_(freep) char *dir = state_default_dir(c->state_dir);
	_cleanup_(state_closep) struct state *s = NULL;
	_cleanup_(project_status_destroyp) struct project_status *p = NULL;
	_cleanup_(freep) char *project = NULL;
	char *const *rest = operands->v;
	struct vm_status *v = NULL;
	int r = state_open(dir, false, &s, err);

	if (r == 0)
		r = cli_resolve(c, s, operands, &project, &rest, err);
	if (r < 0)
		return r;
	if (rest[0] == NULL)
		return error_set(err, ERR_USAGE, "port needs the name of a service or an instance");
	w->name = rest[0];
	if (rest[1] != NULL)
		r = parse_port(rest[1], w, err);
	if (r == 0 && rest[1] != NULL && rest[2] != NULL)
		r = error_set(err, ERR_USAGE, "unexpected argument \"%s\"", rest[2]);
	if (r == 0 && !cli_is_project(s, project))
		r = error_set(err, ERR_FAILED, "project \"%s\" not found", project);
	if (r == 0)
		r = project_status_read(s, project, &p, err);
	if (r == 0)
		r = find(p, w, index, &v, err);
	if (r == 0)
		show(v, w, c->json);
	return r;
}

int verb_port(const struct verb *v, int argc, char **argv, struct holos_error **err)
{
	_cleanup_(common_finish) struct common c = COMMON_INIT;
	_cleanup_(strv_finish) struct strv operands = STRV_INIT;
	struct wanted w = { .protocol = "tcp" };
	const char *index_text = NULL;
	int64_t index = 0;
	const struct option_def defs[] = {
		OPTIONS_FILE(c),
		OPTIONS_PROJECT(c),
		{ "protocol", 0, OPTION_VALUE, &w.protocol, "NAME", "tcp (default) or udp" },
		{ "index", 0, OPTION_VALUE, &index_text, "N",
		  "the replica, when a service is named" },
		OPTIONS_STATE(c),
		OPTIONS_JSON(c),
		OPTIONS_END,
	};
	int r = options_parse(v, defs, false, argc, argv, &operands, err);

	if (r != 0)
		return r;
	if (operands.n == 0)
		return error_set(err, ERR_USAGE, "port needs the name of a service or an instance");
	if (index_text != NULL && units_parse_int(index_text, 0, 1 << 20, &index) < 0)
		return error_set(err, ERR_USAGE, "--index %s: must be a number", index_text);
	return port(&c, &operands, &w, (unsigned)index, err);
}

const struct verb entry_port = {
	.name = "port",
	.operands = "[PROJECT] SERVICE|INSTANCE [PORT]",
	.summary = "show where a port of a VM is reached",
	.run = verb_port,
	.group = GROUP_LOOK,
	.examples = {
		{ "holos port web 80", "127.0.0.1:8080" },
		{ "holos port --index 1 web 53/udp", "of the second replica" },
	},
};
