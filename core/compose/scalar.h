/* SPDX-License-Identifier: Apache-2.0
 *
 * scalar.h - what a plain YAML scalar means: the core schema of YAML 1.2.
 *
 * https://yaml.org/spec/1.2.2/#103-core-schema.  The traps of YAML 1.1 stay
 * out: 22:22 is text, 017 is seventeen, 1_000 is text.  Only where a boolean is
 * due, yes/no/on/off are taken as one (as the Go library does that existing
 * files were written for).
 */
#ifndef COMPOSE_SCALAR_H
#define COMPOSE_SCALAR_H

#include <compose/tree.h>

#include <json-c/json.h>
#include <stdint.h>

enum scalar_int_result { SCALAR_OK = 0, SCALAR_NOT_INT = -1, SCALAR_TOO_BIG = -2 };

/* [-+]?[0-9]+, 0o[0-7]+, 0x[0-9a-fA-F]+.  Text in quotes is no number unless
 * it came out of a variable. */
int scalar_int(const struct node *n, int64_t *ret);
/* true, false, and yes, no, on, off in any case, in quotes or not: where a boolean
 * is due there is no doubt.  0 or -1. */
int scalar_bool(const struct node *n, bool *ret);

/* A tree as JSON, plain scalars by the core schema.  With yaml11 the words and
 * octal numbers of YAML 1.1 count as well: for documents that another program
 * (cloud-init's PyYAML) would have read so.  The caller owns the result (NULL
 * is JSON null). */
struct json_object *node_to_json(const struct node *n, bool yaml11);

#endif
