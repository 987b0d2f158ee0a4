/* SPDX-License-Identifier: Apache-2.0
 *
 * yamlout.c - see yamlout.h.
 */
#include <compose/yamlout.h>

#include <base/strbuf.h>

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

static int append(void *data, unsigned char *text, size_t len)
{
	strbuf_add(data, text, len);
	return 1;
}

/* Would it be read back as text without quotes, by old and new readers? */
static bool plain_is_text(const char *s)
{
	static const char *const words[] = { "",   "~",   "null", "true", "false", "yes", "no",
					     "on", "off", "y",    "n",    "<<",    "=",   NULL };

	for (size_t i = 0; words[i] != NULL; i++) {
		if (strcasecmp(words[i], s) == 0)
			return false;
	}
	/* Numbers of any kind, times, and base 60 begin with one of these. */
	return strchr("0123456789+-.", s[0]) == NULL;
}

static void emit_event(yaml_emitter_t *y, int ok, yaml_event_t *event)
{
	/* Both fail only when there is no memory, where everything ends. */
	if (!ok || !yaml_emitter_emit(y, event))
		abort();
}

static void yaml_text(yaml_emitter_t *y, const char *text, bool is_string)
{
	yaml_scalar_style_t style = YAML_PLAIN_SCALAR_STYLE;
	yaml_event_t event;
	int ok;

	if (is_string && strchr(text, '\n') != NULL)
		style = YAML_LITERAL_SCALAR_STYLE;
	else if (is_string && !plain_is_text(text))
		style = YAML_DOUBLE_QUOTED_SCALAR_STYLE;
	ok = yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text,
					  (int)strlen(text), 1, 1, style);
	emit_event(y, ok, &event);
}

static void yaml_value(yaml_emitter_t *y, struct json_object *o)
{
	yaml_event_t event;

	if (json_object_is_type(o, json_type_object)) {
		emit_event(y,
			   yaml_mapping_start_event_initialize(&event, NULL, NULL, 1,
							       YAML_BLOCK_MAPPING_STYLE),
			   &event);
		json_object_object_foreach (o, key, value) {
			yaml_text(y, key, true);
			yaml_value(y, value);
		}
		emit_event(y, yaml_mapping_end_event_initialize(&event), &event);
	} else if (json_object_is_type(o, json_type_array)) {
		emit_event(y,
			   yaml_sequence_start_event_initialize(&event, NULL, NULL, 1,
								YAML_BLOCK_SEQUENCE_STYLE),
			   &event);
		for (size_t i = 0; i < json_object_array_length(o); i++)
			yaml_value(y, json_object_array_get_idx(o, i));
		emit_event(y, yaml_sequence_end_event_initialize(&event), &event);
	} else if (o == NULL) {
		yaml_text(y, "null", false);
	} else {
		yaml_text(y, json_object_get_string(o), json_object_is_type(o, json_type_string));
	}
}

static void yaml_node(yaml_emitter_t *y, const struct node *n)
{
	yaml_event_t event;

	switch (n->kind) {
	case NODE_SCALAR:
		yaml_text(y, n->text, !n->plain);
		return;
	case NODE_LIST:
		emit_event(y,
			   yaml_sequence_start_event_initialize(&event, NULL, NULL, 1,
								YAML_BLOCK_SEQUENCE_STYLE),
			   &event);
		for (size_t i = 0; i < n->n; i++)
			yaml_node(y, n->items[i]);
		emit_event(y, yaml_sequence_end_event_initialize(&event), &event);
		return;
	case NODE_MAP:
		break;
	}
	emit_event(y,
		   yaml_mapping_start_event_initialize(&event, NULL, NULL, 1,
						       YAML_BLOCK_MAPPING_STYLE),
		   &event);
	for (size_t i = 0; i < n->n; i++) {
		yaml_node(y, n->pairs[i].key);
		yaml_node(y, n->pairs[i].value);
	}
	emit_event(y, yaml_mapping_end_event_initialize(&event), &event);
}

/* The document around a value: one of o and n. */
static char *write_document(struct json_object *o, const struct node *n)
{
	struct strbuf out = STRBUF_INIT;
	yaml_emitter_t y;
	yaml_event_t event;

	if (!yaml_emitter_initialize(&y))
		abort();
	yaml_emitter_set_output(&y, append, &out);
	yaml_emitter_set_unicode(&y, 1);
	yaml_emitter_set_width(&y, -1);
	emit_event(&y, yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING), &event);
	emit_event(&y, yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1), &event);
	if (n != NULL)
		yaml_node(&y, n);
	else
		yaml_value(&y, o);
	emit_event(&y, yaml_document_end_event_initialize(&event, 1), &event);
	emit_event(&y, yaml_stream_end_event_initialize(&event), &event);
	yaml_emitter_delete(&y);
	return strbuf_steal(&out);
}

char *json_to_yaml(struct json_object *o)
{
	return write_document(o, NULL);
}

char *tree_to_yaml(const struct node *n)
{
	return write_document(NULL, n);
}
