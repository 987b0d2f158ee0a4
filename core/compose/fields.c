/* SPDX-License-Identifier: Apache-2.0
 *
 * fields.c - the tables of the top level, and finding one's way in tables.
 * See fields.h for what the columns mean.
 */
#include <compose/decode.h>
#include <compose/emit.h>
#include <compose/shapes.h>

#include <base/names.h>

#include <string.h>

/* ---- the top level --------------------------------------------------------------------- */

#define VOLUME(member) offsetof(struct volume, member)

static const struct field volume_fields[] = {
	{ .key = "size",
	  .shape = &shape_disk_size,
	  .offset = VOLUME(size),
	  .mark = VOLUME(size_mark),
	  .deflt = "10G",
	  .change = CHANGE_RESTART,
	  .doc = "Its size; it may grow later.",
	  .example = "20G" },
	{ .key = "source",
	  .shape = &shape_host_path,
	  .offset = VOLUME(source),
	  .mark = NO_OFFSET,
	  .change = CHANGE_RESTART,
	  .doc = "An existing disk to attach, instead of one that holos makes. It is never deleted "
		 "or formatted.",
	  .example = "./data.qcow2" },
	{ .key = "shared",
	  .shape = &shape_boolean,
	  .offset = VOLUME(shared),
	  .mark = NO_OFFSET,
	  .deflt = "false",
	  .change = CHANGE_RESTART,
	  .doc = "Several VMs may use it at once, all read-only.",
	  .example = "true" },
	{ .key = "per_replica",
	  .shape = &shape_boolean,
	  .offset = VOLUME(per_replica),
	  .mark = NO_OFFSET,
	  .deflt = "false",
	  .change = CHANGE_RESTART,
	  .doc = "Each replica of the service has a volume of its own.",
	  .example = "true" },
	{ .key = NULL },
};
const struct shape shape_volume = {
	.kind = SHAPE_OBJECT,
	.flags = SHAPE_MARKED | SHAPE_NULL,
	.name = "mapping",
	.fields = volume_fields,
	.size = sizeof(struct volume),
};

static const struct shape subnet = {
	.kind = SHAPE_STRING,
	.flags = SHAPE_QUOTED,
	.name = "subnet",
	.rule = "an IPv4 subnet like 10.10.0.0/24, with a prefix of 8 to 30",
	.pattern = "^[0-9]{1,3}(\\.[0-9]{1,3}){3}/[0-9]{1,2}$",
	.decode = decode_subnet,
	.emit = emit_subnet,
};

#define NETWORK(member) offsetof(struct network, member)

static const struct field network_fields[] = {
	{ .key = "driver",
	  .shape = &shape_plugin_name,
	  .offset = NETWORK(driver),
	  .mark = NETWORK(driver_mark),
	  .deflt = "multicast",
	  .change = CHANGE_RESTART,
	  .doc = "The network plugin.",
	  .example = "multicast" },
	{ .key = "subnet",
	  .shape = &subnet,
	  .offset = 0,
	  .mark = NETWORK(subnet_mark),
	  .change = CHANGE_RESTART,
	  .shown_default = "`10.10.0.0/24` for `default`",
	  .doc = "Addresses of the VMs; the first and the last are not used.",
	  .example = "10.20.0.0/20" },
	{ .key = "internal",
	  .shape = &shape_boolean,
	  .offset = NETWORK(internal),
	  .mark = NO_OFFSET,
	  .deflt = "false",
	  .change = CHANGE_RESTART,
	  .doc = "No way out: VMs reach each other only.",
	  .example = "true" },
	{ .key = "options",
	  .shape = &shape_any_object,
	  .offset = NETWORK(options),
	  .mark = NETWORK(options_mark),
	  .change = CHANGE_RESTART,
	  .deflt = "{}",
	  .doc = "Options of the plugin.",
	  .example = "{}" },
	{ .key = NULL },
};
const struct shape shape_network = {
	.kind = SHAPE_OBJECT,
	.flags = SHAPE_MARKED | SHAPE_NULL,
	.name = "mapping",
	.fields = network_fields,
	.size = sizeof(struct network),
};

static const struct shape path_list = { .kind = SHAPE_LIST,
					.name = "list of paths",
					.item = &shape_host_path };
static const struct shape *const paths_alts[] = { &path_list, &shape_host_path, NULL };
static const struct shape paths = {
	.kind = SHAPE_ONE_OF,
	.flags = SHAPE_SINGLE,
	.name = "path, or list of paths",
	.rule = "a path or a list of paths",
	.alts = paths_alts,
};
static const struct field include_fields[] = {
	{ .key = "path",
	  .shape = &paths,
	  .offset = NO_OFFSET,
	  .required = true,
	  .doc = "The file; several are merged like several `-f`.",
	  .example = "./db/holos.yaml" },
	{ .key = "project_directory",
	  .shape = &shape_host_path,
	  .offset = NO_OFFSET,
	  .shown_default = "the file's directory",
	  .doc = "What relative paths in it are based on.",
	  .example = "./db" },
	{ .key = "env_file",
	  .shape = &paths,
	  .offset = NO_OFFSET,
	  .shown_default = "`.env` in that directory",
	  .doc = "Variables for its interpolation.",
	  .example = "./db/.env" },
	{ .key = NULL },
};
static const struct shape include_object = { .kind = SHAPE_OBJECT,
					     .name = "mapping",
					     .fields = include_fields };
