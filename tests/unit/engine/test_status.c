/* SPDX-License-Identifier: Apache-2.0
 *
 * test_status.c - what there is, read from disk; and `ps --json`, whose members
 * and types are the contract's (contract.md 2.3).
 */
#include "../base/harness.h"

#include <base/clock.h>
#include <base/jsonx.h>
#include <base/process.h>
#include <engine/status.h>

#include <errno.h>
#include <fcntl.h>

static struct state *s;

static void setup(void)
{
	make_test_dir();
	ck_assert_int_eq(state_open(in_dir("state"), true, &s, NULL), 0);
}

static void teardown(void)
{
	state_close(s);
	remove_test_dir();
}

static void put_project(void)
{
	_cleanup_(project_record_destroyp) struct project_record *r = project_record_create();

	r->name = xstrdup("demo");
	r->id = xstrdup("0123");
	r->file = xstrdup("/home/me/holos.yaml");
	r->spec_hash = xstrdup("abcd");
	r->group = xstrdup("239.1.2.3");
	r->group_port = 12345;
	r->subnet = xstrdup("10.10.0.0/24");
	r->hosts = json_object_new_object();
	jsonx_set_str(r->hosts, "web", "10.10.0.2");
	r->n_services = 2;
	r->services = xcalloc(2, sizeof(*r->services));
	r->services[0] = (struct service_record){ .name = xstrdup("web"), .replicas = 3 };
	r->services[1] = (struct service_record){ .name = xstrdup("idle"), .replicas = 0 };
	ck_assert_int_eq(project_record_write(s, r, NULL, NULL), 0);
}

/* An instance with everything set.  Returns its directory. */
static int put_instance(const char *name, unsigned index)
{
	_cleanup_(instance_record_destroyp) struct instance_record *r = instance_record_create();
	int dir = state_open_dir(s, true, "instances/demo/%s", name);

	r->project = xstrdup("demo");
	r->project_id = xstrdup("0123");
	r->service = xstrndup(name, strcspn(name, "-"));
	r->name = xstrdup(name);
	r->index = index;
	r->generation = xstrdup("g");
	r->uuid = xstrdup("u");
	r->user = xstrdup("debian");
	r->n_nics = 2;
	r->nics = xcalloc(2, sizeof(*r->nics));
	r->nics[0] = (struct record_nic){ xstrdup("external"), xstrdup("m0"), NULL };
	r->nics[1] =
		(struct record_nic){ xstrdup("default"), xstrdup("m1"), xstrdup("10.10.0.2/24") };
	r->n_ports = 1;
	r->ports = xcalloc(1, sizeof(*r->ports));
	r->ports[0] = (struct vm_port){ .name = xstrdup("port-0"),
					.host_ip = xstrdup("127.0.0.1"),
					.protocol = xstrdup("tcp"),
					.host_port = 8080,
					.guest_port = 80 };
	r->ssh_port = 40022;
	r->root = xstrdup("/disk");
	r->root_format = xstrdup("qcow2");
	r->grace_ns = 45 * NS_PER_S;
	ck_assert_int_eq(instance_record_write(dir, r, true, NULL), 0);
	return dir;
}

static void put_vm(int dir, const char *name, enum vm_state state)
{
	_cleanup_(vm_record_destroyp) struct vm_record *r = vm_record_create();

	r->instance = xstrdup(name);
	r->uuid = xstrdup("u");
	r->state = state;
	r->since = xstrdup("2026-01-02T03:04:05.000000000Z");
	r->started_at = xstrdup("2026-01-02T03:04:04.000000000Z");
	if (state == VM_RUNNING) {
		r->pid = getpid();
		r->pid_start = process_start_time(getpid());
	} else {
		r->exit.cause = VM_EXIT_GUEST;
		r->exit.status = 0;
		r->exit.message = xstrdup("powered off");
		r->exit.at = xstrdup("2026-01-02T04:00:00.000000000Z");
	}
	ck_assert_int_eq(vm_record_write(dir, r, false, NULL), 0);
}

