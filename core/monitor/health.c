/* SPDX-License-Identifier: Apache-2.0
 *
 * health.c - probe the guest, for as long as the VM runs.
 *
 * One worker serves all probes, so that a probe keeps its SSH session.
 *
 *   unreached   the guest has not answered yet: health is "starting", probes
 *               follow each other quickly, failures do not count - for five
 *               minutes (or start_period, if longer).  Plugin ssh only logs in
 *               so far, and the test follows at once
 *   reached     as Docker has it: a success is healthy; failures within
 *               start_period do not count unless it was healthy before;
 *               `retries` failures in a row are unhealthy
 *
 * A probe that cannot run makes health "unknown" and counts for nothing.
 * Without a healthcheck the guest is only probed while somebody waits for its
 * first answer (op "reach", for five minutes): plugin ssh, no test.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/jsonx.h>
#include <monitor/monitor.h>
#include <plugin/calls.h>

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNREACHED_MAX (300 * NS_PER_S)
#define QUICK_FIRST   (250 * NS_PER_MS) /* between probes of a guest that boots */
#define QUICK_LAST    (2 * NS_PER_S)
/* Of a login alone.  Long, because giving up half way through a handshake that
 * a slow guest is working on would only begin it again; probes make new
 * connections meanwhile by themselves. */
#define KNOCK_TIMEOUT (60 * NS_PER_S)
#define DETAIL_MAX    500

struct health {
	struct monitor *m;
	struct worker *worker;
	struct worker_call *call; /* under way */
	struct loop_timer *timer; /* to the next one */
	uint64_t up_ns, quick_ns;
	unsigned failures; /* in a row */
	bool reached, paused;
	bool knocking;    /* the call under way only logs in */
	bool was_healthy; /* since the guest booted: start_period is over */
};

static void probe(struct health *h);

/* Does somebody want to know? */
static bool wanted(const struct health *h)
{
	return h->m->launch->health.set || (!h->reached && serve_reach_wanted(h->m));
}

static void end_worker(struct health *h)
{
	worker_destroy(h->worker);
	h->worker = NULL;
	h->call = NULL;
	loop_remove_timer(h->timer);
	h->timer = NULL;
}

static void on_timer(void *data)
{
	struct health *h = data;

	h->timer = NULL;
	probe(h);
}

static uint64_t interval(struct health *h)
{
	const struct launch *l = h->m->launch;
	uint64_t age = clock_now_ns() - h->up_ns;

	if (!h->reached && age < UNREACHED_MAX) {
		uint64_t now = h->quick_ns;

		h->quick_ns = h->quick_ns * 3 / 2 < QUICK_LAST ? h->quick_ns * 3 / 2 : QUICK_LAST;
		return now;
	}
	if (!l->health.set)
		return QUICK_LAST;
	return !h->was_healthy && age < l->health.start_period_ns ? l->health.start_interval_ns
								  : l->health.interval_ns;
}

static void schedule(struct health *h)
{
	if (!wanted(h)) {
		end_worker(h);
		return;
	}
	if (h->timer == NULL && h->call == NULL && !h->paused)
		h->timer = loop_add_timer(h->m->loop, clock_now_ns() + interval(h), on_timer, h);
}

/* Put the result into the record; tell when something changed. */
static void report(struct health *h, enum vm_health health, const char *detail)
{
	struct vm_record *vm = h->m->vm;
	_cleanup_(freep) char *line = detail != NULL ? xstrndup(detail, DETAIL_MAX) : NULL;
	bool same = vm->health == health && vm->health_failures == h->failures &&
		    vm->reachable == h->reached &&
		    strcmp(line != NULL ? line : "",
			   vm->health_detail != NULL ? vm->health_detail : "") == 0;

	for (char *p = line; p != NULL && *p != '\0'; p++) {
		if ((unsigned char)*p < 0x20)
			*p = ' ';
	}
	if (same)
		return;
	if (vm->health != health || vm->health_since == NULL)
		record_set_now(&vm->health_since);
	vm->health = health;
	vm->health_failures = h->failures;
	vm->reachable = h->reached;
	record_set(&vm->health_detail, line);
	record_details(h->m);
}

