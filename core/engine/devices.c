/* SPDX-License-Identifier: Apache-2.0
 *
 * devices.c - see devices.h.
 */
#include <base/alloc.h>
#include <engine/devices.h>
#include <engine/up.h>

static const char **addresses_of(const struct service *s)
{
	const char **v = xcalloc(s->n_devices, sizeof(*v));

	for (size_t i = 0; i < s->n_devices; i++)
		v[i] = s->devices[i].pci;
	return v;
}

static bool meant(const struct project *p, const bool *services, size_t i)
{
	return p->services[i].n_devices != 0 && (services == NULL || services[i]);
}

/* The kernel gives a group to one process. */
static void check_sharing(const struct project *p, const bool *services, size_t i,
			  const struct pci_list *host, device_problem_fn *fn, void *data)
{
	const struct service *s = &p->services[i];
	_cleanup_(freep) const char **mine = addresses_of(s);

	for (size_t k = 0; k < i; k++) {
		const struct service *o = &p->services[k];
		_cleanup_(freep) const char **others = NULL;
		struct vfio_problem problem = { .harmless = false };
		int group;

		if (!meant(p, services, k))
			continue;
		others = addresses_of(o);
		group = vfio_common_group(host, mine, s->n_devices, others, o->n_devices);
		if (group == PCI_NO_GROUP)
			continue;
		problem.text = xasprintf("devices of %s and %s are in one IOMMU group, %d, and a "
					 "group belongs to one VM",
					 o->name, s->name, group);
		problem.remedy = xasprintf("give all of them to one service");
		fn(data, s, &problem);
		free(problem.text);
		free(problem.remedy);
	}
}

int devices_check(const struct project *p, const bool *services, device_problem_fn *fn, void *data,
		  struct holos_error **err)
{
	_cleanup_(pci_list_finish) struct pci_list host = { 0 };
	uint64_t memlock = vfio_memlock();
	bool scanned = false;

	for (size_t i = 0; i < p->n_services; i++) {
		const struct service *s = &p->services[i];
		_cleanup_(vfio_problems_finish) struct vfio_problems problems = { 0 };
		_cleanup_(freep) const char **addresses = NULL;
		int r = 0;

		if (!meant(p, services, i))
			continue;
		if (!scanned)
			r = pci_scan(&host, err);
		if (r < 0)
			return r;
		scanned = true;
		addresses = addresses_of(s);
		vfio_check(&host, addresses, s->n_devices, (uint64_t)s->vm.memory_mb << 20, memlock,
			   &problems);
		for (size_t k = 0; k < problems.n; k++)
			fn(data, s, &problems.v[k]);
		check_sharing(p, services, i, &host, fn, data);
	}
	return 0;
}

struct told {
	struct engine *e;
	struct holos_error *errors; /* chained */
};

static void on_problem(void *data, const struct service *s, const struct vfio_problem *p)
{
	struct told *t = data;
	struct holos_error *one = NULL;
	const struct mark *m = &s->devices[0].mark;

	if (p->harmless) {
		engine_warn(t->e, "%s: %s; %s", s->name, p->text, p->remedy);
		return;
	}
	error_set(&one, ERR_HOST, "%s: %s", s->name, p->text);
	error_hint(&one, "%s", p->remedy);
	error_at(one, m->file, m->line, m->column);
	error_append(&t->errors, one);
}

int up_check_devices(struct up *u, struct holos_error **err)
{
	_cleanup_(freep) bool *services = xcalloc(u->project->n_services + 1, sizeof(*services));
	struct told t = { .e = u->e };
	int r;

	for (size_t i = 0; i < u->n; i++) {
		if (up_starts(&u->vms[i]))
			services[u->vms[i].service] = true;
	}
	r = devices_check(u->project, services, on_problem, &t, err);
	if (r < 0 || t.errors == NULL) {
		error_destroy(t.errors);
		return r;
	}
	return error_move(err, &t.errors);
}
