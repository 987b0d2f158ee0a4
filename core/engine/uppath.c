/* SPDX-License-Identifier: Apache-2.0
 *
 * uppath.c - what took the time: the chain of dependencies that was ready last.
 */
#include <base/alloc.h>
#include <base/strbuf.h>
#include <base/units.h>
#include <engine/up.h>

static bool counts(const struct up_vm *v)
{
	return v->started && v->phase != UP_FAILED && v->done_ns > v->began_ns;
}

/* Of what v's service depends on, the VM that was ready last; NULL: nothing that
 * this run started. */
static const struct up_vm *waited_for(const struct up *u, const struct up_vm *v)
{
	const struct service *s = v->plan->service;
	const struct up_vm *last = NULL;

	for (size_t d = 0; d < s->n_depends_on; d++) {
		for (size_t i = 0; i < u->n; i++) {
			const struct up_vm *o = &u->vms[i];

			if (o->service == s->depends_on[d].service && counts(o) &&
			    o->done_ns <= v->began_ns &&
			    (last == NULL || o->done_ns > last->done_ns))
				last = o;
		}
	}
	return last;
}

static const char *name_of(const struct up_vm *v)
{
	return v->plan->service->replicas == 1 ? v->plan->service->name : v->plan->name;
}

/* "db 8.1s -> app 6.0s", the first link first. */
static void add_chain(const struct up *u, const struct up_vm *v, struct strbuf *b)
{
	const struct up_vm *before = waited_for(u, v);
	char time[32];

	if (before != NULL) {
		add_chain(u, before, b);
		strbuf_adds(b, " -> ");
	}
	strbuf_addf(b, "%s %s", name_of(v), units_format_duration(v->done_ns - v->began_ns, time));
}

void up_tell_path(const struct up *u)
{
	_cleanup_(strbuf_finish) struct strbuf b = STRBUF_INIT;
	const struct up_vm *last = NULL;
	uint64_t sum = 0;
	char all[32], single[32];

	for (size_t i = 0; i < u->n; i++) {
		const struct up_vm *v = &u->vms[i];

		if (!counts(v))
			continue;
		sum += v->done_ns - v->began_ns;
		if (waited_for(u, v) != NULL && (last == NULL || v->done_ns > last->done_ns))
			last = v;
	}
	if (last == NULL) /* nobody waited for anybody */
		return;
	add_chain(u, last, &b);
	strbuf_addf(&b, "; %s in all, %s one by one",
		    units_format_duration(last->done_ns - u->began_ns, all),
		    units_format_duration(sum, single));
	engine_emit(u->e, &(struct engine_event){ .kind = ENGINE_NOTE,
						  .phase = "critical-path",
						  .text = b.s,
						  .elapsed_ns = last->done_ns - u->began_ns });
}
