/* SPDX-License-Identifier: Apache-2.0
 *
 * plan.c - see plan.h.
 */
#include <base/alloc.h>
#include <base/sha256.h>
#include <compose/strmap.h>
#include <plan/plan.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void plan_segment(const char *project, const char *id, const char *network,
		  struct plan_segment *ret)
{
	bool plain = strcmp(network, "default") == 0;
	_cleanup_(freep) char *text =
		xasprintf("%s/%s%s%s", project, id, plain ? "" : "/", plain ? "" : network);
	uint8_t d[32];

	sha256(text, strlen(text), d);
	ret->group = xasprintf("239.%u.%u.%u", d[0], d[1], d[2]);
	ret->port = 10000 + ((unsigned)d[3] << 8 | d[4]) % 55000;
}

/* A plan being made.  Looked up, not searched: a plan has up to 10,000 VMs. */
struct draft {
	struct plan *plan;
	struct plan_past *past; /* by_nic() */
	size_t n_past;
	struct strmap macs; /* taken; the keys are the plan's and the past's */
};

static int by_nic(const void *pa, const void *pb)
{
	const struct plan_past *a = pa, *b = pb;
	int c = strcmp(a->vm, b->vm);

	return c != 0 ? c : strcmp(a->network, b->network);
}

static void draft_begin(struct draft *d, struct plan *p, const struct plan_past *past,
			size_t n_past)
{
	*d = (struct draft){ .plan = p, .n_past = n_past, .macs = STRMAP_INIT };
	d->past = xcalloc(n_past + 1, sizeof(*d->past));
	for (size_t i = 0; i < n_past; i++) {
		d->past[i] = past[i];
		strmap_set(&d->macs, past[i].mac, 0);
	}
	qsort(d->past, n_past, sizeof(*d->past), by_nic);
}

static void draft_finish(struct draft *d)
{
	strmap_finish(&d->macs);
	free(d->past);
}

static const struct plan_past *find_past(const struct draft *d, const char *vm, const char *network)
{
	const struct plan_past key = { .vm = vm, .network = network };

	return bsearch(&key, d->past, d->n_past, sizeof(key), by_nic);
}

/* The two bytes of a service's MACs: of "PROJECT/SERVICE", then of
 * "PROJECT/SERVICE#1" and on. */
static void mac_bytes(const struct draft *d, const struct service *s, unsigned salt, uint8_t ret[2])
{
	const char *project = d->plan->project->name;
	_cleanup_(freep) char *text = salt == 0 ? xasprintf("%s/%s", project, s->name)
						: xasprintf("%s/%s#%u", project, s->name, salt);
	uint8_t h[32];

	sha256(text, strlen(text), h);
	memcpy(ret, h, 2);
}

/* The contract's MAC, 52:54:<nic>:h0:h1:<replica>; when two services' bytes meet,
 * the next one tries its others.  first: its bytes without a salt. */
static char *make_mac(struct draft *d, const struct plan_vm *vm, size_t nic, const uint8_t first[2])
{
	unsigned kind = nic == 0 ? 1 : nic == 1 ? 0 : (unsigned)nic;
	uint8_t h[2] = { first[0], first[1] };

	for (unsigned salt = 1;; salt++) {
		char mac[32];
		char *kept;

		snprintf(mac, sizeof(mac), "52:54:%02x:%02x:%02x:%02x", kind & 0xff, h[0], h[1],
			 vm->index & 0xff);
		if (strmap_get(&d->macs, mac) == STRMAP_NONE) {
			kept = xstrdup(mac);
			strmap_set(&d->macs, kept, 0);
			return kept;
		}
		mac_bytes(d, vm->service, salt, h);
	}
}

static char *format_address(uint32_t address, unsigned prefix)
{
	struct in_addr in = { htonl(address) };
	char text[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &in, text, sizeof(text));
	return prefix != 0 ? xasprintf("%s/%u", text, prefix) : xstrdup(text);
}

/* The offset in the subnet of an "A.B.C.D/N" that lies in it, or 0. */
static uint32_t offset_of(const struct network *net, const char *address)
{
	_cleanup_(freep) char *plain = NULL;
	uint32_t size = UINT32_C(1) << (32 - net->prefix);
	struct in_addr in;
	uint32_t a;

	if (address == NULL)
		return 0;
	plain = xstrndup(address, strcspn(address, "/"));
	if (inet_pton(AF_INET, plain, &in) != 1)
		return 0;
	a = ntohl(in.s_addr);
	return a > net->address && a - net->address < size ? a - net->address : 0;
}

