/* SPDX-License-Identifier: Apache-2.0
 *
 * complete.c - holos __complete: what can stand at the end of a command line.  The
 * scripts of `holos completion` ask it at each press of the key, so what they
 * propose is what this holos takes, and what there is now.
 *
 * Printed are lines "WORD<TAB>DESCRIPTION", and last ":files" or ":dirs" when names of
 * files may stand there as well; ":unknown" where words.c does not know the place, which
 * is a mistake of ours.  Whatever fails proposes nothing.
 */
#include <base/alloc.h>
#include <cli.h>
#include <engine/imagelist.h>
#include <engine/volumes.h>
#include <plugin/registry.h>
#include <words.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct complete {
	const char *word;   /* what is there of it */
	const char *prefix; /* "--file=" before it, which the shell wants back */
	char **argv;        /* the words before, behind the verb's name */
	int argc;
	struct strv operands; /* ... and which of them are operands */
	struct common c;      /* what they say about project and state directory */
	struct strv printed;
};

/* Each word once. */
static void propose(struct complete *q, const char *word, const char *what)
{
	if (strncmp(word, q->word, strlen(q->word)) != 0 || strv_has(&q->printed, word))
		return;
	strv_add(&q->printed, word);
	printf("%s%s\t%s\n", q->prefix, word, what);
}

/* ---- names -------------------------------------------------------------------------- */

static void propose_verbs(struct complete *q)
{
	for (const struct verb *const *v = verbs; *v != NULL; v++) {
		if (!(*v)->hidden)
			propose(q, (*v)->name, (*v)->summary);
	}
}

static void propose_projects(struct complete *q, const struct state *s)
{
	_cleanup_(strv_finish) struct strv list = STRV_INIT;

	if (state_list_projects(s, &list, NULL) < 0)
		return;
	for (size_t i = 0; i < list.n; i++)
		propose(q, list.v[i], "project");
}

/* What of the compose file here may be named. */
static void propose_of_file(struct complete *q, unsigned kinds)
{
	_cleanup_(project_destroyp) struct project *p = NULL;

	if (q->c.profiles.n == 0)
		strv_add(&q->c.profiles, "*"); /* what is switched off may be named as well */
	if (cli_project(&q->c, NULL, &p, NULL) < 0)
		return;
	for (size_t i = 0; i < p->n_services; i++) {
		const struct service *sv = &p->services[i];

		if ((kinds & WORDS_SERVICE) != 0)
			propose(q, sv->name, sv->image != NULL ? sv->image : "service");
		for (size_t k = 0; (kinds & WORDS_PROFILE) != 0 && sv->profiles != NULL &&
				   sv->profiles[k] != NULL;
		     k++)
			propose(q, sv->profiles[k], "profile");
	}
}

static void propose_members(struct complete *q, const struct state *s, unsigned kinds)
{
	_cleanup_(project_status_destroyp) struct project_status *p = NULL;
	_cleanup_(freep) const char **services = NULL;
	_cleanup_(freep) char *name = NULL;
	char *const *rest;
	size_t n;

	if (cli_resolve(&q->c, s, &q->operands, &name, &rest, NULL) < 0 ||
	    project_status_read_brief(s, name, &p, NULL) < 0)
		return;
	n = project_status_services(p, &services);
	for (size_t i = 0; (kinds & WORDS_SERVICE) != 0 && i < n; i++)
		propose(q, services[i], "service");
	for (size_t i = 0; (kinds & WORDS_INSTANCE) != 0 && i < p->n_vms; i++)
		propose(q, p->vms[i].name, vm_state_name(p->vms[i].vm->state));
}

static void propose_volumes(struct complete *q, const struct state *s)
{
	_cleanup_(freep) char *name = NULL;
	struct volume_info *list = NULL;
	size_t n = 0;

	if (cli_project_name(&q->c, s, &name, NULL) < 0 ||
	    volumes_list(s, name, &list, &n, NULL) < 0)
		return;
	for (size_t i = 0; i < n; i++)
		propose(q, list[i].name, "volume");
	volumes_list_free(list, n);
}

static void propose_images(struct complete *q)
{
	_cleanup_(engine_destroyp) struct engine *e = NULL;
	struct common quiet = { .state_dir = q->c.state_dir, .progress = "quiet" };
	struct image_row *rows;
	size_t n;

	if (cli_engine(&quiet, "images", false, &e, NULL) < 0 ||
	    images_list(e, false, &rows, &n, NULL) < 0)
		return;
	for (size_t i = 0; i < n; i++) {
		if (rows[i].ref != NULL)
			propose(q, rows[i].ref, rows[i].disk != NULL ? "in the store" : "image");
	}
	image_rows_free(rows, n);
}

static void propose_plugins(struct complete *q)
{
	_cleanup_(registry_destroyp) struct registry *reg = registry_create(NULL);
	const struct plugin_info *const *all;
	size_t n;

	registry_list(reg, &all, &n);
	for (size_t i = 0; i < n; i++) {
		_cleanup_(freep) char *full = xasprintf("%s-%s", all[i]->kind, all[i]->name);
		_cleanup_(freep) char *what =
			printable(all[i]->summary != NULL ? all[i]->summary : "plugin");

		propose(q, all[i]->name, what);
		propose(q, full, what); /* where several kinds have the name */
	}
}

