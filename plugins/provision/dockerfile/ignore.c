/* SPDX-License-Identifier: Apache-2.0
 *
 * ignore.c - patterns of paths, and the rules of .dockerignore.
 *
 * A pattern is matched as an automaton, all its positions at once: no pattern
 * takes more than its length times that of the path.
 */
#include "context.h"

#include <stdlib.h>
#include <string.h>

enum token_kind {
	ONE,      /* this character */
	ANY,      /* ?: one, not / */
	STAR,     /* *: any number, not / */
	STARS,    /* **: anything */
	STARS_SL, /* two stars and a slash: nothing, or anything that ends in a slash */
	CLASS     /* [...] */
};

struct token {
	enum token_kind kind;
	char c;
	bool negated;
	const char *set; /* pairs of first and last character */
	size_t n_set;
};

struct df_pattern {
	struct token *tokens;
	size_t n;
};

/* ---- reading ------------------------------------------------------------------------- */

/* The class behind a [; NULL when it is malformed. */
static const char *read_class(struct df_pool *p, const char *s, struct token *t)
{
	struct df_text set = DF_TEXT(p);

	t->kind = CLASS;
	if (*s == '^' || *s == '!') {
		t->negated = true;
		s++;
	}
	do {
		char range[2];

		for (int i = 0; i < 2; i++) {
			if (*s == '\\')
				s++;
			if (*s == '\0' || (*s == ']' && s[-1] != '\\'))
				return NULL;
			range[i] = *s++;
			if (i == 0 && *s != '-') {
				range[1] = range[0];
				break;
			}
			if (i == 0)
				s++;
		}
		df_add(&set, range, 2);
	} while (*s != ']' && *s != '\0');
	if (*s == '\0')
		return NULL;
	t->set = df_str(&set);
	t->n_set = set.len / 2;
	return s + 1;
}

const struct df_pattern *df_pattern(struct df_pool *p, const char *s)
{
	struct df_pattern *pat = df_alloc(p, sizeof(*pat));

	while (*s != '\0') {
		struct token t = { .kind = ONE, .c = *s };

		if (s[0] == '*' && s[1] == '*') {
			while (*s == '*')
				s++;
			t.kind = *s == '/' ? STARS_SL : STARS;
			s += *s == '/';
		} else if (*s == '*') {
			t.kind = STAR;
			s++;
		} else if (*s == '?') {
			t.kind = ANY;
			s++;
		} else if (*s == '[') {
			s = read_class(p, s + 1, &t);
			if (s == NULL)
				return NULL;
		} else {
			if (*s == '\\') {
				if (s[1] == '\0')
					return NULL;
				t.c = *++s;
			}
			s++;
		}
		pat->tokens = df_grow(p, pat->tokens, pat->n, sizeof(t));
		pat->tokens[pat->n++] = t;
	}
	return pat;
}

bool df_pattern_is_literal(const char *text)
{
	return strpbrk(text, "*?[\\") == NULL;
}

/* ---- matching -------------------------------------------------------------------------- */

static bool in_class(const struct token *t, char c)
{
	bool found = false;

	for (size_t i = 0; i < t->n_set; i++) {
		unsigned char first = (unsigned char)t->set[2 * i];
		unsigned char last = (unsigned char)t->set[2 * i + 1];

		found = found || ((unsigned char)c >= first && (unsigned char)c <= last);
	}
	return c != '/' && found != t->negated;
}

/* Position i is reached, and what follows tokens that may match nothing. */
static void reach(const struct df_pattern *p, bool *at, size_t i)
{
	for (; !at[i]; i++) {
		at[i] = true;
		if (i == p->n || p->tokens[i].kind < STAR || p->tokens[i].kind == CLASS)
			return;
	}
}

static void step(const struct df_pattern *p, const bool *at, bool *next, char c)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct token *t = &p->tokens[i];

		if (!at[i])
			continue;
		switch (t->kind) {
		case ONE:
			if (t->c == c)
				reach(p, next, i + 1);
			break;
		case ANY:
			if (c != '/')
				reach(p, next, i + 1);
			break;
		case CLASS:
			if (in_class(t, c))
				reach(p, next, i + 1);
			break;
		case STAR:
			if (c != '/')
				reach(p, next, i);
			break;
		case STARS:
			reach(p, next, i);
			break;
		case STARS_SL:
			/* Inside, what follows comes only behind a /. */
			if (c == '/')
				reach(p, next, i + 1);
			next[i] = true;
			break;
		}
	}
}

