/* SPDX-License-Identifier: Apache-2.0
 *
 * order.c - services in an order that starts dependencies first.
 *
 * Kahn's algorithm with the ready set at first sorted by name and dependents
 * visited in the order of names (contract.md 3.2): the order depends on the
 * file's meaning alone, not on where a service stands in it.
 */
#include <compose/load.h>

#include <base/alloc.h>
#include <base/strbuf.h>

#include <stdlib.h>
#include <string.h>

struct edge {
	size_t from, to; /* ranks by name: `to` depends on `from` */
};

struct graph {
	const struct project *p;
	size_t *by_rank; /* service index */
	size_t *rank;    /* of a service index */
	struct edge *edges;
	size_t n_edges;
	size_t *first; /* of a rank's edges; n + 1 of them */
	size_t *waits; /* for so many dependencies, by rank */
};

struct named {
	const char *name;
	size_t index;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct named *)a)->name, ((const struct named *)b)->name);
}

static int by_from(const void *pa, const void *pb)
{
	const struct edge *a = pa, *b = pb;

	if (a->from != b->from)
		return a->from < b->from ? -1 : 1;
	return a->to < b->to ? -1 : a->to > b->to;
}

static void graph_init(struct graph *g, const struct project *p)
{
	_cleanup_(freep) struct named *names = xcalloc(p->n_services + 1, sizeof(*names));
	size_t n = p->n_services, count = 0, e = 0;

	*g = (struct graph){ .p = p };
	g->by_rank = xcalloc(n + 1, sizeof(*g->by_rank));
	g->rank = xcalloc(n + 1, sizeof(*g->rank));
	g->first = xcalloc(n + 2, sizeof(*g->first));
	g->waits = xcalloc(n + 1, sizeof(*g->waits));
	for (size_t i = 0; i < n; i++) {
		names[i] = (struct named){ p->services[i].name, i };
		count += p->services[i].n_depends_on;
	}
	qsort(names, n, sizeof(*names), by_name);
	for (size_t i = 0; i < n; i++) {
		g->by_rank[i] = names[i].index;
		g->rank[names[i].index] = i;
	}
	g->edges = xcalloc(count + 1, sizeof(*g->edges));
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < p->services[i].n_depends_on; j++)
			g->edges[e++] =
				(struct edge){ g->rank[p->services[i].depends_on[j].service],
					       g->rank[i] };
	}
	g->n_edges = count;
	qsort(g->edges, count, sizeof(*g->edges), by_from);
	for (size_t i = 0; i < count; i++) {
		g->first[g->edges[i].from + 1]++;
		g->waits[g->edges[i].to]++;
	}
	for (size_t i = 0; i < n; i++)
		g->first[i + 1] += g->first[i];
}

static void graph_finish(struct graph *g)
{
	free(g->by_rank);
	free(g->rank);
	free(g->edges);
	free(g->first);
	free(g->waits);
}

/* A dependency of service s that still waits, so lies on or before a cycle. */
static const struct dependency *waiting_dependency(const struct graph *g, const struct service *s)
{
	for (size_t i = 0; i < s->n_depends_on; i++) {
		if (g->waits[g->rank[s->depends_on[i].service]] > 0)
			return &s->depends_on[i];
	}
	return NULL;
}

/* From any service that waits, following what it waits for leads into a cycle;
 * the walk is named from where it closes. */
static void report_cycle(struct loader *l, const struct graph *g, size_t start)
{
	_cleanup_(strbuf_finish) struct strbuf text = STRBUF_INIT;
	_cleanup_(freep) size_t *seen = xcalloc(g->p->n_services, sizeof(*seen));
	const struct dependency *dep;
	size_t at = start, steps = 0, first;

	while (seen[at] == 0) {
		seen[at] = ++steps;
		at = waiting_dependency(g, &g->p->services[at])->service;
	}
	/* Name it from its first service by name, whatever led there. */
	first = at;
	for (size_t i = at;;) {
		if (g->rank[i] < g->rank[first])
			first = i;
		i = waiting_dependency(g, &g->p->services[i])->service;
		if (i == at)
			break;
	}
	at = first;
	do {
		strbuf_addf(&text, "%s -> ", g->p->services[at].name);
		at = waiting_dependency(g, &g->p->services[at])->service;
	} while (at != first);
	strbuf_adds(&text, g->p->services[first].name);
	dep = waiting_dependency(g, &g->p->services[first]);
	diag_error_mark(l->diag, &dep->mark,
			"services.%s.depends_on: circular dependency detected among services: %s",
			g->p->services[first].name, text.s);
}

void order_services(struct loader *l, struct project *p)
{
	_cleanup_(graph_finish) struct graph g = { .p = NULL };
	size_t *order = arena_array(l->arena, p->n_services + 1, size_t);
	_cleanup_(freep) size_t *queue = xcalloc(p->n_services + 1, sizeof(*queue));
	size_t head = 0, tail = 0;

	graph_init(&g, p);
	for (size_t r = 0; r < p->n_services; r++) {
		if (g.waits[r] == 0)
			queue[tail++] = r;
	}
	while (head < tail) {
		size_t r = queue[head];

		order[head++] = g.by_rank[r];
		for (size_t e = g.first[r]; e < g.first[r + 1]; e++) {
			if (--g.waits[g.edges[e].to] == 0)
				queue[tail++] = g.edges[e].to;
		}
	}
	p->order = order;
	for (size_t r = 0; r < p->n_services && tail < p->n_services; r++) {
		if (g.waits[r] > 0) {
			report_cycle(l, &g, g.by_rank[r]);
			return;
		}
	}
}
