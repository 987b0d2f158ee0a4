/* SPDX-License-Identifier: Apache-2.0
 *
 * context.c - see engine.h and context.h.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/units.h>
#include <engine/context.h>

#include <vm/disk.h>

#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

static struct engine *locking; /* whose engine_lock() waits: signals know no data */

int engine_create(const struct engine_options *o, struct engine **ret, struct holos_error **err)
{
	_cleanup_(engine_destroyp) struct engine *e = xnew(struct engine);
	_cleanup_(freep) char *dir = state_default_dir(o->state_dir);
	int r;

	e->o = *o;
	if (e->o.parallel == 0) {
		long cpus = sysconf(_SC_NPROCESSORS_ONLN); /* opens a file of /sys */

		e->o.parallel = cpus > 4 ? (unsigned)cpus : 4;
	}
	r = state_open(dir, o->writing, &e->state, err);
	if (r < 0)
		return r;
	e->loop = loop_create();
	*ret = steal_ptr(&e);
	return 0;
}

void engine_destroy(struct engine *e)
{
	if (e == NULL)
		return;
	worker_destroy(e->worker);
	worker_destroy(e->long_worker);
	registry_destroy(e->registry);
	loop_destroy(e->loop);
	state_close(e->state);
	if (e->image_hold > 0)
		close(e->image_hold);
	free(e->qemu);
	free(e->qemu_img);
	free(e);
}

struct loop *engine_loop(struct engine *e)
{
	return e->loop;
}

const struct state *engine_state(const struct engine *e)
{
	return e->state;
}

void engine_interrupt(struct engine *e)
{
	e->interrupted = true;
	loop_quit(e->loop);
}

void engine_emit(struct engine *e, const struct engine_event *event)
{
	if (e->o.on_event != NULL)
		e->o.on_event(e->o.data, event);
}

static void emit_text(struct engine *e, enum engine_event_kind kind, const char *fmt, va_list ap)
{
	_cleanup_(freep) char *text = xvasprintf(fmt, ap);
	struct engine_event event = { .kind = kind, .text = text };

	engine_emit(e, &event);
}

void engine_warn(struct engine *e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit_text(e, ENGINE_WARNING, fmt, ap);
	va_end(ap);
}

void engine_note(struct engine *e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit_text(e, ENGINE_NOTE, fmt, ap);
	va_end(ap);
}

void engine_phase(struct engine *e, const char *subject, const char *phase, uint64_t elapsed_ns,
		  const char *text)
{
	struct engine_event event = { .kind = ENGINE_PHASE,
				      .subject = subject,
				      .phase = phase,
				      .text = text,
				      .elapsed_ns = elapsed_ns };

	engine_emit(e, &event);
}

struct registry *engine_registry(struct engine *e)
{
	if (e->registry == NULL)
		e->registry = registry_create(NULL);
	return e->registry;
}

static void on_plugin_log(void *data, int level, const char *plugin, const char *msg)
{
	if (level <= HOLOS_LOG_WARN)
		engine_warn(data, "plugin %s: %s", plugin, msg);
}

static struct worker *make_worker(struct engine *e, struct loop *l)
{
	struct worker_options o = { .label = e->o.verb, .on_log = on_plugin_log, .log_data = e };

	return worker_create(l, &o);
}

struct worker *engine_worker(struct engine *e)
{
	if (e->worker == NULL)
		e->worker = make_worker(e, NULL);
	return e->worker;
}

unsigned engine_parallel(const struct engine *e)
{
	return e->o.parallel;
}

bool engine_health_bypassed(void)
{
	const char *bypass = getenv("HOLOS_HEALTH_BYPASS");

	return bypass != NULL && *bypass != '\0';
}

int engine_check_interrupt(struct engine *e, struct holos_error **err)
{
	/* A signal that came while no loop ran is still unread. */
	(void)loop_run_once(e->loop, 0);
	return e->interrupted ? error_set(err, ERR_INTERRUPTED, "interrupted") : 0;
}

struct pending_call {
	struct engine *e;
	const char *subject;
	uint64_t began_ns;
	bool done;
	struct json_object *value;
	struct holos_error *err;
};