static void on_healthy(struct health *h)
{
	h->failures = 0;
	h->was_healthy = true;
	report(h, VM_HEALTH_HEALTHY, NULL);
}

/* A failure that counts, or one of the start_period or of the provisioning. */
static void on_unhealthy(struct health *h, const char *detail)
{
	const struct launch *l = h->m->launch;
	uint64_t age = clock_now_ns() - h->up_ns;
	enum vm_health now = h->m->vm->health;

	/* What makes it healthy may be on its way still. */
	if (!h->was_healthy &&
	    (age < l->health.start_period_ns || h->m->vm->provision == VM_PROVISION_RUNNING)) {
		report(h, VM_HEALTH_STARTING, detail);
		return;
	}
	h->failures++;
	if (h->failures >= l->health.retries) {
		report(h, VM_HEALTH_UNHEALTHY, detail);
		if (l->health.restart && now != VM_HEALTH_UNHEALTHY)
			stop_restart(h->m);
	} else {
		report(h, now == VM_HEALTH_UNKNOWN ? VM_HEALTH_STARTING : now, detail);
	}
}

static void judge_check(struct health *h, const struct worker_result *res, const char *detail)
{
	bool early = !h->reached && clock_now_ns() - h->up_ns < UNREACHED_MAX;

	switch (res->status) {
	case HOLOS_OK:
		on_healthy(h);
		break;
	case HOLOS_E_AGAIN:
	case HOLOS_E_TIMEOUT:
	case HOLOS_E_UNREACHED:
	case HOLOS_E_DENIED:
		/* A guest that refuses the key or shows another host key may be one
		 * whose first boot is not done. */
		if (early)
			report(h, VM_HEALTH_STARTING, detail);
		else if (res->status == HOLOS_E_DENIED)
			report(h, VM_HEALTH_UNKNOWN, detail);
		else
			on_unhealthy(h, detail);
		break;
	default:
		report(h, VM_HEALTH_UNKNOWN, detail);
	}
}

static void judge(struct health *h, const struct worker_result *res)
{
	struct monitor *m = h->m;
	bool answers = res->status == HOLOS_OK || res->status == HOLOS_E_AGAIN;
	bool first = answers && !h->reached;
	const char *detail = res->reason != NULL ? res->reason
			     : res->err != NULL  ? res->err->message
						 : NULL;

	h->reached |= answers;
	if (m->launch->health.set)
		judge_check(h, res, detail); /* which may be the end of h */
	else if (first)
		report(h, VM_HEALTH_NONE, NULL);
	else if (res->status != HOLOS_E_UNREACHED && res->status != HOLOS_E_DENIED &&
		 res->status != HOLOS_E_TIMEOUT)
		serve_reached(m, res->err); /* it cannot even be asked */
	else if (clock_now_ns() - h->up_ns >= UNREACHED_MAX)
		serve_reached(m, res->err); /* who waits has waited long enough */
	if (first)
		serve_reached(m, NULL);
}

static void on_done(void *data, struct worker_result *res)
{
	struct health *h = data;
	struct monitor *m = h->m;
	bool let_in = h->knocking && res->status == HOLOS_OK;

	h->call = NULL;
	if (let_in) {
		h->reached = true;
		report(h, VM_HEALTH_STARTING, NULL);
		serve_reached(m, NULL);
	} else {
		judge(h, res);
	}
	if (m->health != h) /* an unhealthy VM may be on its way down by now */
		return;
	if (let_in && !h->paused)
		probe(h);
	else
		schedule(h);
}

/* HOLOS_HEALTH_BYPASS, inherited from the command that started the VM, makes
 * every probe succeed at once (contract.md 1.5). */
static const char *plugin_name(const struct launch *l)
{
	const char *bypass = getenv("HOLOS_HEALTH_BYPASS");

	if (bypass != NULL && *bypass != '\0')
		return "bypass";
	return l->health.set ? l->health.plugin : "ssh";
}

