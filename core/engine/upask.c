/* SPDX-License-Identifier: Apache-2.0
 *
 * upask.c - what an `up` would destroy, who may allow it, and what is said when
 * nobody did.
 */
#include <base/alloc.h>
#include <engine/up.h>

#include <string.h>

/* The first reason for a new root disk; the caller frees. */
static char *reason(const struct up_vm *v)
{
	const struct plan_diff *first = plan_diffs_of(&v->diffs, PLAN_RECREATE);
	_cleanup_(freep) char *text = first != NULL ? plan_diff_text(first) : xstrdup("changed");
	size_t n = 0;

	for (size_t i = 0; i < v->diffs.n; i++)
		n += v->diffs.v[i].cost == PLAN_RECREATE;
	return xasprintf("%s%s", text, n > 1 ? ", ..." : "");
}

void up_losses(const struct up *u, struct strv *ret_lines, struct strv *ret_names)
{
	for (size_t i = 0; i < u->n; i++) {
		const struct up_vm *v = &u->vms[i];
		_cleanup_(freep) char *why = v->blocked ? reason(v) : NULL;

		if (!v->blocked)
			continue;
		strv_addf(ret_lines, "%s gets a new root disk: %s", v->plan->name, why);
		strv_add(ret_names, v->plan->name);
	}
	for (size_t i = 0; i < u->n_surplus; i++) {
		const struct up_surplus *x = &u->surplus[i];
		const struct service *s = project_service(u->project, x->status->service);

		if (x->orphan || x->allowed)
			continue;
		strv_addf(ret_lines, "%s is removed with its root disk: replicas: %u",
			  x->status->name, s->replicas);
		strv_add(ret_names, x->status->name);
	}
}

int up_allow_all(struct up *u, struct holos_error **err)
{
	for (size_t i = 0; i < u->n; i++)
		u->vms[i].allowed = u->vms[i].allowed || u->vms[i].blocked;
	for (size_t i = 0; i < u->n_surplus; i++)
		u->surplus[i].allowed = u->surplus[i].allowed || !u->surplus[i].orphan;
	return up_decide_again(u, err);
}

/* Services that wait for a new root disk, each with its reason once. */
static void list_blocked(const struct up *u, struct strv *ret)
{
	for (size_t i = 0; i < u->n; i++) {
		const struct up_vm *v = &u->vms[i];
		_cleanup_(freep) char *why = v->blocked ? reason(v) : NULL;
		_cleanup_(freep) char *line =
			v->blocked ? xasprintf("%s (%s)", v->plan->service->name, why) : NULL;

		if (line != NULL && !strv_has(ret, line))
			strv_add(ret, line);
	}
}

static void list_surplus(const struct up *u, bool orphans, struct strv *ret)
{
	for (size_t i = 0; i < u->n_surplus; i++) {
		if (u->surplus[i].orphan == orphans && !u->surplus[i].allowed)
			strv_add(ret, u->surplus[i].status->name);
	}
}

static void warn_orphans(struct up *u)
{
	_cleanup_(strv_finish) struct strv names = STRV_INIT;
	_cleanup_(freep) char *list = NULL;

	list_surplus(u, true, &names);
	if (names.n == 0)
		return;
	list = strv_join(names.v, ", ");
	engine_warn(u->e, "%s: no longer in %s; left alone (holos up --remove-orphans removes %s)",
		    list, u->project->file != NULL ? u->project->file : "the file",
		    names.n == 1 ? "it" : "them");
}

int up_report_blocked(struct up *u, struct holos_error **err)
{
	_cleanup_(strv_finish) struct strv blocked = STRV_INIT;
	_cleanup_(strv_finish) struct strv surplus = STRV_INIT;
	_cleanup_(freep) char *first = NULL;
	_cleanup_(freep) char *second = NULL;
	_cleanup_(freep) char *text = NULL;

	warn_orphans(u);
	list_blocked(u, &blocked);
	list_surplus(u, false, &surplus);
	if (blocked.n == 0 && surplus.n == 0)
		return 0;
	if (blocked.n != 0)
		first = strv_join(blocked.v, ", ");
	if (surplus.n != 0)
		second = strv_join(surplus.v, ", ");
	text = xasprintf("%s%s%s%s%s",
			 first != NULL ? "changed, and only a new root disk takes it up: " : "",
			 first != NULL ? first : "", first != NULL && second != NULL ? "; " : "",
			 second != NULL ? "more replicas than the file asks for: " : "",
			 second != NULL ? second : "");
	if (u->o->no_recreate || u->o->start_only) {
		engine_warn(u->e, "%s", text);
		return 0;
	}
	error_set(err, ERR_FAILED, "%s", text);
	if (second == NULL)
		error_hint(err,
			   "holos up --recreate [SERVICE] destroys the old root disk; volumes are "
			   "kept");
	else
		error_hint(err,
			   "holos up --yes destroys %s root disks%s; volumes are kept. "
			   "holos up --dry-run shows everything",
			   first != NULL ? "these" : "their",
			   first != NULL ? "" : " and removes them");
	return -ERR_FAILED;
}