static void on_call_progress(void *data, const char *what, uint64_t done, uint64_t total)
{
	struct pending_call *c = data;
	struct engine_event event = { .kind = ENGINE_PROGRESS,
				      .subject = c->subject,
				      .text = what,
				      .done = done,
				      .total = total,
				      .elapsed_ns = clock_now_ns() - c->began_ns };

	engine_emit(c->e, &event);
}

static void on_call_done(void *data, struct worker_result *res)
{
	struct pending_call *c = data;

	c->done = true;
	c->value = steal_ptr(&res->value);
	c->err = steal_ptr(&res->err);
}

int engine_call(struct engine *e, const struct worker_request *rq, const char *subject,
		struct json_object **ret, struct holos_error **err)
{
	struct pending_call c = { .e = e, .subject = subject, .began_ns = clock_now_ns() };
	struct worker_request mine = *rq;
	struct worker_call *call;
	bool cancelled = false;

	mine.on_progress = on_call_progress;
	if (e->long_worker == NULL)
		e->long_worker = make_worker(e, e->loop);
	call = worker_call(e->long_worker, &mine, on_call_done, &c);
	while (!c.done) {
		if (e->interrupted && !cancelled) {
			cancelled = true;
			e->interrupted = false; /* the loop must go on until the call has ended */
			worker_cancel(call);
		}
		loop_resume(e->loop);
		(void)loop_run_once(e->loop, UINT64_MAX);
	}
	if (cancelled) {
		e->interrupted = true;
		json_object_put(c.value);
		error_destroy(c.err);
		return error_set(err, ERR_INTERRUPTED, "interrupted");
	}
	if (c.err != NULL)
		return error_move(err, &c.err);
	if (ret != NULL)
		*ret = c.value;
	else
		json_object_put(c.value);
	return 0;
}

int engine_qemu(struct engine *e, enum arch arch, const char **ret, struct qemu_traits *ret_traits,
		struct holos_error **err)
{
	_cleanup_(freep) char *program = NULL;
	_cleanup_(closep) int cache = -1;
	int r;

	if (e->qemu == NULL) {
		r = program_find_qemu(arch, &program, err);
		if (r < 0)
			return r;
		cache = state_open_dir(e->state, e->o.writing, "cache");
		r = (e->ask_qemu_anew ? program_probe_anew : program_probe)(program, cache,
									    &e->traits, err);
		if (r < 0)
			return r;
		e->qemu = steal_ptr(&program);
	}
	*ret = e->qemu;
	*ret_traits = e->traits;
	return 0;
}

void engine_qemu_forget(struct engine *e)
{
	free(steal_ptr(&e->qemu));
	e->ask_qemu_anew = true;
}

int engine_qemu_img(struct engine *e, const char **ret, struct holos_error **err)
{
	if (e->qemu_img == NULL) {
		int r = disk_find_qemu_img(&e->qemu_img, err);

		if (r < 0)
			return r;
	}
	*ret = e->qemu_img;
	return 0;
}

static bool lock_interrupted(void)
{
	(void)loop_run_once(locking->loop, 0);
	return locking->interrupted;
}

int engine_lock_file(struct engine *e, const char *rel, const char *name, uint64_t wait_ns,
		     struct state_lock **ret, struct holos_error **err)
{
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	char text[32];
	int r = state_lock_file(e->state, rel, name, e->o.verb, 0, NULL, ret, &why);

	if (r == 0)
		return 0;
	if (why->code != ERR_BUSY || wait_ns == 0)
		return error_move(err, &why);
	engine_note(e, "%s: waiting up to %s", why->message, units_duration_text(wait_ns, text));
	locking = e;
	return state_lock_file(e->state, rel, name, e->o.verb, clock_now_ns() + wait_ns,
			       lock_interrupted, ret, err);
}

int engine_lock(struct engine *e, const char *project, struct state_lock **ret,
		struct holos_error **err)
{
	_cleanup_(freep) char *rel = xasprintf("locks/%s.lock", project);
	_cleanup_(freep) char *name = xasprintf("project \"%s\"", project);

	return engine_lock_file(e, rel, name, e->o.lock_wait_ns, ret, err);
}
