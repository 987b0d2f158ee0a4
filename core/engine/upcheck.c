/* SPDX-License-Identifier: Apache-2.0
 *
 * upcheck.c - can it be done?  Everything of an `up` that can be found out in
 * advance: limits, plugins and their options, ports, disks, room; what
 * the host offers is uphost.c's, images are upimages.c's.  Nothing was stopped, made or destroyed
 * when this says no.
 */
#include <base/alloc.h>
#include <base/fs.h>
#include <base/jsonx.h>
#include <base/units.h>
#include <compose/diag.h>
#include <engine/up.h>
#include <engine/volumes.h>
#include <plugin/registry.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/statvfs.h>

/* What the overlay, seed and records of one VM need at first; QEMU pauses a VM
 * whose disk cannot grow. */
#define SPACE_CREATE (1u << 20)
#define SPACE_START  (256u << 10)

/* The fixed host port of this mapping; 0: any, or any one of a range. */
static uint16_t fixed_port(const struct up_vm *v, const struct port_map *p)
{
	return p->host != 0 && p->host == p->host_end ? (uint16_t)(p->host + v->plan->index) : 0;
}

static bool holds_port(const struct vm_status *s, bool udp, uint16_t port)
{
	const struct instance_record *rec = s != NULL ? s->rec : NULL;

	if (rec == NULL || !s->alive.qemu)
		return false;
	if (!udp && rec->ssh_port == port)
		return true;
	for (size_t i = 0; i < rec->n_ports; i++) {
		if (rec->ports[i].host_port == port &&
		    udp == (strcmp(rec->ports[i].protocol, "udp") == 0))
			return true;
	}
	return false;
}

bool up_holds_port_of(const struct up_vm *holder, const struct up_vm *v)
{
	const struct service *s = v->plan->service;

	for (size_t i = 0; i < s->n_ports; i++) {
		uint16_t port = fixed_port(v, &s->ports[i]);

		if (port != 0 && holds_port(holder->status, s->ports[i].udp, port))
			return true;
	}
	return false;
}

/* The VM of this project that holds the port and keeps it; *ret_freed: one that
 * this run stops first holds it. */
static const char *project_holder(const struct up *u, bool udp, uint16_t port, bool *ret_freed)
{
	*ret_freed = false;
	for (size_t i = 0; i < u->n; i++) {
		const struct up_vm *v = &u->vms[i];

		if (!holds_port(v->status, udp, port))
			continue;
		*ret_freed = up_stops(v);
		return *ret_freed ? NULL : v->plan->name;
	}
	for (size_t i = 0; i < u->n_surplus; i++) {
		if (!holds_port(u->surplus[i].status, udp, port))
			continue;
		*ret_freed = u->surplus[i].allowed;
		return *ret_freed ? NULL : u->surplus[i].status->name;
	}
	for (size_t i = 0; i < u->was->n_vms; i++) { /* of services that were not named */
		if (holds_port(&u->was->vms[i], udp, port))
			return u->was->vms[i].name;
	}
	return NULL;
}

static int check_port(struct up *u, const struct up_vm *v, const struct port_map *p, uint16_t port,
		      struct holos_error **err)
{
	_cleanup_(freep) char *holder = NULL;
	const char *ours;
	bool freed;
	int r = ports_try(p->host_ip, p->udp, port);

	if (r == 0)
		return 0;
	if (r == -EADDRINUSE) {
		ours = project_holder(u, p->udp, port, &freed);
		if (freed)
			return 0;
		holder = ours != NULL ? xasprintf("%s of this project", ours)
				      : ports_holder(p->host_ip, p->udp, port);
	}
	error_set(err, ERR_START, "%s: host port %s:%u/%s is unavailable: %s%s%s%s", v->plan->name,
		  p->host_ip, port, p->udp ? "udp" : "tcp", strerror(-r),
		  holder != NULL ? " (" : "", holder != NULL ? holder : "",
		  holder != NULL ? ")" : "");
	if (r == -EACCES)
		error_hint(err,
			   "ports below 1024 need: sysctl "
			   "net.ipv4.ip_unprivileged_port_start=%u",
			   port);
	return -ERR_START;
}

