/* SPDX-License-Identifier: Apache-2.0
 *
 * status.c - see status.h.
 */
#include <base/alloc.h>
#include <base/fs.h>
#include <base/jsonx.h>
#include <base/names.h>
#include <engine/status.h>
#include <state/lastword.h>
#include <state/qemuid.h>
#include <state/vmbrief.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void vm_status_finish(struct vm_status *v)
{
	free(v->name);
	free(v->service);
	free(v->dir);
	free(v->address);
	free(v->problem);
	instance_record_destroy(v->rec);
	vm_record_destroy(v->vm);
}

static void note(char **problem, struct holos_error *err)
{
	if (*problem == NULL && err != NULL)
		*problem = error_format(err);
}

/* Keep the first trouble; that a newer holos wrote it comes first. */
static void note_vm(struct vm_status *v, struct holos_error *err)
{
	_cleanup_(freep) char *text = NULL;

	if (err->code != ERR_HOST || v->newer) {
		note(&v->problem, err);
		return;
	}
	v->newer = true;
	text = error_format(err);
	free(v->problem);
	v->problem = xasprintf("%s/%s", v->dir, text);
}

static void set_address(struct vm_status *v)
{
	const char *address = NULL;

	for (size_t i = 0; v->rec != NULL && i < v->rec->n_nics && address == NULL; i++)
		address = v->rec->nics[i].address;
	free(v->address);
	v->address = address != NULL ? xstrndup(address, strcspn(address, "/")) : NULL;
}

int vm_status_refresh(const struct state *s, const char *project, struct vm_status *v,
		      struct holos_error **err)
{
	_cleanup_(error_destroyp) struct holos_error *e = NULL;
	_cleanup_(error_destroyp) struct holos_error *e2 = NULL;
	_cleanup_(closep) int dir = state_open_dir(s, false, "instances/%s/%s", project, v->name);
	struct alive alive;
	int r;

	if (dir < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot open %s", v->dir);
	r = alive_query(dir, &alive, err); /* before the record: what ends writes it first */
	if (r < 0)
		return r;
	v->alive = alive;
	free(v->problem);
	v->problem = NULL;
	v->newer = false;
	instance_record_destroy(v->rec);
	v->rec = NULL;
	vm_record_destroy(v->vm);
	v->vm = NULL;
	if (instance_record_read(dir, &v->rec, &e) < 0) {
		note_vm(v, e);
	} else if (strcmp(v->rec->project, project) != 0 || strcmp(v->rec->name, v->name) != 0) {
		v->problem = xasprintf("its record is that of %s in project \"%s\"", v->rec->name,
				       v->rec->project);
		instance_record_destroy(v->rec);
		v->rec = NULL;
	}
	set_address(v);
	if (vm_record_read(dir, &v->vm, &e2) < 0) {
		if (e2->sys_errno != ENOENT)
			note_vm(v, e2);
		v->vm = vm_record_create();
		v->vm->instance = xstrdup(v->name);
	}
	if (v->rec != NULL)
		instance_record_take_ports(v->rec, v->vm);
	last_word_apply(dir, &v->alive, v->vm);
	qemu_id_apply(dir, &v->alive, v->vm);
	vm_record_settle(v->vm, &v->alive);
	return 0;
}

static bool state_is_gone(const struct state *s, const char *project, const char *instance)
{
	_cleanup_(freep) char *rel = xasprintf("instances/%s/%s", project, instance);

	return fs_absent(s->fd, rel);
}

/* Not the project's: another look may succeed. */
static bool is_own_trouble(const struct holos_error *e)
{
	return e->sys_errno == EMFILE || e->sys_errno == ENFILE || e->sys_errno == ENOMEM;
}

/* By the copy of its monitor's record; false: not to be had so. */
static bool read_brief(const struct project_status *p, int dir, struct vm_status *v)
{
	struct json_object *hosts = p->rec != NULL ? p->rec->hosts : NULL;
	const char *address = jsonx_str(hosts, v->name, NULL);

	/* Not one of the file's: its own record knows. */
	if (dir < 0 || address == NULL || vm_brief_read(dir, v->name, &v->alive, &v->vm) == 0)
		return false;
	if (vm_state_is_up(v->vm->state) && !v->alive.monitor &&
	    (!v->alive.qemu || v->vm->pid == 0)) {
		/* There may be a last word of it, or its QEMU's pid. */
		vm_record_destroy(steal_ptr(&v->vm));
		return false;
	}
	vm_record_settle(v->vm, &v->alive);
	v->address = xstrdup(address);
	return true;
}

static int read_status(const struct state *s, const char *project, bool brief,
		       struct project_status **ret, struct holos_error **err)
{
	_cleanup_(closep) int dir = brief ? state_open_dir(s, false, "instances/%s", project) : -1;
	_cleanup_(project_status_destroyp) struct project_status *p = xnew(struct project_status);
	_cleanup_(error_destroyp) struct holos_error *e = NULL;
	_cleanup_(error_destroyp) struct holos_error *e2 = NULL;
	_cleanup_(strv_finish) struct strv names = STRV_INIT;

