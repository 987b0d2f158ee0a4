/*
 * yaml.c - YAML text to a tree of nodes, on libyaml's event interface.
 *
 * Bounded in depth, nodes and anchors.  An alias shares its anchor's node, so memory stays
 * linear; an alias inside its own anchor is refused, so there are no cycles.  As PyYAML,
 * which cloud-init uses: the last of two equal keys wins, "<<" merges, and plain words such
 * as yes and off are booleans (y_true).
 */
#include "micro.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

#define MAX_DEPTH   64
#define MAX_NODES   100000
#define MAX_ANCHORS 256

struct frame {
	struct ynode *node, *key;
	size_t cap;
};

struct builder {
	struct frame frame[MAX_DEPTH];
	size_t depth, nodes, anchors;
	struct {
		char *name;
		struct ynode *node;
		bool open;
	} anchor[MAX_ANCHORS];
	struct ynode *root;
	size_t documents;
};

static void push(struct frame *f, struct ynode *child)
{
	struct ynode *n = f->node;

	if (n->kind == Y_MAP && !f->key) {
		f->key = child;
		return;
	}
	if (n->n == f->cap) {
		size_t cap = f->cap ? f->cap * 2 : 8;
		struct ynode **item = xalloc(cap * sizeof(*item)),
			     **key = xalloc(cap * sizeof(*key));

		if (n->n) {
			memcpy(item, n->item, n->n * sizeof(struct ynode *));
			memcpy(key, n->key, n->n * sizeof(struct ynode *));
		}
		free(n->item);
		free(n->key);
		n->item = item;
		n->key = key;
		f->cap = cap;
	}
	n->key[n->n] = f->key;
	n->item[n->n++] = child;
	f->key = NULL;
}

static const char *attach(struct builder *b, struct ynode *n)
{
	if (++b->nodes > MAX_NODES)
		return "too many nodes";
	if (b->depth)
		push(&b->frame[b->depth - 1], n);
	else
		b->root = n;
	return NULL;
}

static const char *remember(struct builder *b, const yaml_char_t *name, struct ynode *n, bool open)
{
	if (!name)
		return NULL;
	if (b->anchors == MAX_ANCHORS)
		return "too many anchors";
	b->anchor[b->anchors].name = xdup((const char *)name);
	b->anchor[b->anchors].node = n;
	b->anchor[b->anchors++].open = open;
	return NULL;
}

static const char *on_alias(struct builder *b, const yaml_char_t *name)
{
	for (size_t i = b->anchors; i-- > 0;) {
		if (strcmp(b->anchor[i].name, (const char *)name) != 0)
			continue;
		return b->anchor[i].open ? "alias inside its own anchor"
					 : attach(b, b->anchor[i].node);
	}
	return "unknown alias";
}

static const char *on_scalar(struct builder *b, const yaml_event_t *ev)
{
	struct ynode *n = xalloc(sizeof(*n));
	const char *tag = (const char *)ev->data.scalar.tag;
	const char *e;

	n->kind = Y_SCALAR;
	n->len = ev->data.scalar.length;
	n->s = xalloc(n->len + 1);
	memcpy(n->s, ev->data.scalar.value, n->len);
	if (memchr(n->s, '\0', n->len))
		return "NUL in a value";
	n->plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !tag;
	n->binary = tag && strcmp(tag, YAML_DEFAULT_SCALAR_TAG) != 0 && strstr(tag, ":binary");
	e = remember(b, ev->data.scalar.anchor, n, false);
	return e ? e : attach(b, n);
}

static const char *on_open(struct builder *b, enum ykind kind, const yaml_char_t *anchor)
{
	struct ynode *n = xalloc(sizeof(*n));
	const char *e;

	n->kind = kind;
	if (b->depth == MAX_DEPTH)
		return "nested too deeply";
	e = attach(b, n);
	if (!e)
		e = remember(b, anchor, n, true);
	b->frame[b->depth++] = (struct frame){ .node = n };
	return e;
}

