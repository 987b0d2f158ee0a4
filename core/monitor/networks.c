/* SPDX-License-Identifier: Apache-2.0
 *
 * networks.c - the VM has ended: what its network drivers changed on this machine is
 * undone, in a worker, before anybody is told of the end.  So it is also when the
 * guest powers itself off and no command comes for days.  What fails stays in
 * networks.json, for the next stop, start or down.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/jsonx.h>
#include <base/names.h>
#include <base/strv.h>
#include <monitor/monitor.h>
#include <plugin/calls.h>
#include <state/netjournal.h>

#include <stdlib.h>
#include <string.h>

#define UNDO_TIMEOUT (10 * NS_PER_S) /* of each entry: commands wait for the end */

struct networks {
	struct monitor *m;
	struct worker *worker;
	struct json_object *entries;
	bool *undone; /* of each */
	size_t left;  /* to be asked for, from the last one down */
};

struct worker *monitor_worker(struct monitor *m)
{
	_cleanup_(strv_finish) struct strv dirs = STRV_INIT;
	_cleanup_(freep) char *label = xasprintf("%s/%s", m->launch->project, m->launch->instance);
	struct worker_options o = { .label = label }; /* what a plugin prints is dropped */

	for (const char *p = m->launch->plugin_path; p != NULL && *p != '\0';) {
		size_t n = strcspn(p, ":");

		if (n != 0)
			strv_take(&dirs, xstrndup(p, n));
		p += n + (p[n] == ':');
	}
	o.plugin_dirs = dirs.v;
	return worker_create(m->loop, &o);
}

void networks_finish(struct monitor *m)
{
	struct networks *n = steal_ptr(&m->networks);

	if (n == NULL)
		return;
	worker_destroy(n->worker);
	json_object_put(n->entries);
	free(n->undone);
	free(n);
}

pid_t networks_worker_pid(const struct monitor *m)
{
	return m->networks != NULL && m->networks->worker != NULL ? worker_pid(m->networks->worker)
								  : 0;
}

static void next(struct networks *n);

static void on_undone(void *data, struct worker_result *res)
{
	struct networks *n = data;

	n->undone[--n->left] = res->err == NULL;
	if (res->err != NULL)
		record_warning(n->m, "what a network changed on this machine is not undone: %s",
			       res->err->message);
	next(n);
}

static void next(struct networks *n)
{
	struct json_object *entry =
		n->left != 0 ? json_object_array_get_idx(n->entries, n->left - 1) : NULL;
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct monitor *m = n->m;
	struct worker_request rq;

	if (entry == NULL) {
		if (net_journal_keep(m->dirfd, n->entries, n->undone, &err) < 0)
			record_warning(m, "%s", err->message);
		networks_finish(m);
		life_networks_undone(m);
		return;
	}
	if (!names_is_plugin(jsonx_str(entry, "driver", ""))) { /* the next command says so */
		n->left--;
		next(n);
		return;
	}
	rq = net_undo_request(jsonx_str(entry, "driver", ""), jsonx_str(entry, "journal", ""));
	rq.timeout_ns = UNDO_TIMEOUT;
	(void)worker_call(n->worker, &rq, on_undone, n);
	json_object_put(rq.args);
}

void networks_undo(struct monitor *m)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct json_object *entries = NULL;

	if (m->launch != NULL && net_journal_read(m->dirfd, &entries, &err) < 0)
		record_warning(m, "%s", err->message);
	if (entries == NULL) {
		life_networks_undone(m);
		return;
	}
	m->networks = xnew(struct networks);
	m->networks->m = m;
	m->networks->worker = monitor_worker(m);
	m->networks->entries = entries;
	m->networks->left = jsonx_len(entries);
	m->networks->undone = xcalloc(m->networks->left + 1, sizeof(bool));
	next(m->networks);
}
