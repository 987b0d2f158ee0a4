/* SPDX-License-Identifier: Apache-2.0
 *
 * validate.c - rules that hold between the parts of a project.
 *
 * Ports and limits have files of their own (validate_ports.c, validate_limits.c).
 */
#include <compose/load.h>
#include <compose/validate.h>

#include <base/alloc.h>

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

/* Longest name of a unix socket in an instance's directory. */
#define SOCKET_NAME_MAX   12
#define SOCKET_PATH_MAX   107 /* sun_path without its NUL */
#define INSTANCE_NAME_MAX 63

static unsigned digits(unsigned n)
{
	return n < 10 ? 1 : n < 100 ? 2 : 3;
}

/* ---- one service ------------------------------------------------------------------- */

static void check_image(struct loader *l, const struct service *s)
{
	if (s->image != NULL && s->vm.root_disk != NULL)
		diag_error_mark(
			l->diag, &s->vm.root_disk_mark,
			"services.%s.vm.root_disk: the service has an image as well; it boots "
			"one of them",
			s->name);
	if (s->image != NULL || s->dockerfile != NULL || s->vm.root_disk != NULL ||
	    strmap_get(&l->broken, s->name) != STRMAP_NONE)
		return;
	/* What is there but wrong has been told; without replicas the whole service
	 * was no mapping. */
	if (s->replicas == 0 || s->image_mark.line > 0 || s->dockerfile_mark.line > 0 ||
	    s->vm.root_disk_mark.line > 0)
		return;
	diag_error_mark(l->diag, &s->mark, "services.%s: \"image\" or \"dockerfile\" is missing",
			s->name);
}

static void check_root_disk(struct loader *l, const struct service *s)
{
	if (s->vm.root_disk == NULL)
		return;
	if (s->replicas > 1)
		diag_error_mark(l->diag, &s->vm.root_disk_mark,
				"services.%s.vm.root_disk: one disk cannot boot %u replicas",
				s->name, s->replicas);
	if (s->vm.disk_size > 0)
		diag_error_mark(l->diag, &s->vm.disk_size_mark,
				"services.%s.vm.disk_size: an existing root_disk keeps its size",
				s->name);
}

static int by_target(const void *a, const void *b)
{
	const struct mount_spec *x = *(const struct mount_spec *const *)a;
	const struct mount_spec *y = *(const struct mount_spec *const *)b;
	int c = strcmp(x->target, y->target);

	return c != 0 ? c : x < y ? -1 : x > y;
}

static void check_targets(struct loader *l, const struct service *s)
{
	_cleanup_(freep) const struct mount_spec **sorted =
		xcalloc(s->n_mounts + 1, sizeof(*sorted));

	for (size_t i = 0; i < s->n_mounts; i++)
		sorted[i] = &s->mounts[i];
	qsort(sorted, s->n_mounts, sizeof(*sorted), by_target);
	for (size_t i = 1; i < s->n_mounts; i++) {
		if (strcmp(sorted[i - 1]->target, sorted[i]->target) == 0)
			diag_error_mark(
				l->diag, &sorted[i]->mark,
				"services.%s.volumes: two mounts at %s (the first at line %u)",
				s->name, text_show(l->arena, sorted[i]->target),
				sorted[i - 1]->mark.line);
	}
}

static void check_conditions(struct loader *l, const struct project *p, const struct service *s)
{
	for (size_t i = 0; i < s->n_depends_on; i++) {
		const struct dependency *dep = &s->depends_on[i];
		const struct service *other = &p->services[dep->service];

		/* A Dockerfile may bring a healthcheck of its own. */
		if (dep->condition != DEP_HEALTHY || other->healthcheck.set ||
		    (other->dockerfile != NULL && !other->healthcheck.disabled))
			continue;
		diag_error_mark(
			l->diag, &dep->mark,
			"services.%s.depends_on.%s: waits for it to be healthy, but it has no "
			"healthcheck",
			s->name, dep->name);
	}
}

