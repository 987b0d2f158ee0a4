/* SPDX-License-Identifier: Apache-2.0
 *
 * envfile.c - see envfile.h.
 */
#include <compose/envfile.h>
#include <compose/interpolate.h>

#include <base/fs.h>

#include <errno.h>
#include <string.h>

struct env_reader {
	struct vars *vars;
	struct diag *diag;
	const struct source *src;
	const char *p, *end;
	unsigned line;
	bool raw;
};

static bool name_char(char c, bool first)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
	       (!first && c >= '0' && c <= '9');
}

static int env_error(struct env_reader *r, unsigned line, const char *text)
{
	const struct node at = { .src = r->src, .line = line, .column = 1 };

	return diag_error(r->diag, &at, NULL, "%s", text);
}

static void skip_blanks(struct env_reader *r)
{
	while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\r'))
		r->p++;
}

static void skip_line(struct env_reader *r)
{
	while (r->p < r->end && *r->p != '\n')
		r->p++;
	if (r->p < r->end) {
		r->p++;
		r->line++;
	}
}

/* Between the quotes; \' is a quote, everything else is itself. */
static int read_single(struct env_reader *r, struct strbuf *out)
{
	unsigned first = r->line;

	for (r->p++; r->p < r->end; r->p++) {
		if (*r->p == '\'') {
			r->p++;
			return 0;
		}
		if (*r->p == '\\' && r->p + 1 < r->end && r->p[1] == '\'')
			r->p++;
		r->line += *r->p == '\n';
		strbuf_addc(out, *r->p);
	}
	return env_error(r, first, "the quote ' is not closed");
}

/* The text between the quotes, still to be expanded: \$ has become $$. */
static int read_double(struct env_reader *r, struct strbuf *out)
{
	static const char from[] = "nrt", to[] = "\n\r\t";
	unsigned first = r->line;

	for (r->p++; r->p < r->end; r->p++) {
		const char *escape;

		if (*r->p == '"') {
			r->p++;
			return 0;
		}
		r->line += *r->p == '\n';
		if (*r->p != '\\' || r->p + 1 == r->end) {
			strbuf_addc(out, *r->p);
			continue;
		}
		r->p++;
		escape = strchr(from, *r->p);
		if (*r->p == '$')
			strbuf_adds(out, "$$");
		else if (escape != NULL && *escape != '\0')
			strbuf_addc(out, to[escape - from]);
		else if (*r->p == '"' || *r->p == '\\')
			strbuf_addc(out, *r->p);
		else
			strbuf_addf(out, "\\%c", *r->p);
	}
	return env_error(r, first, "the quote \" is not closed");
}

/* Up to the end of the line, or a # after a blank (not with raw). */
static void read_bare(struct env_reader *r, struct strbuf *out)
{
	const char *start = r->p, *end;

	while (r->p < r->end && *r->p != '\n') {
		if (!r->raw && *r->p == '#' && (r->p[-1] == ' ' || r->p[-1] == '\t'))
			break;
		r->p++;
	}
	end = r->p;
	while (end > start && (end[-1] == '\r' || (!r->raw && (end[-1] == ' ' || end[-1] == '\t'))))
		end--;
	strbuf_add(out, start, (size_t)(end - start));
}

/* What may follow a closing quote: blanks and a comment. */
static int end_of_quoted(struct env_reader *r)
{
	skip_blanks(r);
	if (r->p < r->end && *r->p != '\n' && *r->p != '#')
		return env_error(r, r->line, "text after the closing quote");
	return 0;
}

static int read_value(struct env_reader *r, struct strbuf *value)
{
	_cleanup_(strbuf_finish) struct strbuf text = STRBUF_INIT;
	const struct node at = { .src = r->src, .line = r->line, .column = 1, .text = "${" };

	if (r->raw) {
		read_bare(r, value);
		return 0;
	}
	skip_blanks(r);
	if (r->p < r->end && *r->p == '\'')
		return read_single(r, value) < 0 ? -1 : end_of_quoted(r);
	if (r->p < r->end && *r->p == '"') {
		if (read_double(r, &text) < 0 || end_of_quoted(r) < 0)
			return -1;
	} else {
		read_bare(r, &text);
	}
	if (text.s == NULL)
		return 0;
	return interpolate_text(r->vars, r->diag, &at, NULL, text.s, value);
}

static void read_entry(struct env_reader *r, env_entry_fn *fn, void *data)
{
	_cleanup_(strbuf_finish) struct strbuf name = STRBUF_INIT;
	_cleanup_(strbuf_finish) struct strbuf value = STRBUF_INIT;
	const char *start;

	if (r->end - r->p > 7 && memcmp(r->p, "export", 6) == 0 &&
	    (r->p[6] == ' ' || r->p[6] == '\t')) {
		r->p += 6;
		skip_blanks(r);
	}
	start = r->p;
	while (r->p < r->end && name_char(*r->p, r->p == start))
		r->p++;
	strbuf_add(&name, start, (size_t)(r->p - start));
	skip_blanks(r);
	if (name.len == 0 || (r->p < r->end && *r->p != '=' && *r->p != '\n' && *r->p != '#')) {
		env_error(r, r->line, "not of the form NAME=VALUE");
		return;
	}
	if (r->p == r->end || *r->p != '=') {
		fn(data, name.s, NULL);
		return;
	}
	r->p++;
	if (read_value(r, &value) < 0)
		return;
	fn(data, name.s, value.s != NULL ? value.s : "");
}

void env_parse(struct vars *v, struct diag *d, const struct source *src, const char *text,
	       size_t len, bool raw, env_entry_fn *fn, void *data)
{
	struct env_reader r = { v, d, src, text, text + len, 1, raw };

	if (len > 0 && memchr(text, '\0', len) != NULL) {
		env_error(&r, 1, "a NUL byte in the text");
		return;
	}
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		r.p += 3;
	while (r.p < r.end) {
		skip_blanks(&r);
		if (r.p < r.end && *r.p != '\n' && *r.p != '#')
			read_entry(&r, fn, data);
		skip_line(&r);
	}
}

struct env_target {
	struct vars *vars;
	const char *origin;
};

static void set_entry(void *data, const char *name, const char *value)
{
	struct env_target *t = data;

	if (value != NULL)
		vars_set(t->vars, name, value, t->origin);
}

bool env_load(struct vars *v, struct diag *d, const struct source *src, const struct node *at,
	      bool optional)
{
	_cleanup_(strbuf_finish) struct strbuf text = STRBUF_INIT;
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct env_target target = { v, src->name };

	if (fs_read(AT_FDCWD, src->path, ENVFILE_MAX, &text, &err) < 0) {
		if (!optional || (err->sys_errno != ENOENT && err->sys_errno != ENOTDIR))
			diag_error(d, at, NULL, "env file: %s", err->message);
		return false;
	}
	env_parse(v, d, src, text.s != NULL ? text.s : "", text.len, false, set_entry, &target);
	return true;
}