static void on_close(struct builder *b)
{
	struct ynode *n = b->frame[--b->depth].node;

	for (size_t i = 0; i < b->anchors; i++)
		if (b->anchor[i].node == n)
			b->anchor[i].open = false;
}

static const char *on_event(struct builder *b, const yaml_event_t *ev)
{
	switch ((int)ev->type) {
	case YAML_DOCUMENT_START_EVENT:
		return ++b->documents > 1 ? "more than one document" : NULL;
	case YAML_SCALAR_EVENT:
		return on_scalar(b, ev);
	case YAML_ALIAS_EVENT:
		return on_alias(b, ev->data.alias.anchor);
	case YAML_MAPPING_START_EVENT:
		return on_open(b, Y_MAP, ev->data.mapping_start.anchor);
	case YAML_SEQUENCE_START_EVENT:
		return on_open(b, Y_SEQ, ev->data.sequence_start.anchor);
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		on_close(b);
		return NULL;
	default:
		return NULL;
	}
}

struct ynode *yaml_parse(const char *text, size_t n, char **ret_err)
{
	struct builder *b = xalloc(sizeof(*b));
	yaml_parser_t p;
	yaml_event_t ev;
	bool end = false;

	*ret_err = NULL;
	if (!yaml_parser_initialize(&p)) {
		*ret_err = xdup("out of memory");
		return NULL;
	}
	yaml_parser_set_input_string(&p, (const unsigned char *)text, n);
	while (!end && !*ret_err) {
		const char *e;

		if (!yaml_parser_parse(&p, &ev)) {
			*ret_err = fmt("line %zu: %s", p.problem_mark.line + 1,
				       p.problem ? p.problem : "not YAML");
			break;
		}
		end = ev.type == YAML_STREAM_END_EVENT;
		e = on_event(b, &ev);
		if (e)
			*ret_err = fmt("line %zu: %s", ev.start_mark.line + 1, e);
		yaml_event_delete(&ev);
	}
	yaml_parser_delete(&p);
	return *ret_err ? NULL : b->root;
}

struct ynode *y_get(struct ynode *map, const char *key)
{
	struct ynode *merge = NULL, *v = NULL;

	if (!map || map->kind != Y_MAP)
		return NULL;
	for (size_t i = map->n; i-- > 0;) {
		struct ynode *k = map->key[i];

		if (!k || k->kind != Y_SCALAR)
			continue;
		if (strcmp(k->s, key) == 0)
			return map->item[i];
		if (k->plain && strcmp(k->s, "<<") == 0)
			merge = map->item[i];
	}
	if (merge && merge->kind == Y_SEQ)
		for (size_t i = 0; i < merge->n && !v; i++)
			v = merge->item[i]->kind == Y_MAP ? y_get(merge->item[i], key) : NULL;
	else if (merge)
		v = y_get(merge, key);
	return v;
}

const char *y_str(struct ynode *n)
{
	if (!n || n->kind != Y_SCALAR)
		return NULL;
	if (n->plain && (!*n->s || !strcmp(n->s, "~") || !strcasecmp(n->s, "null")))
		return NULL;
	return n->s;
}

const char *y_text(struct ynode *map, const char *key)
{
	return y_str(y_get(map, key));
}

bool y_true(struct ynode *n, bool def)
{
	const char *s = y_str(n);

	if (!s)
		return def;
	return !strcasecmp(s, "true") || !strcasecmp(s, "yes") || !strcasecmp(s, "on") ||
	       !strcmp(s, "1");
}

struct ynode *y_at(struct ynode *seq, size_t i)
{
	if (!seq)
		return NULL;
	if (seq->kind == Y_SEQ)
		return i < seq->n ? seq->item[i] : NULL;
	return i == 0 ? seq : NULL;
}

size_t y_len(struct ynode *n)
{
	if (!n || (n->kind == Y_SCALAR && !y_str(n)))
		return 0;
	return n->kind == Y_SEQ ? n->n : 1;
}
