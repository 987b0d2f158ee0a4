/* SPDX-License-Identifier: Apache-2.0
 *
 * diff.c - see diff.h.
 */
#include <base/alloc.h>
#include <base/jsonx.h>
#include <base/strbuf.h>
#include <compose/output.h>
#include <plan/diff.h>

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define STRING_MAX 60  /* bytes of one string that are shown */
#define VALUE_MAX  160 /* of a whole value */

/* ---- values for a person ---------------------------------------------------- */

/* Is a member of this name better not shown?  By its words: DB_PASSWORD,
 * apiToken, SECRET_KEY_BASE. */
static bool is_secret(const char *name)
{
	static const char *const words[] = { "passw", "passphrase", "pwd",    "secret",
					     "token", "credential", "private" };
	size_t n = strlen(name);

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcasestr(name, words[i]) != NULL)
			return true;
	}
	return n >= 3 && strcasecmp(name + n - 3, "key") == 0;
}

/* At most max bytes of text, cut between characters. */
static char *shorten(const char *text, size_t max)
{
	size_t n = strlen(text);

	if (n <= max)
		return xstrdup(text);
	n = max - 3;
	while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	return xasprintf("%.*s...", (int)n, text);
}

static struct json_object *shown(const char *name, struct json_object *v);

static struct json_object *shown_string(const char *name, const char *text)
{
	_cleanup_(freep) char *s = NULL;
	size_t n = strlen(text);

	if (name != NULL && is_secret(name))
		return json_object_new_string("(hidden)");
	if (name != NULL && strcmp(name, "content") == 0)
		s = xasprintf("(%zu byte%s)", n, n == 1 ? "" : "s");
	else
		s = shorten(text, STRING_MAX);
	return json_object_new_string(s);
}

/* A copy of v, the member `name` of something, with nothing long or secret. */
static struct json_object *shown(const char *name, struct json_object *v)
{
	struct json_object *copy;

	switch (json_object_get_type(v)) {
	case json_type_string:
		return shown_string(name, json_object_get_string(v));
	case json_type_array:
		copy = json_object_new_array();
		for (size_t i = 0; i < json_object_array_length(v); i++)
			json_object_array_add(copy, shown(name, json_object_array_get_idx(v, i)));
		return copy;
	case json_type_object:
		copy = json_object_new_object();
		json_object_object_foreach (v, key, value)
			json_object_object_add(copy, key, shown(key, value));
		return copy;
	case json_type_null:
	case json_type_boolean:
	case json_type_double:
	case json_type_int:
		break;
	}
	return json_object_get(v);
}

static char *show(const struct strv *keys, struct json_object *v, const char *nothing)
{
	const char *name = keys->v[keys->n - 1];
	_cleanup_(json_putp) struct json_object *copy = NULL;
	_cleanup_(freep) char *text = NULL;

	if (v == NULL)
		return xstrdup(nothing);
	for (size_t i = keys->n; i-- > 0 && name[0] == '[';)
		name = keys->v[i];
	copy = shown(name, v);
	/* "(hidden)", "(12 bytes)": said about the string, not in it. */
	if (json_object_is_type(copy, json_type_string) && json_object_get_string(copy)[0] == '(' &&
	    !json_object_equal(copy, v))
		return xstrdup(json_object_get_string(copy));
	text = json_canonical(copy);
	return shorten(text, VALUE_MAX);
}

/* ---- the list of differences ---------------------------------------------------- */

static char *path_of(const struct strv *keys)
{
	struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; i < keys->n; i++)
		strbuf_addf(&b, "%s%s", i != 0 && keys->v[i][0] != '[' ? "." : "", keys->v[i]);
	return strbuf_steal(&b);
}

static void add(struct plan_diffs *d, enum plan_change cost, const struct strv *keys,
		struct json_object *was, struct json_object *is)
{
	const char *nothing = keys->v[keys->n - 1][0] == '[' ? "(none)" : "(default)";
	struct plan_diff *one;

	if (d == NULL)
		return;
	one = ARRAY_PUSH(d->v, d->n, d->cap);
	*one = (struct plan_diff){ .cost = cost,
				   .path = path_of(keys),
				   .was = show(keys, was, nothing),
				   .is = show(keys, is, nothing) };
	strv_add_all(&one->keys, keys->v);
}

void plan_diffs_add(struct plan_diffs *d, enum plan_change cost, const char *path, const char *was,
		    const char *is)
{
	struct plan_diff *one = ARRAY_PUSH(d->v, d->n, d->cap);

	*one = (struct plan_diff){
		.cost = cost, .path = xstrdup(path), .was = xstrdup(was), .is = xstrdup(is)
	};
	strv_add(&one->keys, path);
}

void plan_diffs_finish(struct plan_diffs *d)
{
	for (size_t i = 0; i < d->n; i++) {
		strv_finish(&d->v[i].keys);
		free(d->v[i].path);
		free(d->v[i].was);
		free(d->v[i].is);
	}
	free(d->v);
	*d = (struct plan_diffs){ 0 };
}

bool plan_diffs_has(const struct plan_diffs *d, const char *path)
{
	for (size_t i = 0; i < d->n; i++) {
		if (strcmp(d->v[i].path, path) == 0)
			return true;
	}
	return false;
}

const struct plan_diff *plan_diffs_of(const struct plan_diffs *d, enum plan_change cost)
{
	for (size_t i = 0; i < d->n; i++) {
		if (d->v[i].cost == cost)
			return &d->v[i];
	}
	return NULL;
}

