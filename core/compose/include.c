/* SPDX-License-Identifier: Apache-2.0
 *
 * include.c - other compose files taken in whole.
 *
 * Each included file is a project of its own as to relative paths and .env; its
 * services, volumes and networks join those of the file that includes it, and
 * a name that both have is an error.
 */
#include <compose/envfile.h>
#include <compose/load.h>
#include <compose/merge.h>

#include <base/alloc.h>
#include <base/fs.h>

#include <string.h>

void load_env_files(struct loader *l, struct vars *vars, const char *dir, const struct strv *files,
		    const struct node *at)
{
	_cleanup_(freep) char *usual = fs_join(dir, ".env");
	bool given = files->n > 0;

	for (size_t i = 0; i < (given ? files->n : 1); i++) {
		const char *path = given ? files->v[i] : usual;
		const char *name = given ? path : ".env";
		const struct source *src = source_add(&l->sources, name, path, dir);

		if (env_load(vars, l->diag, src, at, !given))
			strv_add(&l->files, path);
	}
}

/* A path or a list of paths, made absolute. */
static bool paths_of(struct loader *l, const struct node *n, const struct path *p, struct strv *ret)
{
	struct decoder d = { .arena = l->arena, .diag = l->diag, .vars = l->vars };

	if (node_is_null(n))
		return true;
	for (size_t i = 0; i < (n->kind == NODE_LIST ? n->n : 1); i++) {
		const struct node *item = n->kind == NODE_LIST ? n->items[i] : n;
		const char *path;

		if (node_text(item) == NULL || item->text[0] == '\0') {
			diag_error(l->diag, item, p, "%s: must be a path",
				   node_show(l->arena, item));
			return false;
		}
		path = decode_path(&d, item, p, item->text);
		if (path == NULL)
			return false;
		strv_add(ret, path);
	}
	return true;
}

/* What one entry of include: asks for. */
struct include {
	struct strv paths, env_files;
	const char *dir;
};

static void include_finish(struct include *inc)
{
	strv_finish(&inc->paths);
	strv_finish(&inc->env_files);
}

static bool read_entry(struct loader *l, const struct node *n, const struct path *p,
		       struct include *ret)
{
	struct decoder d = { .arena = l->arena, .diag = l->diag, .vars = l->vars };
	const struct node *path = n, *dir = NULL;
	_cleanup_(freep) char *usual = NULL;
	size_t before = l->diag->n_errors;

	if (n->kind == NODE_MAP) {
		const struct shape *list = shape_of_key(&shape_file, "include");

		decode_object(&d, shape_for_node(list->item, n), n, p, NULL);
		if (l->diag->n_errors > before)
			return false;
		path = node_get(n, "path");
		dir = node_get(n, "project_directory");
		if (!paths_of(l, node_get(n, "env_file"), p, &ret->env_files))
			return false;
	}
	if (!paths_of(l, path, p, &ret->paths))
		return false;
	if (ret->paths.n == 0) {
		diag_error(l->diag, n, p, "%s: must name a file", node_show(l->arena, n));
		return false;
	}
	if (!node_is_null(dir)) {
		ret->dir = decode_path(&d, dir, p, dir->text);
		return ret->dir != NULL;
	}
	usual = fs_normalize(ret->paths.v[0], "..");
	ret->dir = arena_strdup(l->arena, usual);
	return true;
}

/* Move what section has in from to root. */
static void join_section(struct loader *l, struct node *root, const struct node *from,
			 const char *section)
{
	_cleanup_(node_index_finish) struct node_index x = { NULL, 0 };
	const struct path top = { NULL, section, 0 };
	struct pair *ours = node_pair(root, section), *theirs = node_pair(from, section);
	struct node *all;

	if (theirs == NULL || node_is_null(theirs->value) || theirs->value->kind != NODE_MAP)
		return;
	if (ours == NULL || node_is_null(ours->value)) {
		node_set(l->arena, root, theirs->key, theirs->value);
		return;
	}
	if (ours->value->kind != NODE_MAP)
		return; /* told by the decoder */
	node_index_init(&x, ours->value);
	all = node_map(l->arena, ours->value, ours->value->n + theirs->value->n);
	all->n = ours->value->n;
	memcpy(all->pairs, ours->value->pairs, all->n * sizeof(*all->pairs));
	for (size_t i = 0; i < theirs->value->n; i++) {
		const struct pair *pair = &theirs->value->pairs[i];
		const struct path here = { &top, pair->key->text, 0 };
		const struct pair *first = node_index_find(&x, pair->key->text);

		if (strncmp(pair->key->text, "x-", 2) == 0)
			continue;
		if (first == NULL)
			all->pairs[all->n++] = *pair;
		else
			diag_error(l->diag, pair->key, &here,
				   "is in %s line %u as well; included files may not share names",
				   first->key->src->name, first->key->line);
	}
	ours->value = all;
}

/* The files of one entry, merged, with what they include in turn. */
static struct node *read_files(struct loader *l, struct vars *up, const struct include *inc,
			       const struct node *at)
{
	_cleanup_(vars_destroyp) struct vars *vars = vars_fork(l->arena, up);
	struct node *root = NULL;

	load_env_files(l, vars, inc->dir, &inc->env_files, at);
	for (size_t i = 0; i < inc->paths.n; i++) {
		if (strv_has(&l->including, inc->paths.v[i])) {
			diag_error(l->diag, at, NULL, "%s includes itself",
				   text_show(l->arena, inc->paths.v[i]));
			return NULL;
		}
	}
	strv_add_all(&l->including, inc->paths.v);
	for (size_t i = 0; i < inc->paths.n; i++) {
		struct node *one = load_tree(l, inc->paths.v[i], inc->paths.v[i], inc->dir, at);

		if (one == NULL)
			return NULL;
		one = load_prepare(l, vars, one);
		root = root == NULL ? one : tree_merge(l->arena, root, one, &shape_file);
	}
	load_includes(l, vars, root);
	load_extends(l, root);
	return root;
}

static struct node *load_entry(struct loader *l, struct vars *up, const struct include *inc,
			       const struct node *at)
{
	size_t before = l->including.n;
	struct node *root = read_files(l, up, inc, at);

	while (l->including.n > before) {
		free(l->including.v[--l->including.n]);
		l->including.v[l->including.n] = NULL;
	}
	return root;
}

void load_includes(struct loader *l, struct vars *vars, struct node *root)
{
	static const char *const sections[] = { "services", "volumes", "networks" };
	const struct path top = { NULL, "include", 0 };
	const struct node *list = node_get(root, "include");

	if (node_is_null(list) || list->tag == TAG_RESET)
		return;
	if (list->kind != NODE_LIST) {
		diag_error(l->diag, list, &top, "%s: must be a list of files",
			   node_show(l->arena, list));
		return;
	}
	if (l->depth == LOAD_INCLUDE_MAX) {
		diag_error(l->diag, list, &top, "files include each other %u levels deep",
			   LOAD_INCLUDE_MAX);
		return;
	}
	l->depth++;
	for (size_t i = 0; i < list->n; i++) {
		_cleanup_(include_finish) struct include inc = { STRV_INIT, STRV_INIT, NULL };
		const struct path here = { &top, NULL, i };
		struct node *from = NULL;

		if (read_entry(l, list->items[i], &here, &inc))
			from = load_entry(l, vars, &inc, list->items[i]);
		for (size_t j = 0; from != NULL && j < 3; j++)
			join_section(l, root, from, sections[j]);
	}
	l->depth--;
}
