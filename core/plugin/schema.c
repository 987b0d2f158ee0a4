/* SPDX-License-Identifier: Apache-2.0
 *
 * schema.c - see schema.h.
 */
#include <plugin/schema.h>

#include <base/alloc.h>
#include <base/jsonx.h>
#include <base/names.h>
#include <base/strbuf.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define FAULTS_MAX     20
#define DEPTH_MAX      16
#define CANDIDATES_MAX 64

static const struct {
	const char *name; /* in a schema */
	const char *word; /* in a message */
} types[] = {
	{ "object", "a map" },       { "array", "a list" },    { "string", "a string" },
	{ "integer", "an integer" }, { "number", "a number" }, { "boolean", "true or false" },
};

static bool is_type(struct json_object *value, const char *type)
{
	switch (json_object_get_type(value)) {
	case json_type_object:
		return strcmp(type, "object") == 0;
	case json_type_array:
		return strcmp(type, "array") == 0;
	case json_type_string:
		return strcmp(type, "string") == 0;
	case json_type_int:
		return strcmp(type, "integer") == 0 || strcmp(type, "number") == 0;
	case json_type_double:
		return strcmp(type, "number") == 0;
	case json_type_boolean:
		return strcmp(type, "boolean") == 0;
	case json_type_null:
	default:
		return false;
	}
}

static const char *type_word(const char *type)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (strcmp(types[i].name, type) == 0)
			return types[i].word;
	}
	return NULL;
}

/* ---- is it a schema? ----------------------------------------------------- */

static int validate(struct json_object *schema, const char *what, unsigned depth,
		    struct holos_error **err);