static struct project_status *read_status(const char *project)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct project_status *p = NULL;

	ck_assert_msg(project_status_read(s, project, &p, &err) == 0, "%s",
		      err != NULL ? err->message : "");
	return p;
}

/* ---- the contract -------------------------------------------------------------------- */

struct field {
	const char *key;
	enum json_type type;
};

static const struct field project_fields[] = {
	{ "name", json_type_string },       { "spec_hash", json_type_string },
	{ "services", json_type_array },    { "network", json_type_object },
	{ "updated_at", json_type_string },
};
static const struct field network_fields[] = {
	{ "multicast_group", json_type_string },
	{ "multicast_port", json_type_int },
	{ "subnet", json_type_string },
	{ "hosts", json_type_object },
};
static const struct field service_fields[] = {
	{ "name", json_type_string },
	{ "desired_replicas", json_type_int },
	{ "instances", json_type_array },
};
static const struct field instance_fields[] = {
	{ "name", json_type_string },
	{ "index", json_type_int },
	{ "pid", json_type_int },
	{ "status", json_type_string },
	{ "work_dir", json_type_string },
	{ "overlay_path", json_type_string },
	{ "seed_path", json_type_string },
	{ "log_path", json_type_string },
	{ "serial_path", json_type_string },
	{ "qmp_path", json_type_string },
	{ "ports", json_type_array },
	{ "last_started", json_type_string },
	{ "last_exit_time", json_type_string },
};
static const struct field port_fields[] = {
	{ "name", json_type_string },
	{ "host_port", json_type_int },
	{ "guest_port", json_type_int },
	{ "protocol", json_type_string },
};

static void check_fields(struct json_object *o, const struct field *fields, int n)
{
	for (int i = 0; i < n; i++) {
		struct json_object *v = NULL;

		ck_assert_msg(json_object_object_get_ex(o, fields[i].key, &v), "no %s",
			      fields[i].key);
		ck_assert_msg(json_object_get_type(v) == fields[i].type, "%s is %s", fields[i].key,
			      jsonx_line(v));
	}
}

static void check_shape(struct json_object *o)
{
	struct json_object *services = jsonx_arr(o, "services");
	struct timespec t;

	check_fields(o, project_fields, N(project_fields));
	ck_assert_int_eq(clock_parse_rfc3339(jsonx_str(o, "updated_at", ""), &t), 0);
	check_fields(jsonx_obj(o, "network"), network_fields, N(network_fields));
	for (size_t i = 0; i < jsonx_len(services); i++) {
		struct json_object *sv = json_object_array_get_idx(services, i);
		struct json_object *vms = jsonx_arr(sv, "instances");

		check_fields(sv, service_fields, N(service_fields));
		for (size_t k = 0; k < jsonx_len(vms); k++) {
			struct json_object *vm = json_object_array_get_idx(vms, k);
			struct json_object *ports = jsonx_arr(vm, "ports");

			check_fields(vm, instance_fields, N(instance_fields));
			ck_assert_int_eq(clock_parse_rfc3339(jsonx_str(vm, "last_started", ""), &t),
					 0);
			ck_assert_int_eq(
				clock_parse_rfc3339(jsonx_str(vm, "last_exit_time", ""), &t), 0);
			for (size_t j = 0; j < jsonx_len(ports); j++)
				check_fields(json_object_array_get_idx(ports, j), port_fields,
					     N(port_fields));
		}
	}
}

static struct json_object *instance_json(struct json_object *o, size_t service, size_t index)
{
	struct json_object *sv = json_object_array_get_idx(jsonx_arr(o, "services"), service);

	return json_object_array_get_idx(jsonx_arr(sv, "instances"), index);
}

