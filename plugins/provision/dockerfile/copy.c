/* SPDX-License-Identifier: Apache-2.0
 *
 * copy.c - COPY and ADD: the files by reference, and the call that puts them in
 * their place.
 */
#include "context.h"
#include "translate.h"

#include <stdlib.h>
#include <string.h>

/* ---- options --------------------------------------------------------------------------- */

struct copy {
	const char *owner; /* "": root's */
	int mode;          /* -1: the files' own */
};

static bool bad_from(struct df_build *b, const struct df_instr *in, const char *from)
{
	df_fail(b->pool, in->line,
		"COPY --from=%.60s: needs another stage or image, and only one is built", from);
	return df_hint(b->pool, "build it by itself and COPY its result from the context");
}

static bool read_mode(struct df_build *b, const struct df_instr *in, const char *text, int *ret)
{
	size_t n = text != NULL ? strlen(text) : 0;

	if (text == NULL)
		return false;
	if (n < 3 || n > 4 || strspn(text, "01234567") != n)
		return df_fail(b->pool, in->line, "%s --chmod=%.40s: must be 3 or 4 octal digits",
			       df_op_name(in->op), text);
	*ret = (int)strtol(text, NULL, 8);
	return true;
}

static bool read_options(struct df_build *b, const struct df_instr *in, struct copy *c)
{
	*c = (struct copy){ .owner = "", .mode = -1 };
	for (size_t i = 0; i < in->n_flags; i++) {
		const char *name = in->flags[i].name;
		const char *value = in->flags[i].value != NULL ? in->flags[i].value : "";

		if (strcmp(name, "from") == 0 && in->op == DF_COPY)
			return bad_from(b, in, value);
		if (strcmp(name, "link") == 0)
			continue; /* a matter of layers */
		if (strcmp(name, "chown") == 0) {
			c->owner = df_build_expand(b, in, value);
			if (c->owner == NULL)
				return false;
			if (*c->owner == '\0' || strpbrk(c->owner, " \t\n/") != NULL)
				return df_fail(b->pool, in->line,
					       "%s --chown=%.60s: must be USER or USER:GROUP",
					       df_op_name(in->op), value);
		} else if (strcmp(name, "chmod") == 0) {
			if (!read_mode(b, in, df_build_expand(b, in, value), &c->mode))
				return false;
		} else {
			df_fail(b->pool, in->line, "%s --%.60s is not supported",
				df_op_name(in->op), name);
			return df_hint(b->pool, "--chown and --chmod are; .dockerignore leaves "
						"files out");
		}
	}
	return true;
}

/* ---- sources ------------------------------------------------------------------------------ */

static bool get_context(struct df_build *b)
{
	struct df_context *c;

	if (b->context != NULL)
		return true;
	c = df_alloc(b->pool, sizeof(*c));
	if (!df_context_open(b->pool, b->path, c))
		return false;
	b->context = c;
	return true;
}

static const struct df_heredoc *heredoc_of(const struct df_instr *in, const char *word)
{
	const char *s = word + strspn(word, "0123456789");

	if (strncmp(s, "<<", 2) != 0)
		return NULL;
	s += 2;
	s += *s == '-';
	for (size_t i = 0; i < in->n_heredocs; i++) {
		size_t n = strlen(in->heredocs[i].name);
		size_t quote = *s == '"' || *s == '\'' ? 1 : 0;

		if (strncmp(s + quote, in->heredocs[i].name, n) == 0 && strlen(s) == n + 2 * quote)
			return &in->heredocs[i];
	}
	return NULL;
}

static bool add_heredoc(struct df_build *b, const struct df_instr *in, const struct df_heredoc *h,
			int mode, struct json_object *entries)
{
	const char *content = h->content;
	struct json_object *o;

	if (h->expand)
		content = df_expand_text(b->pool, in->line, content, b->file.escape, &b->known);
	if (content == NULL)
		return false;
	if (strchr(h->name, '/') != NULL || strcmp(h->name, ".") == 0 || strcmp(h->name, "..") == 0)
		return df_fail(b->pool, in->line, "%s <<%.60s: is no file name", df_op_name(in->op),
			       h->name);
	o = json_object_new_object();
	json_object_object_add(o, "path", json_object_new_string(h->name));
	json_object_object_add(o, "content", json_object_new_string(content));
	json_object_object_add(o, "mode", json_object_new_int(mode >= 0 ? mode : 0644));
	json_object_array_add(entries, o);
	return true;
}

static bool is_url(const char *s)
{
	return strncmp(s, "http://", 7) == 0 || strncmp(s, "https://", 8) == 0 ||
	       strncmp(s, "ftp://", 6) == 0 || strncmp(s, "git@", 4) == 0 ||
	       strncmp(s, "git://", 6) == 0;
}

/* ---- the call ------------------------------------------------------------------------------ */

struct copying {
	struct df_build *b;
	const struct df_instr *in;
	struct copy options;
	const char *target; /* absolute */
	bool into;          /* it ends with a /: a directory */
	struct json_object *entries;
	size_t n_sources, n_dirs;
	const char *name; /* of the last file */
};

