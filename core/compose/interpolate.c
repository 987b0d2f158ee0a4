/* SPDX-License-Identifier: Apache-2.0
 *
 * interpolate.c - see interpolate.h.
 */
#include <compose/interpolate.h>

#include <string.h>

#define NESTING_MAX 16

struct expansion {
	struct vars *vars;
	struct diag *diag;
	const struct node *at;
	const struct path *path;
	unsigned depth;
};

static int expand(struct expansion *x, const char *s, size_t len, struct strbuf *out);

static bool name_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static size_t name_length(const char *s, size_t len)
{
	size_t n = 0;

	if (len == 0 || !name_start(s[0]))
		return 0;
	while (n < len && (name_start(s[n]) || (s[n] >= '0' && s[n] <= '9')))
		n++;
	return n;
}

static int broken(struct expansion *x, const char *why)
{
	diag_error(x->diag, x->at, x->path, "%s: %s",
		   text_show(x->diag->arena, x->at->kind == NODE_SCALAR ? x->at->text : "${"), why);
	diag_hint(x->diag, "write ${NAME}, or $$ where a dollar sign is meant");
	return -1;
}

static int add(struct expansion *x, const char *text, size_t len, struct strbuf *out)
{
	if (!vars_spend(x->vars, len))
		return diag_error(x->diag, x->at, x->path,
				  "variables expand to more than 16 MiB of text");
	strbuf_add(out, text, len);
	return 0;
}

/* The value of a variable, recorded as asked for. */
static const char *value_of(struct expansion *x, const char *name, bool warn)
{
	const char *value = vars_get(x->vars, name);

	if (vars_use(x->vars, name, x->at, warn && value == NULL)) {
		diag_warn(x->diag, x->at, x->path, "variable %s is not set, an empty text is used",
			  name);
		diag_warn_hint(x->diag, "set it in the environment, in .env or with --env-file; "
					"env_file: is for the guest only");
	}
	return value;
}

static int plain_variable(struct expansion *x, const char *name, struct strbuf *out)
{
	const char *value = value_of(x, name, true);

	return value != NULL ? add(x, value, strlen(value), out) : 0;
}

/* ${NAME:?MESSAGE} and ${NAME?MESSAGE} of a variable that is not there. */
static int required(struct expansion *x, const char *name, bool is_set, const char *word,
		    size_t len)
{
	_cleanup_(strbuf_finish) struct strbuf message = STRBUF_INIT;

	if (expand(x, word, len, &message) < 0)
		return -1;
	diag_error(x->diag, x->at, x->path, "variable %s must be set%s%s%s", name,
		   is_set ? " and not empty" : "", message.len > 0 ? ": " : "",
		   message.len > 0 ? message.s : "");
	return -1;
}

/* NAME, then an operator and its word; s is what stands between the braces. */
static int braced(struct expansion *x, const char *s, size_t len, struct strbuf *out)
{
	size_t n = name_length(s, len);
	const char *name = arena_strndup(x->diag->arena, s, n);
	const char *word, *value;
	bool colon, has;
	char op;

	if (n == 0)
		return broken(x, "${ is not followed by the name of a variable");
	if (n == len)
		return plain_variable(x, name, out);
	colon = s[n] == ':';
	op = n + colon < len ? s[n + colon] : '\0';
	if (op != '-' && op != '?' && op != '+')
		return broken(x, "after the name in ${...} only :- - :? ? :+ + may follow");
	word = s + n + colon + 1;
	len -= (size_t)(word - s);
	value = value_of(x, name, false);
	has = value != NULL && !(colon && value[0] == '\0');
	switch (op) {
	case '+':
		return has ? expand(x, word, len, out) : 0;
	case '?':
		if (!has)
			return required(x, name, value != NULL, word, len);
		break;
	default:
		if (!has)
			return expand(x, word, len, out);
		break;
	}
	return add(x, value, strlen(value), out);
}

