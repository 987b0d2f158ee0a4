/* SPDX-License-Identifier: Apache-2.0
 *
 * launch.c - see launch.h.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/fs.h>
#include <base/jsonx.h>
#include <monitor/launch.h>

#include <string.h>

#define ARGS_MAX 4096u           /* of one argument vector */
#define TIME_MAX (INT64_MAX / 4) /* what can be added to a clock; the file has no limit */

static const char *const restart_names[] = {
	[LAUNCH_RESTART_NO] = "no",
	[LAUNCH_RESTART_ALWAYS] = "always",
	[LAUNCH_RESTART_UNLESS_STOPPED] = "unless-stopped",
	[LAUNCH_RESTART_ON_FAILURE] = "on-failure",
};

static const char *const on_failure_names[] = { "none", "restart" };

struct launch *launch_create(void)
{
	struct launch *l = xnew(struct launch);

	l->stop_grace_ns = 30 * NS_PER_S;
	l->qmp_timeout_ns = 30 * NS_PER_S;
	l->console_max = 10u << 20;
	l->console_files = 2;
	return l;
}

static void free_strv(char **v)
{
	for (size_t i = 0; v != NULL && v[i] != NULL; i++)
		free(v[i]);
	free(v);
}

void launch_destroy(struct launch *l)
{
	if (l == NULL)
		return;
	for (size_t i = 0; i < l->n_helpers; i++) {
		free(l->helpers[i].name);
		free_strv(l->helpers[i].argv);
		free(l->helpers[i].ready_path);
	}
	free(l->helpers);
	vm_ports_free(l->ports, l->n_ports);
	free(l->reserved);
	free_strv(l->argv);
	free(l->project);
	free(l->project_id);
	free(l->service);
	free(l->instance);
	free(l->uuid);
	free(l->program);
	free(l->health.plugin);
	json_object_put(l->health.options);
	json_object_put(l->networks);
	free(l->guest.user);
	free(l->guest.key);
	free(l->guest.host_key);
	free(l->plugin_path);
	free(l);
}

static struct json_object *encode_helpers(const struct launch *l)
{
	struct json_object *arr = json_object_new_array();

	for (size_t i = 0; i < l->n_helpers; i++) {
		const struct launch_helper *h = &l->helpers[i];
		struct json_object *o = json_object_new_object();

		jsonx_set_str(o, "name", h->name);
		jsonx_set(o, "argv", jsonx_from_strv(h->argv));
		jsonx_set_str(o, "ready_path", h->ready_path);
		jsonx_set_int(o, "ready_timeout_ms", (int64_t)(h->ready_timeout_ns / NS_PER_MS));
		json_object_array_add(arr, o);
	}
	return arr;
}

static struct json_object *encode_reserved(const struct launch *l)
{
	struct json_object *arr = json_object_new_array();

	for (size_t i = 0; i < l->n_reserved; i++) {
		struct json_object *o = json_object_new_object();

		jsonx_set_int(o, "first", l->reserved[i].first);
		jsonx_set_int(o, "last", l->reserved[i].last);
		json_object_array_add(arr, o);
	}
	return arr;
}

static void decode_reserved(struct launch *l, struct fields *top)
{
	struct json_object *arr = field_arr(top, "reserved_ports", LAUNCH_RANGES_MAX);
	size_t n = jsonx_len(arr);

	l->reserved = n != 0 ? xcalloc(n, sizeof(*l->reserved)) : NULL;
	for (size_t i = 0; i < n && top->r == 0; i++) {
		struct fields f =
			fields_open(json_object_array_get_idx(arr, i), top->what, top->err);
		struct launch_range *range = &l->reserved[l->n_reserved++];

		range->first = (uint16_t)field_int(&f, "first", 1, UINT16_MAX, 1);
		range->last = (uint16_t)field_int(&f, "last", 1, UINT16_MAX, 1);
		top->r = f.r;
	}
}

static struct json_object *encode_health(const struct launch *l)
{
	struct json_object *o;

	if (!l->health.set)
		return NULL;
	o = json_object_new_object();
	jsonx_set_str(o, "plugin", l->health.plugin);
	jsonx_set(o, "options", json_object_get(l->health.options));
	jsonx_set_int(o, "interval_ns", (int64_t)l->health.interval_ns);
	jsonx_set_int(o, "timeout_ns", (int64_t)l->health.timeout_ns);
	jsonx_set_int(o, "start_period_ns", (int64_t)l->health.start_period_ns);
	jsonx_set_int(o, "start_interval_ns", (int64_t)l->health.start_interval_ns);
	jsonx_set_int(o, "retries", l->health.retries);
	jsonx_set_str(o, "on_failure", on_failure_names[l->health.restart]);
	return o;
}

