/* SPDX-License-Identifier: Apache-2.0
 *
 * verb_ps.c - holos ps: what there is, without a lock and without writing.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/jsonx.h>
#include <base/units.h>
#include <cli.h>

#include <stdlib.h>
#include <string.h>

/* "2 healthy", "1 healthy, 1 starting"; "-" when nothing has a health. */
static char *health_text(const struct project_status *p, const char *service)
{
	_cleanup_(strv_finish) struct strv parts = STRV_INIT;

	for (enum vm_health h = VM_HEALTH_STARTING; h <= VM_HEALTH_UNKNOWN; h++) {
		unsigned n = 0;

		for (size_t i = 0; i < p->n_vms; i++)
			n += strcmp(p->vms[i].service, service) == 0 && p->vms[i].vm->health == h &&
			     vm_state_is_up(p->vms[i].vm->state);
		if (n != 0)
			strv_addf(&parts, "%u %s", n, vm_health_name(h));
	}
	return parts.n != 0 ? strv_join(parts.v, ", ") : xstrdup("-");
}

/* What those that do not run are, and why: "web-1 failed: killed by signal 9". */
static char *state_text(const struct project_status *p, const char *service)
{
	_cleanup_(strv_finish) struct strv parts = STRV_INIT;

	for (size_t i = 0; i < p->n_vms; i++) {
		const struct vm_status *v = &p->vms[i];
		_cleanup_(freep) char *why = NULL;

		if (strcmp(v->service, service) != 0)
			continue;
		if (v->problem != NULL) {
			strv_addf(&parts, "%s damaged: %s", v->name, v->problem);
			continue;
		}
		if (v->vm->state == VM_RUNNING) {
			if (v->vm->health >= VM_HEALTH_UNHEALTHY && v->vm->health_detail != NULL)
				strv_addf(&parts, "%s %s: %s", v->name,
					  vm_health_name(v->vm->health), v->vm->health_detail);
			continue;
		}
		if (v->vm->exit.cause != VM_EXIT_NONE && v->vm->exit.cause != VM_EXIT_STOPPED &&
		    !vm_state_is_up(v->vm->state))
			why = vm_exit_describe(&v->vm->exit);
		strv_addf(&parts, "%s %s%s%s", v->name, vm_state_name(v->vm->state),
			  why != NULL ? ": " : "", why != NULL ? why : "");
	}
	return parts.n != 0 ? strv_join(parts.v, "; ") : xstrdup("-");
}

/* Time since the youngest running VM of the service started. */
static char *uptime_text(const struct project_status *p, const char *service)
{
	uint64_t least = UINT64_MAX;
	struct timespec now;
	char buf[32];

	clock_gettime(CLOCK_REALTIME, &now);
	for (size_t i = 0; i < p->n_vms; i++) {
		const struct vm_record *vm = p->vms[i].vm;
		struct timespec t;

		if (strcmp(p->vms[i].service, service) != 0 || vm->state != VM_RUNNING ||
		    vm->started_at == NULL || clock_parse_rfc3339(vm->started_at, &t) < 0)
			continue;
		if (now.tv_sec >= t.tv_sec && (uint64_t)(now.tv_sec - t.tv_sec) * NS_PER_S < least)
			least = (uint64_t)(now.tv_sec - t.tv_sec) * NS_PER_S;
	}
	return xstrdup(least != UINT64_MAX ? units_format_duration(least, buf) : "-");
}

static void add_rows(struct table *t, const struct project_status *p)
{
	const char **services;
	size_t n = project_status_services(p, &services);

	for (size_t s = 0; s < n; s++) {
		_cleanup_(strv_finish) struct strv ports = STRV_INIT;
		_cleanup_(freep) char *desired =
			xasprintf("%u", project_status_replicas(p, services[s]));
		_cleanup_(freep) char *running =
			xasprintf("%u", project_status_running(p, services[s]));
		_cleanup_(freep) char *all = NULL;
		_cleanup_(freep) char *health = health_text(p, services[s]);
		_cleanup_(freep) char *uptime = uptime_text(p, services[s]);
		_cleanup_(freep) char *state = state_text(p, services[s]);

		for (size_t i = 0; i < p->n_vms; i++) {
			_cleanup_(freep) char *text = cli_ports_text(&p->vms[i]);

			if (strcmp(p->vms[i].service, services[s]) == 0 && strcmp(text, "-") != 0)
				strv_add(&ports, text);
		}
		all = ports.n != 0 ? strv_join(ports.v, ",") : xstrdup("-");
		table_row(t, p->name, services[s], desired, running, all, health, uptime, state);
	}
	free(services);
}

static int show(const struct state *s, const struct strv *names, bool json,
		struct holos_error **err)
{
	static const char *const header[] = { "PROJECT", "SERVICE", "DESIRED", "RUNNING", "PORTS",
					      "HEALTH",  "UPTIME",  "NOTES",   NULL };
	_cleanup_(json_putp) struct json_object *arr = json_object_new_array();
	struct table *t = table_create("", header);
	size_t shown = 0;
	int r = 0;

	for (size_t i = 0; i < names->n && r == 0; i++) {
		_cleanup_(project_status_destroyp) struct project_status *p = NULL;

		r = project_status_read(s, names->v[i], &p, err);
		if (r < 0 || !p->exists)
			continue;
		shown++;
		if (p->problem != NULL)
			print_warning("project \"%s\": %s", p->name, p->problem);
		if (json)
			json_object_array_add(arr, project_status_json(p));
		else
			add_rows(t, p);
	}
	if (r == 0 && json)
		print_json(steal_ptr(&arr));
	else if (r == 0 && shown == 0)
		puts("no running projects");
	if (r == 0 && !json && shown != 0)
		table_print(t, stdout);
	else
		table_destroy(t);
	return r;
}

int verb_ps(const struct verb *v, int argc, char **argv, struct holos_error **err)
{
	_cleanup_(common_finish) struct common c = COMMON_INIT;
	_cleanup_(strv_finish) struct strv operands = STRV_INIT;
	_cleanup_(strv_finish) struct strv names = STRV_INIT;
	_cleanup_(state_closep) struct state *s = NULL;
	_cleanup_(freep) char *dir = NULL;
	const struct option_def defs[] = {
		OPTIONS_FILE(c),  OPTIONS_PROJECT(c), OPTIONS_LOCK(c),
		OPTIONS_STATE(c), OPTIONS_JSON(c),    OPTIONS_END,
	};
	int r = options_parse(v, defs, false, argc, argv, &operands, err);

	if (r != 0)
		return r;
	r = options_at_most(&operands, 1, err);
	if (r == 0 && operands.n == 1)
		c.project = operands.v[0];
	dir = state_default_dir(c.state_dir);
	if (r == 0)
		r = state_open(dir, false, &s, err);
	if (r == 0 && (c.project != NULL || c.files.n != 0)) {
		char *name;

		r = cli_project_name(&c, s, &name, err);
		if (r == 0)
			strv_take(&names, name);
		if (r == 0 && !cli_is_project(s, name))
			r = error_set(err, ERR_FAILED, "project \"%s\" not found", name);
	} else if (r == 0) {
		r = state_list_projects(s, &names, err);
	}
	return r < 0 ? r : show(s, &names, c.json, err);
}