/* Fixed ports are free, or get free by what this run stops. */
static int check_ports(struct up *u, struct holos_error **err)
{
	for (size_t i = 0; i < u->n; i++) {
		const struct up_vm *v = &u->vms[i];
		const struct service *s = v->plan->service;

		for (size_t k = 0; up_starts(v) && k < s->n_ports; k++) {
			uint16_t port = fixed_port(v, &s->ports[k]);
			int r = port != 0 ? check_port(u, v, &s->ports[k], port, err) : 0;

			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* What a start would trip over: bind sources, the base image, disks. */
static int check_starts(struct up *u, struct holos_error **err)
{
	for (size_t i = 0; i < u->n; i++) {
		const struct up_vm *v = &u->vms[i];
		int r = up_starts(v)
				? prepare_check(&u->prepare, v->plan,
						up_creates(v) || v->status == NULL ? NULL
										   : v->status->rec,
						err)
				: 0;

		if (r < 0)
			return error_wrap(err, "%s", v->plan->name);
	}
	return 0;
}

/* Volumes that the file wants smaller than they are. */
static int check_volumes(struct up *u, struct holos_error **err)
{
	for (size_t i = 0; i < u->n; i++) {
		const struct up_vm *v = &u->vms[i];
		int r = up_starts(v) ? volumes_check(u->e, u->project, v->plan->service,
						     v->plan->index, err)
				     : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

int up_check_space(struct up *u, struct holos_error **err)
{
	uint64_t need = 0, room;
	char a[32], b[32];
	struct statvfs fs;

	for (size_t i = 0; i < u->n; i++)
		need += up_starts(&u->vms[i])
				? (up_creates(&u->vms[i]) ? SPACE_CREATE : SPACE_START)
				: 0;
	if (need == 0 || fstatvfs(u->e->state->fd, &fs) < 0)
		return 0;
	room = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (room >= need)
		return 0;
	return error_set(err, ERR_HOST, "%s has %s free, and this needs %s", u->e->state->dir,
			 units_format_size(room, a), units_format_size(need, b));
}

/* Options as the user wrote them against the plugin's schema. */
static int check_options(struct registry *reg, const char *kind, const char *name, const char *json,
			 const char *path, struct holos_error **err)
{
	_cleanup_(json_putp) struct json_object *options = NULL;
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	const struct plugin_info *info;
	int r = registry_find(reg, kind, name, &info, &why);

	if (r == 0)
		r = jsonx_parse(json, strlen(json), path, &options, &why);
	if (r == 0)
		r = registry_check_options(info, options, path, NULL, NULL, &why);
	else
		error_wrap(&why, "%s", path);
	return r == 0 ? 0 : error_move(err, &why);
}

void find_plugin_faults(const struct project *p, struct registry *reg, struct diag *d)
{
	struct holos_error *one = NULL;

	for (size_t i = 0; i < p->n_networks; i++) {
		const struct network *n = &p->networks[i];
		bool own = n->options_mark.line != 0;
		const struct mark *mark = own ? &n->options_mark : &n->driver_mark;
		_cleanup_(freep) char *path =
			xasprintf("networks.%s.%s", n->name, own ? "options" : "driver");

		if (check_options(reg, "net", n->driver, n->options, path, &one) < 0)
			diag_add_all(d, mark, steal_ptr(&one));
	}
	for (size_t i = 0; i < p->n_services; i++) {
		const struct healthcheck *h = &p->services[i].healthcheck;
		bool own = h->options_mark.line != 0;
		const struct mark *mark = own ? &h->options_mark : &h->type_mark;
		_cleanup_(freep) char *path =
			xasprintf("services.%s.healthcheck.%s", p->services[i].name,
				  own ? "options" : "type");

		if (h->set && check_options(reg, "health", h->type, h->options, path, &one) < 0)
			diag_add_all(d, mark, steal_ptr(&one));
	}
}

int check_project_plugins(const struct project *p, struct registry *reg, struct holos_error **err)
{
	struct holos_error *found = NULL;
	struct diag d;

	diag_init(&d, p->arena);
	find_plugin_faults(p, reg, &d);
	return diag_take(&d, NULL, &found) == 0 ? 0 : error_move(err, &found);
}

static int check_plugins(struct up *u, struct holos_error **err)
{
	const struct plugin_info *info;
	int r = registry_find(engine_registry(u->e), "provision", "cloud-init", &info, err);

	if (r == 0)
		r = registry_find(engine_registry(u->e), "net", "user", &info, err);
	return r == 0 ? check_project_plugins(u->project, engine_registry(u->e), err) : r;
}

/* What a record holds, and QEMU can take. */
static int check_limits(struct up *u, struct holos_error **err)
{
	for (size_t i = 0; i < u->project->n_services; i++) {
		const struct service *s = &u->project->services[i];

		if (s->n_ports > VM_PORTS_MAX || s->n_networks >= RECORD_NICS_MAX) {
			error_set(err, ERR_INVALID,
				  "services.%s: %zu ports and %zu networks; there may be %u and %u",
				  s->name, s->n_ports, s->n_networks, VM_PORTS_MAX,
				  RECORD_NICS_MAX - 1);
			error_at(err != NULL ? *err : NULL, s->mark.file, s->mark.line,
				 s->mark.column);
			return -ERR_INVALID;
		}
	}
	return 0;
}

/* The longest socket path of all: sun_path has 108 bytes, unix(7). */
static int check_paths(struct up *u, struct holos_error **err)
{
	for (size_t i = 0; i < u->n; i++) {
		_cleanup_(freep) char *path =
			state_path(u->e->state, "instances/%s/%s/monitor.sock", u->project->name,
				   u->vms[i].plan->name);

		if (u->vms[i].action == UP_NOTHING || strlen(path) < 108)
			continue;
		error_set(err, ERR_INVALID,
			  "%s: the socket path %s has %zu bytes, and 107 is the most there can be",
			  u->vms[i].plan->name, path, strlen(path));
		error_hint(err,
			   "use a shorter state directory (--state-dir), project or service name");
		return -ERR_INVALID;
	}
	return 0;
}

int up_check_host(struct up *u, struct holos_error **err)
{
	bool any = false;
	int r;

	for (size_t i = 0; i < u->n; i++)
		any = any || up_starts(&u->vms[i]);
	r = check_limits(u, err);
	if (r == 0)
		r = check_paths(u, err);
	if (r < 0 || !any)
		return r;
	r = up_check_offers(u, err);
	if (r == 0)
		r = check_plugins(u, err);
	if (r == 0)
		r = up_check_devices(u, err);
	if (r == 0)
		r = check_ports(u, err);
	if (r == 0)
		r = check_volumes(u, err);
	if (r == 0)
		r = check_starts(u, err);
	return r;
}
