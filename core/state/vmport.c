/* SPDX-License-Identifier: Apache-2.0
 *
 * vmport.c - see vmport.h.
 */
#include <base/alloc.h>
#include <base/jsonx.h>
#include <state/vmport.h>

static void decode_one(struct vm_port *p, struct json_object *obj, struct fields *top)
{
	struct fields f = fields_open(obj, top->what, top->r == 0 ? top->err : NULL);

	p->name = field_str(&f, "name", true);
	p->host_ip = field_str(&f, "host_ip", true);
	p->protocol = field_str(&f, "protocol", true);
	p->host_port = (uint16_t)field_int(&f, "host_port", 0, UINT16_MAX, 0);
	p->guest_port = (uint16_t)field_int(&f, "guest_port", 1, UINT16_MAX, 1);
	p->low = (uint16_t)field_int(&f, "low", 0, UINT16_MAX, 0);
	p->high = (uint16_t)field_int(&f, "high", 0, UINT16_MAX, 0);
	if (top->r == 0)
		top->r = f.r;
}

void vm_ports_decode(struct fields *f, struct vm_port **ret, size_t *ret_n)
{
	struct json_object *arr = field_arr(f, "ports", VM_PORTS_MAX);
	size_t n = jsonx_len(arr);

	*ret = n != 0 ? xcalloc(n, sizeof(**ret)) : NULL;
	*ret_n = n;
	for (size_t i = 0; i < n; i++)
		decode_one(&(*ret)[i], json_object_array_get_idx(arr, i), f);
}

struct json_object *vm_ports_encode(const struct vm_port *ports, size_t n)
{
	struct json_object *arr = json_object_new_array();

	for (size_t i = 0; i < n; i++) {
		struct json_object *o = json_object_new_object();

		jsonx_set_str(o, "name", ports[i].name);
		jsonx_set_str(o, "host_ip", ports[i].host_ip);
		jsonx_set_int(o, "host_port", ports[i].host_port);
		jsonx_set_int(o, "guest_port", ports[i].guest_port);
		jsonx_set_str(o, "protocol", ports[i].protocol);
		if (ports[i].low != 0) {
			jsonx_set_int(o, "low", ports[i].low);
			jsonx_set_int(o, "high", ports[i].high);
		}
		json_object_array_add(arr, o);
	}
	return arr;
}

struct vm_port *vm_ports_copy(const struct vm_port *ports, size_t n)
{
	struct vm_port *copy = n != 0 ? xcalloc(n, sizeof(*copy)) : NULL;

	for (size_t i = 0; i < n; i++) {
		copy[i] = ports[i];
		copy[i].name = xstrdup(ports[i].name);
		copy[i].host_ip = xstrdup(ports[i].host_ip);
		copy[i].protocol = xstrdup(ports[i].protocol);
	}
	return copy;
}

void vm_ports_free(struct vm_port *ports, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(ports[i].name);
		free(ports[i].host_ip);
		free(ports[i].protocol);
	}
	free(ports);
}