	p->name = xstrdup(project);
	if (project_record_read(s, project, &p->rec, &e) < 0) {
		if (is_own_trouble(e))
			return error_move(err, &e);
		p->newer = e->code == ERR_HOST;
		/* Not read is not damaged; a link or a socket in its place is. */
		p->unreadable = e->sys_errno != 0 && e->sys_errno != ENOENT &&
				e->sys_errno != ELOOP && e->sys_errno != ENXIO;
		if (e->sys_errno != ENOENT)
			note(&p->problem, e);
	}
	if (state_list_instances(s, project, &names, &e2) < 0) {
		if (is_own_trouble(e2))
			return error_move(err, &e2);
		p->unreadable = true;
		free(p->problem); /* the lesser one */
		p->problem = error_format(e2);
	}
	p->exists = p->rec != NULL || p->problem != NULL || names.n != 0;
	p->vms = xcalloc(names.n, sizeof(*p->vms));
	for (size_t i = 0; i < names.n; i++) {
		struct vm_status *v = &p->vms[p->n_vms];
		_cleanup_(error_destroyp) struct holos_error *gone = NULL;
		char service[64];

		(void)state_split_instance(names.v[i], service, &v->index);
		v->name = xstrdup(names.v[i]);
		v->service = xstrdup(service);
		v->dir = state_path(s, "instances/%s/%s", project, names.v[i]);
		if (p->rec != NULL && p->rec->foreign) {
			v->vm = vm_record_create(); /* nothing in its directory is of ours */
			v->problem = xstrdup("made by another implementation of holos");
			p->n_vms++;
			continue;
		}
		if (read_brief(p, dir, v) || vm_status_refresh(s, project, v, &gone) == 0) {
			p->n_vms++;
			continue;
		}
		if (gone->sys_errno == ENOENT && state_is_gone(s, project, v->name)) {
			vm_status_finish(v); /* removed just now */
			memset(v, 0, sizeof(*v));
			continue;
		}
		note(&v->problem, gone);
		v->unreadable = true;
		v->alive = (struct alive){ true, true };
		if (v->vm == NULL)
			v->vm = vm_record_create();
		p->n_vms++;
	}
	*ret = steal_ptr(&p);
	return 0;
}

int project_status_read(const struct state *s, const char *project, struct project_status **ret,
			struct holos_error **err)
{
	return read_status(s, project, false, ret, err);
}

int project_status_read_brief(const struct state *s, const char *project,
			      struct project_status **ret, struct holos_error **err)
{
	return read_status(s, project, true, ret, err);
}

void project_status_destroy(struct project_status *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < p->n_vms; i++)
		vm_status_finish(&p->vms[i]);
	free(p->vms);
	project_record_destroy(p->rec);
	free(p->name);
	free(p->problem);
	free(p);
}

void project_status_keep(struct project_status *p,
			 bool (*keep)(void *data, const struct vm_status *v), void *data)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_vms; i++) {
		if (keep(data, &p->vms[i]))
			p->vms[n++] = p->vms[i];
		else
			vm_status_finish(&p->vms[i]);
	}
	p->n_vms = n;
	p->narrowed = true;
}

struct vm_status *project_status_vm(const struct project_status *p, const char *instance)
{
	for (size_t i = 0; i < p->n_vms; i++) {
		if (strcmp(p->vms[i].name, instance) == 0)
			return &p->vms[i];
	}
	return NULL;
}

unsigned project_status_replicas(const struct project_status *p, const char *service)
{
	struct service_record *s = p->rec != NULL ? project_record_service(p->rec, service) : NULL;
	unsigned n = 0;

	if (s != NULL)
		return s->replicas;
	for (size_t i = 0; i < p->n_vms; i++)
		n += strcmp(p->vms[i].service, service) == 0;
	return n;
}

size_t project_status_services(const struct project_status *p, const char ***ret)
{
	size_t room = p->n_vms + (p->rec != NULL ? p->rec->n_services : 0);
	const char **names = xcalloc(room, sizeof(*names));
	size_t n = 0;

	for (size_t i = 0; p->rec != NULL && i < p->rec->n_services; i++) {
		const char *name = p->rec->services[i].name;
		bool any = !p->narrowed;

		for (size_t k = 0; !any && k < p->n_vms; k++)
			any = strcmp(p->vms[k].service, name) == 0;
		if (any)
			names[n++] = name;
	}
	for (size_t i = 0; i < p->n_vms; i++) {
		size_t k;

		for (k = 0; k < n && strcmp(names[k], p->vms[i].service) != 0; k++)
			;
		if (k == n)
			names[n++] = p->vms[i].service;
	}
	*ret = names;
	return n;
}

