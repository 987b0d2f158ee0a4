/* SPDX-License-Identifier: Apache-2.0
 *
 * updecide.c - what is to be done with each VM of the project, and why.
 *
 * docs/up.md tells it to users; keep them together.
 */
#include <base/alloc.h>
#include <base/fs.h>
#include <base/jsonx.h>
#include <base/names.h>
#include <engine/up.h>

#include <fcntl.h>
#include <string.h>

bool up_starts(const struct up_vm *v)
{
	return v->action == UP_START || v->action == UP_RESTART || up_creates(v);
}

bool up_creates(const struct up_vm *v)
{
	return v->action == UP_CREATE || v->action == UP_RECREATE;
}

bool up_keeps(const struct up_vm *v)
{
	return v->action == UP_KEEP || v->action == UP_LIVE;
}

bool up_stops(const struct up_vm *v)
{
	return v->status != NULL && (v->status->alive.qemu || v->status->alive.monitor) &&
	       (v->action == UP_RESTART || v->action == UP_RECREATE);
}

/* ---- which services ------------------------------------------------------------- */

static void select_service(struct up *u, size_t service)
{
	const struct service *s = &u->project->services[service];

	if (u->chosen[service])
		return;
	u->chosen[service] = true;
	for (size_t i = 0; i < s->n_depends_on && !u->o->no_deps; i++)
		select_service(u, s->depends_on[i].service);
}

static int no_service(const struct project *p, const char *name, struct holos_error **err)
{
	const char **all = xcalloc(p->n_services, sizeof(*all));
	const char *near;

	for (size_t i = 0; i < p->n_services; i++)
		all[i] = p->services[i].name;
	near = names_nearest(name, all, p->n_services);
	error_set(err, ERR_FAILED, "service \"%s\" not found in project \"%s\"%s%s%s", name,
		  p->name, near != NULL ? "; did you mean \"" : "", near != NULL ? near : "",
		  near != NULL ? "\"?" : "");
	free(all);
	return -ERR_FAILED;
}

/* What an option says of a service that is not started is a mistake. */
static int check_chosen(const struct up *u, const char *option, const char *const *names,
			struct holos_error **err)
{
	for (const char *const *n = names; n != NULL && *n != NULL; n++) {
		const struct service *s = project_service(u->project, *n);

		if (strcmp(*n, "*") == 0)
			continue;
		if (s == NULL) {
			no_service(u->project, *n, err);
			return error_wrap(err, "%s", option);
		}
		if (!u->chosen[s - u->project->services])
			return error_set(err, ERR_USAGE,
					 "%s %s: it is none of the services that were named, "
					 "and would not be started",
					 option, *n);
	}
	return 0;
}

static int select_services(struct up *u, struct holos_error **err)
{
	const char *const *names = u->o->services;

	if (names == NULL || names[0] == NULL) {
		for (size_t i = 0; i < u->project->n_services; i++)
			u->chosen[i] = true;
		return 0;
	}
	for (; *names != NULL; names++) {
		const struct service *s = project_service(u->project, *names);

		if (s == NULL)
			return no_service(u->project, *names, err);
		select_service(u, (size_t)(s - u->project->services));
	}
	return 0;
}

/* Was this service asked for, by name or because something that was needs it? */
static void mark_required(const struct up *u, bool *required, size_t service)
{
	const struct service *s = &u->project->services[service];

	if (required[service] || !u->chosen[service])
		return;
	required[service] = true;
	for (size_t i = 0; i < s->n_depends_on; i++) {
		if (s->depends_on[i].required)
			mark_required(u, required, s->depends_on[i].service);
	}
}

static void mark_optional(struct up *u)
{
	_cleanup_(freep) bool *required = xcalloc(u->project->n_services, sizeof(bool));
	const char *const *names = u->o->services;

	if (names == NULL || names[0] == NULL)
		return;
	for (; *names != NULL; names++)
		mark_required(u, required,
			      (size_t)(project_service(u->project, *names) - u->project->services));
	for (size_t i = 0; i < u->n; i++)
		u->vms[i].optional = !required[u->vms[i].service];
}

