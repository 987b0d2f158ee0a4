/* SPDX-License-Identifier: Apache-2.0
 *
 * field.h - members of a record from disk or a socket, read strictly.
 *
 * A missing or null member gives the fallback; one of another type or out of
 * range spoils the reader: the first such member is kept as the error, and the
 * caller asks once, at the end.
 */
#ifndef STATE_FIELD_H
#define STATE_FIELD_H

#include <base/error.h>

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

struct fields {
	struct json_object *obj; /* borrowed */
	const char *what;        /* names the source in messages */
	struct holos_error **err;
	int r;          /* 0, or what the error's maker returned */
	int64_t format; /* of the record, once field_format() was asked */
};

/* Not an object: spoiled from the start. */
struct fields fields_open(struct json_object *obj, const char *what, struct holos_error **err);
/* A copy with control characters made '?', since it may be shown on a
 * terminal; the caller frees.  Missing: NULL, and an error when required. */
char *field_str(struct fields *f, const char *key, bool required);
/* The same as it is (a path, an argument); NUL cannot be in it. */
char *field_raw(struct fields *f, const char *key, bool required);
int64_t field_int(struct fields *f, const char *key, int64_t min, int64_t max, int64_t fallback);
bool field_bool(struct fields *f, const char *key, bool fallback);
/* Borrowed; NULL when missing. */
struct json_object *field_obj(struct fields *f, const char *key);
/* At most max elements; NULL when missing. */
struct json_object *field_arr(struct fields *f, const char *key, size_t max);
/* One of the names (index returned); missing: fallback; another word: other,
 * or an error when other is -1. */
int field_enum(struct fields *f, const char *key, const char *const *names, size_t n, int fallback,
	       int other);
/* "format": a number from 1 to newest; missing is an error, more is ERR_HOST: a
 * newer holos wrote it, and nobody here may change it.  A new member keeps the
 * number, as its fallback stands for what older records mean; a member that
 * changes its meaning raises it, and the decoder looks at f->format. */
void field_format(struct fields *f, int64_t newest);
void field_spoil(struct fields *f, const char *key, const char *rule);

#endif
