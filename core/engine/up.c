/* SPDX-License-Identifier: Apache-2.0
 *
 * up.c - engine_up(): whose project it is and what is to be done.  Whether it
 * can be done is upcheck.c's, doing it uprun.c's.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/fs.h>
#include <base/jsonx.h>
#include <base/names.h>
#include <engine/keys.h>
#include <engine/up.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define DAMAGED_MAX 1000 /* records set aside; the last one is written over */

/* ---- whose project it is ------------------------------------------------------ */

static char *random_id(void)
{
	uint8_t raw[16];
	char *hex = xmalloc(33);

	while (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
		;
	for (size_t i = 0; i < sizeof(raw); i++)
		snprintf(hex + 2 * i, 3, "%02x", raw[i]);
	return hex;
}

/* A record that cannot be read is kept under another name for whoever wants to
 * look at it; the instances say what it said. */
static int set_aside(struct up *u, struct holos_error **err)
{
	_cleanup_(freep) char *from = xasprintf("projects/%s.json", u->project->name);
	char *to = NULL;
	unsigned i = 0;

	do { /* a name that nothing has: an older one is kept as well */
		free(to);
		to = xasprintf("projects/%s.json.damaged-%u", u->project->name, i++);
	} while (!fs_absent(u->e->state->fd, to) && i < DAMAGED_MAX);
	if (renameat(u->e->state->fd, from, u->e->state->fd, to) < 0) {
		free(to);
		return error_sys(err, ERR_FAILED, errno, "cannot set aside %s", from);
	}
	engine_warn(u->e,
		    "the record of project \"%s\" is damaged (%s); kept as %s/%s and made anew",
		    u->project->name, u->was->problem, u->e->state->dir, to);
	free(to);
	return 0;
}

static int check_identity(struct up *u, struct holos_error **err)
{
	const char *ours = u->project->file != NULL ? u->project->file : u->project->dir;
	const char *theirs;

	int e = project_status_check(u->was, err);

	if (e < 0)
		return e;
	theirs = project_status_owner(u->was);
	if (theirs == NULL || strcmp(ours, theirs) == 0 || u->o->adopt)
		return 0;
	error_set(err, ERR_FAILED, "project \"%s\" belongs to %s, and this is %s", u->project->name,
		  theirs, ours);
	error_hint(err, "choose another name with -p NAME, or move the project here with --adopt");
	return -ERR_FAILED;
}

static void fill_record(struct up *u)
{
	const struct project *p = u->project;
	struct project_record *r = project_record_create();
	const char *id = u->was->rec != NULL ? u->was->rec->id : NULL;
	char hash[65];

	for (size_t i = 0; id == NULL && i < u->was->n_vms; i++) {
		if (u->was->vms[i].rec != NULL)
			id = u->was->vms[i].rec->project_id;
	}
	r->name = xstrdup(p->name);
	r->id = id != NULL ? xstrdup(id) : random_id();
	r->file = xstrdup_null(p->file);
	r->dir = xstrdup(p->dir);
	plan_project_hash(p, hash);
	r->spec_hash = xstrdup(hash);
	r->services = xcalloc(p->n_services, sizeof(*r->services));
	for (size_t i = 0; i < p->n_services; i++) {
		const struct service *s = &p->services[p->order[i]];
		struct service_record *to = &r->services[r->n_services++];

		to->name = xstrdup(s->name);
		to->replicas = s->replicas;
		for (size_t k = 0; k < s->n_depends_on; k++) {
			struct dependency_record *d =
				service_record_depend(to, s->depends_on[k].name);

			d->condition = s->depends_on[k].condition;
			d->required = s->depends_on[k].required;
			d->restart = s->depends_on[k].restart;
		}
	}
	u->rec = r;
}

/* What the plan adds to the record: the segment and everybody's address. */
static void fill_network(struct up *u)
{
	u->rec->group = xstrdup(u->plan->segments[0].group);
	u->rec->group_port = u->plan->segments[0].port;
	u->rec->subnet = xstrdup(u->project->networks[0].subnet);
	u->rec->hosts = json_object_new_object();
	for (size_t i = 0; i < u->plan->n_vms; i++) {
		const struct plan_vm *vm = &u->plan->vms[i];
		_cleanup_(freep) char *address = NULL;

		if (vm->n_nics < 2)
			continue;
		address = xstrndup(vm->nics[1].address, strcspn(vm->nics[1].address, "/"));
		if (vm->index == 0)
			jsonx_set_str(u->rec->hosts, vm->service->name, address);
		jsonx_set_str(u->rec->hosts, vm->name, address);
	}
}

int up_write_record(struct up *u, const struct project_status *now, struct holos_error **err)
{
	_cleanup_(json_putp) struct json_object *snapshot = project_status_json(now);

	for (size_t i = 0; i < u->n; i++) {
		struct service_record *s =
			project_record_service(u->rec, u->vms[i].plan->service->name);

		const struct instance_record *rec = u->vms[i].rec;

		if (rec == NULL && u->vms[i].status != NULL)
			rec = u->vms[i].status->rec;
		if (s != NULL && s->user == NULL && rec != NULL)
			s->user = xstrdup_null(rec->user);
	}
	return project_record_write(u->e->state, u->rec, jsonx_arr(snapshot, "services"), err);
}

/* ---- what is to be done -------------------------------------------------------- */

static int make_plan(struct up *u, struct holos_error **err)
{
	struct plan_past *past = NULL;
	size_t n = 0, cap = 0;
	int r;

	for (size_t i = 0; i < u->was->n_vms; i++) {
		const struct instance_record *rec = u->was->vms[i].rec;

		for (size_t k = 0; rec != NULL && k < rec->n_nics; k++)
			*ARRAY_PUSH(past, n, cap) =
				(struct plan_past){ u->was->vms[i].name, rec->nics[k].network,
						    rec->nics[k].mac, rec->nics[k].address };
	}
	r = plan_create(u->project, u->rec->id, past, n, &u->plan, err);
	free(past);
	return r;
}

static void select_service(struct up *u, bool *chosen, size_t service)
{
	const struct service *s = &u->project->services[service];

	if (chosen[service])
		return;
	chosen[service] = true;
	for (size_t i = 0; i < s->n_depends_on; i++)
		select_service(u, chosen, s->depends_on[i].service);
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

static int select_services(struct up *u, bool *chosen, struct holos_error **err)
{
	const char *const *names = u->o->services;

	if (names == NULL || names[0] == NULL) {
		for (size_t i = 0; i < u->project->n_services; i++)
			chosen[i] = true;
		return 0;
	}
	for (; *names != NULL; names++) {
		const struct service *s = project_service(u->project, *names);

		if (s == NULL)
			return no_service(u->project, *names, err);
		select_service(u, chosen, (size_t)(s - u->project->services));
	}
	return 0;
}

static bool may_recreate(const struct up *u, const char *service)
{
	for (const char *const *n = u->o->recreate; n != NULL && *n != NULL; n++) {
		if (strcmp(*n, "*") == 0 || strcmp(*n, service) == 0)
			return true;
	}
	return false;
}

static void block(struct up *u, const struct up_vm *v, const struct strv *changes)
{
	const char *first = changes->n != 0 ? changes->v[0] : "changed";
	_cleanup_(freep) char *line = xasprintf("%s (%s%s)", v->plan->service->name, first,
						changes->n > 1 ? ", ..." : "");

	if (!strv_has(&u->blocked, line))
		strv_add(&u->blocked, line);
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

int up_decide(struct up *u, struct up_vm *v, struct holos_error **err)
{
	struct vm_status *s = project_status_vm(u->now != NULL ? u->now : u->was, v->plan->name);
	_cleanup_(json_putp) struct json_object *spec = NULL;
	_cleanup_(strv_finish) struct strv changes = STRV_INIT;
	enum plan_change change;
	bool up;

	v->status = s;
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
	spec = plan_spec(u->project, v->plan->service);
	change = plan_spec_compare(s->rec->spec, spec, &changes);
	if (base_changed(s->rec)) {
		strv_addf(&changes, "the image file %s is another one now", s->rec->base);
		change = PLAN_RECREATE;
	}
	if (change == PLAN_RECREATE && may_recreate(u, v->plan->service->name)) {
		v->action = UP_RECREATE;
		return 0;
	}
	if (change == PLAN_RECREATE)
		block(u, v, &changes);
	if (!up && !u->o->start_only && s->vm->exit.cause == VM_EXIT_GUEST &&
	    s->vm->exit.status == 0 && is_one_shot(u, v->service)) {
		if (may_recreate(u, v->plan->service->name)) {
			v->action = UP_RECREATE; /* "run it again, afresh" */
			return 0;
		}
		v->action = UP_KEEP; /* its work is done */
		v->phase = UP_COMPLETED;
		return 0;
	}
	/* Being stopped, or dead without its monitor having noticed yet. */
	v->going_down = up && (s->vm->state == VM_STOPPING ||
			       (s->vm->state == VM_RUNNING && !s->alive.qemu));
	if (!up)
		v->action = UP_START;
	else if (v->going_down)
		v->action = UP_RESTART;
	else if (change == PLAN_RESTART && !u->o->start_only)
		v->action = UP_RESTART;
	else
		v->action = UP_KEEP;
	return 0;
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
				else if (dep->condition == DEP_HEALTHY ||
					 (dep->condition == DEP_AUTO &&
					  v->plan->service->healthcheck.set))
					v->wants_ready = true;
			}
		}
	}
}

