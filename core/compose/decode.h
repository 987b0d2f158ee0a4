/* SPDX-License-Identifier: Apache-2.0
 *
 * decode.h - trees to the model, led by the tables of fields.h.
 *
 * The decoders for values with a form of their own (ports, mounts, commands,
 * ...) are declared here for the tables to name.
 */
#ifndef COMPOSE_DECODE_H
#define COMPOSE_DECODE_H

#include <compose/fields.h>

struct vars;

struct decoder {
	struct arena *arena;
	struct diag *diag;
	struct vars *vars;          /* environment without a value, "~" */
	const struct node *volumes; /* the file's top-level mapping, or NULL */
	struct sources *sources;    /* files read on the way are added */
};

/* Pointer and count, as lists of structs stand in the model. */
struct model_list {
	const void *items;
	size_t n;
};

/* The whole (merged) file; services, volumes and networks in p are filled in,
 * not yet linked to each other. */
void decode_file(struct decoder *d, const struct node *root, struct project *p);

/* One value by its shape. */
void decode_value(struct decoder *d, const struct shape *sh, const struct node *n,
		  const struct path *p, void *out);
/* A mapping with known keys.  base is the struct that the fields' offsets count
 * from. */
void decode_object(struct decoder *d, const struct shape *sh, const struct node *n,
		   const struct path *p, void *base);
/* Says that n is not what sh asks for.  Returns false. */
bool decode_expected(struct decoder *d, const struct shape *sh, const struct node *n,
		     const struct path *p);
/* Is n a map (or null)/a list of sh's rule?  Else an error. */
bool decode_is(struct decoder *d, const struct shape *sh, const struct node *n,
	       const struct path *p, enum node_kind kind);
/* Text by a STRING shape, checked; NULL after an error. */
const char *decode_text(struct decoder *d, const struct shape *sh, const struct node *n,
			const struct path *p);
/* An absolute host path from text that stood at n ("~" is the home directory);
 * NULL after an error. */
const char *decode_path(struct decoder *d, const struct node *n, const struct path *p,
			const char *text);

/* decode_net.c */
decode_fn decode_ports, decode_service_networks, decode_extra_hosts, decode_subnet;
merge_key_fn port_merge_key;
/* decode_storage.c */
decode_fn decode_image, decode_mounts, decode_devices, decode_memory, decode_guest_path;
merge_key_fn mount_merge_key;
/* decode_guest.c */
decode_fn decode_commands, decode_key_values, decode_user_data, decode_options, decode_env_files;
/* decode_life.c */
/* "on-failure:3" and the like, into s->restart and s->restart_max. */
bool restart_parse(const char *text, struct service *s);
decode_fn decode_depends_on, decode_healthcheck, decode_test;
decode_fn decode_restart, decode_replicas, decode_grace;

/* Is this the path of a local image, and not the name of one? */
bool image_is_path(const char *s);

#endif
