/* SPDX-License-Identifier: Apache-2.0
 *
 * stop.c - engine_stop(): the graph backwards.
 *
 * A VM is asked to stop when every running VM of a dependent service is down.
 * All work is the monitors'; this loop only asks and listens.  Ctrl-C leaves
 * those that were asked on their way down.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/jsonx.h>
#include <engine/attach.h>
#include <engine/nics.h>
#include <engine/stop.h>
#include <engine/volumes.h>

#include <stdlib.h>
#include <string.h>

#define ASKED_MAX 3

enum stop_phase { STOP_WAITING, STOP_ASKED, STOP_DOWN, STOP_FAILED };

struct stop;

struct stop_vm {
	struct stop *stop;
	struct vm_status *status;
	struct monitor_conn *conn;
	enum stop_phase phase;
	bool selected;
	size_t service; /* index in stop.services */
	uint64_t began_ns;
	char *seen;                  /* last state that was told */
	struct holos_error *refusal; /* of the request, while it is judged */
	struct loop_timer *judge;
	unsigned asked; /* monitors may die: others are asked */
};

/* The dependents of each service, found once: 200 VMs ask often. */
struct stop_service {
	const char *name;
	unsigned left; /* VMs that are to go down and are not down yet */
	size_t *dependents;
	size_t n_dependents;
};

struct stop {
	struct engine *e;
	const struct stop_options *o;
	struct project_status *project;
	struct stop_vm *vms;
	size_t n;
	struct stop_service *services;
	size_t n_services;
	unsigned asked;   /* VMs in STOP_ASKED */
	unsigned waiting; /* VMs in STOP_WAITING that are selected */
	struct holos_error **err;
	int result;
};

static void set_phase(struct stop_vm *v, enum stop_phase phase)
{
	struct stop *s = v->stop;
	bool was_left = v->phase == STOP_WAITING || v->phase == STOP_ASKED;

	s->waiting -= v->phase == STOP_WAITING;
	s->asked -= v->phase == STOP_ASKED;
	s->asked += phase == STOP_ASKED;
	v->phase = phase;
	if (was_left && phase != STOP_ASKED)
		s->services[v->service].left--;
}

static void fail(struct stop_vm *v, struct holos_error **why)
{
	struct stop *s = v->stop;

	set_phase(v, STOP_FAILED);
	engine_phase(s->e, v->status->name, "failed", clock_now_ns() - v->began_ns,
		     (*why)->message);
	if (s->result == 0) {
		error_wrap(why, "%s", v->status->name);
		s->result = error_move(s->err, why);
	}
}

/* It is down: take back what its networks changed on this machine. */
static bool undo_networks(struct stop_vm *v)
{
	_cleanup_(error_destroyp) struct holos_error *why = NULL;

	if (nics_undo_vm(v->stop->e, v->stop->project->name, v->status->name, &why) == 0)
		return true;
	fail(v, &why);
	return false;
}

static void is_down(struct stop_vm *v)
{
	if (!undo_networks(v))
		return;
	set_phase(v, STOP_DOWN);
	volumes_confirm(v->stop->e->state, v->stop->project->name, v->status->name);
	engine_phase(v->stop->e, v->status->name, "stopped", clock_now_ns() - v->began_ns, NULL);
}

static void on_vm(void *data, const struct vm_record *vm)
{
	struct stop_vm *v = data;
	const char *state = vm_state_name(vm->state);

	if (v->phase != STOP_ASKED || (v->seen != NULL && strcmp(v->seen, state) == 0))
		return;
	free(v->seen);
	v->seen = xstrdup(state);
	if (vm->state == VM_STOPPING)
		engine_phase(v->stop->e, v->status->name, state, clock_now_ns() - v->began_ns,
			     NULL);
}

static void ask(struct stop_vm *v);

static void on_end(void *data, struct holos_error *end)
{
	struct stop_vm *v = data;
	_cleanup_(error_destroyp) struct holos_error *why = NULL;

	monitor_conn_destroy(steal_ptr(&v->conn));
	loop_remove_timer(steal_ptr(&v->judge));
	error_destroy(steal_ptr(&v->refusal));
	if (v->phase != STOP_ASKED)
		return;
	if (end != NULL && end->code == ERR_TIMEOUT) { /* it lives and does not answer */
		error_copy(&why, end);
		fail(v, &why);
		return;
	}
	/* Otherwise what matters is whether QEMU lives. */
	if (vm_status_refresh(v->stop->e->state, v->stop->project->name, v->status, &why) < 0) {
		fail(v, &why);
	} else if ((v->status->alive.qemu || v->status->alive.monitor) && ++v->asked < ASKED_MAX) {
		ask(v); /* that monitor died: another one adopts QEMU */
	} else if (v->status->alive.qemu || v->status->alive.monitor) {
		if (end != NULL)
			error_copy(&why, end);
		else
			error_set(&why, ERR_FAILED, "its monitor ended before the VM was down");
		fail(v, &why);
	} else {
		is_down(v);
	}
}

