/* SPDX-License-Identifier: Apache-2.0
 *
 * parse.c - lines to instructions: directives, comments, continuations,
 * heredocs, flags, the exec form; and back to text.
 */
#include "dockerfile.h"

#include <json-c/json.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

static const char *const names[DF_N_OPS] = {
	[DF_ADD] = "ADD",
	[DF_ARG] = "ARG",
	[DF_CMD] = "CMD",
	[DF_COPY] = "COPY",
	[DF_ENTRYPOINT] = "ENTRYPOINT",
	[DF_ENV] = "ENV",
	[DF_EXPOSE] = "EXPOSE",
	[DF_FROM] = "FROM",
	[DF_HEALTHCHECK] = "HEALTHCHECK",
	[DF_LABEL] = "LABEL",
	[DF_MAINTAINER] = "MAINTAINER",
	[DF_ONBUILD] = "ONBUILD",
	[DF_RUN] = "RUN",
	[DF_SHELL] = "SHELL",
	[DF_STOPSIGNAL] = "STOPSIGNAL",
	[DF_USER] = "USER",
	[DF_VOLUME] = "VOLUME",
	[DF_WORKDIR] = "WORKDIR",
};

const char *df_op_name(enum df_op op)
{
	return names[op];
}

const char *df_flag(const struct df_instr *in, const char *name)
{
	for (size_t i = in->n_flags; i-- > 0;) {
		if (strcmp(in->flags[i].name, name) == 0)
			return in->flags[i].value != NULL ? in->flags[i].value : "true";
	}
	return NULL;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

static const char *skip_blanks(const char *s)
{
	while (is_blank(*s))
		s++;
	return s;
}

/* ---- lines -------------------------------------------------------------------------- */

struct reader {
	struct df_pool *pool;
	struct df_file *file;
	const char *at, *end;
	unsigned line; /* of what was read last */
};

/* The next line without its end, in the pool; NULL: no more. */
static char *next_line(struct reader *r)
{
	const char *nl;
	size_t n;
	char *s;

	if (r->at >= r->end)
		return NULL;
	nl = memchr(r->at, '\n', (size_t)(r->end - r->at));
	n = nl != NULL ? (size_t)(nl - r->at) : (size_t)(r->end - r->at);
	s = df_strndup(r->pool, r->at, n > 0 && r->at[n - 1] == '\r' ? n - 1 : n);
	r->at += nl != NULL ? n + 1 : n;
	r->line++;
	return s;
}

/* Is the line's end escaped?  Then it is cut off there. */
static bool cut_continuation(char *s, char escape)
{
	size_t n = strlen(s);

	while (n > 0 && (s[n - 1] == ' ' || s[n - 1] == '\t'))
		n--;
	if (n == 0 || s[n - 1] != escape || (n > 1 && s[n - 2] == escape))
		return false;
	s[n - 1] = '\0';
	return true;
}

/* "# escape=`": directives stand before everything else. */
static bool read_directives(struct reader *r)
{
	for (;;) {
		const char *start = r->at;
		const char *s, *eq, *value;
		char *line = next_line(r);
		size_t n;

		if (line == NULL)
			return true;
		s = skip_blanks(line);
		eq = strchr(s, '=');
		if (*s != '#' || eq == NULL) {
			r->at = start;
			r->line--;
			return true;
		}
		s = skip_blanks(s + 1);
		n = (size_t)(eq - s);
		while (n > 0 && is_blank(s[n - 1]))
			n--;
		value = skip_blanks(eq + 1);
		if (n == 6 && strncasecmp(s, "escape", 6) == 0) {
			size_t len = strlen(value);

			while (len > 0 && is_blank(value[len - 1]))
				len--;
			if (len != 1 || (*value != '\\' && *value != '`'))
				return df_fail(r->pool, r->line,
					       "escape=%.40s: the escape character is ` or \\",
					       value);
			r->file->escape = *value;
		} else if ((n != 6 || strncasecmp(s, "syntax", 6) != 0) &&
			   (n != 5 || strncasecmp(s, "check", 5) != 0)) {
			return true; /* a comment: from here on there are no directives */
		}
	}
}

/* One logical line; *ret NULL at the end of the text. */
static bool read_logical(struct reader *r, const char **ret, unsigned *ret_line)
{
	struct df_text t = DF_TEXT(r->pool);
	bool begun = false, more = true;
	char *line;

	*ret = NULL;
	while (more && (line = next_line(r)) != NULL) {
		const char *s = skip_blanks(line);

		/* Comments and blank lines inside a continuation are nothing. */
		if (*s == '#' || *s == '\0')
			continue;
		if (!begun)
			*ret_line = r->line;
		more = cut_continuation(line, r->file->escape);
		df_adds(&t, begun ? line : skip_blanks(line));
		begun = true;
	}
	if (begun)
		*ret = df_str(&t);
	return true;
}

/* ---- heredocs ------------------------------------------------------------------------- */

/* A word like <<EOF, <<-"EOF", 3<<'EOF'; of n bytes. */
static bool add_heredoc(struct df_pool *p, struct df_instr *in, const char *word, size_t n)
{
	struct df_heredoc h = { .expand = true };
	size_t i = 0;
	char quote = '\0';

	while (i < n && word[i] >= '0' && word[i] <= '9')
		i++;
	if (n - i < 3 || word[i] != '<' || word[i + 1] != '<')
		return true;
	i += 2;
	if (word[i] == '-') {
		h.strip = true;
		i++;
	}
	if (i < n && (word[i] == '"' || word[i] == '\'')) {
		quote = word[i++];
		h.expand = false;
		if (n - i < 2 || word[n - 1] != quote)
			return true;
		n--;
	}
	if (i == n || memchr(word + i, '<', n - i) != NULL ||
	    memchr(word + i, '"', n - i) != NULL || memchr(word + i, '\'', n - i) != NULL ||
	    memchr(word + i, '\\', n - i) != NULL)
		return true;
	if (in->n_heredocs == DF_HEREDOCS_MAX)
		return df_fail(p, in->line, "more than %d heredocs in one instruction",
			       DF_HEREDOCS_MAX);
	h.name = df_strndup(p, word + i, n - i);
	in->heredocs = df_grow(p, in->heredocs, in->n_heredocs, sizeof(h));
	in->heredocs[in->n_heredocs++] = h;
	return true;
}

/* Words of the line that announce a heredoc, outside quotes. */
static bool find_heredocs(struct df_pool *p, struct df_instr *in, char escape)
{
	const char *s = in->text;

	while (*s != '\0') {
		const char *start;
		char quote = '\0';

		s = skip_blanks(s);
		start = s;
		for (; *s != '\0' && (quote != '\0' || !is_blank(*s)); s++) {
			if (*s == escape && quote != '\'' && s[1] != '\0')
				s++;
			else if (quote == '\0' && (*s == '"' || *s == '\''))
				quote = *s;
			else if (*s == quote)
				quote = '\0';
		}
		if (s > start && !add_heredoc(p, in, start, (size_t)(s - start)))
			return false;
	}
	return true;
}

static bool read_heredoc(struct reader *r, const struct df_instr *in, struct df_heredoc *h)
{
	struct df_text t = DF_TEXT(r->pool);
	char *line;

	while ((line = next_line(r)) != NULL) {
		while (h->strip && *line == '\t')
			line++;
		if (strcmp(line, h->name) == 0) {
			h->content = df_str(&t);
			return true;
		}
		df_adds(&t, line);
		df_addc(&t, '\n');
	}
	return df_fail(r->pool, in->line, "the heredoc \"%.60s\" has no end: a line with this word",
		       h->name);
}

/* ---- one instruction --------------------------------------------------------------------- */

/* The first words that begin with "--"; the text goes on behind them. */
static bool take_flags(struct df_pool *p, struct df_instr *in)
{
	const char *s = in->text;

	while (strncmp(s, "--", 2) == 0) {
		size_t n = 2;
		struct df_flag f = { 0 };
		const char *eq;
		char quote = '\0';

		while (s[n] != '\0' && (quote != '\0' || !is_blank(s[n]))) {
			if (quote == '\0' && (s[n] == '"' || s[n] == '\''))
				quote = s[n];
			else if (s[n] == quote)
				quote = '\0';
			n++;
		}
		if (n == 2) { /* "--" ends them */
			s = skip_blanks(s + 2);
			break;
		}
		eq = memchr(s, '=', n);
		f.name = df_strndup(p, s + 2, (eq != NULL ? (size_t)(eq - s) : n) - 2);
		if (eq != NULL)
			f.value = df_strndup(p, eq + 1, n - (size_t)(eq + 1 - s));
		in->flags = df_grow(p, in->flags, in->n_flags, sizeof(f));
		in->flags[in->n_flags++] = f;
		s = skip_blanks(s + n);
	}
	in->text = s;
	return true;
}

/* A JSON array of strings is the exec form; anything else is text. */
static void read_json(struct df_pool *p, struct df_instr *in)
{
	size_t len = strlen(in->text);
	struct json_tokener *tok;
	struct json_object *o;

	if (in->text[0] != '[' || len > INT32_MAX)
		return;
	tok = json_tokener_new_ex(4);
	if (tok == NULL)
		return;
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT);
	o = json_tokener_parse_ex(tok, in->text, (int)len);
	if (json_tokener_get_error(tok) == json_tokener_success &&
	    skip_blanks(in->text + json_tokener_get_parse_end(tok))[0] == '\0' &&
	    json_object_is_type(o, json_type_array)) {
		size_t n = json_object_array_length(o);
		const char **words = df_alloc(p, (n + 1) * sizeof(*words));
		size_t i;

		for (i = 0; i < n; i++) {
			struct json_object *e = json_object_array_get_idx(o, i);

			/* A NUL in it cannot be passed on: it is text then. */
			if (!json_object_is_type(e, json_type_string) ||
			    strlen(json_object_get_string(e)) !=
				    (size_t)json_object_get_string_len(e))
				break;
			words[i] = df_strdup(p, json_object_get_string(e));
		}
		if (i == n) {
			in->words = words;
			in->n_words = n;
		}
	}
	json_object_put(o);
	json_tokener_free(tok);
}

