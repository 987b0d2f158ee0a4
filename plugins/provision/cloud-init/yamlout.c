/* SPDX-License-Identifier: Apache-2.0
 *
 * yamlout.c - see yamlout.h.
 *
 * The rules behind the choice of a style are those of YAML 1.1 as libyaml and
 * PyYAML apply them, which are stricter than YAML 1.2 where the two differ:
 * U+0085, U+2028 and U+2029 are line breaks (hence escaped), "yes" and "1:30"
 * are not strings (hence quoted).
 */
#include "yamlout.h"

#include <string.h>
#include <strings.h>

struct shape {
	bool word;  /* safe as a plain scalar by its characters */
	bool lines; /* has a newline */
	bool tab;
	bool text;    /* has anything but blanks and newlines */
	bool special; /* has a character that only an escape can express */
};

/* Decode one character; *len is its length, 0 when it is no UTF-8. */
static uint32_t decode(const unsigned char *p, unsigned *len)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned n = p[0] < 0x80   ? 1
		     : p[0] < 0xc0 ? 0
		     : p[0] < 0xe0 ? 2
		     : p[0] < 0xf0 ? 3
		     : p[0] < 0xf8 ? 4
				   : 0;
	uint32_t c;

	*len = 0;
	if (n < 2) {
		*len = n;
		return p[0];
	}
	c = p[0] & (0xffu >> (n + 1));
	for (unsigned i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3fu);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*len = n;
	return c;
}

bool ci_yaml_is_utf8(const char *s)
{
	const unsigned char *p = (const unsigned char *)s;
	unsigned len;

	for (; *p != '\0'; p += len) {
		decode(p, &len);
		if (len == 0)
			return false;
	}
	return true;
}

/* Not printable, or a line break other than \n, or a byte order mark. */
static bool needs_escape(uint32_t c)
{
	return (c < 0x20 && c != '\t' && c != '\n') || (c >= 0x7f && c <= 0x9f) || c == 0x2028 ||
	       c == 0x2029 || c == 0xfeff || (c >= 0xfffe && c <= 0xffff);
}

static bool is_letter(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_word_char(unsigned char c)
{
	return is_letter(c) || (c >= '0' && c <= '9') || strchr("_./@+-", c) != NULL;
}

static bool is_reserved(const char *s)
{
	static const char *const words[] = { "y",   "n",    "yes",   "no",  "on",
					     "off", "true", "false", "null" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcasecmp(s, words[i]) == 0)
			return true;
	}
	return false;
}

static struct shape look(const char *s)
{
	const unsigned char *p = (const unsigned char *)s;
	struct shape sh = { .word = is_letter(*p) || *p == '/' };
	unsigned len;

	for (; *p != '\0'; p += len) {
		uint32_t c = decode(p, &len);

		sh.word = sh.word && c < 0x80 && is_word_char(*p);
		sh.lines |= c == '\n';
		sh.tab |= c == '\t';
		sh.text |= c != '\n' && c != ' ' && c != '\t';
		sh.special |= needs_escape(c);
		if (len == 0) /* the caller broke the rule: end rather than loop */
			break;
	}
	sh.word = sh.word && !is_reserved(s);
	return sh;
}

static void single_quoted(struct ci_buf *b, const char *s)
{
	const char *end;

	ci_buf_addc(b, '\'');
	while ((end = strchr(s, '\'')) != NULL) {
		ci_buf_add(b, s, (size_t)(end - s));
		ci_buf_adds(b, "''");
		s = end + 1;
	}
	ci_buf_adds(b, s);
	ci_buf_addc(b, '\'');
}

static void double_quoted(struct ci_buf *b, const char *s)
{
	const unsigned char *p = (const unsigned char *)s;
	unsigned len;

	ci_buf_addc(b, '"');
	for (; *p != '\0'; p += len) {
		uint32_t c = decode(p, &len);

		if (len == 0)
			break;
		if (c == '\n')
			ci_buf_adds(b, "\\n");
		else if (c == '\t')
			ci_buf_adds(b, "\\t");
		else if (c == '"' || c == '\\')
			ci_buf_addf(b, "\\%c", (char)c);
		else if (needs_escape(c))
			ci_buf_addf(b, "\\u%04x", c);
		else
			ci_buf_add(b, (const char *)p, len);
	}
	ci_buf_addc(b, '"');
}

/* "|" and the lines below it, two columns inside the current collection.  The
 * digit is due when the first line does not show the indentation itself. */
