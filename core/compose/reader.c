/* SPDX-License-Identifier: Apache-2.0
 *
 * reader.c - libyaml's events to a tree of nodes.
 *
 * The event API is used because its loop can be stopped: libyaml has no limit
 * of depth, and nested flow collections cost it quadratic time.  One frame per
 * open collection is kept; finished children wait in `done` until their
 * collection ends.  For each node its size (nodes below it, itself included)
 * and height are known, so an alias is measured before it is copied.
 */
#include <compose/reader.h>

#include <base/alloc.h>

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define ANCHOR_BUCKETS 4096u
#define PATH_DEPTH_MAX 16 /* paths in messages */

struct anchor {
	const char *name;
	struct node *node;
	unsigned size, height; /* 0: still open */
	size_t next;           /* index + 1 in the same bucket */
};

struct frame {
	struct node *node;
	size_t first;  /* of its children in done */
	size_t anchor; /* index + 1; 0: none */
	unsigned size, height;
};

struct reader {
	struct arena *arena;
	struct diag *diag;
	const struct source *src;
	const char *text;
	size_t len;
	yaml_parser_t parser;
	struct frame frames[TREE_DEPTH_MAX];
	unsigned depth;
	struct node **done;
	size_t n_done, cap_done;
	struct anchor *anchors;
	size_t n_anchors, cap_anchors;
	size_t buckets[ANCHOR_BUCKETS];
	unsigned nodes;
	struct node *root;
	bool failed;
};

static struct node place(const struct reader *r, yaml_mark_t m)
{
	return (struct node){ .src = r->src,
			      .line = (unsigned)m.line + 1,
			      .column = (unsigned)m.column + 1 };
}

/* The path to what is being read, in p[]; NULL at the top. */
static const struct path *current_path(const struct reader *r, struct path *p)
{
	const struct path *up = NULL;

	if (r->depth > PATH_DEPTH_MAX) /* it would help nobody */
		return NULL;
	for (unsigned i = 0; i < r->depth; i++) {
		const struct frame *f = &r->frames[i];
		size_t end = i + 1 < r->depth ? r->frames[i + 1].first : r->n_done;

		p[i].up = up;
		p[i].key = NULL;
		p[i].index = end - f->first;
		if (f->node->kind == NODE_MAP) {
			if ((end - f->first) % 2 == 0)
				break;
			p[i].key = r->done[end - 1]->text;
		}
		up = &p[i];
	}
	return up;
}

static int fail(struct reader *r, yaml_mark_t at, const char *text)
{
	struct path p[TREE_DEPTH_MAX];
	struct node n = place(r, at);

	r->failed = true;
	return diag_error(r->diag, &n, current_path(r, p), "%s", text);
}

/* ---- anchors ------------------------------------------------------------- */

static unsigned bucket_of(const char *name)
{
	unsigned h = 5381;

	for (; *name != '\0'; name++)
		h = h * 33 + (unsigned char)*name;
	return h % ANCHOR_BUCKETS;
}

/* Returns its index + 1. */
static size_t add_anchor(struct reader *r, const char *name, struct node *node)
{
	struct anchor *a = ARRAY_PUSH(r->anchors, r->n_anchors, r->cap_anchors);
	unsigned b = bucket_of(name);

	*a = (struct anchor){ .name = arena_strdup(r->arena, name), .node = node };
	a->next = r->buckets[b];
	r->buckets[b] = r->n_anchors;
	return r->n_anchors;
}

static struct anchor *find_anchor(struct reader *r, const char *name)
{
	for (size_t i = r->buckets[bucket_of(name)]; i != 0; i = r->anchors[i - 1].next) {
		if (strcmp(r->anchors[i - 1].name, name) == 0)
			return &r->anchors[i - 1];
	}
	return NULL;
}

/* ---- finished nodes ------------------------------------------------------ */

static int add_done(struct reader *r, struct node *n, unsigned size, unsigned height,
		    yaml_mark_t at)
{
	struct frame *f;

	if (r->depth == 0) {
		r->root = n;
		return 0;
	}
	f = &r->frames[r->depth - 1];
	if (f->node->kind == NODE_MAP && (r->n_done - f->first) % 2 == 0) {
		if (n->kind != NODE_SCALAR)
			return fail(r, at, "a key must be a single value, not a list or mapping");
		if (n->text[0] == '\0')
			return fail(r, at, "a key is missing before the \":\"");
		if (r->n_done - f->first == 2 * (size_t)TREE_KEYS_MAX)
			return fail(r, at, "a mapping of more than 10000 keys");
	}
	*ARRAY_PUSH(r->done, r->n_done, r->cap_done) = n;
	f->size += size;
	if (f->height < height + 1)
		f->height = height + 1;
	return 0;
}

