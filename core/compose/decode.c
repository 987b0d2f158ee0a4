/* SPDX-License-Identifier: Apache-2.0
 *
 * decode.c - the generic decoder: values by the kind of their shape.
 */
#include <compose/decode.h>

#include <compose/scalar.h>
#include <compose/vars.h>

#include <base/clock.h>
#include <base/fs.h>
#include <base/names.h>
#include <base/units.h>

#include <stdlib.h>
#include <string.h>

#define NAMES_MAX     128  /* keys compared for "did you mean" */
#define LINE_TEXT_MAX 4096 /* PATH_MAX: no path or name is longer */

/* ---- saying what is wrong ------------------------------------------------- */

static const char *kind_rule(struct decoder *d, const struct shape *sh)
{
	switch (sh->kind) {
	case SHAPE_INT:
		return arena_printf(d->arena, "a whole number from %lld to %lld",
				    (long long)sh->min, (long long)sh->max);
	case SHAPE_BOOL:
		return "true or false";
	case SHAPE_SIZE:
		return "a size like 512M or 10G";
	case SHAPE_DURATION:
		return "a duration with units, like 30s or 1m30s";
	case SHAPE_LIST:
		return sh->name != NULL ? arena_printf(d->arena, "a %s", sh->name) : "a list";
	case SHAPE_MAP:
	case SHAPE_OBJECT:
		return "a mapping";
	case SHAPE_STRING:
	case SHAPE_ENUM:
	case SHAPE_WORD:
	case SHAPE_ANY:
	case SHAPE_ONE_OF:
		break;
	}
	return "a single value";
}

bool decode_expected(struct decoder *d, const struct shape *sh, const struct node *n,
		     const struct path *p)
{
	diag_error(d->diag, n, p, "%s: must be %s", node_show(d->arena, n),
		   sh->rule != NULL ? sh->rule : kind_rule(d, sh));
	return false;
}

bool decode_is(struct decoder *d, const struct shape *sh, const struct node *n,
	       const struct path *p, enum node_kind kind)
{
	return n->kind == kind || decode_expected(d, sh, n, p);
}

static void hint_nearest(struct decoder *d, const char *word, const char *const *names, size_t n)
{
	const char *near = diag_is_full(d->diag) ? NULL : names_nearest(word, names, n);

	if (near != NULL)
		diag_hint(d->diag, "did you mean \"%s\"?", near);
}

static void unknown_key(struct decoder *d, const struct shape *sh, const struct node *key,
			const struct path *p)
{
	const char *names[NAMES_MAX];
	size_t n = 0;

	for (const struct field *f = sh->fields; f->key != NULL && n < NAMES_MAX; f++)
		names[n++] = f->key;
	diag_error(d->diag, key, p, "unknown key");
	hint_nearest(d, key->text, names, n);
}

/* ---- single values ---------------------------------------------------------- */

static bool has_control(const char *s, bool multiline)
{
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == 0x7f || (c < 0x20 && c != '\t' && !(multiline && c == '\n')))
			return true;
	}
	return false;
}

const char *decode_text(struct decoder *d, const struct shape *sh, const struct node *n,
			const struct path *p)
{
	const char *text = node_text(n);

	if (text == NULL) {
		decode_expected(d, sh, n, p);
		return NULL;
	}
	if ((sh->flags & SHAPE_NONEMPTY) && text[0] == '\0') {
		diag_error(d->diag, n, p, "%s: must not be empty", node_show(d->arena, n));
		return NULL;
	}
	/* Names and paths, not what is for the guest. */
	if (!(sh->flags & (SHAPE_MULTILINE | SHAPE_GUEST)) &&
	    ((sh->flags & SHAPE_NONEMPTY) || sh->check != NULL) && strlen(text) >= LINE_TEXT_MAX) {
		diag_error(d->diag, n, p, "%s: must be shorter than %d bytes",
			   node_show(d->arena, n), LINE_TEXT_MAX);
		return NULL;
	}
	if (!(sh->flags & SHAPE_MULTILINE) && has_control(text, false)) {
		diag_error(d->diag, n, p, "%s: must be one line without control characters",
			   node_show(d->arena, n));
		return NULL;
	}
	if (sh->check != NULL && !sh->check(text)) {
		decode_expected(d, sh, n, p);
		return NULL;
	}
	return text;
}