static int decide_all(struct up *u, struct holos_error **err)
{
	_cleanup_(freep) bool *chosen = xcalloc(u->project->n_services, sizeof(bool));
	int r = select_services(u, chosen, err);

	if (r < 0)
		return r;
	u->n = u->plan->n_vms;
	u->vms = xcalloc(u->n, sizeof(*u->vms));
	for (size_t i = 0; i < u->n; i++) {
		struct up_vm *v = &u->vms[i];

		v->up = u;
		v->plan = &u->plan->vms[i];
		v->service = (size_t)(v->plan->service - u->project->services);
		if (!chosen[v->service])
			continue;
		r = up_decide(u, v, err);
		if (r < 0)
			return r;
	}
	mark_wants(u);
	for (size_t i = 0; i < u->was->n_vms; i++) {
		const struct vm_status *s = &u->was->vms[i];
		const struct service *service = project_service(u->project, s->service);

		if (service == NULL || s->index >= service->replicas)
			engine_warn(u->e,
				    "%s is no longer in %s; it is left alone (holos stop -p %s %s)",
				    s->name,
				    u->project->file != NULL ? u->project->file : "the file",
				    u->project->name, s->name);
	}
	return 0;
}

/* ---- the whole ---------------------------------------------------------------------- */

static int report_blocked(struct up *u, struct holos_error **err)
{
	_cleanup_(freep) char *list = NULL;

	if (u->blocked.n == 0)
		return 0;
	list = strv_join(u->blocked.v, ", ");
	if (u->o->no_recreate || u->o->start_only) {
		engine_warn(u->e, "changed, and only a new root disk takes it up: %s", list);
		return 0;
	}
	error_set(err, ERR_FAILED, "changed, and only a new root disk takes it up: %s", list);
	error_hint(err,
		   "holos up --recreate [SERVICE] destroys the old root disk; volumes are kept");
	return -ERR_FAILED;
}

