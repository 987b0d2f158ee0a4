/* SPDX-License-Identifier: Apache-2.0
 *
 * restart.c - engine_restart(): stop VMs, dependents first, and start them as
 * they were, dependents last.
 *
 * By the records alone: each VM starts with the launch.json of its last start,
 * as after a crash by its restart policy; no compose file is read and nothing
 * of a changed one taken up.  The project is locked while VMs stop and start,
 * and free while guests are waited for; a VM that another command changes
 * meanwhile is left to that.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/fs.h>
#include <engine/attach.h>
#include <engine/nics.h>
#include <engine/prepare.h>
#include <engine/provisioned.h>
#include <engine/stop.h>
#include <engine/volumes.h>
#include <monitor/launch.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ATTACH_MAX 5 /* monitors of one VM that may die on us */

enum phase { RS_WAITING, RS_STARTING, RS_RUNNING, RS_READY, RS_COMPLETED, RS_FAILED };

struct restart;

struct restart_vm {
	struct restart *run;
	struct vm_status *status;
	const struct service_record *service; /* NULL: the record does not know it */
	bool chosen;
	bool checked;     /* a healthcheck tells when it is ready */
	bool wants_ready; /* somebody waits for that */
	bool wants_completed;
	enum phase phase;
	struct monitor_conn *conn;
	unsigned attached;
	uint64_t began_ns;
	char *told; /* the step of its provisioning that was told last */
};

struct restart {
	struct engine *e;
	const struct restart_options *o;
	struct project_status *project;
	struct state_lock *lock;
	struct restart_vm *vms; /* parallel to project->vms */
	size_t n;
	struct loop_timer *timer;
	bool timed_out;
	struct holos_error **err;
	int result; /* of the first failure */
};

static void fail(struct restart_vm *v, struct holos_error **why)
{
	struct restart *s = v->run;

	v->phase = RS_FAILED;
	monitor_conn_destroy(steal_ptr(&v->conn));
	engine_phase(s->e, v->status->name, "failed",
		     v->began_ns != 0 ? clock_now_ns() - v->began_ns : 0, (*why)->message);
	if (s->result == 0) {
		error_wrap(why, "%s", v->status->name);
		s->result = error_move(s->err, why);
	}
}

static void fail_with(struct restart_vm *v, int code, const char *text)
{
	_cleanup_(error_destroyp) struct holos_error *why = NULL;

	error_set(&why, code, "%s", text);
	if (code == ERR_START || code == ERR_TIMEOUT)
		error_hint(&why, "see more: holos logs%s -p %s %s",
			   code == ERR_START ? " --qemu" : "", v->run->project->name,
			   v->status->name);
	fail(v, &why);
}

static void reached(struct restart_vm *v, enum phase phase, const char *word)
{
	v->phase = phase;
	engine_phase(v->run->e, v->status->name, word, clock_now_ns() - v->began_ns, NULL);
}

/* ---- what the monitor tells ------------------------------------------------------ */

static void on_vm(void *data, const struct vm_record *vm)
{
	struct restart_vm *v = data;
	_cleanup_(error_destroyp) struct holos_error *why = NULL;

	if (v->phase == RS_STARTING && (vm->state == VM_RUNNING || vm->state == VM_PAUSED))
		reached(v, RS_RUNNING, "running");
	if (v->phase != RS_RUNNING)
		return;
	if (v->wants_ready &&
	    provisioned_check(v->run->project->name, v->status->name, vm, &why) < 0) {
		fail(v, &why);
		provisioned_tell(v->run->e, v->status->name, vm);
		return;
	}
	if (v->wants_ready &&
	    provisioned_waits(v->run->e, v->status->name, vm, v->began_ns, &v->told) &&
	    (!v->checked || vm->health == VM_HEALTH_HEALTHY))
		return;
	if (!v->checked) {
		if (vm->reachable || engine_health_bypassed())
			reached(v, RS_READY, "ready");
	} else if (vm->health == VM_HEALTH_HEALTHY) {
		reached(v, RS_READY, "healthy");
	} else if (v->wants_ready &&
		   (vm->health == VM_HEALTH_UNHEALTHY || vm->health == VM_HEALTH_UNKNOWN)) {
		const char *what = vm->health == VM_HEALTH_UNHEALTHY
					   ? "unhealthy"
					   : "its health probe does not work";
		bool detail = vm->health_detail != NULL;
		_cleanup_(freep) char *text = xasprintf("%s%s%s", what, detail ? ": " : "",
							detail ? vm->health_detail : "");

		fail_with(v, ERR_TIMEOUT, text);
	}
}

