/* SPDX-License-Identifier: Apache-2.0
 *
 * schema.c - see schema.h.
 *
 * Where a value is interpolated, text with a $ in it passes, whatever it is to
 * become.  Null counts as an absent key, so each optional key may be null.
 */
#include <compose/fields.h>
#include <compose/schema.h>
#include <compose/shapes.h>

#include <base/jsonx.h>

#include <stdlib.h>
#include <string.h>

#define SIZE_PATTERN     "^([0-9]+\\.?[0-9]*|\\.[0-9]+)([kKmMgGtT](i?[bB])?|[bB])?$"
#define DURATION_PATTERN "^(0|(([0-9]+\\.?[0-9]*|\\.[0-9]+)(ns|us|\\u00b5s|ms|s|m|h))+)$"
#define VARIABLE_PATTERN "\\$"

static struct json_object *of_shape(const struct shape *sh);

static struct json_object *typed(const char *type)
{
	struct json_object *o = json_object_new_object();

	jsonx_set_str(o, "type", type);
	return o;
}

static struct json_object *matching(const char *pattern)
{
	struct json_object *o = typed("string");

	jsonx_set_str(o, "pattern", pattern);
	return o;
}

/* One of these; the elements are given up. */
static struct json_object *any_of(struct json_object *list)
{
	struct json_object *o, *only;

	if (json_object_array_length(list) == 1) {
		only = json_object_get(json_object_array_get_idx(list, 0));
		json_object_put(list);
		return only;
	}
	o = json_object_new_object();
	jsonx_set(o, "anyOf", list);
	return o;
}

static struct json_object *or_variable(struct json_object *o, const struct shape *sh)
{
	struct json_object *list;

	if (sh->flags & SHAPE_GUEST)
		return o;
	list = json_object_new_array();
	json_object_array_add(list, o);
	json_object_array_add(list, matching(VARIABLE_PATTERN));
	return any_of(list);
}

/* A number or boolean without quotes is taken as text: which ones pass? */
static void add_bare(const struct shape *sh, struct json_object *list)
{
	bool yes = sh->check == NULL || sh->check("true");
	bool no = sh->check == NULL || sh->check("false");
	struct json_object *o;

	if (sh->flags & SHAPE_QUOTED)
		return;
	if (sh->pattern != NULL && sh->check == NULL && !(sh->flags & SHAPE_NONEMPTY)) {
		/* Rules in code of their own (ports): whole numbers. */
		json_object_array_add(list, typed("integer"));
		return;
	}
	if (sh->check == NULL || sh->check("1.5")) {
		o = typed("number");
		if (sh->check != NULL && !sh->check("-1"))
			jsonx_set_int(o, "minimum", 0);
		json_object_array_add(list, o);
	} else if (sh->check("1")) {
		o = typed("integer");
		jsonx_set_int(o, "minimum", sh->min);
		if (sh->max > 0)
			jsonx_set_int(o, "maximum", sh->max);
		json_object_array_add(list, o);
	}
	if (yes && no) {
		json_object_array_add(list, typed("boolean"));
	} else if (yes || no) {
		o = json_object_new_object();
		jsonx_set_bool(o, "const", yes);
		json_object_array_add(list, o);
	}
}

static struct json_object *of_string(const struct shape *sh)
{
	struct json_object *list = json_object_new_array();
	const char *pattern = sh->pattern;

	if (pattern == NULL && !(sh->flags & SHAPE_MULTILINE))
		pattern = LINE_PATTERN;
	json_object_array_add(list, pattern != NULL ? matching(pattern) : typed("string"));
	if (sh->pattern != NULL && !(sh->flags & SHAPE_GUEST))
		json_object_array_add(list, matching(VARIABLE_PATTERN));
	add_bare(sh, list);
	if (sh->flags & SHAPE_NULL)
		json_object_array_add(list, typed("null"));
	return any_of(list);
}

static struct json_object *of_words(const struct shape *sh)
{
	struct json_object *o = json_object_new_object(), *words = json_object_new_array();

	for (const char *const *w = sh->words; *w != NULL; w++)
		json_object_array_add(words, json_object_new_string(*w));
	jsonx_set(o, "enum", words);
	return or_variable(o, sh);
}

static struct json_object *of_bool(const struct shape *sh)
{
	struct json_object *list = json_object_new_array();

	json_object_array_add(list, typed("boolean"));
	/* The words, as a reader of YAML 1.2 sees them. */
	json_object_array_add(list, matching("^([Yy][Ee][Ss]|[Nn][Oo]|[Oo][Nn]|[Oo][Ff][Ff]|"
					     "[Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee])$"));
	return or_variable(any_of(list), sh);
}

static struct json_object *of_int(const struct shape *sh)
{
	struct json_object *o = typed("integer");

	jsonx_set_int(o, "minimum", sh->min);
	jsonx_set_int(o, "maximum", sh->max);
	return or_variable(o, sh);
}

static struct json_object *of_unit(const struct shape *sh, const char *pattern, int64_t min)
{
	struct json_object *list = json_object_new_array(), *number = typed("integer");

