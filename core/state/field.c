/* SPDX-License-Identifier: Apache-2.0
 *
 * field.c - see field.h.
 */
#include <base/alloc.h>
#include <state/field.h>

#include <string.h>

#define WORD_SHOWN 64 /* characters of a wrong value in a message */

void field_spoil(struct fields *f, const char *key, const char *rule)
{
	if (f->r == 0)
		f->r = error_set(f->err, ERR_FAILED, "%s: \"%s\" %s", f->what, key, rule);
}

struct fields fields_open(struct json_object *obj, const char *what, struct holos_error **err)
{
	struct fields f = { .obj = obj, .what = what, .err = err };

	if (!json_object_is_type(obj, json_type_object)) {
		f.obj = NULL;
		f.r = error_set(err, ERR_FAILED, "%s: is not a JSON object", what);
	}
	return f;
}

/* The member when it has the type; NULL when missing, null or wrong. */
static struct json_object *member(struct fields *f, const char *key, enum json_type type)
{
	struct json_object *v;

	if (f->obj == NULL || !json_object_object_get_ex(f->obj, key, &v) || v == NULL)
		return NULL;
	if (json_object_get_type(v) == type)
		return v;
	field_spoil(f, key, "is of the wrong type");
	return NULL;
}

char *field_raw(struct fields *f, const char *key, bool required)
{
	struct json_object *v = member(f, key, json_type_string);
	const char *s;

	if (v == NULL) {
		if (required)
			field_spoil(f, key, "is missing");
		return NULL;
	}
	s = json_object_get_string(v);
	if (strlen(s) != (size_t)json_object_get_string_len(v)) {
		field_spoil(f, key, "holds a NUL");
		return NULL;
	}
	return xstrdup(s);
}

char *field_str(struct fields *f, const char *key, bool required)
{
	char *s = field_raw(f, key, required);

	for (unsigned char *p = (unsigned char *)s; p != NULL && *p != '\0'; p++) {
		if (*p < 0x20 || *p == 0x7f)
			*p = '?';
	}
	return s;
}

int64_t field_int(struct fields *f, const char *key, int64_t min, int64_t max, int64_t fallback)
{
	struct json_object *v = member(f, key, json_type_int);
	int64_t i;

	if (v == NULL)
		return fallback;
	i = json_object_get_int64(v); /* the largest, of what is larger */
	if (i >= min && i <= max && json_object_get_uint64(v) <= INT64_MAX)
		return i;
	field_spoil(f, key, "is out of range");
	return fallback;
}

bool field_bool(struct fields *f, const char *key, bool fallback)
{
	struct json_object *v = member(f, key, json_type_boolean);

	return v != NULL ? json_object_get_boolean(v) : fallback;
}

struct json_object *field_obj(struct fields *f, const char *key)
{
	return member(f, key, json_type_object);
}

struct json_object *field_arr(struct fields *f, const char *key, size_t max)
{
	struct json_object *v = member(f, key, json_type_array);

	if (v == NULL || json_object_array_length(v) <= max)
		return v;
	field_spoil(f, key, "has too many elements");
	return NULL;
}

int field_enum(struct fields *f, const char *key, const char *const *names, size_t n, int fallback,
	       int other)
{
	struct json_object *v = member(f, key, json_type_string);
	const char *s;

	if (v == NULL)
		return fallback;
	s = json_object_get_string(v);
	for (size_t i = 0; i < n; i++) {
		if (strcmp(s, names[i]) == 0)
			return (int)i;
	}
	if (other >= 0)
		return other;
	if (f->r == 0)
		f->r = error_set(f->err, ERR_FAILED, "%s: \"%s\" is unknown (%.*s)", f->what, key,
				 WORD_SHOWN, s);
	return fallback;
}

void field_format(struct fields *f, int64_t newest)
{
	int64_t format = field_int(f, "format", 1, INT64_MAX, 0);

	if (f->r != 0)
		return;
	f->format = format;
	if (format == 0) {
		field_spoil(f, "format", "is missing");
	} else if (format > newest) {
		f->r = error_set(f->err, ERR_HOST,
				 "%s: was written by a newer holos (format %lld, this one knows "
				 "%lld)",
				 f->what, (long long)format, (long long)newest);
		error_hint(f->err, "use the holos that made it, or a newer one");
	}
}
