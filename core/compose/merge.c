/* SPDX-License-Identifier: Apache-2.0
 *
 * merge.c - see merge.h.  All recursion is bounded by TREE_DEPTH_MAX.
 */
#include <compose/merge.h>
#include <compose/strmap.h>

#include <base/alloc.h>

#include <string.h>

/* ---- one form ------------------------------------------------------------------ */

/* "KEY=VALUE", or a name whose value is null. */
static void split_pair(struct arena *a, const struct node *item, const char *separators,
		       struct pair *ret)
{
	const char *text = item->text;
	size_t len = separators != NULL ? strcspn(text, separators) : strlen(text);
	bool has_value = text[len] != '\0';

	ret->key = node_scalar(a, item, arena_strndup(a, text, len), false);
	ret->value = node_scalar(a, item, has_value ? text + len + 1 : "", !has_value);
	ret->value->tag = item->tag;
}

static struct node *pairs_from_list(struct arena *a, struct diag *d, struct node *list,
				    const struct shape *sh, const struct path *p)
{
	_cleanup_(strmap_finish) struct strmap seen = STRMAP_INIT;
	struct node *map = node_map(a, list, list->n);

	map->n = 0;
	map->tag = list->tag;
	for (size_t i = 0; i < list->n; i++) {
		const struct path here = { p, NULL, i };
		const struct node *item = list->items[i];
		struct pair pair;
		size_t at;

		if (node_text(item) == NULL || item->text[0] == '\0') {
			diag_error(d, item, &here, "%s: must be a text %s", node_show(a, item),
				   sh->separators == NULL      ? "with a name"
				   : sh->separators[1] == '\0' ? "like \"KEY=VALUE\""
							       : "like \"NAME:ADDRESS\"");
			continue;
		}
		split_pair(a, item, sh->separators, &pair);
		if (sh->separators == NULL && strncmp(item->text, "x-", 2) == 0) {
			diag_error(d, item, &here,
				   "%s: keys that begin with x- are ignored, so "
				   "nothing has this name",
				   node_show(a, item));
			continue;
		}
		at = strmap_get(&seen, pair.key->text);
		if (at == STRMAP_NONE) {
			strmap_set(&seen, pair.key->text, map->n);
			map->pairs[map->n++] = pair;
		} else if (sh->separators != NULL) {
			map->pairs[at] = pair; /* the later one wins */
		} else {
			diag_error(d, item, &here, "%s: named twice", node_show(a, item));
		}
	}
	return map;
}

struct node *tree_normalize(struct arena *a, struct diag *d, struct node *n, const struct shape *sh,
			    const struct path *p)
{
	const struct shape *fit;

	if (sh != NULL && (sh->flags & SHAPE_PAIRS) && n->kind == NODE_LIST)
		n = pairs_from_list(a, d, n, sh, p);
	if (sh != NULL && (sh->flags & SHAPE_SINGLE) && n->kind != NODE_LIST && !node_is_null(n)) {
		struct node *list = node_list(a, n, 1);

		list->items[0] = n;
		list->tag = n->tag;
		n->tag = TAG_NONE;
		n = list;
	}
	fit = shape_for_node(sh, n);
	if (fit == NULL)
		return n;
	for (size_t i = 0; n->kind == NODE_LIST && fit->kind == SHAPE_LIST && i < n->n; i++) {
		const struct path here = { p, NULL, i };

		n->items[i] = tree_normalize(a, d, n->items[i], fit->item, &here);
	}
	for (size_t i = 0; n->kind == NODE_MAP && i < n->n; i++) {
		const char *key = n->pairs[i].key->text;
		const struct path here = { p, key, 0 };

		if (!key_is_ignored(fit, key))
			n->pairs[i].value = tree_normalize(a, d, n->pairs[i].value,
							   shape_of_key(fit, key), &here);
	}
	return n;
}

/* ---- one tree ------------------------------------------------------------------- */

