/* SPDX-License-Identifier: Apache-2.0
 *
 * dockerfile.c - fuzz target: bytes as a Dockerfile.
 *
 * Whatever they are, reading them ends with instructions or with one message of
 * one line.  What was read, printed and read again is the same; and it can be
 * translated, in a context without files.
 */
#include "fuzz.h"

#include "context.h"
#include "translate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void fail(const char *what, const char *detail)
{
	fprintf(stderr, "%s: %s\n", what, detail);
	abort();
}

static void check_message(const struct df_pool *p)
{
	if (!p->failed || p->message[0] == '\0' || strchr(p->message, '\n') != NULL)
		fail("no message of one line", p->message);
}

static void same_text(const char *what, const char *a, const char *b)
{
	if ((a == NULL) != (b == NULL) || (a != NULL && strcmp(a, b) != 0))
		fail(what, a != NULL ? a : "(none)");
}

static void check_same(const struct df_instr *a, const struct df_instr *b)
{
	if (a->op != b->op || a->n_flags != b->n_flags || a->n_words != b->n_words ||
	    (a->words == NULL) != (b->words == NULL) || a->n_heredocs != b->n_heredocs)
		fail("another instruction", a->text);
	same_text("another text", a->text, b->text);
	for (size_t i = 0; i < a->n_flags; i++) {
		same_text("another flag", a->flags[i].name, b->flags[i].name);
		same_text("another value", a->flags[i].value, b->flags[i].value);
	}
	for (size_t i = 0; i < a->n_words; i++)
		same_text("another word", a->words[i], b->words[i]);
	for (size_t i = 0; i < a->n_heredocs; i++)
		same_text("another heredoc", a->heredocs[i].content, b->heredocs[i].content);
}

static void round_trip(struct df_pool *p, const struct df_file *f)
{
	const char *printed = df_print(p, f);
	struct df_file again;

	/* Printing may take a little more room than the limit. */
	if (strlen(printed) > DF_TEXT_MAX)
		return;
	if (!df_parse(p, printed, strlen(printed), &again))
		fail(p->message, printed);
	if (again.n != f->n || again.escape != f->escape)
		fail("another file", printed);
	for (size_t i = 0; i < f->n; i++)
		check_same(&f->instrs[i], &again.instrs[i]);
	same_text("another print", printed, df_print(p, &again));
}

static void translate(const char *text, size_t len)
{
	const struct df_options options = { .service = len % 2 == 0 };
	struct df_pool p = { 0 };
	struct json_object *steps = NULL;

	if (df_translate(&p, "/proc/self/fdinfo/Dockerfile", text, len, &options, &steps))
		json_object_put(steps);
	else
		check_message(&p);
	df_pool_finish(&p);
}

/* The first line as a pattern, the second as a path. */
static void match(const char *text, size_t len)
{
	struct df_pool p = { 0 };
	char *copy = df_strndup(&p, text, len);
	char *nl = strchr(copy, '\n');
	const struct df_pattern *pattern;
	struct df_ignore ig;

	if (nl != NULL) {
		*nl = '\0';
		pattern = df_pattern(&p, copy);
		if (pattern != NULL && strlen(copy) < 256)
			(void)df_pattern_matches(pattern,
						 df_strndup(&p, nl + 1, strnlen(nl + 1, 256)));
		*nl = '\n';
	}
	if (len < 512 && df_ignore_parse(&p, copy, &ig))
		(void)df_ignored(&ig, "some/path/to a/file.txt");
	df_pool_finish(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = size > 0 ? (const void *)data : "";
	struct df_pool p = { 0 };
	struct df_file f;

	if (df_parse(&p, text, size, &f))
		round_trip(&p, &f);
	else
		check_message(&p);
	df_pool_finish(&p);
	translate(text, size);
	match(text, size);
	return 0;
}
