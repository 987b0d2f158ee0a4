/* SPDX-License-Identifier: Apache-2.0
 *
 * tree.h - a YAML document as nodes that know where they were written.
 *
 * Aliases are copied, so each node has one parent and may be changed in place
 * (interpolation, merge).  Nodes live in an arena.  A map keeps the order of
 * its keys; keys are text, and unique.
 */
#ifndef COMPOSE_TREE_H
#define COMPOSE_TREE_H

#include <compose/arena.h>
#include <compose/project.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TREE_TEXT_MAX  ((size_t)1 << 20) /* bytes of one file */
#define TREE_DEPTH_MAX 64u
#define TREE_NODES_MAX 100000u /* of one file, aliases expanded */
#define TREE_KEYS_MAX  10000u  /* of one mapping */

/* A file that nodes come from. */
struct source {
	const char *name; /* as shown to the user */
	const char *path; /* absolute; NULL for stdin */
	const char *dir;  /* absolute: relative paths in it are based on this */
	unsigned index;   /* order of loading: messages are sorted by it */
};

/* The files of one load, in order. */
struct sources {
	struct arena *arena;
	struct source **list;
	size_t n, cap;
};

/* Texts are copied. */
struct source *source_add(struct sources *s, const char *name, const char *path, const char *dir);
void sources_finish(struct sources *s); /* the sources live on in the arena */

enum node_kind { NODE_SCALAR, NODE_LIST, NODE_MAP };

/* Tags that mean something to us; others are refused by the reader. */
enum node_tag { TAG_NONE, TAG_STR, TAG_RESET, TAG_OVERRIDE };

struct node;

struct pair {
	struct node *key; /* a scalar */
	struct node *value;
};

struct node {
	const struct source *src;
	unsigned line, column; /* from 1 */
	enum node_kind kind;
	enum node_tag tag;
	bool plain;        /* scalar: without quotes, so it may be a number or null */
	bool interpolated; /* scalar: text came out of ${...} */
	size_t n;          /* of items or pairs */
	union {
		struct {
			const char *text; /* without NUL inside */
			const char *raw;  /* before interpolation */
		};
		struct node **items;
		struct pair *pairs;
	};
};

struct node *node_scalar(struct arena *a, const struct node *at, const char *text, bool plain);
struct node *node_list(struct arena *a, const struct node *at, size_t n);
struct node *node_map(struct arena *a, const struct node *at, size_t n);
struct node *node_copy(struct arena *a, const struct node *n);
/* Values in the tree, itself included. */
size_t node_count(const struct node *n);

/* The value of a key, or NULL.  n may be NULL or no map. */
struct node *node_get(const struct node *n, const char *key);
struct pair *node_pair(const struct node *n, const char *key);
/* Set or add a key; the key node of an existing pair stays. */
void node_set(struct arena *a, struct node *map, struct node *key, struct node *value);
void node_remove(struct node *map, const char *key);
void node_append(struct arena *a, struct node *list, struct node *item);

/* A map's keys sorted, for many lookups; valid while the map is not changed. */
struct node_index {
	const struct pair **sorted;
	size_t n;
};

void node_index_init(struct node_index *x, const struct node *map);
const struct pair *node_index_find(const struct node_index *x, const char *key);
void node_index_finish(struct node_index *x); /* usable as _cleanup_ */

/* A plain scalar that means null: "", ~, null, Null, NULL. */
bool node_is_null(const struct node *n);
/* The scalar's text when n is a scalar and not null, else NULL. */
const char *node_text(const struct node *n);
struct mark node_mark(const struct node *n);
/* For messages: `"text"`, shortened and with control characters escaped; "a
 * list", "a mapping", "nothing". */
const char *node_show(struct arena *a, const struct node *n);
/* The same for a text. */
const char *text_show(struct arena *a, const char *text);
const char *node_kind_name(const struct node *n);

#endif
