/* SPDX-License-Identifier: Apache-2.0
 *
 * record.c - the VM's record: changed here, written to vm.json, told to
 * subscribers.
 *
 * A record that cannot be written (a full disk) stays pending: the next change
 * tries again, and a timer does when nothing changes.  Clients get the truth
 * all the while, with a warning in it; whoever reads the files gets it from the
 * last word (state/lastword.h).
 *
 * What must outlive the machine's power is synced: the intents "starting" and
 * "stopping", the ends.  That a VM runs or pauses is not: without power it does
 * neither, and "starting" said so already.  A start costs one synced record; the
 * first of a VM none, as its instance.json, which is synced, tells all of it.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <monitor/monitor.h>
#include <state/lastword.h>

#include <stdarg.h>
#include <stdio.h>

#define REWRITE_FIRST NS_PER_S
#define REWRITE_LAST  (30 * NS_PER_S)
#define RECORD_ROOM   (128u << 10) /* to make a record's text */
#define SOON          (50 * NS_PER_MS)

static void record_write(struct monitor *m);

void record_set(char **field, const char *value)
{
	char *copy = xstrdup_null(value);

	free(*field);
	*field = copy;
}

void record_set_now(char **field)
{
	char now[40];

	record_set(field, clock_rfc3339_now(now));
}

static void on_rewrite(void *data)
{
	struct monitor *m = data;

	m->rewrite = NULL;
	record_write(m);
	if (!m->dirty)
		serve_broadcast(m); /* without the warning */
}

static void record_write(struct monitor *m)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	bool state = m->dirty_state;

	(void)alloc_room(RECORD_ROOM); /* or the reserve is for this */
	if (m->rewrite_ns != 0)        /* the warning of the last try: untrue once written */
		record_set(&m->vm->warning, NULL);
	if (vm_record_write(m->dirfd, m->vm, m->dirty_state, &err) == 0) {
		m->dirty = false;
		m->dirty_state = false;
		m->rewrite_ns = 0;
		loop_remove_timer(m->rewrite);
		m->rewrite = NULL;
		if (m->last_word)
			last_word_clear(m->alive_fd);
		m->last_word = false;
		return;
	}
	if (state && last_word_write(m->alive_fd, m->vm) == 0)
		m->last_word = true;
	if (m->rewrite_ns == 0)
		fprintf(stderr, "holos-monitor: %s\n", err->message);
	record_set(&m->vm->warning, err->message);
	m->rewrite_ns = m->rewrite_ns == 0 ? REWRITE_FIRST : 2 * m->rewrite_ns;
	if (m->rewrite_ns > REWRITE_LAST)
		m->rewrite_ns = REWRITE_LAST;
	if (m->rewrite == NULL)
		m->rewrite = loop_add_timer(m->loop, clock_now_ns() + m->rewrite_ns, on_rewrite, m);
}

static void record_changed(struct monitor *m, bool state)
{
	m->dirty = true;
	m->dirty_state |= state;
	record_write(m);
	serve_broadcast(m);
}

void record_state(struct monitor *m, enum vm_state state)
{
	m->vm->state = state;
	record_set_now(&m->vm->since);
	if (state != VM_PAUSED)
		record_set(&m->vm->paused_cause, NULL);
	record_changed(m, state != VM_RUNNING && state != VM_PAUSED &&
				  !(state == VM_STARTING && m->brand_new && !m->ever_up));
}

void record_details(struct monitor *m)
{
	record_changed(m, false);
}

void record_soon(struct monitor *m)
{
	m->dirty = true;
	if (m->rewrite == NULL)
		m->rewrite = loop_add_timer(m->loop, clock_now_ns() + SOON, on_rewrite, m);
}

void record_exit(struct monitor *m, enum vm_exit_cause cause, int status, int signal,
		 const char *fmt, ...)
{
	struct vm_exit *e = &m->vm->exit;
	va_list ap;

	e->cause = cause;
	e->status = status;
	e->signal = signal;
	free(e->message);
	va_start(ap, fmt);
	e->message = xvasprintf(fmt, ap);
	va_end(ap);
	record_set_now(&e->at);
	fprintf(stderr, "holos-monitor: the VM ended (%s): %s\n", vm_exit_cause_name(cause),
		e->message);
}

void record_warning(struct monitor *m, const char *fmt, ...)
{
	va_list ap;

	free(m->vm->warning);
	va_start(ap, fmt);
	m->vm->warning = xvasprintf(fmt, ap);
	va_end(ap);
	fprintf(stderr, "holos-monitor: %s\n", m->vm->warning);
}

void record_ports(struct monitor *m)
{
	vm_ports_free(m->vm->ports, m->vm->n_ports);
	m->vm->ports = vm_ports_copy(m->launch->ports, m->launch->n_ports);
	m->vm->n_ports = m->launch->n_ports;
	m->vm->ssh_port = m->launch->ssh_port;
}

void record_finish(struct monitor *m)
{
	loop_remove_timer(m->rewrite);
	m->rewrite = NULL;
}
