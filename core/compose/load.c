/* SPDX-License-Identifier: Apache-2.0
 *
 * load.c - project_load(): from options to a checked project.
 *
 *   find files -> read each to a tree -> name -> interpolate -> one form ->
 *   merge -> include -> extends -> decode -> link -> check
 *
 * Every stage puts mistakes into one diag; only a file without a tree stops it.
 */
#include <compose/envfile.h>
#include <compose/interpolate.h>
#include <compose/load.h>
#include <compose/merge.h>
#include <compose/reader.h>
#include <compose/yamlout.h>

#include <base/alloc.h>
#include <base/fs.h>
#include <base/names.h>

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

/* ---- reading --------------------------------------------------------------------- */

struct node *load_tree(struct loader *l, const char *name, const char *path, const char *dir,
		       const struct node *at)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	_cleanup_(strbuf_finish) struct strbuf text = STRBUF_INIT;
	bool is_stdin = strcmp(name, "-") == 0 && path == NULL;
	struct source *src;
	struct node *root = NULL;
	int r;

	if (++l->n_trees > LOAD_FILES_MAX) {
		diag_error(l->diag, at, NULL, "more than %d files in one project", LOAD_FILES_MAX);
		return NULL;
	}
	src = source_add(&l->sources, is_stdin ? "<stdin>" : name, path, dir);
	if (is_stdin)
		r = fs_read_fd(STDIN_FILENO, "standard input", TREE_TEXT_MAX, &text, &err);
	else
		r = fs_read(AT_FDCWD, path, TREE_TEXT_MAX, &text, &err);
	if (r < 0) {
		diag_error(l->diag, at, NULL, "%s", err->message);
		return NULL;
	}
	if (!is_stdin)
		strv_add(&l->files, path);
	if (tree_read(l->arena, src, text.s != NULL ? text.s : "", text.len, l->diag, &root) < 0)
		return NULL;
	root->tag = TAG_NONE; /* there is nothing above it to reset */
	if (root->kind == NODE_MAP)
		return root;
	diag_error(l->diag, root, NULL, "%s",
		   node_is_null(root) ? "the file is empty"
				      : "the file must be a mapping with a \"services\" key");
	return NULL;
}

struct node *load_prepare(struct loader *l, struct vars *vars, struct node *root)
{
	const struct pair *version = node_pair(root, "version");

	if (version != NULL)
		diag_warn(l->diag, version->key, NULL, "\"version\" has no effect and can go");
	if (!l->raw)
		interpolate_tree(vars, l->diag, l->arena, root, &shape_file, NULL);
	return tree_normalize(l->arena, l->diag, root, &shape_file, NULL);
}

/* ---- the name -------------------------------------------------------------------- */

static bool check_name(struct loader *l, const char *name, const char *where)
{
	if (names_is_label(name))
		return true;
	diag_error(l->diag, NULL, NULL, "%s: project name %s must be %s", where,
		   text_show(l->arena, name), NAMES_LABEL_RULE);
	return false;
}

/* The last file that has a name: decides.  NULL when none has, or after an
 * error. */
static const char *name_from_files(struct loader *l, struct node **trees, size_t n,
				   struct project *p)
{
	const struct path path = { NULL, "name", 0 };
	struct node *node = NULL;

	for (size_t i = 0; i < n; i++) {
		struct node *one = node_get(trees[i], "name");

		if (node_text(one) != NULL)
			node = one;
		else if (!node_is_null(one) && one->tag != TAG_RESET)
			diag_error(l->diag, one, &path, "%s: must be a name",
				   node_show(l->arena, one));
	}
	if (node == NULL)
		return NULL;
	if (!l->raw)
		interpolate_tree(l->vars, l->diag, l->arena, node, NULL, &path);
	p->name_mark = node_mark(node);
	if (!names_is_label(node->text))
		diag_error(l->diag, node, &path, "project name %s must be %s",
			   node_show(l->arena, node), NAMES_LABEL_RULE);
	return node->text;
}

static void set_name(struct loader *l, struct node **trees, size_t n, struct project *p)
{
	const char *from_env = vars_get(l->vars, "HOLOS_PROJECT_NAME");
	const char *from_files = name_from_files(l, trees, n, p);

	if (l->opts->name != NULL) {
		check_name(l, l->opts->name, "--project");
		p->name = arena_strdup(l->arena, l->opts->name);
	} else if (from_env != NULL && from_env[0] != '\0') {
		check_name(l, from_env, "HOLOS_PROJECT_NAME");
		p->name = arena_strdup(l->arena, from_env);
	} else if (from_files != NULL) {
		p->name = from_files;
	} else if (p->file != NULL) {
		p->name = load_name_from_dir(l->arena, p->dir);
	}
	if (p->name == NULL) {
		p->name = "";
		diag_error(l->diag, NULL, NULL, "the project has no name");
		diag_hint(l->diag, "give it one with -p NAME, or with \"name:\" in the file");
	}
	vars_set(l->vars, "HOLOS_PROJECT_NAME", p->name, "project name");
}

/* ---- one load -------------------------------------------------------------------- */

/* --env-file, else HOLOS_ENV_FILES (joined by commas), else .env. */
static void load_environment(struct loader *l, const char *dir)
{
	_cleanup_(strv_finish) struct strv files = STRV_INIT;
	const char *list = vars_get(l->vars, "HOLOS_ENV_FILES");
	const char *const *given = l->opts->env_files;

	if (given == NULL || given[0] == NULL) {
		for (; list != NULL && *list != '\0';
		     list += strcspn(list, ","), list += *list == ',') {
			_cleanup_(freep) char *one = xstrndup(list, strcspn(list, ","));

			if (one[0] != '\0')
				strv_take(&files, fs_normalize(l->cwd, one));
		}
	}
	for (; given != NULL && *given != NULL; given++)
		strv_take(&files, fs_normalize(l->cwd, *given));
	load_env_files(l, l->vars, dir, &files, NULL);
}

