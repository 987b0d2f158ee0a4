/* SPDX-License-Identifier: Apache-2.0
 *
 * instancerecord.c - instance.json, see records.h.
 */
#include <base/alloc.h>
#include <base/fs.h>
#include <base/jsonx.h>
#include <base/names.h>
#include <state/field.h>
#include <state/records.h>
#include <state/vmport.h>

#include <stdlib.h>
#include <string.h>

#define RECORD_MAX (4u << 20)

struct instance_record *instance_record_create(void)
{
	return xnew(struct instance_record);
}

void instance_record_destroy(struct instance_record *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < r->n_nics; i++) {
		free(r->nics[i].network);
		free(r->nics[i].mac);
		free(r->nics[i].address);
	}
	free(r->nics);
	vm_ports_free(r->ports, r->n_ports);
	free(r->project);
	free(r->project_id);
	free(r->service);
	free(r->name);
	free(r->generation);
	free(r->uuid);
	free(r->user);
	free(r->file);
	free(r->dir);
	free(r->base);
	free(r->base_ident);
	free(r->root);
	free(r->root_format);
	free(r->init);
	json_object_put(r->spec);
	free(r->created_at);
	free(r);
}

const struct record_nic *instance_record_nic(const struct instance_record *r, const char *network)
{
	for (size_t i = 0; i < r->n_nics; i++) {
		if (strcmp(r->nics[i].network, network) == 0)
			return &r->nics[i];
	}
	return NULL;
}

static void decode_nics(struct fields *f, struct instance_record *r)
{
	struct json_object *arr = field_arr(f, "nics", RECORD_NICS_MAX);

	r->nics = xcalloc(jsonx_len(arr), sizeof(*r->nics));
	for (size_t i = 0; i < jsonx_len(arr); i++) {
		struct fields n = fields_open(json_object_array_get_idx(arr, i), f->what, f->err);

		r->nics[i].network = field_str(&n, "network", true);
		r->nics[i].mac = field_str(&n, "mac", true);
		r->nics[i].address = field_str(&n, "address", false);
		r->n_nics++;
		if (n.r < 0)
			f->r = n.r;
	}
}

static int decode(struct json_object *obj, const char *what, struct instance_record **ret,
		  struct holos_error **err)
{
	_cleanup_(instance_record_destroyp) struct instance_record *r = instance_record_create();
	struct fields f = fields_open(obj, what, err);

	field_format(&f, INSTANCE_RECORD_FORMAT);
	r->project = field_str(&f, "project", true);
	r->project_id = field_str(&f, "project_id", true);
	r->service = field_str(&f, "service", true);
	r->name = field_str(&f, "name", true);
	r->index = (unsigned)field_int(&f, "index", 0, 1 << 20, 0);
	r->generation = field_str(&f, "generation", true);
	r->uuid = field_str(&f, "uuid", true);
	r->user = field_str(&f, "user", false);
	r->ssh_port = (uint16_t)field_int(&f, "ssh_port", 0, 65535, 0);
	r->file = field_raw(&f, "file", false);
	r->dir = field_raw(&f, "dir", false);
	r->base = field_raw(&f, "base", false);
	r->base_ident = field_str(&f, "base_ident", false);
	r->root = field_raw(&f, "root", true);
	r->root_format = field_str(&f, "root_format", true);
	r->init = field_str(&f, "init", false);
	r->launched = field_bool(&f, "launched", true);
	r->grace_ns = (uint64_t)field_int(&f, "grace_ns", 0, INT64_MAX, 0);
	r->created_at = field_str(&f, "created_at", false);
	decode_nics(&f, r);
	vm_ports_decode(&f, &r->ports, &r->n_ports);
	r->spec = json_object_get(field_obj(&f, "spec"));
	if (f.r == 0 && strcmp(r->root_format, "qcow2") != 0 && strcmp(r->root_format, "raw") != 0)
		field_spoil(&f, "root_format", "must be qcow2 or raw");
	if (f.r == 0 && r->user != NULL && !names_is_user(r->user))
		field_spoil(&f, "user", "must be a user name");
	if (f.r < 0)
		return f.r;
	*ret = steal_ptr(&r);
	return 0;
}

