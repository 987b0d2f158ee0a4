/* SPDX-License-Identifier: Apache-2.0
 *
 * reader.h - YAML text to a tree.
 */
#ifndef COMPOSE_READER_H
#define COMPOSE_READER_H

#include <compose/diag.h>
#include <compose/tree.h>

/* Parse one document.  Aliases and merge keys (<<) are resolved, duplicate keys
 * and unknown tags refused.  Returns -1 with at least one error in d when there
 * is no tree; mistakes that leave a usable tree are only added to d. */
int tree_read(struct arena *a, const struct source *src, const char *text, size_t len,
	      struct diag *d, struct node **ret);

#endif
