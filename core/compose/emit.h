/* SPDX-License-Identifier: Apache-2.0
 *
 * emit.h - the model as JSON in one canonical form: long forms, absolute paths,
 * no variables.  It is what `config` prints and what is hashed.
 */
#ifndef COMPOSE_EMIT_H
#define COMPOSE_EMIT_H

#include <compose/fields.h>

struct emitter {
	bool defaults;    /* also what has its default */
	unsigned changes; /* fields of these classes (enum change) only; 0: all */
};

/* One object by its table, NULL when nothing is to show.  base is its struct. */
struct json_object *emit_object(const struct emitter *e, const struct shape *sh, const void *base);

/* For the tables: values with a form of their own. */
emit_fn emit_ports, emit_service_networks, emit_extra_hosts, emit_subnet;
emit_fn emit_image, emit_mounts, emit_commands, emit_key_values, emit_user_data;
emit_fn emit_options, emit_depends_on, emit_healthcheck, emit_test, emit_restart, emit_logging;

#endif
