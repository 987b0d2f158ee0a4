/* SPDX-License-Identifier: Apache-2.0
 *
 * tree.c - nodes: making, copying, looking up, showing.
 */
#include <compose/tree.h>

#include <base/alloc.h>
#include <base/strbuf.h>

#include <stdlib.h>
#include <string.h>

#define SHOW_MAX 60 /* bytes of a value in a message */

struct source *source_add(struct sources *s, const char *name, const char *path, const char *dir)
{
	struct source *src = arena_new(s->arena, struct source);

	src->name = arena_strdup(s->arena, name);
	src->path = path != NULL ? arena_strdup(s->arena, path) : NULL;
	src->dir = arena_strdup(s->arena, dir);
	src->index = (unsigned)s->n;
	*ARRAY_PUSH(s->list, s->n, s->cap) = src;
	return src;
}

void sources_finish(struct sources *s)
{
	free(s->list);
	s->list = NULL;
	s->n = s->cap = 0;
}

static struct node *make(struct arena *a, const struct node *at, enum node_kind kind)
{
	struct node *n = arena_new(a, struct node);

	n->src = at->src;
	n->line = at->line;
	n->column = at->column;
	n->kind = kind;
	return n;
}

struct node *node_scalar(struct arena *a, const struct node *at, const char *text, bool plain)
{
	struct node *n = make(a, at, NODE_SCALAR);

	n->text = text;
	n->plain = plain;
	return n;
}

struct node *node_list(struct arena *a, const struct node *at, size_t n_items)
{
	struct node *n = make(a, at, NODE_LIST);

	n->n = n_items;
	n->items = arena_array(a, n_items, struct node *);
	return n;
}

struct node *node_map(struct arena *a, const struct node *at, size_t n_pairs)
{
	struct node *n = make(a, at, NODE_MAP);

	n->n = n_pairs;
	n->pairs = arena_array(a, n_pairs, struct pair);
	return n;
}

/* Recursion is bounded by TREE_DEPTH_MAX. */
struct node *node_copy(struct arena *a, const struct node *n)
{
	struct node *copy = arena_memdup(a, n, sizeof(*n));

	if (n->kind == NODE_LIST) {
		copy->items = arena_array(a, n->n, struct node *);
		for (size_t i = 0; i < n->n; i++)
			copy->items[i] = node_copy(a, n->items[i]);
	} else if (n->kind == NODE_MAP) {
		copy->pairs = arena_array(a, n->n, struct pair);
		for (size_t i = 0; i < n->n; i++) {
			copy->pairs[i].key = n->pairs[i].key; /* keys are never changed */
			copy->pairs[i].value = node_copy(a, n->pairs[i].value);
		}
	}
	return copy;
}

size_t node_count(const struct node *n)
{
	size_t count = 1;

	for (size_t i = 0; n->kind == NODE_LIST && i < n->n; i++)
		count += node_count(n->items[i]);
	for (size_t i = 0; n->kind == NODE_MAP && i < n->n; i++)
		count += node_count(n->pairs[i].value);
	return count;
}

struct pair *node_pair(const struct node *n, const char *key)
{
	if (n == NULL || n->kind != NODE_MAP)
		return NULL;
	for (size_t i = 0; i < n->n; i++) {
		if (strcmp(n->pairs[i].key->text, key) == 0)
			return &n->pairs[i];
	}
	return NULL;
}

struct node *node_get(const struct node *n, const char *key)
{
	const struct pair *p = node_pair(n, key);

	return p != NULL ? p->value : NULL;
}

void node_set(struct arena *a, struct node *map, struct node *key, struct node *value)
{
	struct pair *p = node_pair(map, key->text), *pairs;

	if (p != NULL) {
		p->value = value;
		return;
	}
	pairs = arena_array(a, map->n + 1, struct pair);
	if (map->n > 0)
		memcpy(pairs, map->pairs, map->n * sizeof(*pairs));
	pairs[map->n].key = key;
	pairs[map->n].value = value;
	map->pairs = pairs;
	map->n++;
}

