/* SPDX-License-Identifier: Apache-2.0
 *
 * host.c - struct holos_host: what a plugin may call.
 */
#include <plugin/worker/worker.h>

#include <base/alloc.h>
#include <base/clock.h>
#include <base/jsonx.h>
#include <plugin/wire.h>

#include <errno.h>
#include <json-c/json_pointer.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PROGRESS_EVERY_NS (100 * NS_PER_MS)

static uint64_t drained; /* bytes read from WIRE_CANCEL_FD */

/* ---- errors ----------------------------------------------------------------- */

static struct call_error *error_of(holos_error *err)
{
	void *p = err;

	return p;
}

static holos_status host_fail(holos_error *err, holos_status code, int32_t sys_errno,
			      const char *msg)
{
	struct call_error *e = error_of(err);
	_cleanup_(freep) char *clean = text_clean(msg != NULL ? msg : "");
	char *text;

	if (code >= HOLOS_OK)
		code = HOLOS_E_INTERNAL;
	if (e->text == NULL) {
		e->code = code;
		e->sys_errno = sys_errno;
		text = sys_errno != 0 ? xasprintf("%s: %s", clean, strerror(sys_errno))
				      : xstrdup(clean);
	} else {
		text = xasprintf("%s: %s", clean, e->text);
	}
	free(e->text);
	e->text = text;
	return e->code;
}

static void host_fail_at(holos_error *err, const holos_cfg *cfg, const char *pointer)
{
	struct call_error *e = error_of(err);

	(void)cfg; /* a call has one options block */
	if (e->at == NULL && pointer != NULL)
		e->at = text_clean(pointer);
}

static void host_fail_hint(holos_error *err, const char *hint)
{
	struct call_error *e = error_of(err);

	if (e->hint == NULL && hint != NULL)
		e->hint = text_clean(hint);
}

holos_status call_fail(struct holos_call *c, holos_status status, const char *fmt, ...)
{
	_cleanup_(freep) char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	return host_fail(call_error_of(c), status, 0, text);
}

holos_status call_fail_error(struct holos_call *c, holos_status status, struct holos_error **err)
{
	struct holos_error *e = *err;
	const char *text = e != NULL ? e->message : "unknown reason";

	if (e != NULL && e->hint != NULL)
		host_fail_hint(call_error_of(c), e->hint);
	/* Its message has the errno's text already. */
	status = host_fail(call_error_of(c), status, 0, text);
	if (e != NULL && c->err.sys_errno == 0)
		c->err.sys_errno = e->sys_errno;
	error_destroy(e);
	*err = NULL;
	return status;
}

void call_error_finish(struct call_error *e)
{
	free(e->text);
	free(e->hint);
	free(e->at);
	*e = (struct call_error){ 0 };
}

/* ---- services ------------------------------------------------------------------ */

static const void *host_query(holos_self *self, const char *id)
{
	(void)self;
	return id != NULL ? worker_table_find(id) : NULL;
}

static void host_log(holos_self *self, int32_t level, const char *msg)
{
	_cleanup_(json_putp) struct json_object *line = json_object_new_object();
	struct json_object *log = json_object_new_object();
	_cleanup_(freep) char *clean = text_clean(msg != NULL ? msg : "");
	const char *module = self != NULL ? self->plugin->module : "";

	if (!worker_connected) {
		fprintf(stderr, "%s: %s\n", module, clean);
		json_object_put(log);
		return;
	}
	jsonx_set_int(log, "level", level);
	jsonx_set_str(log, "plugin", module);
	jsonx_set_str(log, "msg", clean);
	jsonx_set(line, "log", log);
	worker_send(line, NULL, 0);
}

void host_drain_cancel(uint64_t told)
{
	char byte;

	while (drained < told) {
		ssize_t n = read(WIRE_CANCEL_FD, &byte, 1);

		if (n == 1)
			drained++;
		else if (n == 0 || errno != EINTR)
			return;
	}
}

static int poll_cancel(int timeout_ms)
{
	struct pollfd p = { .fd = WIRE_CANCEL_FD, .events = POLLIN };

	if (!worker_connected)
		p.fd = -1; /* --describe: there is nobody to cancel */
	return poll(&p, 1, timeout_ms);
}

bool host_cancelled(void)
{
	return poll_cancel(0) > 0;
}

static int32_t call_cancelled(const holos_call *call)
{
	(void)call;
	return host_cancelled();
}