const char *decode_path(struct decoder *d, const struct node *n, const struct path *p,
			const char *text)
{
	_cleanup_(freep) char *joined = NULL;
	_cleanup_(freep) char *normal = NULL;
	const char *home;

	if (text[0] == '~' && text[1] != '\0' && text[1] != '/') {
		diag_error(d->diag, n, p, "%s: only ~/ is understood, not another user's home",
			   node_show(d->arena, n));
		return NULL;
	}
	if (text[0] == '~') {
		home = vars_get(d->vars, "HOME");
		if (home == NULL || home[0] != '/') {
			diag_error(d->diag, n, p, "%s: HOME is not set, so ~ means nothing",
				   node_show(d->arena, n));
			return NULL;
		}
		joined = fs_join(home, text[1] == '/' ? text + 2 : "");
		text = joined;
	}
	normal = fs_normalize(n->src->dir, text);
	return arena_strdup(d->arena, normal);
}

static void decode_string(struct decoder *d, const struct shape *sh, const struct node *n,
			  const struct path *p, void *out)
{
	const char *text = decode_text(d, sh, n, p);

	if (text != NULL && (sh->flags & SHAPE_PATH))
		text = decode_path(d, n, p, text);
	memcpy(out, &text, sizeof(text));
}

static void decode_int(struct decoder *d, const struct shape *sh, const struct node *n,
		       const struct path *p, void *out)
{
	unsigned value;
	int64_t v = 0;

	switch (scalar_int(n, &v)) {
	case SCALAR_OK:
		break;
	case SCALAR_TOO_BIG:
		decode_expected(d, sh, n, p);
		return;
	default:
		decode_expected(d, sh, n, p);
		if (n->kind == NODE_SCALAR && !n->plain && !n->interpolated)
			diag_hint(d->diag, "numbers are written without quotes");
		return;
	}
	if (v < sh->min || v > sh->max) {
		decode_expected(d, sh, n, p);
		return;
	}
	value = (unsigned)v;
	memcpy(out, &value, sizeof(value));
}

static void decode_bool(struct decoder *d, const struct shape *sh, const struct node *n,
			const struct path *p, void *out)
{
	bool v;

	if (scalar_bool(n, &v) < 0) {
		decode_expected(d, sh, n, p);
		return;
	}
	memcpy(out, &v, sizeof(v));
}

static void decode_size(struct decoder *d, const struct shape *sh, const struct node *n,
			const struct path *p, void *out)
{
	const char *text = node_text(n);
	char least[32];
	uint64_t v;

	if (text == NULL || units_parse_size(text, &v) < 0) {
		decode_expected(d, sh, n, p);
		return;
	}
	if (v < (uint64_t)sh->min) {
		diag_error(d->diag, n, p, "%s: must be at least %s", node_show(d->arena, n),
			   units_format_size((uint64_t)sh->min, least));
		if (text[strspn(text, "0123456789")] == '\0')
			diag_hint(d->diag, "a number without a unit is bytes");
		return;
	}
	memcpy(out, &v, sizeof(v));
}

/* Whole seconds, as existing files expect: a positive value below one second
 * counts as one, other fractions are cut off (contract.md section 0). */
static void decode_duration(struct decoder *d, const struct shape *sh, const struct node *n,
			    const struct path *p, void *out)
{
	const char *text = node_text(n);
	uint64_t v;

	if (text == NULL || units_parse_duration(text, &v) < 0) {
		decode_expected(d, sh, n, p);
		return;
	}
	if (v > 0 && v < NS_PER_S)
		v = NS_PER_S;
	v -= v % NS_PER_S;
	if (v < (uint64_t)sh->min * NS_PER_S) {
		diag_error(d->diag, n, p, "%s: must be at least %llds", node_show(d->arena, n),
			   (long long)sh->min);
		return;
	}
	memcpy(out, &v, sizeof(v));
}

static void decode_word(struct decoder *d, const struct shape *sh, const struct node *n,
			const struct path *p, void *out)
{
	const char *text = node_text(n);
	char list[256] = "";
	unsigned i;

	for (i = 0; text != NULL && sh->words[i] != NULL; i++) {
		if (strcmp(sh->words[i], text) != 0)
			continue;
		if (sh->kind == SHAPE_ENUM)
			memcpy(out, &i, sizeof(i));
		else
			memcpy(out, &sh->words[i], sizeof(sh->words[i]));
		return;
	}
	for (i = 0; sh->words[i] != NULL; i++) {
		size_t len = strlen(list);

		snprintf(list + len, sizeof(list) - len, "%s%s",
			 i == 0                     ? ""
			 : sh->words[i + 1] == NULL ? " or "
						    : ", ",
			 sh->words[i]);
	}
	diag_error(d->diag, n, p, "%s: must be %s", node_show(d->arena, n), list);
	if (text != NULL)
		hint_nearest(d, text, sh->words, i);
}

/* ---- lists and mappings ------------------------------------------------------ */

