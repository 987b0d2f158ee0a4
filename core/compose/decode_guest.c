/* SPDX-License-Identifier: Apache-2.0
 *
 * decode_guest.c - what goes into the guest: commands, variables, user data;
 * and options for plugins.
 */
#include <compose/decode.h>
#include <compose/reader.h>
#include <compose/scalar.h>
#include <compose/vars.h>
#include <compose/userdata.h>

#include <base/fs.h>
#include <base/jsonx.h>

#include <stdlib.h>
#include <string.h>

/* ---- commands ------------------------------------------------------------------ */

void decode_commands(struct decoder *d, const struct shape *sh, const struct node *n,
		     const struct path *p, void *out)
{
	struct guest_command *commands;
	struct model_list list;

	if (!decode_is(d, sh, n, p, NODE_LIST))
		return;
	commands = arena_array(d->arena, n->n + 1, struct guest_command);
	for (size_t i = 0; i < n->n; i++) {
		const struct path here = { p, NULL, i };
		const struct node *item = n->items[i];
		const struct shape *fit = shape_for_node(sh->item, item);
		struct guest_command *c = &commands[i];
		const char **argv;

		c->mark = node_mark(item);
		if (fit == NULL || node_is_null(item)) {
			decode_expected(d, sh->item, item, &here);
			continue;
		}
		if (item->kind == NODE_LIST) {
			decode_value(d, fit, item, &here, &c->argv);
			continue;
		}
		argv = arena_array(d->arena, 2, const char *);
		argv[0] = decode_text(d, fit, item, &here);
		c->shell = true;
		c->argv = argv;
	}
	list = (struct model_list){ commands, n->n };
	memcpy(out, &list, sizeof(list));
}

/* ---- variables and labels -------------------------------------------------------- */

static bool is_variable(const char *s)
{
	static const char chars[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";

	return s[0] != '\0' && strspn(s, chars) == strlen(s) && (s[0] < '0' || s[0] > '9');
}

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct key_value *)a)->key, ((const struct key_value *)b)->key);
}

/* environment (a variable without a value takes that of holos' environment, or
 * stays out), and labels (without a value: ""), told apart by SHAPE_NULL. */
void decode_key_values(struct decoder *d, const struct shape *sh, const struct node *n,
		       const struct path *p, void *out)
{
	bool labels = sh->flags & SHAPE_NULL;
	const struct shape *item = sh->alts[0]->item;
	struct model_list list = { NULL, 0 };
	struct key_value *pairs;

	if (node_is_null(n) || !decode_is(d, sh, n, p, NODE_MAP))
		return;
	pairs = arena_array(d->arena, n->n + 1, struct key_value);
	for (size_t i = 0; i < n->n; i++) {
		const struct node *key = n->pairs[i].key, *value = n->pairs[i].value;
		const struct path here = { p, key->text, 0 };
		struct key_value kv = { node_mark(key), key->text, "" };

		if (!labels && !is_variable(key->text)) {
			diag_error(
				d->diag, key, &here,
				"%s: a variable's name is letters, digits and _, and begins with "
				"no digit",
				text_show(d->arena, key->text));
			continue;
		}
		if (!node_is_null(value))
			kv.value = decode_text(d, item, value, &here);
		else if (!labels)
			kv.value = vars_get(d->vars, key->text);
		if (kv.value != NULL)
			pairs[list.n++] = kv;
	}
	qsort(pairs, list.n, sizeof(*pairs), by_key);
	list.items = pairs;
	memcpy(out, &list, sizeof(list));
}

/* The list form has been turned into {path: ...} or stays text, per item. */
void decode_env_files(struct decoder *d, const struct shape *sh, const struct node *n,
		      const struct path *p, void *out)
{
	struct model_list list = { NULL, 0 };
	struct env_file *files;

	if (!decode_is(d, sh, n, p, NODE_LIST))
		return;
	files = arena_array(d->arena, n->n + 1, struct env_file);
	for (size_t i = 0; i < n->n; i++) {
		const struct path here = { p, NULL, i };
		const struct node *item = n->items[i], *path = item;
		const struct shape *fit = shape_for_node(sh->alts[0]->item, item);
		struct env_file f = { .mark = node_mark(item), .required = true };

		if (fit == NULL || node_is_null(item)) {
			decode_expected(d, sh, item, &here);
			continue;
		}
		if (item->kind == NODE_MAP) {
			const struct node *required = node_get(item, "required");

			path = node_get(item, "path");
			decode_object(d, fit, item, &here, NULL);
			if (!node_is_null(required))
				scalar_bool(required, &f.required);
			f.raw = node_text(node_get(item, "format")) != NULL;
		} else if (decode_text(d, fit, item, &here) == NULL) {
			continue;
		}
		if (node_text(path) == NULL || path->text[0] == '\0')
			continue;
		f.path = decode_path(d, path, &here, path->text);
		if (f.path != NULL)
			files[list.n++] = f;
	}
	list.items = files;
	memcpy(out, &list, sizeof(list));
}

/* ---- options and user data -------------------------------------------------------- */

/* As one line that can be parsed again (jsonx allows 32 levels); NULL after an
 * error. */
static const char *json_text(struct decoder *d, const struct node *n, const struct node *at,
			     const struct path *p, bool yaml11)
{
	_cleanup_(json_putp) struct json_object *o = node_to_json(n, yaml11);
	_cleanup_(json_putp) struct json_object *again = NULL;
	const char *text = arena_strdup(d->arena, jsonx_line(o));

	if (jsonx_parse(text, strlen(text), "options", &again, NULL) == 0)
		return text;
	diag_error(d->diag, at, p, "nested too deeply");
	return NULL;
}

