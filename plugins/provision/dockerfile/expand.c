/* SPDX-License-Identifier: Apache-2.0
 *
 * expand.c - $NAME and ${NAME...}, quotes and escapes, as BuildKit's shell
 * lexer does it: ${v:-w} ${v-w} ${v:+w} ${v+w} ${v:?w} ${v?w}, and the patterns
 * ${v#p} ${v##p} ${v%p} ${v%%p} ${v/p/w} ${v//p/w}.
 */
#include "dockerfile.h"

#include <string.h>

#define PATTERN_VALUE_MAX 4096 /* matching takes its square */

struct expander {
	struct df_pool *pool;
	const struct df_pairs *env;
	const char *at;
	const char *word; /* the whole, for messages */
	unsigned line, depth;
	char escape;
	bool keep_quotes; /* the text of a heredoc */
};

static bool text_until(struct expander *x, char stop, struct df_text *out);

static bool bad(struct expander *x, const char *why)
{
	return df_fail(x->pool, x->line, "%.80s: %s", x->word, why);
}

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

/* ---- patterns ----------------------------------------------------------------------- */

/* Does the pattern (* ? and \x) match all of s[0..n)? */
static bool matches(const char *pattern, const char *s, size_t n)
{
	const char *star = NULL;
	size_t i = 0, back = 0;

	while (i < n || *pattern != '\0') {
		if (*pattern == '*') {
			star = ++pattern;
			back = i;
			continue;
		}
		if (i < n && *pattern != '\0') {
			bool escaped = *pattern == '\\' && pattern[1] != '\0';

			if ((!escaped && *pattern == '?') || pattern[escaped] == s[i]) {
				pattern += escaped ? 2 : 1;
				i++;
				continue;
			}
		}
		if (star == NULL || back >= n)
			return false;
		pattern = star;
		i = ++back;
	}
	return true;
}

/* How much of the front or of the end goes; false: nothing matches. */
static bool find_end(const char *pattern, const char *s, size_t n, bool front, bool longest,
		     size_t *ret)
{
	for (size_t i = 0; i <= n; i++) {
		size_t len = longest ? n - i : i;

		if (matches(pattern, front ? s : s + n - len, len)) {
			*ret = len;
			return true;
		}
	}
	return false;
}

static void replace(const char *pattern, const char *with, const char *s, bool all,
		    struct df_text *out)
{
	size_t n = strlen(s), i = 0;
	bool done = false;

	while (i < n) {
		size_t len;

		if (!done && find_end(pattern, s + i, n - i, true, true, &len) && len > 0) {
			df_adds(out, with);
			i += len;
			done = !all;
		} else {
			df_addc(out, s[i++]);
		}
	}
}

/* ---- ${...} ----------------------------------------------------------------------------- */

static bool read_word(struct expander *x, char stop, const char **ret)
{
	struct df_text t = DF_TEXT(x->pool);

	if (!text_until(x, stop, &t))
		return false;
	*ret = df_str(&t);
	return true;
}

static bool close_brace(struct expander *x)
{
	if (*x->at != '}')
		return bad(x, "a } is missing");
	x->at++;
	return true;
}

/* Behind the name: - + ? with or without a colon. */
static bool conditional(struct expander *x, const char *name, const char *value,
			struct df_text *out)
{
	bool colon = *x->at == ':', have;
	const char *word;
	char op;

	if (colon)
		x->at++;
	op = *x->at;
	if (op == '\0' || strchr("-+?", op) == NULL)
		return bad(x, "only - + and ? may follow a : in ${...}");
	x->at++;
	if (!read_word(x, '}', &word) || !close_brace(x))
		return false;
	have = value != NULL && (!colon || *value != '\0');
	if (op == '+')
		df_adds(out, have ? word : "");
	else if (have)
		df_adds(out, value);
	else if (op == '-')
		df_adds(out, word);
	else
		return df_fail(x->pool, x->line, "%.60s: %.200s", name,
			       *word != '\0' ? word : "is not set, and is needed");
	return true;
}

static bool cut(struct expander *x, const char *value, struct df_text *out)
{
	char op = *x->at++;
	bool longest = *x->at == op;
	const char *pattern;
	size_t n = strlen(value), len;

	if (longest)
		x->at++;
	if (!read_word(x, '}', &pattern) || !close_brace(x))
		return false;
	if (!find_end(pattern, value, n, op == '#', longest, &len))
		len = 0;
	if (op == '#')
		df_adds(out, value + len);
	else
		df_add(out, value, n - len);
	return true;
}

static bool substitute(struct expander *x, const char *value, struct df_text *out)
{
	bool all = x->at[1] == '/';
	const char *pattern, *with = "";

	x->at += all ? 2 : 1;
	if (!read_word(x, '/', &pattern))
		return false;
	if (*x->at == '/') {
		x->at++;
		if (!read_word(x, '}', &with))
			return false;
	}
	if (!close_brace(x))
		return false;
	replace(pattern, with, value, all, out);
	return true;
}