START_TEST(json_of_a_project)
{
	_cleanup_(project_status_destroyp) struct project_status *p = NULL;
	_cleanup_(json_putp) struct json_object *o = NULL;
	_cleanup_(closep) int d0 = put_instance("web-0", 0);
	_cleanup_(closep) int d1 = put_instance("web-1", 1);
	_cleanup_(closep) int monitor = -1;
	_cleanup_(closep) int qemu = -1;
	struct json_object *sv, *vm, *port;

	put_project();
	close(put_instance("web-10", 10));
	put_vm(d0, "web-0", VM_RUNNING);
	ck_assert_int_eq(alive_take(d0, ALIVE_MONITOR, &monitor, NULL), 0);
	ck_assert_int_eq(alive_take(d0, ALIVE_QEMU, &qemu, NULL), 0);
	put_vm(d1, "web-1", VM_STOPPED);
	p = read_status("demo");
	ck_assert(p->exists);
	ck_assert_ptr_null(p->problem);
	o = project_status_json(p);
	check_shape(o);
	ck_assert_str_eq(jsonx_str(o, "name", ""), "demo");
	ck_assert_str_eq(jsonx_str(o, "spec_hash", ""), "abcd");
	ck_assert_str_eq(jsonx_str(jsonx_obj(o, "network"), "subnet", ""), "10.10.0.0/24");
	ck_assert_uint_eq(jsonx_len(jsonx_arr(o, "services")), 2);
	sv = json_object_array_get_idx(jsonx_arr(o, "services"), 0);
	ck_assert_str_eq(jsonx_str(sv, "name", ""), "web");
	ck_assert_int_eq(jsonx_int(sv, "desired_replicas", 0), 3);
	ck_assert_str_eq(jsonx_str(sv, "login_user", ""), "debian");
	sv = json_object_array_get_idx(jsonx_arr(o, "services"), 1);
	ck_assert_ptr_null(jsonx_str(sv, "login_user", NULL)); /* omitted when unknown */
	/* One that runs. */
	vm = instance_json(o, 0, 0);
	ck_assert_str_eq(jsonx_str(vm, "name", ""), "web-0");
	ck_assert_str_eq(jsonx_str(vm, "status", ""), "running");
	ck_assert_int_eq(jsonx_int(vm, "pid", 0), getpid());
	ck_assert_str_eq(jsonx_str(vm, "work_dir", ""), in_dir("state/instances/demo/web-0"));
	ck_assert_str_eq(jsonx_str(vm, "log_path", ""),
			 in_dir("state/instances/demo/web-0/console.log"));
	ck_assert_int_eq(jsonx_int(vm, "stop_grace_period_sec", 0), 45);
	ck_assert_int_eq(jsonx_int(vm, "ssh_port", 0), 40022);
	ck_assert_str_eq(jsonx_str(vm, "last_started", ""), "2026-01-02T03:04:04.000000000Z");
	ck_assert_str_eq(jsonx_str(vm, "last_exit_time", ""), "0001-01-01T00:00:00Z");
	ck_assert_str_eq(jsonx_str(vm, "address", ""), "10.10.0.2/24");
	port = json_object_array_get_idx(jsonx_arr(vm, "ports"), 0);
	ck_assert_str_eq(jsonx_str(port, "name", ""), "port-0");
	ck_assert_int_eq(jsonx_int(port, "host_port", 0), 8080);
	ck_assert_int_eq(jsonx_int(port, "guest_port", 0), 80);
	ck_assert_str_eq(jsonx_str(port, "protocol", ""), "tcp");
	/* One that ended, and one that never started. */
	vm = instance_json(o, 0, 1);
	ck_assert_str_eq(jsonx_str(vm, "status", ""), "stopped");
	ck_assert_int_eq(jsonx_int(vm, "pid", -1), 0);
	ck_assert_str_eq(jsonx_str(vm, "last_exit_time", ""), "2026-01-02T04:00:00.000000000Z");
	vm = instance_json(o, 0, 2);
	ck_assert_str_eq(jsonx_str(vm, "name", ""), "web-10");
	ck_assert_int_eq(jsonx_int(vm, "index", 0), 10);
	ck_assert_str_eq(jsonx_str(vm, "status", ""), "created");
	ck_assert_str_eq(jsonx_str(vm, "last_started", ""), "0001-01-01T00:00:00Z");
}
END_TEST