/* ---- one VM ------------------------------------------------------------------------ */

/* --recreate, for this service or all? */
static bool asked_for(const struct up *u, const char *service)
{
	for (const char *const *n = u->o->recreate; n != NULL && *n != NULL; n++) {
		if (strcmp(*n, "*") == 0 || strcmp(*n, service) == 0)
			return true;
	}
	return false;
}

/* Does somebody wait for this service to do its work and end? */
static bool is_one_shot(const struct up *u, size_t service)
{
	for (size_t i = 0; i < u->project->n_services; i++) {
		const struct service *s = &u->project->services[i];

		for (size_t d = 0; d < s->n_depends_on; d++) {
			if (s->depends_on[d].service == service &&
			    s->depends_on[d].condition == DEP_COMPLETED)
				return true;
		}
	}
	return false;
}

/* A directory that never got as far as a start, left by one who was killed:
 * nothing of anybody's can be on its disk.  In doubt it is not. */
static bool unfinished(const struct vm_status *s)
{
	_cleanup_(freep) char *record = fs_join(s->dir, INSTANCE_RECORD_FILE);
	_cleanup_(freep) char *root = fs_join(s->dir, "root.qcow2");

	if (s->rec != NULL)
		return !s->rec->launched;
	return fs_absent(AT_FDCWD, record) && fs_absent(AT_FDCWD, root);
}

/* A local image, written again since the root disk was made on it. */
static bool base_changed(const struct instance_record *rec)
{
	_cleanup_(freep) char *now = NULL;

	return rec->base != NULL && rec->base_ident != NULL &&
	       images_ident(rec->base, &now, NULL) == 0 && strcmp(now, rec->base_ident) != 0;
}

/* -y: whatever would be asked for. */
static bool may_destroy(const struct up *u)
{
	return u->o->assume_yes && !u->o->no_recreate;
}

static enum plan_change compare(struct up *u, struct up_vm *v)
{
	const struct instance_record *rec = v->status->rec;
	_cleanup_(json_putp) struct json_object *spec = plan_spec(u->project, v->plan->service);
	enum plan_change change = plan_spec_compare(rec->spec, spec, &v->diffs);

	if (rec->spec == NULL)
		plan_diffs_add(&v->diffs, PLAN_RECREATE, "record", "(unknown)", "(as in the file)");
	if (base_changed(rec)) {
		_cleanup_(freep) char *is = xasprintf("the file %s is another one now", rec->base);

		plan_diffs_add(&v->diffs, PLAN_RECREATE, "image", "(as it was)", is);
		change = PLAN_RECREATE;
	}
	return change;
}

/* Can it not even start again before its root disk is made anew?  What it boots
 * from is gone, or is not what the file names. */
static bool cannot_start(const struct up_vm *v)
{
	return plan_diffs_has(&v->diffs, "vm.root_disk") || base_changed(v->status->rec);
}

static bool completed(const struct up *u, const struct up_vm *v)
{
	const struct vm_exit *exit = &v->status->vm->exit;

	return !u->o->start_only && exit->cause == VM_EXIT_GUEST && exit->status == 0 &&
	       is_one_shot(u, v->service);
}

