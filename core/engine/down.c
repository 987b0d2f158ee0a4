/* SPDX-License-Identifier: Apache-2.0
 *
 * down.c - engine_down(): stop VMs and remove them with their root disks.
 *
 * What goes is decided by renames, all at once, before anything is deleted; the
 * project's record goes last, so that a `down` that was cut short can be
 * repeated.
 */
#include <base/alloc.h>
#include <base/fs.h>
#include <engine/stop.h>
#include <engine/volumes.h>

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int remove_chosen(struct engine *e, const struct project_status *p, const bool *chosen,
		  struct holos_error **err)
{
	_cleanup_(strv_finish) struct strv names = STRV_INIT;
	int r;

	for (size_t i = 0; i < p->n_vms; i++) {
		if (chosen[i])
			strv_add(&names, p->vms[i].name);
	}
	r = state_discard_instances(e->state, p->name, &names, err);
	for (size_t i = 0; i < names.n && r == 0; i++)
		engine_phase(e, names.v[i], "removed", 0, NULL);
	return r == 0 ? state_sweep_discarded(e->state, p->name, err) : r;
}

/* What `run` wrote goes with its VM; a compose file of that name is none of it. */
static int remove_made_file(struct engine *e, const struct project_status *p,
			    struct holos_error **err)
{
	const char *file = project_status_file(p);
	_cleanup_(freep) char *made = state_path(e->state, "runs/%s/holos.yaml", p->name);
	_cleanup_(freep) char *rel = xasprintf("runs/%s", p->name);

	/* Killed early, `run` left its file and no project. */
	if (e->state->fd < 0 || (p->exists && (file == NULL || strcmp(made, file) != 0)))
		return 0;
	return fs_remove_tree(e->state->fd, rel, err);
}

static int remove_project(struct engine *e, const struct project_status *p, bool volumes,
			  bool *ret_found, struct holos_error **err)
{
	_cleanup_(freep) char *rel = xasprintf("instances/%s", p->name);
	int r = volumes ? volumes_remove(e->state, p->name, ret_found, err) : 0;

	if (r == 0 && e->state->fd >= 0)
		(void)unlinkat(e->state->fd, rel, AT_REMOVEDIR); /* stays if something is in it */
	if (r == 0)
		r = remove_made_file(e, p, err);
	return r == 0 ? project_record_remove(e->state, p->name, err) : r;
}

static bool is_there(const struct state *s, const char *folder, const char *project)
{
	_cleanup_(freep) char *rel = xasprintf("%s/%s", folder, project);

	return s->fd >= 0 && !fs_absent(s->fd, rel);
}

/* Keys stay, and with them what a command that was killed early has left of their
 * making or of the record's.  One that is at it now holds the lock. */
static int sweep_of_nothing(struct engine *e, const char *project, struct holos_error **err)
{
	_cleanup_(state_unlockp) struct state_lock *lock = NULL;

	e->o.lock_wait_ns = 0;
	if (!is_there(e->state, "ssh", project) || engine_lock(e, project, &lock, NULL) < 0)
		return 0;
	return state_sweep_discarded(e->state, project, err);
}

/* No project is there but, maybe, volumes that an earlier `down` left and what
 * a killed command left. */
static int down_of_nothing(struct engine *e, const char *project, bool volumes, bool *ret_found,
			   struct holos_error **err)
{
	_cleanup_(project_status_destroyp) struct project_status *p = NULL;
	_cleanup_(state_unlockp) struct state_lock *lock = NULL;
	bool left = is_there(e->state, "instances", project) || is_there(e->state, "runs", project);
	int r;

	*ret_found = left;
	if (!left && !(volumes && is_there(e->state, "volumes", project)))
		return sweep_of_nothing(e, project, err);
	r = engine_lock(e, project, &lock, err);
	if (r == 0)
		r = project_status_read(e->state, project, &p, err);
	if (r < 0)
		return r;
	if (p->exists)
		return error_set(err, ERR_FAILED,
				 "project \"%s\" was made just now, by another command", project);
	r = state_sweep_discarded(e->state, project, err);
	return r == 0 ? remove_project(e, p, volumes, ret_found, err) : r;
}

int engine_down(struct engine *e, const char *project, const struct stop_options *o, bool volumes,
		bool *ret_found, struct holos_error **err)
{
	_cleanup_(project_status_destroyp) struct project_status *p = NULL;
	_cleanup_(state_unlockp) struct state_lock *lock = NULL;
	_cleanup_(freep) bool *chosen = NULL;
	bool all = o->names == NULL || o->names[0] == NULL;
	int r = volumes ? volumes_check_ours(e->state, project, err) : 0;

	if (r == 0)
		r = stop_hold(e, project, o->names, &p, &lock, err);

	if (r < 0)
		return r;
	*ret_found = p->exists;
	if (lock == NULL)
		return down_of_nothing(e, project, volumes, ret_found, err);
	chosen = xcalloc(p->n_vms, sizeof(bool));
	stop_choose(p, o->names, chosen);
	r = stop_chosen(e, p, chosen, o, true, err);
	if (r == 0)
		r = remove_chosen(e, p, chosen, err);
	return r == 0 && all ? remove_project(e, p, volumes, ret_found, err) : r;
}
