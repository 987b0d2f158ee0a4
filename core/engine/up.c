/* SPDX-License-Identifier: Apache-2.0
 *
 * up.c - engine_up(): whose project it is, its record, and the order of it all.
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

/* The file that `run` wrote for a project which another file has taken over. */
static int forget_run_file(struct up *u, struct holos_error **err)
{
	_cleanup_(freep) char *made =
		state_path(u->e->state, "runs/%s/holos.yaml", u->project->name);
	_cleanup_(freep) char *rel = xasprintf("runs/%s", u->project->name);
	const char *old = u->was->rec != NULL ? u->was->rec->file : NULL;

	if (old == NULL || strcmp(old, made) != 0 ||
	    (u->project->file != NULL && strcmp(u->project->file, made) == 0))
		return 0;
	return fs_remove_tree(u->e->state->fd, rel, err);
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

/* ---- the whole ---------------------------------------------------------------------- */

/* What there is, whose it is, and what is to be done with it. */
static int look(struct up *u, struct holos_error **err)
{
	int r = project_status_read(u->e->state, u->project->name, &u->was, err);

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
	return r == 0 ? up_decide_all(u, err) : r;
}

/* Everything that can be checked before something is touched. */
static int check(struct up *u, struct holos_error **err)
{
	int r = up_check_host(u, err);

	if (r == 0)
		r = up_obtain_images(u, err);
	if (r == 0)
		r = up_check_space(u, err);
	return r == 0 ? engine_check_interrupt(u->e, err) : r;
}

/* Lock and look.  When something would be destroyed that nobody allowed, and
 * there is somebody to ask: let go of the lock, as an answer takes its time, and
 * return 1 with what a yes is about; the answer is worth nothing when even with
 * a yes it could not be done, so that is checked first. */
static int begin(struct up *u, struct strv *ret_losses, struct strv *ret_names,
		 struct holos_error **err)
{
	bool ask = ret_losses != NULL && !u->o->no_recreate && !u->o->start_only;
	int r = engine_lock(u->e, u->project->name, &u->lock, err);

	if (r == 0)
		r = state_sweep_discarded(u->e->state, u->project->name, err);
	if (r == 0)
		r = look(u, err);
	if (r == 0 && ask)
		up_losses(u, ret_losses, ret_names);
	if (r < 0 || !ask || ret_names->n == 0)
		return r;
	r = up_allow_all(u, err);
	if (r == 0)
		r = check(u, err);
	state_unlock(steal_ptr(&u->lock));
	return r == 0 ? 1 : r;
}

/* Nothing was touched until now. */
static int commit(struct up *u, struct holos_error **err)
{
	int r = check(u, err);

	if (r == 0 && u->was->rec == NULL && u->was->problem != NULL)
		r = set_aside(u, err);
	if (r == 0)
		r = keys_project(u->e->state, u->project->name, &u->prepare.project_key, err);
	if (r < 0)
		return r;
	fill_network(u);
	/* Intent before effect: `down` knows of it.  The lock is held since `was` was read. */
	r = up_write_record(u, u->was, err);
	if (r == 0)
		r = forget_run_file(u, err);
	return r;
}

static void finish(struct up *u)
{
	for (size_t i = 0; i < u->n; i++) {
		instance_record_destroy(u->vms[i].rec);
		free(u->vms[i].told);
		plan_diffs_finish(&u->vms[i].diffs);
	}
	for (size_t i = 0; u->bases != NULL && i < u->project->n_services; i++)
		base_image_finish(&u->bases[i]);
	free(u->bases);
	free(u->vms);
	free(u->surplus);
	free(u->chosen);
	ports_destroy(u->prepare.ports);
	disk_set_destroy(u->prepare.disks);
	firmware_finish(&u->prepare.firmware);
	json_object_put(u->prepare.hosts);
	firmware_finish(&u->prepare.secure_firmware);
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
	bool changed = u->n_surplus != 0;

	for (size_t i = 0; i < u->n; i++)
		changed = changed || up_starts(&u->vms[i]) || u->vms[i].action == UP_LIVE;
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

/* The work itself; u was begun and is finished by the caller. */
static int run(struct up *u, struct holos_error **err)
{
	_cleanup_(error_destroyp) struct holos_error *blocked = NULL;
	int r = commit(u, err);

	if (r < 0)
		return r;
	u->result = up_remove_surplus(u, err);
	up_run(u);
	up_tell_hosts(u);
	write_snapshot(u);
	if (up_report_blocked(u, &blocked) < 0 && u->result == 0)
		return error_move(err, &blocked);
	if (blocked != NULL)
		engine_warn(u->e, "%s", blocked->message);
	return u->result;
}

int engine_up(struct engine *e, const struct up_options *o, struct holos_error **err)
{
	_cleanup_(strv_finish) struct strv losses = STRV_INIT;
	_cleanup_(strv_finish) struct strv names = STRV_INIT;
	struct up u = { .e = e, .o = o, .project = o->project };
	int r;

	u.err = err;
	r = engine_build(e, o->project, err);
	if (r == 0)
		r = begin(&u, o->ask != NULL ? &losses : NULL, &names, err);
	if (r == 1) {
		bool yes;

		finish(&u);
		r = o->ask(o->ask_data, (const char *const *)losses.v, &yes, err);
		if (r < 0)
			return r;
		u = (struct up){ .e = e, .o = o, .project = o->project, .err = err };
		u.consents = yes ? &names : NULL;
		r = begin(&u, NULL, NULL, err);
	}
	if (r == 0)
		r = run(&u, err);
	finish(&u);
	return r;
}

int engine_up_plan(struct engine *e, const struct up_options *o, struct json_object **ret,
		   struct holos_error **err)
{
	struct up u = { .e = e, .o = o, .project = o->project, .dry = true };
	int r;

	u.err = err;
	r = engine_build(e, o->project, err);
	if (r == 0)
		r = look(&u, err);
	if (r == 0) {
		r = check(&u, err);
		*ret = up_plan_json(&u);
		if (r == 0)
			r = up_report_blocked(&u, err);
	}
	finish(&u);
	return r;
}
