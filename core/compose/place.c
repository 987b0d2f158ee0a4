/* SPDX-License-Identifier: Apache-2.0
 *
 * place.c - see place.h.
 */
#include <compose/fields.h>
#include <compose/place.h>
#include <compose/tree.h>

#include <base/units.h>

#include <string.h>

/* The member of this name, or one that says the same in other words (memory for
 * memory_mb); of `environment`, what the env_file said. */
static const struct pair *find_member(const struct node *map, const struct shape *sh,
				      const char *key)
{
	const struct pair *pair = node_pair(map, key);

	for (const struct field *f = sh != NULL && sh->kind == SHAPE_OBJECT ? sh->fields : NULL;
	     pair == NULL && f != NULL && f->key != NULL; f++) {
		if (f->same_as != NULL && strcmp(f->same_as, key) == 0)
			pair = node_pair(map, f->key);
	}
	if (pair == NULL && strcmp(key, "environment") == 0)
		pair = node_pair(map, "env_file");
	return pair;
}

static const struct node *find_item(const struct node *list, const char *key)
{
	char digits[24];
	int64_t i;
	size_t n = strlen(key);

	if (key[0] != '[' || n < 3 || n > sizeof(digits))
		return NULL;
	memcpy(digits, key + 1, n - 2);
	digits[n - 2] = '\0';
	if (units_parse_int(digits, 0, INT32_MAX, &i) < 0 || (size_t)i >= list->n)
		return NULL;
	return list->items[i];
}

static struct mark place_below(const struct pair *top, const struct shape *sh, char *const *keys)
{
	const struct node *at = top->value, *named = top->key;

	for (; *keys != NULL; keys++) {
		const struct shape *fit = shape_for_node(sh, at);
		const struct pair *pair;

		if (at->kind == NODE_LIST) {
			const struct node *item = find_item(at, *keys);

			if (item == NULL)
				return node_mark(named);
			at = named = item;
			sh = fit != NULL && fit->kind == SHAPE_LIST ? fit->item : NULL;
			continue;
		}
		pair = at->kind == NODE_MAP ? find_member(at, fit, *keys) : NULL;
		if (pair == NULL) /* "8080:80" has no members, and stands for all of them */
			return node_mark(at->kind == NODE_SCALAR && !node_is_null(at) ? at : named);
		sh = shape_of_key(fit, *keys);
		named = pair->key;
		at = pair->value;
	}
	return node_mark(node_is_null(at) ? named : at);
}

struct mark project_place(const struct project *p, const char *service, char *const *keys)
{
	const char *part = "services", *name = service;
	const struct pair *top;

	if (keys[0] != NULL &&
	    (strcmp(keys[0], PLACE_VOLUMES) == 0 || strcmp(keys[0], PLACE_NETWORKS) == 0)) {
		part = strcmp(keys[0], PLACE_VOLUMES) == 0 ? "volumes" : "networks";
		name = keys[1];
		keys += keys[1] != NULL ? 2 : 1;
	}
	top = name != NULL ? node_pair(node_get(p->tree, part), name) : NULL;
	if (top == NULL) { /* not declared: the project's own "default", mostly */
		top = node_pair(p->tree, part);
		return top != NULL ? node_mark(top->key) : (struct mark){ 0 };
	}
	return place_below(top, shape_of_key(shape_of_key(&shape_file, part), name), keys);
}