static int decide(struct up *u, struct up_vm *v, struct holos_error **err)
{
	struct vm_status *s = project_status_vm(u->now != NULL ? u->now : u->was, v->plan->name);
	const char *service = v->plan->service->name;
	bool up, stuck;

	plan_diffs_finish(&v->diffs);
	v->status = s;
	v->going_down = v->blocked = false;
	if (s == NULL) {
		v->action = UP_CREATE;
		return 0;
	}
	if (s->unreadable)
		return error_set(err, ERR_FAILED, "%s: %s", s->name, s->problem);
	up = s->alive.qemu || s->alive.monitor;
	if (!up && unfinished(s)) {
		v->action = UP_RECREATE;
		return 0;
	}
	if (s->rec == NULL) {
		error_set(err, ERR_FAILED, "%s: %s", s->name, s->problem);
		error_hint(err, "its disk is untouched in %s; holos down removes it", s->dir);
		return -ERR_FAILED;
	}
	if (compare(u, v) == PLAN_RECREATE) {
		v->allowed = v->allowed || asked_for(u, service) || may_destroy(u) ||
			     (u->consents != NULL && strv_has(u->consents, s->name));
		v->blocked = !v->allowed;
		if (v->allowed) {
			v->action = UP_RECREATE;
			return 0;
		}
	}
	if (!up && completed(u, v)) {
		if (asked_for(u, service)) {
			v->action = UP_RECREATE; /* "run it again, afresh" */
			return 0;
		}
		v->action = UP_KEEP; /* its work is done */
		v->phase = UP_COMPLETED;
		return 0;
	}
	stuck = v->blocked && !u->o->start_only && cannot_start(v);
	/* Being stopped, or dead without its monitor having noticed yet. */
	v->going_down = up && (s->vm->state == VM_STOPPING ||
			       (s->vm->state == VM_RUNNING && !s->alive.qemu));
	if (!up || v->going_down)
		v->action = stuck ? UP_STUCK : up ? UP_RESTART : UP_START;
	else if (plan_diffs_of(&v->diffs, PLAN_RESTART) != NULL && !stuck && !u->o->start_only)
		v->action = UP_RESTART;
	else if (plan_diffs_of(&v->diffs, PLAN_LIVE) != NULL && !u->o->start_only)
		v->action = UP_LIVE;
	else
		v->action = UP_KEEP;
	return 0;
}

/* ---- all of them ---------------------------------------------------------------------- */

/* Is a VM of this service stopped and started again by us? */
static bool is_restarted(const struct up *u, size_t service)
{
	for (size_t i = 0; i < u->n; i++) {
		const struct up_vm *v = &u->vms[i];

		if (v->service == service && !v->going_down &&
		    (v->action == UP_RESTART || v->action == UP_RECREATE) && v->status != NULL &&
		    v->status->vm->state != VM_CREATED)
			return true;
	}
	return false;
}

/* depends_on.restart: the plan lists dependencies first, so that one pass does. */
static void follow_restarts(struct up *u)
{
	for (size_t i = 0; i < u->n && !u->o->start_only; i++) {
		struct up_vm *v = &u->vms[i];
		const struct service *s = v->plan->service;

		for (size_t d = 0; d < s->n_depends_on && v->because == NULL; d++) {
			if (s->depends_on[d].restart && is_restarted(u, s->depends_on[d].service))
				v->because = s->depends_on[d].name;
		}
		if (v->because == NULL || !up_keeps(v) || v->phase != UP_WAITING)
			continue;
		if (v->status->alive.qemu && !(v->blocked && cannot_start(v)))
			v->action = UP_RESTART;
	}
}

/* Those that nobody named and that would have been restarted as well. */
static void warn_followers(struct up *u)
{
	for (size_t i = 0; i < u->project->n_services && !u->o->start_only; i++) {
		const struct service *s = &u->project->services[i];

		for (size_t d = 0; d < s->n_depends_on && !u->chosen[i]; d++) {
			const struct dependency *dep = &s->depends_on[d];

			if (dep->restart && is_restarted(u, dep->service) &&
			    project_status_running(u->was, s->name) != 0)
				engine_warn(u->e,
					    "%s depends on %s with restart: true, and is not "
					    "restarted, as it was not named",
					    s->name, dep->name);
		}
	}
}

static bool waits_for_health(const struct dependency *dep, const struct service *of)
{
	return dep->condition == DEP_HEALTHY || (dep->condition == DEP_AUTO && of->healthcheck.set);
}