unsigned project_status_running(const struct project_status *p, const char *service)
{
	unsigned n = 0;

	for (size_t i = 0; i < p->n_vms; i++)
		n += strcmp(p->vms[i].service, service) == 0 && p->vms[i].vm->state == VM_RUNNING;
	return n;
}

static int newer(const char *problem, struct holos_error **err)
{
	error_set(err, ERR_HOST, "%s", problem);
	error_hint(err, "nothing was changed; use the holos that wrote it, or a newer one");
	return -ERR_HOST;
}

int project_status_check(const struct project_status *p, struct holos_error **err)
{
	if (p->newer)
		return newer(p->problem, err);
	if (p->unreadable)
		return error_set(err, ERR_FAILED, "project \"%s\": %s", p->name, p->problem);
	for (size_t i = 0; i < p->n_vms; i++) {
		if (p->vms[i].newer)
			return newer(p->vms[i].problem, err);
	}
	if (p->rec == NULL || !p->rec->foreign)
		return 0;
	error_set(err, ERR_FAILED, "project \"%s\" was made by another implementation of holos",
		  p->name);
	error_hint(err,
		   "take it down with the program that made it; its volumes and keys will be used "
		   "as they are");
	return -ERR_FAILED;
}

int project_status_find(const struct project_status *p, const char *name, struct holos_error **err)
{
	const char **names;
	size_t n = project_status_services(p, &names), i;
	const char *near;
	int r = 0;

	for (i = 0; i < n && strcmp(names[i], name) != 0; i++)
		;
	near = names_nearest(name, names, n);
	if (i == n && project_status_vm(p, name) == NULL)
		r = error_set(err, ERR_FAILED, "service \"%s\" not found in project \"%s\"%s%s%s",
			      name, p->name, near != NULL ? "; did you mean \"" : "",
			      near != NULL ? near : "", near != NULL ? "\"?" : "");
	free(names);
	return r;
}

const char *project_status_file(const struct project_status *p)
{
	const char *file = p->rec != NULL ? p->rec->file : NULL;

	for (size_t i = 0; p->rec == NULL && file == NULL && i < p->n_vms; i++)
		file = p->vms[i].rec != NULL ? p->vms[i].rec->file : NULL;
	return file;
}

const char *project_status_owner(const struct project_status *p)
{
	const char *owner = project_status_file(p);

	if (owner == NULL && p->rec != NULL)
		owner = p->rec->dir;
	for (size_t i = 0; p->rec == NULL && owner == NULL && i < p->n_vms; i++)
		owner = p->vms[i].rec != NULL ? p->vms[i].rec->dir : NULL;
	return owner;
}

static struct json_object *ports_json(const struct vm_status *v)
{
	struct json_object *arr = json_object_new_array();
	const struct vm_port *ports = v->rec != NULL ? v->rec->ports : v->vm->ports;
	size_t n = v->rec != NULL ? v->rec->n_ports : v->vm->n_ports;

	for (size_t i = 0; i < n; i++) {
		struct json_object *o = json_object_new_object();

		jsonx_set_str(o, "name", ports[i].name);
		jsonx_set_int(o, "host_port", ports[i].host_port);
		jsonx_set_int(o, "guest_port", ports[i].guest_port);
		jsonx_set_str(o, "protocol", ports[i].protocol);
		jsonx_set_str(o, "host_ip", ports[i].host_ip);
		json_object_array_add(arr, o);
	}
	return arr;
}

static void set_path(struct json_object *o, const char *key, const char *dir, const char *file)
{
	_cleanup_(freep) char *path = xasprintf("%s/%s", dir, file);

	jsonx_set_str(o, key, path);
}

static struct json_object *exit_json(const struct vm_exit *e)
{
	struct json_object *o;

	if (e->cause == VM_EXIT_NONE)
		return NULL;
	o = json_object_new_object();
	jsonx_set_str(o, "cause", vm_exit_cause_name(e->cause));
	jsonx_set_int(o, "status", e->status);
	jsonx_set_int(o, "signal", e->signal);
	jsonx_set_str(o, "message", e->message);
	jsonx_set_str(o, "at", e->at);
	return o;
}

/* As of its last start or `up`. */
static struct json_object *labels_json(const struct instance_record *rec)
{
	struct json_object *live = rec != NULL ? jsonx_obj(rec->spec, "live") : NULL;
	struct json_object *labels = jsonx_obj(live, "labels");

	return labels != NULL ? json_object_get(labels) : json_object_new_object();
}

