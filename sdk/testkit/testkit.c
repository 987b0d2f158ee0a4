/* SPDX-License-Identifier: Apache-2.0
 *
 * testkit.c - see holos/testkit.h: the life of a plugin, errors, calls, options.
 */
#include "kit.h"

#include <fcntl.h>
#include <json-c/json_pointer.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DEADLINE_NS 5000000000u

/* The kit whose call is running: some of the host's functions get none. */
static struct holos_testkit *now;

struct holos_testkit *kit_now(void)
{
	return now;
}

void kit_die(const char *fmt, ...)
{
	va_list ap;

	fputs("testkit: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	abort();
}

void *kit_alloc(size_t n)
{
	void *p = calloc(1, n != 0 ? n : 1);

	if (p == NULL)
		kit_die("out of memory");
	return p;
}

char *kit_strdup(const char *s)
{
	size_t n = strlen(s) + 1;

	return memcpy(kit_alloc(n), s, n);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void cancel(struct holos_testkit *kit)
{
	(void)!write(kit->call.cancel_fds[1], "c", 1);
}

void kit_used(struct holos_testkit *kit)
{
	if (kit->cancel_at != 0 && ++kit->used == kit->cancel_at)
		cancel(kit);
}

struct json_object *kit_list(struct holos_testkit *kit, const char *name)
{
	struct json_object *list;

	if (!json_object_object_get_ex(kit->result, name, &list)) {
		list = json_object_new_array();
		json_object_object_add(kit->result, name, list);
	}
	return list;
}

void kit_set(struct json_object *obj, const char *key, const char *value)
{
	json_object_object_add(obj, key, value != NULL ? json_object_new_string(value) : NULL);
}

/* ---- errors ------------------------------------------------------------------ */

static holos_status host_fail(holos_error *err, holos_status code, int32_t sys_errno,
			      const char *msg)
{
	const char *reason = sys_errno != 0 ? strerror(sys_errno) : NULL;
	char *old = err->message;
	size_t n;

	if (code >= HOLOS_OK || code < HOLOS_E_UNREACHED)
		kit_die("fail() with %d, which is no failure", (int)code);
	if (msg == NULL || msg[0] == '\0' || strchr(msg, '\n') != NULL)
		kit_die("fail() needs a text of one line, not \"%s\"", msg != NULL ? msg : "");
	kit_used(now);
	if (old == NULL)
		err->code = code;
	else
		reason = old;
	n = strlen(msg) + (reason != NULL ? strlen(reason) + 2 : 0) + 1;
	err->message = kit_alloc(n);
	snprintf(err->message, n, "%s%s%s", msg, reason != NULL ? ": " : "",
		 reason != NULL ? reason : "");
	free(old);
	return err->code;
}

holos_status kit_fail(struct holos_testkit *kit, holos_status code, const char *text)
{
	return host_fail(&kit->error, code, 0, text);
}

static void host_fail_at(holos_error *err, const holos_cfg *cfg, const char *pointer)
{
	(void)cfg;
	if (pointer == NULL || (pointer[0] != '/' && pointer[0] != '\0'))
		kit_die("fail_at() needs a JSON pointer, not \"%s\"",
			pointer != NULL ? pointer : "NULL");
	if (err->at == NULL)
		err->at = kit_strdup(pointer);
}

static void host_fail_hint(holos_error *err, const char *hint)
{
	if (err->hint == NULL && hint != NULL)
		err->hint = kit_strdup(hint);
}

/* ---- services ------------------------------------------------------------------ */

static const void *host_query(holos_self *self, const char *id)
{
	kit_used(self->kit);
	if (self->kit->hidden != NULL && strcmp(self->kit->hidden, id) == 0)
		return NULL;
	return kit_table(id);
}

static void append(struct text *t, const char *line)
{
	size_t have = t->s != NULL ? strlen(t->s) : 0;
	size_t n = have + strlen(line) + 2;
	char *s = realloc(t->s, n);

	if (s == NULL)
		kit_die("out of memory");
	snprintf(s + have, n - have, "%s\n", line);
	t->s = s;
}

static void host_log(holos_self *self, int32_t level, const char *msg)
{
	char line[1100];

	if (strchr(msg, '\n') != NULL)
		kit_die("log() takes one line, not \"%s\"", msg);
	snprintf(line, sizeof(line), "%d %s", (int)level, msg);
	append(&self->kit->log, line);
}

static int32_t call_cancelled(const holos_call *call)
{
	struct pollfd p = { .fd = call->cancel_fds[0], .events = POLLIN };

	kit_used(call->kit);
	return poll(&p, 1, 0) > 0;
}

static int call_cancel_fd(const holos_call *call)
{
	kit_used(call->kit);
	return call->cancel_fds[0];
}

static uint64_t call_deadline_ns(const holos_call *call)
{
	kit_used(call->kit);
	return call->deadline_ns;
}

static holos_status call_sleep_ns(holos_call *call, uint64_t ns)
{
	struct pollfd p = { .fd = call->cancel_fds[0], .events = POLLIN };
	uint64_t begin = now_ns();
	uint64_t left = call->deadline_ns > begin ? call->deadline_ns - begin : 0;
	uint64_t most = ns < left ? ns : left;

	kit_used(call->kit);
	if (poll(&p, 1, (int)(most / 1000000u)) > 0)
		return HOLOS_E_CANCELLED;
	return ns > left ? HOLOS_E_TIMEOUT : HOLOS_OK;
}

static void call_progress(holos_call *call, const char *what, uint64_t done, uint64_t total)
{
	struct json_object *o = json_object_new_object();

	kit_used(call->kit);
	kit_set(o, "what", what);
	json_object_object_add(o, "done", json_object_new_int64((int64_t)done));
	json_object_object_add(o, "total", json_object_new_int64((int64_t)total));
	json_object_array_add(kit_list(call->kit, "progress"), o);
}

/* ---- options --------------------------------------------------------------------- */

static struct json_object *lookup(const holos_cfg *cfg, const char *pointer, enum json_type type)
{
	struct json_object *value = NULL;

	if (!cfg->open)
		kit_die("options are read after close()");
	if (json_pointer_get(cfg->root, pointer, &value) != 0)
		return NULL;
	return json_object_is_type(value, type) ? value : NULL;
}

static const char *cfg_json(const holos_cfg *cfg, size_t *len)
{
	const char *text = json_object_to_json_string_ext(cfg->root, JSON_C_TO_STRING_PLAIN);

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

static void parse(struct holos_cfg *cfg, const char *json)
{
	cfg->root = json_tokener_parse(json != NULL ? json : "{}");
	if (!json_object_is_type(cfg->root, json_type_object))
		kit_die("options must be a JSON object: %s", json);
	cfg->open = 1;
}

const holos_cfg *holos_testkit_cfg(struct holos_testkit *kit, const char *json)
{
	json_object_put(kit->document.root);
	parse(&kit->document, json);
	return &kit->document;
}

/* ---- calls ------------------------------------------------------------------------- */

static void forget_call(struct holos_testkit *kit)
{
	struct holos_error *e = &kit->error;

	free(e->message);
	free(e->hint);
	free(e->at);
	*e = (struct holos_error){ 0 };
	json_object_put(kit->result);
	kit->result = json_object_new_object();
	for (int i = 0; i < 2; i++) {
		if (kit->call.cancel_fds[i] >= 0)
			close(kit->call.cancel_fds[i]);
	}
	for (unsigned i = 0; i < kit->n_fds; i++) {
		close(kit->fds[i]);
		free(kit->paths[i]);
	}
	kit->n_fds = 0;
	kit->used = 0;
}

holos_call *holos_testkit_call(struct holos_testkit *kit)
{
	forget_call(kit);
	if (pipe2(kit->call.cancel_fds, O_CLOEXEC) < 0)
		kit_die("cannot make a pipe");
	kit->call.deadline_ns = kit->expired ? now_ns() : now_ns() + DEADLINE_NS;
	if (kit->expired) /* as the host does at the deadline */
		cancel(kit);
	now = kit;
	return &kit->call;
}

holos_error *holos_testkit_error(struct holos_testkit *kit)
{
	return &kit->error;
}

holos_status holos_testkit_status(const struct holos_testkit *kit)
{
	return kit->error.code;
}

static const char *or_empty(const char *s)
{
	return s != NULL ? s : "";
}

const char *holos_testkit_message(const struct holos_testkit *kit)
{
	return or_empty(kit->error.message);
}

const char *holos_testkit_hint(const struct holos_testkit *kit)
{
	return or_empty(kit->error.hint);
}

const char *holos_testkit_at(const struct holos_testkit *kit)
{
	return or_empty(kit->error.at);
}

const char *holos_testkit_log(const struct holos_testkit *kit)
{
	return or_empty(kit->log.s);
}

const char *holos_testkit_result(struct holos_testkit *kit)
{
	return json_object_to_json_string_ext(kit->result, JSON_C_TO_STRING_PLAIN |
								   JSON_C_TO_STRING_NOSLASHESCAPE);
}

/* ---- life ----------------------------------------------------------------------------- */

struct holos_testkit *holos_testkit_new(const struct holos_plugin *plugin)
{
	struct holos_testkit *kit = kit_alloc(sizeof(*kit));

	if (plugin == NULL || plugin->size < sizeof(*plugin) ||
	    plugin->abi_major != HOLOS_ABI_MAJOR || plugin->ifaces == NULL)
		kit_die("this is no description of a plugin for ABI %d", HOLOS_ABI_MAJOR);
	kit->plugin = plugin;
	kit->self.kit = kit;
	kit->secret = -1;
	kit->call = (struct holos_call){ .kit = kit, .cancel_fds = { -1, -1 } };
	kit->host = (struct holos_host){
		.size = sizeof(kit->host),
		.abi_major = HOLOS_ABI_MAJOR,
		.abi_minor = HOLOS_ABI_MINOR,
		.version = "testkit",
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
	(void)holos_testkit_call(kit);
	return kit;
}

static const struct holos_iface *find_iface(struct holos_testkit *kit, const char *name)
{
	for (const struct holos_iface *const *i = kit->plugin->ifaces; *i != NULL; i++) {
		if (strcmp((*i)->name, name) == 0)
			return *i;
	}
	return NULL;
}

static holos_status make_ready(struct holos_testkit *kit)
{
	holos_status status = HOLOS_OK;

	if (!kit->ready && kit->plugin->init != NULL)
		status = kit->plugin->init(&kit->host, &kit->self, &kit->state, &kit->error);
	kit->ready = status == HOLOS_OK;
	return status;
}

const void *holos_testkit_ops(struct holos_testkit *kit, const char *name)
{
	const struct holos_iface *iface = find_iface(kit, name);

	return iface != NULL ? iface->ops : NULL;
}

/* The plugin's status where it did not call fail(). */
static void keep_status(struct holos_testkit *kit, holos_status status)
{
	if (status != HOLOS_OK && kit->error.code == HOLOS_OK)
		kit->error.code = status;
}

void *holos_testkit_open(struct holos_testkit *kit, const char *name, const char *options)
{
	const struct holos_iface *iface = find_iface(kit, name);
	holos_call *call = holos_testkit_call(kit);
	size_t i = 0;
	holos_status status;

	if (iface == NULL)
		kit_die("there is no interface \"%s\"", name);
	while (i < KIT_OPEN_MAX && kit->cfgs[i].open)
		i++;
	if (i == KIT_OPEN_MAX)
		kit_die("more than %d instances are open", KIT_OPEN_MAX);
	parse(&kit->cfgs[i], options);
	status = make_ready(kit);
	kit->insts[i] = kit->state;
	if (status == HOLOS_OK && iface->ops->open != NULL)
		status = iface->ops->open(kit->state, &kit->cfgs[i], call, &kit->insts[i],
					  &kit->error);
	if (status == HOLOS_OK)
		return kit->insts[i] != NULL ? kit->insts[i] : kit; /* NULL would be failure */
	keep_status(kit, status);
	json_object_put(kit->cfgs[i].root);
	kit->cfgs[i] = (struct holos_cfg){ 0 };
	return NULL;
}

void holos_testkit_close(struct holos_testkit *kit, const char *name, void *inst)
{
	const struct holos_iface *iface = find_iface(kit, name);

	for (size_t i = 0; i < KIT_OPEN_MAX; i++) {
		if (!kit->cfgs[i].open || (kit->insts[i] != inst && inst != kit))
			continue;
		if (iface != NULL && iface->ops->close != NULL)
			iface->ops->close(kit->insts[i]);
		json_object_put(kit->cfgs[i].root);
		kit->cfgs[i] = (struct holos_cfg){ 0 };
		return;
	}
	kit_die("close of what is not open");
}

holos_status holos_testkit_shuffle(struct holos_testkit *kit, const char *name, const char *options,
				   unsigned seed, unsigned rounds)
{
	void *open[KIT_OPEN_MAX / 2];
	holos_status failed = HOLOS_OK;
	size_t n = 0;

	for (unsigned i = 0; i < rounds || n != 0; i++) {
		seed = seed * 1103515245u + 12345u; /* as in C's own rand() */
		if (i < rounds && n < KIT_OPEN_MAX / 2 && (n == 0 || (seed >> 16 & 1) != 0)) {
			void *inst = holos_testkit_open(kit, name, options);

			if (inst != NULL)
				open[n++] = inst;
			else if (failed == HOLOS_OK)
				failed = kit->error.code;
		} else if (n != 0) {
			size_t at = (seed >> 16) % n;

			holos_testkit_close(kit, name, open[at]);
			open[at] = open[--n];
		}
	}
	return failed;
}

void holos_testkit_free(struct holos_testkit *kit)
{
	if (kit == NULL)
		return;
	if (kit->ready && kit->plugin->fini != NULL)
		kit->plugin->fini(kit->state);
	forget_call(kit);
	for (size_t i = 0; i < KIT_OPEN_MAX; i++)
		json_object_put(kit->cfgs[i].root);
	json_object_put(kit->document.root);
	json_object_put(kit->result);
	free(kit->log.s);
	free(kit->guest_out);
	free(kit->guest_err);
	free(kit->doc);
	if (now == kit)
		now = NULL;
	free(kit);
}

/* ---- faults ----------------------------------------------------------------------------- */

void holos_testkit_cancel_at(struct holos_testkit *kit, unsigned n)
{
	kit->cancel_at = n;
}

void holos_testkit_expire(struct holos_testkit *kit, int expired)
{
	kit->expired = expired;
}

void holos_testkit_minor(struct holos_testkit *kit, unsigned minor)
{
	if (minor > HOLOS_ABI_MINOR)
		kit_die("there is no minor %u yet", minor);
	kit->host.abi_minor = (uint16_t)minor;
	kit->host.size = offsetof(struct holos_host, cfg_count) + sizeof(kit->host.cfg_count);
}

void holos_testkit_hide(struct holos_testkit *kit, const char *id)
{
	kit->hidden = id;
}

int holos_testkit_full_fd(void)
{
	return open("/dev/full", O_RDWR | O_CLOEXEC);
}