static void check_lengths(struct loader *l, const struct project *p, const struct service *s)
{
	size_t instance = strlen(s->name) + 1 + digits(s->replicas - 1);
	size_t path;

	if (instance > INSTANCE_NAME_MAX && s->hostname == NULL)
		diag_warn_mark(
			l->diag, &s->mark,
			"services.%s: the instances' names are longer than %d characters, which "
			"guests may refuse as host names (set hostname)",
			s->name, INSTANCE_NAME_MAX);
	if (l->opts->state_dir == NULL)
		return;
	path = strlen(l->opts->state_dir) + strlen("/instances/") + strlen(p->name) + 1 + instance +
	       1 + SOCKET_NAME_MAX;
	if (path <= SOCKET_PATH_MAX)
		return;
	diag_error_mark(
		l->diag, &s->mark,
		"services.%s: the path of its sockets would be %zu bytes long, %d are possible",
		s->name, path, SOCKET_PATH_MAX);
	diag_hint(l->diag, "use a shorter name, or a state directory with a shorter path than %s",
		  text_show(l->arena, l->opts->state_dir));
}

static void check_plugin(struct loader *l, const char *kind, const char *name,
			 const struct mark *mark, const char *path)
{
	const char *advice;

	if (l->opts->plugin_missing == NULL || name == NULL)
		return;
	advice = l->opts->plugin_missing(l->opts->plugin_data, kind, name);
	if (advice == NULL)
		return;
	diag_error_mark(l->diag, mark, "%s: there is no %s plugin \"%s\"", path, kind, name);
	diag_hint(l->diag, "%s", advice);
}

/* ---- names ---------------------------------------------------------------------------- */

/* Instances are called SERVICE-N; guests find both kinds of names in one file. */
static void check_instance_names(struct loader *l, const struct project *p)
{
	_cleanup_(strmap_finish) struct strmap names = STRMAP_INIT;

	for (size_t i = 0; i < p->n_services; i++)
		strmap_set(&names, p->services[i].name, i);
	for (size_t i = 0; i < p->n_services; i++) {
		const struct service *s = &p->services[i];
		const char *dash = strrchr(s->name, '-');
		char *end;
		unsigned long n;
		size_t other;

		if (dash == NULL || dash[1] < '0' || dash[1] > '9' || (dash[1] == '0' && dash[2]))
			continue;
		n = strtoul(dash + 1, &end, 10);
		if (*end != '\0')
			continue;
		other = strmap_get(&names,
				   arena_strndup(l->arena, s->name, (size_t)(dash - s->name)));
		if (other != STRMAP_NONE && n < p->services[other].replicas)
			diag_error_mark(l->diag, &s->mark,
					"services.%s: instance %lu of service \"%s\" has this name",
					s->name, n, p->services[other].name);
	}
}

/* ---- what may be used once ---------------------------------------------------------------- */

/* Where something was used first, or NULL. */
struct use {
	const char *key;
	const struct service *service;
	const struct mark *mark;
};

static int by_use(const void *pa, const void *pb)
{
	const struct use *a = pa, *b = pb;
	int c = strcmp(a->key, b->key);

	return c != 0 ? c : a->mark < b->mark ? -1 : a->mark > b->mark;
}

static void check_devices(struct loader *l, const struct project *p)
{
	_cleanup_(freep) struct use *uses = NULL;
	size_t count = 0, n = 0;

	for (size_t i = 0; i < p->n_services; i++)
		count += p->services[i].n_devices;
	uses = xcalloc(count + 1, sizeof(*uses));
	for (size_t i = 0; i < p->n_services; i++) {
		const struct service *s = &p->services[i];

		for (size_t j = 0; j < s->n_devices; j++) {
			const struct device_spec *d = &s->devices[j];

			if (d->pci == NULL)
				continue;
			uses[n++] = (struct use){ d->pci, s, &d->mark };
			if (s->replicas > 1)
				diag_error_mark(
					l->diag, &d->mark,
					"services.%s.devices: %s cannot be in %u replicas at "
					"once",
					s->name, d->pci, s->replicas);
		}
	}
	qsort(uses, n, sizeof(*uses), by_use);
	for (size_t i = 1; i < n; i++) {
		if (strcmp(uses[i].key, uses[i - 1].key) == 0)
			diag_error_mark(
				l->diag, uses[i].mark,
				"services.%s.devices: %s is used by service \"%s\" (line %u) as "
				"well",
				uses[i].service->name, uses[i].key, uses[i - 1].service->name,
				uses[i - 1].mark->line);
	}
}