static int prepare_all(struct up *u, struct holos_error **err)
{
	int r = engine_lock(u->e, u->project->name, &u->lock, err);

	if (r == 0)
		r = state_sweep_discarded(u->e->state, u->project->name, err);
	if (r == 0)
		r = project_status_read(u->e->state, u->project->name, &u->was, err);
	if (r == 0)
		r = check_identity(u, err);
	if (r < 0)
		return r;
	fill_record(u);
	r = make_plan(u, err);
	u->prepare.e = u->e;
	u->prepare.project = u->project;
	u->prepare.plan = u->plan;
	u->prepare.project_id = u->rec->id;
	u->prepare.ports = ports_create();
	ports_reserve(u->prepare.ports, u->project);
	if (r == 0)
		r = decide_all(u, err);
	if (r == 0)
		r = up_check_host(u, err);
	if (r == 0)
		r = up_obtain_images(u, err);
	if (r == 0)
		r = up_check_space(u, err);
	if (r == 0)
		r = engine_check_interrupt(u->e, err);
	if (r == 0 && u->was->rec == NULL && u->was->problem != NULL)
		r = set_aside(u, err);
	if (r == 0)
		r = keys_project(u->e->state, u->project->name, &u->prepare.project_key, err);
	if (r < 0)
		return r;
	fill_network(u);
	/* Intent before effect: `down` knows of it.  The lock is held since `was` was read. */
	return up_write_record(u, u->was, err);
}

static void finish(struct up *u)
{
	for (size_t i = 0; i < u->n; i++)
		instance_record_destroy(u->vms[i].rec);
	for (size_t i = 0; u->bases != NULL && i < u->project->n_services; i++)
		base_image_finish(&u->bases[i]);
	free(u->bases);
	free(u->vms);
	strv_finish(&u->blocked);
	ports_destroy(u->prepare.ports);
	disk_set_destroy(u->prepare.disks);
	firmware_finish(&u->prepare.firmware);
	free(u->prepare.qemu);
	free(u->prepare.project_key);
	project_record_destroy(u->rec);
	project_status_destroy(u->was);
	project_status_destroy(u->now);
	plan_destroy(u->plan);
	state_unlock(u->lock);
}

/* The record with how it went: for readers of the file, as the truth is with
 * the instances.  Not when the project was removed, or is being changed, by
 * another command since. */
static void write_snapshot(struct up *u)
{
	_cleanup_(project_status_destroyp) struct project_status *now = NULL;
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	bool changed = false;

	for (size_t i = 0; i < u->n; i++)
		changed = changed || up_starts(&u->vms[i]);
	if (!changed) /* the snapshot made before is as good */
		return;
	u->e->o.lock_wait_ns = 0;
	if (u->lock == NULL && engine_lock(u->e, u->project->name, &u->lock, NULL) < 0)
		return;
	if (project_status_read(u->e->state, u->project->name, &now, &why) == 0 &&
	    (now->rec == NULL || strcmp(now->rec->id, u->rec->id) != 0))
		return;
	if (why != NULL || up_write_record(u, now, &why) < 0)
		engine_warn(u->e, "%s", why->message);
}

int engine_up(struct engine *e, const struct up_options *o, struct holos_error **err)
{
	struct up u = { .e = e, .o = o, .project = o->project, .err = err };
	int r = engine_build(e, o->project, err);

	if (r == 0)
		r = prepare_all(&u, err);
	if (r == 0) {
		up_run(&u);
		write_snapshot(&u);
		r = u.result;
		if (r == 0)
			r = report_blocked(&u, err);
	}
	finish(&u);
	return r;
}
