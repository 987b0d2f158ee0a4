/* SPDX-License-Identifier: Apache-2.0
 *
 * uppath.c - what took the time: the chain of dependencies that was ready last.
 */
#include <base/alloc.h>
#include <base/strbuf.h>
#include <base/units.h>
#include <engine/up.h>

/* When it was as far as it was wanted. */
static uint64_t end_of(const struct up_vm *v)
{
	bool wanted = v->wants_ready || v->wants_completed || v->running_ns == 0;

	return wanted && v->done_ns != 0 ? v->done_ns : v->running_ns;
}

/* When it was as far as this dependency asks for. */
static uint64_t end_for(const struct up_vm *v, const struct dependency *d)
{
	bool started = d->condition == DEP_STARTED ||
		       (d->condition == DEP_AUTO && !v->plan->service->healthcheck.set);

	return started && v->running_ns != 0 ? v->running_ns : v->done_ns;
}

static bool counts(const struct up_vm *v)
{
	return v->started && v->phase != UP_FAILED && end_of(v) > v->began_ns;
}

/* Of what v's service depends on, the VM that was far enough last, and when;
 * NULL: nothing that this run started. */
static const struct up_vm *waited_for(const struct up *u, const struct up_vm *v, uint64_t *ret_end)
{
	const struct service *s = v->plan->service;
	const struct up_vm *last = NULL;

	for (size_t d = 0; d < s->n_depends_on; d++) {
		for (size_t i = 0; i < u->n; i++) {
			const struct up_vm *o = &u->vms[i];
			uint64_t end = end_for(o, &s->depends_on[d]);

			if (o->service != s->depends_on[d].service || !counts(o) ||
			    end > v->began_ns || (last != NULL && end <= *ret_end))
				continue;
			last = o;
			*ret_end = end;
		}
	}
	return last;
}

static const char *name_of(const struct up_vm *v)
{
	return v->plan->service->replicas == 1 ? v->plan->service->name : v->plan->name;
}

/* "db 8.1s -> app 6.0s", the first link first; end: until when v is looked at. */
static void add_chain(const struct up *u, const struct up_vm *v, uint64_t end, struct strbuf *b)
{
	uint64_t end_before;
	const struct up_vm *before = waited_for(u, v, &end_before);
	char time[32];

	if (before != NULL) {
		add_chain(u, before, end_before, b);
		strbuf_adds(b, " -> ");
	}
	strbuf_addf(b, "%s %s", name_of(v), units_format_duration(end - v->began_ns, time));
}

void up_tell_path(const struct up *u)
{
	_cleanup_(strbuf_finish) struct strbuf b = STRBUF_INIT;
	const struct up_vm *last = NULL;
	uint64_t sum = 0, before, first = UINT64_MAX; /* not what images took before */
	char all[32], single[32];

	for (size_t i = 0; i < u->n; i++) {
		const struct up_vm *v = &u->vms[i];

		if (!counts(v))
			continue;
		sum += end_of(v) - v->began_ns;
		first = v->began_ns < first ? v->began_ns : first;
		if (waited_for(u, v, &before) != NULL && (last == NULL || end_of(v) > end_of(last)))
			last = v;
	}
	if (last == NULL) /* nobody waited for anybody */
		return;
	add_chain(u, last, end_of(last), &b);
	strbuf_addf(&b, "; %s in all, %s one by one",
		    units_format_duration(end_of(last) - first, all),
		    units_format_duration(sum, single));
	engine_emit(u->e, &(struct engine_event){ .kind = ENGINE_NOTE,
						  .phase = "critical-path",
						  .text = b.s,
						  .elapsed_ns = end_of(last) - first });
}
