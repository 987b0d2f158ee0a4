/* SPDX-License-Identifier: Apache-2.0
 *
 * nicsapply.c - see nics.h: what drivers change on this machine, and how it is
 * undone.  Intent before effect: a driver is not let at the machine before its
 * journal is on the disk.
 */
#include <engine/nics.h>

#include <base/alloc.h>
#include <base/fs.h>
#include <base/jsonx.h>
#include <base/names.h>
#include <engine/context.h>
#include <state/netjournal.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* ---- undo ------------------------------------------------------------------------ */

/* 1: it cannot be undone by anybody here, and that was told. */
static int undo_one(struct engine *e, struct json_object *entry, const char *vm,
		    struct holos_error **err)
{
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	const struct plugin_info *info;
	const char *driver = jsonx_str(entry, "driver", "");
	const char *journal = jsonx_str(entry, "journal", "");

	if (!names_is_plugin(driver))
		return error_set(err, ERR_FAILED, "%s names no network driver", NET_JOURNAL_FILE);
	if (registry_find(engine_registry(e), "net", driver, &info, &why) < 0) {
		engine_warn(e,
			    "%s: what network driver \"%s\" did to this machine is not undone: "
			    "%s%s%s%s; "
			    "its journal: %s",
			    vm, driver, why->message, why->hint != NULL ? " (" : "",
			    why->hint != NULL ? why->hint : "", why->hint != NULL ? ")" : "",
			    journal);
		return 1;
	}
	return net_undo(engine_worker(e), driver, journal, err);
}

static int undo_all(struct engine *e, int dirfd, struct json_object *entries, const char *vm,
		    struct holos_error **err)
{
	_cleanup_(error_destroyp) struct holos_error *first = NULL;
	_cleanup_(freep) bool *undone = xcalloc(jsonx_len(entries) + 1, sizeof(*undone));
	int r;

	/* Backwards: what came last may stand on what came first. */
	for (size_t i = jsonx_len(entries); i-- > 0;) {
		_cleanup_(error_destroyp) struct holos_error *why = NULL;

		undone[i] = undo_one(e, json_object_array_get_idx(entries, i), vm, &why) >= 0;
		if (!undone[i] && first == NULL)
			first = steal_ptr(&why);
	}
	r = net_journal_keep(dirfd, entries, undone, err);
	return r < 0 || first == NULL ? r : error_move(err, &first);
}

int nics_undo(struct engine *e, int dirfd, const char *vm, struct holos_error **err)
{
	_cleanup_(json_putp) struct json_object *entries = NULL;
	int r = net_journal_read(dirfd, &entries, err);

	return r < 0 || entries == NULL ? r : undo_all(e, dirfd, entries, vm, err);
}

int nics_undo_vm(struct engine *e, const char *project, const char *vm, struct holos_error **err)
{
	_cleanup_(closep) int dirfd =
		state_open_dir(e->state, false, "instances/%s/%s", project, vm);

	return dirfd >= 0 ? nics_undo(e, dirfd, vm, err) : 0;
}

/* ---- apply ------------------------------------------------------------------------- */

/* Files whose names the worker has made ("net-net0-NAME"): never one of ours. */
static int write_files(const struct nics *n, int dirfd, struct holos_error **err)
{
	int r = 0;

	for (size_t i = 0; i < n->n && r == 0; i++) {
		const struct net_plan *plan = &n->requests[i].plan;

		for (size_t k = 0; k < plan->n_files && r == 0; k++) {
			const struct net_file *f = &plan->files[k];

			if (strncmp(f->name, "net-", 4) != 0 || strchr(f->name, '/') != NULL)
				r = error_set(err, ERR_FAILED,
					      "network plugin \"%s\": \"%s\" is no "
					      "name of a file",
					      n->requests[i].driver, f->name);
			else
				r = fs_write_replace(dirfd, f->name, f->data, f->len, 0600, err);
		}
	}
	return r;
}

static int collect(struct engine *e, struct json_object *requests, struct json_object *entries,
		   struct holos_error **err)
{
	for (size_t i = 0; i < jsonx_len(requests); i++) {
		struct json_object *rq = json_object_array_get_idx(requests, i);
		struct json_object *nic = jsonx_obj(rq, "nic");
		const char *driver = jsonx_str(rq, "driver", "");
		_cleanup_(freep) char *journal = NULL;
		struct json_object *entry;
		int r;

		r = net_journal(engine_worker(e), driver, jsonx_obj(rq, "options"), nic, &journal,
				err);
		if (r < 0)
			return r;
		entry = json_object_new_object();
		jsonx_set_str(entry, "driver", driver);
		jsonx_set_str(entry, "network", jsonx_str(nic, "network", ""));
		jsonx_set_str(entry, "nic", jsonx_str(nic, "id", ""));
		jsonx_set_str(entry, "journal", journal);
		json_object_array_add(entries, entry);
	}
	return 0;
}

static int apply_all(struct engine *e, struct json_object *requests, struct json_object *entries,
		     struct holos_error **err)
{
	int r = 0;

	for (size_t i = 0; i < jsonx_len(requests) && r == 0; i++) {
		struct json_object *rq = json_object_array_get_idx(requests, i);

		r = net_apply(engine_worker(e), jsonx_str(rq, "driver", ""),
			      jsonx_obj(rq, "options"), jsonx_obj(rq, "nic"),
			      jsonx_str(json_object_array_get_idx(entries, i), "journal", ""), err);
	}
	return r;
}

static int apply(struct engine *e, struct json_object *requests, int dirfd, const char *vm,
		 struct holos_error **err)
{
	_cleanup_(json_putp) struct json_object *entries = json_object_new_array();
	int r = collect(e, requests, entries, err);

	if (r < 0 || jsonx_len(entries) == 0)
		return r;
	r = net_journal_write(dirfd, entries, err);
	if (r < 0)
		return r;
	r = apply_all(e, requests, entries, err);
	if (r < 0) { /* what cannot be undone now stays in the file */
		_cleanup_(error_destroyp) struct holos_error *why = NULL;

		if (undo_all(e, dirfd, entries, vm, &why) < 0)
			engine_warn(e, "%s: %s", vm, why->message);
	}
	return r;
}

int nics_apply(struct engine *e, const struct nics *n, int dirfd, const char *vm,
	       struct holos_error **err)
{
	_cleanup_(json_putp) struct json_object *requests = nics_requests(n);
	int r = write_files(n, dirfd, err);

	return r == 0 ? apply(e, requests, dirfd, vm, err) : r;
}

int nics_check_again(struct engine *e, const struct launch *l, struct holos_error **err)
{
	for (size_t i = 0; i < jsonx_len(l->networks); i++) {
		struct json_object *rq = json_object_array_get_idx(l->networks, i);
		const char *driver = jsonx_str(rq, "driver", "");
		const struct plugin_info *info;
		int r;

		if (!names_is_plugin(driver) || jsonx_obj(rq, "nic") == NULL)
			return error_set(err, ERR_FAILED, "%s names no network driver",
					 LAUNCH_FILE);
		r = registry_find(engine_registry(e), "net", driver, &info, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int nics_apply_again(struct engine *e, const struct launch *l, int dirfd, struct holos_error **err)
{
	int r = nics_check_again(e, l, err);

	if (r == 0)
		r = nics_undo(e, dirfd, l->instance, err);
	return r == 0 ? apply(e, l->networks, dirfd, l->instance, err) : r;
}
