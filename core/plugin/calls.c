/* SPDX-License-Identifier: Apache-2.0
 *
 * calls.c - network, provision and health plugins, typed: see calls.h.
 */
#include <plugin/calls.h>

#include <base/alloc.h>
#include <base/clock.h>
#include <base/fs.h>
#include <base/jsonx.h>
#include <plugin/wire.h>

#include <stdlib.h>
#include <string.h>

#define PLAN_ITEMS_MAX 1024 /* of each sort; a plan is for one NIC */
#define PLAN_FILE_MAX  (64u << 10)

/* ---- networks -------------------------------------------------------------- */

static void endpoint_finish(struct net_endpoint *e)
{
	free(e->host_addr);
}

static void helper_finish(struct net_helper *h)
{
	free(h->name);
	strv_finish(&h->argv);
	free(h->ready_path);
}

static void file_finish(struct net_file *f)
{
	free(f->name);
	free(f->data);
}

void net_plan_finish(struct net_plan *p)
{
	strv_finish(&p->qemu);
	for (size_t i = 0; i < p->n_helpers; i++)
		helper_finish(&p->helpers[i]);
	free(p->helpers);
	for (size_t i = 0; i < p->n_endpoints; i++)
		endpoint_finish(&p->endpoints[i]);
	free(p->endpoints);
	for (size_t i = 0; i < p->n_files; i++)
		file_finish(&p->files[i]);
	free(p->files);
	*p = (struct net_plan){ 0 };
}

static struct json_object *endpoints_json(const struct net_endpoint *e, size_t n)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < n; i++) {
		struct json_object *obj = json_object_new_object();

		jsonx_set_int(obj, "protocol", e[i].protocol);
		jsonx_set_str(obj, "host_addr", e[i].host_addr);
		jsonx_set_int(obj, "host_port", e[i].host_port);
		jsonx_set_int(obj, "guest_port", e[i].guest_port);
		json_object_array_add(list, obj);
	}
	return list;
}

struct worker_request net_plan_request(const char *driver, struct json_object *options,
				       const struct net_nic *nic)
{
	struct worker_request rq = {
		.kind = "net", .name = driver, .op = "plan", .options = options
	};

	rq.args = json_object_new_object();
	jsonx_set_str(rq.args, "vm", nic->vm);
	jsonx_set_str(rq.args, "id", nic->id);
	jsonx_set_str(rq.args, "mac", nic->mac);
	jsonx_set_str(rq.args, "project", nic->project);
	jsonx_set_str(rq.args, "network", nic->network);
	jsonx_set_int(rq.args, "mtu", nic->mtu);
	jsonx_set(rq.args, "ports", endpoints_json(nic->ports, nic->n_ports));
	jsonx_set_str(rq.args, "group", nic->group);
	jsonx_set_int(rq.args, "group_port", nic->group_port);
	jsonx_set_str(rq.args, "dir", nic->dir);
	return rq;
}

static bool parse_strings(struct json_object *list, struct strv *ret)
{
	if (jsonx_len(list) > PLAN_ITEMS_MAX)
		return false;
	for (size_t i = 0; i < jsonx_len(list); i++) {
		const char *s = jsonx_str_at(list, i);

		if (s == NULL)
			return false;
		strv_add(ret, s);
	}
	return true;
}

static bool parse_endpoints(struct json_object *list, struct net_plan *p)
{
	if (jsonx_len(list) > PLAN_ITEMS_MAX)
		return false;
	p->endpoints = xcalloc(jsonx_len(list) + 1, sizeof(*p->endpoints));
	for (size_t i = 0; i < jsonx_len(list); i++) {
		struct json_object *obj = json_object_array_get_idx(list, i);

		p->endpoints[p->n_endpoints++] = (struct net_endpoint){
			.protocol = (uint32_t)jsonx_int(obj, "protocol", 0),
			.host_addr = xstrdup_null(jsonx_str(obj, "host_addr", NULL)),
			.host_port = (uint32_t)jsonx_int(obj, "host_port", 0),
			.guest_port = (uint32_t)jsonx_int(obj, "guest_port", 0),
		};
	}
	return true;
}