static int count_nodes(struct reader *r, unsigned n, yaml_mark_t at)
{
	if (n > TREE_NODES_MAX - r->nodes)
		return fail(r, at, "the file has more than 100000 values, aliases expanded");
	r->nodes += n;
	return 0;
}

static int read_tag(struct reader *r, const yaml_char_t *tag, yaml_mark_t at, enum node_tag *ret)
{
	static const char core[] = "tag:yaml.org,2002:";
	static const char *const plain[] = { "int", "float", "bool", "null", "seq", "map" };
	const char *t = (const char *)tag;

	*ret = TAG_NONE;
	if (t == NULL)
		return 0;
	if (strcmp(t, "!reset") == 0) {
		*ret = TAG_RESET;
		return 0;
	}
	if (strcmp(t, "!override") == 0) {
		*ret = TAG_OVERRIDE;
		return 0;
	}
	if (strcmp(t, "!") == 0) {
		*ret = TAG_STR;
		return 0;
	}
	if (strncmp(t, core, sizeof(core) - 1) == 0) {
		const char *name = t + sizeof(core) - 1;

		if (strcmp(name, "str") == 0) {
			*ret = TAG_STR;
			return 0;
		}
		for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
			if (strcmp(name, plain[i]) == 0)
				return 0;
		}
	}
	return fail(r, at,
		    arena_printf(r->arena, "unknown tag %s: only !reset and !override are known",
				 text_show(r->arena, t)));
}

static int on_scalar(struct reader *r, const yaml_event_t *e)
{
	size_t len = e->data.scalar.length;
	const char *value = (const char *)e->data.scalar.value;
	struct node *n = arena_new(r->arena, struct node);
	size_t anchor = 0;

	*n = place(r, e->start_mark);
	n->kind = NODE_SCALAR;
	if (count_nodes(r, 1, e->start_mark) < 0 ||
	    read_tag(r, e->data.scalar.tag, e->start_mark, &n->tag) < 0)
		return -1;
	if (memchr(value, '\0', len) != NULL)
		return fail(r, e->start_mark, "the text contains a NUL character");
	n->text = arena_strndup(r->arena, value, len);
	n->raw = n->text;
	n->plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && n->tag != TAG_STR;
	if (e->data.scalar.anchor != NULL) {
		anchor = add_anchor(r, (const char *)e->data.scalar.anchor, n);
		r->anchors[anchor - 1].size = 1;
		r->anchors[anchor - 1].height = 1;
	}
	return add_done(r, n, 1, 1, e->start_mark);
}

static int on_alias(struct reader *r, const yaml_event_t *e)
{
	const char *name = (const char *)e->data.alias.anchor;
	const struct anchor *a = find_anchor(r, name);
	const char *shown = text_show(r->arena, name);

	if (a == NULL)
		return fail(r, e->start_mark,
			    arena_printf(r->arena, "alias %s: no such anchor above it", shown));
	if (a->size == 0)
		return fail(r, e->start_mark,
			    arena_printf(r->arena, "alias %s: the anchor contains itself", shown));
	if (r->depth + a->height > TREE_DEPTH_MAX)
		return fail(r, e->start_mark, "nested deeper than 64 levels");
	if (count_nodes(r, a->size, e->start_mark) < 0)
		return -1;
	return add_done(r, node_copy(r->arena, a->node), a->size, a->height, e->start_mark);
}

static int on_start(struct reader *r, const yaml_event_t *e, enum node_kind kind)
{
	const yaml_char_t *tag, *anchor;
	struct node *n;
	struct frame *f;

	tag = kind == NODE_MAP ? e->data.mapping_start.tag : e->data.sequence_start.tag;
	anchor = kind == NODE_MAP ? e->data.mapping_start.anchor : e->data.sequence_start.anchor;
	if (r->depth == TREE_DEPTH_MAX)
		return fail(r, e->start_mark, "nested deeper than 64 levels");
	if (count_nodes(r, 1, e->start_mark) < 0)
		return -1;
	n = arena_new(r->arena, struct node);
	*n = place(r, e->start_mark);
	n->kind = kind;
	if (read_tag(r, tag, e->start_mark, &n->tag) < 0)
		return -1;
	f = &r->frames[r->depth];
	*f = (struct frame){ .node = n, .first = r->n_done, .size = 1, .height = 1 };
	if (anchor != NULL)
		f->anchor = add_anchor(r, (const char *)anchor, n);
	r->depth++;
	return 0;
}

/* ---- the end of a map: duplicates and merge keys -------------------------- */

static bool is_merge_key(const struct node *key)
{
	return key->plain && strcmp(key->text, "<<") == 0;
}

