/* SPDX-License-Identifier: Apache-2.0
 *
 * vars.h - variables for ${...}: the environment, over what env files say.
 *
 */
#ifndef COMPOSE_VARS_H
#define COMPOSE_VARS_H

#include <compose/diag.h>
#include <compose/tree.h>

struct vars;

/* environment: "NAME=value" strings, borrowed, NULL for none; they win over
 * everything in files.  To be destroyed before the arena. */
struct vars *vars_create(struct arena *a, char *const *environment);
/* For a file included with its own .env: what up has wins, what is set in the
 * fork stays there.  up must outlive it. */
struct vars *vars_fork(struct arena *a, struct vars *up);
void vars_destroy(struct vars *v); /* NULL is fine */

DEFINE_CLEANUP(struct vars *, vars_destroyp, vars_destroy);

/* A value set by a file or by holos; origin names where it came from.  A later
 * one replaces an earlier one; value NULL removes it. */
void vars_set(struct vars *v, const char *name, const char *value, const char *origin);
const char *vars_get(const struct vars *v, const char *name); /* or NULL */
/* Where the value came from: "environment", an origin, or "unset". */
const char *vars_origin(const struct vars *v, const char *name);

/* Remember that a file asked for it, and where first.  With warn, returns true
 * the first time: a missing variable is told once. */
bool vars_use(struct vars *v, const char *name, const struct node *at, bool warn);
/* What was asked for, in order of name; filled into an arena array. */
const struct variable *vars_used(struct vars *v, size_t *ret_n);

/* Account for n bytes of expanded text; false when files multiply text without
 * end (B=$A$A, C=$B$B, ...). */
bool vars_spend(struct vars *v, size_t n);

#endif
