/* SPDX-License-Identifier: Apache-2.0
 *
 * help.c - the help of one verb, in 79 columns.
 */
#include <base/alloc.h>
#include <cli.h>

#include <string.h>

#define WIDTH        79
#define OPTION_WIDTH 26 /* of "  -f, --file FILE" */

/* Words of text, in lines that begin at column `indent`; the first line has got
 * `at` columns already. */
static void put_wrapped(FILE *to, const char *text, unsigned indent, unsigned at)
{
	const char *gap = "";

	while (*text != '\0') {
		unsigned n = (unsigned)strcspn(text, " \n");

		if (at + (unsigned)strlen(gap) + n > WIDTH && at > indent) {
			fprintf(to, "\n%*s", (int)indent, "");
			at = indent;
			gap = "";
		}
		at += (unsigned)fprintf(to, "%s%.*s", gap, (int)n, text);
		text += n;
		gap = " ";
		if (*text == '\n') {
			fprintf(to, "\n%*s", (int)indent, "");
			at = indent;
			gap = "";
		}
		text += *text != '\0';
	}
	fputc('\n', to);
}

static void put_left(FILE *to, const char *left, unsigned width, const char *text)
{
	unsigned at = (unsigned)fprintf(to, "  %s", left);

	if (at > width) { /* too long to stand beside its text */
		fputc('\n', to);
		at = 0;
	}
	fprintf(to, "%*s", (int)(width + 2 - at), "");
	put_wrapped(to, text, width + 2, width + 2);
}

static void put_options(FILE *to, const struct option_def *defs)
{
	for (; defs->name != NULL; defs++) {
		_cleanup_(freep) char *left = NULL;

		if (defs->help == NULL)
			continue;
		left = xasprintf("%s%c%s--%s%s%s", defs->letter != 0 ? "-" : " ",
				 defs->letter != 0 ? defs->letter : ' ',
				 defs->letter != 0 ? ", " : "  ", defs->name,
				 defs->arg != NULL && defs->kind != OPTION_NAMES ? " " : "",
				 defs->arg != NULL ? defs->arg : "");
		put_left(to, left, OPTION_WIDTH, defs->help);
	}
}

/* As wide as the widest, or a third of the line. */
static unsigned example_width(const struct verb *v)
{
	unsigned most = 0;

	for (size_t i = 0; i < VERB_EXAMPLES && v->examples[i].command != NULL; i++) {
		unsigned n = (unsigned)strlen(v->examples[i].command);

		most = n > most && n <= WIDTH / 2 ? n : most;
	}
	return most + 2;
}

void help_verb(const struct verb *v, const struct option_def *defs, FILE *to)
{
	fprintf(to, "usage: holos %s [OPTIONS]%s%s\n\n%s\n", v->name,
		v->operands[0] != '\0' ? " " : "", v->operands, v->summary);
	if (v->more != NULL) {
		fputc('\n', to);
		put_wrapped(to, v->more, 0, 0);
	}
	if (defs->name != NULL) {
		fputs("\noptions:\n", to);
		put_options(to, defs);
	}
	if (v->examples[0].command != NULL)
		fputs("\nexamples:\n", to);
	for (size_t i = 0; i < VERB_EXAMPLES && v->examples[i].command != NULL; i++)
		put_left(to, v->examples[i].command, example_width(v), v->examples[i].what);
}