void node_remove(struct node *map, const char *key)
{
	struct pair *p = node_pair(map, key);
	size_t i;

	if (p == NULL)
		return;
	i = (size_t)(p - map->pairs);
	memmove(p, p + 1, (map->n - i - 1) * sizeof(*p));
	map->n--;
}

void node_append(struct arena *a, struct node *list, struct node *item)
{
	struct node **items = arena_array(a, list->n + 1, struct node *);

	if (list->n > 0)
		memcpy(items, list->items, list->n * sizeof(struct node *));
	items[list->n] = item;
	list->items = items;
	list->n++;
}

static int by_key(const void *pa, const void *pb)
{
	const struct pair *a = *(const struct pair *const *)pa;
	const struct pair *b = *(const struct pair *const *)pb;
	int c = strcmp(a->key->text, b->key->text);

	if (c != 0)
		return c;
	return a < b ? -1 : a > b; /* duplicates keep their order */
}

void node_index_init(struct node_index *x, const struct node *map)
{
	x->n = map->n;
	x->sorted = xcalloc(map->n + 1, sizeof(*x->sorted));
	for (size_t i = 0; i < map->n; i++)
		x->sorted[i] = &map->pairs[i];
	qsort(x->sorted, x->n, sizeof(*x->sorted), by_key);
}

const struct pair *node_index_find(const struct node_index *x, const char *key)
{
	size_t lo = 0, hi = x->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = strcmp(key, x->sorted[mid]->key->text);

		if (c == 0)
			return x->sorted[mid];
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

void node_index_finish(struct node_index *x)
{
	free(x->sorted);
	x->sorted = NULL;
}

bool node_is_null(const struct node *n)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL" };

	if (n == NULL)
		return true;
	if (n->kind != NODE_SCALAR || !n->plain || n->interpolated)
		return false;
	for (size_t i = 0; i < sizeof(nulls) / sizeof(nulls[0]); i++) {
		if (strcmp(n->text, nulls[i]) == 0)
			return true;
	}
	return false;
}

const char *node_text(const struct node *n)
{
	if (n == NULL || n->kind != NODE_SCALAR || node_is_null(n))
		return NULL;
	return n->text;
}

struct mark node_mark(const struct node *n)
{
	return (struct mark){ .file = n->src->name,
			      .line = n->line,
			      .column = n->column,
			      .file_index = n->src->index };
}

const char *text_show(struct arena *a, const char *text)
{
	_cleanup_(strbuf_finish) struct strbuf b = STRBUF_INIT;
	size_t len = strlen(text), max = len;

	if (len > SHOW_MAX) {
		/* Cut between characters, never inside a UTF-8 sequence. */
		max = SHOW_MAX - 3;
		while (max > 0 && ((unsigned char)text[max] & 0xc0) == 0x80)
			max--;
	}
	strbuf_addc(&b, '"');
	for (size_t i = 0; i < max; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '\n')
			strbuf_adds(&b, "\\n");
		else if (c == '\t')
			strbuf_adds(&b, "\\t");
		else if (c < 0x20 || c == 0x7f)
			strbuf_addf(&b, "\\x%02x", c);
		else
			strbuf_addc(&b, (char)c);
	}
	if (max < len)
		strbuf_adds(&b, "...");
	strbuf_addc(&b, '"');
	return arena_strndup(a, b.s, b.len);
}

const char *node_kind_name(const struct node *n)
{
	if (n == NULL || node_is_null(n))
		return "nothing";
	switch (n->kind) {
	case NODE_LIST:
		return "a list";
	case NODE_MAP:
		return "a mapping";
	case NODE_SCALAR:
		break;
	}
	return "a single value";
}

const char *node_show(struct arena *a, const struct node *n)
{
	const char *text = node_text(n);

	if (text == NULL)
		return node_kind_name(n);
	if (n->interpolated && n->raw != NULL)
		return arena_printf(a, "%s (from %s)", text_show(a, text), text_show(a, n->raw));
	return text_show(a, text);
}