static int validate_properties(struct json_object *value, const char *what, unsigned depth,
			       struct holos_error **err)
{
	if (!json_object_is_type(value, json_type_object))
		return error_set(err, ERR_FAILED, "%s: \"properties\" is no object", what);
	json_object_object_foreach (value, key, member) {
		_cleanup_(freep) char *where = xasprintf("%s.%s", what, key);
		int r = validate(member, where, depth + 1, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int validate_required(struct json_object *schema, struct json_object *value,
			     const char *what, struct holos_error **err)
{
	struct json_object *properties = jsonx_obj(schema, "properties");
	size_t n =
		json_object_is_type(value, json_type_array) ? json_object_array_length(value) : 0;

	if (n == 0)
		return error_set(err, ERR_FAILED, "%s: \"required\" is no list of names", what);
	for (size_t i = 0; i < n; i++) {
		const char *name = jsonx_str_at(value, i);

		if (name == NULL || !json_object_object_get_ex(properties, name, NULL))
			return error_set(err, ERR_FAILED,
					 "%s: \"required\" names what \"properties\" does not have",
					 what);
	}
	return 0;
}

static int validate_keyword(struct json_object *schema, const char *key, struct json_object *value,
			    const char *what, unsigned depth, struct holos_error **err)
{
	const char *type = jsonx_str(schema, "type", "");

	if (strcmp(key, "type") == 0 || strcmp(key, "default") == 0)
		return 0; /* see validate() */
	if (strcmp(key, "description") == 0)
		return json_object_is_type(value, json_type_string)
			       ? 0
			       : error_set(err, ERR_FAILED, "%s: \"description\" is no string",
					   what);
	if (strcmp(key, "properties") == 0 && strcmp(type, "object") == 0)
		return validate_properties(value, what, depth, err);
	if (strcmp(key, "required") == 0 && strcmp(type, "object") == 0)
		return validate_required(schema, value, what, err);
	if (strcmp(key, "items") == 0 && strcmp(type, "array") == 0)
		return validate(value, what, depth + 1, err);
	if (strcmp(key, "enum") == 0)
		return json_object_is_type(value, json_type_array) &&
				       json_object_array_length(value) != 0
			       ? 0
			       : error_set(err, ERR_FAILED, "%s: \"enum\" is no list", what);
	if ((strcmp(key, "minimum") == 0 || strcmp(key, "maximum") == 0) &&
	    (strcmp(type, "integer") == 0 || strcmp(type, "number") == 0))
		return is_type(value, type)
			       ? 0
			       : error_set(err, ERR_FAILED, "%s: \"%s\" is no %s", what, key, type);
	return error_set(err, ERR_FAILED, "%s: keyword \"%s\" is not understood for type \"%s\"",
			 what, key, type);
}

static int validate(struct json_object *schema, const char *what, unsigned depth,
		    struct holos_error **err)
{
	const char *type = jsonx_str(schema, "type", NULL);
	struct json_object *value;

	if (depth > DEPTH_MAX)
		return error_set(err, ERR_FAILED, "%s: more than %d levels", what, DEPTH_MAX);
	if (!json_object_is_type(schema, json_type_object))
		return error_set(err, ERR_FAILED, "%s: is no object", what);
	if (type == NULL || type_word(type) == NULL)
		return error_set(err, ERR_FAILED, "%s: no \"type\", or an unknown one", what);
	if (json_object_object_get_ex(schema, "default", &value) && !is_type(value, type))
		return error_set(err, ERR_FAILED, "%s: \"default\" is not of type \"%s\"", what,
				 type);
	json_object_object_foreach (schema, key, member) {
		int r = validate_keyword(schema, key, member, what, depth, err);

		if (r < 0)
			return r;
	}
	return 0;
}

int schema_validate(struct json_object *schema, const char *what, struct holos_error **err)
{
	int r = validate(schema, what, 0, err);

	if (r == 0 && strcmp(jsonx_str(schema, "type", ""), "object") != 0)
		r = error_set(err, ERR_FAILED, "%s: its \"type\" is not \"object\"", what);
	return r;
}

/* ---- does a value fit? ----------------------------------------------------- */

struct checker {
	const char *path;
	struct strbuf pointer; /* of the value looked at */
	struct strbuf member;  /* the same for people: ".ports[0]" */
	schema_fault_fn *fn;
	void *data;
	struct holos_error *chain;
	unsigned faults;
};

__attribute__((format(printf, 2, 3))) static void fault(struct checker *c, const char *fmt, ...)
{
	_cleanup_(freep) char *text = NULL;
	struct holos_error *e = NULL;
	va_list ap;

	if (c->faults++ >= FAULTS_MAX)
		return;
	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	if (c->fn != NULL)
		c->fn(c->data, c->pointer.len != 0 ? c->pointer.s : "", text);
	error_set(&e, ERR_INVALID, "%s%s: %s", c->path, c->member.len != 0 ? c->member.s : "",
		  text);
	error_append(&c->chain, e);
}

/* Where the checker stood, to go back to. */
struct place {
	size_t pointer, member;
};

static void truncate_to(struct strbuf *b, size_t len)
{
	if (b->s == NULL)
		return;
	b->len = len;
	b->s[len] = '\0';
}

static void leave(struct checker *c, const struct place *at)
{
	truncate_to(&c->pointer, at->pointer);
	truncate_to(&c->member, at->member);
}

static struct place enter_key(struct checker *c, const char *key)
{
	struct place at = { c->pointer.len, c->member.len };

	strbuf_addc(&c->pointer, '/');
	for (const char *p = key; *p != '\0'; p++) { /* RFC 6901 */
		if (*p == '~' || *p == '/')
			strbuf_adds(&c->pointer, *p == '~' ? "~0" : "~1");
		else
			strbuf_addc(&c->pointer, *p);
	}
	strbuf_addf(&c->member, ".%s", key);
	return at;
}

static struct place enter_index(struct checker *c, size_t i)
{
	struct place at = { c->pointer.len, c->member.len };

	strbuf_addf(&c->pointer, "/%zu", i);
	strbuf_addf(&c->member, "[%zu]", i);
	return at;
}

static void check(struct checker *c, struct json_object *schema, struct json_object *value);

static void fault_unknown(struct checker *c, struct json_object *properties, const char *key)
{
	const char *candidates[CANDIDATES_MAX];
	const char *near;
	size_t n = 0;

	json_object_object_foreach (properties, name, member) {
		(void)member;
		if (n < CANDIDATES_MAX)
			candidates[n++] = name;
	}
	near = names_nearest(key, candidates, n);
	if (near != NULL)
		fault(c, "unknown option; did you mean \"%s\"?", near);
	else if (n == 0)
		fault(c, "unknown option: there are none here");
	else
		fault(c, "unknown option");
}

static void check_object(struct checker *c, struct json_object *schema, struct json_object *value)
{
	struct json_object *properties = jsonx_obj(schema, "properties");
	struct json_object *required = jsonx_arr(schema, "required");

	for (size_t i = 0; i < jsonx_len(required); i++) {
		const char *name = jsonx_str_at(required, i);

		if (!json_object_object_get_ex(value, name, NULL))
			fault(c, "\"%s\" is missing", name);
	}
	if (properties == NULL)
		return;
	json_object_object_foreach (value, key, member) {
		struct place at = enter_key(c, key);
		struct json_object *sub;

		if (json_object_object_get_ex(properties, key, &sub))
			check(c, sub, member);
		else
			fault_unknown(c, properties, key);
		leave(c, &at);
	}
}

static void check_enum(struct checker *c, struct json_object *allowed, struct json_object *value)
{
	_cleanup_(strbuf_finish) struct strbuf list = STRBUF_INIT;

	for (size_t i = 0; i < jsonx_len(allowed); i++) {
		struct json_object *one = json_object_array_get_idx(allowed, i);

		if (json_object_equal(one, value))
			return;
		strbuf_addf(&list, "%s%s", i != 0 ? ", " : "", jsonx_line(one));
	}
	if (allowed != NULL)
		fault(c, "%s is not one of %s", jsonx_line(value), list.s);
}

static void check_range(struct checker *c, struct json_object *schema, struct json_object *value)
{
	struct json_object *bound;

	if (json_object_object_get_ex(schema, "minimum", &bound) &&
	    json_object_get_double(value) < json_object_get_double(bound))
		fault(c, "%s is less than the minimum %s", jsonx_line(value), jsonx_line(bound));
	if (json_object_object_get_ex(schema, "maximum", &bound) &&
	    json_object_get_double(value) > json_object_get_double(bound))
		fault(c, "%s is more than the maximum %s", jsonx_line(value), jsonx_line(bound));
}

static void check(struct checker *c, struct json_object *schema, struct json_object *value)
{
	const char *type = jsonx_str(schema, "type", "");

	if (!is_type(value, type)) {
		fault(c, "must be %s, is %s", type_word(type),
		      value != NULL ? jsonx_line(value) : "null");
		return;
	}
	check_enum(c, jsonx_arr(schema, "enum"), value);
	if (strcmp(type, "object") == 0) {
		check_object(c, schema, value);
	} else if (strcmp(type, "array") == 0) {
		struct json_object *items = jsonx_obj(schema, "items");

		for (size_t i = 0; items != NULL && i < json_object_array_length(value); i++) {
			struct place at = enter_index(c, i);

			check(c, items, json_object_array_get_idx(value, i));
			leave(c, &at);
		}
	} else if (strcmp(type, "integer") == 0 || strcmp(type, "number") == 0) {
		check_range(c, schema, value);
	}
}

int schema_check(struct json_object *schema, struct json_object *value, const char *path,
		 schema_fault_fn *fn, void *data, struct holos_error **err)
{
	struct checker c = { .path = path, .fn = fn, .data = data };
	_cleanup_(error_destroyp) struct holos_error *chain = NULL;

	if (schema != NULL) {
		check(&c, schema, value);
	} else if (!json_object_is_type(value, json_type_object)) {
		fault(&c, "must be a map");
	} else {
		json_object_object_foreach (value, key, member) {
			struct place at = enter_key(&c, key);

			(void)member;
			fault(&c, "unknown option: this plugin takes none");
			leave(&c, &at);
		}
	}
	strbuf_finish(&c.pointer);
	strbuf_finish(&c.member);
	if (c.faults == 0)
		return 0;
	if (c.faults > FAULTS_MAX) {
		struct holos_error *e = NULL;

		error_set(&e, ERR_INVALID, "%s: and %u more", path, c.faults - FAULTS_MAX);
		error_append(&c.chain, e);
	}
	chain = c.chain;
	return error_move(err, &chain);
}