static void literal(struct ci_yaml *y, const char *s)
{
	size_t len = strlen(s);

	ci_buf_addc(y->out, '|');
	if (*s == ' ' || *s == '\t' || *s == '\n')
		ci_buf_addc(y->out, '2');
	if (s[len - 1] != '\n')
		ci_buf_addc(y->out, '-');
	else if (s[len - 2] == '\n')
		ci_buf_addc(y->out, '+');
	ci_buf_addc(y->out, '\n');
	while (*s != '\0') {
		size_t n = strcspn(s, "\n");

		if (n > 0) {
			ci_buf_fill(y->out, ' ', y->indent + 2);
			ci_buf_add(y->out, s, n);
		}
		ci_buf_addc(y->out, '\n');
		s += n + (s[n] == '\n');
	}
}

/* The value and the end of its line. */
static void scalar(struct ci_yaml *y, const char *s)
{
	struct shape sh = look(s);

	if (sh.lines && sh.text && !sh.special) {
		literal(y, s);
		return;
	}
	if (sh.word)
		ci_buf_adds(y->out, s);
	else if (sh.lines || sh.tab || sh.special)
		double_quoted(y->out, s);
	else
		single_quoted(y->out, s);
	ci_buf_addc(y->out, '\n');
}

static void put_key(struct ci_yaml *y, const char *key)
{
	if (!y->dash)
		ci_buf_fill(y->out, ' ', y->indent);
	y->dash = false;
	ci_buf_adds(y->out, key);
	ci_buf_addc(y->out, ':');
}

void ci_yaml_str(struct ci_yaml *y, const char *key, const char *value)
{
	put_key(y, key);
	ci_buf_addc(y->out, ' ');
	scalar(y, value);
}

void ci_yaml_bool(struct ci_yaml *y, const char *key, bool value)
{
	put_key(y, key);
	ci_buf_adds(y->out, value ? " true\n" : " false\n");
}

void ci_yaml_int(struct ci_yaml *y, const char *key, int64_t value)
{
	put_key(y, key);
	ci_buf_addf(y->out, " %lld\n", (long long)value);
}

void ci_yaml_begin(struct ci_yaml *y, const char *key)
{
	put_key(y, key);
	ci_buf_addc(y->out, '\n');
	y->indent += 2;
}

void ci_yaml_end(struct ci_yaml *y)
{
	y->indent -= 2;
}

void ci_yaml_empty_map(struct ci_yaml *y, const char *key)
{
	put_key(y, key);
	ci_buf_adds(y->out, " {}\n");
}

static void put_dash(struct ci_yaml *y)
{
	ci_buf_fill(y->out, ' ', y->indent);
	ci_buf_adds(y->out, "- ");
}

void ci_yaml_item(struct ci_yaml *y, const char *value)
{
	put_dash(y);
	scalar(y, value);
}

void ci_yaml_item_map(struct ci_yaml *y)
{
	put_dash(y);
	y->dash = true;
	y->indent += 2;
}

void ci_yaml_item_list(struct ci_yaml *y)
{
	put_dash(y);
	ci_buf_addc(y->out, '[');
	y->flow_more = false;
}

void ci_yaml_item_list_add(struct ci_yaml *y, const char *value)
{
	struct shape sh = look(value);

	if (y->flow_more)
		ci_buf_adds(y->out, ", ");
	y->flow_more = true;
	if (sh.word)
		ci_buf_adds(y->out, value);
	else if (sh.lines || sh.tab || sh.special)
		double_quoted(y->out, value);
	else
		single_quoted(y->out, value);
}

void ci_yaml_item_list_end(struct ci_yaml *y)
{
	ci_buf_adds(y->out, "]\n");
}

/* JSON allows characters that YAML does not. */
static void put_flow(struct ci_buf *b, const char *flow)
{
	const unsigned char *p = (const unsigned char *)flow;
	unsigned len;

	for (; *p != '\0'; p += len) {
		uint32_t c = decode(p, &len);

		if (len == 0)
			break;
		if (needs_escape(c))
			ci_buf_addf(b, "\\u%04x", c);
		else
			ci_buf_add(b, (const char *)p, len);
	}
	ci_buf_addc(b, '\n');
}

void ci_yaml_flow(struct ci_yaml *y, const char *key, const char *flow)
{
	put_key(y, key);
	ci_buf_addc(y->out, ' ');
	put_flow(y->out, flow);
}

void ci_yaml_item_flow(struct ci_yaml *y, const char *flow)
{
	put_dash(y);
	put_flow(y->out, flow);
}
