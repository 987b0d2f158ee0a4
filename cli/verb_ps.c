/* SPDX-License-Identifier: Apache-2.0
 *
 * verb_ps.c - holos ps: what there is, without a lock and without writing.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/jsonx.h>
#include <base/process.h>
#include <cli.h>

#include <stdlib.h>
#include <string.h>

struct ps {
	struct common c;
	struct strv operands, filters, states;
	bool all, quiet, services, no_trunc;
	bool chosen;        /* one project is meant: its name need not be said */
	char *const *names; /* services and instances; NULL or empty: all */
	time_t now;
};

/* ---- which ---------------------------------------------------------------------- */

/* "status=running" or "health=healthy"; several of one kind: any of them. */
static bool matches_filters(const struct ps *o, const char *kind, const char *value)
{
	size_t n = strlen(kind);
	bool any = false;

	for (size_t i = 0; i < o->filters.n; i++) {
		if (strncmp(o->filters.v[i], kind, n) != 0 || o->filters.v[i][n] != '=')
			continue;
		any = true;
		if (strcmp(o->filters.v[i] + n + 1, value) == 0)
			return true;
	}
	return !any;
}

static bool wanted(void *data, const struct vm_status *v)
{
	const struct ps *o = data;

	return cli_is_named(v, o->names) &&
	       matches_filters(o, "status", vm_state_name(v->vm->state)) &&
	       matches_filters(o, "health", vm_health_name(v->vm->health));
}

static int check_filter(const char *filter, struct holos_error **err)
{
	const char *value = filter + strcspn(filter, "=");

	value += *value == '=';
	if (strncmp(filter, "status=", 7) == 0) {
		for (enum vm_state s = VM_CREATED; s <= VM_FAILED; s++) {
			if (strcmp(value, vm_state_name(s)) == 0)
				return 0;
		}
		return error_set(err, ERR_USAGE,
				 "status \"%s\": must be created, starting, running, paused, "
				 "stopping, stopped or failed",
				 value);
	}
	if (strncmp(filter, "health=", 7) == 0) {
		for (enum vm_health h = VM_HEALTH_NONE; h <= VM_HEALTH_UNKNOWN; h++) {
			if (strcmp(value, vm_health_name(h)) == 0)
				return 0;
		}
		return error_set(err, ERR_USAGE,
				 "health \"%s\": must be none, starting, healthy, unhealthy or "
				 "unknown",
				 value);
	}
	return error_set(err, ERR_USAGE, "--filter %s: must be status=STATE or health=HEALTH",
			 filter);
}

/* ---- one VM ---------------------------------------------------------------------- */

/* Since a time of the wall clock; "-" when that is not known. */
static char *age_text(const struct ps *o, const char *since)
{
	struct timespec t;

	if (since == NULL || clock_parse_rfc3339(since, &t) < 0 || t.tv_sec > o->now)
		return xstrdup("-");
	return cli_seconds_text((uint64_t)(o->now - t.tv_sec));
}

static bool has_uptime(const struct vm_record *vm)
{
	return vm->state == VM_RUNNING || vm->state == VM_PAUSED || vm->state == VM_STOPPING;
}

/* By the boot clock: nobody sets that one. */
static char *uptime_text(uint64_t age_ns)
{
	return cli_seconds_text(age_ns / NS_PER_S);
}

/* Stopped by us, and nothing else to say of it than when. */
static bool is_age(const struct vm_status *v)
{
	return v->problem == NULL && v->vm->warning == NULL && !vm_state_is_up(v->vm->state) &&
	       v->vm->exit.cause == VM_EXIT_STOPPED;
}

