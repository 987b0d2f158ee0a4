/* SPDX-License-Identifier: Apache-2.0
 *
 * upplan.c - `up --dry-run`: what was decided and why, as JSON.  docs/up.md has
 * the shape: members are added to it and never change.
 */
#include <base/alloc.h>
#include <base/jsonx.h>
#include <base/url.h>
#include <compose/place.h>
#include <engine/up.h>

#include <string.h>

/* Is there a root disk that a guest may have written to? */
static bool has_disk(const struct up_vm *v)
{
	return v->status != NULL && v->status->rec != NULL && v->status->rec->launched;
}

static const char *action_of(const struct up_vm *v)
{
	switch (v->action) {
	case UP_KEEP:
		return "keep";
	case UP_LIVE:
		return "live";
	case UP_START:
		return "start";
	case UP_RESTART:
		return "restart";
	case UP_CREATE:
		return "create";
	case UP_RECREATE: /* what never started has nothing to lose: it is made at last */
		return has_disk(v) ? "recreate" : "create";
	case UP_STUCK:
	case UP_NOTHING:
		break;
	}
	return "none";
}

static void set_place(struct json_object *o, const struct mark *m)
{
	jsonx_set_str(o, "file", m->line != 0 ? m->file : NULL);
	jsonx_set_int(o, "line", m->line);
	jsonx_set_int(o, "column", m->column);
}

static struct json_object *reason(const char *path, const char *was, const char *is,
				  const char *change, const struct mark *m)
{
	struct json_object *o = json_object_new_object();

	jsonx_set_str(o, "path", path);
	jsonx_set_str(o, "was", was);
	jsonx_set_str(o, "is", is);
	jsonx_set_str(o, "change", change);
	set_place(o, m);
	return o;
}

static struct json_object *reasons_of(const struct up_vm *v)
{
	const struct service *s = v->plan->service;
	struct json_object *a = json_object_new_array();

	for (size_t i = 0; i < v->diffs.n; i++) {
		const struct plan_diff *d = &v->diffs.v[i];
		struct mark m = project_place(v->up->project, s->name, d->keys.v);

		json_object_array_add(
			a, reason(d->path, d->was, d->is, plan_change_name(d->cost), &m));
	}
	for (size_t i = 0; v->because != NULL && i < s->n_depends_on; i++) {
		_cleanup_(freep) char *path = xasprintf("depends_on.%s.restart", v->because);

		if (strcmp(s->depends_on[i].name, v->because) == 0)
			json_object_array_add(
				a, reason(path, NULL, "true", "restart", &s->depends_on[i].mark));
	}
	return a;
}

static struct json_object *vm_json(const struct up_vm *v)
{
	struct json_object *o = json_object_new_object();

	jsonx_set_str(o, "name", v->plan->name);
	jsonx_set_str(o, "service", v->plan->service->name);
	jsonx_set_int(o, "index", v->plan->index);
	jsonx_set_str(o, "action", action_of(v));
	jsonx_set_bool(o, "waits_for_recreate", v->blocked);
	jsonx_set_bool(o, "stops", up_stops(v));
	jsonx_set_bool(o, "destroys_root_disk", v->action == UP_RECREATE && has_disk(v));
	jsonx_set(o, "reasons", reasons_of(v));
	return o;
}

static struct json_object *surplus_json(const struct up *u, const struct up_surplus *x)
{
	struct json_object *o = json_object_new_object();
	struct json_object *reasons = json_object_new_array();
	const struct service *s = project_service(u->project, x->status->service);
	_cleanup_(freep) char *was = NULL;
	_cleanup_(freep) char *is = NULL;
	unsigned n = 0;

	if (s != NULL) {
		/* Those that are there: the record has what an earlier `up` wanted. */
		for (size_t i = 0; i < u->was->n_vms; i++)
			n += strcmp(u->was->vms[i].service, s->name) == 0;
		was = xasprintf("%u", n);
		is = xasprintf("%u", s->replicas);
		json_object_array_add(
			reasons, reason("replicas", was, is, "remove",
					s->replicas_mark.line != 0 ? &s->replicas_mark : &s->mark));
	} else {
		json_object_array_add(reasons,
				      reason("services", x->status->service, "(not in the file)",
					     "remove", &u->project->services_mark));
	}
	jsonx_set_str(o, "name", x->status->name);
	jsonx_set_str(o, "service", x->status->service);
	jsonx_set_int(o, "index", x->status->index);
	jsonx_set_str(o, "action", x->allowed ? "remove" : "keep");
	jsonx_set_bool(o, "orphan", x->orphan);
	jsonx_set_bool(o, "waits_for_remove", !x->allowed);
	jsonx_set_bool(o, "stops", x->allowed && x->status->alive.qemu);
	jsonx_set_bool(o, "destroys_root_disk", x->allowed);
	jsonx_set(o, "reasons", reasons);
	return o;
}

/* Images that creating needs, and whether they would have to be made first. */
static struct json_object *images_json(const struct up *u)
{
	struct json_object *a = json_object_new_array();

	for (size_t i = 0; u->bases != NULL && i < u->n; i++) {
		const struct up_vm *v = &u->vms[i];
		const struct service *s = v->plan->service;
		_cleanup_(freep) char *shown = NULL;
		struct json_object *o;

		if (!up_creates(v) || s->image == NULL || v->plan->index != 0)
			continue;
		o = json_object_new_object();
		shown = url_masked(s->image);
		jsonx_set_str(o, "service", s->name);
		jsonx_set_str(o, "image", shown);
		jsonx_set_bool(o, "present", u->bases[v->service].path != NULL);
		json_object_array_add(a, o);
	}
	return a;
}

struct json_object *up_plan_json(const struct up *u)
{
	struct json_object *o = json_object_new_object();
	struct json_object *vms = json_object_new_array();

	for (size_t i = 0; i < u->n; i++) {
		if (u->vms[i].action != UP_NOTHING)
			json_object_array_add(vms, vm_json(&u->vms[i]));
	}
	for (size_t i = 0; i < u->n_surplus; i++)
		json_object_array_add(vms, surplus_json(u, &u->surplus[i]));
	jsonx_set_str(o, "project", u->project->name);
	jsonx_set(o, "instances", vms);
	jsonx_set(o, "images", images_json(u));
	return o;
}