static void on_judge(void *data)
{
	struct stop_vm *v = data;

	v->judge = NULL;
	if (v->phase == STOP_ASKED)
		fail(v, &v->refusal);
}

static void on_answer(void *data, struct json_object *answer, const struct holos_error *err)
{
	struct stop_vm *v = data;

	/* A monitor that ended leaves requests without an answer, and the end of
	 * the connection, which follows at once, says more.  A refusal stays. */
	if (answer != NULL || v->phase != STOP_ASKED || v->judge != NULL)
		return;
	error_set(&v->refusal, err->code, "%s", err->message);
	v->judge = loop_add_timer(v->stop->e->loop, clock_now_ns(), on_judge, v);
}

static bool dependents_down(const struct stop *s, const struct stop_vm *v)
{
	const struct stop_service *service = &s->services[v->service];

	for (size_t i = 0; i < service->n_dependents; i++) {
		if (s->services[service->dependents[i]].left != 0)
			return false;
	}
	return true;
}

static int send_request(struct stop_vm *v, struct holos_error **err)
{
	const struct stop_options *o = v->stop->o;
	_cleanup_(json_putp) struct json_object *args = NULL;

	if (!o->kill && o->set_grace) {
		args = json_object_new_object();
		jsonx_set_int(args, "grace_ns", (int64_t)o->grace_ns);
	}
	return monitor_request(v->conn, o->kill ? "kill" : "stop", args, on_answer, v, err);
}

static void ask(struct stop_vm *v)
{
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	int r;

	if (v->began_ns == 0)
		v->began_ns = clock_now_ns();
	set_phase(v, STOP_ASKED);
	r = attach_vm(v->stop->e, v->status, on_vm, on_end, v, &v->conn, &why);
	if (r == 0 && v->asked != 0) {
		is_down(v);
		return;
	}
	if (r == 0) {
		if (undo_networks(v))
			set_phase(v, STOP_DOWN); /* nothing was running */
		return;
	}
	if (r == 1)
		r = send_request(v, &why);
	if (r < 0)
		fail(v, &why);
}

/* Ask whom it is time to ask.  False when nobody is left. */
static bool advance(struct stop *s)
{
	unsigned most = engine_parallel(s->e) * 4; /* waiting for guests costs nothing here */
	bool any = true;

	while (any && s->waiting != 0 && s->asked < most) {
		any = false;
		for (size_t i = s->n; i-- > 0 && s->asked < most;) {
			struct stop_vm *v = &s->vms[i];

			if (!v->selected || v->phase != STOP_WAITING || !dependents_down(s, v))
				continue;
			ask(v);
			any = true; /* it may have been down: those it depends on are due */
		}
	}
	return s->asked != 0 || s->waiting != 0;
}

void stop_choose(const struct project_status *p, const char *const *names, bool *chosen)
{
	for (size_t i = 0; i < p->n_vms; i++) {
		chosen[i] = names == NULL || names[0] == NULL;
		for (const char *const *n = names; !chosen[i] && *n != NULL; n++)
			chosen[i] = strcmp(*n, p->vms[i].service) == 0 ||
				    strcmp(*n, p->vms[i].name) == 0;
	}
}

static void make_services(struct stop *s)
{
	const struct project_status *p = s->project;
	_cleanup_(freep) const char **names = NULL;

	s->n_services = project_status_services(p, &names);
	s->services = xcalloc(s->n_services, sizeof(*s->services));
	for (size_t i = 0; i < s->n_services; i++)
		s->services[i].name = names[i];
	for (size_t i = 0; i < s->n_services; i++) {
		const struct service_record *rec =
			p->rec != NULL ? project_record_service(p->rec, names[i]) : NULL;

		for (size_t k = 0; rec != NULL && k < s->n_services; k++) {
			struct stop_service *on = &s->services[k];

			if (service_record_depends(rec, on->name) == NULL)
				continue;
			on->dependents = xrealloc(on->dependents, on->n_dependents + 1,
						  sizeof(*on->dependents));
			on->dependents[on->n_dependents++] = i;
		}
	}
	for (size_t i = 0; i < s->n; i++) {
		struct stop_vm *v = &s->vms[i];

		while (strcmp(s->services[v->service].name, v->status->service) != 0)
			v->service++;
		s->services[v->service].left += v->selected;
		s->waiting += v->selected;
	}
}

