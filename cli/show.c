/* SPDX-License-Identifier: Apache-2.0
 *
 * show.c - a project's VMs, ports and addresses as text.
 */
#include <base/alloc.h>
#include <cli.h>

#include <arpa/inet.h>
#include <string.h>

static const struct vm_port *ports_of(const struct vm_status *v, size_t *ret_n)
{
	*ret_n = v->rec != NULL ? v->rec->n_ports : v->vm->n_ports;
	return v->rec != NULL ? v->rec->ports : v->vm->ports;
}

char *cli_ports_text(const struct vm_status *v)
{
	size_t n;
	const struct vm_port *ports = ports_of(v, &n);
	_cleanup_(strv_finish) struct strv list = STRV_INIT;

	for (size_t i = 0; i < n; i++) {
		bool plain = strcmp(ports[i].host_ip, "127.0.0.1") == 0;

		strv_addf(&list, "%s%s%u->%u/%s", plain ? "" : ports[i].host_ip, plain ? "" : ":",
			  ports[i].host_port, ports[i].guest_port, ports[i].protocol);
	}
	return n != 0 ? strv_join(list.v, ",") : xstrdup("-");
}

static void add_port_run(struct strv *list, const struct vm_port *first, unsigned count)
{
	bool plain = strcmp(first->host_ip, "127.0.0.1") == 0;
	_cleanup_(freep) char *host =
		count > 1 ? xasprintf("%u-%u", first->host_port, first->host_port + count - 1)
			  : xasprintf("%u", first->host_port);

	strv_addf(list, "%s%s%s->%u/%s", plain ? "" : first->host_ip, plain ? "" : ":", host,
		  first->guest_port, first->protocol);
}

static bool follows(const struct vm_port *run, unsigned count, const struct vm_port *p)
{
	return p->host_port == run->host_port + count && p->guest_port == run->guest_port &&
	       strcmp(p->host_ip, run->host_ip) == 0 && strcmp(p->protocol, run->protocol) == 0;
}

char *cli_service_ports_text(const struct project_status *p, const char *service)
{
	_cleanup_(strv_finish) struct strv list = STRV_INIT;
	bool more = true;

	/* The k-th port of each instance in turn: those of a fixed one count up. */
	for (size_t k = 0; more; k++) {
		const struct vm_port *run = NULL;
		unsigned count = 0;

		more = false;
		for (size_t i = 0; i < p->n_vms; i++) {
			size_t n;
			const struct vm_port *ports = ports_of(&p->vms[i], &n);

			if (strcmp(p->vms[i].service, service) != 0 || k >= n)
				continue;
			more = true;
			if (run != NULL && follows(run, count, &ports[k])) {
				count++;
				continue;
			}
			if (run != NULL)
				add_port_run(&list, run, count);
			run = &ports[k];
			count = 1;
		}
		if (run != NULL)
			add_port_run(&list, run, count);
	}
	return list.n != 0 ? strv_join(list.v, ",") : NULL;
}

char *cli_service_addresses_text(const struct project_status *p, const char *service)
{
	_cleanup_(strv_finish) struct strv list = STRV_INIT;
	struct in_addr first = { 0 }, last = { 0 };
	char text[INET_ADDRSTRLEN];

	for (size_t i = 0; i <= p->n_vms; i++) {
		const char *own = i < p->n_vms && strcmp(p->vms[i].service, service) == 0
					  ? p->vms[i].address
					  : NULL;
		struct in_addr a = { 0 };

		if (i < p->n_vms && (own == NULL || inet_pton(AF_INET, own, &a) != 1))
			continue;
		if (first.s_addr != 0 && ntohl(a.s_addr) == ntohl(last.s_addr) + 1 &&
		    (ntohl(a.s_addr) & 0xff) != 0) {
			last = a;
			continue;
		}
		if (first.s_addr != 0 && first.s_addr == last.s_addr)
			strv_add(&list, inet_ntop(AF_INET, &first, text, sizeof(text)));
		else if (first.s_addr != 0)
			strv_addf(&list, "%s-%u", inet_ntop(AF_INET, &first, text, sizeof(text)),
				  ntohl(last.s_addr) & 0xff);
		first = last = a;
	}
	return list.n != 0 ? strv_join(list.v, ",") : NULL;
}

void cli_print_project(const struct project_status *p)
{
	static const char *const header[] = { "INSTANCE", "STATUS", "PID", "PORTS", "LOG", NULL };
	const char **services;
	size_t n = project_status_services(p, &services);

	printf("project: %s\n\n", p->name);
	for (size_t s = 0; s < n; s++) {
		struct table *t = table_create("  ", header);

		printf("service: %s (%u/%u running)\n", services[s],
		       project_status_running(p, services[s]),
		       project_status_replicas(p, services[s]));
		for (size_t i = 0; i < p->n_vms; i++) {
			const struct vm_status *v = &p->vms[i];
			_cleanup_(freep) char *pid = NULL;
			_cleanup_(freep) char *ports = NULL;
			_cleanup_(freep) char *log = NULL;

			if (strcmp(v->service, services[s]) != 0)
				continue;
			pid = xasprintf("%ld", (long)v->vm->pid);
			ports = cli_ports_text(v);
			log = xasprintf("%s/console.log", v->dir);
			table_row(t, v->name, vm_state_name(v->vm->state), pid, ports, log);
		}
		table_print(t, stdout);
		puts("");
	}
	free(services);
}

int cli_show_project(struct engine *e, const char *project, bool json, struct holos_error **err)
{
	_cleanup_(project_status_destroyp) struct project_status *status = NULL;
	int r = json ? project_status_read(engine_state(e), project, &status, err)
		     : project_status_read_brief(engine_state(e), project, &status, err);

	live_end();
	if (r == 0 && json)
		print_json(project_status_json(status));
	else if (r == 0)
		cli_print_project(status);
	return r;
}

char *cli_seconds_text(uint64_t n)
{
	unsigned long long s = n;

	if (s < 60)
		return xasprintf("%llus", s);
	if (s < 3600)
		return xasprintf("%llum%llus", s / 60, s % 60);
	if (s < 2 * 86400)
		return xasprintf("%lluh%llum", s / 3600, s / 60 % 60);
	return xasprintf("%llud%lluh", s / 86400, s / 3600 % 24);
}
