/* SPDX-License-Identifier: Apache-2.0
 *
 * diff.h - what changed between two specs (spec.h), field by field.
 */
#ifndef PLAN_DIFF_H
#define PLAN_DIFF_H

#include <plan/spec.h>

/* One field that differs.  was and is are for a person: shortened, contents of
 * files as their size, and "(hidden)" for what is named like a secret. */
struct plan_diff {
	enum plan_change cost;
	struct strv keys; /* "ports", "[0]", "published": for project_place() */
	char *path;       /* "ports[0].published" */
	char *was, *is;   /* "(default)" or, in a list, "(none)" where there is nothing */
};

struct plan_diffs {
	struct plan_diff *v; /* dearest first */
	size_t n, cap;
};

void plan_diffs_finish(struct plan_diffs *d); /* usable as _cleanup_ */

/* What turning `was` into `is` takes: the dearest class with a difference.  ret
 * may be NULL.  A NULL `was` is a recreate. */
enum plan_change plan_spec_compare(struct json_object *was, struct json_object *is,
				   struct plan_diffs *ret);

/* Add one that no spec tells; texts are copied. */
void plan_diffs_add(struct plan_diffs *d, enum plan_change cost, const char *path, const char *was,
		    const char *is);
/* Does a field of this path differ? */
bool plan_diffs_has(const struct plan_diffs *d, const char *path);
/* Is there one of this class?  The first, or NULL. */
const struct plan_diff *plan_diffs_of(const struct plan_diffs *d, enum plan_change cost);
/* "vm.vcpu: 2 -> 4"; the caller frees. */
char *plan_diff_text(const struct plan_diff *d);

#endif
