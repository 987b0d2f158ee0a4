/* SPDX-License-Identifier: Apache-2.0
 *
 * walk.c - elements by tables of rules, and small helpers: see import.h.
 */
#include "import.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The host keeps a thousand; the last says how many more there are. */
#define LOST_MAX 990

static const struct rule *find(const struct rule *rules, const xmlNode *n)
{
	for (; rules->name != NULL; rules++) {
		if (strcmp(rules->name, (const char *)n->name) == 0)
			return rules;
	}
	return NULL;
}

void walk(struct import *im, xmlNode *parent, const struct rule *rules)
{
	for (xmlNode *n = parent->children; n != NULL; n = n->next) {
		const struct rule *r;

		if (n->type != XML_ELEMENT_NODE)
			continue;
		r = find(rules, n);
		if (r == NULL) {
			lost(im, n, NULL, "holos knows nothing like it");
		} else if (r->why != NULL) {
			lost(im, n, NULL, "%s", r->why);
		} else {
			if (r->take != NULL)
				r->take(im, n);
			if (r->inside != NULL)
				walk(im, n, r->inside);
			if (r->done != NULL)
				r->done(im, n);
		}
	}
}

char *attr(xmlNode *n, const char *name)
{
	return n != NULL ? (char *)xmlGetNoNsProp(n, (const xmlChar *)name) : NULL;
}

int attr_is(xmlNode *n, const char *name, const char *value)
{
	char *text = attr(n, name);
	int equal = text != NULL && strcmp(text, value) == 0;

	xmlFree(text);
	return equal;
}

xmlNode *child(xmlNode *n, const char *name)
{
	for (n = n != NULL ? n->children : NULL; n != NULL; n = n->next) {
		if (n->type == XML_ELEMENT_NODE && strcmp((const char *)n->name, name) == 0)
			return n;
	}
	return NULL;
}

char *child_attr(xmlNode *n, const char *name, const char *attribute)
{
	return attr(child(n, name), attribute);
}

char *text_of(xmlNode *n)
{
	char *text = n != NULL ? (char *)xmlNodeGetContent(n) : NULL;
	size_t from, len;

	if (text == NULL)
		return NULL;
	from = strspn(text, " \t\r\n");
	len = strlen(text + from);
	memmove(text, text + from, len + 1);
	while (len > 0 && strchr(" \t\r\n", text[len - 1]) != NULL)
		text[--len] = '\0';
	if (len == 0) {
		xmlFree(text);
		return NULL;
	}
	return text;
}

int to_number(const char *text, unsigned long max, unsigned long *ret)
{
	unsigned long v;
	char *end;

	if (text == NULL || !isdigit((unsigned char)text[0]))
		return -1;
	errno = 0;
	v = strtoul(text, &end, text[0] == '0' && (text[1] == 'x' || text[1] == 'X') ? 16 : 10);
	if (*end != '\0' || errno != 0 || v > max)
		return -1;
	*ret = v;
	return 0;
}

const char *shown(const char *text, char buf[IMPORT_TEXT_MAX + 4])
{
	size_t n = 0;

	if (text == NULL || text[0] == '\0')
		return "(unspecified)";
	for (; n < IMPORT_TEXT_MAX && text[n] != '\0'; n++)
		buf[n] = text[n] == '"' || (unsigned char)text[n] < 0x20 ? '?' : text[n];
	/* Not in the middle of a character. */
	while (text[n] != '\0' && n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	snprintf(buf + n, 4, "%s", text[n] != '\0' ? "..." : "");
	return buf;
}

__attribute__((format(printf, 4, 0))) static void
report(struct import *im, uint32_t line, const char *what, const char *fmt, va_list ap)
{
	char why[1024];

	if (im->n_lost == LOST_MAX) {
		im->more++;
		return;
	}
	vsnprintf(why, sizeof(why), fmt, ap);
	im->n_lost++;
	im->sink->lost(im->out, line, what, why);
}

static uint32_t line_of(const xmlNode *n)
{
	long line = n != NULL ? xmlGetLineNo(n) : 0;

	return line > 0 ? (uint32_t)line : 0;
}

/* "devices/disk": where an element stands, below <domain>. */
static void path_of(const xmlNode *n, char *ret, size_t size)
{
	const xmlNode *chain[8];
	size_t n_chain = 0, len = 0;

	for (; n != NULL && n->type == XML_ELEMENT_NODE && n_chain < 8; n = n->parent)
		chain[n_chain++] = n;
	/* The root says nothing. */
	if (n_chain > 1 && (n == NULL || n->type != XML_ELEMENT_NODE))
		n_chain--;
	ret[0] = '\0';
	while (n_chain-- > 0 && len + 1 < size) {
		int w = snprintf(ret + len, size - len, "%s%.60s", len != 0 ? "/" : "",
				 (const char *)chain[n_chain]->name);

		len += w > 0 ? (size_t)w : 0;
	}
}

void lost(struct import *im, xmlNode *n, const char *what, const char *fmt, ...)
{
	char path[256];
	va_list ap;

	path_of(n, path, sizeof(path));
	va_start(ap, fmt);
	report(im, line_of(n), what != NULL ? what : path, fmt, ap);
	va_end(ap);
}

void lost_at(struct import *im, uint32_t line, const char *what, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report(im, line, what, fmt, ap);
	va_end(ap);
}

void set_str(struct json_object *o, const char *key, const char *value)
{
	json_object_object_add(o, key, json_object_new_string(value));
}

void add_str(struct json_object *list, const char *value)
{
	json_object_array_add(list, json_object_new_string(value));
}

void add_arg(struct import *im, const char *option, const char *value)
{
	add_str(im->extra_args, option);
	if (value != NULL)
		add_str(im->extra_args, value);
}

void to_label(const char *text, size_t max, char *ret)
{
	size_t n = 0;

	for (; *text != '\0' && n < max; text++) {
		char c = *text;

		if (c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
			ret[n++] = c;
		else if (n != 0 && ret[n - 1] != '-')
			ret[n++] = '-';
	}
	while (n > 0 && ret[n - 1] == '-')
		n--;
	ret[n] = '\0';
}
