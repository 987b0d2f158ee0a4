/* SPDX-License-Identifier: Apache-2.0
 *
 * stop.c - engine_stop() and engine_down(): the graph backwards.
 *
 * A VM is asked to stop when every running VM of a dependent service is down.
 * All work is the monitors'; this loop only asks and listens.  Ctrl-C leaves
 * those that were asked on their way down.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/fs.h>
#include <engine/attach.h>
#include <engine/volumes.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ASKED_MAX 3

enum stop_phase { STOP_WAITING, STOP_ASKED, STOP_DOWN, STOP_FAILED };

struct stop;

struct stop_vm {
	struct stop *stop;
	struct vm_status *status;
	struct monitor_conn *conn;
	enum stop_phase phase;
	bool selected;
	uint64_t began_ns;
	char *seen;                  /* last state that was told */
	struct holos_error *refusal; /* of the request, while it is judged */
	struct loop_timer *judge;
	unsigned asked; /* monitors may die: others are asked */
};

struct stop {
	struct engine *e;
	struct project_status *project;
	struct stop_vm *vms;
	size_t n;
	bool force;
	struct holos_error **err;
	int result;
};

static void fail(struct stop_vm *v, struct holos_error **why)
{
	struct stop *s = v->stop;

	v->phase = STOP_FAILED;
	engine_phase(s->e, v->status->name, "failed", clock_now_ns() - v->began_ns,
		     (*why)->message);
	if (s->result == 0) {
		error_wrap(why, "%s", v->status->name);
		s->result = error_move(s->err, why);
	}
}

static void is_down(struct stop_vm *v)
{
	v->phase = STOP_DOWN;
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

	(void)end; /* what matters is whether QEMU lives */
	monitor_conn_destroy(steal_ptr(&v->conn));
	loop_remove_timer(steal_ptr(&v->judge));
	error_destroy(steal_ptr(&v->refusal));
	if (v->phase != STOP_ASKED)
		return;
	if (vm_status_refresh(v->stop->e->state, v->stop->project->name, v->status, &why) < 0) {
		fail(v, &why);
	} else if ((v->status->alive.qemu || v->status->alive.monitor) && ++v->asked < ASKED_MAX) {
		ask(v); /* that monitor died: another one adopts QEMU */
	} else if (v->status->alive.qemu || v->status->alive.monitor) {
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

static bool depends(const struct project_status *p, const char *service, const char *on)
{
	const struct service_record *s =
		p->rec != NULL ? project_record_service(p->rec, service) : NULL;

	return s != NULL && strv_has(&s->depends_on, on);
}

static bool dependents_down(const struct stop *s, const struct stop_vm *v)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct stop_vm *o = &s->vms[i];

		if (o->selected && (o->phase == STOP_WAITING || o->phase == STOP_ASKED) &&
		    depends(s->project, o->status->service, v->status->service))
			return false;
	}
	return true;
}

static void ask(struct stop_vm *v)
{
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	int r;

	if (v->began_ns == 0)
		v->began_ns = clock_now_ns();
	v->phase = STOP_ASKED;
	r = attach_vm(v->stop->e, v->status, on_vm, on_end, v, &v->conn, &why);
	if (r == 0 && v->asked != 0) {
		is_down(v);
		return;
	}
	if (r == 0) {
		v->phase = STOP_DOWN; /* nothing was running */
		return;
	}
	if (r == 1)
		r = monitor_request(v->conn, v->stop->force ? "kill" : "stop", NULL, on_answer, v,
				    &why);
	if (r < 0)
		fail(v, &why);
}

/* Ask whom it is time to ask.  False when nobody is left. */
static bool advance(struct stop *s)
{
	unsigned asked = 0, waiting = 0;
	unsigned most = engine_parallel(s->e) * 4; /* waiting for guests costs nothing here */

	for (size_t i = 0; i < s->n; i++)
		asked += s->vms[i].phase == STOP_ASKED;
	for (size_t i = s->n; i-- > 0 && asked < most;) {
		struct stop_vm *v = &s->vms[i];

		if (!v->selected || v->phase != STOP_WAITING || !dependents_down(s, v))
			continue;
		ask(v);
		asked += v->phase == STOP_ASKED;
	}
	for (size_t i = 0; i < s->n; i++)
		waiting += s->vms[i].selected && s->vms[i].phase == STOP_WAITING;
	return asked != 0 || waiting != 0;
}

static bool selected(const char *const *services, const struct vm_status *v)
{
	if (services == NULL || services[0] == NULL)
		return true;
	for (; *services != NULL; services++) {
		if (strcmp(*services, v->service) == 0 || strcmp(*services, v->name) == 0)
			return true;
	}
	return false;
}