static void on_reach(void *data, struct json_object *answer, const struct holos_error *err)
{
	struct restart_vm *v = data;

	/* Any other error is that of a monitor that ended: on_end tells why. */
	if (answer == NULL && err->code == ERR_TIMEOUT && v->phase == RS_RUNNING)
		fail_with(v, ERR_TIMEOUT, err->message);
}

static void ask_reach(struct restart_vm *v)
{
	if (v->wants_ready && !v->checked && !engine_health_bypassed())
		(void)monitor_request(v->conn, "reach", NULL, on_reach, v, NULL);
}

static void is_down(struct restart_vm *v)
{
	const struct vm_record *vm = v->status->vm;
	_cleanup_(freep) char *text = NULL;

	if (vm->exit.cause == VM_EXIT_GUEST && vm->exit.status == 0 &&
	    (v->wants_completed || !v->wants_ready || v->phase == RS_READY)) {
		reached(v, RS_COMPLETED, "completed");
		return;
	}
	text = vm_exit_describe(&vm->exit);
	fail_with(v, ERR_START, text);
}

static void on_end(void *data, struct holos_error *end)
{
	struct restart_vm *v = data;
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	const struct restart *s = v->run;
	int r;

	monitor_conn_destroy(steal_ptr(&v->conn));
	if (v->phase == RS_FAILED || v->phase == RS_COMPLETED)
		return;
	if (end != NULL && end->code == ERR_TIMEOUT) { /* it lives and does not answer */
		error_copy(&why, end);
		fail(v, &why);
		return;
	}
	/* Otherwise what matters is whether QEMU lives. */
	r = vm_status_refresh(s->e->state, s->project->name, v->status, &why);
	if (r == 0 && !v->status->alive.qemu && !v->status->alive.monitor) {
		is_down(v);
		return;
	}
	if (r == 0 && ++v->attached > ATTACH_MAX)
		r = error_set(&why, ERR_START, "its monitor ends again and again");
	if (r == 0)
		r = attach_vm(s->e, v->status, on_vm, on_end, v, &v->conn, &why);
	if (r == 0)
		r = error_set(&why, ERR_START, "it ended together with its monitor");
	if (r < 0)
		fail(v, &why);
	else
		ask_reach(v);
}

/* ---- what can be known in advance -------------------------------------------------- */

