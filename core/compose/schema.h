/* SPDX-License-Identifier: Apache-2.0
 *
 * schema.h - the tables as a JSON Schema (draft 2020-12), for editors.
 */
#ifndef COMPOSE_SCHEMA_H
#define COMPOSE_SCHEMA_H

#include <json-c/json.h>

/* The schema of a compose file: what a schema can say of the rules (docs/
 * compose.md lists those that only the loader knows).  The caller owns it. */
struct json_object *compose_schema(void);

#endif