/* The directory of the first file, and its real path. */
static void set_place(struct loader *l, const char *first, struct project *p)
{
	_cleanup_(freep) char *path = NULL;
	_cleanup_(freep) char *dir = NULL;
	char real[PATH_MAX];

	if (strcmp(first, "-") == 0) {
		p->dir = l->cwd;
		return;
	}
	path = fs_normalize(l->cwd, first);
	dir = fs_normalize(path, "..");
	p->dir = arena_strdup(l->arena, dir);
	p->file = arena_strdup(l->arena, realpath(path, real) != NULL ? real : path);
}

/* All files as one tree; NULL when one has none. */
static struct node *load_root(struct loader *l, const struct strv *names, struct project *p)
{
	_cleanup_(freep) struct node **trees = xcalloc(names->n, sizeof(*trees));
	struct node *root = NULL;

	for (size_t i = 0; i < names->n; i++) {
		bool is_stdin = strcmp(names->v[i], "-") == 0;
		_cleanup_(freep) char *path = is_stdin ? NULL : fs_normalize(l->cwd, names->v[i]);

		trees[i] = load_tree(l, names->v[i], path, p->dir, NULL);
	}
	for (size_t i = 0; i < names->n; i++) {
		if (trees[i] == NULL)
			return NULL;
	}
	set_name(l, trees, names->n, p);
	for (size_t i = 0; i < names->n; i++) {
		trees[i] = load_prepare(l, l->vars, trees[i]);
		root = i == 0 ? trees[i] : tree_merge(l->arena, root, trees[i], &shape_file);
	}
	load_includes(l, l->vars, root);
	load_extends(l, root);
	tree_strip_tags(root);
	return root;
}

static const char *const *files_read(struct loader *l)
{
	const char **files = arena_array(l->arena, l->files.n + 1, const char *);

	for (size_t i = 0; i < l->files.n; i++)
		files[i] = arena_strdup(l->arena, l->files.v[i]);
	return files;
}

static void load_project(struct loader *l, const struct strv *names, struct project *p,
			 char **ret_merged)
{
	struct decoder d = {
		.arena = l->arena, .diag = l->diag, .vars = l->vars, .sources = &l->sources
	};
	struct node *root;

	set_place(l, names->v[0], p);
	load_environment(l, p->dir);
	root = load_root(l, names, p);
	if (root == NULL)
		return;
	if (l->raw) {
		*ret_merged = tree_to_yaml(root);
		return;
	}
	decode_file(&d, root, p);
	l->no_services = !node_is_null(node_get(root, "services")) &&
			 node_get(root, "services")->kind != NODE_MAP;
	p->tree = root;
	resolve_project(l, &d, p);
	scale_up(l);
	validate_project(l, p);
	scale_to_none(l);
	p->variables = vars_used(l->vars, &p->n_variables);
	p->files = files_read(l);
}

/* A project, or with ret_merged the merged files. */
static int load(const struct project_options *opts, struct project **ret, char **ret_merged,
		struct holos_error **err)
{
	_cleanup_(arena_destroyp) struct arena *arena = arena_create();
	_cleanup_(strv_finish) struct strv names = STRV_INIT;
	_cleanup_(freep) char *merged = NULL;
	struct diag diag;
	struct loader l = {
		.opts = opts, .arena = arena, .diag = &diag, .raw = ret_merged != NULL
	};
	struct project *p = arena_new(arena, struct project);
	char cwd[PATH_MAX];
	int r;

	if (opts->cwd == NULL && getcwd(cwd, sizeof(cwd)) == NULL)
		return error_sys(err, ERR_FAILED, errno, "cannot find the current directory");
	l.cwd = opts->cwd != NULL ? opts->cwd : arena_strdup(arena, cwd);
	r = load_find_files(opts, l.cwd, &names, err);
	if (r < 0)
		return r;
	diag_init(&diag, arena);
	l.sources.arena = arena;
	l.vars = vars_create(arena, opts->environ);
	load_project(&l, &names, p, &merged);
	vars_destroy(l.vars);
	strv_finish(&l.files);
	strv_finish(&l.including);
	sources_finish(&l.sources);
	strmap_finish(&l.extended);
	strmap_finish(&l.broken);
	free(l.extended_trees);
	r = diag_take(&diag, opts->warnings, err);
	if (r < 0)
		return r;
	if (ret_merged != NULL) {
		*ret_merged = steal_ptr(&merged);
		return 0;
	}
	p->arena = steal_ptr(&arena);
	*ret = p;
	return 0;
}

int project_load(const struct project_options *opts, struct project **ret, struct holos_error **err)
{
	return load(opts, ret, NULL, err);
}

int project_merge(const struct project_options *opts, char **ret, struct holos_error **err)
{
	return load(opts, NULL, ret, err);
}

void project_destroy(struct project *p)
{
	if (p != NULL)
		arena_destroy(p->arena);
}

const struct service *project_service(const struct project *p, const char *name)
{
	for (size_t i = 0; i < p->n_services; i++) {
		if (strcmp(p->services[i].name, name) == 0)
			return &p->services[i];
	}
	return NULL;
}

const struct volume *project_volume(const struct project *p, const char *name)
{
	for (size_t i = 0; i < p->n_volumes; i++) {
		if (strcmp(p->volumes[i].name, name) == 0)
			return &p->volumes[i];
	}
	return NULL;
}