struct json_object *launch_encode(const struct launch *l)
{
	struct json_object *o = json_object_new_object();
	struct json_object *restart = json_object_new_object();
	struct json_object *guest = json_object_new_object();
	struct json_object *console = json_object_new_object();
	struct json_object *worker = json_object_new_object();

	jsonx_set_int(o, "format", LAUNCH_FORMAT);
	jsonx_set_str(o, "project", l->project);
	jsonx_set_str(o, "project_id", l->project_id);
	jsonx_set_str(o, "service", l->service);
	jsonx_set_str(o, "instance", l->instance);
	jsonx_set_int(o, "index", l->index);
	jsonx_set_str(o, "uuid", l->uuid);
	jsonx_set_str(o, "program", l->program);
	jsonx_set(o, "argv", jsonx_from_strv(l->argv));
	jsonx_set(o, "ports", vm_ports_encode(l->ports, l->n_ports));
	jsonx_set_int(o, "ssh_port", l->ssh_port);
	jsonx_set(o, "reserved_ports", encode_reserved(l));
	jsonx_set(o, "helpers", encode_helpers(l));
	if (l->networks != NULL)
		jsonx_set(o, "networks", json_object_get(l->networks));
	jsonx_set_int(o, "stop_grace_ns", (int64_t)l->stop_grace_ns);
	jsonx_set_int(o, "qmp_timeout_ns", (int64_t)l->qmp_timeout_ns);
	jsonx_set_str(restart, "policy", restart_names[l->restart]);
	jsonx_set_int(restart, "max", l->restart_max);
	jsonx_set(o, "restart", restart);
	jsonx_set(o, "health", encode_health(l));
	jsonx_set_str(guest, "user", l->guest.user);
	jsonx_set_str(guest, "key", l->guest.key);
	jsonx_set_str(guest, "host_key", l->guest.host_key);
	jsonx_set(o, "guest", guest);
	jsonx_set_int(console, "console_max", (int64_t)l->console_max);
	jsonx_set_int(console, "console_files", l->console_files);
	jsonx_set(o, "log", console);
	jsonx_set_str(worker, "plugin_path", l->plugin_path);
	jsonx_set(o, "worker", worker);
	return o;
}

/* An argument vector: at least a program, strings only. */
static char **decode_argv(struct fields *f, const char *key)
{
	struct json_object *arr = field_arr(f, key, ARGS_MAX);
	size_t n = jsonx_len(arr);
	char **v = xcalloc(n + 1, sizeof(*v));

	if (n == 0)
		field_spoil(f, key, "is empty");
	for (size_t i = 0; i < n; i++) {
		const char *s = jsonx_str_at(arr, i);

		if (s == NULL)
			field_spoil(f, key, "holds something that is no string");
		v[i] = xstrdup(s != NULL ? s : "");
	}
	return v;
}

static uint64_t time_field(struct fields *f, const char *key, uint64_t fallback)
{
	return (uint64_t)field_int(f, key, 0, TIME_MAX, (int64_t)fallback);
}

static void absolute(struct fields *f, const char *key, const char *path)
{
	if (path != NULL && path[0] != '/')
		field_spoil(f, key, "is no absolute path");
}

static void decode_helpers(struct launch *l, struct fields *top)
{
	struct json_object *arr = field_arr(top, "helpers", LAUNCH_HELPERS_MAX);
	size_t n = jsonx_len(arr);

	l->helpers = n != 0 ? xcalloc(n, sizeof(*l->helpers)) : NULL;
	for (size_t i = 0; i < n && top->r == 0; i++) {
		struct json_object *o = json_object_array_get_idx(arr, i);
		struct fields f = fields_open(o, top->what, top->err);
		struct launch_helper *h = &l->helpers[l->n_helpers++];

		h->name = field_str(&f, "name", true);
		h->argv = decode_argv(&f, "argv");
		h->ready_path = field_raw(&f, "ready_path", false);
		h->ready_timeout_ns =
			(uint64_t)field_int(&f, "ready_timeout_ms", 0, 600000, 5000) * NS_PER_MS;
		absolute(&f, "argv", h->argv[0]);
		absolute(&f, "ready_path", h->ready_path);
		top->r = f.r;
	}
}

