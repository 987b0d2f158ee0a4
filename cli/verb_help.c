/* SPDX-License-Identifier: Apache-2.0
 *
 * verb_help.c - holos help, and the table of verbs.
 */
#include <base/alloc.h>
#include <base/names.h>
#include <cli.h>
#include <words.h>

#include <string.h>

const struct verb *const verbs[] = {
#define VERB(name) &entry_##name,
#include <verbs.h>
#undef VERB
	NULL
};

static const struct {
	const char *title, *page;
} groups[GROUP_COUNT] = {
	[GROUP_LIFE] = { "start and stop VMs", "holos-life" },
	[GROUP_LOOK] = { "look at them", "holos-look" },
	[GROUP_ENTER] = { "work inside", "holos-enter" },
	[GROUP_FILE] = { "the compose file", "holos-file" },
	[GROUP_STORE] = { "images and volumes", "holos-store" },
	[GROUP_HOST] = { "this host", "holos-host" },
	[GROUP_SELF] = { "holos itself", "holos-self" },
};

const char *verb_group_title(enum verb_group g)
{
	return groups[g].title;
}

const char *verb_group_page(enum verb_group g)
{
	return groups[g].page;
}

const struct verb *verb_find(const char *name)
{
	for (const struct verb *const *v = verbs; *v != NULL; v++) {
		if (strcmp((*v)->name, name) == 0)
			return *v;
	}
	return NULL;
}

int verb_unknown(const char *name, struct holos_error **err)
{
	const char *names[sizeof(verbs) / sizeof(verbs[0])];
	const char *near;
	size_t n = 0;

	for (const struct verb *const *v = verbs; *v != NULL; v++) {
		if (!(*v)->hidden)
			names[n++] = (*v)->name;
	}
	near = names_nearest(name, names, n);
	error_set(err, ERR_USAGE, "unknown command \"%s\"%s%s%s", name,
		  near != NULL ? "; did you mean \"" : "", near != NULL ? near : "",
		  near != NULL ? "\"?" : "");
	error_hint(err, "holos help lists the commands");
	return -ERR_USAGE;
}

int verb_unknown_word(const struct verb *v, const char *word, struct holos_error **err)
{
	_cleanup_(strv_finish) struct strv words = STRV_INIT;
	_cleanup_(freep) char *list = NULL;
	const char *near;
	unsigned kinds;

	(void)words_of_operand(v->operands, NULL, 0, &kinds, &words);
	list = strv_join(words.v, ", ");
	if (word == NULL)
		return error_set(err, ERR_USAGE, "%s needs one of: %s", v->name, list);
	near = names_nearest(word, (const char *const *)words.v, words.n);
	return error_set(err, ERR_USAGE, "unknown subcommand \"%s\" of %s%s%s%s; there are: %s",
			 word, v->name, near != NULL ? "; did you mean \"" : "",
			 near != NULL ? near : "", near != NULL ? "\"?" : "", list);
}

/* A group that no verb of this build is in is not shown. */
static void put_group(FILE *to, enum verb_group g)
{
	bool any = false;

	for (const struct verb *const *v = verbs; *v != NULL; v++) {
		if ((*v)->group != g || (*v)->hidden)
			continue;
		if (!any)
			fprintf(to, "\n%s:\n", groups[g].title);
		any = true;
		fprintf(to, "  holos %-11s %s\n", (*v)->name, (*v)->summary);
	}
}

void help_overview(FILE *to)
{
	fputs("holos - docker compose for KVM\n", to);
	for (enum verb_group g = 0; g < GROUP_COUNT; g++)
		put_group(to, g);
	fputs("\nholos help VERB tells what a verb takes, with examples.\n", to);
}

int verb_help(const struct verb *v, int argc, char **argv, struct holos_error **err)
{
	static const struct option_def defs[] = { OPTIONS_END };
	_cleanup_(strv_finish) struct strv operands = STRV_INIT;
	char help[] = "--help";
	char *args[] = { help, NULL };
	const struct verb *of;
	int r = options_parse(v, defs, false, argc, argv, &operands, err);

	if (r == 0)
		r = options_at_most(&operands, 1, err);
	if (r != 0)
		return r;
	if (operands.n == 0) {
		help_overview(stdout);
		return 0;
	}
	of = verb_find(operands.v[0]);
	return of != NULL ? of->run(of, 1, args, err) : verb_unknown(operands.v[0], err);
}

const struct verb entry_help = {
	.name = "help",
	.operands = "[VERB]",
	.summary = "list the verbs, or tell about one",
	.run = verb_help,
	.group = GROUP_SELF,
	.examples = { { "holos help up", "options and examples of up" } },
};