static void warn_dependents(struct stop *s)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct stop_vm *v = &s->vms[i];

		for (size_t k = 0; !v->selected && v->status->vm->state == VM_RUNNING && k < s->n;
		     k++) {
			if (s->vms[k].selected &&
			    depends(s->project, v->status->service, s->vms[k].status->service)) {
				engine_warn(s->e, "%s is still running and depends on %s",
					    v->status->name, s->vms[k].status->service);
				break;
			}
		}
	}
}

static int stop_all(struct engine *e, struct project_status *p, const char *const *services,
		    bool force, struct holos_error **err)
{
	struct stop s = { .e = e, .project = p, .n = p->n_vms, .force = force, .err = err };

	s.vms = xcalloc(s.n, sizeof(*s.vms));
	for (size_t i = 0; i < s.n; i++) {
		s.vms[i].stop = &s;
		s.vms[i].status = &p->vms[i];
		s.vms[i].selected = selected(services, &p->vms[i]);
	}
	warn_dependents(&s);
	while (!e->interrupted && advance(&s)) {
		loop_resume(e->loop);
		(void)loop_run_once(e->loop, UINT64_MAX);
	}
	for (size_t i = 0; i < s.n; i++) {
		monitor_conn_destroy(s.vms[i].conn);
		loop_remove_timer(s.vms[i].judge);
		error_destroy(s.vms[i].refusal);
		free(s.vms[i].seen);
	}
	free(s.vms);
	if (e->interrupted)
		return error_set(err, ERR_INTERRUPTED, "interrupted while VMs were stopping");
	return s.result;
}

static int check_services(const struct project_status *p, const char *const *services,
			  struct holos_error **err)
{
	int r = 0;

	for (; r == 0 && services != NULL && *services != NULL; services++)
		r = project_status_find(p, *services, err);
	return r;
}

int engine_stop(struct engine *e, const char *project, const char *const *services, bool force,
		struct holos_error **err)
{
	_cleanup_(project_status_destroyp) struct project_status *p = NULL;
	_cleanup_(state_unlockp) struct state_lock *lock = NULL;
	int r = project_status_read(e->state, project, &p, err);

	if (r < 0)
		return r;
	if (!p->exists)
		return error_set(err, ERR_FAILED, "project \"%s\" not found", project);
	r = project_status_check(p, err);
	if (r == 0)
		r = check_services(p, services, err);
	if (r == 0)
		r = engine_lock(e, project, &lock, err);
	if (r < 0)
		return r;
	project_status_destroy(steal_ptr(&p)); /* as it is now that nobody changes it */
	r = project_status_read(e->state, project, &p, err);
	if (r == 0)
		r = project_status_check(p, err);
	return r < 0 ? r : stop_all(e, p, services, force, err);
}

int engine_down(struct engine *e, const char *project, bool volumes, bool *ret_found,
		struct holos_error **err)
{
	_cleanup_(project_status_destroyp) struct project_status *p = NULL;
	_cleanup_(state_unlockp) struct state_lock *lock = NULL;
	int r = project_status_read(e->state, project, &p, err);

	if (r < 0)
		return r;
	*ret_found = p->exists;
	if (!p->exists && !volumes)
		return 0;
	r = project_status_check(p, err);
	if (r == 0)
		r = engine_lock(e, project, &lock, err);
	if (r < 0)
		return r;
	project_status_destroy(steal_ptr(&p));
	r = project_status_read(e->state, project, &p, err);
	if (r == 0)
		r = project_status_check(p, err);
	if (r == 0)
		r = stop_all(e, p, NULL, false, err);
	for (size_t i = 0; r == 0 && i < p->n_vms; i++) {
		r = state_discard_instance(e->state, project, p->vms[i].name, err);
		if (r == 0)
			engine_phase(e, p->vms[i].name, "removed", 0, NULL);
	}
	if (r == 0)
		r = state_sweep_discarded(e->state, project, err);
	if (r == 0 && volumes)
		r = volumes_remove(e->state, project, ret_found, err);
	if (r == 0 && e->state->fd >= 0) {
		_cleanup_(freep) char *rel = xasprintf("instances/%s", project);

		(void)unlinkat(e->state->fd, rel, AT_REMOVEDIR); /* stays if something is in it */
	}
	if (r == 0 && p->rec != NULL && p->rec->file != NULL) {
		_cleanup_(freep) char *made = state_path(e->state, "runs/%s/holos.yaml", project);
		_cleanup_(freep) char *rel = xasprintf("runs/%s", project);

		if (strcmp(made, p->rec->file) == 0) /* what `run` wrote goes with its VM */
			r = fs_remove_tree(e->state->fd, rel, err);
	}
	/* The record goes last: until then `down` can be repeated. */
	return r == 0 ? project_record_remove(e->state, project, err) : r;
}