char *plan_diff_text(const struct plan_diff *d)
{
	return xasprintf("%s: %s -> %s", d->path, d->was, d->is);
}

/* ---- comparing ---------------------------------------------------------------------- */

struct walk {
	struct plan_diffs *ret; /* or NULL: only whether there is one */
	enum plan_change cost;
	struct strv keys; /* where we are */
};

static bool equal(struct json_object *a, struct json_object *b)
{
	_cleanup_(freep) char *x = json_canonical(a);
	_cleanup_(freep) char *y = json_canonical(b);

	return strcmp(x, y) == 0;
}

static void leave(struct strv *keys)
{
	free(keys->v[--keys->n]);
	keys->v[keys->n] = NULL;
}

static bool members_differ(struct walk *w, struct json_object *was, struct json_object *is);
static void items_differ(struct walk *w, struct json_object *was, struct json_object *is);

static bool has_members(struct json_object *v)
{
	return json_object_is_type(v, json_type_object) && json_object_object_length(v) != 0;
}

/* A list of mappings: ports, volumes, files. */
static bool has_items(struct json_object *v)
{
	return json_object_is_type(v, json_type_array) && json_object_array_length(v) != 0 &&
	       json_object_is_type(json_object_array_get_idx(v, 0), json_type_object);
}

/* The value at w->keys differs; NULL: it is missing.  A mapping is told member by
 * member and a list of them item by item, also where there was none. */
static void differ(struct walk *w, struct json_object *was, struct json_object *is)
{
	_cleanup_(json_putp) struct json_object *none = json_object_new_object();
	_cleanup_(json_putp) struct json_object *empty = json_object_new_array();
	bool item = w->keys.v[w->keys.n - 1][0] == '[';

	if ((json_object_is_type(was, json_type_object) &&
	     json_object_is_type(is, json_type_object)) ||
	    (!item && ((was == NULL && has_members(is)) || (is == NULL && has_members(was)))))
		(void)members_differ(w, was != NULL ? was : none, is != NULL ? is : none);
	else if ((has_items(was) || was == NULL) && (has_items(is) || is == NULL) &&
		 (was != NULL || is != NULL))
		items_differ(w, was != NULL ? was : empty, is != NULL ? is : empty);
	else
		add(w->ret, w->cost, &w->keys, was, is);
}

/* Items that are in both lists are no difference; the others are paired in
 * their order.  Nothing left over: only the order is another. */
static void items_differ(struct walk *w, struct json_object *was, struct json_object *is)
{
	size_t n = json_object_array_length(was), m = json_object_array_length(is), i, k = 0;
	_cleanup_(freep) bool *old = xcalloc(n, sizeof(bool)); /* it has its like */
	_cleanup_(freep) bool *new = xcalloc(m, sizeof(bool));
	bool any = false;

	for (i = 0; i < m; i++) {
		for (k = 0; k < n && !new[i]; k++) {
			if (!old[k] && equal(json_object_array_get_idx(was, k),
					     json_object_array_get_idx(is, i)))
				old[k] = new[i] = true;
		}
	}
	k = 0;
	for (i = 0; i < m; i++) {
		if (new[i])
			continue;
		while (k < n && old[k])
			k++;
		strv_addf(&w->keys, "[%zu]", i);
		differ(w, k < n ? json_object_array_get_idx(was, k) : NULL,
		       json_object_array_get_idx(is, i));
		leave(&w->keys);
		k += k < n;
		any = true;
	}
	for (; k < n; k++) {
		if (old[k])
			continue;
		strv_addf(&w->keys, "[%zu]", k);
		differ(w, json_object_array_get_idx(was, k), NULL);
		leave(&w->keys);
		any = true;
	}
	if (!any)
		add(w->ret, w->cost, &w->keys, was, is);
}

/* True when a member differs. */
static bool members_differ(struct walk *w, struct json_object *was, struct json_object *is)
{
	bool any = false;
	struct json_object *v;

	json_object_object_foreach (is, key, new_value) {
		v = NULL;
		if (json_object_object_get_ex(was, key, &v) && equal(v, new_value))
			continue;
		any = true;
		strv_add(&w->keys, key);
		differ(w, v, new_value);
		leave(&w->keys);
	}
	json_object_object_foreach (was, old_key, old_value) {
		if (json_object_object_get_ex(is, old_key, NULL))
			continue;
		any = true;
		strv_add(&w->keys, old_key);
		differ(w, old_value, NULL);
		leave(&w->keys);
	}
	return any;
}

enum plan_change plan_spec_compare(struct json_object *was, struct json_object *is,
				   struct plan_diffs *ret)
{
	_cleanup_(json_putp) struct json_object *nothing = json_object_new_object();
	enum plan_change change = PLAN_KEEP;

	if (was == NULL)
		return PLAN_RECREATE;
	for (enum plan_change c = PLAN_RECREATE; c > PLAN_KEEP; c--) {
		struct json_object *a = jsonx_obj(was, plan_change_name(c));
		struct json_object *b = jsonx_obj(is, plan_change_name(c));
		struct walk w = { .ret = ret, .cost = c };

		if (members_differ(&w, a != NULL ? a : nothing, b != NULL ? b : nothing) &&
		    c > change)
			change = c;
		strv_finish(&w.keys);
	}
	return change;
}
