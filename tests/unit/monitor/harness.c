/* SPDX-License-Identifier: Apache-2.0
 *
 * harness.c - see harness.h.
 */
#include "harness.h"

#include <base/process.h>
#include <base/strv.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define UUID "0b3e5a5e-8d5c-4c1a-9c1f-6a3f4f1f0a01"

struct vt *vt;

static char **make_argv(void)
{
	struct strv v = STRV_INIT;

	strv_add(&v, FAKE_QEMU);
	strv_add(&v, "-name");
	strv_add(&v, "web-0");
	strv_add(&v, "-uuid");
	strv_add(&v, UUID);
	strv_add(&v, "-chardev");
	strv_addf(&v,
		  "socket,id=console0,path=%s/serial.sock,server=on,wait=off,"
		  "logfile=%s/console.log,logappend=on",
		  vt->dir, vt->dir);
	strv_add(&v, "-serial");
	strv_add(&v, "chardev:console0");
	strv_add(&v, "-chardev");
	strv_addf(&v, "socket,id=qmp,path=%s/qmp.sock,server=on,wait=off", vt->dir);
	strv_add(&v, "-mon");
	strv_add(&v, "chardev=qmp,mode=control");
	return v.v;
}

/* Leave no process and no file, also after a failed test: check then leaves by
 * exit(3), without the teardown. */
static void clean_up(void)
{
	struct vm_record *r = NULL;

	if (vt == NULL)
		return;
	if (vt->monitor > 0) {
		kill(vt->monitor, SIGKILL);
		waitpid(vt->monitor, NULL, 0);
	}
	if (vm_record_read(vt->dirfd, &r, NULL) == 0 && r->pid > 0 &&
	    process_start_time(r->pid) == r->pid_start)
		kill(r->pid, SIGKILL);
	vm_record_destroy(r);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	fs_remove_tree(AT_FDCWD, vt->dir, NULL);
}

void vt_setup(void)
{
	char behaviour[96];

	(void)prctl(PR_SET_CHILD_SUBREAPER, 1); /* orphaned QEMUs come here */
	atexit(clean_up);
	vt = xnew(struct vt);
	vt->loop = loop_create();
	snprintf(vt->dir, sizeof(vt->dir), "/tmp/vt-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(vt->dir));
	vt->dirfd = open(vt->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(behaviour, sizeof(behaviour), "%s/behaviour", vt->dir);
	ck_assert_int_eq(mkdir(behaviour, 0700), 0);
	setenv("FAKE_QEMU_BEHAVIOR", behaviour, 1);
	vt->launch = launch_create();
	vt->launch->project = xstrdup("demo");
	vt->launch->service = xstrdup("web");
	vt->launch->instance = xstrdup("web-0");
	vt->launch->uuid = xstrdup(UUID);
	vt->launch->program = xstrdup(FAKE_QEMU);
	vt->launch->argv = make_argv();
}

static void drop_answer(void)
{
	json_object_put(vt->answer);
	vt->answer = NULL;
	free(vt->error);
	vt->error = NULL;
	vt->code = 0;
}

void vt_teardown(void)
{
	clean_up();
	monitor_conn_destroy(vt->conn);
	loop_destroy(vt->loop);
	launch_destroy(vt->launch);
	vm_record_destroy(vt->vm);
	drop_answer();
	close(vt->dirfd);
	free(vt);
	vt = NULL;
}

void vt_behave(const char *lines)
{
	ck_assert_int_eq(fs_write_replace(vt->dirfd, "behaviour/default.conf", lines, strlen(lines),
					  0600, NULL),
			 0);
}

static void on_vm(void *data, const struct vm_record *vm)
{
	struct json_object *copy = vm_record_encode(vm);

	(void)data;
	vm_record_destroy(vt->vm);
	ck_assert_int_eq(vm_record_decode(copy, "snapshot", &vt->vm, NULL), 0);
	json_object_put(copy);
	vt->snapshots++;
}

static void on_end(void *data, struct holos_error *err)
{
	(void)data;
	(void)err;
	vt->ended = true;
}

void vt_connect(void)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;

	monitor_conn_destroy(vt->conn);
	vt->conn = NULL;
	vt->ended = false;
	if (monitor_connect(vt->loop, vt->dir, on_vm, on_end, NULL, &vt->conn, &err) < 0)
		ck_abort_msg("%s", err->message);
}

static void start(bool adopt)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct monitor_options o = { .program = MONITOR_PROGRAM, .adopt = adopt };

	monitor_conn_destroy(vt->conn);
	vt->conn = NULL;
	vt->ended = false;
	if (monitor_start_connected(vt->loop, vt->dir, &o, on_vm, on_end, NULL, &vt->conn,
				    &vt->monitor, &err) < 0)
		ck_abort_msg("%s", err->message);
}

