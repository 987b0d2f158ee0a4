/* SPDX-License-Identifier: Apache-2.0
 *
 * upgraph.c - the graph of one `up`, run: whose turn it is.
 *
 * A VM leaves WAITING when what its service depends on is as far as it asks
 * for.  A failed one fails those that need it and nothing else.  The project is
 * locked while something is being changed, and free while this only waits for
 * guests; who changes it meanwhile ends our change, not theirs.
 *
 * Ports that change hands: those who have them are stopped first, all of them,
 * and wait for their turn like the others; so two VMs can swap theirs.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <engine/up.h>

#include <string.h>

enum met { NOT_YET, MET, NEVER };

static bool far_enough(const struct up_vm *v, enum dep_condition condition)
{
	switch (condition) {
	case DEP_STARTED:
		return v->phase == UP_RUNNING || v->phase == UP_READY || v->phase == UP_COMPLETED;
	case DEP_AUTO:
		return v->plan->service->healthcheck.set ? v->phase == UP_READY
							 : far_enough(v, DEP_STARTED);
	case DEP_HEALTHY:
		return v->phase == UP_READY;
	case DEP_COMPLETED:
		return v->phase == UP_COMPLETED;
	}
	return false;
}

/* The first VM that will never get there, in *ret_failed. */
static enum met dependency_met(const struct up *u, const struct dependency *d,
			       const struct up_vm **ret_failed)
{
	enum met met = MET;

	for (size_t i = 0; i < u->n; i++) {
		const struct up_vm *v = &u->vms[i];

		if (v->service != d->service || v->action == UP_NOTHING)
			continue;
		if (v->phase == UP_FAILED ||
		    (v->phase == UP_COMPLETED && d->condition == DEP_HEALTHY)) {
			if (!d->required)
				continue;
			*ret_failed = v;
			return NEVER;
		}
		if (!far_enough(v, d->condition))
			met = NOT_YET;
	}
	return met;
}

static enum met dependencies_met(const struct up_vm *v, const struct dependency **ret,
				 const struct up_vm **ret_failed)
{
	const struct service *s = v->plan->service;
	enum met met = MET;

	for (size_t i = 0; i < s->n_depends_on; i++) {
		enum met one = dependency_met(v->up, &s->depends_on[i], ret_failed);

		if (one == NEVER) {
			*ret = &s->depends_on[i];
			return NEVER;
		}
		if (one == NOT_YET)
			met = NOT_YET;
	}
	return met;
}

/* Are the ports free that others give up for it? */
static enum met ports_met(const struct up_vm *v, const struct up_vm **ret_holder)
{
	const struct up *u = v->up;
	enum met met = MET;

	for (size_t i = 0; i < u->n; i++) {
		const struct up_vm *o = &u->vms[i];

		if (o == v || !o->yields || o->stopped || !up_starts(v) || !up_holds_port_of(o, v))
			continue;
		if (o->phase != UP_WAITING && o->phase != UP_STOPPING && o->phase != UP_FAILED)
			continue; /* it is on its way up again */
		*ret_holder = o;
		if (o->phase == UP_FAILED)
			return NEVER;
		met = NOT_YET;
	}
	return met;
}

/* v will not be started, because of what failed first. */
static void give_up(struct up_vm *v, const struct dependency *d, const struct up_vm *failed)
{
	_cleanup_(freep) char *text =
		xasprintf("it needs %s, which %s", d->name,
			  failed->phase == UP_COMPLETED ? "ended without being healthy"
			  : failed->needed != NULL      ? "was not started"
							: "failed");

	v->needed = failed->needed != NULL ? failed->needed : failed;
	up_fail_with(v, ERR_FAILED, text);
}

/* A service goes on without what it can do without: that is worth a line. */
static void warn_of_missing(const struct up_vm *v)
{
	const struct service *s = v->plan->service;

	for (size_t i = 0; i < s->n_depends_on; i++) {
		const struct dependency *d = &s->depends_on[i];

		for (size_t k = 0; k < v->up->n && !d->required; k++) {
			const struct up_vm *o = &v->up->vms[k];

			if (o->service == d->service && o->phase == UP_FAILED)
				engine_warn(v->up->e, "%s goes on without %s, which failed",
					    v->plan->name, o->plan->name);
		}
	}
}

/* Another command may have changed things while the project was free: what is
 * still to be done is decided anew. */
static int look_again(struct up *u, struct holos_error **err)
{
	_cleanup_(project_record_destroyp) struct project_record *rec = NULL;
	struct project_status *now;
	int r = project_record_read(u->e->state, u->project->name, &rec, NULL);

	if (r < 0 || strcmp(rec->id, u->rec->id) != 0)
		return error_set(err, ERR_FAILED, "another command removed the project meanwhile");
	r = project_status_read(u->e->state, u->project->name, &now, err);
	if (r < 0)
		return r;
	r = project_status_check(now, err);
	if (r < 0) {
		project_status_destroy(now);
		return r;
	}
	for (size_t i = 0; i < u->n; i++) { /* no pointer into the old one may stay */
		struct up_vm *v = &u->vms[i];

		if (v->status != NULL)
			v->status = project_status_vm(now, v->plan->name);
	}
	project_status_destroy(u->now);
	u->now = now;
	return up_decide_again(u, err);
}

/* The project is ours to change: locked, and what we know of it is true. */
static int hold(struct up *u, struct holos_error **err)
{
	int r;

	if (u->lock != NULL)
		return 0;
	r = engine_lock(u->e, u->project->name, &u->lock, err);
	return r == 0 ? look_again(u, err) : r;
}

