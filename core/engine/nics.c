/* SPDX-License-Identifier: Apache-2.0
 *
 * nics.c - see nics.h: asking the drivers.  What they change: nicsapply.c.
 */
#include <engine/nics.h>

#include <base/alloc.h>
#include <base/clock.h>
#include <base/fs.h>
#include <base/jsonx.h>
#include <engine/context.h>

#include <stdlib.h>
#include <string.h>

#define HELPER_READY_DEFAULT (10 * NS_PER_S)

void nics_finish(struct nics *n)
{
	for (size_t i = 0; i < n->n; i++) {
		struct nic_request *rq = &n->requests[i];

		free(rq->id);
		free(rq->dir);
		json_object_put(rq->options);
		net_plan_finish(&rq->plan);
		strv_finish(&n->args[i]);
	}
	free(n->requests);
	free(n->args);
	free(n->ends);
	*n = (struct nics){ 0 };
}

/* A service with internal networks alone has no way out. */
static struct json_object *external_options(const struct project *project, const struct service *s)
{
	struct json_object *options = json_object_new_object();
	bool internal = s->n_networks != 0;

	for (size_t i = 0; i < s->n_networks; i++)
		internal = internal && project->networks[s->networks[i].network].internal;
	if (internal)
		jsonx_set_bool(options, "internal", true);
	return options;
}

/* What is published, and SSH last.  The strings are the record's. */
static struct net_endpoint *published(const struct instance_record *rec)
{
	static char loopback[] = "127.0.0.1";
	struct net_endpoint *ends = xcalloc(rec->n_ports + 1, sizeof(*ends));

	for (size_t i = 0; i <= rec->n_ports; i++) {
		bool ssh = i == rec->n_ports;

		ends[i].protocol = !ssh && strcmp(rec->ports[i].protocol, "udp") == 0 ? 17 : 6;
		ends[i].host_addr = ssh ? loopback : rec->ports[i].host_ip;
		ends[i].host_port = ssh ? rec->ssh_port : rec->ports[i].host_port;
		ends[i].guest_port = ssh ? 22 : rec->ports[i].guest_port;
	}
	return ends;
}

/* Helpers are programs by their absolute path, and get ready inside the VM's
 * directory. */
static int check_helpers(const struct nic_request *rq, size_t before, struct holos_error **err)
{
	const struct net_plan *plan = &rq->plan;

	if (before + plan->n_helpers > LAUNCH_HELPERS_MAX)
		return error_set(err, ERR_HOST, "network \"%s\": more than %u helper processes",
				 rq->nic.network, LAUNCH_HELPERS_MAX);
	for (size_t i = 0; i < plan->n_helpers; i++) {
		const struct net_helper *h = &plan->helpers[i];

		if (h->argv.v[0][0] != '/' || h->name[0] == '\0' ||
		    (h->ready_path != NULL && h->ready_path[0] != '/'))
			return error_set(err, ERR_HOST,
					 "network plugin \"%s\": helper \"%s\": its program and "
					 "ready_path must be absolute paths",
					 rq->driver, h->name);
	}
	return 0;
}

static int plan_one(struct prepare *p, const struct plan_vm *vm, size_t i, size_t n_ends,
		    const char *dir, struct nics *n, struct holos_error **err)
{
	const struct service_network *sn = i > 0 ? &vm->service->networks[i - 1] : NULL;
	const struct network *net = sn != NULL ? &p->project->networks[sn->network] : NULL;
	struct nic_request *rq = &n->requests[i];
	int r = 0;

	rq->driver = net != NULL ? net->driver : "user";
	rq->id = xasprintf("net%zu", i);
	rq->dir = xstrdup(dir);
	rq->nic = (struct net_nic){ .vm = vm->name,
				    .id = rq->id,
				    .mac = vm->nics[i].mac,
				    .project = p->project->name,
				    .network = vm->nics[i].network,
				    .dir = rq->dir };
	if (net != NULL) {
		rq->nic.group = p->plan->segments[sn->network].group;
		rq->nic.group_port = p->plan->segments[sn->network].port;
		r = jsonx_parse(net->options, strlen(net->options), "network options", &rq->options,
				err);
	} else { /* the one that carries the ports */
		rq->nic.ports = n->ends;
		rq->nic.n_ports = n_ends;
		rq->options = external_options(p->project, vm->service);
	}
	if (r == 0)
		r = net_plan(engine_worker(p->e), rq->driver, rq->options, &rq->nic, &rq->plan,
			     err);
	return r;
}

