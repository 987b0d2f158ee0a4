/* SPDX-License-Identifier: Apache-2.0
 *
 * life.c - the order of things: see the phases in monitor.h.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <monitor/monitor.h>

#include <stdio.h>
#include <string.h>

#define BACKOFF_FIRST  (100 * NS_PER_MS)
#define BACKOFF_LAST   (60 * NS_PER_S)
#define UP_LONG_ENOUGH (10 * NS_PER_S) /* to begin with a short pause again */

/* Fresh values for a start; what the last one left as exit stays visible. */
static void reset_record(struct monitor *m)
{
	struct vm_record *vm = m->vm;

	vm->pid = 0;
	vm->pid_start = 0;
	vm->reachable = false;
	vm->health = m->launch->health.set ? VM_HEALTH_STARTING : VM_HEALTH_NONE;
	vm->health_failures = 0;
	record_set(&vm->health_since, NULL);
	record_set(&vm->health_detail, NULL);
	vm->provision = VM_PROVISION_NONE;
	record_set(&vm->provision_text, NULL);
	record_set(&vm->provision_output, NULL);
	record_set(&vm->warning, NULL);
	record_ports(m); /* launch.json may have been read again since the last start */
}

void life_start(struct monitor *m)
{
	memset(&m->stop, 0, sizeof(m->stop));
	m->phase = PHASE_HELPERS;
	reset_record(m);
	record_state(m, VM_STARTING);
	/* The intent comes before the effect (crash rule 2).  A restart by policy
	 * goes on: the record names this VM already. */
	if (m->dirty && !m->ever_up) {
		_cleanup_(error_destroyp) struct holos_error *err = NULL;

		error_set(&err, ERR_START, "%s", m->vm->warning);
		life_failed(m, err);
		return;
	}
	helpers_start(m);
}

void life_helpers_ready(struct monitor *m)
{
	m->phase = PHASE_BOOT;
	qemu_start(m);
}

void life_up(struct monitor *m)
{
	bool adopted = m->qemu.adopted;

	m->phase = PHASE_UP;
	m->ever_up = true;
	m->port_tries = 0;
	m->up_ns = clock_now_ns();
	if (!adopted || m->vm->started_at == NULL)
		record_set_now(&m->vm->started_at);
	console_watch(m);
	serve_open(m);
	if (m->stop.wanted && !adopted)
		return;                  /* its steps are under way */
	if (adopted && m->stop.wanted) { /* was put off until now */
		stop_begin(m, m->stop.grace_ns);
		return;
	}
	if (adopted && m->vm->state == VM_STOPPING) { /* an unfinished intent */
		stop_begin(m, UINT64_MAX);
		return;
	}
	health_up(m, adopted && m->vm->reachable);
	record_state(m, VM_RUNNING);
}

/* Does the policy ask for another start? */
static bool again(struct monitor *m)
{
	const struct launch *l = m->launch;

	if (m->stop.wanted)
		return m->stop.again;
	if (!m->ever_up || l == NULL)
		return false;
	switch (l->restart) {
	case LAUNCH_RESTART_ALWAYS:
	case LAUNCH_RESTART_UNLESS_STOPPED:
		return true;
	case LAUNCH_RESTART_ON_FAILURE:
		return m->vm->state == VM_FAILED &&
		       (l->restart_max == 0 || m->vm->restarts < l->restart_max);
	case LAUNCH_RESTART_NO:
	default:
		return false;
	}
}

static void on_backoff(void *data)
{
	struct monitor *m = data;

	m->backoff = NULL;
	life_start(m);
}

void life_networks_undone(struct monitor *m)
{
	m->phase = PHASE_ENDING;
	record_state(m, m->vm->state);
	serve_end(m);
}

static void back_off(struct monitor *m)
{
	uint64_t now = clock_now_ns();

	if (m->backoff_ns == 0 || (m->up_ns != 0 && now - m->up_ns >= UP_LONG_ENOUGH))
		m->backoff_ns = BACKOFF_FIRST;
	else
		m->backoff_ns = m->backoff_ns * 2 < BACKOFF_LAST ? m->backoff_ns * 2 : BACKOFF_LAST;
	m->up_ns = 0;
	m->phase = PHASE_BACKOFF;
	m->vm->restarts++;
	m->vm->health = VM_HEALTH_NONE;
	memset(&m->stop, 0, sizeof(m->stop));
	fprintf(stderr, "holos-monitor: starting again in %llu ms\n",
		(unsigned long long)(m->backoff_ns / NS_PER_MS));
	m->backoff = loop_add_timer(m->loop, now + m->backoff_ns, on_backoff, m);
	record_state(m, VM_STARTING);
}

void life_over(struct monitor *m)
{
	enum vm_exit_cause cause;
	bool refused = m->phase == PHASE_BOOT && qemu_refused(m);

	m->phase = PHASE_OVER;
	stop_over(m);
	health_down(m);
	console_finish(m);
	provision_over(m);
	m->renewed = refused && forwards_renew(m);
	if (!m->renewed)
		qemu_judge(m);
	qemu_finish(m);
	cause = m->vm->exit.cause;
	m->vm->pid = 0;
	m->vm->pid_start = 0;
	m->vm->reachable = false;
	if (!m->renewed)
		m->vm->state =
			cause == VM_EXIT_GUEST || cause == VM_EXIT_STOPPED ? VM_STOPPED : VM_FAILED;
	helpers_stop(m);
}

void life_helpers_gone(struct monitor *m)
{
	bool renewed = m->renewed;

	m->renewed = false;
	if (renewed && !m->stop.wanted)
		life_start(m);
	else if (again(m))
		back_off(m);
	else
		networks_undo(m);
}

void life_failed(struct monitor *m, const struct holos_error *err)
{
	m->phase = PHASE_OVER;
	record_exit(m, VM_EXIT_QEMU, -1, 0, "%s", err->message);
	m->vm->state = VM_FAILED;
	m->vm->health = VM_HEALTH_NONE;
	provision_finish(m);
	qemu_finish(m);
	helpers_stop(m);
}

void life_refuse(struct monitor *m, const struct holos_error *err)
{
	fprintf(stderr, "holos-monitor: %s\n", err->message);
	record_set(&m->vm->warning, err->message);
	m->phase = PHASE_ENDING;
	qemu_finish(m);
	serve_end(m);
}

void life_cancel(struct monitor *m)
{
	m->phase = PHASE_OVER;
	loop_remove_timer(m->backoff);
	m->backoff = NULL;
	record_exit(m, VM_EXIT_STOPPED, -1, 0, "stopped before it was up");
	m->vm->state = VM_STOPPED;
	m->vm->health = VM_HEALTH_NONE;
	helpers_stop(m);
}

void life_bye(struct monitor *m)
{
	loop_quit(m->loop);
}