/* The tree so far is one of its own; its number. */
static size_t end_tree(struct copying *c)
{
	struct json_object *o = json_object_new_object();
	size_t n = json_object_array_length(c->b->copies);

	json_object_object_add(o, "entries", c->entries);
	json_object_array_add(c->b->copies, o);
	c->entries = json_object_new_array();
	return n;
}

static void call(struct copying *c, const char *function, size_t tree, const char *const *args)
{
	df_addf(&c->b->script, "%s %zu", function, tree);
	for (; *args != NULL; args++) {
		df_addc(&c->b->script, ' ');
		df_add_quoted(&c->b->script, *args);
	}
	df_addc(&c->b->script, '\n');
}

/* An archive is unpacked; what only looked like one goes where a file would. */
static bool add_archive(struct copying *c, const struct df_found *f)
{
	const char *file =
		c->into ? df_printf(c->b->pool, "%s/%s",
				    strcmp(c->target, "/") == 0 ? "" : c->target, f->name)
			: c->target;
	const char *args[] = { c->target, f->name, c->options.owner, file, NULL };
	struct json_object *others = c->entries;
	bool ok;

	c->entries = json_object_new_array();
	ok = df_collect(c->b->context, c->in, f, c->options.mode, c->entries);
	if (ok)
		call(c, "add_archive", end_tree(c), args);
	json_object_put(c->entries);
	c->entries = others;
	return ok;
}

static bool add_source(struct copying *c, const char *word)
{
	const struct df_heredoc *h = heredoc_of(c->in, word);
	struct df_build *b = c->b;
	struct df_found *found;
	size_t n;

	if (h != NULL) {
		c->n_sources++;
		c->name = h->name;
		return add_heredoc(b, c->in, h, c->options.mode, c->entries);
	}
	word = df_build_expand(b, c->in, word);
	if (word == NULL)
		return false;
	if (c->in->op == DF_ADD && is_url(word)) {
		df_fail(b->pool, c->in->line, "ADD %.200s: nothing is downloaded by the host",
			word);
		return df_hint(b->pool, "RUN wget or curl in the guest, or COPY a file");
	}
	if (!get_context(b) || !df_find(b->context, c->in, word, &found, &n))
		return false;
	for (size_t i = 0; i < n; i++) {
		bool file = found[i].kind == DF_SOURCE_FILE;

		c->n_sources++;
		c->n_dirs += !file;
		c->name = file ? found[i].name : c->name;
		if (file && c->in->op == DF_ADD && df_is_archive(b->context, &found[i])) {
			if (!add_archive(c, &found[i]))
				return false;
		} else if (!df_collect(b->context, c->in, &found[i], c->options.mode, c->entries)) {
			return false;
		}
	}
	return true;
}

static bool words_of(struct df_build *b, const struct df_instr *in, const char ***ret,
		     size_t *ret_n)
{
	if (in->words == NULL)
		return df_split(b->pool, in, b->file.escape, ret, ret_n);
	*ret = in->words;
	*ret_n = in->n_words;
	return true;
}

static bool copy(struct copying *c, const char *const *words, size_t n)
{
	struct df_build *b = c->b;
	const char *target = df_build_expand(b, c->in, words[n - 1]);
	size_t len;

	if (target == NULL)
		return false;
	len = strlen(target);
	if (len == 0)
		return df_fail(b->pool, c->in->line, "%s: the target is empty",
			       df_op_name(c->in->op));
	c->into = target[len - 1] == '/' || strcmp(target, ".") == 0 || strcmp(target, "..") == 0 ||
		  (len > 1 && strcmp(target + len - 2, "/.") == 0);
	c->target = df_build_path(b, target);
	df_build_at(b, c->in);
	for (size_t i = 0; i + 1 < n; i++) {
		if (!add_source(c, words[i]))
			return false;
	}
	if (c->n_sources > 1 && !c->into && c->n_dirs < c->n_sources)
		return df_fail(
			b->pool, c->in->line,
			"%s: %zu sources, so the target must be a directory and end with a /",
			df_op_name(c->in->op), c->n_sources);
	if (json_object_array_length(c->entries) == 0 && c->n_dirs == 0)
		return true; /* archives alone */
	if (c->n_dirs > 0 || c->into) {
		const char *args[] = { c->target, c->options.owner, NULL };

		call(c, "copy_into", end_tree(c), args);
	} else {
		const char *args[] = { c->target, c->name, c->options.owner, NULL };

		call(c, "copy_file", end_tree(c), args);
	}
	return true;
}

bool df_do_copy(struct df_build *b, const struct df_instr *in)
{
	struct copying c = { .b = b, .in = in };
	const char **words;
	size_t n;
	bool ok;

	if (!read_options(b, in, &c.options) || !words_of(b, in, &words, &n))
		return false;
	if (n < 2)
		return df_fail(b->pool, in->line, "%s %.100s: needs a source and a target",
			       df_op_name(in->op), in->text);
	/* A heredoc alone needs the context's place as well: for the steps. */
	if (!get_context(b))
		return false;
	c.entries = json_object_new_array();
	ok = copy(&c, words, n);
	json_object_put(c.entries);
	return ok;
}
