/* SPDX-License-Identifier: Apache-2.0
 *
 * jsonx.c - see jsonx.h.
 */
#include <base/alloc.h>
#include <base/fs.h>
#include <base/jsonx.h>
#include <base/strbuf.h>

#include <string.h>

#define DEPTH_MAX 32
#define KEPT_MAX  65536

/* Length of the UTF-8 character at p, or 0 when it is none: json-c looks at the
 * first bytes only and takes overlong forms and surrogates. */
static size_t utf8_char(const unsigned char *p, size_t len)
{
	size_t n = p[0] < 0x80   ? 1
		   : p[0] < 0xc2 ? 0
		   : p[0] < 0xe0 ? 2
		   : p[0] < 0xf0 ? 3
		   : p[0] < 0xf5 ? 4
				 : 0;

	if (n == 0 || n > len)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

/* What json-c's strict mode still takes and nobody we talk to writes: single
 * quotes, comments, NaN and Infinity, "1.", control characters in strings (NUL
 * above all), bad UTF-8.  Returns the offset of the first such byte, or len. */
static size_t find_leniency(const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text;
	bool in_string = false;

	for (size_t i = 0, n; i < len; i += n) {
		if (in_string ? p[i] >= 0x20 && p[i] < 0x80 && p[i] != '"' && p[i] != '\\'
			      : p[i] == ' ') { /* most bytes by far */
			n = 1;
			continue;
		}
		n = utf8_char(p + i, len - i);
		if (n == 0 || (in_string && p[i] < 0x20))
			return i;
		if (p[i] == '"') {
			in_string = !in_string;
		} else if (in_string && p[i] == '\\') {
			if (len - i >= 6 && memcmp(p + i, "\\u0000", 6) == 0)
				return i;
			if (i + 1 < len && p[i + 1] < 0x80)
				n = 2;
		} else if (!in_string &&
			   (memchr("'/NI", p[i], 4) != NULL ||
			    (p[i] == '.' && (i + 1 == len || p[i + 1] < '0' || p[i + 1] > '9')))) {
			return i;
		}
	}
	return len;
}

/* The parser of short texts is kept: there are many, and its making costs as much
 * as its work. */
static struct json_tokener *get_parser(size_t len, bool *ret_kept)
{
	static struct json_tokener *kept;

	*ret_kept = len <= KEPT_MAX;
	if (*ret_kept && kept != NULL) {
		json_tokener_reset(kept);
		return kept;
	}
	if (*ret_kept)
		return kept = json_tokener_new_ex(DEPTH_MAX);
	return json_tokener_new_ex(DEPTH_MAX);
}

int jsonx_parse(const char *text, size_t len, const char *what, struct json_object **ret,
		struct holos_error **err)
{
	struct json_tokener *tok;
	struct json_object *obj;
	enum json_tokener_error e;
	size_t used;
	size_t bad;
	bool kept;

	if (len > INT32_MAX)
		return error_set(err, ERR_FAILED, "%s: longer than 2 GiB", what);
	bad = find_leniency(text, len);
	if (bad != len)
		return error_set(err, ERR_FAILED, "%s: no valid JSON at byte %zu", what, bad);
	tok = get_parser(len, &kept);
	if (tok == NULL)
		return error_set(err, ERR_FAILED, "%s: out of memory", what);
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	obj = json_tokener_parse_ex(tok, text, (int)len);
	e = json_tokener_get_error(tok);
	used = json_tokener_get_parse_end(tok);
	if (e == json_tokener_continue && len != 0) { /* a number needs an end */
		obj = json_tokener_parse_ex(tok, " ", 1);
		e = json_tokener_get_error(tok);
		used = len;
	}
	if (!kept)
		json_tokener_free(tok);
	if (e != json_tokener_success) {
		json_object_put(obj);
		return error_set(err, ERR_FAILED, "%s: no valid JSON (%s)", what,
				 len == 0 ? "empty" : json_tokener_error_desc(e));
	}
	for (; used < len; used++) {
		if (strchr(" \t\r\n", text[used]) == NULL || text[used] == '\0') {
			json_object_put(obj);
			return error_set(err, ERR_FAILED, "%s: text after the JSON value", what);
		}
	}
	*ret = obj;
	return 0;
}

int jsonx_read_file(int dirfd, const char *path, size_t max, struct json_object **ret,
		    struct holos_error **err)
{
	_cleanup_(strbuf_finish) struct strbuf b = STRBUF_INIT;
	int r = fs_read(dirfd, path, max, &b, err);

	if (r < 0)
		return r;
	return jsonx_parse(b.s != NULL ? b.s : "", b.len, path, ret, err);
}

static struct json_object *member(struct json_object *obj, const char *key, enum json_type type)
{
	struct json_object *v;

	if (obj == NULL || json_object_get_type(obj) != json_type_object)
		return NULL;
	if (!json_object_object_get_ex(obj, key, &v) || json_object_get_type(v) != type)
		return NULL;
	return v;
}

const char *jsonx_str(struct json_object *obj, const char *key, const char *fallback)
{
	struct json_object *v = member(obj, key, json_type_string);

	return v != NULL ? json_object_get_string(v) : fallback;
}

int64_t jsonx_int(struct json_object *obj, const char *key, int64_t fallback)
{
	struct json_object *v = member(obj, key, json_type_int);

	/* json-c would make the largest of what is larger. */
	if (v == NULL || json_object_get_uint64(v) > INT64_MAX)
		return fallback;
	return json_object_get_int64(v);
}

bool jsonx_bool(struct json_object *obj, const char *key, bool fallback)
{
	struct json_object *v = member(obj, key, json_type_boolean);

	return v != NULL ? json_object_get_boolean(v) : fallback;
}

struct json_object *jsonx_obj(struct json_object *obj, const char *key)
{
	return member(obj, key, json_type_object);
}

struct json_object *jsonx_arr(struct json_object *obj, const char *key)
{
	return member(obj, key, json_type_array);
}

size_t jsonx_len(struct json_object *arr)
{
	return arr != NULL ? json_object_array_length(arr) : 0;
}

const char *jsonx_str_at(struct json_object *arr, size_t i)
{
	struct json_object *v = i < jsonx_len(arr) ? json_object_array_get_idx(arr, i) : NULL;

	return json_object_is_type(v, json_type_string) ? json_object_get_string(v) : NULL;
}

void jsonx_set(struct json_object *obj, const char *key, struct json_object *value)
{
	json_object_object_add(obj, key, value);
}

void jsonx_set_str(struct json_object *obj, const char *key, const char *value)
{
	jsonx_set(obj, key, value != NULL ? json_object_new_string(value) : NULL);
}

void jsonx_set_int(struct json_object *obj, const char *key, int64_t value)
{
	jsonx_set(obj, key, json_object_new_int64(value));
}

void jsonx_set_bool(struct json_object *obj, const char *key, bool value)
{
	jsonx_set(obj, key, json_object_new_boolean(value));
}

struct json_object *jsonx_from_strv(char *const *v)
{
	struct json_object *arr = json_object_new_array();

	for (; v != NULL && *v != NULL; v++)
		json_object_array_add(arr, json_object_new_string(*v));
	return arr;
}

const char *jsonx_line(struct json_object *obj)
{
	return json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN |
							   JSON_C_TO_STRING_NOSLASHESCAPE);
}

