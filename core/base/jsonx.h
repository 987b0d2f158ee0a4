/* SPDX-License-Identifier: Apache-2.0
 *
 * jsonx.h - json-c made strict: bounded input, no coercion.
 *
 * json-c's getters convert quietly ("12abc" is 12) and its parser takes
 * trailing text, comments and single quotes; what comes from disk, QEMU,
 * plugins or a socket is read through here.  Of equal keys the last wins.
 */
#ifndef BASE_JSONX_H
#define BASE_JSONX_H

#include <base/cleanup.h>
#include <base/error.h>

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

/* Parse exactly one value; depth at most 32, UTF-8 valid, strings without NUL.
 * `what` names the source in messages ("QMP message", "record FILE").
 * The caller owns *ret (json_object_put). */
int jsonx_parse(const char *text, size_t len, const char *what, struct json_object **ret,
		struct holos_error **err);
/* Read and parse a file of at most max bytes below dirfd (AT_FDCWD: path as
 * is).  A missing file is an error with sys_errno ENOENT. */
int jsonx_read_file(int dirfd, const char *path, size_t max, struct json_object **ret,
		    struct holos_error **err);

/* Members of an object (NULL obj is an empty one).  A missing member, a null
 * or one of another type, and a number above INT64_MAX, give the fallback /
 * NULL.  Results are borrowed. */
const char *jsonx_str(struct json_object *obj, const char *key, const char *fallback);
int64_t jsonx_int(struct json_object *obj, const char *key, int64_t fallback);
bool jsonx_bool(struct json_object *obj, const char *key, bool fallback);
struct json_object *jsonx_obj(struct json_object *obj, const char *key); /* object or NULL */
struct json_object *jsonx_arr(struct json_object *obj, const char *key); /* array or NULL */
size_t jsonx_len(struct json_object *arr);                               /* NULL: 0 */
/* Element i when it is a string, else NULL. */
const char *jsonx_str_at(struct json_object *arr, size_t i);

/* Setters; the value is copied / taken over. */
void jsonx_set_str(struct json_object *obj, const char *key, const char *value /* NULL: null */);
void jsonx_set_int(struct json_object *obj, const char *key, int64_t value);
void jsonx_set_bool(struct json_object *obj, const char *key, bool value);
void jsonx_set(struct json_object *obj, const char *key, struct json_object *value);
struct json_object *jsonx_from_strv(char *const *v); /* NULL: [] */

/* One line, no spaces, no "\/"; owned by obj until its next serialisation. */
const char *jsonx_line(struct json_object *obj);
/* Pretty: 2-space indent, `"key": value`; the caller frees. */
char *jsonx_pretty(struct json_object *obj);

static inline void json_putp(struct json_object **p)
{
	json_object_put(*p);
}

#endif
