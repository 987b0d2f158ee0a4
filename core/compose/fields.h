/* SPDX-License-Identifier: Apache-2.0
 *
 * fields.h - the description of the compose file: one table for everything.
 *
 * A shape says what a value may look like; a field is a key of a mapping with
 * its shape, where its value goes in the model, its default and its words for
 * the documentation.  Decoding, "did you mean", interpolation, merging, the
 * canonical form, hashes, the JSON Schema and docs/compose.md all read the same
 * tables: a new key is one entry in fields.c (and a decoder, when it has a form
 * of its own).
 */
#ifndef COMPOSE_FIELDS_H
#define COMPOSE_FIELDS_H

#include <compose/diag.h>
#include <compose/tree.h>

#include <json-c/json.h>

enum shape_kind {
	SHAPE_STRING,   /* any single value, as text */
	SHAPE_INT,      /* unsigned */
	SHAPE_BOOL,     /* bool */
	SHAPE_SIZE,     /* uint64_t bytes */
	SHAPE_DURATION, /* uint64_t ns, whole seconds */
	SHAPE_ENUM,     /* unsigned: the index in words */
	SHAPE_WORD,     /* one of words, kept as text */
	SHAPE_LIST,     /* of item: strings, or structs as {pointer, size_t} */
	SHAPE_MAP,      /* keys are the user's, values are item */
	SHAPE_OBJECT,   /* keys are fields */
	SHAPE_ANY,      /* any tree, for a plugin */
	SHAPE_ONE_OF    /* alts, told apart by the kind of the node */
};

/* Flags of shapes */
#define SHAPE_GUEST     0x01u  /* runs in the guest: never interpolated */
#define SHAPE_PATH      0x02u  /* host path: made absolute */
#define SHAPE_REPLACE   0x04u  /* merging replaces the whole value */
#define SHAPE_PAIRS     0x08u  /* ONE_OF: list form ("KEY=VALUE", "name") is turned into a map */
#define SHAPE_SINGLE    0x10u  /* ONE_OF: one value is turned into a list of it */
#define SHAPE_MULTILINE 0x20u  /* STRING: line breaks may be in it */
#define SHAPE_MARKED    0x40u  /* OBJECT: its struct begins with a struct mark */
#define SHAPE_NONEMPTY  0x80u  /* STRING, LIST: not empty */
#define SHAPE_QUOTED    0x200u /* STRING: no number or boolean can be right (for the schema) */
#define SHAPE_NULL      0x100u /* null has a meaning of its own here */

struct shape;
struct decoder;
struct emitter;

/* Decode n to out (the struct the field is in, plus the field's offset).
 * Mistakes go to the decoder's diag; out keeps its zeroes then. */
typedef void decode_fn(struct decoder *d, const struct shape *sh, const struct node *n,
		       const struct path *p, void *out);
/* The value as JSON in its canonical form; NULL: nothing to show. */
typedef struct json_object *emit_fn(const struct emitter *e, const struct shape *sh,
				    const void *value);
/* What makes list items the same when files are merged, in the arena; NULL:
 * none.  The later one wins. */
typedef const char *merge_key_fn(struct arena *a, const struct node *item);

struct field;

struct shape {
	enum shape_kind kind;
	unsigned flags;
	const char *name;                /* the type, in documentation */
	const char *rule;                /* what it must be: "must be RULE"; NULL: by kind */
	const char *pattern;             /* STRING: the rule as a regular expression (ECMA) */
	bool (*check)(const char *text); /* STRING: the same rule */
	int64_t min, max;                /* INT: value; SIZE: bytes; DURATION: seconds, max 0: none;
					  * STRING: of a bare number, for the schema */
	const char *const *words;
	const struct shape *item;
	const struct field *fields; /* ended by key NULL */
	const struct shape *const *alts;
	const char *separators; /* SHAPE_PAIRS: between key and value; NULL: names only */
	size_t size;            /* OBJECT as an item: of its struct */
	decode_fn *decode;      /* NULL: by kind */
	emit_fn *emit;          /* NULL: by kind */
	merge_key_fn *merge_key;
};

/* What a change of the field asks of a running VM (holos.md section 3). */
enum change { CHANGE_NONE = 0, CHANGE_LIVE = 1, CHANGE_RESTART = 2, CHANGE_RECREATE = 4 };

#define NO_OFFSET ((size_t)-1)

struct field {
	const char *key;
	const struct shape *shape;
	size_t offset; /* in the model; NO_OFFSET: not decoded here */
	size_t mark;   /* offset of a struct mark, or NO_OFFSET */
	enum change change;
	const char *deflt;         /* YAML text decoded when the key is absent; NULL: zero */
	const char *shown_default; /* in documentation, when deflt does not say it */
	const char *same_as;       /* another way to write this key: not both */
	bool required;
	bool hidden; /* not part of the canonical form */
	const char *doc;
	const char *example; /* one line of YAML, the value */
};

extern const struct shape shape_file;    /* a whole compose file */
extern const struct shape shape_service; /* one service: struct service */
extern const struct shape shape_volume;
extern const struct shape shape_network;

/* The field with this key, or NULL. */
const struct field *field_find(const struct field *fields, const char *key);
/* The shape of the value of a key of a map of this shape (OBJECT, MAP); NULL
 * when nothing is known about it. */
const struct shape *shape_of_key(const struct shape *sh, const char *key);
/* The alternative of a ONE_OF (or sh itself) that fits the kind of n. */
const struct shape *shape_for_node(const struct shape *sh, const struct node *n);
/* Is n of a kind that sh can be? */
bool shape_accepts(const struct shape *sh, const struct node *n);
/* The OBJECT that a value of this shape holds, itself or as an item; NULL: none. */
const struct shape *shape_object_in(const struct shape *sh);
/* "x-..." keys are the user's own, but for mappings like environment. */
bool key_is_ignored(const struct shape *sh, const char *key);

#endif