/* Keep only the last of items with the same merge key. */
static void drop_repeated(struct arena *a, struct node *list, merge_key_fn *merge_key)
{
	_cleanup_(strmap_finish) struct strmap last = STRMAP_INIT;
	_cleanup_(freep) const char **keys = xcalloc(list->n + 1, sizeof(*keys));
	size_t n = 0;

	for (size_t i = 0; i < list->n; i++) {
		keys[i] = merge_key(a, list->items[i]);
		if (keys[i] != NULL)
			strmap_set(&last, keys[i], i);
	}
	for (size_t i = 0; i < list->n; i++) {
		if (keys[i] == NULL || strmap_get(&last, keys[i]) == i)
			list->items[n++] = list->items[i];
	}
	list->n = n;
}

static struct node *merge_lists(struct arena *a, struct node *base, struct node *over,
				const struct shape *sh)
{
	struct node *all = node_list(a, base, base->n + over->n);

	if (base->n > 0)
		memcpy(all->items, base->items, base->n * sizeof(*all->items));
	if (over->n > 0)
		memcpy(all->items + base->n, over->items, over->n * sizeof(*all->items));
	if (sh != NULL && sh->kind == SHAPE_LIST && sh->item->merge_key != NULL)
		drop_repeated(a, all, sh->item->merge_key);
	return all;
}

static struct node *merge_maps(struct arena *a, struct node *base, struct node *over,
			       const struct shape *sh)
{
	_cleanup_(node_index_finish) struct node_index in_over = { NULL, 0 };
	_cleanup_(node_index_finish) struct node_index in_base = { NULL, 0 };
	struct node *all = node_map(a, base, base->n + over->n);

	node_index_init(&in_over, over);
	node_index_init(&in_base, base);
	all->n = 0;
	for (size_t i = 0; i < base->n; i++) {
		struct pair pair = base->pairs[i];
		const struct pair *other = node_index_find(&in_over, pair.key->text);

		if (other != NULL)
			pair.value = tree_merge(a, pair.value, other->value,
						shape_of_key(sh, pair.key->text));
		if (pair.value != NULL)
			all->pairs[all->n++] = pair;
	}
	for (size_t i = 0; i < over->n; i++) {
		if (node_index_find(&in_base, over->pairs[i].key->text) == NULL &&
		    over->pairs[i].value->tag != TAG_RESET)
			all->pairs[all->n++] = over->pairs[i];
	}
	return all;
}

struct node *tree_merge(struct arena *a, struct node *base, struct node *over,
			const struct shape *sh)
{
	const struct shape *fit = shape_for_node(sh, over);

	if (over->tag == TAG_RESET)
		return NULL;
	if (base == NULL || base->tag == TAG_RESET || over->tag == TAG_OVERRIDE)
		return over;
	/* null says nothing, but where it means something. */
	if (node_is_null(over))
		return sh != NULL && sh->kind == SHAPE_STRING && (sh->flags & SHAPE_NULL) ? over
											  : base;
	if (base->kind != over->kind || over->kind == NODE_SCALAR ||
	    (sh != NULL && (sh->flags & SHAPE_REPLACE)) ||
	    (fit != NULL && (fit->flags & SHAPE_REPLACE)))
		return over;
	return over->kind == NODE_LIST ? merge_lists(a, base, over, fit)
				       : merge_maps(a, base, over, fit);
}

void tree_strip_tags(struct node *n)
{
	size_t kept = 0;

	if (n->kind == NODE_SCALAR)
		return;
	for (size_t i = 0; i < n->n; i++) {
		struct node *child = n->kind == NODE_LIST ? n->items[i] : n->pairs[i].value;

		if (child->tag == TAG_RESET)
			continue;
		child->tag = TAG_NONE;
		tree_strip_tags(child);
		if (n->kind == NODE_LIST)
			n->items[kept++] = child;
		else
			n->pairs[kept++] = n->pairs[i];
	}
	n->n = kept;
}