	json_object_array_add(list, matching(pattern));
	jsonx_set_int(number, "minimum", min);
	if (sh->kind == SHAPE_DURATION)
		jsonx_set_int(number, "maximum", 0); /* only 0 needs no unit */
	if (sh->kind == SHAPE_SIZE || sh->min == 0)
		json_object_array_add(list, number);
	else
		json_object_put(number);
	return or_variable(any_of(list), sh);
}

static struct json_object *of_list(const struct shape *sh)
{
	struct json_object *o = typed("array");

	jsonx_set(o, "items", of_shape(sh->item));
	if (sh->flags & SHAPE_NONEMPTY)
		jsonx_set_int(o, "minItems", 1);
	return o;
}

static struct json_object *or_null(struct json_object *o)
{
	struct json_object *list = json_object_new_array();

	json_object_array_add(list, o);
	json_object_array_add(list, typed("null"));
	return any_of(list);
}

static struct json_object *of_map(const struct shape *sh)
{
	struct json_object *o = typed("object"), *item;
	bool objects = sh->item->kind == SHAPE_OBJECT;

	item = sh->item->kind == SHAPE_ANY ? json_object_new_object() : of_shape(sh->item);
	/* A mapping of which nothing is said is null in YAML. */
	jsonx_set(o, "additionalProperties", objects ? or_null(item) : item);
	if (objects) {
		struct json_object *own = json_object_new_object();

		jsonx_set(own, "^x-", json_object_new_object());
		jsonx_set(o, "patternProperties", own);
	}
	if (sh->pattern != NULL) {
		struct json_object *names = json_object_new_array();

		json_object_array_add(names, matching(sh->pattern));
		if (objects)
			json_object_array_add(names, matching("^x-"));
		jsonx_set(o, "propertyNames", any_of(names));
	}
	return o;
}

static struct json_object *default_of(const struct field *f)
{
	const char *text = f->deflt;
	char *end;
	long n;

	if (text[0] == '"')
		return json_object_new_string_len(text + 1, (int)strlen(text) - 2);
	if (strcmp(text, "{}") == 0)
		return json_object_new_object();
	if (f->shape->kind == SHAPE_BOOL)
		return json_object_new_boolean(strcmp(text, "true") == 0);
	n = strtol(text, &end, 10);
	return *end == '\0' ? json_object_new_int64(n) : json_object_new_string(text);
}

static struct json_object *of_field(const struct field *f)
{
	struct json_object *o = of_shape(f->shape), *whole;

	if (!f->required)
		o = or_null(o);
	whole = json_object_new_object();
	jsonx_set_str(whole, "description", f->doc);
	if (f->deflt != NULL)
		jsonx_set(whole, "default", default_of(f));
	json_object_object_foreach (o, key, value)
		jsonx_set(whole, key, json_object_get(value));
	json_object_put(o);
	return whole;
}

static struct json_object *of_object(const struct shape *sh)
{
	struct json_object *o = typed("object"), *properties = json_object_new_object();
	struct json_object *required = json_object_new_array(), *own = json_object_new_object();

	for (const struct field *f = sh->fields; f->key != NULL; f++) {
		jsonx_set(properties, f->key, of_field(f));
		if (f->required)
			json_object_array_add(required, json_object_new_string(f->key));
	}
	jsonx_set(o, "properties", properties);
	jsonx_set(own, "^x-", json_object_new_object());
	jsonx_set(o, "patternProperties", own);
	jsonx_set_bool(o, "additionalProperties", false);
	if (json_object_array_length(required) > 0)
		jsonx_set(o, "required", required);
	else
		json_object_put(required);
	return o;
}

static struct json_object *of_shape(const struct shape *sh)
{
	struct json_object *list;

	switch (sh->kind) {
	case SHAPE_STRING:
		return of_string(sh);
	case SHAPE_INT:
		return of_int(sh);
	case SHAPE_BOOL:
		return of_bool(sh);
	case SHAPE_SIZE:
		return of_unit(sh, SIZE_PATTERN, sh->min);
	case SHAPE_DURATION:
		return of_unit(sh, DURATION_PATTERN, 0);
	case SHAPE_ENUM:
	case SHAPE_WORD:
		return of_words(sh);
	case SHAPE_LIST:
		return of_list(sh);
	case SHAPE_MAP:
		return of_map(sh);
	case SHAPE_OBJECT:
		return of_object(sh);
	case SHAPE_ANY:
		return json_object_new_object();
	case SHAPE_ONE_OF:
		break;
	}
	list = json_object_new_array();
	for (const struct shape *const *alt = sh->alts; *alt != NULL; alt++)
		json_object_array_add(list, of_shape(*alt));
	return any_of(list);
}

struct json_object *compose_schema(void)
{
	struct json_object *o = json_object_new_object(), *file = of_object(&shape_file);

	jsonx_set_str(o, "$schema", "https://json-schema.org/draft/2020-12/schema");
	jsonx_set_str(o, "title", "holos.yaml");
	jsonx_set_str(o, "description", "A stack of virtual machines for holos.");
	json_object_object_foreach (file, key, value)
		jsonx_set(o, key, json_object_get(value));
	json_object_put(file);
	return o;
}
