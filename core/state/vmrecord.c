/* SPDX-License-Identifier: Apache-2.0
 *
 * vmrecord.c - see vmrecord.h.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/fs.h>
#include <base/jsonx.h>
#include <base/process.h>
#include <state/field.h>
#include <state/vmbrief.h>
#include <state/vmrecord.h>

#include <limits.h>
#include <string.h>

#define N_ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))

static const char *const state_names[] = {
	[VM_CREATED] = "created", [VM_STARTING] = "starting", [VM_RUNNING] = "running",
	[VM_PAUSED] = "paused",   [VM_STOPPING] = "stopping", [VM_STOPPED] = "stopped",
	[VM_FAILED] = "failed",
};

static const char *const health_names[] = {
	[VM_HEALTH_NONE] = "none",       [VM_HEALTH_STARTING] = "starting",
	[VM_HEALTH_HEALTHY] = "healthy", [VM_HEALTH_UNHEALTHY] = "unhealthy",
	[VM_HEALTH_UNKNOWN] = "unknown",
};

static const char *const cause_names[] = {
	[VM_EXIT_NONE] = "none",       [VM_EXIT_GUEST] = "guest",   [VM_EXIT_STOPPED] = "stopped",
	[VM_EXIT_QEMU] = "qemu",       [VM_EXIT_SIGNAL] = "signal", [VM_EXIT_PANIC] = "panic",
	[VM_EXIT_UNKNOWN] = "unknown",
};

static const char *const provision_names[] = {
	[VM_PROVISION_NONE] = "none",
	[VM_PROVISION_RUNNING] = "running",
	[VM_PROVISION_DONE] = "done",
	[VM_PROVISION_FAILED] = "failed",
};

const char *vm_state_name(enum vm_state s)
{
	return state_names[s];
}

const char *vm_health_name(enum vm_health h)
{
	return health_names[h];
}

const char *vm_provision_name(enum vm_provision p)
{
	return provision_names[p];
}

const char *vm_exit_cause_name(enum vm_exit_cause c)
{
	return cause_names[c];
}

bool vm_state_is_up(enum vm_state s)
{
	return s == VM_STARTING || s == VM_RUNNING || s == VM_PAUSED || s == VM_STOPPING;
}

struct vm_record *vm_record_create(void)
{
	struct vm_record *r = xnew(struct vm_record);

	r->exit.status = -1;
	return r;
}

void vm_record_destroy(struct vm_record *r)
{
	if (r == NULL)
		return;
	vm_ports_free(r->ports, r->n_ports);
	for (size_t i = 0; i < r->n_helpers; i++)
		free(r->helpers[i].name);
	free(r->helpers);
	free(r->instance);
	free(r->uuid);
	free(r->since);
	free(r->paused_cause);
	free(r->started_at);
	free(r->health_since);
	free(r->health_detail);
	free(r->provision_text);
	free(r->provision_output);
	free(r->exit.message);
	free(r->exit.at);
	free(r->warning);
	free(r);
}

static void decode_exit(struct vm_record *r, struct fields *top)
{
	struct json_object *obj = field_obj(top, "exit");
	struct fields f;

	if (obj == NULL || top->r != 0)
		return;
	f = fields_open(obj, top->what, top->err);
	r->exit.cause =
		(enum vm_exit_cause)field_enum(&f, "cause", cause_names, N_ELEMENTS(cause_names),
					       VM_EXIT_UNKNOWN, VM_EXIT_UNKNOWN);
	r->exit.status = (int)field_int(&f, "status", -1, INT_MAX, -1);
	r->exit.signal = (int)field_int(&f, "signal", 0, 128, 0);
	r->exit.message = field_str(&f, "message", false);
	r->exit.at = field_str(&f, "at", false);
	if (r->exit.message == NULL)
		r->exit.message = xstrdup("");
	top->r = f.r;
}

static void decode_provision(struct vm_record *r, struct fields *top)
{
	struct json_object *obj = field_obj(top, "provision");
	struct fields f;

	if (obj == NULL || top->r != 0)
		return;
	f = fields_open(obj, top->what, top->err);
	r->provision = (enum vm_provision)field_enum(&f, "state", provision_names,
						     N_ELEMENTS(provision_names), VM_PROVISION_NONE,
						     VM_PROVISION_NONE);
	r->provision_text = field_str(&f, "text", false);
	r->provision_output = field_raw(&f, "output", false); /* of lines */
	top->r = f.r;
}

