/* SPDX-License-Identifier: Apache-2.0
 *
 * qmpevents.c - what QEMU says about its guest: shutdown, panic, reset, pause.
 */
#include <base/clock.h>
#include <base/jsonx.h>
#include <monitor/monitor.h>

#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

/* A VM that stopped for want of space goes on when there is this much again. */
#define SPACE_ENOUGH (64ull << 20)
#define SPACE_FIRST  (5 * NS_PER_S)
#define SPACE_LAST   (30 * NS_PER_S)
#define END_HANGS    (10 * NS_PER_S) /* from SHUTDOWN to QEMU's exit */

void qemu_tell(struct monitor *m, const char *command)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;

	if (m->qemu.qmp != NULL && qmp_execute(m->qemu.qmp, command, NULL, NULL, NULL, &err) < 0)
		fprintf(stderr, "holos-monitor: %s\n", err->message);
}

/* No event tells that a file system has space again: a look now and then,
 * while the VM stands still. */
static void on_space(void *data)
{
	struct monitor *m = data;
	struct qemu *q = &m->qemu;
	struct statvfs v;

	q->space = NULL;
	if (fstatvfs(m->dirfd, &v) == 0 && (uint64_t)v.f_bavail * v.f_frsize >= SPACE_ENOUGH)
		qemu_tell(m, "cont");
	q->space_ns = q->space_ns * 2 < SPACE_LAST ? q->space_ns * 2 : SPACE_LAST;
	q->space = loop_add_timer(m->loop, clock_now_ns() + q->space_ns, on_space, m);
}

/* KVM met an instruction it cannot run, or the like: only a reset would lead
 * out of this state ("cont" is refused), so the guest as it was is lost. */
static void internal_error(struct monitor *m)
{
	if (m->stop.wanted || m->qemu.judged)
		return;
	record_exit(m, VM_EXIT_QEMU, -1, 0,
		    "QEMU stopped the VM for an internal error of its accelerator; see qemu.log, "
		    "and try HOLOS_ACCEL=tcg");
	m->qemu.judged = true;
	stop_quit(m);
}

static void paused(struct monitor *m, const char *status)
{
	struct qemu *q = &m->qemu;
	const char *cause = q->no_space                     ? "no-space"
			    : q->io_error                   ? "io-error"
			    : strcmp(status, "paused") == 0 ? "user"
							    : status;

	if (m->vm->state == VM_STOPPING || q->guest_down)
		return;
	if (q->no_space && q->space == NULL) {
		if (q->space_ns == 0)
			q->space_ns = SPACE_FIRST;
		q->space = loop_add_timer(m->loop, clock_now_ns() + q->space_ns, on_space, m);
	}
	record_set(&m->vm->paused_cause, cause);
	health_pause(m, true);
	record_state(m, VM_PAUSED);
}

static void resumed(struct monitor *m)
{
	struct qemu *q = &m->qemu;

	q->no_space = false;
	q->io_error = false;
	loop_remove_timer(q->space);
	q->space = NULL;
	if (m->vm->state != VM_PAUSED)
		return;
	health_pause(m, false);
	record_state(m, VM_RUNNING);
}

/* The event that told why was sent before anybody listened: ask. */
static void on_block(void *data, struct json_object *ret, const struct qmp_error *error)
{
	struct monitor *m = data;

	(void)error; /* then it stays an I/O error of some kind */
	if (m->phase != PHASE_UP)
		return;
	for (size_t i = 0; json_object_is_type(ret, json_type_array) && i < jsonx_len(ret); i++) {
		struct json_object *dev = json_object_array_get_idx(ret, i);

		if (strcmp(jsonx_str(dev, "io-status", ""), "nospace") == 0)
			m->qemu.no_space = true;
	}
	paused(m, "io-error");
}

static void on_status(void *data, struct json_object *ret, const struct qmp_error *error)
{
	struct monitor *m = data;
	struct qemu *q = &m->qemu;
	const char *status = jsonx_str(ret, "status", NULL);

	if (status == NULL) { /* or the connection ended: that is told otherwise */
		if (error != NULL)
			fprintf(stderr, "holos-monitor: query-status: %s\n", error->desc);
		return;
	}
	loop_remove_timer(q->deadline);
	q->deadline = NULL;
	if (m->phase == PHASE_BOOT)
		life_up(m);
	if (m->phase != PHASE_UP)
		return;
	if (strcmp(status, "running") == 0)
		resumed(m);
	else if (strcmp(status, "internal-error") == 0)
		internal_error(m);
	else if (strcmp(status, "io-error") == 0 && !q->io_error &&
		 qmp_execute(q->qmp, "query-block", NULL, on_block, m, NULL) == 0)
		return;
	else
		paused(m, status);
}

void qemu_query_status(struct monitor *m)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;

	if (qmp_execute(m->qemu.qmp, "query-status", NULL, on_status, m, &err) < 0)
		fprintf(stderr, "holos-monitor: %s\n", err->message);
}

static void on_hanging_end(void *data)
{
	struct monitor *m = data;

	m->qemu.deadline = NULL;
	stop_quit(m);
}

static void on_shutdown(struct monitor *m, struct json_object *args)
{
	struct qemu *q = &m->qemu;

	snprintf(q->reason, sizeof(q->reason), "%s", jsonx_str(args, "reason", ""));
	q->guest_down |= jsonx_bool(args, "guest", false) && strcmp(q->reason, "guest-panic") != 0;
	q->panicked |= strcmp(q->reason, "guest-panic") == 0;
	/* With -no-shutdown among the user's arguments QEMU would stay. */
	if (q->deadline == NULL)
		q->deadline =
			loop_add_timer(m->loop, clock_now_ns() + END_HANGS, on_hanging_end, m);
}

static void on_panic(struct monitor *m, struct json_object *args)
{
	const char *action = jsonx_str(args, "action", "poweroff");

	if (strcmp(action, "run") == 0)
		return; /* the guest goes on: crash dump, reboot */
	m->qemu.panicked = true;
	if (strcmp(action, "pause") == 0)
		stop_quit(m);
}

static void on_block_error(struct monitor *m, struct json_object *args)
{
	if (strcmp(jsonx_str(args, "action", ""), "stop") != 0)
		return;
	m->qemu.io_error = true;
	m->qemu.no_space |= jsonx_bool(args, "nospace", false);
	fprintf(stderr, "holos-monitor: %s of %s failed: %s\n", jsonx_str(args, "operation", "I/O"),
		jsonx_str(args, "device", "a disk"), jsonx_str(args, "reason", "unknown reason"));
}

void qemu_event(void *data, const char *name, struct json_object *args)
{
	struct monitor *m = data;

	if (strcmp(name, "SHUTDOWN") == 0)
		on_shutdown(m, args);
	else if (strcmp(name, "GUEST_PANICKED") == 0)
		on_panic(m, args);
	else if (strcmp(name, "BLOCK_IO_ERROR") == 0)
		on_block_error(m, args);
	else if (strcmp(name, "RESET") == 0)
		health_guest_reset(m);
	else if (strcmp(name, "RESUME") == 0)
		resumed(m);
	else if (strcmp(name, "STOP") == 0 && *m->qemu.reason == '\0')
		qemu_query_status(m); /* which tells the cause */
}