static void probe(struct health *h)
{
	const struct launch *l = h->m->launch;
	const struct vm_record *vm = h->m->vm; /* its ports are those that QEMU has */
	struct net_endpoint *ends = vm->n_ports != 0 ? xcalloc(vm->n_ports, sizeof(*ends)) : NULL;
	_cleanup_(freep) char *console = xasprintf("%s/console.log", h->m->dir);
	struct health_guest guest = {
		.vm = l->instance,
		.ssh_host = "127.0.0.1",
		.ssh_port = vm->ssh_port,
		.ssh_user = l->guest.user,
		.ssh_key = l->guest.key,
		.ssh_known_hosts = l->guest.host_key,
		.console_log = console,
		.endpoints = ends,
		.n_endpoints = vm->n_ports,
	};
	struct worker_request rq;
	const char *name;

	for (size_t i = 0; i < vm->n_ports; i++) {
		const struct vm_port *p = &vm->ports[i];
		bool udp = strcmp(p->protocol, "udp") == 0;

		ends[i] = (struct net_endpoint){ .protocol = udp ? IPPROTO_UDP : IPPROTO_TCP,
						 .host_addr = p->host_ip,
						 .host_port = p->host_port,
						 .guest_port = p->guest_port };
	}
	if (h->worker == NULL)
		h->worker = monitor_worker(h->m);
	name = plugin_name(l);
	h->knocking = l->health.set && !h->reached && strcmp(name, "ssh") == 0;
	rq = l->health.set && !h->knocking
		     ? health_check_request(name, l->health.options, &guest, l->health.timeout_ns)
		     : health_check_request(name, NULL, &guest, KNOCK_TIMEOUT);
	h->call = worker_call(h->worker, &rq, on_done, h);
	json_object_put(rq.args);
	free(ends);
}

void health_up(struct monitor *m, bool reached)
{
	struct health *h = xnew(struct health);

	health_down(m);
	m->health = h;
	h->m = m;
	h->up_ns = clock_now_ns();
	h->quick_ns = QUICK_FIRST;
	h->reached = reached;
	h->was_healthy = reached && m->vm->health == VM_HEALTH_HEALTHY;
	if (wanted(h))
		probe(h);
}

void health_down(struct monitor *m)
{
	struct health *h = m->health;

	if (h == NULL)
		return;
	m->health = NULL;
	end_worker(h);
	free(h);
}

void health_pause(struct monitor *m, bool paused)
{
	struct health *h = m->health;

	if (h == NULL || h->paused == paused)
		return;
	h->paused = paused;
	if (paused) { /* a guest that stands still answers nothing */
		if (h->call != NULL)
			end_worker(h);
		loop_remove_timer(h->timer);
		h->timer = NULL;
	} else {
		schedule(h);
	}
}

void health_guest_reset(struct monitor *m)
{
	struct health *h = m->health;

	if (h == NULL)
		return;
	h->up_ns = clock_now_ns();
	h->quick_ns = QUICK_FIRST;
	h->reached = false;
	h->was_healthy = false;
	h->failures = 0;
	end_worker(h); /* its session is dead */
	report(h, m->launch->health.set ? VM_HEALTH_STARTING : VM_HEALTH_NONE,
	       "the guest restarted");
	schedule(h);
}

void health_reach(struct monitor *m)
{
	struct health *h = m->health;

	if (h == NULL)
		return;
	if (h->reached)
		serve_reached(m, NULL);
	else if (h->call == NULL && h->timer == NULL && !h->paused)
		probe(h);
}

void health_reload(struct monitor *m)
{
	bool reached = m->health != NULL && m->health->reached;

	if (m->health == NULL)
		return;
	m->vm->health = m->launch->health.set ? VM_HEALTH_STARTING : VM_HEALTH_NONE;
	m->vm->health_failures = 0;
	record_set(&m->vm->health_detail, NULL);
	record_details(m);
	health_up(m, reached);
}

pid_t health_worker_pid(const struct monitor *m)
{
	return m->health != NULL && m->health->worker != NULL ? worker_pid(m->health->worker) : 0;
}
