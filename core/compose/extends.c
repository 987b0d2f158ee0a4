/* SPDX-License-Identifier: Apache-2.0
 *
 * extends.c - services that start from another's definition.
 *
 * A service is resolved in its own tree: first what it extends (recursively),
 * then its own keys on top.  Paths in another file stay relative to that file,
 * because each node knows its source.
 */
#include <compose/load.h>
#include <compose/merge.h>

#include <base/alloc.h>
#include <base/fs.h>
#include <base/names.h>

#include <string.h>

#define CHAIN_MAX  32u
#define COPIED_MAX (4 * TREE_NODES_MAX) /* values copied from extended services */

/* What is being resolved, to find a circle and to name it. */
struct chain {
	const struct chain *up;
	const struct node *root;
	const char *service;
	unsigned length;
};

static struct node *resolve(struct loader *l, struct node *root, const struct pair *service,
			    const struct chain *up);

static const char *chain_text(struct arena *a, const struct chain *c)
{
	if (c->up == NULL)
		return c->service;
	return arena_printf(a, "%s -> %s", chain_text(a, c->up), c->service);
}

/* The tree of another file, read once. */
static struct node *other_file(struct loader *l, const struct node *at, const struct path *p,
			       const char *text)
{
	struct decoder d = { .arena = l->arena, .diag = l->diag, .vars = l->vars };
	const char *path = decode_path(&d, at, p, text);
	size_t i = path != NULL ? strmap_get(&l->extended, path) : STRMAP_NONE;
	_cleanup_(freep) char *dir = NULL;
	struct node *root;

	if (path == NULL)
		return NULL;
	if (i != STRMAP_NONE)
		return l->extended_trees[i];
	dir = fs_normalize(path, "..");
	root = load_tree(l, text, path, dir, at);
	if (root != NULL)
		root = load_prepare(l, l->vars, root);
	*ARRAY_PUSH(l->extended_trees, l->n_extended, l->cap_extended) = root;
	strmap_set(&l->extended, path, l->n_extended - 1);
	return root;
}

static void no_such_service(struct loader *l, const struct node *at, const struct path *p,
			    const struct node *services, const char *name)
{
	size_t n = services != NULL && services->kind == NODE_MAP ? services->n : 0;
	_cleanup_(freep) const char **names = xcalloc(n + 1, sizeof(*names));
	const char *near;

	for (size_t i = 0; i < n; i++)
		names[i] = services->pairs[i].key->text;
	near = names_nearest(name, names, n);
	diag_error(l->diag, at, p, "%s: no such service to extend", text_show(l->arena, name));
	if (near != NULL)
		diag_hint(l->diag, "did you mean \"%s\"?", near);
}

/* The definition that `extends` names, resolved; NULL after an error. */
static struct node *base_of(struct loader *l, struct node *root, const struct node *extends,
			    const struct chain *c, const struct path *p)
{
	const struct node *name = extends, *file = NULL;
	const struct node *services;
	const struct pair *pair;

	if (extends->kind == NODE_MAP) {
		name = node_get(extends, "service");
		file = node_get(extends, "file");
	}
	if (node_text(name) == NULL || (!node_is_null(file) && node_text(file) == NULL)) {
		diag_error(l->diag, extends, p,
			   "must be the name of a service, or {service: NAME, file: PATH}");
		return NULL;
	}
	if (!node_is_null(file))
		root = other_file(l, file, p, file->text);
	if (root == NULL)
		return NULL;
	services = node_get(root, "services");
	pair = node_pair(services, name->text);
	if (pair == NULL) {
		no_such_service(l, name, p, services, name->text);
		return NULL;
	}
	if (root == c->root && strmap_get(&l->broken, name->text) != STRMAP_NONE)
		strmap_set(&l->broken, c->service, 1); /* for want of what that one lacks */
	return resolve(l, root, pair, c);
}

static struct node *resolve(struct loader *l, struct node *root, const struct pair *service,
			    const struct chain *up)
{
	const char *name = service->key->text;
	const struct chain here = { up, root, name, up != NULL ? up->length + 1 : 1 };
	const struct path top = { NULL, "services", 0 }, path = { &top, name, 0 };
	const struct path extends_path = { &path, "extends", 0 };
	struct node *value = service->value, *extends = node_get(value, "extends"), *base;
	struct node *own;

	if (extends == NULL || extends->tag == TAG_RESET || node_is_null(extends))
		return value;
	for (const struct chain *c = up; c != NULL; c = c->up) {
		if (c->root == root && strcmp(c->service, name) == 0) {
			diag_error(l->diag, extends, &extends_path,
				   "services extend each other: %s", chain_text(l->arena, &here));
			return NULL;
		}
	}
	if (here.length > CHAIN_MAX) {
		diag_error(l->diag, extends, &extends_path, "more than %u services in a row",
			   CHAIN_MAX);
		return NULL;
	}
	base = base_of(l, root, extends, &here, &extends_path);
	if (base == NULL)
		return NULL;
	if (l->copied + node_count(base) > COPIED_MAX) {
		diag_error(l->diag, extends, &extends_path,
			   "services that extend others come to more than %u values", COPIED_MAX);
		return NULL;
	}
	l->copied += node_count(base);
	/* Trees are shared between those who extend the same service. */
	base = node_copy(l->arena, base);
	if (base->kind != NODE_MAP)
		return value;
	own = node_copy(l->arena, value);
	node_remove(own, "extends");
	return tree_merge(l->arena, base, own, &shape_service);
}

void load_extends(struct loader *l, struct node *root)
{
	struct node *services = node_get(root, "services");

	if (services == NULL || services->kind != NODE_MAP)
		return;
	for (size_t i = 0; i < services->n; i++) {
		struct pair *pair = &services->pairs[i];
		struct node *whole;

		if (key_is_ignored(shape_of_key(&shape_file, "services"), pair->key->text))
			continue;
		whole = resolve(l, root, pair, NULL);
		if (whole != NULL) {
			pair->value = whole;
			continue;
		}
		/* One message is enough: go on as if it extended nothing. */
		node_remove(pair->value, "extends");
		strmap_set(&l->broken, pair->key->text, 1);
	}
}