void decode_options(struct decoder *d, const struct shape *sh, const struct node *n,
		    const struct path *p, void *out)
{
	const char *text;

	if (!decode_is(d, sh, n, p, NODE_MAP))
		return;
	text = json_text(d, n, n, p, false);
	memcpy(out, &text, sizeof(text));
}

/* A document that is part of the file: its mistakes are told at the value that
 * holds it. */
static struct node *read_inline(struct decoder *d, const struct node *n, const struct path *p)
{
	struct source *src = arena_memdup(d->arena, n->src, sizeof(*n->src));
	struct node *root = NULL;
	struct holos_error *err = NULL;
	struct diag inner;

	diag_init(&inner, d->arena);
	tree_read(d->arena, src, n->text, strlen(n->text), &inner, &root);
	if (diag_take(&inner, NULL, &err) < 0) {
		diag_error(d->diag, n, p, "line %u of the text: %s", err->line, err->message);
		error_destroy(err);
		return NULL;
	}
	return root;
}

static struct node *read_file(struct decoder *d, const struct node *n, const struct path *p,
			      const char *path)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	_cleanup_(strbuf_finish) struct strbuf text = STRBUF_INIT;
	struct node *root = NULL;
	struct source *src;

	if (fs_read(AT_FDCWD, path, TREE_TEXT_MAX, &text, &err) < 0) {
		diag_error(d->diag, n, p, "%s", err->message);
		return NULL;
	}
	src = source_add(d->sources, path, path, n->src->dir);
	if (tree_read(d->arena, src, text.s != NULL ? text.s : "", text.len, d->diag, &root) < 0)
		return NULL;
	return root;
}

bool user_data_is_ours(const char *key)
{
	static const char *const keys[] = { "create_hostname_file",
					    "datasource",
					    "datasource_list",
					    "disable_root",
					    "fqdn",
					    "hostname",
					    "manage_etc_hosts",
					    "network",
					    "prefer_fqdn_over_hostname",
					    "preserve_hostname",
					    "ssh_deletekeys",
					    "ssh_keys",
					    "updates",
					    "user" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strcmp(keys[i], key) == 0)
			return true;
	}
	return false;
}

/* A list of strings and of lists of strings (commands, packages), or of mappings (and,
 * of users, strings). */
static bool check_items(struct decoder *d, const struct node *list, const struct path *p,
			const char *key)
{
	bool words = strcmp(key, "users") != 0 && strcmp(key, "write_files") != 0;

	if (list->kind != NODE_LIST)
		return false;
	for (size_t i = 0; i < list->n; i++) {
		const struct node *item = list->items[i];
		bool good = words ? item->kind != NODE_MAP
				  : item->kind == NODE_MAP ||
					    (item->kind == NODE_SCALAR && key[0] == 'u');

		for (size_t k = 0; good && words && item->kind == NODE_LIST && k < item->n; k++)
			good = item->items[k]->kind == NODE_SCALAR;
		if (!good)
			diag_error(d->diag, item, p, "user data: %s[%zu] must be %s", key, i,
				   words ? "a string or a list of strings" : "a mapping");
	}
	return true;
}

/* cloud-init's names of its modules' keys. */
static bool is_cloud_key(const char *key)
{
	size_t n = strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

	return n > 0 && n < 100 && key[n] == '\0';
}

/* What is merged is looked at; the rest is cloud-init's. */
static void check_user_data(struct decoder *d, const struct node *root, const struct path *p)
{
	static const char *const lists[] = { "runcmd", "bootcmd", "packages", "users",
					     "write_files" };

	for (size_t i = 0; i < root->n; i++) {
		const struct node *key = root->pairs[i].key, *value = root->pairs[i].value;

		if (!is_cloud_key(key->text))
			diag_error(d->diag, key, p, "user data: %s is no key of cloud-config",
				   node_show(d->arena, key));
		if (user_data_is_ours(key->text)) {
			diag_warn(d->diag, key, p, "user data: %s is not taken: holos sets it",
				  key->text);
			diag_warn_hint(d->diag, "without it the VM could not be reached");
		}
		for (size_t k = 0; k < sizeof(lists) / sizeof(lists[0]); k++) {
			if (strcmp(lists[k], key->text) == 0 && !node_is_null(value) &&
			    !check_items(d, value, p, key->text))
				diag_error(d->diag, value, p, "user data: %s must be a list",
					   key->text);
		}
	}
}

/* cloud-config reads numbers and words by YAML 1.1 (PyYAML), hence yaml11. */
void decode_user_data(struct decoder *d, const struct shape *sh, const struct node *n,
		      const struct path *p, void *out)
{
	struct cloud_init *ci = out;
	const char *text = node_text(n);
	const struct node *root = n;

	if (n->kind == NODE_LIST || (n->kind == NODE_SCALAR && text == NULL)) {
		decode_expected(d, sh, n, p);
		return;
	}
	if (text != NULL && strchr(text, '\n') == NULL && strncmp(text, "#cloud-config", 13) != 0) {
		ci->user_data_file = decode_text(d, sh->alts[0], n, p);
		if (ci->user_data_file != NULL)
			ci->user_data_file = decode_path(d, n, p, text);
		if (ci->user_data_file == NULL)
			return;
		root = read_file(d, n, p, ci->user_data_file);
	} else if (text != NULL) {
		root = read_inline(d, n, p);
	}
	if (root == NULL)
		return;
	if (root->kind != NODE_MAP) {
		diag_error(d->diag, n, p,
			   "user data must be a #cloud-config document, which is a "
			   "mapping; scripts belong under runcmd");
		return;
	}
	check_user_data(d, root, p);
	ci->user_data = json_text(d, root, n, p, true);
}
