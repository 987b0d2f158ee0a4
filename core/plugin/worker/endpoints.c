/* SPDX-License-Identifier: Apache-2.0
 *
 * endpoints.c - see endpoints.h.
 */
#include <plugin/worker/endpoints.h>

#include <base/alloc.h>
#include <base/jsonx.h>

#include <stdlib.h>

struct endpoints endpoints_from_json(struct json_object *array)
{
	size_t n = jsonx_len(array);
	struct endpoints e = { .items = xcalloc(n + 1, sizeof(*e.items)),
			       .list = xcalloc(n + 1, sizeof(const struct holos_endpoint *)) };

	for (size_t i = 0; i < n; i++) {
		struct json_object *obj = json_object_array_get_idx(array, i);

		e.items[i] = (struct holos_endpoint){
			.size = sizeof(e.items[i]),
			.protocol = (uint32_t)jsonx_int(obj, "protocol", 0),
			.host_addr = jsonx_str(obj, "host_addr", NULL),
			.host_port = (uint32_t)jsonx_int(obj, "host_port", 0),
			.guest_port = (uint32_t)jsonx_int(obj, "guest_port", 0),
		};
		e.list[i] = &e.items[i];
	}
	return e;
}

void endpoints_finish(struct endpoints *e)
{
	free(e->items);
	free(e->list);
}