static void mark_wants(struct up *u)
{
	for (size_t i = 0; i < u->n; i++) {
		const struct service *s = u->vms[i].plan->service;

		if (u->vms[i].action == UP_NOTHING)
			continue;
		u->vms[i].wants_ready = u->vms[i].wants_ready || u->o->wait;
		for (size_t d = 0; d < s->n_depends_on; d++) {
			const struct dependency *dep = &s->depends_on[d];

			for (size_t k = 0; k < u->n; k++) {
				struct up_vm *v = &u->vms[k];

				if (v->service != dep->service)
					continue;
				if (dep->condition == DEP_COMPLETED)
					v->wants_completed = true;
				else if (waits_for_health(dep, v->plan->service))
					v->wants_ready = true;
			}
		}
	}
}

/* Ports that change hands: who has them now is stopped before anybody starts. */
static void mark_yields(struct up *u)
{
	for (size_t i = 0; i < u->n; i++) {
		struct up_vm *holder = &u->vms[i];

		for (size_t k = 0; k < u->n && up_stops(holder) && !holder->yields; k++)
			holder->yields = k != i && up_starts(&u->vms[k]) &&
					 up_holds_port_of(holder, &u->vms[k]);
	}
}

static bool is_inactive(const struct project *p, const char *service)
{
	for (const char *const *s = p->inactive; *s != NULL; s++) {
		if (strcmp(*s, service) == 0)
			return true;
	}
	return false;
}

/* What is there and the file does not want.  A service whose profile is not
 * active is in the file: it is left alone without a word, as compose does. */
static void find_surplus(struct up *u)
{
	size_t cap = 0;

	for (size_t i = 0; i < u->was->n_vms; i++) {
		struct vm_status *s = &u->was->vms[i];
		const struct service *service = project_service(u->project, s->service);
		struct up_surplus *x;

		if (service != NULL &&
		    (s->index < service->replicas || !u->chosen[service - u->project->services]))
			continue;
		if (service == NULL && is_inactive(u->project, s->service))
			continue;
		x = ARRAY_PUSH(u->surplus, u->n_surplus, cap);
		*x = (struct up_surplus){ .status = s, .orphan = service == NULL };
		x->allowed = !u->o->start_only &&
			     (u->o->remove_orphans || (may_destroy(u) && !x->orphan) ||
			      (u->consents != NULL && strv_has(u->consents, s->name)));
	}
}

int up_decide_all(struct up *u, struct holos_error **err)
{
	int r;

	u->chosen = xcalloc(u->project->n_services, sizeof(bool));
	r = select_services(u, err);
	if (r == 0)
		r = check_chosen(u, "--scale", u->o->scaled, err);
	if (r == 0)
		r = check_chosen(u, "--recreate", u->o->recreate, err);
	if (r < 0)
		return r;
	u->n = u->plan->n_vms;
	u->vms = xcalloc(u->n, sizeof(*u->vms));
	for (size_t i = 0; i < u->n; i++) {
		struct up_vm *v = &u->vms[i];

		v->up = u;
		v->plan = &u->plan->vms[i];
		v->service = (size_t)(v->plan->service - u->project->services);
		if (!u->chosen[v->service])
			continue;
		r = decide(u, v, err);
		if (r < 0)
			return r;
	}
	follow_restarts(u);
	mark_optional(u);
	mark_wants(u);
	mark_yields(u);
	find_surplus(u);
	warn_followers(u);
	return 0;
}

int up_decide_again(struct up *u, struct holos_error **err)
{
	int r = 0;

	for (size_t i = 0; i < u->n && r == 0; i++) {
		if (u->vms[i].action != UP_NOTHING && u->vms[i].phase == UP_WAITING)
			r = decide(u, &u->vms[i], err);
	}
	if (r == 0)
		follow_restarts(u);
	if (r == 0)
		mark_yields(u);
	return r;
}