static void check_duplicates(struct reader *r, const struct node *map)
{
	_cleanup_(node_index_finish) struct node_index x = { NULL, 0 };
	struct path p[TREE_DEPTH_MAX + 1];
	const struct path *up;

	node_index_init(&x, map);
	for (size_t i = 1; i < x.n; i++) {
		const struct node *first = x.sorted[i - 1]->key, *again = x.sorted[i]->key;

		if (strcmp(first->text, again->text) != 0)
			continue;
		up = current_path(r, p);
		p[TREE_DEPTH_MAX] = (struct path){ .up = up, .key = again->text };
		diag_error(r->diag, again, &p[TREE_DEPTH_MAX],
			   "the key is there twice, first at line %u", first->line);
	}
}

/* Count how many pairs a merge value may add; -1 when it is no map or list of
 * maps. */
static int merge_size(struct reader *r, const struct node *value, size_t *ret)
{
	size_t total = 0;

	if (value->kind == NODE_MAP) {
		*ret += value->n;
		return 0;
	}
	if (value->kind == NODE_LIST) {
		for (size_t i = 0; i < value->n; i++) {
			if (value->items[i]->kind != NODE_MAP)
				break;
			total += value->items[i]->n;
			if (i + 1 == value->n) {
				*ret += total;
				return 0;
			}
		}
		if (value->n == 0)
			return 0;
	}
	r->failed = true;
	return diag_error(r->diag, value, NULL,
			  "<<: what is merged must be a mapping or a list of mappings, not %s",
			  node_kind_name(value));
}

static void take_pairs(struct node *map, const struct node *from)
{
	memcpy(map->pairs + map->n, from->pairs, from->n * sizeof(*from->pairs));
	map->n += from->n;
}

/* Explicit keys win over merged ones, earlier merged ones over later. */
static int apply_merge_keys(struct reader *r, struct node *map)
{
	_cleanup_(node_index_finish) struct node_index x = { NULL, 0 };
	size_t extra = 0, n = 0;
	struct node *all;

	for (size_t i = 0; i < map->n; i++) {
		if (is_merge_key(map->pairs[i].key) &&
		    merge_size(r, map->pairs[i].value, &extra) < 0)
			return -1;
	}
	all = node_map(r->arena, map, map->n + extra);
	all->n = 0;
	for (size_t i = 0; i < map->n; i++) {
		if (!is_merge_key(map->pairs[i].key))
			all->pairs[all->n++] = map->pairs[i];
	}
	for (size_t i = 0; i < map->n; i++) {
		const struct node *value = map->pairs[i].value;

		if (!is_merge_key(map->pairs[i].key))
			continue;
		if (value->kind == NODE_MAP)
			take_pairs(all, value);
		for (size_t j = 0; value->kind == NODE_LIST && j < value->n; j++)
			take_pairs(all, value->items[j]);
	}
	/* The index finds the first of equal keys, which is the one that wins. */
	node_index_init(&x, all);
	for (size_t i = 0, j; i < x.n; i = j) {
		for (j = i + 1;
		     j < x.n && strcmp(x.sorted[i]->key->text, x.sorted[j]->key->text) == 0; j++)
			all->pairs[x.sorted[j] - all->pairs].value = NULL;
	}
	for (size_t i = 0; i < all->n; i++) {
		if (all->pairs[i].value != NULL)
			all->pairs[n++] = all->pairs[i];
	}
	map->pairs = all->pairs;
	map->n = n;
	return 0;
}

static int end_map(struct reader *r, struct node *n, struct node **children, size_t count)
{
	bool merge = false;

	n->n = count / 2;
	n->pairs = arena_array(r->arena, n->n, struct pair);
	for (size_t i = 0; i < n->n; i++) {
		n->pairs[i].key = children[2 * i];
		n->pairs[i].value = children[2 * i + 1];
		merge = merge || is_merge_key(n->pairs[i].key);
	}
	return merge ? 1 : 0;
}

static int on_end(struct reader *r, const yaml_event_t *e)
{
	const struct frame f = r->frames[r->depth - 1];
	size_t count = r->n_done - f.first;
	struct node *n = f.node;
	int merge = 0;

	if (n->kind == NODE_MAP) {
		merge = end_map(r, n, r->done + f.first, count);
	} else {
		n->n = count;
		n->items = arena_memdup(r->arena, r->done + f.first, count * sizeof(*r->done));
	}
	r->n_done = f.first;
	r->depth--;
	if (n->kind == NODE_MAP) {
		check_duplicates(r, n);
		if (merge && apply_merge_keys(r, n) < 0)
			return -1;
	}
	if (f.anchor != 0) {
		r->anchors[f.anchor - 1].size = f.size;
		r->anchors[f.anchor - 1].height = f.height;
	}
	return add_done(r, n, f.size, f.height, e->start_mark);
}