int nics_plan(struct prepare *p, const struct plan_vm *vm, const struct instance_record *rec,
	      const char *dir, struct nics *ret, struct holos_error **err)
{
	_cleanup_(nics_finish) struct nics n = { .n = vm->n_nics };
	size_t helpers = 0;
	int r = 0;

	n.requests = xcalloc(n.n, sizeof(*n.requests));
	n.args = xcalloc(n.n, sizeof(*n.args));
	n.ends = published(rec);
	for (size_t i = 0; i < n.n && r == 0; i++) {
		r = plan_one(p, vm, i, rec->n_ports + 1, dir, &n, err);
		if (r == 0)
			r = check_helpers(&n.requests[i], helpers, err);
		helpers += n.requests[i].plan.n_helpers;
		if (r == 0)
			strv_add_all(&n.args[i], n.requests[i].plan.qemu.v);
	}
	if (r < 0)
		return r;
	*ret = n;
	n = (struct nics){ 0 };
	return 0;
}

int nics_check(struct prepare *p, const struct plan_vm *vm, struct holos_error **err)
{
	const struct service *s = vm->service;
	struct instance_record rec = { .n_ports = s->n_ports, .ssh_port = 1024 };
	_cleanup_(freep) char *dir =
		state_path(p->e->state, "instances/%s/%s", p->project->name, vm->name);
	_cleanup_(nics_finish) struct nics n = { 0 };
	char tcp[] = "tcp", udp[] = "udp";
	int r;

	rec.ports = xcalloc(s->n_ports, sizeof(*rec.ports));
	for (size_t i = 0; i < s->n_ports; i++) {
		rec.ports[i].host_ip = xstrdup(s->ports[i].host_ip);
		rec.ports[i].protocol = s->ports[i].udp ? udp : tcp;
		rec.ports[i].host_port = s->ports[i].host != 0 ? s->ports[i].host : 1024;
		rec.ports[i].guest_port = s->ports[i].guest;
	}
	r = nics_plan(p, vm, &rec, dir, &n, err);
	for (size_t i = 0; i < s->n_ports; i++)
		free(rec.ports[i].host_ip);
	free(rec.ports);
	return r;
}

struct json_object *nics_requests(const struct nics *n)
{
	struct json_object *all = NULL;

	for (size_t i = 0; i < n->n; i++) {
		const struct nic_request *rq = &n->requests[i];
		struct json_object *one;

		if (!rq->plan.applies)
			continue;
		one = json_object_new_object();
		jsonx_set_str(one, "driver", rq->driver);
		jsonx_set(one, "options", json_object_get(rq->options));
		jsonx_set(one, "nic", net_plan_request(rq->driver, rq->options, &rq->nic).args);
		if (all == NULL)
			all = json_object_new_array();
		json_object_array_add(all, one);
	}
	return all;
}

void nics_fill_launch(const struct nics *n, struct launch *l)
{
	l->networks = nics_requests(n);
	l->helpers = xcalloc(LAUNCH_HELPERS_MAX, sizeof(*l->helpers));
	for (size_t i = 0; i < n->n; i++) {
		const struct net_plan *plan = &n->requests[i].plan;

		for (size_t k = 0; k < plan->n_helpers; k++) {
			const struct net_helper *h = &plan->helpers[k];
			struct strv argv = STRV_INIT;

			strv_add_all(&argv, h->argv.v);
			l->helpers[l->n_helpers++] = (struct launch_helper){
				.name = xstrdup(h->name),
				.argv = argv.v,
				.ready_path = xstrdup_null(h->ready_path),
				.ready_timeout_ns = h->ready_timeout_ms != 0
							    ? h->ready_timeout_ms * NS_PER_MS
							    : HELPER_READY_DEFAULT,
			};
		}
	}
}