static void propose_kinds(struct complete *q, unsigned kinds, const struct strv *fixed)
{
	_cleanup_(freep) char *dir = state_default_dir(q->c.state_dir);
	_cleanup_(state_closep) struct state *s = NULL;

	for (size_t i = 0; i < fixed->n; i++)
		propose(q, fixed->v[i], "");
	if ((kinds & WORDS_VERB) != 0)
		propose_verbs(q);
	if (state_open(dir, false, &s, NULL) == 0) {
		if ((kinds & (WORDS_SERVICE | WORDS_INSTANCE)) != 0)
			propose_members(q, s, kinds);
		if ((kinds & WORDS_PROJECT) != 0)
			propose_projects(q, s);
		if ((kinds & WORDS_VOLUME) != 0)
			propose_volumes(q, s);
	}
	if ((kinds & (WORDS_SERVICE | WORDS_PROFILE)) != 0)
		propose_of_file(q, kinds);
	if ((kinds & WORDS_IMAGE) != 0)
		propose_images(q);
	if ((kinds & WORDS_PLUGIN) != 0)
		propose_plugins(q);
	if ((kinds & (WORDS_FILE | WORDS_IMAGE)) != 0)
		puts(":files");
	else if ((kinds & WORDS_DIR) != 0)
		puts(":dirs");
}

/* ---- the place ------------------------------------------------------------------------ */

static void propose_value(struct complete *q, const struct option_def *d)
{
	_cleanup_(strv_finish) struct strv fixed = STRV_INIT;
	unsigned kinds = 0;

	if (d->arg != NULL && !words_of(d->arg, &kinds, &fixed))
		puts(":unknown");
	propose_kinds(q, kinds, &fixed);
}

static void propose_options(struct complete *q, const struct option_def *defs)
{
	for (; defs->name != NULL; defs++) {
		_cleanup_(freep) char *word = xasprintf("--%s", defs->name);

		if (defs->help != NULL)
			propose(q, word, defs->help);
	}
	propose(q, "--help", "tell about this verb");
}

/* Where the options that were given left their values: on the verb's stack. */
static void take_common(struct complete *q, const struct option_def *defs)
{
	for (; defs->name != NULL; defs++) {
		const char *const *value = defs->kind == OPTION_VALUE ? defs->target : NULL;
		const struct strv *list = defs->kind == OPTION_LIST ? defs->target : NULL;

		if (strcmp(defs->name, "project") == 0 && value != NULL)
			q->c.project = *value;
		else if (strcmp(defs->name, "state-dir") == 0 && value != NULL)
			q->c.state_dir = *value;
		else if (strcmp(defs->name, "file") == 0 && list != NULL)
			strv_add_all(&q->c.files, list->v);
		else if (strcmp(defs->name, "env-file") == 0 && list != NULL)
			strv_add_all(&q->c.env_files, list->v);
	}
}

static const struct option_def *named(const struct option_def *defs, const char *name, size_t len)
{
	for (; defs->name != NULL; defs++) {
		if (strlen(defs->name) == len && strncmp(defs->name, name, len) == 0)
			return defs;
	}
	return NULL;
}

static void complete_verb(void *data, const struct verb *v, const struct option_def *defs,
			  bool first_operand_ends)
{
	struct complete *q = data;
	struct options_state at;
	int r = options_read(v, defs, first_operand_ends, q->argc, q->argv, &q->operands, &at,
			     NULL);
	size_t len = strcspn(q->word, "=");

	take_common(q, defs);
	if (at.pending != NULL) {
		propose_value(q, at.pending);
	} else if (r != 0) {
		return; /* a mistake before: nothing can be right behind it */
	} else if (!at.ended && strncmp(q->word, "--", 2) == 0 && q->word[len] == '=') {
		const struct option_def *d = named(defs, q->word + 2, len - 2);
		_cleanup_(freep) char *prefix = xstrndup(q->word, len + 1);

		q->prefix = prefix;
		q->word += len + 1;
		if (d != NULL)
			propose_value(q, d);
		q->prefix = "";
	} else if (!at.ended && q->word[0] == '-') {
		propose_options(q, defs);
	} else {
		_cleanup_(strv_finish) struct strv fixed = STRV_INIT;
		unsigned kinds;

		if (!words_of_operand(v->operands, q->operands.v, q->operands.n, &kinds, &fixed))
			puts(":unknown");
		propose_kinds(q, kinds, &fixed);
	}
}

/* What goes wrong is of no interest to whoever types. */
static void be_quiet(void)
{
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		dup2(fd, STDERR_FILENO);
	close(fd);
}

int verb_complete(const struct verb *v, int argc, char **argv, struct holos_error **err)
{
	struct complete q = { .prefix = "" };
	const struct verb *of;

	(void)v;
	(void)err;
	be_quiet();
	if (argc > 0 && strcmp(argv[0], "--") == 0) {
		argc--;
		argv++;
	}
	q.word = argc > 0 ? argv[argc - 1] : "";
	if (argc <= 1) {
		propose_verbs(&q);
		propose(&q, "--help", "list the verbs");
		propose(&q, "--version", "print the version");
	} else if ((of = verb_find(argv[0])) != NULL && !of->hidden) {
		q.argv = argv + 1;
		q.argc = argc - 2;
		verb_options(of, complete_verb, &q);
	}
	strv_finish(&q.operands);
	strv_finish(&q.printed);
	common_finish(&q.c);
	return 0;
}

const struct verb entry_complete = {
	.name = "__complete",
	.operands = "WORD...",
	.summary = "what the last of the words may be",
	.run = verb_complete,
	.group = GROUP_SELF,
	.hidden = true,
};
