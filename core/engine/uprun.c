/* SPDX-License-Identifier: Apache-2.0
 *
 * uprun.c - one VM of an `up`, from its turn to where it is wanted.
 *
 *   WAITING -> [STOPPING ->] STARTING -> RUNNING -> READY
 *      ^            |            |          |-----> COMPLETED
 *      '-- early ---'            '----------'-----> FAILED
 *
 * upgraph.c says when it is whose turn.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/jsonx.h>
#include <base/units.h>
#include <engine/attach.h>
#include <engine/live.h>
#include <engine/nics.h>
#include <engine/provisioned.h>
#include <engine/up.h>
#include <state/alive.h>
#include <state/vmbrief.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ATTEMPTS_MAX  5
#define CONSOLE_LINES 8

void up_fail(struct up_vm *v, struct holos_error **why)
{
	struct up *u = v->up;

	v->phase = UP_FAILED;
	monitor_conn_destroy(steal_ptr(&v->conn));
	engine_phase(u->e, v->plan->name, v->needed != NULL ? "not started" : "failed",
		     v->began_ns != 0 ? clock_now_ns() - v->began_ns : 0, (*why)->message);
	if (u->result == 0 && !v->optional) {
		error_wrap(why, "%s", v->plan->name);
		u->result = error_move(u->err, why);
	}
}

/* The last lines of a VM's console: what a person would look at first. */
static void tell_console(struct up_vm *v)
{
	_cleanup_(closep) int dir = state_open_dir(v->up->e->state, false, "instances/%s/%s",
						   v->up->project->name, v->plan->name);
	_cleanup_(closep) int fd =
		dir >= 0 ? openat(dir, "console.log", O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
	char text[4096];
	off_t size = fd >= 0 ? lseek(fd, 0, SEEK_END) : 0;
	off_t from = size > (off_t)sizeof(text) - 1 ? size - (off_t)sizeof(text) + 1 : 0;
	ssize_t n = fd >= 0 ? pread(fd, text, sizeof(text) - 1, from) : 0;
	char *line = text;
	unsigned lines = 0;

	if (n <= 0)
		return;
	text[n] = '\0';
	for (char *c = text + n - 1; c > text; c--) {
		if (*c == '\n' && c[1] != '\0' && ++lines == CONSOLE_LINES) {
			line = c + 1;
			break;
		}
	}
	engine_note(v->up->e, "%s: the end of its console:", v->plan->name);
	for (char *next; *line != '\0'; line = next) {
		next = line + strcspn(line, "\n");
		if (*next != '\0')
			*next++ = '\0';
		for (char *c = line; *c != '\0'; c++) {
			if (*c == '\r')
				*c = ' ';
		}
		engine_note(v->up->e, "  | %s", line);
	}
}

void up_fail_with(struct up_vm *v, int code, const char *text)
{
	_cleanup_(error_destroyp) struct holos_error *why = NULL;

	error_set(&why, code, "%s", text);
	if (code == ERR_START || code == ERR_TIMEOUT)
		error_hint(&why, "see more: holos logs%s -p %s %s",
			   code == ERR_START ? " --qemu" : "", v->up->project->name, v->plan->name);
	up_fail(v, &why);
	if ((code == ERR_START || code == ERR_TIMEOUT) && v->began_ns != 0)
		tell_console(v);
}

static void reached(struct up_vm *v, enum up_phase phase, const char *word)
{
	v->phase = phase;
	v->done_ns = clock_now_ns();
	engine_phase(v->up->e, v->plan->name, word, v->done_ns - v->began_ns, NULL);
}

static const struct healthcheck *health_of(const struct up_vm *v)
{
	return &v->plan->service->healthcheck;
}

static void on_reach(void *data, struct json_object *answer, const struct holos_error *err)
{
	struct up_vm *v = data;

	/* Any other error is that of a monitor that ended: on_end tells why. */
	if (answer == NULL && err->code == ERR_TIMEOUT && v->phase == UP_RUNNING)
		up_fail_with(v, ERR_TIMEOUT, err->message);
}

/* What a running VM is waited for, and how long; NULL: for nothing.  The caller
 * frees. */
static char *awaited(const struct up_vm *v)
{
	uint64_t most = v->up->o->wait_timeout_ns;
	char time[32];

	if (!v->wants_ready || engine_health_bypassed())
		return NULL;
	return xasprintf(
		"waiting until it %s%s%s", health_of(v)->set ? "is healthy" : "answers on SSH",
		most != 0 ? ", at most " : "", most != 0 ? units_format_duration(most, time) : "");
}

/* Nothing checks its health and somebody waits: the monitor tells when the
 * guest answers. */
static void ask_reach(struct up_vm *v)
{
	if (v->wants_ready && !health_of(v)->set && !engine_health_bypassed() && v->conn != NULL)
		(void)monitor_request(v->conn, "reach", NULL, on_reach, v, NULL); /* on_end tells */
}

/* ---- what the monitor tells --------------------------------------------- */

static void start(struct up_vm *v);

/* Is the port taken, or was it for long enough that QEMU could not have it?  Then
 * its last words quote the forward that we gave it. */
static bool is_lost(const char *address, bool udp, uint16_t port, uint16_t guest, const char *said)
{
	_cleanup_(freep) char *quoted =
		xasprintf("'%s:%s:%u-:%u'", udp ? "udp" : "tcp", address, port, guest);

	return ports_try(address, udp, port) == -EADDRINUSE ||
	       (said != NULL && strstr(said, quoted) != NULL);
}

/* Did somebody take one of the ports that we chose while QEMU was starting? */
static bool lost_a_port(const struct up_vm *v, const char *said)
{
	const struct service *s = v->plan->service;

	for (size_t i = 0; i < v->rec->n_ports; i++) {
		bool ours = i < s->n_ports &&
			    (s->ports[i].host == 0 || s->ports[i].host != s->ports[i].host_end);

		if (ours && is_lost(v->rec->ports[i].host_ip, s->ports[i].udp,
				    v->rec->ports[i].host_port, s->ports[i].guest, said))
			return true;
	}
	return is_lost("127.0.0.1", false, v->rec->ssh_port, 22, said);
}

/* It is down and its ports are free.  Its turn to start comes like any other's. */
static void made_room(struct up_vm *v)
{
	v->early = false;
	v->stopped = true;
	v->phase = UP_WAITING;
	monitor_conn_destroy(steal_ptr(&v->conn));
	engine_phase(v->up->e, v->plan->name, "stopped", clock_now_ns() - v->began_ns,
		     "its port is for another one now");
}

/* The VM is down: was that its purpose, our wish, or a failure? */
static void is_down(struct up_vm *v, const struct vm_record *vm)
{
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	_cleanup_(freep) char *text = NULL;
	_cleanup_(freep) char *hint = NULL;

	/* Kept, and stopped by somebody in the moment we took hold of it. */
	bool stopped = v->phase == UP_STARTING && up_keeps(v) && vm->exit.cause == VM_EXIT_STOPPED;

	if (v->early) {
		made_room(v);
		return;
	}
	if (v->phase == UP_STOPPING || stopped) {
		start(v);
		return;
	}
	if (v->phase == UP_STARTING && vm->exit.cause == VM_EXIT_QEMU &&
	    lost_a_port(v, vm->exit.message) && ++v->attempts <= ATTEMPTS_MAX) {
		engine_warn(v->up->e, "a port was taken while %s started; trying others (%u/%u)",
			    v->plan->name, v->attempts, ATTEMPTS_MAX);
		start(v);
		return;
	}
	if (vm->exit.cause == VM_EXIT_GUEST && vm->exit.status == 0) {
		if (v->wants_ready && !v->wants_completed && health_of(v)->set &&
		    v->phase != UP_READY)
			up_fail_with(v, ERR_TIMEOUT, "it powered itself off before it was healthy");
		else
			reached(v, UP_COMPLETED, "completed");
		return;
	}
	text = vm_exit_describe(&vm->exit);
	error_set(&why, ERR_START, "%s", text);
	if (v->phase == UP_STARTING && vm->exit.cause == VM_EXIT_QEMU && vm->exit.message != NULL)
		hint = up_refusal_hint(v->plan->service, vm->exit.message);
	if (hint != NULL)
		error_hint(&why, "%s", hint);
	up_fail(v, &why);
}

/* Its monitor chose again what somebody took while QEMU started. */
static void note_ports(struct up_vm *v, const struct vm_record *vm)
{
	bool other = v->rec != NULL && v->rec->ssh_port != vm->ssh_port;

	for (size_t i = 0; v->rec != NULL && i < v->rec->n_ports && i < vm->n_ports; i++)
		other = other || v->rec->ports[i].host_port != vm->ports[i].host_port;
	if (!other)
		return;
	engine_warn(v->up->e, "a port was taken while %s started; it has another now",
		    v->plan->name);
	instance_record_take_ports(v->rec, vm);
}

static void is_running(struct up_vm *v, const struct vm_record *vm)
{
	_cleanup_(freep) char *text = awaited(v);

	if (v->action != UP_KEEP)
		note_ports(v, vm);
	v->phase = UP_RUNNING;
	v->running_ns = clock_now_ns();
	engine_phase(v->up->e, v->plan->name,
		     v->action == UP_KEEP   ? "already running"
		     : v->action == UP_LIVE ? "updated as it runs"
					    : "running",
		     v->running_ns - v->began_ns, text);
}

static void on_continued(void *data, struct json_object *answer, const struct holos_error *err)
{
	struct up_vm *v = data;

	if (answer == NULL && v->phase == UP_STARTING && v->conn != NULL)
		up_fail_with(v, ERR_START, err->message);
}

static bool is_new_run(const struct up_vm *v, const struct vm_record *vm)
{
	const char *old = v->status->vm->started_at;

	return vm->started_at != NULL && (old == NULL || strcmp(old, vm->started_at) != 0);
}

/* Somebody waits for it: what it does to get ready is told.  False: that failed, and
 * so did v. */
static bool makes_progress(struct up_vm *v, const struct vm_record *vm, bool *ret_provisioned)
{
	struct up *u = v->up;
	_cleanup_(error_destroyp) struct holos_error *why = NULL;

	*ret_provisioned = true;
	if (!v->wants_ready)
		return true;
	if (provisioned_check(u->project->name, v->plan->name, vm, &why) < 0) {
		up_fail(v, &why);
		provisioned_tell(u->e, v->plan->name, vm);
		return false;
	}
	*ret_provisioned = !provisioned_waits(u->e, v->plan->name, vm, v->began_ns, &v->told);
	return true;
}

static void on_vm(void *data, const struct vm_record *vm)
{
	struct up_vm *v = data;
	bool provisioned;

	if (v->phase == UP_STARTING && up_keeps(v) && vm->state == VM_STOPPING) {
		v->action = UP_START; /* somebody stops it: when that is done, it starts */
		v->phase = UP_STOPPING;
	}
	if (v->phase == UP_STOPPING && v->going_down && !v->early && vm->state == VM_RUNNING &&
	    is_new_run(v, vm)) {
		v->action = UP_KEEP; /* its restart policy was faster */
		v->phase = UP_STARTING;
	}
	if (v->reloading) /* what is told is of before */
		return;
	if (v->phase == UP_STARTING && vm->state == VM_PAUSED && up_keeps(v)) {
		if (!v->continued)
			(void)monitor_request(v->conn, "cont", NULL, on_continued, v, NULL);
		v->continued = true;
		return;
	}
	if (v->phase == UP_STARTING && (vm->state == VM_RUNNING || vm->state == VM_PAUSED))
		is_running(v, vm);
	if (v->phase != UP_RUNNING || !makes_progress(v, vm, &provisioned))
		return;
	if (health_of(v)->set) {
		if (vm->health == VM_HEALTH_HEALTHY) {
			if (provisioned)
				reached(v, UP_READY, "healthy");
		} else if (v->wants_ready &&
			   (vm->health == VM_HEALTH_UNHEALTHY || vm->health == VM_HEALTH_UNKNOWN)) {
			_cleanup_(freep) char *text =
				xasprintf("%s%s%s",
					  vm->health == VM_HEALTH_UNHEALTHY
						  ? "unhealthy"
						  : "its health probe does not work",
					  vm->health_detail != NULL ? ": " : "",
					  vm->health_detail != NULL ? vm->health_detail : "");

			up_fail_with(v, ERR_TIMEOUT, text);
		}
	} else if (provisioned && (vm->reachable || engine_health_bypassed())) {
		reached(v, UP_READY, "ready");
	}
}

static void on_end(void *data, struct holos_error *end);

static void attach_again(struct up_vm *v, const struct vm_status *now)
{
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	int r = attach_vm(v->up->e, now, on_vm, on_end, v, &v->conn, &why);

	if (r == 1 && v->phase == UP_STOPPING && !v->going_down)
		r = monitor_request(v->conn, "stop", NULL, NULL, v, &why) < 0 ? -1 : 1;
	if (r == 0)
		error_set(&why, ERR_START, "it ended together with its monitor");
	if (r <= 0)
		up_fail(v, &why);
	else if (v->phase != UP_STOPPING)
		ask_reach(v);
}

static void on_end(void *data, struct holos_error *end)
{
	struct up_vm *v = data;
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	struct vm_status now = { .name = v->plan->name };
	enum up_phase phase = v->phase;
	int r;

	monitor_conn_destroy(steal_ptr(&v->conn));
	if (phase == UP_FAILED || phase == UP_COMPLETED || phase == UP_WAITING)
		return;
	if (end != NULL && end->code == ERR_TIMEOUT) { /* it lives and does not answer */
		error_copy(&why, end);
		up_fail(v, &why);
		return;
	}
	now.dir =
		state_path(v->up->e->state, "instances/%s/%s", v->up->project->name, v->plan->name);
	r = vm_status_refresh(v->up->e->state, v->up->project->name, &now, &why);
	if (r < 0) {
		up_fail(v, &why);
	} else if (!vm_state_is_up(now.vm->state) && !now.alive.monitor && !now.alive.qemu) {
		is_down(v, now.vm);
	} else if (now.alive.qemu && ++v->attached <= ATTEMPTS_MAX) {
		attach_again(v, &now); /* its monitor died: another one adopts QEMU */
	} else if (now.vm->warning != NULL) {
		up_fail_with(v, ERR_START, now.vm->warning);
	} else if (end != NULL) {
		up_fail_with(v, ERR_START, end->message);
	} else {
		up_fail_with(v, ERR_START, "its monitor ended unexpectedly");
	}
	instance_record_destroy(now.rec);
	vm_record_destroy(now.vm);
	free(now.problem);
	free(now.dir);
}

/* ---- steps ------------------------------------------------------------------ */

static int read_record(struct up_vm *v, struct holos_error **err)
{
	struct up *u = v->up;
	_cleanup_(closep) int dir = state_open_dir(u->e->state, false, "instances/%s/%s",
						   u->project->name, v->plan->name);

	int r = v->rec != NULL ? 0 : instance_record_read(dir, &v->rec, err);

	if (r == 0 && v->status != NULL && v->attempts == 0)
		instance_record_take_ports(v->rec, v->status->vm);
	return r;
}

/* Exchange the root disk.  The old one goes when the new one is there, and
 * comes back when it cannot be made; never while anything of the VM lives. */
static int recreate(struct up_vm *v, struct holos_error **err)
{
	struct up *u = v->up;
	const char *project = u->project->name;
	_cleanup_(closep) int dir =
		state_open_dir(u->e->state, false, "instances/%s/%s", project, v->plan->name);
	_cleanup_(closep) int made = -1;
	struct alive alive;
	int r;

	if (dir >= 0) {
		r = alive_query(dir, &alive, err);
		if (r < 0)
			return r;
		if (alive.qemu || alive.monitor)
			return error_set(err, ERR_FAILED,
					 "its old QEMU is still there: nothing was removed");
		r = nics_undo(u->e, dir, v->plan->name, err);
		if (r < 0)
			return r;
	}
	instance_record_destroy(steal_ptr(&v->rec));
	r = state_discard_instance(u->e->state, project, v->plan->name, err);
	if (r < 0)
		return r;
	r = prepare_create(&u->prepare, v->plan, &u->bases[v->service], &v->rec, err);
	if (r == 0)
		r = prepare_launch(&u->prepare, v->plan, v->rec, err);
	if (r == 0)
		return state_sweep_discarded(u->e->state, project, err);
	if (dir < 0)
		return r;
	made = state_open_dir(u->e->state, false, "instances/%s/%s", project, v->plan->name);
	(void)state_discard_instance(u->e->state, project, v->plan->name, NULL);
	if (state_restore_instance(u->e->state, project, v->plan->name, NULL) == 0)
		error_hint(err, "its old root disk is kept");
	if (made >= 0) /* what its networks could not undo stays known */
		(void)renameat(made, NET_JOURNAL_FILE, dir, NET_JOURNAL_FILE);
	return r;
}

/* Prepare and start; the VM is down. */
static void start(struct up_vm *v)
{
	struct up *u = v->up;
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	_cleanup_(freep) char *dir =
		state_path(u->e->state, "instances/%s/%s", u->project->name, v->plan->name);
	int r = 0;

	v->phase = UP_STARTING;
	v->reloading = false;
	v->started = true;
	if (up_keeps(v))
		v->action = UP_START;
	monitor_conn_destroy(steal_ptr(&v->conn));
	if (u->prepare.qemu == NULL) /* it went down since the plan was made */
		r = up_check_host(u, &why);
	if (r == 0 && v->action == UP_RECREATE && v->attempts == 0)
		r = recreate(v, &why);
	else if (r == 0 && v->action == UP_CREATE && v->attempts == 0)
		r = prepare_create(&u->prepare, v->plan, &u->bases[v->service], &v->rec, &why);
	if (r == 0)
		r = read_record(v, &why);
	if (r == 0 && (v->action != UP_RECREATE || v->attempts != 0))
		r = prepare_launch(&u->prepare, v->plan, v->rec, &why);
	if (r == 0)
		r = attach_start(u->e, dir, false, on_vm, on_end, v, &v->conn, &why);
	if (r < 0) {
		up_fail(v, &why);
		return;
	}
	engine_phase(u->e, v->plan->name, "starting", 0, NULL);
	ask_reach(v);
}

/* ---- what it takes up as it runs --------------------------------------------- */

static void not_live(struct up_vm *v, const char *why)
{
	engine_warn(v->up->e, "%s: what changed takes effect when it starts next: %s",
		    v->plan->name, why);
}

static void on_reloaded(void *data, struct json_object *answer, const struct holos_error *err)
{
	struct up_vm *v = data;
	_cleanup_(error_destroyp) struct holos_error *why = NULL;

	v->reloading = false;
	if (answer == NULL)
		not_live(v, err->message);
	else if (live_record(&v->up->prepare, v->plan, v->rec, &why) < 0)
		not_live(v, why->message);
	/* An event with the VM as it is now follows, or the end of the connection. */
	if (v->conn != NULL)
		(void)monitor_request(v->conn, "subscribe", NULL, NULL, v, NULL);
}

static int take_up_live(struct up_vm *v, struct holos_error **err)
{
	struct up *u = v->up;
	int r = read_record(v, err);

	if (r == 0)
		r = live_write(&u->prepare, v->plan, v->rec, err);
	if (r == 0) /* nothing that its monitor must know */
		return live_record(&u->prepare, v->plan, v->rec, err);
	if (r > 0)
		r = monitor_request(v->conn, "reload", NULL, on_reloaded, v, err);
	v->reloading = r == 0;
	return r;
}

/* ---- its turn ------------------------------------------------------------------ */

/* It runs: get hold of its monitor. */
static void attach(struct up_vm *v, bool stop)
{
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	int r;

	v->phase = stop ? UP_STOPPING : UP_STARTING;
	r = attach_vm(v->up->e, v->status, on_vm, on_end, v, &v->conn, &why);
	if (r == 0 && v->early) { /* it went down since we looked */
		made_room(v);
		return;
	}
	if (r == 0) {
		start(v);
		return;
	}
	if (r == 1 && stop && !v->going_down) {
		engine_phase(v->up->e, v->plan->name, "stopping", 0, NULL);
		r = monitor_request(v->conn, "stop", NULL, NULL, v, &why);
	}
	if (r == 1 && v->action == UP_LIVE)
		r = take_up_live(v, &why);
	if (r < 0)
		up_fail(v, &why);
	else if (!stop)
		ask_reach(v);
}

/* It runs as it should and nobody waits for more: its record says all that its
 * monitor would.  Looked at again, as it may have waited for its turn. */
static bool runs_already(struct up_vm *v)
{
	struct up *u = v->up;
	_cleanup_(closep) int dir =
		state_open_dir(u->e->state, false, "instances/%s", u->project->name);
	_cleanup_(vm_record_destroyp) struct vm_record *vm = NULL;
	struct alive alive;

	if (v->wants_ready || v->wants_completed || dir < 0 ||
	    vm_brief_read(dir, v->plan->name, &alive, &vm) == 0 || !alive.monitor || !alive.qemu ||
	    vm->state != VM_RUNNING)
		return false;
	v->phase = UP_STARTING;
	on_vm(v, vm);
	return true;
}

void up_stop_early(struct up_vm *v)
{
	v->began_ns = clock_now_ns();
	v->early = true;
	attach(v, true);
}

static void fail_stuck(struct up_vm *v)
{
	_cleanup_(freep) char *why = plan_diff_text(plan_diffs_of(&v->diffs, PLAN_RECREATE));
	_cleanup_(error_destroyp) struct holos_error *err = NULL;

	error_set(&err, ERR_FAILED, "it cannot start before it has a new root disk: %s", why);
	error_hint(&err, "holos up --recreate %s destroys the old one; volumes are kept",
		   v->plan->service->name);
	up_fail(v, &err);
}

void up_begin(struct up_vm *v)
{
	v->began_ns = clock_now_ns();
	switch (v->action) {
	case UP_NOTHING:
		break;
	case UP_KEEP:
		if (!runs_already(v))
			attach(v, false);
		break;
	case UP_LIVE:
		attach(v, false);
		break;
	case UP_RESTART:
		attach(v, true);
		break;
	case UP_RECREATE:
		if (v->status != NULL && (v->status->alive.monitor || v->status->alive.qemu))
			attach(v, true);
		else
			start(v);
		break;
	case UP_START:
	case UP_CREATE:
		start(v);
		break;
	case UP_STUCK:
		fail_stuck(v);
		break;
	}
}
