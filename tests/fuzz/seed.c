/* SPDX-License-Identifier: Apache-2.0
 *
 * seed.c - fuzz target: bytes as a steps document for the plugin cloud-init.
 *
 * Whatever it says, the plugin writes a seed or names the member that is wrong.
 * The user-data of a seed is YAML for libyaml too: one document, a mapping.
 */
#include "fuzz.h"

#include "mockhost.h"
#include "parts.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

static void fail(const char *what, const char *detail)
{
	fprintf(stderr, "%s: %s\n", what, detail);
	abort();
}

/* The sectors of the image: names and places are libarchive's matter, so the file is
 * looked for by how it begins. */
static const char *find(const struct mock_result *r, const char *begin)
{
	size_t n = strlen(begin);

	for (size_t at = 0; at + n < r->iso_len; at += 2048) {
		if (memcmp(r->iso + at, begin, n) == 0)
			return r->iso + at;
	}
	fail("the seed has no", begin);
	return NULL;
}

static void check_yaml(const char *text, size_t len)
{
	yaml_parser_t p;
	yaml_event_t e;
	yaml_event_type_t type;
	unsigned depth = 0, documents = 0;

	if (!yaml_parser_initialize(&p))
		abort();
	yaml_parser_set_input_string(&p, (const unsigned char *)text, len);
	do {
		if (!yaml_parser_parse(&p, &e))
			fail(p.problem != NULL ? p.problem : "not YAML", text);
		type = e.type;
		documents += type == YAML_DOCUMENT_START_EVENT;
		if (depth == 0 && type != YAML_MAPPING_START_EVENT && type == YAML_SCALAR_EVENT)
			fail("no mapping", text);
		depth += type == YAML_MAPPING_START_EVENT || type == YAML_SEQUENCE_START_EVENT;
		depth -= type == YAML_MAPPING_END_EVENT || type == YAML_SEQUENCE_END_EVENT;
		yaml_event_delete(&e);
	} while (type != YAML_STREAM_END_EVENT);
	yaml_parser_delete(&p);
	if (documents != 1)
		fail("not one document", text);
}

/* The user's own texts come from the host, as JSON: others are no test of the plugin. */
static bool is_json(struct json_object *o)
{
	struct json_tokener *tok;
	struct json_object *value = NULL;
	const char *text = json_object_get_string(o);
	size_t len = text != NULL ? strlen(text) : 0;
	bool good;

	if (!json_object_is_type(o, json_type_string))
		return true;
	tok = json_tokener_new_ex(32);
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT);
	value = json_tokener_parse_ex(tok, text, (int)len + 1);
	good = json_tokener_get_error(tok) == json_tokener_success && value != NULL &&
	       !json_object_is_type(value, json_type_double);
	json_object_put(value);
	json_tokener_free(tok);
	return good;
}

static bool own_texts_are_json(struct json_object *steps)
{
	struct json_object *list = json_object_object_get(steps, "user_data");

	if (!json_object_is_type(list, json_type_array))
		return true;
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);
		struct json_object *items;

		if (!json_object_is_type(o, json_type_object))
			continue;
		if (!is_json(json_object_object_get(o, "yaml")))
			return false;
		items = json_object_object_get(o, "items");
		if (!json_object_is_type(items, json_type_array))
			continue;
		for (size_t k = 0; k < json_object_array_length(items); k++) {
			struct json_object *item = json_object_array_get_idx(items, k);

			if (json_object_is_type(item, json_type_object) &&
			    !is_json(json_object_object_get(item, "yaml")))
				return false;
		}
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json_tokener *tok = json_tokener_new_ex(32);
	struct json_object *steps =
		size < 65536 ? json_tokener_parse_ex(tok, (const void *)data, (int)size) : NULL;
	struct mock_result r = { 0 };

	json_tokener_free(tok);
	if (!json_object_is_type(steps, json_type_object)) {
		json_object_put(steps);
		return 0;
	}
	mock_context = -1;
	mock_seed(steps, "-----BEGIN OPENSSH PRIVATE KEY-----\n", &r);
	if (r.status == HOLOS_OK) {
		const char *user_data = find(&r, "#cloud-config\n");
		size_t len = strnlen(user_data, r.iso_len - (size_t)(user_data - r.iso));

		/* One that fills its last sector has no end to be seen. */
		if (len % 2048 != 0 && own_texts_are_json(steps))
			check_yaml(user_data, len);
	} else if (r.error.message[0] == '\0' || strchr(r.error.message, '\n') != NULL) {
		fail("no message of one line", r.error.message);
	}
	free(r.iso);
	json_object_put(steps);
	return 0;
}