static bool parse_helpers(struct json_object *list, struct net_plan *p)
{
	if (jsonx_len(list) > PLAN_ITEMS_MAX)
		return false;
	p->helpers = xcalloc(jsonx_len(list) + 1, sizeof(*p->helpers));
	for (size_t i = 0; i < jsonx_len(list); i++) {
		struct json_object *obj = json_object_array_get_idx(list, i);
		struct net_helper *h = &p->helpers[p->n_helpers++];

		h->name = xstrdup(jsonx_str(obj, "name", ""));
		h->ready_path = xstrdup_null(jsonx_str(obj, "ready_path", NULL));
		h->ready_timeout_ms = (uint32_t)jsonx_int(obj, "ready_timeout_ms", 0);
		if (!parse_strings(jsonx_arr(obj, "argv"), &h->argv) || h->argv.n == 0)
			return false;
	}
	return true;
}

/* The files' contents come as descriptors, in the order of their names. */
static bool parse_files(struct worker_result *res, struct net_plan *p, struct holos_error **err)
{
	struct json_object *list = jsonx_arr(res->value, "files");

	if (jsonx_len(list) != res->n_fds)
		return false;
	p->files = xcalloc(res->n_fds + 1, sizeof(*p->files));
	for (unsigned i = 0; i < res->n_fds; i++) {
		_cleanup_(strbuf_finish) struct strbuf text = STRBUF_INIT;
		const char *name = jsonx_str_at(list, i);
		struct net_file *f = &p->files[p->n_files++];

		if (name == NULL || lseek(res->fds[i], 0, SEEK_SET) < 0 ||
		    fs_read_fd(res->fds[i], name, PLAN_FILE_MAX, &text, err) < 0)
			return false;
		f->name = xstrdup(name);
		f->len = text.len;
		f->data = strbuf_steal(&text);
	}
	return true;
}

int net_plan_parse(struct worker_result *res, const char *driver, struct net_plan *ret,
		   struct holos_error **err)
{
	struct net_plan p = { 0 };
	_cleanup_(error_destroyp) struct holos_error *why = NULL;

	p.applies = jsonx_bool(res->value, "applies", false);
	if (parse_strings(jsonx_arr(res->value, "qemu"), &p.qemu) &&
	    parse_endpoints(jsonx_arr(res->value, "endpoints"), &p) &&
	    parse_helpers(jsonx_arr(res->value, "helpers"), &p) && parse_files(res, &p, &why)) {
		*ret = p;
		return 0;
	}
	net_plan_finish(&p);
	if (why != NULL)
		return error_set(err, ERR_FAILED, "network plugin \"%s\": %s", driver,
				 why->message);
	return error_set(err, ERR_FAILED, "network plugin \"%s\": plan makes no sense", driver);
}

int net_plan(struct worker *w, const char *driver, struct json_object *options,
	     const struct net_nic *nic, struct net_plan *ret, struct holos_error **err)
{
	struct worker_request rq = net_plan_request(driver, options, nic);
	struct worker_result res;
	int r;

	r = worker_call_wait_result(w, &rq, NULL, &res);
	json_object_put(rq.args);
	if (r < 0)
		error_move(err, &res.err);
	else
		r = net_plan_parse(&res, driver, ret, err);
	worker_result_finish(&res);
	return r;
}

int net_journal(struct worker *w, const char *driver, struct json_object *options,
		struct json_object *nic, char **ret, struct holos_error **err)
{
	struct worker_request rq = {
		.kind = "net", .name = driver, .op = "journal", .options = options, .args = nic
	};
	_cleanup_(json_putp) struct json_object *answer = NULL;
	const char *journal;
	int r;

	r = worker_call_wait(w, &rq, &answer, err);
	if (r < 0)
		return r;
	journal = jsonx_str(answer, "journal", NULL);
	if (journal == NULL || strlen(journal) > NET_JOURNAL_MAX)
		return error_set(err, ERR_FAILED, "network plugin \"%s\": it gave no journal",
				 driver);
	*ret = xstrdup(journal);
	return 0;
}

int net_apply(struct worker *w, const char *driver, struct json_object *options,
	      struct json_object *nic, const char *journal, struct holos_error **err)
{
	struct worker_request rq = {
		.kind = "net", .name = driver, .op = "apply", .options = options, .args = nic
	};
	int r;

	jsonx_set_str(nic, "journal", journal);
	r = worker_call_wait(w, &rq, NULL, err);
	json_object_object_del(nic, "journal");
	return r;
}