static int call_cancel_fd(const holos_call *call)
{
	(void)call;
	return WIRE_CANCEL_FD;
}

static uint64_t call_deadline_ns(const holos_call *call)
{
	return call->deadline_ns;
}

static holos_status call_sleep_ns(holos_call *call, uint64_t ns)
{
	uint64_t now = clock_now_ns();
	uint64_t until = ns < UINT64_MAX - now ? now + ns : UINT64_MAX;
	bool cut = until > call->deadline_ns;

	if (cut)
		until = call->deadline_ns;
	for (;;) {
		int r = poll_cancel(clock_poll_timeout(until));

		if (clock_now_ns() >= until)
			return cut ? HOLOS_E_TIMEOUT : HOLOS_OK;
		if (r > 0)
			return HOLOS_E_CANCELLED;
	}
}

static void call_progress(holos_call *call, const char *what, uint64_t done, uint64_t total)
{
	_cleanup_(json_putp) struct json_object *line = NULL;
	_cleanup_(freep) char *clean = text_clean(what != NULL ? what : "");
	struct json_object *progress;
	uint64_t now = clock_now_ns();

	if (call->progress_what != NULL && strcmp(call->progress_what, clean) == 0 &&
	    now < call->progress_ns + PROGRESS_EVERY_NS && (total == 0 || done < total))
		return;
	call->progress_ns = now;
	line = json_object_new_object();
	progress = json_object_new_object();
	jsonx_set_str(progress, "what", clean);
	jsonx_set_int(progress, "done", done <= INT64_MAX ? (int64_t)done : INT64_MAX);
	jsonx_set_int(progress, "total", total <= INT64_MAX ? (int64_t)total : INT64_MAX);
	jsonx_set_int(line, "id", (int64_t)call->id);
	jsonx_set(line, "progress", progress);
	worker_send(line, NULL, 0);
	free(call->progress_what);
	call->progress_what = steal_ptr(&clean);
}

/* ---- options -------------------------------------------------------------------- */

/* The value there when it is of that type; borrowed, or NULL. */
static struct json_object *lookup(const holos_cfg *cfg, const char *pointer, enum json_type type)
{
	struct json_object *value = NULL;

	if (pointer == NULL || json_pointer_get(cfg->root, pointer, &value) != 0)
		return NULL;
	return json_object_is_type(value, type) ? value : NULL;
}

static const char *cfg_json(const holos_cfg *cfg, size_t *len)
{
	const char *text = jsonx_line(cfg->root);

	if (len != NULL)
		*len = strlen(text);
	return text;
}

static const char *cfg_str(const holos_cfg *cfg, const char *pointer, const char *fallback)
{
	struct json_object *v = lookup(cfg, pointer, json_type_string);

	return v != NULL ? json_object_get_string(v) : fallback;
}

static int64_t cfg_int(const holos_cfg *cfg, const char *pointer, int64_t fallback)
{
	struct json_object *v = lookup(cfg, pointer, json_type_int);

	return v != NULL ? json_object_get_int64(v) : fallback;
}

static int32_t cfg_bool(const holos_cfg *cfg, const char *pointer, int32_t fallback)
{
	struct json_object *v = lookup(cfg, pointer, json_type_boolean);

	return v != NULL ? json_object_get_boolean(v) : fallback;
}

static int64_t cfg_count(const holos_cfg *cfg, const char *pointer)
{
	struct json_object *v = lookup(cfg, pointer, json_type_array);

	if (v != NULL)
		return (int64_t)json_object_array_length(v);
	v = lookup(cfg, pointer, json_type_object);
	return v != NULL ? json_object_object_length(v) : -1;
}

const struct holos_host worker_host = {
	.size = sizeof(worker_host),
	.abi_major = HOLOS_ABI_MAJOR,
	.abi_minor = HOLOS_ABI_MINOR,
	.version = HOLOS_VERSION,
	.query = host_query,
	.log = host_log,
	.fail = host_fail,
	.fail_at = host_fail_at,
	.fail_hint = host_fail_hint,
	.cancelled = call_cancelled,
	.cancel_fd = call_cancel_fd,
	.deadline_ns = call_deadline_ns,
	.sleep_ns = call_sleep_ns,
	.progress = call_progress,
	.cfg_json = cfg_json,
	.cfg_str = cfg_str,
	.cfg_int = cfg_int,
	.cfg_bool = cfg_bool,
	.cfg_count = cfg_count,
};