int instance_record_read(int dirfd, struct instance_record **ret, struct holos_error **err)
{
	_cleanup_(json_putp) struct json_object *obj = NULL;
	int r = jsonx_read_file(dirfd, INSTANCE_RECORD_FILE, RECORD_MAX, &obj, err);

	return r < 0 ? r : decode(obj, INSTANCE_RECORD_FILE, ret, err);
}

static struct json_object *encode(const struct instance_record *r)
{
	struct json_object *obj = json_object_new_object();
	struct json_object *nics = json_object_new_array();

	jsonx_set_int(obj, "format", INSTANCE_RECORD_FORMAT);
	jsonx_set_str(obj, "project", r->project);
	jsonx_set_str(obj, "project_id", r->project_id);
	jsonx_set_str(obj, "service", r->service);
	jsonx_set_str(obj, "name", r->name);
	jsonx_set_int(obj, "index", r->index);
	jsonx_set_str(obj, "generation", r->generation);
	jsonx_set_str(obj, "uuid", r->uuid);
	for (size_t i = 0; i < r->n_nics; i++) {
		struct json_object *n = json_object_new_object();

		jsonx_set_str(n, "network", r->nics[i].network);
		jsonx_set_str(n, "mac", r->nics[i].mac);
		jsonx_set_str(n, "address", r->nics[i].address);
		json_object_array_add(nics, n);
	}
	jsonx_set(obj, "nics", nics);
	jsonx_set_str(obj, "user", r->user);
	jsonx_set(obj, "ports", vm_ports_encode(r->ports, r->n_ports));
	jsonx_set_int(obj, "ssh_port", r->ssh_port);
	jsonx_set_str(obj, "file", r->file);
	jsonx_set_str(obj, "dir", r->dir);
	jsonx_set_str(obj, "base", r->base);
	jsonx_set_str(obj, "base_ident", r->base_ident);
	jsonx_set_str(obj, "root", r->root);
	jsonx_set_str(obj, "root_format", r->root_format);
	jsonx_set_str(obj, "init", r->init);
	jsonx_set_bool(obj, "launched", r->launched);
	jsonx_set_int(obj, "grace_ns", (int64_t)r->grace_ns);
	jsonx_set(obj, "spec", json_object_get(r->spec));
	jsonx_set_str(obj, "created_at", r->created_at);
	return obj;
}

void instance_record_take_ports(struct instance_record *r, const struct vm_record *vm)
{
	if (vm->uuid == NULL || strcmp(vm->uuid, r->uuid) != 0 || vm->n_ports != r->n_ports)
		return;
	for (size_t i = 0; i < r->n_ports; i++) {
		const struct vm_port *p = &vm->ports[i];

		/* What may not be chosen again is as the record says. */
		if (p->low != 0 && p->guest_port == r->ports[i].guest_port &&
		    strcmp(p->protocol, r->ports[i].protocol) == 0)
			r->ports[i].host_port = p->host_port;
	}
	if (vm->ssh_port != 0)
		r->ssh_port = vm->ssh_port;
}

int instance_record_write(int dirfd, const struct instance_record *r, bool durable,
			  struct holos_error **err)
{
	_cleanup_(json_putp) struct json_object *obj = encode(r);
	_cleanup_(freep) char *text = jsonx_pretty(obj);
	_cleanup_(strbuf_finish) struct strbuf old = STRBUF_INIT;

	if (!durable)
		return fs_write_replace(dirfd, INSTANCE_RECORD_FILE, text, strlen(text), 0600, err);
	if (fs_read(dirfd, INSTANCE_RECORD_FILE, RECORD_MAX, &old, NULL) == 0 &&
	    strcmp(old.s, text) == 0)
		return 0;
	return fs_write_atomic(dirfd, INSTANCE_RECORD_FILE, text, strlen(text), 0600, err);
}
