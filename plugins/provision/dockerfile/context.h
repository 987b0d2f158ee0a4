/* SPDX-License-Identifier: Apache-2.0
 *
 * context.h - the build context: the directory that COPY may read, without what
 * .dockerignore leaves out.
 */
#ifndef DF_CONTEXT_H
#define DF_CONTEXT_H

#include "dockerfile.h"

#include <json-c/json.h>

#define DF_ENTRIES_MAX 100000u /* of all COPYs together */
#define DF_TREE_DEPTH  128

/* ---- patterns ------------------------------------------------------------------- */

struct df_pattern;

/* * and ? do not cross a /, ** does; [a-z], [^a-z] and \x as in Go's
 * filepath.Match.  NULL: the pattern is malformed. */
const struct df_pattern *df_pattern(struct df_pool *p, const char *text);
bool df_pattern_matches(const struct df_pattern *p, const char *s);
bool df_pattern_is_literal(const char *text); /* nothing special in it */

struct df_ignore {
	struct df_rule *rules;
	size_t n;
	bool any_again; /* some rule takes back: what is left out must be walked */
};

/* The text of a .dockerignore. */
bool df_ignore_parse(struct df_pool *p, const char *text, struct df_ignore *ret);
/* Is this path (relative, clean) left out?  So is all below a path left out. */
bool df_ignored(const struct df_ignore *ig, const char *path);

/* ---- the tree ---------------------------------------------------------------------- */

struct df_context {
	struct df_pool *pool;
	const char *root; /* real path, no / at its end (but of the root itself) */
	struct df_ignore ignore;
	unsigned entries; /* so far */
};

/* What a source turned out to be. */
enum df_source { DF_SOURCE_FILE, DF_SOURCE_DIR };

struct df_found {
	const char *path; /* relative to the root; its links resolved */
	const char *name; /* the last part of what was asked for */
	enum df_source kind;
	unsigned mode;
};

/* dockerfile: absolute; its directory is the context. */
bool df_context_open(struct df_pool *p, const char *dockerfile, struct df_context *ret);
/* The files and directories that a source of COPY names, sorted. */
bool df_find(struct df_context *c, const struct df_instr *in, const char *source,
	     struct df_found **ret, size_t *ret_n);
/* Add what was found to the entries of a copy (docs/steps.md): a file by its
 * name, of a directory what is in it.  mode: for all of them; -1: their own. */
bool df_collect(struct df_context *c, const struct df_instr *in, const struct df_found *f, int mode,
		struct json_object *entries);
/* Is this file one that ADD unpacks: a tar archive, perhaps compressed? */
bool df_is_archive(const struct df_context *c, const struct df_found *f);

#endif