static int check_one(struct restart_vm *v, struct holos_error **err)
{
	_cleanup_(closep) int dir = open(v->status->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(launch_destroyp) struct launch *l = NULL;
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	const struct instance_record *rec = v->status->rec;
	bool up = v->status->alive.qemu || v->status->alive.monitor;
	int r;

	if (rec == NULL)
		return error_set(err, ERR_FAILED, "%s: %s", v->status->name, v->status->problem);
	if (dir < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot open %s", v->status->dir);
	if (launch_read(dir, &l, &why) < 0) {
		if (why->sys_errno != ENOENT || up) {
			error_set(err, why->code, "%s/%s", v->status->dir, why->message);
			if (why->hint != NULL)
				error_hint(err, "%s", why->hint);
			return -why->code;
		}
		engine_warn(v->run->e, "%s was never started; holos up starts it", v->status->name);
		v->chosen = false;
		return 0;
	}
	if (access(l->program, X_OK) < 0) {
		error_sys(err, ERR_HOST, errno, "%s: QEMU %s", v->status->name, l->program);
		error_hint(err, "holos up starts it with the QEMU that is there now");
		return -ERR_HOST;
	}
	v->checked = l->health.set;
	if (nics_check_again(v->run->e, l, err) < 0)
		return error_wrap(err, "%s", v->status->name);
	r = prepare_check_base(rec, err);
	/* Without a base it is a disk of the user's, where it was the last time. */
	if (r == 0 && (prepare_check_root(rec, rec->base == NULL ? rec->root : NULL, dir,
					  v->status->dir, err) < 0 ||
		       volumes_check_again(v->run->e->state, rec, err) < 0))
		r = error_wrap(err, "%s", v->status->name);
	return r;
}

/* The stop has undone what its networks changed on this machine. */
static int apply_networks(struct restart_vm *v, struct holos_error **err)
{
	_cleanup_(closep) int dir = open(v->status->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(launch_destroyp) struct launch *l = NULL;
	int r;

	if (dir < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot open %s", v->status->dir);
	r = launch_read(dir, &l, err);
	return r == 0 && l->networks != NULL ? nics_apply_again(v->run->e, l, dir, err) : r;
}

/* ---- who ---------------------------------------------------------------------------- */

static bool is_completed_one_shot(const struct project_status *p, const struct vm_status *vm)
{
	for (size_t i = 0; p->rec != NULL && i < p->rec->n_services; i++) {
		const struct dependency_record *d =
			service_record_depends(&p->rec->services[i], vm->service);

		if (d != NULL && d->condition == DEP_COMPLETED &&
		    vm->vm->exit.cause == VM_EXIT_GUEST && vm->vm->exit.status == 0)
			return !vm_state_is_up(vm->vm->state);
	}
	return false;
}

/* Services that want to be restarted with one that is; those that are down stay
 * so.  True when there was another one. */
static bool choose_followers(struct restart *s)
{
	bool any = false;

	for (size_t i = 0; i < s->n; i++) {
		struct restart_vm *v = &s->vms[i];

		for (size_t k = 0; v->service != NULL && !v->chosen && k < s->n; k++) {
			const struct dependency_record *d =
				s->vms[k].chosen ? service_record_depends(v->service,
									  s->vms[k].status->service)
						 : NULL;

			if (d != NULL && d->restart && vm_state_is_up(v->status->vm->state))
				v->chosen = any = true;
		}
	}
	return any;
}

static void choose(struct restart *s)
{
	const char *const *names = s->o->stop.names;
	bool all = names == NULL || names[0] == NULL;
	_cleanup_(freep) bool *chosen = xcalloc(s->n, sizeof(bool));

	stop_choose(s->project, names, chosen);
	for (size_t i = 0; i < s->n; i++) {
		struct restart_vm *v = &s->vms[i];

		v->run = s;
		v->status = &s->project->vms[i];
		if (s->project->rec != NULL)
			v->service = project_record_service(s->project->rec, v->status->service);
		/* Work that is done is not done again unasked. */
		v->chosen = chosen[i] && !(all && is_completed_one_shot(s->project, v->status));
	}
	while (!s->o->no_deps && choose_followers(s))
		;
}

static void mark_wants(struct restart *s)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct service_record *service = s->vms[i].service;

		s->vms[i].wants_ready = s->vms[i].wants_ready || s->o->wait;
		for (size_t k = 0; service != NULL && s->vms[i].chosen && k < s->n; k++) {
			struct restart_vm *v = &s->vms[k];
			const struct dependency_record *d =
				service_record_depends(service, v->status->service);

			if (d == NULL || !v->chosen)
				continue;
			if (d->condition == DEP_COMPLETED)
				v->wants_completed = true;
			else if (d->condition == DEP_HEALTHY ||
				 (d->condition == DEP_AUTO && v->checked))
				v->wants_ready = true;
		}
	}
}

/* ---- the graph ------------------------------------------------------------------------ */

enum met { NOT_YET, MET, NEVER };

static enum met dependency_met(const struct restart *s, const struct dependency_record *d)
{
	enum met met = MET;

	for (size_t i = 0; i < s->n; i++) {
		const struct restart_vm *v = &s->vms[i];
		enum phase due =
			d->condition == DEP_COMPLETED ? RS_COMPLETED
			: d->condition == DEP_HEALTHY || (d->condition == DEP_AUTO && v->checked)
				? RS_READY
				: RS_RUNNING;

		if (!v->chosen || strcmp(v->status->service, d->service) != 0)
			continue;
		if (v->phase == RS_FAILED)
			return d->required ? NEVER : MET;
		if (v->phase == RS_COMPLETED && due == RS_READY)
			return NEVER;
		if (v->phase < due)
			met = NOT_YET;
	}
	return met;
}

/* The project is ours to change: locked, and the VM as we left it. */
static int hold(struct restart_vm *v, struct holos_error **err)
{
	struct restart *s = v->run;
	int r = s->lock == NULL ? engine_lock(s->e, s->project->name, &s->lock, err) : 0;

	return r == 0 ? vm_status_refresh(s->e->state, s->project->name, v->status, err) : r;
}

static void start(struct restart_vm *v)
{
	struct restart *s = v->run;
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	int r;

	v->began_ns = clock_now_ns();
	r = hold(v, &why);
	if (r < 0) {
		error_wrap(&why, "it was not started again");
		fail(v, &why);
		return;
	}
	v->phase = RS_STARTING;
	if (v->status->alive.qemu || v->status->alive.monitor) { /* by another command */
		r = attach_vm(s->e, v->status, on_vm, on_end, v, &v->conn, &why);
	} else {
		r = apply_networks(v, &why);
		if (r == 0)
			r = attach_start(s->e, v->status->dir, false, on_vm, on_end, v, &v->conn,
					 &why);
	}
	if (r == 0 && v->conn == NULL)
		r = error_set(&why, ERR_START, "it was stopped by another command");
	if (r < 0) {
		fail(v, &why);
		return;
	}
	engine_phase(s->e, v->status->name, "starting", 0, NULL);
	ask_reach(v);
}

/* Start what can be started now.  True when something changed: then others may
 * be due. */
static bool start_some(struct restart *s)
{
	unsigned starting = 0;
	bool any = false;

	for (size_t i = 0; i < s->n; i++)
		starting += s->vms[i].phase == RS_STARTING;
	for (size_t i = 0; i < s->n; i++) {
		struct restart_vm *v = &s->vms[i];
		const struct service_record *service = v->service;
		const char *failed = NULL;
		enum met met = MET;

		if (!v->chosen || v->phase != RS_WAITING)
			continue;
		for (size_t d = 0; service != NULL && d < service->n_depends_on; d++) {
			enum met one = dependency_met(s, &service->depends_on[d]);

			if (one == NEVER)
				failed = service->depends_on[d].service;
			else if (one == NOT_YET)
				met = NOT_YET;
		}
		if (failed != NULL) {
			_cleanup_(freep) char *text =
				xasprintf("not started: it needs %s, which failed", failed);

			fail_with(v, ERR_FAILED, text);
		} else if (met == MET && starting < engine_parallel(s->e)) {
			start(v);
			starting += v->phase == RS_STARTING;
		} else {
			continue;
		}
		any = true;
	}
	return any;
}

/* Is there something to wait for?  Frees the project while that is guests only. */
static bool pending(struct restart *s)
{
	bool starting = false, waiting = false;

	for (size_t i = 0; i < s->n; i++) {
		const struct restart_vm *v = &s->vms[i];

		if (!v->chosen)
			continue;
		starting = starting || v->phase == RS_STARTING;
		waiting = waiting || v->phase == RS_WAITING ||
			  (v->wants_ready && v->phase == RS_RUNNING) ||
			  (v->wants_completed && (v->phase == RS_RUNNING || v->phase == RS_READY));
	}
	if (!starting)
		state_unlock(steal_ptr(&s->lock));
	return starting || waiting;
}

static void on_timeout(void *data)
{
	struct restart *s = data;

	s->timer = NULL;
	s->timed_out = true;
	loop_quit(s->e->loop);
}

static void time_out(struct restart *s)
{
	for (size_t i = 0; i < s->n; i++) {
		struct restart_vm *v = &s->vms[i];

		if (!v->chosen || v->phase > RS_RUNNING ||
		    (v->phase == RS_RUNNING && !v->wants_ready))
			continue;
		fail_with(v, ERR_TIMEOUT,
			  v->phase == RS_RUNNING ? "not healthy in time (--wait-timeout)"
						 : "not started in time (--wait-timeout)");
	}
}

static void start_all(struct restart *s)
{
	if (s->o->wait_timeout_ns != 0)
		s->timer = loop_add_timer(s->e->loop, clock_now_ns() + s->o->wait_timeout_ns,
					  on_timeout, s);
	while (!s->e->interrupted && !s->timed_out) {
		while (start_some(s))
			;
		if (!pending(s))
			break;
		loop_resume(s->e->loop);
		(void)loop_run_once(s->e->loop, UINT64_MAX);
	}
	loop_remove_timer(s->timer);
	if (s->timed_out)
		time_out(s);
	if (s->e->interrupted && s->result == 0) {
		s->result = error_set(s->err, ERR_INTERRUPTED, "interrupted");
		error_hint(s->err, "holos ps shows what is down; holos start starts it");
	}
}

/* After the stop; what went down was read again by then, or is now. */
static bool still_up(struct restart_vm *v)
{
	return vm_status_refresh(v->run->e->state, v->run->project->name, v->status, NULL) < 0 ||
	       v->status->alive.qemu || v->status->alive.monitor;
}

static int run(struct restart *s)
{
	_cleanup_(freep) bool *chosen = xcalloc(s->n, sizeof(bool));
	int r = 0;

	s->vms = xcalloc(s->n, sizeof(*s->vms));
	choose(s);
	for (size_t i = 0; i < s->n && r == 0; i++)
		r = s->vms[i].chosen ? check_one(&s->vms[i], s->err) : 0;
	if (r == 0)
		r = engine_check_interrupt(s->e, s->err);
	if (r < 0)
		return r;
	mark_wants(s);
	for (size_t i = 0; i < s->n; i++)
		chosen[i] = s->vms[i].chosen;
	s->result = stop_chosen(s->e, s->project, chosen, &s->o->stop, false, s->err);
	if (s->e->interrupted)
		return s->result;
	/* One that does not go down is no reason to leave the others down. */
	for (size_t i = 0; i < s->n; i++) {
		if (s->vms[i].chosen &&
		    (s->vms[i].status->alive.qemu || s->vms[i].status->alive.monitor))
			s->vms[i].phase = still_up(&s->vms[i]) ? RS_FAILED : RS_WAITING;
	}
	start_all(s);
	return s->result;
}

int engine_restart(struct engine *e, const char *project, const struct restart_options *o,
		   struct holos_error **err)
{
	struct restart s = { .e = e, .o = o, .err = err };
	int r = stop_hold(e, project, o->stop.names, &s.project, &s.lock, err);

	if (r == 0 && !s.project->exists)
		r = error_set(err, ERR_FAILED, "project \"%s\" not found", project);
	if (r == 0) {
		s.n = s.project->n_vms;
		r = run(&s);
	}
	for (size_t i = 0; s.vms != NULL && i < s.n; i++) {
		monitor_conn_destroy(s.vms[i].conn);
		free(s.vms[i].told);
	}
	free(s.vms);
	project_status_destroy(s.project);
	state_unlock(s.lock);
	return r;
}
