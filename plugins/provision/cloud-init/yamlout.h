/* SPDX-License-Identifier: Apache-2.0
 *
 * yamlout.h - block YAML that a person can read and that every reader of YAML
 * 1.1 or 1.2 reads back byte for byte.
 *
 * The writer knows mappings, sequences and scalars.  Every string comes back
 * as that string: plain only where no schema makes anything else of it,
 * a literal block for text of several lines, quotes otherwise.
 */
#ifndef CI_YAML_H
#define CI_YAML_H

#include "buf.h"

#include <stdbool.h>

struct ci_yaml {
	struct ci_buf *out;
	unsigned indent; /* columns of the collection being written */
	bool dash;       /* the next key stands behind a "- " already written */
	bool flow_more;  /* in a flow sequence: an element was written */
};

#define CI_YAML_INIT(buf)                                                                          \
	{                                                                                          \
		(buf), 0, false, false                                                             \
	}

/* True if s is UTF-8 (no surrogates, nothing overlong).  All strings given to
 * the functions below must be. */
bool ci_yaml_is_utf8(const char *s);

/* In a mapping: "key: value".  Keys are plain words. */
void ci_yaml_str(struct ci_yaml *y, const char *key, const char *value);
void ci_yaml_bool(struct ci_yaml *y, const char *key, bool value);
void ci_yaml_int(struct ci_yaml *y, const char *key, int64_t value);

/* "key:" with a collection of at least one element below it, up to the matching
 * ci_yaml_end(); an empty one is ci_yaml_empty_map(). */
void ci_yaml_begin(struct ci_yaml *y, const char *key);
void ci_yaml_end(struct ci_yaml *y);
void ci_yaml_empty_map(struct ci_yaml *y, const char *key);

/* In a sequence: an element that is a string, a mapping (up to
 * ci_yaml_end()), or a list of strings, "[a, b]". */
void ci_yaml_item(struct ci_yaml *y, const char *value);
void ci_yaml_item_map(struct ci_yaml *y);
void ci_yaml_item_list(struct ci_yaml *y);
void ci_yaml_item_list_add(struct ci_yaml *y, const char *value);
void ci_yaml_item_list_end(struct ci_yaml *y);

/* The same with a value or an element that is YAML already: one line of flow style,
 * all texts in it quoted as in JSON. */
void ci_yaml_flow(struct ci_yaml *y, const char *key, const char *flow);
void ci_yaml_item_flow(struct ci_yaml *y, const char *flow);

#endif
