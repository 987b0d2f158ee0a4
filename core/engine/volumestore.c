/* SPDX-License-Identifier: Apache-2.0
 *
 * volumestore.c - who uses a volume, and engine_remove_volumes().
 */
#include <base/alloc.h>
#include <base/jsonx.h>
#include <base/names.h>
#include <engine/prepare.h>
#include <engine/stop.h>
#include <engine/volumes.h>

#include <fcntl.h>
#include <string.h>

/* "data" is a volume of this name, or all replicas' of a volume per replica. */
static bool means(const char *wanted, const char *disk)
{
	size_t n = strlen(wanted);

	return strcmp(wanted, disk) == 0 || (strncmp(wanted, disk, n) == 0 && disk[n] == '.');
}

/* The volumes of ours that the instance mounts, as of its last start. */
static void used_volumes(const struct instance_record *rec, struct strv *ret)
{
	struct json_object *restart = jsonx_obj(rec->spec, "restart");
	struct json_object *mounts = jsonx_arr(restart, "volumes");
	struct json_object *volumes = jsonx_obj(restart, "volumes of the project");

	for (size_t i = 0; i < jsonx_len(mounts); i++) {
		struct json_object *m = json_object_array_get_idx(mounts, i);
		const char *name = jsonx_str(m, "source", "");
		struct json_object *volume = jsonx_obj(volumes, name);

		if (strcmp(jsonx_str(m, "type", ""), "volume") != 0 ||
		    jsonx_str(volume, "source", NULL) != NULL)
			continue;
		if (jsonx_bool(volume, "per_replica", false))
			strv_addf(ret, "%s.%u", name, rec->index);
		else
			strv_add(ret, name);
	}
}

static bool instance_uses(const struct instance_record *rec, const char *disk)
{
	_cleanup_(strv_finish) struct strv used = STRV_INIT;

	used_volumes(rec, &used);
	return strv_has(&used, disk);
}

int volumes_check_again(const struct state *s, const struct instance_record *rec,
			struct holos_error **err)
{
	_cleanup_(strv_finish) struct strv used = STRV_INIT;

	used_volumes(rec, &used);
	for (size_t i = 0; i < used.n; i++) {
		_cleanup_(freep) char *path =
			state_path(s, "volumes/%s/%s.qcow2", rec->project, used.v[i]);

		if (prepare_check_plain(AT_FDCWD, path, path, err) < 0)
			return error_wrap(err, "volume \"%s\"", used.v[i]);
	}
	return 0;
}

const struct vm_status *project_status_volume_user(const struct project_status *p, const char *disk)
{
	for (size_t i = 0; i < p->n_vms; i++) {
		const struct vm_status *v = &p->vms[i];

		if (v->rec == NULL || instance_uses(v->rec, disk))
			return v;
	}
	return NULL;
}

static int check_unused(const struct project_status *p, const char *disk, struct holos_error **err)
{
	const struct vm_status *v = project_status_volume_user(p, disk);

	if (v == NULL)
		return 0;
	if (v->rec == NULL)
		error_set(err, ERR_FAILED,
			  "volume \"%s\": whether %s uses it cannot be told, as its record is "
			  "damaged "
			  "(%s)",
			  disk, v->name, v->problem);
	else
		error_set(err, ERR_FAILED, "volume \"%s\" is in use by %s, which is %s", disk,
			  v->name, vm_state_name(v->vm->state));
	error_hint(err, "holos down -p %s %s removes that VM, and its root disk; the volume stays",
		   p->name, v->service);
	return -ERR_FAILED;
}

static int no_such_volume(const char *project, const char *name, const struct volume_info *list,
			  size_t n, struct holos_error **err)
{
	_cleanup_(freep) const char **names = xcalloc(n, sizeof(*names));
	const char *near;

	for (size_t i = 0; i < n; i++)
		names[i] = list[i].name;
	near = names_nearest(name, names, n);
	error_set(err, ERR_FAILED, "volume \"%s\" not found in project \"%s\"%s%s%s", name, project,
		  near != NULL ? "; did you mean \"" : "", near != NULL ? near : "",
		  near != NULL ? "\"?" : "");
	error_hint(err, "holos volume ls shows them");
	return -ERR_FAILED;
}

int volumes_find(const struct state *s, const struct project_status *p, const char *const *names,
		 struct strv *ret, struct holos_error **err)
{
	struct volume_info *list;
	size_t n;
	int r = volumes_check_ours(s, p->name, err);

	if (r == 0)
		r = volumes_list(s, p->name, &list, &n, err);
	if (r < 0)
		return r;
	for (; r == 0 && *names != NULL; names++) {
		bool found = false;

		for (size_t i = 0; i < n && r == 0; i++) {
			if (!means(*names, list[i].name))
				continue;
			found = true;
			if (!strv_has(ret, list[i].name))
				strv_add(ret, list[i].name);
			r = check_unused(p, list[i].name, err);
		}
		if (!found)
			r = no_such_volume(p->name, *names, list, n, err);
	}
	volumes_list_free(list, n);
	return r;
}

int engine_remove_volumes(struct engine *e, const char *project, const char *const *names,
			  struct holos_error **err)
{
	_cleanup_(project_status_destroyp) struct project_status *p = NULL;
	_cleanup_(state_unlockp) struct state_lock *lock = NULL;
	_cleanup_(strv_finish) struct strv found = STRV_INIT;
	int r = stop_hold(e, project, NULL, &p, &lock, err);

	if (r == 0 && lock == NULL) /* volumes of a project that is down */
		r = engine_lock(e, project, &lock, err);
	if (r == 0)
		r = volumes_find(e->state, p, names, &found, err);
	for (size_t i = 0; i < found.n && r == 0; i++) {
		r = volumes_delete(e->state, project, found.v[i], err);
		if (r == 0)
			engine_phase(e, found.v[i], "removed", 0, NULL);
	}
	return r;
}