static void decode_helpers(struct vm_record *r, struct fields *top)
{
	struct json_object *arr = field_arr(top, "helpers", VM_HELPERS_MAX);
	size_t n = jsonx_len(arr);

	r->helpers = n != 0 ? xcalloc(n, sizeof(*r->helpers)) : NULL;
	for (size_t i = 0; i < n && top->r == 0; i++) {
		struct json_object *o = json_object_array_get_idx(arr, i);
		struct fields f = fields_open(o, top->what, top->err);
		struct vm_helper *h = &r->helpers[r->n_helpers++];

		h->name = field_str(&f, "name", true);
		h->pid = (pid_t)field_int(&f, "pid", 0, INT_MAX, 0);
		h->pid_start = (uint64_t)field_int(&f, "pid_start", 0, INT64_MAX, 0);
		top->r = f.r;
	}
}

static void decode_life(struct vm_record *r, struct fields *f)
{
	r->pid = (pid_t)field_int(f, "pid", 0, INT_MAX, 0);
	r->pid_start = (uint64_t)field_int(f, "pid_start", 0, INT64_MAX, 0);
	r->monitor_pid = (pid_t)field_int(f, "monitor_pid", 0, INT_MAX, 0);
	r->monitor_start = (uint64_t)field_int(f, "monitor_start", 0, INT64_MAX, 0);
	r->started_at = field_str(f, "started_at", false);
	r->health = (enum vm_health)field_enum(f, "health", health_names, N_ELEMENTS(health_names),
					       VM_HEALTH_NONE, VM_HEALTH_UNKNOWN);
	r->health_since = field_str(f, "health_since", false);
	r->health_detail = field_str(f, "health_detail", false);
	r->health_failures = (unsigned)field_int(f, "health_failures", 0, INT_MAX, 0);
	r->reachable = field_bool(f, "reachable", false);
	r->restarts = (unsigned)field_int(f, "restarts", 0, INT_MAX, 0);
	r->ssh_port = (uint16_t)field_int(f, "ssh_port", 0, UINT16_MAX, 0);
	r->warning = field_str(f, "warning", false);
}

int vm_record_decode(struct json_object *obj, const char *what, struct vm_record **ret,
		     struct holos_error **err)
{
	_cleanup_(vm_record_destroyp) struct vm_record *r = vm_record_create();
	struct fields f = fields_open(obj, what, err);

	if (f.r == 0)
		field_format(&f, VM_RECORD_FORMAT);
	if (f.r != 0)
		return f.r;
	r->instance = field_str(&f, "instance", true);
	r->uuid = field_str(&f, "uuid", true);
	r->state = (enum vm_state)field_enum(&f, "state", state_names, N_ELEMENTS(state_names),
					     VM_CREATED, -1);
	if (jsonx_str(obj, "state", NULL) == NULL)
		field_spoil(&f, "state", "is missing");
	r->since = field_str(&f, "since", false);
	r->paused_cause = field_str(&f, "paused_cause", false);
	decode_life(r, &f);
	decode_provision(r, &f);
	decode_exit(r, &f);
	vm_ports_decode(&f, &r->ports, &r->n_ports);
	decode_helpers(r, &f);
	if (f.r == 0)
		*ret = steal_ptr(&r);
	return f.r;
}

static struct json_object *encode_exit(const struct vm_exit *e)
{
	struct json_object *o;

	if (e->cause == VM_EXIT_NONE)
		return NULL;
	o = json_object_new_object();
	jsonx_set_str(o, "cause", cause_names[e->cause]);
	jsonx_set_int(o, "status", e->status);
	jsonx_set_int(o, "signal", e->signal);
	jsonx_set_str(o, "message", e->message);
	jsonx_set_str(o, "at", e->at);
	return o;
}

static struct json_object *encode_provision(const struct vm_record *r)
{
	struct json_object *o = json_object_new_object();

	jsonx_set_str(o, "state", provision_names[r->provision]);
	jsonx_set_str(o, "text", r->provision_text);
	jsonx_set_str(o, "output", r->provision_output);
	return o;
}

static struct json_object *encode_helpers(const struct vm_record *r)
{
	struct json_object *arr = json_object_new_array();

	for (size_t i = 0; i < r->n_helpers; i++) {
		struct json_object *o = json_object_new_object();

		jsonx_set_str(o, "name", r->helpers[i].name);
		jsonx_set_int(o, "pid", r->helpers[i].pid);
		jsonx_set_int(o, "pid_start", (int64_t)r->helpers[i].pid_start);
		json_object_array_add(arr, o);
	}
	return arr;
}

struct json_object *vm_record_encode(const struct vm_record *r)
{
	struct json_object *o = json_object_new_object();