/* Why it is as it is: "killed by signal 9 (Killed), 5s ago"; NULL: as it should be. */
static char *notes(const struct ps *o, const struct vm_status *v)
{
	const struct vm_record *vm = v->vm;
	_cleanup_(freep) char *why = NULL;
	_cleanup_(freep) char *age = NULL;

	if (v->problem != NULL)
		return xstrdup(v->problem);
	if (vm->warning != NULL)
		return xstrdup(vm->warning);
	if (vm->state == VM_PAUSED)
		return xstrdup(vm->paused_cause != NULL ? vm->paused_cause : "paused");
	if (vm->provision == VM_PROVISION_FAILED && vm_state_is_up(vm->state))
		return xasprintf("provisioning failed: %s", vm->provision_text != NULL
								    ? vm->provision_text
								    : "it does not say why");
	if (vm->health >= VM_HEALTH_UNHEALTHY && vm_state_is_up(vm->state))
		return xstrdup_null(vm->health_detail);
	if (vm_state_is_up(vm->state) || vm->exit.cause == VM_EXIT_NONE)
		return NULL;
	age = age_text(o, vm->exit.at);
	if (is_age(v)) /* the state says why */
		return strcmp(age, "-") != 0 ? xasprintf("%s ago", age) : NULL;
	why = vm_exit_describe(&vm->exit);
	return strcmp(age, "-") != 0 ? xasprintf("%s, %s ago", why, age) : steal_ptr(&why);
}

static void add_instances(const struct ps *o, struct table *t, const struct project_status *p)
{
	for (size_t i = 0; i < p->n_vms; i++) {
		const struct vm_status *v = &p->vms[i];
		_cleanup_(freep) char *ports = cli_ports_text(v);
		_cleanup_(freep) char *uptime =
			has_uptime(v->vm) ? uptime_text(process_age_ns(v->vm->pid_start))
					  : xstrdup("-");
		_cleanup_(freep) char *note = notes(o, v);
		const char *health = v->vm->health != VM_HEALTH_NONE && vm_state_is_up(v->vm->state)
					     ? vm_health_name(v->vm->health)
					     : "-";

		table_row(t, p->name, v->name, vm_state_name(v->vm->state), health, uptime,
			  v->address, ports, note);
	}
}

/* ---- one service ------------------------------------------------------------------ */

/* "2 healthy", "1 healthy, 1 starting"; NULL when nothing has a health. */
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
	return parts.n != 0 ? strv_join(parts.v, ", ") : NULL;
}

/* What is not plainly running, and why: "web-1 failed: killed by signal 9". */
static char *service_notes(const struct ps *o, const struct project_status *p, const char *service)
{
	_cleanup_(strv_finish) struct strv parts = STRV_INIT;

	for (size_t i = 0; i < p->n_vms; i++) {
		const struct vm_status *v = &p->vms[i];
		_cleanup_(freep) char *note = NULL;
		const char *what, *sep;
		bool unwell;

		if (strcmp(v->service, service) != 0)
			continue;
		note = notes(o, v);
		unwell = v->vm->state == VM_RUNNING && v->vm->health >= VM_HEALTH_UNHEALTHY;
		if (v->vm->state == VM_RUNNING && note == NULL && !unwell)
			continue;
		what = unwell ? vm_health_name(v->vm->health) : vm_state_name(v->vm->state);
		sep = note == NULL ? "" : is_age(v) ? " " : ": ";
		strv_addf(&parts, "%s %s%s%s", v->name, what, sep, note != NULL ? note : "");
	}
	return parts.n != 0 ? strv_join(parts.v, "; ") : NULL;
}

/* Time since the youngest running VM of the service started. */
static char *service_uptime(const struct project_status *p, const char *service)
{
	uint64_t least = UINT64_MAX;

	for (size_t i = 0; i < p->n_vms; i++) {
		const struct vm_record *vm = p->vms[i].vm;
		uint64_t age;

		if (strcmp(p->vms[i].service, service) != 0 || !has_uptime(vm))
			continue;
		age = process_age_ns(vm->pid_start);
		least = age < least ? age : least;
	}
	return least != UINT64_MAX ? uptime_text(least) : xstrdup("-");
}

