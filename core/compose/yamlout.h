/* SPDX-License-Identifier: Apache-2.0
 *
 * yamlout.h - JSON values and trees as YAML text, by libyaml's emitter.
 */
#ifndef COMPOSE_YAMLOUT_H
#define COMPOSE_YAMLOUT_H

#include <compose/tree.h>

#include <json-c/json.h>

/* Block style; text that some reader could take for something else is quoted.
 * The caller frees. */
char *json_to_yaml(struct json_object *o);
/* A tree as it stands: what had no quotes has none. */
char *tree_to_yaml(const struct node *n);

#endif