static bool braces(struct expander *x, struct df_text *out)
{
	const char *start = x->at, *name, *value;
	size_t n = 0;

	while (is_name_char(start[n]))
		n++;
	if (n == 0 && *start != '\0' && strchr("@*#?-$!", *start) != NULL)
		n = 1;
	if (n == 0)
		return bad(x, "bad substitution");
	name = df_strndup(x->pool, start, n);
	value = df_get(x->env, name);
	x->at = start + n;
	switch (*x->at) {
	case '}':
		x->at++;
		df_adds(out, value != NULL ? value : "");
		return true;
	case ':':
	case '-':
	case '+':
	case '?':
		return conditional(x, name, value, out);
	case '#':
	case '%':
	case '/':
		if (value != NULL && strlen(value) > PATTERN_VALUE_MAX)
			return bad(x, "the value is too long for a pattern");
		if (value == NULL)
			value = "";
		return *x->at == '/' ? substitute(x, value, out) : cut(x, value, out);
	default:
		return bad(x, *x->at == '\0' ? "a } is missing" : "unknown operator in ${...}");
	}
}

static bool dollar(struct expander *x, struct df_text *out)
{
	const char *value, *start;
	size_t n = 0;
	bool ok;

	x->at++;
	if (*x->at == '{') {
		if (++x->depth > DF_DEPTH_MAX)
			return bad(x, "nested too deep");
		x->at++;
		ok = braces(x, out);
		x->depth--;
		return ok;
	}
	start = x->at;
	if (*start >= '0' && *start <= '9')
		n = 1;
	else if (is_name_char(*start))
		while (is_name_char(start[n]))
			n++;
	else if (*start != '\0' && strchr("@*#?-$!", *start) != NULL)
		n = 1;
	if (n == 0) {
		df_addc(out, '$');
		return true;
	}
	x->at += n;
	value = df_get(x->env, df_strndup(x->pool, start, n));
	df_adds(out, value != NULL ? value : "");
	return true;
}

/* ---- quotes -------------------------------------------------------------------------------- */

static bool single_quotes(struct expander *x, struct df_text *out)
{
	const char *end = strchr(++x->at, '\'');

	if (end == NULL)
		return bad(x, "a ' is missing");
	df_add(out, x->at, (size_t)(end - x->at));
	x->at = end + 1;
	return true;
}

static bool double_quotes(struct expander *x, struct df_text *out)
{
	for (x->at++; *x->at != '"';) {
		if (*x->at == '\0')
			return bad(x, "a \" is missing");
		if (*x->at == '$') {
			if (!dollar(x, out))
				return false;
			continue;
		}
		if (*x->at == x->escape && x->at[1] != '\0') {
			char next = x->at[1];

			if (next != '"' && next != '$' && next != x->escape)
				df_addc(out, x->escape);
			df_addc(out, next);
			x->at += 2;
			continue;
		}
		df_addc(out, *x->at++);
	}
	x->at++;
	return true;
}

/* Up to `stop` ('\0': the end), which is left. */
static bool text_until(struct expander *x, char stop, struct df_text *out)
{
	while (*x->at != '\0' &&
	       (stop == '\0' || (*x->at != stop && (stop != '/' || *x->at != '}')))) {
		bool ok = true;

		if (out->len > DF_VALUE_MAX && !x->keep_quotes)
			return bad(x, "the value is longer than 64 KiB");
		if (out->len > DF_TEXT_MAX)
			return bad(x, "the text is longer than 1 MiB");
		if (*x->at == '\'' && !x->keep_quotes) {
			ok = single_quotes(x, out);
		} else if (*x->at == '"' && !x->keep_quotes) {
			ok = double_quotes(x, out);
		} else if (*x->at == '$') {
			ok = dollar(x, out);
		} else if (*x->at == x->escape) {
			/* An escape at the end escapes nothing. */
			x->at++;
			if (x->keep_quotes && *x->at != '$' && *x->at != x->escape)
				df_addc(out, x->escape);
			if (*x->at != '\0')
				df_addc(out, *x->at++);
		} else {
			df_addc(out, *x->at++);
		}
		if (!ok)
			return false;
	}
	return true;
}

static const char *expand(struct df_pool *p, unsigned line, const char *word, char escape,
			  const struct df_pairs *env, bool keep_quotes)
{
	struct expander x = { .pool = p,
			      .env = env,
			      .at = word,
			      .word = word,
			      .line = line,
			      .escape = escape,
			      .keep_quotes = keep_quotes };
	struct df_text t = DF_TEXT(p);

	if (p->total > DF_POOL_MAX) {
		df_fail(p, line, "the variables of the file come to more than 256 MiB");
		return NULL;
	}
	return text_until(&x, '\0', &t) ? df_str(&t) : NULL;
}

const char *df_expand(struct df_pool *p, unsigned line, const char *word, char escape,
		      const struct df_pairs *env)
{
	return expand(p, line, word, escape, env, false);
}

const char *df_expand_text(struct df_pool *p, unsigned line, const char *text, char escape,
			   const struct df_pairs *env)
{
	return expand(p, line, text, escape, env, true);
}
