/* SPDX-License-Identifier: Apache-2.0
 *
 * words.c - an instruction's text as words and as NAME=VALUE pairs.
 */
#include "dockerfile.h"

#include <string.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\v' || c == '\f' || c == '\r';
}

/* Bytes of the word at s: up to a blank outside quotes. */
static size_t word_length(const char *s, char escape)
{
	char quote = '\0';
	size_t n = 0;

	for (; s[n] != '\0' && (quote != '\0' || !is_blank(s[n])); n++) {
		if (s[n] == escape && quote != '\'' && s[n + 1] != '\0')
			n++;
		else if (quote == '\0' && (s[n] == '"' || s[n] == '\''))
			quote = s[n];
		else if (s[n] == quote)
			quote = '\0';
	}
	return n;
}

bool df_split(struct df_pool *p, const struct df_instr *in, char escape, const char ***ret,
	      size_t *ret_n)
{
	const char *s = in->text;
	const char **words = NULL;
	size_t n = 0;

	for (;;) {
		size_t len;

		while (is_blank(*s))
			s++;
		if (*s == '\0')
			break;
		len = word_length(s, escape);
		words = df_grow(p, words, n, sizeof(*words));
		words[n++] = df_strndup(p, s, len);
		s += len;
	}
	*ret = words;
	*ret_n = n;
	return true;
}

static bool is_name(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char c = s[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
		      (i > 0 && c >= '0' && c <= '9')))
			return false;
	}
	return n > 0;
}

static void add_pair(struct df_pool *p, struct df_pairs *pairs, const char *name, const char *value)
{
	pairs->list = df_grow(p, pairs->list, pairs->n, sizeof(*pairs->list));
	pairs->list[pairs->n++] = (struct df_pair){ name, value };
}

/* Only what can be a variable goes into the environment of a shell. */
static bool check_name(struct df_pool *p, const struct df_instr *in, const char *name, size_t n)
{
	if (in->op == DF_LABEL || is_name(name, n))
		return true;
	return df_fail(p, in->line,
		       "%s %.*s: a variable's name is letters, digits and _, and begins with no "
		       "digit",
		       df_op_name(in->op), n < 60 ? (int)n : 60, name);
}

/* "K the rest": one pair. */
static bool legacy_pair(struct df_pool *p, const struct df_instr *in, struct df_pairs *ret)
{
	const char *s = in->text;
	size_t n = 0;

	while (s[n] != '\0' && !is_blank(s[n]))
		n++;
	if (!check_name(p, in, s, n))
		return false;
	if (s[n] == '\0')
		return df_fail(p, in->line, "%s %.60s: a value is missing: NAME=VALUE",
			       df_op_name(in->op), s);
	add_pair(p, ret, df_strndup(p, s, n), s + n + strspn(s + n, " \t\v\f\r"));
	return true;
}

bool df_split_pairs(struct df_pool *p, const struct df_instr *in, char escape, struct df_pairs *ret)
{
	const char **words;
	size_t n;

	*ret = (struct df_pairs){ 0 };
	if (!df_split(p, in, escape, &words, &n))
		return false;
	if (in->op != DF_ARG && strchr(words[0], '=') == NULL)
		return legacy_pair(p, in, ret);
	for (size_t i = 0; i < n; i++) {
		const char *eq = strchr(words[i], '=');
		size_t len = eq != NULL ? (size_t)(eq - words[i]) : strlen(words[i]);

		if (eq == NULL && in->op != DF_ARG)
			return df_fail(p, in->line, "%s: no = in \"%.60s\": NAME=VALUE",
				       df_op_name(in->op), words[i]);
		if (!check_name(p, in, words[i], len))
			return false;
		add_pair(p, ret, df_strndup(p, words[i], len), eq != NULL ? eq + 1 : NULL);
	}
	return true;
}

const char *df_get(const struct df_pairs *env, const char *name)
{
	for (size_t i = env->n; i-- > 0;) {
		if (strcmp(env->list[i].name, name) == 0)
			return env->list[i].value;
	}
	return NULL;
}

void df_set(struct df_pool *p, struct df_pairs *env, const char *name, const char *value)
{
	for (size_t i = 0; i < env->n; i++) {
		if (strcmp(env->list[i].name, name) == 0) {
			env->list[i].value = value;
			return;
		}
	}
	add_pair(p, env, name, value);
}
