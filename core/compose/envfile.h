/* SPDX-License-Identifier: Apache-2.0
 *
 * envfile.h - the grammar of .env, --env-file and env_file.
 *
 *     # a comment, and blank lines
 *     [export ]NAME=value          variables expanded; " #" begins a comment
 *     NAME="value"                 \n \r \t \\ \" \$ and variables; may go on
 *                                  over several lines
 *     NAME='value'                 as it is (\' is a quote)
 *     NAME=                        empty
 *     NAME                         no value here: the environment's
 */
#ifndef COMPOSE_ENVFILE_H
#define COMPOSE_ENVFILE_H

#include <compose/vars.h>

#define ENVFILE_MAX ((size_t)1 << 20) /* bytes */

/* One entry; value NULL: the name alone. */
typedef void env_entry_fn(void *data, const char *name, const char *value);

/* Parse text and call fn for each entry in order; variables are expanded by v
 * as it is at that entry.  With raw, values are taken as they stand, quotes and
 * dollars included.  Mistakes go to d, with src as their file. */
void env_parse(struct vars *v, struct diag *d, const struct source *src, const char *text,
	       size_t len, bool raw, env_entry_fn *fn, void *data);

/* Read and parse a file whose entries become variables of v.  A missing file
 * is an error at `at` (a node that names it; NULL: no place) unless optional;
 * returns false when there was none to read. */
bool env_load(struct vars *v, struct diag *d, const struct source *src, const struct node *at,
	      bool optional);

#endif