/* Give every NIC in `network` an address: .2 upward, what exists keeps its own. */
static int assign_addresses(const struct draft *d, size_t network, struct holos_error **err)
{
	struct plan *p = d->plan;
	const struct network *net = &p->project->networks[network];
	uint32_t size = UINT32_C(1) << (32 - net->prefix);
	_cleanup_(freep) bool *taken = xcalloc(size, sizeof(bool));
	uint32_t next = 2;

	for (size_t i = 0; i < d->n_past; i++) {
		if (strcmp(d->past[i].network, net->name) == 0)
			taken[offset_of(net, d->past[i].address)] = true;
	}
	for (size_t v = 0; v < p->n_vms; v++) {
		for (size_t i = 1; i < p->vms[v].n_nics; i++) {
			struct plan_nic *nic = &p->vms[v].nics[i];
			const struct plan_past *old;

			if (strcmp(nic->network, net->name) != 0)
				continue;
			old = find_past(d, p->vms[v].name, net->name);
			if (old != NULL && offset_of(net, old->address) != 0) {
				nic->address = xstrdup(old->address);
				continue;
			}
			while (next < size - 1 && taken[next])
				next++;
			if (next >= size - 1) {
				error_set(err, ERR_INVALID,
					  "network %s: %s holds %u VMs, and %s would be one more",
					  net->name, net->subnet, (unsigned)size - 3,
					  p->vms[v].name);
				if (err != NULL && *err != NULL && net->subnet_mark.line != 0)
					error_at(*err, net->subnet_mark.file, net->subnet_mark.line,
						 net->subnet_mark.column);
				error_hint(err, "give it a larger subnet");
				return -ERR_INVALID;
			}
			nic->address = format_address(net->address + next, net->prefix);
			taken[next] = true;
		}
	}
	return 0;
}

static void add_vm(struct draft *d, const struct service *s, unsigned index, const uint8_t mac[2])
{
	struct plan_vm *vm = &d->plan->vms[d->plan->n_vms];

	vm->service = s;
	vm->index = index;
	vm->name = xasprintf("%s-%u", s->name, index);
	vm->n_nics = 1 + s->n_networks;
	vm->nics = xcalloc(vm->n_nics, sizeof(*vm->nics));
	d->plan->n_vms++;
	for (size_t i = 0; i < vm->n_nics; i++) {
		const char *network = i == 0 ? PLAN_EXTERNAL : s->networks[i - 1].name;
		const struct plan_past *old = find_past(d, vm->name, network);

		vm->nics[i].network = xstrdup(network);
		vm->nics[i].mac = old != NULL ? xstrdup(old->mac) : make_mac(d, vm, i, mac);
	}
}

int plan_create(const struct project *project, const char *project_id, const struct plan_past *past,
		size_t n_past, struct plan **ret, struct holos_error **err)
{
	_cleanup_(plan_destroyp) struct plan *p = xnew(struct plan);
	_cleanup_(draft_finish) struct draft d;
	size_t n = 0;

	draft_begin(&d, p, past, n_past);
	p->project = project;
	for (size_t i = 0; i < project->n_services; i++)
		n += project->services[i].replicas;
	p->vms = xcalloc(n, sizeof(*p->vms));
	p->segments = xcalloc(project->n_networks, sizeof(*p->segments));
	for (size_t i = 0; i < project->n_networks; i++)
		plan_segment(project->name, project_id, project->networks[i].name, &p->segments[i]);
	for (size_t i = 0; i < project->n_services; i++) {
		const struct service *s = &project->services[project->order[i]];
		uint8_t mac[2];

		mac_bytes(&d, s, 0, mac);
		for (unsigned k = 0; k < s->replicas; k++)
			add_vm(&d, s, k, mac);
	}
	for (size_t i = 0; i < project->n_networks; i++) {
		int r = assign_addresses(&d, i, err);

		if (r < 0)
			return r;
	}
	*ret = steal_ptr(&p);
	return 0;
}

void plan_destroy(struct plan *p)
{
	if (p == NULL)
		return;
	for (size_t v = 0; v < p->n_vms; v++) {
		for (size_t i = 0; i < p->vms[v].n_nics; i++) {
			free(p->vms[v].nics[i].network);
			free(p->vms[v].nics[i].mac);
			free(p->vms[v].nics[i].address);
		}
		free(p->vms[v].nics);
		free(p->vms[v].name);
	}
	for (size_t i = 0; p->segments != NULL && i < p->project->n_networks; i++)
		free(p->segments[i].group);
	free(p->segments);
	free(p->vms);
	free(p);
}

