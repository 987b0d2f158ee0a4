/* SPDX-License-Identifier: Apache-2.0
 *
 * translate.h - instructions to steps (docs/steps.md).
 */
#ifndef DF_TRANSLATE_H
#define DF_TRANSLATE_H

#include "dockerfile.h"

#include <json-c/json.h>

struct df_options {
	bool service; /* CMD and ENTRYPOINT become a service; else they are errors */
};

/* Translate a Dockerfile; path is absolute, its directory is the context.  The
 * caller owns *ret. */
bool df_translate(struct df_pool *p, const char *path, const char *text, size_t len,
		  const struct df_options *options, struct json_object **ret);

/* ---- within the translation ---------------------------------------------------- */

struct df_context;

struct df_build {
	struct df_pool *pool;
	const struct df_options *options;
	const char *path;
	struct df_file file;
	struct df_context *context; /* opened by the first COPY */
	struct df_pairs globals;    /* ARG before FROM */
	struct df_pairs args, env;  /* of the stage */
	struct df_pairs known;      /* both, and what an image has: for ${...} */
	struct df_text script;
	struct df_text lines; /* of each "at" in the script: LINE TEXT */
	const char *image;
	const char *workdir;
	const char **shell;
	size_t n_shell;
	const struct df_instr *cmd, *entrypoint;
	struct json_object *copies;
	struct json_object *healthcheck;
};

/* copy.c: COPY and ADD */
bool df_do_copy(struct df_build *b, const struct df_instr *in);
/* health.c: HEALTHCHECK */
bool df_do_healthcheck(struct df_build *b, const struct df_instr *in);
/* One word of the instruction with variables, for COPY, WORKDIR, USER. */
const char *df_build_expand(struct df_build *b, const struct df_instr *in, const char *word);
/* A path of the guest: absolute, joined to WORKDIR, without "." and "..". */
const char *df_build_path(struct df_build *b, const char *path);
/* The script announces an instruction: what follows is its work. */
void df_build_at(struct df_build *b, const struct df_instr *in);

#endif