/* Lists of strings are NULL-terminated vectors, lists of structs model_list. */
static void decode_list(struct decoder *d, const struct shape *sh, const struct node *n,
			const struct path *p, void *out)
{
	bool objects = sh->item->kind == SHAPE_OBJECT;
	size_t size = objects ? sh->item->size : sizeof(char *);
	struct model_list list;
	char *items;

	if (!decode_is(d, sh, n, p, NODE_LIST))
		return;
	if ((sh->flags & SHAPE_NONEMPTY) && n->n == 0) {
		diag_error(d->diag, n, p, "the list must not be empty");
		return;
	}
	items = arena_alloc(d->arena, n->n + 1, size);
	for (size_t i = 0; i < n->n; i++) {
		const struct path here = { p, NULL, i };

		decode_value(d, sh->item, n->items[i], &here, items + i * size);
	}
	if (!objects) {
		memcpy(out, &items, sizeof(items));
		return;
	}
	list = (struct model_list){ items, n->n };
	memcpy(out, &list, sizeof(list));
}

void decode_value(struct decoder *d, const struct shape *sh, const struct node *n,
		  const struct path *p, void *out)
{
	if (sh->decode != NULL) {
		sh->decode(d, sh, n, p, out);
		return;
	}
	switch (sh->kind) {
	case SHAPE_STRING:
		decode_string(d, sh, n, p, out);
		return;
	case SHAPE_INT:
		decode_int(d, sh, n, p, out);
		return;
	case SHAPE_BOOL:
		decode_bool(d, sh, n, p, out);
		return;
	case SHAPE_SIZE:
		decode_size(d, sh, n, p, out);
		return;
	case SHAPE_DURATION:
		decode_duration(d, sh, n, p, out);
		return;
	case SHAPE_ENUM:
	case SHAPE_WORD:
		decode_word(d, sh, n, p, out);
		return;
	case SHAPE_LIST:
		decode_list(d, sh, n, p, out);
		return;
	case SHAPE_OBJECT:
		decode_object(d, sh, n, p, out);
		return;
	case SHAPE_MAP:
	case SHAPE_ANY:
	case SHAPE_ONE_OF:
		break; /* always with a decoder of their own */
	}
	abort();
}

/* The default goes the same way as what a file says. */
static void decode_default(struct decoder *d, const struct field *f, const struct node *at,
			   const struct path *p, char *base)
{
	static const struct source nowhere = { .name = NULL, .dir = "/" };
	struct node n = { .src = &nowhere, .kind = NODE_SCALAR, .plain = true };
	const char *text = f->deflt;
	size_t len = strlen(text);

	if (strcmp(text, "{}") == 0) {
		n.kind = NODE_MAP;
	} else {
		bool quoted = text[0] == '"';

		n.text = quoted ? arena_strndup(d->arena, text + 1, len - 2) : text;
		n.plain = !quoted;
	}
	/* A mapping that is absent is where its parent is. */
	if (f->shape->flags & SHAPE_MARKED) {
		n.src = at->src;
		n.line = at->line;
		n.column = at->column;
	}
	decode_value(d, f->shape, &n, p, base + f->offset);
}

/* The value of a key that is there. */
static void decode_field(struct decoder *d, const struct field *f, const struct node *value,
			 const struct path *p, char *base)
{
	struct mark mark = node_mark(value);
	union {
		uint64_t number;
		const char *text;
	} unused;

	if (f->offset == NO_OFFSET) {
		/* Read by somebody else; the form is checked here. */
		if (f->shape->kind < SHAPE_LIST)
			decode_value(d, f->shape, value, p, &unused);
		else if (f->shape->kind == SHAPE_OBJECT)
			decode_object(d, f->shape, value, p, NULL);
		else if (!shape_accepts(f->shape, value))
			decode_expected(d, f->shape, value, p);
		return;
	}
	if (f->mark != NO_OFFSET)
		memcpy(base + f->mark, &mark, sizeof(mark));
	decode_value(d, f->shape, value, p, base + f->offset);
}

/* Lists of strings in the model are never NULL. */
static void empty_list(const struct field *f, char *base)
{
	static const char *const none[] = { NULL };
	const char *const *list = none;

	if (f->offset != NO_OFFSET && f->shape->kind == SHAPE_LIST && f->shape->decode == NULL &&
	    f->shape->item->kind == SHAPE_STRING)
		memcpy(base + f->offset, &list, sizeof(list));
}

/* "vcpu" and "cpus": one of them. */
static bool given_twice(struct decoder *d, const struct field *f, const struct node *n,
			const struct pair *pair, const struct path *p)
{
	if (f->same_as == NULL || node_is_null(node_get(n, f->same_as)))
		return false;
	diag_error(d->diag, pair->key, p, "the same as \"%s\", which is given as well", f->same_as);
	return true;
}