/* A string in quotes; from json-c only when something in it is to be escaped. */
static void add_string(struct strbuf *b, const char *s, size_t len)
{
	struct json_object *obj;

	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)s[i] >= 0x20 && s[i] != '"' && s[i] != '\\' && s[i] != 0x7f)
			continue;
		obj = json_object_new_string_len(s, (int)len);
		strbuf_adds(b, jsonx_line(obj));
		json_object_put(obj);
		return;
	}
	strbuf_addc(b, '"');
	strbuf_add(b, s, len);
	strbuf_addc(b, '"');
}

static void new_line(struct strbuf *b, unsigned depth)
{
	strbuf_addc(b, '\n');
	while (depth-- > 0)
		strbuf_add(b, "  ", 2);
}

/* json-c writes `"key":value` when pretty; users of the existing tool grep for
 * `"key": value`, so the printing is done here. */
static void pretty(struct strbuf *b, struct json_object *obj, unsigned depth)
{
	enum json_type type = json_object_get_type(obj);
	bool first = true;

	if (type == json_type_array && json_object_array_length(obj) != 0) {
		strbuf_adds(b, "[");
		for (size_t i = 0; i < json_object_array_length(obj); i++) {
			strbuf_adds(b, first ? "" : ",");
			new_line(b, depth + 1);
			pretty(b, json_object_array_get_idx(obj, i), depth + 1);
			first = false;
		}
		new_line(b, depth);
		strbuf_addc(b, ']');
	} else if (type == json_type_object && json_object_object_length(obj) != 0) {
		strbuf_adds(b, "{");
		json_object_object_foreach (obj, key, val) {
			strbuf_adds(b, first ? "" : ",");
			new_line(b, depth + 1);
			add_string(b, key, strlen(key));
			strbuf_add(b, ": ", 2);
			pretty(b, val, depth + 1);
			first = false;
		}
		new_line(b, depth);
		strbuf_addc(b, '}');
	} else if (type == json_type_string) {
		add_string(b, json_object_get_string(obj), (size_t)json_object_get_string_len(obj));
	} else if (type == json_type_boolean) {
		strbuf_adds(b, json_object_get_boolean(obj) ? "true" : "false");
	} else {
		strbuf_adds(b, obj != NULL ? jsonx_line(obj) : "null");
	}
}

char *jsonx_pretty(struct json_object *obj)
{
	struct strbuf b = STRBUF_INIT;

	pretty(&b, obj, 0);
	return strbuf_steal(&b);
}