/* Disks that exist (root_disk, source of a used volume) are each used once. */
static void check_disks(struct loader *l, const struct project *p)
{
	_cleanup_(freep) struct use *uses =
		xcalloc(p->n_services + p->n_volumes + 1, sizeof(*uses));
	size_t n = 0;

	for (size_t i = 0; i < p->n_services; i++) {
		if (p->services[i].vm.root_disk != NULL)
			uses[n++] = (struct use){ p->services[i].vm.root_disk, &p->services[i],
						  &p->services[i].vm.root_disk_mark };
	}
	for (size_t i = 0; i < p->n_volumes; i++) {
		if (p->volumes[i].used && p->volumes[i].source != NULL && !p->volumes[i].shared)
			uses[n++] = (struct use){ p->volumes[i].source, NULL, &p->volumes[i].mark };
	}
	qsort(uses, n, sizeof(*uses), by_use);
	for (size_t i = 1; i < n; i++) {
		if (strcmp(uses[i].key, uses[i - 1].key) == 0)
			diag_error_mark(l->diag, uses[i].mark,
					"the disk %s is used twice, first at line %u",
					text_show(l->arena, uses[i].key), uses[i - 1].mark->line);
	}
}

/* ---- volumes ------------------------------------------------------------------------------- */

/* Who uses a volume, over all services. */
struct volume_use {
	const struct service *service; /* the first */
	const struct mark *mark;
	size_t instances;
	bool writable, several_services;
};

static void add_use(struct loader *l, struct volume_use *u, const struct service *s,
		    const struct mount_spec *m)
{
	if (u->service == s)
		diag_error_mark(
			l->diag, &m->mark,
			"services.%s.volumes: volume \"%s\" is mounted twice, first at line %u",
			s->name, m->source, u->mark->line);
	else
		u->instances += s->replicas;
	u->several_services = u->several_services || (u->service != NULL && u->service != s);
	u->writable = u->writable || !m->read_only;
	if (u->service == NULL || !m->read_only)
		u->mark = &m->mark;
	u->service = s;
}

static void check_volume(struct loader *l, const struct volume *v, const struct volume_use *u)
{
	if (v->per_replica && v->source != NULL)
		diag_error_mark(l->diag, &v->mark,
				"volumes.%s: one disk (source) cannot be several (per_replica)",
				v->name);
	if (v->per_replica && v->shared)
		diag_error_mark(l->diag, &v->mark,
				"volumes.%s: either shared or per_replica, not both", v->name);
	if (v->per_replica && u->several_services)
		diag_error_mark(
			l->diag, u->mark,
			"volume \"%s\" has one disk for each replica (per_replica), so only one "
			"service can use it",
			v->name);
	if (v->shared && u->writable) {
		diag_error_mark(l->diag, u->mark,
				"volume \"%s\" is shared, so it can only be mounted read-only",
				v->name);
		diag_hint(l->diag, "append :ro to the mount");
	}
	if (v->per_replica || v->shared || u->instances <= 1)
		return;
	diag_error_mark(l->diag, u->mark, "volume \"%s\" would be in %zu VMs at once", v->name,
			u->instances);
	diag_hint(l->diag,
		  "say \"per_replica: true\" under volumes.%s for a disk each, or \"shared: "
		  "true\" and mount it :ro everywhere",
		  v->name);
}

static void check_volumes(struct loader *l, const struct project *p)
{
	_cleanup_(freep) struct volume_use *uses = xcalloc(p->n_volumes + 1, sizeof(*uses));

	for (size_t i = 0; i < p->n_services; i++) {
		const struct service *s = &p->services[i];

		for (size_t j = 0; j < s->n_mounts; j++) {
			const struct mount_spec *m = &s->mounts[j];

			if (m->type == MOUNT_VOLUME && m->volume < p->n_volumes)
				add_use(l, &uses[m->volume], s, m);
		}
	}
	for (size_t i = 0; i < p->n_volumes; i++) {
		if (uses[i].service != NULL)
			check_volume(l, &p->volumes[i], &uses[i]);
	}
}

