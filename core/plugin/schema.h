/* SPDX-License-Identifier: Apache-2.0
 *
 * schema.h - options of plugins against the part of JSON Schema that holos
 * understands: type properties required enum minimum maximum items default
 * description.  Nothing else is allowed in a plugin's schema.
 */
#ifndef PLUGIN_SCHEMA_H
#define PLUGIN_SCHEMA_H

#include <base/error.h>

#include <json-c/json.h>

/* One fault: where (a JSON pointer into the value, "" for the whole) and what,
 * without the place. */
typedef void schema_fault_fn(void *data, const char *pointer, const char *message);

/* Is this a schema holos can hold values against?  Its top must be of type
 * object.  `what` names it in the message. */
int schema_validate(struct json_object *schema, const char *what, struct holos_error **err);

/* Hold value (NULL is JSON null) against a schema that passed
 * schema_validate(); NULL schema: an empty object.  Members that `properties`
 * does not name are faults; an object schema without `properties` takes any.
 * All faults (at most 20) are reported to fn and chained into *err as
 * ERR_INVALID, each as "PATH.member: message". */
int schema_check(struct json_object *schema, struct json_object *value, const char *path,
		 schema_fault_fn *fn, void *data, struct holos_error **err);

#endif