/* The length of what stands between "${" (before s) and its "}", or -1. */
static ptrdiff_t braced_length(const char *s, size_t len)
{
	unsigned open = 1;

	for (size_t i = 0; i < len; i++) {
		if (s[i] == '$' && i + 1 < len && (s[i + 1] == '$' || s[i + 1] == '{')) {
			open += s[i + 1] == '{';
			i++;
		} else if (s[i] == '}' && --open == 0) {
			return (ptrdiff_t)i;
		}
	}
	return -1;
}

/* What begins with the '$' at s; *ret_used gets the number of bytes it took. */
static int dollar(struct expansion *x, const char *s, size_t len, size_t *ret_used,
		  struct strbuf *out)
{
	ptrdiff_t inner;
	size_t n;

	if (len > 1 && s[1] == '$') {
		*ret_used = 2;
		return add(x, "$", 1, out);
	}
	if (len > 1 && s[1] == '{') {
		inner = braced_length(s + 2, len - 2);
		if (inner < 0)
			return broken(x, "${ is not closed by }");
		*ret_used = (size_t)inner + 3;
		return braced(x, s + 2, (size_t)inner, out);
	}
	n = name_length(s + 1, len - 1);
	*ret_used = n + 1;
	if (n == 0)
		return add(x, "$", 1, out);
	return plain_variable(x, arena_strndup(x->diag->arena, s + 1, n), out);
}

static int expand(struct expansion *x, const char *s, size_t len, struct strbuf *out)
{
	if (x->depth == NESTING_MAX)
		return broken(x, "${...} nested deeper than 16 levels");
	x->depth++;
	while (len > 0) {
		const char *at = memchr(s, '$', len);
		size_t n = at != NULL ? (size_t)(at - s) : len;

		if (n == 0 && dollar(x, s, len, &n, out) < 0)
			return -1;
		if (at != s && add(x, s, n, out) < 0)
			return -1;
		s += n;
		len -= n;
	}
	x->depth--;
	return 0;
}

int interpolate_text(struct vars *v, struct diag *d, const struct node *at, const struct path *p,
		     const char *text, struct strbuf *out)
{
	struct expansion x = { .vars = v, .diag = d, .at = at, .path = p };

	return expand(&x, text, strlen(text), out);
}

static void interpolate_scalar(struct vars *v, struct diag *d, struct arena *a, struct node *n,
			       const struct path *p)
{
	_cleanup_(strbuf_finish) struct strbuf out = STRBUF_INIT;

	if (strchr(n->text, '$') == NULL)
		return;
	if (interpolate_text(v, d, n, p, n->text, &out) < 0) {
		/* Told; as null it raises no second message. */
		n->text = "";
		n->plain = true;
		return;
	}
	n->raw = n->text;
	n->text = arena_strndup(a, out.s != NULL ? out.s : "", out.len);
	n->interpolated = true;
}

/* Recursion is bounded by TREE_DEPTH_MAX. */
void interpolate_tree(struct vars *v, struct diag *d, struct arena *a, struct node *n,
		      const struct shape *sh, const struct path *p)
{
	const struct shape *fit = shape_for_node(sh, n);

	if ((sh != NULL && (sh->flags & SHAPE_GUEST)) ||
	    (fit != NULL && (fit->flags & SHAPE_GUEST)))
		return;
	switch (n->kind) {
	case NODE_SCALAR:
		interpolate_scalar(v, d, a, n, p);
		return;
	case NODE_LIST:
		for (size_t i = 0; i < n->n; i++) {
			const struct path here = { p, NULL, i };

			interpolate_tree(v, d, a, n->items[i],
					 fit != NULL && fit->kind == SHAPE_LIST ? fit->item : NULL,
					 &here);
		}
		return;
	case NODE_MAP:
		break;
	}
	for (size_t i = 0; i < n->n; i++) {
		const char *key = n->pairs[i].key->text;
		const struct path here = { p, key, 0 };

		/* Blocks to alias from: they are expanded where they are used. */
		if (key_is_ignored(fit, key))
			continue;
		interpolate_tree(v, d, a, n->pairs[i].value, shape_of_key(fit, key), &here);
	}
}
