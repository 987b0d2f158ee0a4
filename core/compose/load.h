/* SPDX-License-Identifier: Apache-2.0
 *
 * load.h - the stages of project_load(), for each other.
 */
#ifndef COMPOSE_LOAD_H
#define COMPOSE_LOAD_H

#include <compose/decode.h>
#include <compose/files.h>
#include <compose/strmap.h>
#include <compose/vars.h>

#include <base/strv.h>

#define LOAD_FILES_MAX   100 /* of one project, included and extended ones too */
#define LOAD_INCLUDE_MAX 16u /* nested */

struct loader {
	const struct project_options *opts;
	struct arena *arena;
	struct diag *diag;
	struct sources sources;
	const char *cwd;       /* absolute */
	struct vars *vars;     /* of the project */
	struct strv files;     /* read so far, absolute */
	bool raw;              /* only merge: no variables, no model */
	bool no_services;      /* what stands there is no mapping, and that was told */
	unsigned depth;        /* of includes */
	struct strv including; /* the included files that we are inside of */
	unsigned n_trees;      /* compose files read */
	/* Files that extends: reads, by path; NULL trees could not be read. */
	struct strmap extended;
	struct node **extended_trees;
	size_t n_extended, cap_extended;
	size_t copied;        /* values copied by extends: */
	struct strmap broken; /* services whose extends: failed */
	/* The project's active services, while they may still be changed. */
	struct service *services;
	size_t n_services;
};

/* A project name from a directory's: lower case, other characters become "-";
 * NULL when nothing is left.  In the arena. */
const char *load_name_from_dir(struct arena *a, const char *dir);

/* Read one file to a tree, not yet interpolated; name "-" is stdin.  NULL after
 * an error in the diag, at `at` (may be NULL) when the file cannot be read. */
struct node *load_tree(struct loader *l, const char *name, const char *path, const char *dir,
		       const struct node *at);
/* Interpolate with vars and bring to one form. */
struct node *load_prepare(struct loader *l, struct vars *vars, struct node *root);

/* Replace every service that extends another by the whole of it. */
void load_extends(struct loader *l, struct node *root);
/* Add what include: names to root, recursively. */
void load_includes(struct loader *l, struct vars *vars, struct node *root);
/* Read env files (each an absolute path) into vars; without any, dir/.env when
 * it is there.  at: the node that asked for them, or NULL. */
void load_env_files(struct loader *l, struct vars *vars, const char *dir, const struct strv *files,
		    const struct node *at);

/* Link, filter by profiles and check the decoded model (resolve.c, validate.c).
 * Mistakes go to the diag. */
void resolve_project(struct loader *l, struct decoder *d, struct project *p);
/* What --scale says: before the check, which is to see it, and, for services that
 * get no VM at all but must be right all the same, after it. */
void scale_up(struct loader *l);
void scale_to_none(struct loader *l);
void validate_project(struct loader *l, struct project *p);
/* Fill in p->order; names a cycle. */
void order_services(struct loader *l, struct project *p);

#endif
