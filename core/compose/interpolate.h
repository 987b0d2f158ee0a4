/* SPDX-License-Identifier: Apache-2.0
 *
 * interpolate.h - ${VARIABLES} in values.
 *
 * The forms of Docker Compose: $V ${V} ${V:-d} ${V-d} ${V:?m} ${V?m} ${V:+a}
 * ${V+a}, nested in one another, and $$ for a dollar sign.  Any other use of $
 * stays as it is, but for a broken ${.
 */
#ifndef COMPOSE_INTERPOLATE_H
#define COMPOSE_INTERPOLATE_H

#include <compose/fields.h>
#include <compose/vars.h>

#include <base/strbuf.h>

/* Expand text that stands at `at` and append it to out.  Unset variables warn
 * once.  0, or -1 with an error in d. */
int interpolate_text(struct vars *v, struct diag *d, const struct node *at, const struct path *p,
		     const char *text, struct strbuf *out);

/* Expand every value of the tree (not keys, not what runs in the guest, not
 * "x-..." blocks) as its shape says.  A value with a mistake is told and
 * becomes null. */
void interpolate_tree(struct vars *v, struct diag *d, struct arena *a, struct node *n,
		      const struct shape *sh, const struct path *p);

#endif
