/* SPDX-License-Identifier: Apache-2.0
 *
 * scalar.c - see scalar.h.
 */
#include <compose/scalar.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Only what was written without quotes, or came out of a variable, may be
 * something else than text. */
static const char *plain_text(const struct node *n)
{
	if (n->kind != NODE_SCALAR || (!n->plain && !n->interpolated))
		return NULL;
	return n->text;
}

static int parse_int(const char *text, int base, int64_t *ret)
{
	long long v;
	char *end;

	/* strtoll() would take blanks and a second sign. */
	if (text[0] == '\0' || strspn(text, "-+0123456789abcdefABCDEF") != strlen(text))
		return SCALAR_NOT_INT;
	errno = 0;
	v = strtoll(text, &end, base);
	if (*end != '\0' || end == text)
		return SCALAR_NOT_INT;
	if (errno == ERANGE)
		return SCALAR_TOO_BIG;
	*ret = v;
	return SCALAR_OK;
}

int scalar_int(const struct node *n, int64_t *ret)
{
	const char *s = plain_text(n);

	if (s == NULL)
		return SCALAR_NOT_INT;
	if (s[0] == '0' && (s[1] == 'o' || s[1] == 'x')) {
		if (s[2] == '-' || s[2] == '+')
			return SCALAR_NOT_INT;
		return parse_int(s + 2, s[1] == 'o' ? 8 : 16, ret);
	}
	return parse_int(s, 10, ret);
}

static int word_bool(const char *s, const char *const *yes, const char *const *no, bool *ret)
{
	for (; *yes != NULL; yes++, no++) {
		if (strcasecmp(s, *yes) == 0 || strcasecmp(s, *no) == 0) {
			*ret = strcasecmp(s, *yes) == 0;
			return 0;
		}
	}
	return -1;
}

int scalar_bool(const struct node *n, bool *ret)
{
	static const char *const yes[] = { "true", "yes", "on", NULL };
	static const char *const no[] = { "false", "no", "off", NULL };

	return n->kind == NODE_SCALAR ? word_bool(n->text, yes, no, ret) : -1;
}

/* [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? */
static bool is_float(const char *s)
{
	size_t whole, part = 0;

	s += *s == '-' || *s == '+';
	whole = strspn(s, "0123456789");
	s += whole;
	if (*s == '.') {
		part = strspn(s + 1, "0123456789");
		s += 1 + part;
	}
	if (whole + part == 0)
		return false;
	if (*s == 'e' || *s == 'E') {
		s++;
		s += *s == '-' || *s == '+';
		if (*s == '\0')
			return false;
		s += strspn(s, "0123456789");
	}
	return *s == '\0';
}

/* Any case of the first letter or all of them, as both schemas have it. */
static bool any_bool(const char *s, bool yaml11, bool *ret)
{
	static const char *const yes[] = { "true", NULL };
	static const char *const no[] = { "false", NULL };
	static const char *const yes11[] = { "true", "yes", "on", NULL };
	static const char *const no11[] = { "false", "no", "off", NULL };

	if (yaml11)
		return word_bool(s, yes11, no11, ret) == 0;
	return word_bool(s, yes, no, ret) == 0;
}

static struct json_object *scalar_to_json(const struct node *n, bool yaml11)
{
	const char *s = plain_text(n);
	int64_t i;
	bool b;

	if (node_is_null(n))
		return NULL;
	if (s == NULL)
		return json_object_new_string(n->text);
	if (yaml11 && s[0] == '0' && strlen(s) > 1 && strspn(s, "01234567") == strlen(s) &&
	    parse_int(s, 8, &i) == SCALAR_OK)
		return json_object_new_int64(i);
	if (scalar_int(n, &i) == SCALAR_OK)
		return json_object_new_int64(i);
	if (any_bool(s, yaml11, &b))
		return json_object_new_boolean(b);
	/* JSON has no number like ".5", "1." or "+1": those are written anew. */
	if (is_float(s)) {
		double d = strtod(s, NULL);

		if (isfinite(d))
			return json_object_new_double(d);
	}
	return json_object_new_string(n->text);
}

/* Recursion is bounded by TREE_DEPTH_MAX. */
struct json_object *node_to_json(const struct node *n, bool yaml11)
{
	struct json_object *o;

	switch (n->kind) {
	case NODE_SCALAR:
		break;
	case NODE_LIST:
		o = json_object_new_array();
		for (size_t i = 0; i < n->n; i++)
			json_object_array_add(o, node_to_json(n->items[i], yaml11));
		return o;
	case NODE_MAP:
		o = json_object_new_object();
		for (size_t i = 0; i < n->n; i++)
			json_object_object_add(o, n->pairs[i].key->text,
					       node_to_json(n->pairs[i].value, yaml11));
		return o;
	}
	return scalar_to_json(n, yaml11);
}
