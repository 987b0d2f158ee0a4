/* SPDX-License-Identifier: Apache-2.0
 *
 * stop.c - end the VM, step by step, each with its time:
 *
 *   POWERDOWN  the guest is asked (ACPI)        the grace period
 *   QUIT       QEMU is asked (QMP quit)         5 s: it writes its disks out
 *   TERM       SIGTERM                          5 s
 *   KILL       SIGKILL                          10 s
 *   STUCK      those who wait are told; it is watched on
 *
 * "kill" begins at QUIT with 2 s and goes to KILL.  Whenever QEMU ends, the
 * steps end (stop_over).  While it has not answered on QMP yet there is no
 * guest to ask: TERM (but an adopted QEMU is reached first).
 */
#include <base/clock.h>
#include <base/jsonx.h>
#include <monitor/monitor.h>

#include <signal.h>
#include <stdio.h>

#define QUIT_TIME      (5 * NS_PER_S)
#define QUIT_TIME_KILL (2 * NS_PER_S)
#define TERM_TIME      (5 * NS_PER_S)
#define KILL_TIME      (10 * NS_PER_S)
/* A guest that boots misses the first request. */
#define ASK_AGAIN (5 * NS_PER_S)

static void step(struct monitor *m, enum stop_step to);

static void on_timer(void *data)
{
	struct monitor *m = data;
	enum stop_step now = m->stop.step;

	m->stop.timer = NULL;
	if (now == STOP_QUIT && m->stop.killing)
		step(m, STOP_KILL);
	else if (now < STOP_STUCK)
		step(m, now + 1);
}

static void on_ask_again(void *data)
{
	struct monitor *m = data;

	qemu_tell(m, "system_powerdown");
	m->stop.repeat = loop_add_timer(m->loop, clock_now_ns() + ASK_AGAIN, on_ask_again, m);
}

static void clear_timers(struct stop *s)
{
	loop_remove_timer(s->timer);
	loop_remove_timer(s->repeat);
	s->timer = NULL;
	s->repeat = NULL;
}

/* Do what the step does and give it its time. */
static void step(struct monitor *m, enum stop_step to)
{
	struct stop *s = &m->stop;
	uint64_t begin = clock_now_ns(), time = 0;

	clear_timers(s);
	if (to == STOP_QUIT && m->qemu.qmp == NULL)
		to = s->killing ? STOP_KILL : STOP_TERM;
	s->step = to;
	switch (to) {
	case STOP_POWERDOWN:
		if (m->qemu.space != NULL || m->vm->paused_cause != NULL)
			qemu_tell(m, "cont"); /* a guest that stands still hears nothing */
		qemu_tell(m, "system_powerdown");
		s->repeat = loop_add_timer(m->loop, begin + ASK_AGAIN, on_ask_again, m);
		begin = s->began_ns;
		time = s->grace_ns;
		break;
	case STOP_QUIT:
		qemu_tell(m, "quit");
		time = s->killing ? QUIT_TIME_KILL : QUIT_TIME;
		break;
	case STOP_TERM:
		qemu_signal(m, SIGTERM);
		time = TERM_TIME;
		break;
	case STOP_KILL:
		qemu_signal(m, SIGKILL);
		time = KILL_TIME;
		break;
	case STOP_STUCK:
		fprintf(stderr, "holos-monitor: QEMU (pid %ld) does not die\n", (long)m->vm->pid);
		serve_stuck(m);
		return;
	case STOP_NONE:
	default:
		return;
	}
	s->timer = loop_add_timer(m->loop, begin + time, on_timer, m);
}

/* Is there a QEMU to stop?  If not, life_cancel() has done it. */
static bool begin(struct monitor *m)
{
	if (m->phase == PHASE_OVER || m->phase == PHASE_ENDING)
		return false; /* the end is near: who waits is told then */
	if (m->phase != PHASE_BOOT && m->phase != PHASE_UP) {
		life_cancel(m);
		return false;
	}
	if (m->vm->state != VM_STOPPING) {
		health_down(m);
		/* The cause is kept past the state: STOP_POWERDOWN looks at it. */
		m->vm->state = VM_STOPPING;
		record_set_now(&m->vm->since);
	}
	return true;
}

void stop_begin(struct monitor *m, uint64_t grace_ns)
{
	struct stop *s = &m->stop;
	bool first = !s->wanted || s->again;

	s->wanted = true;
	s->again = false;
	if (grace_ns == UINT64_MAX)
		grace_ns = m->launch != NULL ? m->launch->stop_grace_ns : 0;
	if (m->phase == PHASE_BOOT && m->qemu.adopted) {
		s->grace_ns = grace_ns; /* life_up() comes back to it */
		return;
	}
	if (!begin(m) || s->step > STOP_POWERDOWN)
		return;
	if (s->step == STOP_POWERDOWN && s->timer != NULL) { /* a second wish: the shorter */
		if (!first && grace_ns >= s->grace_ns)
			return;
		s->grace_ns = grace_ns;
		loop_remove_timer(s->timer);
		s->timer = loop_add_timer(m->loop, s->began_ns + grace_ns, on_timer, m);
		return;
	}
	s->grace_ns = grace_ns;
	s->began_ns = clock_now_ns();
	if (m->phase == PHASE_BOOT || m->qemu.qmp == NULL)
		step(m, STOP_TERM);
	else
		step(m, STOP_POWERDOWN);
	record_state(m, VM_STOPPING);
}

void stop_kill(struct monitor *m)
{
	struct stop *s = &m->stop;

	s->wanted = true;
	s->again = false;
	if (!begin(m) || s->killing)
		return;
	s->killing = true;
	if (s->step < STOP_QUIT)
		step(m, STOP_QUIT);
	else if (s->step == STOP_TERM)
		step(m, STOP_KILL);
	record_state(m, VM_STOPPING);
}

void stop_restart(struct monitor *m)
{
	struct stop *s = &m->stop;

	if (s->wanted)
		return;
	stop_begin(m, UINT64_MAX);
	s->again = true;
}

void stop_quit(struct monitor *m)
{
	if (m->stop.step < STOP_QUIT)
		step(m, STOP_QUIT);
}

void stop_over(struct monitor *m)
{
	clear_timers(&m->stop);
}