/* contract.md 2.3: omitted if 0. */
START_TEST(json_without_grace_and_ssh)
{
	_cleanup_(project_status_destroyp) struct project_status *p = NULL;
	_cleanup_(json_putp) struct json_object *o = NULL;
	_cleanup_(closep) int dir = put_instance("web-0", 0);
	_cleanup_(instance_record_destroyp) struct instance_record *r = NULL;
	struct json_object *vm;

	ck_assert_int_eq(instance_record_read(dir, &r, NULL), 0);
	r->grace_ns = 0;
	r->ssh_port = 0;
	ck_assert_int_eq(instance_record_write(dir, r, true, NULL), 0);
	p = read_status("demo");
	o = project_status_json(p);
	check_shape(o);
	vm = instance_json(o, 0, 0);
	ck_assert(!json_object_object_get_ex(vm, "ssh_port", NULL));
	ck_assert(!json_object_object_get_ex(vm, "stop_grace_period_sec", NULL));
}
END_TEST

/* Records may be missing or wrong: the shape holds, and the trouble is said. */
START_TEST(json_of_a_damaged_project)
{
	_cleanup_(project_status_destroyp) struct project_status *p = NULL;
	_cleanup_(json_putp) struct json_object *o = NULL;
	_cleanup_(closep) int torn = put_instance("web-1", 1);
	_cleanup_(closep) int vm_torn = put_instance("web-2", 2);

	close(put_instance("web-0", 0));
	close(state_open_dir(s, true, "instances/demo/db-0"));
	ck_assert_int_eq(fs_write_replace(s->fd, "projects/demo.json", "{", 1, 0600, NULL), 0);
	ck_assert_int_eq(fs_write_replace(torn, "instance.json", "{\"for", 5, 0600, NULL), 0);
	ck_assert_int_eq(fs_write_replace(vm_torn, "vm.json", "[]", 2, 0600, NULL), 0);
	p = read_status("demo");
	ck_assert(p->exists);
	ck_assert_ptr_null(p->rec);
	assert_has(p->problem, "projects/demo.json");
	ck_assert_uint_eq(p->n_vms, 4);
	o = project_status_json(p);
	check_shape(o);
	ck_assert_ptr_nonnull(jsonx_str(o, "problem", NULL));
	ck_assert_ptr_null(project_status_vm(p, "web-0")->problem);
	assert_has(project_status_vm(p, "web-1")->problem, "instance.json");
	assert_has(project_status_vm(p, "web-2")->problem, "vm.json");
	ck_assert_ptr_null(project_status_vm(p, "db-0")->rec);
	ck_assert_ptr_nonnull(project_status_vm(p, "db-0")->vm);
	ck_assert_ptr_null(project_status_vm(p, "db-1"));
}
END_TEST

START_TEST(nothing_is_there)
{
	_cleanup_(project_status_destroyp) struct project_status *p = read_status("none");
	_cleanup_(json_putp) struct json_object *o = project_status_json(p);

	ck_assert(!p->exists);
	ck_assert_ptr_null(p->problem);
	ck_assert_uint_eq(p->n_vms, 0);
	check_shape(o);
}
END_TEST

/* lessons.md W10, W17: a pid that lives is no VM, and a VM whose locks are gone is dead. */
START_TEST(running_is_told_by_the_locks)
{
	_cleanup_(project_status_destroyp) struct project_status *p = NULL;
	_cleanup_(closep) int dir = put_instance("web-0", 0);
	struct vm_status *v;

	put_project();
	put_vm(dir, "web-0", VM_RUNNING); /* with a pid that is alive: ours */
	p = read_status("demo");
	v = project_status_vm(p, "web-0");
	ck_assert_int_eq(v->vm->state, VM_FAILED);
	ck_assert_int_eq(v->vm->pid, 0);
	ck_assert_uint_eq(project_status_running(p, "web"), 0);
	{
		_cleanup_(closep) int qemu = -1;

		ck_assert_int_eq(alive_take(dir, ALIVE_QEMU, &qemu, NULL), 0);
		ck_assert_int_eq(vm_status_refresh(s, "demo", v, NULL), 0);
		ck_assert_int_eq(v->vm->state, VM_RUNNING);
		ck_assert(v->alive.qemu && !v->alive.monitor);
		ck_assert_uint_eq(project_status_running(p, "web"), 1);
	}
	ck_assert_int_eq(vm_status_refresh(s, "demo", v, NULL), 0);
	ck_assert_uint_eq(project_status_running(p, "web"), 0);
}
END_TEST