void decode_object(struct decoder *d, const struct shape *sh, const struct node *n,
		   const struct path *p, void *base)
{
	const struct mark mark = node_mark(n);
	uint64_t seen = 0; /* no table has more than 64 fields */

	if (!node_is_null(n) && !decode_is(d, sh, n, p, NODE_MAP))
		return;
	if (sh->flags & SHAPE_MARKED)
		memcpy(base, &mark, sizeof(mark));
	for (size_t i = 0; n->kind == NODE_MAP && i < n->n; i++) {
		const struct pair *pair = &n->pairs[i];
		const struct path here = { p, pair->key->text, 0 };
		const struct field *f = field_find(sh->fields, pair->key->text);

		if (key_is_ignored(sh, pair->key->text))
			continue;
		if (f == NULL) {
			unknown_key(d, sh, pair->key, &here);
			continue;
		}
		/* null is the same as no key, unless it means something. */
		if (node_is_null(pair->value) && !(f->shape->flags & SHAPE_NULL))
			continue;
		seen |= UINT64_C(1) << (f - sh->fields);
		if (f->same_as != NULL)
			seen |= UINT64_C(1) << (field_find(sh->fields, f->same_as) - sh->fields);
		if (!given_twice(d, f, n, pair, &here))
			decode_field(d, f, pair->value, &here, base);
	}
	for (const struct field *f = sh->fields; f->key != NULL; f++) {
		const struct path here = { p, f->key, 0 };

		if (seen & UINT64_C(1) << (f - sh->fields))
			continue;
		if (f->required)
			diag_error(d->diag, n, p, "\"%s\" is missing", f->key);
		else if (f->deflt != NULL && f->offset != NO_OFFSET)
			decode_default(d, f, n, &here, base);
		else
			empty_list(f, base);
	}
}

/* ---- the whole file ----------------------------------------------------------- */

static bool key_is_name(struct decoder *d, const struct node *key, const struct path *p)
{
	if (names_is_label(key->text))
		return true;
	diag_error(d->diag, key, p, "the name %s must be %s", text_show(d->arena, key->text),
		   NAMES_LABEL_RULE);
	return false;
}

/* A top-level mapping of named objects to an array of structs.  The struct's
 * name is at name_offset; its mark becomes that of the key. */
static struct model_list decode_named(struct decoder *d, const struct node *root, const char *what,
				      size_t name_offset)
{
	const struct node *map = node_get(root, what);
	const struct shape *sh_map = shape_of_key(&shape_file, what);
	const struct shape *sh = sh_map->item;
	const struct path top = { NULL, what, 0 };
	struct model_list list = { NULL, 0 };
	char *items;

	if (node_is_null(map))
		return list;
	if (map->kind != NODE_MAP) {
		diag_error(d->diag, map, &top, "%s: must be a mapping", node_show(d->arena, map));
		return list;
	}
	items = arena_alloc(d->arena, map->n + 1, sh->size);
	for (size_t i = 0; i < map->n && !diag_is_full(d->diag); i++) {
		const struct node *key = map->pairs[i].key;
		const struct path here = { &top, key->text, 0 };
		char *item = items + list.n * sh->size;
		const struct mark mark = node_mark(key);

		if (key_is_ignored(sh_map, key->text))
			continue;
		/* A wrong name is told, and its content is looked at all the same. */
		key_is_name(d, key, &here);
		decode_object(d, sh, map->pairs[i].value, &here, item);
		memcpy(item, &mark, sizeof(mark));
		memcpy(item + name_offset, &key->text, sizeof(key->text));
		list.n++;
	}
	list.items = items;
	return list;
}

void decode_file(struct decoder *d, const struct node *root, struct project *p)
{
	struct model_list list;

	for (size_t i = 0; i < root->n; i++) {
		const struct node *key = root->pairs[i].key;
		const struct path here = { NULL, key->text, 0 };

		if (!key_is_ignored(&shape_file, key->text) &&
		    field_find(shape_file.fields, key->text) == NULL)
			unknown_key(d, &shape_file, key, &here);
	}
	d->volumes = node_get(root, "volumes");
	p->services_mark = node_mark(
		node_pair(root, "services") != NULL ? node_pair(root, "services")->key : root);
	list = decode_named(d, root, "volumes", offsetof(struct volume, name));
	p->volumes = list.items;
	p->n_volumes = list.n;
	list = decode_named(d, root, "networks", offsetof(struct network, name));
	p->networks = list.items;
	p->n_networks = list.n;
	list = decode_named(d, root, "services", offsetof(struct service, name));
	p->services = list.items;
	p->n_services = list.n;
}
