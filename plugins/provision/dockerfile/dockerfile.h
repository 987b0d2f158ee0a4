/* SPDX-License-Identifier: Apache-2.0
 *
 * dockerfile.h - a Dockerfile as instructions, and the pieces that read it.
 *
 *   text -> lines (lines.c) -> instructions (parse.c) -> words (words.c,
 *   expand.c) -> a script and copies (translate.c, copy.c, ignore.c)
 *
 * Everything made from one Dockerfile lives in a pool and ends with it.
 * Functions that may fail return false with the reason in the pool; the first
 * one stays.  The behaviour is BuildKit's (Dockerfile reference, syntax 1).
 */
#ifndef DF_DOCKERFILE_H
#define DF_DOCKERFILE_H

#include <stdbool.h>
#include <stddef.h>

#define DF_TEXT_MAX     ((size_t)1 << 20)   /* of the Dockerfile */
#define DF_VALUE_MAX    ((size_t)64 << 10)  /* of one expanded value */
#define DF_POOL_MAX     ((size_t)256 << 20) /* what all expansions may take */
#define DF_HEREDOCS_MAX 64
#define DF_DEPTH_MAX    32 /* ${a:-${b:-...}} */

/* ---- memory and the first error -------------------------------------------- */

struct df_chunk;

struct df_pool {
	struct df_chunk *chunks;
	size_t total; /* bytes handed out */
	bool failed;
	unsigned line; /* 0: none */
	char message[600];
	char hint[300]; /* "": none */
};

void df_pool_finish(struct df_pool *p);
/* Zeroed; never NULL: the program ends when there is no memory. */
void *df_alloc(struct df_pool *p, size_t size);
char *df_strndup(struct df_pool *p, const char *s, size_t n);
char *df_strdup(struct df_pool *p, const char *s);
char *df_printf(struct df_pool *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The array, with room for one more behind n elements of size bytes. */
void *df_grow(struct df_pool *p, void *array, size_t n, size_t size);
/* Returns false. */
bool df_fail(struct df_pool *p, unsigned line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
bool df_hint(struct df_pool *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Text that grows, in the pool; never without its NUL. */
struct df_text {
	struct df_pool *pool;
	char *s;
	size_t len, cap;
};

#define DF_TEXT(p)                                                                                 \
	{                                                                                          \
		.pool = (p)                                                                        \
	}

void df_add(struct df_text *t, const char *s, size_t n);
void df_adds(struct df_text *t, const char *s);
void df_addc(struct df_text *t, char c);
void df_addf(struct df_text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* As one word of sh. */
void df_add_quoted(struct df_text *t, const char *s);
/* The text, "" when there is none. */
const char *df_str(const struct df_text *t);

/* ---- instructions ------------------------------------------------------------ */

enum df_op {
	DF_ADD,
	DF_ARG,
	DF_CMD,
	DF_COPY,
	DF_ENTRYPOINT,
	DF_ENV,
	DF_EXPOSE,
	DF_FROM,
	DF_HEALTHCHECK,
	DF_LABEL,
	DF_MAINTAINER,
	DF_ONBUILD,
	DF_RUN,
	DF_SHELL,
	DF_STOPSIGNAL,
	DF_USER,
	DF_VOLUME,
	DF_WORKDIR,
	DF_N_OPS
};

struct df_flag {
	const char *name;  /* without "--" */
	const char *value; /* NULL: "--name" alone */
};

struct df_heredoc {
	const char *name;
	const char *content; /* tabs stripped when `strip` */
	bool expand;         /* the name stood without quotes */
	bool strip;          /* <<- */
};

struct df_instr {
	enum df_op op;
	unsigned line; /* where it begins, from 1 */
	struct df_flag *flags;
	size_t n_flags;
	const char *text; /* what follows, continuations joined, comments gone */
	/* The exec form: a JSON array of strings; NULL when it is none. */
	const char **words;
	size_t n_words;
	struct df_heredoc *heredocs;
	size_t n_heredocs;
};

struct df_file {
	char escape; /* '\\' or '`' */
	struct df_instr *instrs;
	size_t n;
};

const char *df_op_name(enum df_op op); /* "RUN" */

/* Read the text (any bytes).  False: see the pool. */
bool df_parse(struct df_pool *p, const char *text, size_t len, struct df_file *ret);
/* The same again as text that parses to the same. */
const char *df_print(struct df_pool *p, const struct df_file *f);

/* The value of a flag; NULL: not given. */
const char *df_flag(const struct df_instr *in, const char *name);

/* ---- words ----------------------------------------------------------------------- */

struct df_pair {
	const char *name, *value; /* value NULL: "ARG name" */
};

struct df_pairs {
	struct df_pair *list;
	size_t n;
};

/* The text at blanks, quotes and escapes respected and kept. */
bool df_split(struct df_pool *p, const struct df_instr *in, char escape, const char ***ret,
	      size_t *ret_n);
/* "K=V K2=V2" or, where legacy, "K the rest"; not expanded. */
bool df_split_pairs(struct df_pool *p, const struct df_instr *in, char escape,
		    struct df_pairs *ret);
/* The last value of a name, or NULL. */
const char *df_get(const struct df_pairs *env, const char *name);
void df_set(struct df_pool *p, struct df_pairs *env, const char *name, const char *value);

/* Variables, quotes and escapes of one word; line is for messages.  NULL after
 * a mistake. */
const char *df_expand(struct df_pool *p, unsigned line, const char *word, char escape,
		      const struct df_pairs *env);
/* Variables alone: quotes stay (a heredoc). */
const char *df_expand_text(struct df_pool *p, unsigned line, const char *text, char escape,
			   const struct df_pairs *env);

#endif