static bool has_exec_form(enum df_op op)
{
	return op == DF_RUN || op == DF_CMD || op == DF_ENTRYPOINT || op == DF_SHELL ||
	       op == DF_COPY || op == DF_ADD || op == DF_VOLUME;
}

static bool parse_instr(struct reader *r, const char *text, unsigned line, struct df_instr *in)
{
	size_t n = 0, end;

	while (text[n] != '\0' && !is_blank(text[n]))
		n++;
	*in = (struct df_instr){ .op = DF_N_OPS, .line = line };
	for (int op = 0; op < DF_N_OPS; op++) {
		if (strlen(names[op]) == n && strncasecmp(names[op], text, n) == 0)
			in->op = (enum df_op)op;
	}
	if (in->op == DF_N_OPS) {
		df_fail(r->pool, line, "unknown instruction \"%.*s\"", n < 40 ? (int)n : 40, text);
		return df_hint(r->pool, "instructions are FROM, RUN, COPY, ADD, ENV, ARG, WORKDIR, "
					"USER, SHELL, LABEL, HEALTHCHECK");
	}
	text = skip_blanks(text + n);
	end = strlen(text);
	/* What is cut here may leave an escape at the end, which escapes nothing. */
	while (end > 0 &&
	       (is_blank(text[end - 1]) || (text[end - 1] == r->file->escape &&
					    (end == 1 || text[end - 2] != r->file->escape))))
		end--;
	in->text = df_strndup(r->pool, text, end);
	if (in->op != DF_ENV && in->op != DF_ARG && in->op != DF_LABEL && !take_flags(r->pool, in))
		return false;
	if (in->text[0] == '\0' && in->op != DF_CMD && in->op != DF_ENTRYPOINT)
		return df_fail(r->pool, line, "%s needs an argument", names[in->op]);
	if (in->op == DF_RUN || in->op == DF_COPY || in->op == DF_ADD) {
		if (!find_heredocs(r->pool, in, r->file->escape))
			return false;
		for (size_t i = 0; i < in->n_heredocs; i++) {
			if (!read_heredoc(r, in, &in->heredocs[i]))
				return false;
		}
	}
	if (has_exec_form(in->op) && in->n_heredocs == 0)
		read_json(r->pool, in);
	return true;
}