/* Begin with v, or give it up, when it is time.  False: it has to wait. */
static bool advance(struct up_vm *v, bool room)
{
	struct up *u = v->up;
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	const struct dependency *d = NULL;
	const struct up_vm *failed = NULL;
	enum met met = dependencies_met(v, &d, &failed);

	if (met == NEVER) {
		give_up(v, d, failed);
		return true;
	}
	if (met == MET)
		met = ports_met(v, &failed);
	if (met == NEVER) {
		_cleanup_(freep) char *text =
			xasprintf("not started: its port is still held by %s", failed->plan->name);

		up_fail_with(v, ERR_START, text);
		return true;
	}
	if (met == NOT_YET || !room)
		return false;
	if (hold(u, &why) < 0) {
		up_fail(v, &why);
	} else if (v->phase == UP_WAITING) { /* as it still is after another look */
		warn_of_missing(v);
		up_begin(v);
	}
	return true;
}

static bool is_changing(const struct up_vm *v)
{
	return v->phase == UP_STARTING || v->phase == UP_STOPPING;
}

/* Ports that change hands: first of all they are given up.  Only while the
 * project is ours; when it was not, another look may have found new ones. */
static void make_room(struct up *u)
{
	for (size_t i = 0; i < u->n && u->lock != NULL; i++) {
		struct up_vm *v = &u->vms[i];

		if (v->yields && !v->stopped && v->phase == UP_WAITING && up_stops(v))
			up_stop_early(v);
	}
}

/* Begin, or give up, what can be begun or given up now.  True when something
 * was: then others may be due. */
static bool begin_some(struct up *u)
{
	unsigned starting = 0;
	bool any = false;

	make_room(u);
	for (size_t i = 0; i < u->n; i++)
		starting += is_changing(&u->vms[i]);
	for (size_t i = 0; i < u->n; i++) {
		struct up_vm *v = &u->vms[i];

		if (v->action == UP_NOTHING || v->phase != UP_WAITING ||
		    !advance(v, starting < engine_parallel(u->e)))
			continue;
		starting += is_changing(v);
		any = true;
	}
	return any;
}

/* Which services were not started, by what failed first. */
static void tell_not_started(const struct up *u)
{
	for (size_t i = 0; i < u->n; i++) {
		_cleanup_(strv_finish) struct strv names = STRV_INIT;
		_cleanup_(freep) char *list = NULL;

		for (size_t k = 0; k < u->n; k++) {
			const char *name = u->vms[k].plan->service->name;

			if (u->vms[k].needed == &u->vms[i] && !strv_has(&names, name))
				strv_add(&names, name);
		}
		if (names.n == 0)
			continue;
		list = strv_join(names.v, ", ");
		engine_warn(u->e, "not started because of %s: %s", u->vms[i].plan->name, list);
	}
}

/* Is there something to wait for?  Frees the project while that is guests only. */
static bool pending(struct up *u)
{
	bool changing = false, waiting = false;

	for (size_t i = 0; i < u->n; i++) {
		const struct up_vm *v = &u->vms[i];

		if (v->action == UP_NOTHING)
			continue;
		changing = changing || is_changing(v) || v->reloading;
		waiting = waiting || v->phase == UP_WAITING ||
			  (v->wants_ready && v->phase == UP_RUNNING) ||
			  (v->wants_completed && (v->phase == UP_RUNNING || v->phase == UP_READY));
	}
	if (!changing)
		state_unlock(steal_ptr(&u->lock));
	return changing || waiting;
}

static void on_timeout(void *data)
{
	struct up *u = data;

	u->timer = NULL;
	u->timed_out = true;
	loop_quit(u->e->loop);
}

static void time_out(struct up *u)
{
	for (size_t i = 0; i < u->n; i++) {
		struct up_vm *v = &u->vms[i];

		if (v->action == UP_NOTHING || v->phase == UP_READY || v->phase == UP_COMPLETED ||
		    v->phase == UP_FAILED || (v->phase == UP_RUNNING && !v->wants_ready))
			continue;
		up_fail_with(v, ERR_TIMEOUT,
			     v->phase == UP_RUNNING   ? "not healthy in time (--wait-timeout)"
			     : v->phase == UP_WAITING ? "not started in time (--wait-timeout)"
						      : "not running in time (--wait-timeout)");
	}
}

void up_run(struct up *u)
{
	if (u->o->wait_timeout_ns != 0)
		u->timer = loop_add_timer(u->e->loop, clock_now_ns() + u->o->wait_timeout_ns,
					  on_timeout, u);
	while (!u->e->interrupted && !u->timed_out) {
		while (begin_some(u))
			;
		if (!pending(u))
			break;
		loop_resume(u->e->loop);
		(void)loop_run_once(u->e->loop, UINT64_MAX);
	}
	loop_remove_timer(u->timer);
	u->timer = NULL;
	if (u->timed_out)
		time_out(u);
	for (size_t i = 0; i < u->n; i++)
		monitor_conn_destroy(steal_ptr(&u->vms[i].conn));
	tell_not_started(u);
	up_tell_path(u);
	if (u->e->interrupted && u->result == 0) {
		u->result = error_set(u->err, ERR_INTERRUPTED, "interrupted");
		error_hint(u->err,
			   "what was begun goes on by itself: holos ps shows it, holos up brings "
			   "up the rest, holos down removes it all");
	}
}