static struct json_object *vm_json(const struct vm_status *v)
{
	static const char never[] = "0001-01-01T00:00:00Z"; /* as the contract has it */
	struct json_object *o = json_object_new_object();
	const struct vm_record *vm = v->vm;
	const struct instance_record *rec = v->rec;
	const char *address = NULL;

	for (size_t i = 0; rec != NULL && i < rec->n_nics && address == NULL; i++)
		address = rec->nics[i].address;
	jsonx_set_str(o, "name", v->name);
	jsonx_set_int(o, "index", v->index);
	jsonx_set_int(o, "pid", vm->pid);
	jsonx_set_str(o, "status", vm_state_name(vm->state));
	jsonx_set_str(o, "work_dir", v->dir);
	if (rec != NULL)
		jsonx_set_str(o, "overlay_path", rec->root);
	else
		set_path(o, "overlay_path", v->dir, "root.qcow2");
	set_path(o, "seed_path", v->dir, "seed.iso");
	set_path(o, "log_path", v->dir, "console.log");
	set_path(o, "serial_path", v->dir, "serial.sock");
	set_path(o, "qmp_path", v->dir, "qmp.sock");
	jsonx_set(o, "ports", ports_json(v));
	if (rec != NULL && rec->grace_ns != 0)
		jsonx_set_int(o, "stop_grace_period_sec", (int64_t)(rec->grace_ns / 1000000000u));
	if (rec != NULL && rec->ssh_port != 0)
		jsonx_set_int(o, "ssh_port", rec->ssh_port);
	jsonx_set_str(o, "last_started", vm->started_at != NULL ? vm->started_at : never);
	jsonx_set_str(o, "last_exit_time",
		      vm->exit.cause != VM_EXIT_NONE && vm->exit.at != NULL ? vm->exit.at : never);
	jsonx_set_str(o, "health", vm_health_name(vm->health));
	jsonx_set_str(o, "health_detail", vm->health_detail);
	jsonx_set_bool(o, "reachable", vm->reachable);
	jsonx_set_str(o, "since", vm->since);
	jsonx_set_str(o, "paused_cause", vm->paused_cause);
	jsonx_set_str(o, "provision", vm_provision_name(vm->provision));
	jsonx_set_str(o, "provision_detail", vm->provision_text);
	jsonx_set_int(o, "restarts", vm->restarts);
	jsonx_set(o, "exit", exit_json(&vm->exit));
	jsonx_set_str(o, "address", address);
	jsonx_set(o, "labels", labels_json(rec));
	jsonx_set_str(o, "problem", v->problem != NULL ? v->problem : vm->warning);
	return o;
}

static struct json_object *service_json(const struct project_status *p, const char *name)
{
	struct json_object *o = json_object_new_object();
	struct json_object *instances = json_object_new_array();
	const char *user = NULL;

	for (size_t i = 0; i < p->n_vms; i++) {
		if (strcmp(p->vms[i].service, name) != 0)
			continue;
		json_object_array_add(instances, vm_json(&p->vms[i]));
		if (p->vms[i].rec != NULL && p->vms[i].rec->user != NULL)
			user = p->vms[i].rec->user;
	}
	jsonx_set_str(o, "name", name);
	jsonx_set_int(o, "desired_replicas", project_status_replicas(p, name));
	jsonx_set(o, "instances", instances);
	if (user != NULL)
		jsonx_set_str(o, "login_user", user);
	return o;
}

struct json_object *project_status_json(const struct project_status *p)
{
	struct json_object *o = json_object_new_object();
	struct json_object *services = json_object_new_array();
	struct json_object *network = json_object_new_object();
	const struct project_record *r = p->rec;
	const char **names;
	size_t n = project_status_services(p, &names);

	for (size_t i = 0; i < n; i++)
		json_object_array_add(services, service_json(p, names[i]));
	free(names);
	jsonx_set_str(o, "name", p->name);
	jsonx_set_str(o, "spec_hash", r != NULL && r->spec_hash != NULL ? r->spec_hash : "");
	jsonx_set(o, "services", services);
	jsonx_set_str(network, "multicast_group", r != NULL && r->group != NULL ? r->group : "");
	jsonx_set_int(network, "multicast_port", r != NULL ? r->group_port : 0);
	jsonx_set_str(network, "subnet", r != NULL && r->subnet != NULL ? r->subnet : "");
	jsonx_set(network, "hosts",
		  r != NULL && r->hosts != NULL ? json_object_get(r->hosts)
						: json_object_new_object());
	jsonx_set(o, "network", network);
	jsonx_set_str(o, "updated_at",
		      r != NULL && r->updated_at != NULL ? r->updated_at : "0001-01-01T00:00:00Z");
	jsonx_set_str(o, "file", r != NULL ? r->file : NULL);
	jsonx_set_str(o, "problem", p->problem);
	return o;
}