bool df_parse(struct df_pool *p, const char *text, size_t len, struct df_file *ret)
{
	struct df_file file = { .escape = '\\' };
	struct reader r = { .pool = p, .file = &file, .at = text, .end = text + len };
	const char *line;
	unsigned number = 0;

	if (len > DF_TEXT_MAX)
		return df_fail(p, 0, "the file is larger than %zu bytes", DF_TEXT_MAX);
	if (memchr(text, '\0', len) != NULL)
		return df_fail(p, 0, "a NUL byte in the text");
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		r.at += 3;
	if (!read_directives(&r))
		return false;
	for (;;) {
		struct df_instr in;

		if (!read_logical(&r, &line, &number))
			return false;
		if (line == NULL)
			break;
		if (!parse_instr(&r, line, number, &in))
			return false;
		file.instrs = df_grow(p, file.instrs, file.n, sizeof(in));
		file.instrs[file.n++] = in;
	}
	*ret = file;
	return true;
}

/* ---- text again ------------------------------------------------------------------------- */

const char *df_print(struct df_pool *p, const struct df_file *f)
{
	struct df_text t = DF_TEXT(p);

	df_addf(&t, "# escape=%c\n", f->escape);
	for (size_t i = 0; i < f->n; i++) {
		const struct df_instr *in = &f->instrs[i];

		df_adds(&t, names[in->op]);
		for (size_t k = 0; k < in->n_flags; k++)
			df_addf(&t, " --%s%s%s", in->flags[k].name,
				in->flags[k].value != NULL ? "=" : "",
				in->flags[k].value != NULL ? in->flags[k].value : "");
		/* A text like "--x" is none of the flags. */
		df_addf(&t, "%s %s\n",
			strncmp(in->text, "--", 2) == 0 && in->op != DF_ENV && in->op != DF_ARG &&
					in->op != DF_LABEL
				? " --"
				: "",
			in->text);
		for (size_t k = 0; k < in->n_heredocs; k++)
			df_addf(&t, "%s%s\n", in->heredocs[k].content, in->heredocs[k].name);
	}
	return df_str(&t);
}