/* ---- networks -------------------------------------------------------------------------------- */

static bool overlap(uint32_t a, unsigned a_prefix, uint32_t b, unsigned b_prefix)
{
	unsigned prefix = a_prefix < b_prefix ? a_prefix : b_prefix;
	uint32_t mask = UINT32_MAX << (32 - prefix);

	return (a & mask) == (b & mask);
}

/* Addresses: not those of the subnet itself, of a gateway (.1), of broadcast. */
static size_t capacity(const struct network *n)
{
	return ((size_t)1 << (32 - n->prefix)) - 3;
}

static void check_subnet(struct loader *l, const struct project *p, size_t index, size_t instances)
{
	const struct network *n = &p->networks[index];
	const struct mark *at = n->subnet_mark.line > 0 ? &n->subnet_mark
				: n->mark.line > 0      ? &n->mark
							: &p->services_mark;

	if (n->subnet == NULL && n->subnet_mark.line == 0) {
		diag_error_mark(l->diag, &n->mark, "networks.%s: \"subnet\" is missing", n->name);
		diag_hint(l->diag, "only the network \"default\" has one of its own, 10.10.0.0/24");
	}
	if (n->subnet == NULL)
		return;
	if (instances > capacity(n)) {
		diag_error_mark(l->diag, at, "networks.%s: %zu instances, but subnet %s holds %zu",
				n->name, instances, n->subnet, capacity(n));
		diag_hint(l->diag, "give the network a larger subnet, like 10.10.0.0/16");
	}
	if (overlap(n->address, n->prefix, UINT32_C(10) << 24 | 2 << 8, 24))
		diag_error_mark(
			l->diag, at,
			"networks.%s.subnet: %s overlaps 10.0.2.0/24, where guests reach the "
			"host",
			n->name, n->subnet);
	for (size_t i = 0; i < index; i++) {
		const struct network *other = &p->networks[i];

		if (other->subnet != NULL &&
		    overlap(n->address, n->prefix, other->address, other->prefix))
			diag_error_mark(l->diag, at,
					"networks.%s.subnet: %s overlaps network \"%s\" (%s)",
					n->name, n->subnet, other->name, other->subnet);
	}
}

static void check_networks(struct loader *l, const struct project *p)
{
	_cleanup_(freep) size_t *instances = xcalloc(p->n_networks + 1, sizeof(*instances));

	for (size_t i = 0; i < p->n_services; i++) {
		for (size_t j = 0; j < p->services[i].n_networks; j++)
			instances[p->services[i].networks[j].network] += p->services[i].replicas;
	}
	for (size_t i = 0; i < p->n_networks; i++) {
		check_subnet(l, p, i, instances[i]);
		check_plugin(l, "net", p->networks[i].driver, &p->networks[i].driver_mark,
			     arena_printf(l->arena, "networks.%s.driver", p->networks[i].name));
	}
}

/* ---- all of it --------------------------------------------------------------------------------
 */

void validate_project(struct loader *l, struct project *p)
{
	if (p->n_services == 0 && p->inactive[0] == NULL && !l->no_services)
		diag_error_mark(l->diag, &p->services_mark, "at least one service is required");
	else if (p->n_services == 0 && !l->no_services)
		diag_warn_mark(l->diag, &p->services_mark,
			       "no service is in an active profile (see --profile)");
	for (size_t i = 0; i < p->n_services; i++) {
		const struct service *s = &p->services[i];

		check_image(l, s);
		check_root_disk(l, s);
		check_targets(l, s);
		check_conditions(l, p, s);
		check_lengths(l, p, s);
		if (s->healthcheck.set)
			check_plugin(
				l, "health", s->healthcheck.type, &s->healthcheck.type_mark,
				arena_printf(l->arena, "services.%s.healthcheck.type", s->name));
	}
	check_instance_names(l, p);
	check_devices(l, p);
	check_disks(l, p);
	check_volumes(l, p);
	check_networks(l, p);
	validate_ports(l, p);
	validate_limits(l, p);
}
