/* SPDX-License-Identifier: Apache-2.0
 *
 * check_options.c - options that a schema allows and a careless plugin trips over.
 */
#include <plugin/check.h>

#include <base/alloc.h>
#include <base/jsonx.h>

#include <stdint.h>
#include <string.h>

#define LONG_STRING 4000
#define DEPTH_MAX   16

static struct json_object *make(struct json_object *schema, unsigned variant, unsigned depth);

static struct json_object *make_string(unsigned variant)
{
	static const char *const strings[] = {
		"a", "", "%s%n%p", "../../etc/passwd", "two\nlines", "\xc3\xa4 \xe2\x82\xac", "-1"
	};
	char text[LONG_STRING];

	if (variant < sizeof(strings) / sizeof(strings[0]))
		return json_object_new_string(strings[variant]);
	memset(text, 'x', sizeof(text));
	return json_object_new_string_len(text, sizeof(text));
}

static struct json_object *make_number(struct json_object *schema, unsigned variant, bool integer)
{
	static const int64_t numbers[] = { 0, 1, -1, INT32_MAX, INT64_MAX, INT64_MIN, 65536, 42 };
	struct json_object *minimum = NULL, *maximum = NULL;
	int64_t n = numbers[variant % (sizeof(numbers) / sizeof(numbers[0]))];

	if (json_object_object_get_ex(schema, "minimum", &minimum) &&
	    n < json_object_get_int64(minimum))
		return json_object_get(minimum);
	if (json_object_object_get_ex(schema, "maximum", &maximum) &&
	    n > json_object_get_int64(maximum))
		return json_object_get(maximum);
	return integer ? json_object_new_int64(n) : json_object_new_double((double)n);
}

static bool is_required(struct json_object *schema, const char *name)
{
	struct json_object *required = jsonx_arr(schema, "required");

	for (size_t i = 0; i < jsonx_len(required); i++) {
		if (strcmp(jsonx_str_at(required, i), name) == 0)
			return true;
	}
	return false;
}

static struct json_object *make_object(struct json_object *schema, unsigned variant, unsigned depth)
{
	struct json_object *obj = json_object_new_object();
	struct json_object *properties = jsonx_obj(schema, "properties");

	if (properties == NULL)
		return obj;
	json_object_object_foreach (properties, name, member) {
		if (variant != 0 || is_required(schema, name))
			jsonx_set(obj, name, make(member, variant, depth + 1));
	}
	return obj;
}

static struct json_object *make(struct json_object *schema, unsigned variant, unsigned depth)
{
	const char *type = jsonx_str(schema, "type", "");
	struct json_object *choices = jsonx_arr(schema, "enum");
	struct json_object *list;

	if (choices != NULL)
		return json_object_get(
			json_object_array_get_idx(choices, variant % jsonx_len(choices)));
	if (strcmp(type, "string") == 0)
		return make_string(variant);
	if (strcmp(type, "integer") == 0 || strcmp(type, "number") == 0)
		return make_number(schema, variant, strcmp(type, "integer") == 0);
	if (strcmp(type, "boolean") == 0)
		return json_object_new_boolean((variant & 1) != 0);
	if (strcmp(type, "object") == 0 || depth > DEPTH_MAX)
		return make_object(schema, variant, depth);
	list = json_object_new_array();
	for (unsigned i = 0; i < variant % 4 && jsonx_obj(schema, "items") != NULL; i++)
		json_object_array_add(list, make(jsonx_obj(schema, "items"), variant, depth + 1));
	return list;
}

struct json_object *check_make_options(struct json_object *schema, unsigned variant)
{
	return schema != NULL ? make(schema, variant, 0) : json_object_new_object();
}