static void add_services(const struct ps *o, struct table *t, const struct project_status *p)
{
	_cleanup_(freep) const char **services = NULL;
	size_t n = project_status_services(p, &services);

	for (size_t s = 0; s < n; s++) {
		const char *service = services[s];
		_cleanup_(freep) char *desired =
			xasprintf("%u", project_status_replicas(p, service));
		_cleanup_(freep) char *running =
			xasprintf("%u", project_status_running(p, service));
		_cleanup_(freep) char *ports = cli_service_ports_text(p, service);
		_cleanup_(freep) char *address = cli_service_addresses_text(p, service);
		_cleanup_(freep) char *health = health_text(p, service);
		_cleanup_(freep) char *uptime = service_uptime(p, service);
		_cleanup_(freep) char *note = service_notes(o, p, service);

		table_row(t, p->name, service, desired, running, ports, health, uptime, address,
			  note);
	}
}

/* ---- the whole -------------------------------------------------------------------- */

static void print_names(const struct ps *o, const struct project_status *p)
{
	_cleanup_(freep) const char **services = NULL;
	size_t n = o->services ? project_status_services(p, &services) : 0;

	for (size_t i = 0; o->services && i < n; i++)
		puts(services[i]);
	for (size_t i = 0; !o->services && i < p->n_vms; i++) {
		if (o->chosen)
			puts(p->vms[i].name);
		else /* as `holos exec PROJECT INSTANCE` takes them */
			printf("%s %s\n", p->name, p->vms[i].name);
	}
}

static int show(struct ps *o, const struct state *s, const struct strv *projects,
		struct holos_error **err)
{
	static const char *const of_services[] = { "PROJECT", "SERVICE", "DESIRED", "RUNNING",
						   "PORTS",   "HEALTH",  "UPTIME",  "ADDRESS",
						   "NOTES",   NULL };
	static const char *const of_instances[] = { "PROJECT", "INSTANCE", "STATE",
						    "HEALTH",  "UPTIME",   "ADDRESS",
						    "PORTS",   "NOTES",    NULL };
	_cleanup_(json_putp) struct json_object *arr = json_object_new_array();
	struct table *t = table_create("", o->all ? of_instances : of_services);
	bool narrow = o->filters.n != 0 || (o->names != NULL && o->names[0] != NULL);
	size_t shown = 0;
	int r = 0;

	for (size_t i = 0; i < projects->n && r == 0; i++) {
		_cleanup_(project_status_destroyp) struct project_status *p = NULL;

		r = o->c.json ? project_status_read(s, projects->v[i], &p, err)
			      : project_status_read_brief(s, projects->v[i], &p, err);
		if (r < 0 || !p->exists)
			continue;
		for (char *const *n = o->names; r == 0 && n != NULL && *n != NULL; n++)
			r = project_status_find(p, *n, err);
		if (r < 0)
			break;
		if (narrow)
			project_status_keep(p, wanted, o);
		shown += !narrow || p->n_vms != 0;
		if (p->problem != NULL)
			print_warning("project \"%s\": %s", p->name, p->problem);
		if (narrow && p->n_vms == 0)
			continue;
		if (o->quiet || o->services)
			print_names(o, p);
		else if (o->c.json)
			json_object_array_add(arr, project_status_json(p));
		else if (o->all)
			add_instances(o, t, p);
		else
			add_services(o, t, p);
	}
	if (r == 0 && o->c.json && !o->quiet && !o->services)
		print_json(steal_ptr(&arr));
	else if (r == 0 && shown == 0 && !o->quiet && !o->services)
		puts(narrow ? "nothing matches" : "no running projects");
	if (r == 0 && !o->c.json && shown != 0 && !o->quiet && !o->services)
		table_print_fitting(t, stdout, !o->no_trunc);
	else
		table_destroy(t);
	return r;
}