	jsonx_set_int(o, "format", VM_RECORD_FORMAT);
	jsonx_set_str(o, "instance", r->instance);
	jsonx_set_str(o, "uuid", r->uuid);
	jsonx_set_str(o, "state", state_names[r->state]);
	jsonx_set_str(o, "since", r->since);
	jsonx_set_str(o, "paused_cause", r->paused_cause);
	jsonx_set_int(o, "pid", r->pid);
	jsonx_set_int(o, "pid_start", (int64_t)r->pid_start);
	jsonx_set_int(o, "monitor_pid", r->monitor_pid);
	jsonx_set_int(o, "monitor_start", (int64_t)r->monitor_start);
	jsonx_set_str(o, "started_at", r->started_at);
	jsonx_set_str(o, "health", health_names[r->health]);
	jsonx_set_str(o, "health_since", r->health_since);
	jsonx_set_str(o, "health_detail", r->health_detail);
	jsonx_set_int(o, "health_failures", r->health_failures);
	jsonx_set_bool(o, "reachable", r->reachable);
	if (r->provision != VM_PROVISION_NONE)
		jsonx_set(o, "provision", encode_provision(r));
	jsonx_set(o, "exit", encode_exit(&r->exit));
	jsonx_set_int(o, "restarts", r->restarts);
	jsonx_set(o, "ports", vm_ports_encode(r->ports, r->n_ports));
	jsonx_set_int(o, "ssh_port", r->ssh_port);
	jsonx_set(o, "helpers", encode_helpers(r));
	jsonx_set_str(o, "warning", r->warning);
	return o;
}

int vm_record_read(int dirfd, struct vm_record **ret, struct holos_error **err)
{
	_cleanup_(json_putp) struct json_object *obj = NULL;
	int r = jsonx_read_file(dirfd, VM_RECORD_FILE, VM_RECORD_MAX, &obj, err);

	return r < 0 ? r : vm_record_decode(obj, VM_RECORD_FILE, ret, err);
}

int vm_record_write(int dirfd, const struct vm_record *r, bool durable, struct holos_error **err)
{
	_cleanup_(json_putp) struct json_object *obj = vm_record_encode(r);
	_cleanup_(freep) char *text = jsonx_pretty(obj);

	int e = durable ? fs_write_atomic(dirfd, VM_RECORD_FILE, text, strlen(text), 0600, err)
			: fs_write_replace(dirfd, VM_RECORD_FILE, text, strlen(text), 0600, err);

	if (e == 0)
		vm_brief_write(dirfd, r);
	return e;
}

void vm_record_settle(struct vm_record *r, const struct alive *alive)
{
	char now[40];

	if (!alive->monitor) {
		r->monitor_pid = 0;
		r->monitor_start = 0;
	}
	if (alive->qemu)
		return;
	/* A living monitor knows better than its file: it may be about to write. */
	if (alive->monitor)
		return;
	r->pid = 0;
	r->pid_start = 0;
	r->reachable = false;
	if (!vm_state_is_up(r->state))
		return;
	free(r->since);
	free(r->exit.message);
	free(r->exit.at);
	clock_rfc3339_now(now);
	r->since = xstrdup(now);
	r->exit.at = xstrdup(now);
	r->exit.status = -1;
	r->exit.signal = 0;
	r->health = VM_HEALTH_NONE;
	if (r->state == VM_STOPPING) {
		r->state = VM_STOPPED;
		r->exit.cause = VM_EXIT_STOPPED;
		r->exit.message = xstrdup("stopped");
	} else {
		r->state = VM_FAILED;
		r->exit.cause = VM_EXIT_UNKNOWN;
		r->exit.message = xstrdup("QEMU and its monitor are gone, and nobody saw why");
	}
}

char *vm_exit_describe(const struct vm_exit *e)
{
	const char *sep = e->message != NULL && *e->message != '\0' ? ": " : "";
	const char *text = *sep != '\0' ? e->message : "";
	char how[64];

	switch (e->cause) {
	case VM_EXIT_GUEST:
		return xstrdup("powered off by the guest");
	case VM_EXIT_STOPPED:
		return xstrdup("stopped");
	case VM_EXIT_QEMU:
		if (e->status < 0)
			return xasprintf("QEMU failed%s%s", sep, text);
		return xasprintf("QEMU failed with status %d%s%s", e->status, sep, text);
	case VM_EXIT_SIGNAL: /* the number is waitpid(2)'s form of "ended by it" */
		return xasprintf("QEMU %s", process_describe_status(e->signal, how));
	case VM_EXIT_PANIC:
		return xasprintf("the guest's kernel panicked%s%s", sep, text);
	case VM_EXIT_UNKNOWN:
		return xasprintf("ended for an unknown reason%s%s", sep, text);
	case VM_EXIT_NONE:
	default:
		return xstrdup("has not ended");
	}
}