static void decode_health(struct launch *l, struct fields *top)
{
	struct json_object *obj = field_obj(top, "health"), *options;
	struct fields f;

	if (obj == NULL || top->r != 0)
		return;
	f = fields_open(obj, top->what, top->err);
	l->health.set = true;
	l->health.plugin = field_str(&f, "plugin", true);
	options = field_obj(&f, "options");
	l->health.options = options != NULL ? json_object_get(options) : json_object_new_object();
	l->health.interval_ns = time_field(&f, "interval_ns", 30 * NS_PER_S);
	l->health.timeout_ns = time_field(&f, "timeout_ns", 5 * NS_PER_S);
	l->health.start_period_ns = time_field(&f, "start_period_ns", 0);
	l->health.start_interval_ns = time_field(&f, "start_interval_ns", 5 * NS_PER_S);
	l->health.retries = (unsigned)field_int(&f, "retries", 1, 1000000, 3);
	l->health.restart = field_enum(&f, "on_failure", on_failure_names, 2, 0, -1) == 1;
	top->r = f.r;
}

static void decode_groups(struct launch *l, struct fields *top)
{
	struct json_object *o;

	if ((o = field_obj(top, "restart")) != NULL && top->r == 0) {
		struct fields f = fields_open(o, top->what, top->err);

		l->restart = (enum launch_restart)field_enum(&f, "policy", restart_names, 4,
							     LAUNCH_RESTART_NO, -1);
		l->restart_max = (unsigned)field_int(&f, "max", 0, INT32_MAX, 0);
		top->r = f.r;
	}
	if ((o = field_obj(top, "guest")) != NULL && top->r == 0) {
		struct fields f = fields_open(o, top->what, top->err);

		l->guest.user = field_str(&f, "user", false);
		l->guest.key = field_raw(&f, "key", false);
		l->guest.host_key = field_raw(&f, "host_key", false);
		top->r = f.r;
	}
	if ((o = field_obj(top, "log")) != NULL && top->r == 0) {
		struct fields f = fields_open(o, top->what, top->err);

		l->console_max = (uint64_t)field_int(&f, "console_max", 0, INT64_MAX,
						     (int64_t)l->console_max);
		l->console_files =
			(unsigned)field_int(&f, "console_files", 0, 100, l->console_files);
		top->r = f.r;
	}
	if ((o = field_obj(top, "worker")) != NULL && top->r == 0) {
		struct fields f = fields_open(o, top->what, top->err);

		l->plugin_path = field_raw(&f, "plugin_path", false);
		top->r = f.r;
	}
}

int launch_decode(struct json_object *obj, const char *what, struct launch **ret,
		  struct holos_error **err)
{
	_cleanup_(launch_destroyp) struct launch *l = launch_create();
	struct fields f = fields_open(obj, what, err);

	if (f.r == 0)
		field_format(&f, LAUNCH_FORMAT);
	if (f.r != 0)
		return f.r;
	l->project = field_str(&f, "project", true);
	l->project_id = field_str(&f, "project_id", false);
	l->service = field_str(&f, "service", true);
	l->instance = field_str(&f, "instance", true);
	l->index = (unsigned)field_int(&f, "index", 0, 65535, 0);
	l->uuid = field_str(&f, "uuid", true);
	l->program = field_raw(&f, "program", true);
	absolute(&f, "program", l->program);
	l->argv = decode_argv(&f, "argv");
	vm_ports_decode(&f, &l->ports, &l->n_ports);
	l->ssh_port = (uint16_t)field_int(&f, "ssh_port", 0, UINT16_MAX, 0);
	decode_reserved(l, &f);
	decode_helpers(l, &f);
	l->networks = json_object_get(field_arr(&f, "networks", LAUNCH_NICS_MAX));
	l->stop_grace_ns = time_field(&f, "stop_grace_ns", l->stop_grace_ns);
	l->qmp_timeout_ns = time_field(&f, "qmp_timeout_ns", l->qmp_timeout_ns);
	decode_health(l, &f);
	decode_groups(l, &f);
	if (f.r == 0)
		*ret = steal_ptr(&l);
	return f.r;
}

int launch_read(int dirfd, struct launch **ret, struct holos_error **err)
{
	_cleanup_(json_putp) struct json_object *obj = NULL;
	int r = jsonx_read_file(dirfd, LAUNCH_FILE, LAUNCH_MAX, &obj, err);

	return r < 0 ? r : launch_decode(obj, LAUNCH_FILE, ret, err);
}

int launch_write(int dirfd, const struct launch *l, struct holos_error **err)
{
	_cleanup_(json_putp) struct json_object *obj = launch_encode(l);
	_cleanup_(freep) char *text = jsonx_pretty(obj);

	return fs_write_replace(dirfd, LAUNCH_FILE, text, strlen(text), 0600, err);
}