static void warn_dependents(struct stop *s)
{
	for (size_t i = 0; i < s->n_services; i++) {
		const struct stop_service *service = &s->services[i];

		for (size_t k = 0; service->left != 0 && k < s->n; k++) {
			const struct stop_vm *v = &s->vms[k];
			bool depends = false;

			for (size_t d = 0; d < service->n_dependents; d++)
				depends = depends || service->dependents[d] == v->service;
			if (depends && !v->selected && v->status->vm->state == VM_RUNNING)
				engine_warn(s->e, "%s is still running and depends on %s",
					    v->status->name, service->name);
		}
	}
}

static void finish(struct stop *s)
{
	for (size_t i = 0; i < s->n; i++) {
		monitor_conn_destroy(s->vms[i].conn);
		loop_remove_timer(s->vms[i].judge);
		error_destroy(s->vms[i].refusal);
		free(s->vms[i].seen);
	}
	for (size_t i = 0; i < s->n_services; i++)
		free(s->services[i].dependents);
	free(s->services);
	free(s->vms);
}

int stop_chosen(struct engine *e, struct project_status *p, const bool *chosen,
		const struct stop_options *o, bool warn, struct holos_error **err)
{
	struct stop s = { .e = e, .o = o, .project = p, .n = p->n_vms, .err = err };

	s.vms = xcalloc(s.n, sizeof(*s.vms));
	for (size_t i = 0; i < s.n; i++) {
		s.vms[i].stop = &s;
		s.vms[i].status = &p->vms[i];
		s.vms[i].selected = chosen[i];
	}
	make_services(&s);
	if (warn)
		warn_dependents(&s);
	while (!e->interrupted && advance(&s)) {
		loop_resume(e->loop);
		(void)loop_run_once(e->loop, UINT64_MAX);
	}
	finish(&s);
	if (!e->interrupted)
		return s.result;
	if (s.result < 0)
		return s.result;
	error_set(err, ERR_INTERRUPTED, "interrupted while VMs were stopping");
	error_hint(err,
		   "those that were asked go on by themselves: holos ps shows it, and the same "
		   "command again does the rest");
	return -ERR_INTERRUPTED;
}

static int check_names(const struct project_status *p, const char *const *names,
		       struct holos_error **err)
{
	int r = 0;

	for (; r == 0 && names != NULL && *names != NULL; names++)
		r = project_status_find(p, *names, err);
	return r;
}

int stop_hold(struct engine *e, const char *project, const char *const *names,
	      struct project_status **ret, struct state_lock **ret_lock, struct holos_error **err)
{
	_cleanup_(project_status_destroyp) struct project_status *p = NULL;
	_cleanup_(state_unlockp) struct state_lock *lock = NULL;
	int r = project_status_read_brief(e->state, project, &p, err);

	if (r < 0)
		return r;
	if (!p->exists) {
		*ret = steal_ptr(&p);
		return 0;
	}
	r = project_status_check(p, err);
	if (r == 0)
		r = check_names(p, names, err);
	if (r == 0)
		r = engine_lock(e, project, &lock, err);
	if (r < 0)
		return r;
	project_status_destroy(steal_ptr(&p));
	r = project_status_read(e->state, project, &p, err);
	if (r == 0)
		r = project_status_check(p, err);
	if (r < 0)
		return r;
	*ret = steal_ptr(&p);
	*ret_lock = steal_ptr(&lock);
	return 0;
}

int engine_stop(struct engine *e, const char *project, const struct stop_options *o,
		struct holos_error **err)
{
	_cleanup_(project_status_destroyp) struct project_status *p = NULL;
	_cleanup_(state_unlockp) struct state_lock *lock = NULL;
	_cleanup_(freep) bool *chosen = NULL;
	int r = stop_hold(e, project, o->names, &p, &lock, err);

	if (r < 0)
		return r;
	if (!p->exists)
		return error_set(err, ERR_FAILED, "project \"%s\" not found", project);
	chosen = xcalloc(p->n_vms, sizeof(bool));
	stop_choose(p, o->names, chosen);
	return stop_chosen(e, p, chosen, o, true, err);
}