/* The first operand is a known project, or all are services of the one here. */
static int choose(struct ps *o, const struct state *s, struct strv *projects,
		  struct holos_error **err)
{
	char *name = NULL;
	int r = 0;

	o->chosen = o->operands.n != 0 || o->c.project != NULL || o->c.files.n != 0;
	if (!o->chosen)
		return state_list_projects(s, projects, err);
	if (o->operands.n != 0 && o->c.project == NULL && o->c.files.n == 0 &&
	    cli_is_project(s, o->operands.v[0])) {
		name = xstrdup(o->operands.v[0]);
		o->names = o->operands.v + 1;
	} else {
		r = cli_project_name(&o->c, s, &name, err);
		o->names = o->operands.v;
		if (r < 0 && o->operands.n != 0 && o->c.project == NULL && o->c.files.n == 0)
			return error_wrap(err, "\"%s\" is no known project", o->operands.v[0]);
	}
	if (r < 0)
		return r;
	strv_take(projects, name);
	return cli_is_project(s, name)
		       ? 0
		       : error_set(err, ERR_FAILED, "project \"%s\" not found", name);
}

static int ps(struct ps *o, struct holos_error **err)
{
	_cleanup_(freep) char *dir = state_default_dir(o->c.state_dir);
	_cleanup_(state_closep) struct state *s = NULL;
	_cleanup_(strv_finish) struct strv projects = STRV_INIT;
	int r = 0;

	for (size_t i = 0; i < o->states.n; i++)
		strv_addf(&o->filters, "status=%s", o->states.v[i]);
	for (size_t i = 0; i < o->filters.n && r == 0; i++)
		r = check_filter(o->filters.v[i], err);
	if (r == 0)
		r = state_open(dir, false, &s, err);
	if (r == 0)
		r = choose(o, s, &projects, err);
	return r == 0 ? show(o, s, &projects, err) : r;
}

int verb_ps(const struct verb *v, int argc, char **argv, struct holos_error **err)
{
	struct ps o = { .c = COMMON_INIT, .now = time(NULL) };
	const struct option_def defs[] = {
		OPTIONS_FILE(o.c),
		OPTIONS_PROJECT(o.c),
		{ "all", 'a', OPTION_FLAG, &o.all, NULL, "one line per VM, not per service" },
		{ "quiet", 'q', OPTION_FLAG, &o.quiet, NULL, "only names of instances" },
		{ "services", 0, OPTION_FLAG, &o.services, NULL, "only names of services" },
		{ "filter", 0, OPTION_LIST, &o.filters, "WHAT",
		  "status=STATE or health=HEALTH (may be repeated)" },
		{ "status", 0, OPTION_LIST, &o.states, "STATE",
		  "the same as --filter status=STATE" },
		{ "no-trunc", 0, OPTION_FLAG, &o.no_trunc, NULL,
		  "do not shorten lines to the terminal's width" },
		OPTIONS_LOCK(o.c),
		OPTIONS_STATE(o.c),
		OPTIONS_JSON(o.c),
		OPTIONS_END,
	};
	int r = options_parse(v, defs, false, argc, argv, &o.operands, err);

	if (r == 0)
		r = ps(&o, err);
	common_finish(&o.c);
	strv_finish(&o.operands);
	strv_finish(&o.filters);
	strv_finish(&o.states);
	return r;
}

const struct verb entry_ps = {
	.name = "ps",
	.operands = "[PROJECT] [SERVICE|INSTANCE...]",
	.summary = "show projects and their services",
	.run = verb_ps,
	.group = GROUP_LOOK,
	.more = "Takes no lock and asks no process: nothing holds it up. NOTES says why"
		" something is not as it should be.",
	.examples = {
		{ "holos ps", "all projects, one line a service" },
		{ "holos ps -a demo", "one line a VM" },
		{ "holos ps --json", "for programs" },
		{ "holos ps -q --filter health=unhealthy", "names of what is not well" },
	},
};
