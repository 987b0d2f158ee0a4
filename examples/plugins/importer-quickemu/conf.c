/* SPDX-License-Identifier: Apache-2.0
 *
 * conf.c - see conf.h.
 */
#include "conf.h"

#include <string.h>

static int is_key_char(char c, int first)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
	       (!first && c >= '0' && c <= '9');
}

/* Copy one word, quoted or bare.  NULL: it does not end. */
static const char *take_word(struct conf *c, const char **at, struct conf_item *item)
{
	const char *p = *at;
	char *word = c->words + c->used;
	char quote = '\0';

	for (; *p != '\0' && (quote != '\0' || strchr(" \t\r\n)#", *p) == NULL); p++) {
		if (*p == '\n')
			return NULL; /* no value has several lines */
		if (quote == '\0' && (*p == '"' || *p == '\'')) {
			quote = *p;
		} else if (*p == quote) {
			quote = '\0';
		} else {
			item->expands |= quote != '\'' && (*p == '$' || *p == '`');
			c->words[c->used++] = *p;
		}
	}
	if (quote != '\0')
		return NULL;
	c->words[c->used++] = '\0'; /* never more than the text is long, plus one a word */
	*at = p;
	return word;
}

/* Blanks and comments; with newlines where they mean nothing. */
static const char *skip(struct conf *c, const char *p, int newlines)
{
	for (;; p++) {
		if (*p == '#') {
			while (p[1] != '\0' && p[1] != '\n')
				p++;
		} else if (*p == '\n' && newlines) {
			c->line++;
		} else if (*p != ' ' && *p != '\t' && *p != '\r') {
			return p;
		}
	}
}

static const char *take_array(struct conf *c, const char *p, struct conf_item *item)
{
	for (p = skip(c, p, 1); *p != ')'; p = skip(c, p, 1)) {
		if (*p == '\0' || item->n == CONF_VALUES_MAX)
			return NULL;
		item->values[item->n] = take_word(c, &p, item);
		if (item->values[item->n++] == NULL)
			return NULL;
	}
	return p + 1;
}

static const char *take_item(struct conf *c, const char *p)
{
	struct conf_item *item = &c->items[c->n];
	char *key = c->words + c->used;

	*item = (struct conf_item){ .line = c->line, .key = key };
	for (int first = 1; is_key_char(*p, first); first = 0)
		c->words[c->used++] = *p++;
	c->words[c->used++] = '\0';
	if (*key == '\0' || *p++ != '=')
		return NULL;
	if (*p == '(') {
		p = take_array(c, p + 1, item);
	} else {
		item->values[0] = take_word(c, &p, item);
		item->n = 1;
		if (item->values[0] == NULL)
			return NULL;
	}
	if (p == NULL)
		return NULL;
	p = skip(c, p, 0);
	c->n++;
	return *p == '\n' || *p == '\0' ? p : NULL;
}

int conf_parse(struct conf *c)
{
	const char *p = c->text;

	c->line = 1;
	if (strncmp(p, "\xef\xbb\xbf", 3) == 0)
		p += 3;
	for (p = skip(c, p, 1); p != NULL && *p != '\0'; p = skip(c, p, 1)) {
		if (c->n == CONF_ITEMS_MAX)
			return -1;
		p = take_item(c, p);
		if (p == NULL)
			return -1;
	}
	return 0;
}

const struct conf_item *conf_find(const struct conf *c, const char *key)
{
	for (size_t i = c->n; i-- > 0;) {
		if (strcmp(c->items[i].key, key) == 0)
			return &c->items[i];
	}
	return NULL;
}