/* ---- errors of libyaml --------------------------------------------------- */

/* The byte at a mark (marks count characters). */
static char byte_at(const struct reader *r, yaml_mark_t m)
{
	const char *p = r->text, *end = r->text + r->len;

	for (size_t line = 0; line < m.line && p < end; p++) {
		if (*p == '\n')
			line++;
	}
	for (size_t col = 0; col < m.column && p < end; col++) {
		p++;
		while (p < end && ((unsigned char)*p & 0xc0) == 0x80)
			p++;
	}
	return p < end ? *p : '\0';
}

static yaml_mark_t mark_of_offset(const struct reader *r, size_t offset)
{
	yaml_mark_t m = { 0, 0, 0 };

	for (size_t i = 0; i < offset && i < r->len; i++) {
		if (r->text[i] == '\n') {
			m.line++;
			m.column = 0;
		} else if (((unsigned char)r->text[i] & 0xc0) != 0x80) {
			m.column++;
		}
	}
	return m;
}

static int yaml_failed(struct reader *r)
{
	const yaml_parser_t *p = &r->parser;
	const char *problem = p->problem != NULL ? p->problem : "cannot be read";
	yaml_mark_t at = p->problem_mark;

	if (p->error == YAML_READER_ERROR) {
		at = mark_of_offset(r, p->problem_offset);
		if (strstr(problem, "control characters") != NULL)
			return fail(r, at, "not valid YAML: a control character in the text");
		fail(r, at, "the text is not valid UTF-8");
		diag_hint(r->diag, "save the file as UTF-8");
		return -1;
	}
	if (byte_at(r, at) == '\t' || strstr(problem, "tab character") != NULL) {
		fail(r, at, "not valid YAML: a tab character where only spaces may be");
		diag_hint(r->diag, "YAML is indented with spaces; replace the tab by spaces");
		return -1;
	}
	if (p->context == NULL)
		return fail(r, at, arena_printf(r->arena, "not valid YAML: %s", problem));
	return fail(r, at, arena_printf(r->arena, "not valid YAML: %s %s", p->context, problem));
}

/* ---- the loop ------------------------------------------------------------ */

static int on_event(struct reader *r, const yaml_event_t *e)
{
	switch (e->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (r->root != NULL)
			return fail(r, e->start_mark,
				    "a second YAML document begins here; one file holds one");
		return 0;
	case YAML_SCALAR_EVENT:
		return on_scalar(r, e);
	case YAML_ALIAS_EVENT:
		return on_alias(r, e);
	case YAML_SEQUENCE_START_EVENT:
		return on_start(r, e, NODE_LIST);
	case YAML_MAPPING_START_EVENT:
		return on_start(r, e, NODE_MAP);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return on_end(r, e);
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_DOCUMENT_END_EVENT:
		break;
	}
	return 0;
}

static int run(struct reader *r)
{
	for (bool end = false; !end;) {
		yaml_event_t e;
		int result;

		if (!yaml_parser_parse(&r->parser, &e))
			return yaml_failed(r);
		result = on_event(r, &e);
		end = e.type == YAML_STREAM_END_EVENT;
		yaml_event_delete(&e);
		if (result < 0)
			return -1;
	}
	return 0;
}

int tree_read(struct arena *a, const struct source *src, const char *text, size_t len,
	      struct diag *d, struct node **ret)
{
	_cleanup_(freep) struct reader *r = xnew(struct reader);
	const char *nul = len > 0 ? memchr(text, '\0', len) : NULL;
	struct node top = { .src = src, .line = 1, .column = 1 };
	int result;

	*r = (struct reader){ .arena = a, .diag = d, .src = src, .text = text, .len = len };
	if (len > TREE_TEXT_MAX)
		return diag_error(d, &top, NULL, "the file is larger than 1 MiB");
	if (nul != NULL) {
		/* Also what UTF-16 looks like. */
		fail(r, mark_of_offset(r, (size_t)(nul - text)), "a NUL byte in the text");
		diag_hint(d, "save the file as UTF-8");
		return -1;
	}
	if (!yaml_parser_initialize(&r->parser))
		return diag_error(d, &top, NULL, "out of memory");
	array_reserve((void **)&r->done, 0, &r->cap_done, sizeof(*r->done));
	yaml_parser_set_input_string(&r->parser, (const unsigned char *)text, len);
	result = run(r);
	yaml_parser_delete(&r->parser);
	free(r->done);
	free(r->anchors);
	if (result < 0)
		return -1;
	if (r->root == NULL)
		return diag_error(d, &top, NULL, "the file is empty");
	*ret = r->root;
	return 0;
}
