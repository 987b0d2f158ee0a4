/* SPDX-License-Identifier: Apache-2.0
 *
 * wait.c - engine_wait(): until VMs are down for good.  No lock is taken; the
 * monitors tell.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/fs.h>
#include <base/jsonx.h>
#include <engine/attach.h>
#include <engine/stop.h>

#include <stdlib.h>
#include <string.h>

struct wait;

struct wait_vm {
	struct wait *wait;
	struct vm_status *status;
	struct monitor_conn *conn;
	bool waits;
	struct vm_record *last; /* the last state that its monitor told */
};

struct wait {
	struct engine *e;
	const char *project;
	struct wait_vm *vms;
	size_t n;
	unsigned left;
	engine_ended_fn *fn;
	void *data;
	bool timed_out;
	struct loop_timer *timer;
	int result;
	struct holos_error **err;
};

static void ended(struct wait_vm *v)
{
	v->waits = false;
	v->wait->left--;
	v->wait->fn(v->wait->data, v->status);
}

static void fail(struct wait_vm *v, struct holos_error **why)
{
	v->waits = false;
	v->wait->left--;
	if (v->wait->result == 0) {
		error_wrap(why, "%s", v->status->name);
		v->wait->result = error_move(v->wait->err, why);
	}
}

static void on_vm(void *data, const struct vm_record *vm)
{
	struct wait_vm *v = data;
	_cleanup_(json_putp) struct json_object *copy = vm_record_encode(vm);

	vm_record_destroy(steal_ptr(&v->last));
	(void)vm_record_decode(copy, v->status->name, &v->last, NULL);
}

static void on_end(void *data, struct holos_error *end);

static void attach(struct wait_vm *v)
{
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	int r = attach_vm(v->wait->e, v->status, on_vm, on_end, v, &v->conn, &why);

	if (r == 0)
		r = vm_status_refresh(v->wait->e->state, v->wait->project, v->status, &why);
	if (r < 0)
		fail(v, &why);
	else if (v->conn == NULL)
		ended(v);
}

static void on_end(void *data, struct holos_error *end)
{
	struct wait_vm *v = data;
	_cleanup_(freep) char *rel =
		xasprintf("instances/%s/%s", v->wait->project, v->status->name);

	monitor_conn_destroy(steal_ptr(&v->conn));
	if (end != NULL && end->code == ERR_TIMEOUT) { /* it lives and does not answer */
		_cleanup_(error_destroyp) struct holos_error *why = NULL;

		error_copy(&why, end);
		fail(v, &why);
	} else if (!fs_absent(v->wait->e->state->fd, rel)) {
		attach(v);
	} else if (v->last != NULL && !vm_state_is_up(v->last->state)) {
		vm_record_destroy(v->status->vm); /* removed; these were its last words */
		v->status->vm = steal_ptr(&v->last);
		ended(v);
	} else {
		_cleanup_(error_destroyp) struct holos_error *why = NULL;

		error_set(&why, ERR_FAILED, "it was removed");
		fail(v, &why);
	}
}

static void on_timeout(void *data)
{
	struct wait *w = data;

	w->timer = NULL;
	w->timed_out = true;
	loop_quit(w->e->loop);
}

static int begin(struct wait *w, const struct project_status *p, const bool *chosen,
		 struct holos_error **err)
{
	for (size_t i = 0; i < w->n; i++) {
		const struct vm_status *v = &p->vms[i];

		if (!chosen[i])
			continue;
		if (v->vm->state == VM_CREATED && !v->alive.monitor && !v->alive.qemu) {
			error_set(err, ERR_FAILED,
				  "%s was never started: there is no end to wait for", v->name);
			error_hint(err, "holos up, or holos start %s", v->service);
			return -ERR_FAILED;
		}
		w->vms[i].waits = true;
		w->left++;
	}
	for (size_t i = 0; i < w->n; i++) {
		w->vms[i].wait = w;
		w->vms[i].status = &p->vms[i];
		if (w->vms[i].waits)
			attach(&w->vms[i]);
	}
	return 0;
}

static int wait_all(struct wait *w, uint64_t timeout_ns)
{
	if (timeout_ns != 0)
		w->timer = loop_add_timer(w->e->loop, clock_now_ns() + timeout_ns, on_timeout, w);
	while (w->left != 0 && !w->e->interrupted && !w->timed_out) {
		loop_resume(w->e->loop);
		(void)loop_run_once(w->e->loop, UINT64_MAX);
	}
	loop_remove_timer(w->timer);
	if (w->result < 0 || w->left == 0)
		return w->result;
	if (w->e->interrupted)
		return error_set(w->err, ERR_INTERRUPTED, "interrupted");
	for (size_t i = 0; i < w->n; i++) {
		if (w->vms[i].waits)
			return error_set(w->err, ERR_TIMEOUT, "%s is still %s",
					 w->vms[i].status->name,
					 vm_state_name(w->vms[i].last != NULL
							       ? w->vms[i].last->state
							       : w->vms[i].status->vm->state));
	}
	return 0;
}

int engine_wait(struct engine *e, const char *project, const char *const *names,
		uint64_t timeout_ns, engine_ended_fn *fn, void *data, struct holos_error **err)
{
	_cleanup_(project_status_destroyp) struct project_status *p = NULL;
	_cleanup_(freep) bool *chosen = NULL;
	struct wait w = { .e = e, .project = project, .fn = fn, .data = data, .err = err };
	int r = project_status_read(e->state, project, &p, err);

	if (r == 0 && !p->exists)
		r = error_set(err, ERR_FAILED, "project \"%s\" not found", project);
	for (const char *const *n = names; r == 0 && n != NULL && *n != NULL; n++)
		r = project_status_find(p, *n, err);
	if (r < 0)
		return r;
	w.n = p->n_vms;
	w.vms = xcalloc(w.n, sizeof(*w.vms));
	chosen = xcalloc(w.n, sizeof(bool));
	stop_choose(p, names, chosen);
	r = begin(&w, p, chosen, err);
	if (r == 0)
		r = wait_all(&w, timeout_ns);
	for (size_t i = 0; i < w.n; i++) {
		monitor_conn_destroy(w.vms[i].conn);
		vm_record_destroy(w.vms[i].last);
	}
	free(w.vms);
	return r;
}
