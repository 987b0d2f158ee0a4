/* SPDX-License-Identifier: Apache-2.0
 *
 * userdata.c - the user's own cloud-config (cloud_init.user_data), merged under what
 * the steps say.
 *
 * What has a step of its own goes there: commands and packages, behind the others.
 * Of the rest each key is an element of `user_data`; what would make the VM
 * unreachable, or fight with what holos does at every boot, is left out (the
 * compose layer has warned of it).
 */
#include <base/alloc.h>
#include <base/jsonx.h>
#include <compose/userdata.h>
#include <plan/steps.h>

#include <string.h>

/* One line of JSON, which is YAML too (spaced: YAML 1.1 wants that). */
static void set_text(struct json_object *o, const char *key, struct json_object *value)
{
	jsonx_set_str(o, key,
		      json_object_to_json_string_ext(
			      value, JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE));
}

/* A word of a command or a package's name; numbers are texts here. */
static struct json_object *text_of(struct json_object *value)
{
	return json_object_new_string(value != NULL ? json_object_get_string(value) : "");
}

/* Strings, and lists of strings; what is empty is nothing. */
static void append(struct json_object *steps, const char *list, struct json_object *more)
{
	struct json_object *to = jsonx_arr(steps, list);

	for (size_t i = 0; i < jsonx_len(more); i++) {
		struct json_object *item = json_object_array_get_idx(more, i);
		struct json_object *copy;

		if (item == NULL)
			continue;
		if (!json_object_is_type(item, json_type_array)) {
			json_object_array_add(to, text_of(item));
			continue;
		}
		if (jsonx_len(item) == 0)
			continue;
		copy = json_object_new_array();
		for (size_t k = 0; k < jsonx_len(item); k++)
			json_object_array_add(copy, text_of(json_object_array_get_idx(item, k)));
		json_object_array_add(to, copy);
	}
}

/* Elements of a list that holos writes into as well.  The entry of the login user is
 * its own. */
static struct json_object *items_of(struct json_object *list, const char *login)
{
	struct json_object *all = json_object_new_array();

	for (size_t i = 0; i < jsonx_len(list); i++) {
		struct json_object *item = json_object_array_get_idx(list, i);
		struct json_object *o;
		const char *name = json_object_is_type(item, json_type_object)
					   ? jsonx_str(item, "name", "")
					   : "";

		if (item == NULL || (login != NULL && strcmp(name, login) == 0))
			continue;
		o = json_object_new_object();
		set_text(o, "yaml", item);
		json_object_array_add(all, o);
	}
	return all;
}

static void merge_one(struct json_object *steps, struct json_object *rest, const char *key,
		      struct json_object *value, const char *login)
{
	bool users = strcmp(key, "users") == 0;
	struct json_object *o;

	if (strcmp(key, "runcmd") == 0 || strcmp(key, "bootcmd") == 0 ||
	    strcmp(key, "packages") == 0) {
		append(steps, key, value);
		return;
	}
	if (strcmp(key, "package_update") == 0) {
		jsonx_set(steps, key, json_object_get(value));
		return;
	}
	if (user_data_is_ours(key))
		return;
	o = json_object_new_object();
	jsonx_set_str(o, "key", key);
	if (users || strcmp(key, "write_files") == 0)
		jsonx_set(o, "items", items_of(value, users ? login : NULL));
	else
		set_text(o, "yaml", value);
	json_object_array_add(rest, o);
}

void plan_user_data(struct json_object *steps, const char *text, const char *login)
{
	_cleanup_(json_putp) struct json_object *data = json_tokener_parse(text); /* ours */
	struct json_object *rest = json_object_new_array();

	json_object_object_foreach (data, key, value)
		merge_one(steps, rest, key, value, login);
	jsonx_set(steps, "user_data", rest);
}