void vt_start(void)
{
	ck_assert_int_eq(launch_write(vt->dirfd, vt->launch, NULL), 0);
	start(false);
}

void vt_adopt(void)
{
	start(true);
}

const char *vt_describe(void)
{
	static char buf[1024];

	if (vt->vm == NULL)
		return "no snapshot";
	snprintf(buf, sizeof(buf), "state %s, pid %ld, exit %s: %s, health %s (%s), restarts %u%s",
		 vm_state_name(vt->vm->state), (long)vt->vm->pid,
		 vm_exit_cause_name(vt->vm->exit.cause),
		 vt->vm->exit.message != NULL ? vt->vm->exit.message : "",
		 vm_health_name(vt->vm->health),
		 vt->vm->health_detail != NULL ? vt->vm->health_detail : "", vt->vm->restarts,
		 vt->ended ? ", connection ended" : "");
	return buf;
}

static void on_answer(void *data, struct json_object *answer, const struct holos_error *err)
{
	(void)data;
	drop_answer();
	vt->answer = json_object_get(answer);
	vt->error = err != NULL ? xstrdup(err->message) : NULL;
	vt->code = err != NULL ? err->code : 0;
}

void vt_request(const char *op, const char *args)
{
	struct json_object *obj = NULL;

	drop_answer();
	if (args != NULL)
		ck_assert_int_eq(jsonx_parse(args, strlen(args), "test", &obj, NULL), 0);
	ck_assert_int_eq(monitor_request(vt->conn, op, obj, on_answer, NULL, NULL), 0);
	json_object_put(obj);
}

bool vt_answered(void)
{
	return vt->answer != NULL || vt->error != NULL;
}

struct json_object *vt_ask(const char *op, const char *args)
{
	vt_request(op, args);
	vt_until(vt_answered());
	return vt->answer;
}

struct alive vt_alive(void)
{
	struct alive a;

	ck_assert_int_eq(alive_query(vt->dirfd, &a, NULL), 0);
	return a;
}

struct vm_record *vt_disk(void)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct vm_record *r = NULL;

	if (vm_record_read(vt->dirfd, &r, &err) < 0)
		ck_abort_msg("%s", err->message);
	return r;
}

void vt_up(void)
{
	vt_until(vt->vm != NULL && vt->vm->state == VM_RUNNING);
}

void vt_down(enum vm_state state, enum vm_exit_cause cause)
{
	_cleanup_(vm_record_destroyp) struct vm_record *disk = NULL;
	struct alive a;
	int status;

	vt_until(vt->ended);
	ck_assert_msg(vt->vm->state == state && vt->vm->exit.cause == cause, "%s", vt_describe());
	a = vt_alive();
	ck_assert(!a.monitor);
	ck_assert(!a.qemu);
	disk = vt_disk();
	ck_assert_int_eq(disk->state, state);
	ck_assert_int_eq(disk->exit.cause, cause);
	ck_assert_int_eq(disk->pid, 0);
	ck_assert_int_eq(waitpid(vt->monitor, &status, 0), vt->monitor);
	ck_assert_msg(status == 0, "the monitor's status is %d", status);
	vt->monitor = 0;
	ck_assert(!fs_exists(vt->dirfd, MONITOR_SOCKET));
}

Suite *vt_suite(const char *name)
{
	return suite_create(name);
}

int vt_run(Suite *s)
{
	SRunner *r = srunner_create(s);
	int failed;

	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