struct worker_request net_undo_request(const char *driver, const char *journal)
{
	struct worker_request rq = { .kind = "net", .name = driver, .op = "undo" };

	rq.args = json_object_new_object();
	jsonx_set_str(rq.args, "journal", journal);
	return rq;
}

int net_undo(struct worker *w, const char *driver, const char *journal, struct holos_error **err)
{
	struct worker_request rq = net_undo_request(driver, journal);
	int r = worker_call_wait(w, &rq, NULL, err);

	json_object_put(rq.args);
	return r;
}

/* ---- provisioning ----------------------------------------------------------- */

/* Copying gigabytes takes as long as it takes. */
#define CONTEXT_TIMEOUT_NS (30 * 60 * NS_PER_S)

int provision_seed(struct worker *w, const char *plugin, struct json_object *options,
		   struct json_object *steps, struct json_object *shared, int fd, int context,
		   const struct provision_secret *secrets, size_t n_secrets,
		   struct holos_error **err)
{
	_cleanup_(json_putp) struct json_object *args = json_object_new_object();
	_cleanup_(strv_finish) struct strv names = STRV_INIT;
	int fds[WORKER_FDS_MAX];
	struct worker_request rq = { .kind = "provision",
				     .name = plugin,
				     .op = "seed",
				     .options = options,
				     .args = args,
				     .shared = shared,
				     .fds = fds,
				     .timeout_ns = context >= 0 ? CONTEXT_TIMEOUT_NS : 0 };

	if (n_secrets + 1 >= WORKER_FDS_MAX)
		return error_set(err, ERR_FAILED, "provision plugin \"%s\": too many secrets",
				 plugin);
	jsonx_set(args, "steps", json_object_get(steps));
	strv_add(&names, "seed");
	fds[0] = fd;
	for (size_t i = 0; i < n_secrets; i++) {
		strv_addf(&names, "secret:%s", secrets[i].name);
		fds[i + 1] = secrets[i].fd;
	}
	if (context >= 0) {
		fds[names.n] = context;
		strv_add(&names, "context");
	}
	rq.fd_names = (const char *const *)names.v;
	rq.n_fds = (unsigned)names.n;
	return worker_call_wait(w, &rq, NULL, err);
}

int provision_translate(struct worker *w, const char *plugin, struct json_object *options,
			const char *path, struct json_object **ret, struct holos_error **err)
{
	_cleanup_(json_putp) struct json_object *args = json_object_new_object();
	_cleanup_(json_putp) struct json_object *answer = NULL;
	struct worker_request rq = { .kind = "provision",
				     .name = plugin,
				     .op = "translate",
				     .options = options,
				     .args = args };
	int r;

	jsonx_set_str(args, "path", path);
	r = worker_call_wait(w, &rq, &answer, err);
	if (r < 0)
		return r;
	if (jsonx_obj(answer, "steps") == NULL)
		return error_set(err, ERR_FAILED,
				 "provision plugin \"%s\": translate gave no steps", plugin);
	*ret = json_object_get(jsonx_obj(answer, "steps"));
	return 0;
}

/* ---- health ------------------------------------------------------------------ */

struct worker_request health_check_request(const char *plugin, struct json_object *options,
					   const struct health_guest *guest, uint64_t timeout_ns)
{
	struct worker_request rq = { .kind = "health",
				     .name = plugin,
				     .op = "check",
				     .options = options,
				     .timeout_ns = timeout_ns };

	rq.args = json_object_new_object();
	jsonx_set_str(rq.args, "vm", guest->vm);
	jsonx_set_str(rq.args, "ssh_host", guest->ssh_host);
	jsonx_set_int(rq.args, "ssh_port", guest->ssh_port);
	jsonx_set_str(rq.args, "ssh_user", guest->ssh_user);
	jsonx_set_str(rq.args, "ssh_key", guest->ssh_key);
	jsonx_set_str(rq.args, "ssh_known_hosts", guest->ssh_known_hosts);
	jsonx_set_str(rq.args, "agent_socket", guest->agent_socket);
	jsonx_set_str(rq.args, "console_log", guest->console_log);
	jsonx_set(rq.args, "endpoints", endpoints_json(guest->endpoints, guest->n_endpoints));
	return rq;
}