static bool shares_network(const struct plan_vm *vm, const char *network)
{
	for (size_t i = 1; i < vm->n_nics; i++) {
		if (strcmp(vm->nics[i].network, network) == 0)
			return true;
	}
	return false;
}

static int compare_hosts(const void *a, const void *b)
{
	return strcmp(((const struct plan_host *)a)->address,
		      ((const struct plan_host *)b)->address);
}

static void add_neighbour(struct plan_host *h, const struct plan_vm *vm, size_t nic)
{
	const struct service_network *net = &vm->service->networks[nic - 1];
	const char *address = vm->nics[nic].address;
	size_t n = 0, aliases = 0;

	while (net->aliases[aliases] != NULL)
		aliases++;
	h->address = xstrndup(address, strcspn(address, "/"));
	h->names = xcalloc(aliases + 3, sizeof(*h->names));
	if (vm->index == 0) {
		h->names[n++] = vm->service->name;
		for (size_t i = 0; i < aliases; i++)
			h->names[n++] = net->aliases[i];
	}
	h->names[n] = vm->name;
}

size_t plan_hosts(const struct plan *p, const struct plan_vm *vm, struct plan_host **ret)
{
	struct plan_host *hosts = NULL;
	size_t n = 0, cap = 0, sorted;

	for (size_t v = 0; v < p->n_vms; v++) {
		for (size_t i = 1; i < p->vms[v].n_nics; i++) {
			if (shares_network(vm, p->vms[v].nics[i].network))
				add_neighbour(ARRAY_PUSH(hosts, n, cap), &p->vms[v], i);
		}
	}
	sorted = n;
	if (sorted > 1)
		qsort(hosts, sorted, sizeof(*hosts), compare_hosts);
	for (size_t i = 0; i < vm->service->n_extra_hosts; i++) {
		struct plan_host *h = ARRAY_PUSH(hosts, n, cap);

		h->address = xstrdup(vm->service->extra_hosts[i].address);
		h->names = xcalloc(2, sizeof(*h->names));
		h->names[0] = vm->service->extra_hosts[i].name;
	}
	*ret = hosts;
	return n;
}

bool plan_shares_hosts(const struct plan_vm *a, const struct plan_vm *b)
{
	const struct service *s = a->service, *t = b->service;
	bool same = a->n_nics == b->n_nics && s->n_extra_hosts == t->n_extra_hosts;

	for (size_t i = 1; same && i < a->n_nics; i++)
		same = strcmp(a->nics[i].network, b->nics[i].network) == 0;
	for (size_t i = 0; same && i < s->n_extra_hosts; i++)
		same = strcmp(s->extra_hosts[i].name, t->extra_hosts[i].name) == 0 &&
		       strcmp(s->extra_hosts[i].address, t->extra_hosts[i].address) == 0;
	return same;
}

void plan_hosts_free(struct plan_host *hosts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(hosts[i].address);
		free(hosts[i].names);
	}
	free(hosts);
}

/* The first n hex digits of the SHA-256 of text. */
static void short_hash(const char *text, size_t n, char *out)
{
	uint8_t d[32];
	char hex[65];

	sha256(text, strlen(text), d);
	sha256_hex(d, hex);
	memcpy(out, hex, n);
	out[n] = '\0';
}

void plan_mount_tag(size_t index, const char *target, char tag[32])
{
	_cleanup_(freep) char *path = xstrdup(target[0] == '/' ? target + 1 : target);
	int n;

	for (char *c = path; *c != '\0'; c++) {
		if (*c == '/')
			*c = '-';
	}
	n = snprintf(tag, 32, "share%zu-%s", index, *path != '\0' ? path : "root");
	if (n < 0 || n > 31 ||
	    path[strspn(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			      "0123456789._-")] != '\0') {
		char hash[17];

		short_hash(target, 16, hash);
		snprintf(tag, 32, "share%zu-%s", index % 10000, hash);
	}
}

void plan_volume_serial(const char *name, char serial[21])
{
	char hash[9];

	if (snprintf(serial, 21, "vol-%s", name) <= 20)
		return;
	short_hash(name, 8, hash);
	snprintf(serial, 21, "vol-%.7s-%s", name, hash);
}