bool df_pattern_matches(const struct df_pattern *p, const char *s)
{
	bool small[2][128];
	bool *sets = p->n < 128 ? &small[0][0] : malloc(2 * (p->n + 1));
	size_t width = p->n < 128 ? 128 : p->n + 1;
	bool *at = sets, *next, found;

	if (sets == NULL)
		abort();
	next = sets + width;
	memset(at, 0, p->n + 1);
	reach(p, at, 0);
	for (; *s != '\0'; s++) {
		bool *spare = at;

		memset(next, 0, p->n + 1);
		step(p, at, next, *s);
		at = next;
		next = spare;
	}
	found = at[p->n];
	if (sets != &small[0][0])
		free(sets);
	return found;
}

/* ---- .dockerignore ------------------------------------------------------------------------ */

struct df_rule {
	const struct df_pattern *pattern;
	bool again; /* !pattern: what it matches is not left out */
};

/* Without "." parts, doubled slashes and one at either end; ".." as BuildKit
 * takes it: cleaned away lexically. */
static const char *clean(struct df_pool *p, const char *s)
{
	struct df_text t = DF_TEXT(p);

	df_adds(&t, "");
	while (*s != '\0') {
		size_t n = strcspn(s, "/");

		if (n == 2 && s[0] == '.' && s[1] == '.') {
			const char *slash = strrchr(df_str(&t), '/');

			t.len = slash != NULL ? (size_t)(slash - t.s) : 0;
			t.s[t.len] = '\0';
		} else if (n > 0 && !(n == 1 && s[0] == '.')) {
			if (t.len > 0)
				df_addc(&t, '/');
			df_add(&t, s, n);
		}
		s += n;
		s += *s == '/';
	}
	return df_str(&t);
}

bool df_ignore_parse(struct df_pool *p, const char *text, struct df_ignore *ret)
{
	unsigned line = 0;

	*ret = (struct df_ignore){ 0 };
	if (strncmp(text, "\xef\xbb\xbf", 3) == 0)
		text += 3;
	while (*text != '\0') {
		size_t n = strcspn(text, "\n"), start = 0, end = n;
		struct df_rule rule = { 0 };
		const char *s;

		line++;
		while (start < end && strchr(" \t\r", text[start]) != NULL)
			start++;
		while (end > start && strchr(" \t\r", text[end - 1]) != NULL)
			end--;
		s = df_strndup(p, text + start, end - start);
		/* A comment begins in the first column. */
		if (text[0] != '#' && *s != '\0') {
			if (*s == '!') {
				rule.again = true;
				s++;
				s += strspn(s, " \t");
			}
			s = clean(p, s);
			rule.pattern = df_pattern(p, s);
			if (rule.pattern == NULL)
				return df_fail(p, 0,
					       ".dockerignore line %u: malformed pattern %.80s",
					       line, s);
			if (*s != '\0') {
				ret->rules = df_grow(p, ret->rules, ret->n, sizeof(rule));
				ret->rules[ret->n++] = rule;
				ret->any_again = ret->any_again || rule.again;
			}
		}
		text += n;
		text += *text == '\n';
	}
	return true;
}

bool df_ignored(const struct df_ignore *ig, const char *path)
{
	char prefix[4096];
	size_t len = strlen(path);
	bool out = false;

	if (len >= sizeof(prefix))
		return false;
	for (size_t i = 0; i < ig->n; i++) {
		bool matched = false;

		if (ig->rules[i].again != out)
			continue; /* it would change nothing */
		/* The path or a directory above it. */
		for (size_t n = 1; n <= len && !matched; n++) {
			if (n < len && path[n] != '/')
				continue;
			memcpy(prefix, path, n);
			prefix[n] = '\0';
			matched = df_pattern_matches(ig->rules[i].pattern, prefix);
		}
		if (matched)
			out = !ig->rules[i].again;
	}
	return out;
}
