/* SPDX-License-Identifier: Apache-2.0
 *
 * merge.h - one form for each value, and one tree from several.
 *
 * Merging follows Docker Compose: mappings deeply, lists one after the other
 * (ports and volumes that mean the same once, the later one), single values and
 * commands replaced; !reset removes, !override replaces.
 */
#ifndef COMPOSE_MERGE_H
#define COMPOSE_MERGE_H

#include <compose/diag.h>
#include <compose/fields.h>

/* Turn "KEY=VALUE" lists and lists of names into mappings and single values
 * into lists, where the shape says so.  Returns the node to use in place of n
 * (n itself, changed, or a new one). */
struct node *tree_normalize(struct arena *a, struct diag *d, struct node *n, const struct shape *sh,
			    const struct path *p);

/* over on top of base (both normalized, both given up).  NULL when over is
 * !reset. */
struct node *tree_merge(struct arena *a, struct node *base, struct node *over,
			const struct shape *sh);

/* Take !reset values and the marks of !override out of a finished tree. */
void tree_strip_tags(struct node *n);

#endif
