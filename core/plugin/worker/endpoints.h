/* SPDX-License-Identifier: Apache-2.0
 *
 * endpoints.h - endpoints as plugins see them, from JSON.
 */
#ifndef WORKER_ENDPOINTS_H
#define WORKER_ENDPOINTS_H

#include <holos/plan.h>

#include <json-c/json.h>

struct endpoints {
	struct holos_endpoint *items;
	const struct holos_endpoint **list; /* NULL-terminated */
};

/* Texts stay those of `array` (NULL is an empty one). */
struct endpoints endpoints_from_json(struct json_object *array);
void endpoints_finish(struct endpoints *e);

#endif