START_TEST(services_in_order)
{
	_cleanup_(project_status_destroyp) struct project_status *p = NULL;
	const char **names;

	close(put_instance("web-0", 0));
	close(put_instance("orphan-0", 0));
	close(put_instance("orphan-1", 1));
	put_project();
	p = read_status("demo");
	ck_assert_uint_eq(project_status_services(p, &names), 3);
	ck_assert_str_eq(names[0], "web"); /* as the record has them */
	ck_assert_str_eq(names[1], "idle");
	ck_assert_str_eq(names[2], "orphan"); /* and once what it does not know */
	free(names);
	ck_assert_uint_eq(project_status_replicas(p, "web"), 3);
	ck_assert_uint_eq(project_status_replicas(p, "idle"), 0);
	ck_assert_uint_eq(project_status_replicas(p, "orphan"), 2);
	ck_assert_uint_eq(project_status_replicas(p, "none"), 0);
}
END_TEST

/* A refresh that fails leaves what was known. */
START_TEST(refresh_of_what_is_gone)
{
	_cleanup_(project_status_destroyp) struct project_status *p = NULL;
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	_cleanup_(closep) int dir = put_instance("web-0", 0);
	struct vm_status *v;

	p = read_status("demo");
	v = project_status_vm(p, "web-0");
	ck_assert_int_eq(symlinkat("nowhere", dir, ALIVE_FILE), 0); /* it cannot be asked */
	if (vm_status_refresh(s, "demo", v, &err) < 0) {
		ck_assert_ptr_nonnull(v->vm);
		ck_assert_ptr_nonnull(v->rec);
	}
	error_destroy(steal_ptr(&err));
	ck_assert_int_eq(fs_remove_tree(s->fd, "instances/demo/web-0", NULL), 0);
	ck_assert_int_lt(vm_status_refresh(s, "demo", v, &err), 0);
	ck_assert_int_eq(err->sys_errno, ENOENT);
	ck_assert_ptr_nonnull(v->vm);
	ck_assert_ptr_nonnull(v->rec);
	ck_assert_int_lt(vm_status_refresh(s, "demo", v, NULL), 0);
}
END_TEST

/* It only reads: not even a lock file is made. */
START_TEST(reading_writes_nothing)
{
	_cleanup_(project_status_destroyp) struct project_status *p = NULL;
	_cleanup_(closep) int dir = put_instance("web-0", 0);
	struct stat before, after;

	put_vm(dir, "web-0", VM_RUNNING);
	ck_assert_int_eq(fstat(dir, &before), 0);
	p = read_status("demo");
	ck_assert_int_eq(fstat(dir, &after), 0);
	ck_assert_int_eq(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
	ck_assert_int_eq(after.st_mtim.tv_sec, before.st_mtim.tv_sec);
	ck_assert(!fs_exists(s->fd, "locks/demo.lock"));
}
END_TEST

static void add_tests(TCase *c)
{
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, json_of_a_project);
	tcase_add_test(c, json_without_grace_and_ssh);
	tcase_add_test(c, json_of_a_damaged_project);
	tcase_add_test(c, nothing_is_there);
	tcase_add_test(c, running_is_told_by_the_locks);
	tcase_add_test(c, services_in_order);
	tcase_add_test(c, refresh_of_what_is_gone);
	tcase_add_test(c, reading_writes_nothing);
}

int main(void)
{
	return run_suite("engine-status", add_tests);
}