static const struct shape *const include_alts[] = { &shape_host_path, &include_object, NULL };
static const struct shape include_item = { .kind = SHAPE_ONE_OF,
					   .name = "path",
					   .alts = include_alts };
static const struct shape include = {
	.kind = SHAPE_LIST,
	.name = "list of paths",
	.rule = "a list of files",
	.item = &include_item,
};

static const struct shape service_map = {
	.kind = SHAPE_MAP,
	.name = "mapping",
	.item = &shape_service,
	.pattern = LABEL_PATTERN,
	.check = names_is_label,
};
static const struct shape volume_map = {
	.kind = SHAPE_MAP,
	.name = "mapping",
	.item = &shape_volume,
	.pattern = LABEL_PATTERN,
	.check = names_is_label,
};
static const struct shape network_map = {
	.kind = SHAPE_MAP,
	.name = "mapping",
	.item = &shape_network,
	.pattern = LABEL_PATTERN,
	.check = names_is_label,
};

static const struct shape anything = { .kind = SHAPE_ANY, .name = "anything" };
/* Decoded by decode_file() and the loader themselves. */
static const struct field file_fields[] = {
	{ .key = "name",
	  .shape = &shape_label,
	  .offset = NO_OFFSET,
	  .shown_default = "the directory's name",
	  .doc = "The project. `-p` and `HOLOS_PROJECT_NAME` win over it.",
	  .example = "shop" },
	{ .key = "services",
	  .shape = &service_map,
	  .offset = NO_OFFSET,
	  .doc = "The services, by name.",
	  .example = "{web: {image: \"debian:12\"}}" },
	{ .key = "volumes",
	  .shape = &volume_map,
	  .offset = NO_OFFSET,
	  .doc = "The named volumes. They survive `down`.",
	  .example = "{data: {size: 20G}}" },
	{ .key = "networks",
	  .shape = &network_map,
	  .offset = NO_OFFSET,
	  .shown_default = "`{default: {}}`",
	  .doc = "The networks.",
	  .example = "{default: {subnet: 10.20.0.0/24}}" },
	{ .key = "include",
	  .shape = &include,
	  .offset = NO_OFFSET,
	  .doc = "Other compose files, each with its own directory and `.env`.",
	  .example = "[./db/holos.yaml]" },
	{ .key = "version",
	  .shape = &anything,
	  .offset = NO_OFFSET,
	  .doc = "Ignored, with a warning.",
	  .example = "\"3\"" },
	{ .key = NULL },
};

const struct shape shape_file = { .kind = SHAPE_OBJECT, .name = "mapping", .fields = file_fields };

/* ---- looking things up ------------------------------------------------------------------ */

bool key_is_ignored(const struct shape *sh, const char *key)
{
	if (strncmp(key, "x-", 2) != 0 || sh == NULL)
		return false;
	return sh->kind == SHAPE_OBJECT ||
	       (sh->kind == SHAPE_MAP && sh->item->kind == SHAPE_OBJECT);
}

const struct field *field_find(const struct field *fields, const char *key)
{
	for (const struct field *f = fields; f->key != NULL; f++) {
		if (f->key[0] == key[0] && strcmp(f->key, key) == 0)
			return f;
	}
	return NULL;
}

const struct shape *shape_of_key(const struct shape *sh, const char *key)
{
	const struct field *f;

	if (sh == NULL)
		return NULL;
	if (sh->kind == SHAPE_MAP)
		return sh->item;
	if (sh->kind != SHAPE_OBJECT)
		return NULL;
	f = field_find(sh->fields, key);
	return f != NULL ? f->shape : NULL;
}

static bool fits(const struct shape *sh, const struct node *n)
{
	switch (n->kind) {
	case NODE_LIST:
		return sh->kind == SHAPE_LIST;
	case NODE_MAP:
		return sh->kind == SHAPE_MAP || sh->kind == SHAPE_OBJECT;
	case NODE_SCALAR:
		break;
	}
	return sh->kind < SHAPE_LIST;
}

const struct shape *shape_for_node(const struct shape *sh, const struct node *n)
{
	if (sh == NULL || sh->kind != SHAPE_ONE_OF)
		return sh;
	for (const struct shape *const *alt = sh->alts; *alt != NULL; alt++) {
		if (fits(*alt, n))
			return *alt;
	}
	return NULL;
}

const struct shape *shape_object_in(const struct shape *sh)
{
	const struct shape *found = NULL;

	if (sh == NULL || sh->kind == SHAPE_OBJECT)
		return sh;
	if (sh->kind == SHAPE_LIST || sh->kind == SHAPE_MAP)
		return shape_object_in(sh->item);
	for (size_t i = 0; sh->kind == SHAPE_ONE_OF && sh->alts[i] != NULL; i++) {
		found = shape_object_in(sh->alts[i]);
		if (found != NULL)
			return found;
	}
	return NULL;
}

bool shape_accepts(const struct shape *sh, const struct node *n)
{
	const struct shape *fit = shape_for_node(sh, n);

	return fit != NULL && (fit->kind == SHAPE_ANY || fits(fit, n));
}
