/* SPDX-License-Identifier: Apache-2.0
 *
 * manual.c - holos __manual DIR: the man pages, as scdoc(5) source, from the same
 * tables that the parser and the loader read.  The build asks for them.
 *
 * One page for holos, one for each group of verbs, one for the compose file; and for
 * each verb a link to its group's: `man holos-up`.
 */
#include <base/alloc.h>
#include <base/cleanup.h>
#include <cli.h>
#include <compose/manual.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Text with what scdoc would take for its own escaped. */
static void put(FILE *to, const char *text)
{
	for (; *text != '\0'; text++) {
		if (strchr("\\_*<>[]#|", *text) != NULL)
			fputc('\\', to);
		fputc(*text, to);
	}
}

static void put_page(FILE *to, const char *name, int section, const char *what)
{
	fprintf(to, "%s(%d) \"\" \"holos manual\"\n\n# NAME\n\n%s - %s\n\n", name, section, name,
		what);
}

/* "`holos up` ..." with what is between backquotes in bold. */
static void put_text(FILE *to, const char *text)
{
	while (*text != '\0') {
		size_t n = strcspn(text, "`");
		_cleanup_(freep) char *part = xstrndup(text, n);

		put(to, part);
		text += n;
		if (*text == '`')
			fputc('*', to);
		text += *text != '\0';
	}
}

/* ---- verbs ------------------------------------------------------------------------- */

static void put_options(void *data, const struct verb *v, const struct option_def *defs,
			bool first_operand_ends)
{
	FILE *to = data;

	(void)v;
	(void)first_operand_ends;
	for (; defs->name != NULL; defs++) {
		if (defs->help == NULL)
			continue;
		fputc('*', to);
		if (defs->letter != 0)
			fprintf(to, "-%c*, *", defs->letter);
		fprintf(to, "--%s*", defs->name);
		if (defs->arg != NULL && defs->kind == OPTION_NAMES) {
			put(to, defs->arg); /* scdoc underlines no part of a word */
		} else if (defs->arg != NULL) {
			fputs(" _", to);
			put(to, defs->arg);
			fputc('_', to);
		}
		fputs("\n\t", to);
		put(to, defs->help);
		fputs("\n\n", to);
	}
}

static void put_usage(FILE *to, const struct verb *v)
{
	fprintf(to, "*holos %s* \\[OPTIONS\\] ", v->name);
	put(to, v->operands);
}

static void put_verb(FILE *to, const struct verb *v)
{
	fprintf(to, "# HOLOS %s\n\n", v->name);
	put_usage(to, v);
	fputs("\n\n", to);
	put(to, v->summary);
	fputs(".\n\n", to);
	if (v->more != NULL) {
		put_text(to, v->more);
		fputs("\n\n", to);
	}
	verb_options(v, put_options, to);
	for (size_t i = 0; i < VERB_EXAMPLES && v->examples[i].command != NULL; i++) {
		fputs(i == 0 ? "Examples:\n\n*" : "*", to);
		put(to, v->examples[i].command);
		fputs("*\n\t", to);
		put(to, v->examples[i].what);
		fputs("\n\n", to);
	}
}

/* ---- pages -------------------------------------------------------------------------- */

struct pages {
	const char *dir;
	struct holos_error **err;
};

static FILE *open_page(const struct pages *p, const char *file)
{
	_cleanup_(freep) char *path = xasprintf("%s/%s", p->dir, file);
	FILE *f = fopen(path, "we");

	if (f == NULL)
		error_sys(p->err, ERR_FAILED, errno, "cannot write %s", path);
	return f;
}

static int close_page(const struct pages *p, FILE *f, const char *file)
{
	bool bad = ferror(f) != 0;

	if (fclose(f) == 0 && !bad)
		return 0;
	return error_sys(p->err, ERR_FAILED, errno, "cannot write %s/%s", p->dir, file);
}

static bool is_of(const struct verb *v, enum verb_group g)
{
	return v->group == g && !v->hidden;
}

/* `man holos-up` is the page of its group. */
static int refer(const struct pages *p, const struct verb *v)
{
	_cleanup_(freep) char *path = xasprintf("%s/holos-%s.1", p->dir, v->name);
	_cleanup_(freep) char *page = xasprintf("%s.1", verb_group_page(v->group));

	if (symlink(page, path) == 0)
		return 0;
	return error_sys(p->err, ERR_FAILED, errno, "cannot make %s", path);
}

static int group_page(const struct pages *p, enum verb_group g)
{
	const char *name = verb_group_page(g);
	_cleanup_(freep) char *file = xasprintf("%s.1.scd", name);
	FILE *to;
	int r = 0;
	bool any = false;

	for (const struct verb *const *v = verbs; *v != NULL; v++)
		any = any || is_of(*v, g);
	if (!any)
		return 0;
	to = open_page(p, file);
	if (to == NULL)
		return -ERR_FAILED;
	put_page(to, name, 1, verb_group_title(g));
	fputs("# SYNOPSIS\n\n", to);
	for (const struct verb *const *v = verbs; *v != NULL; v++) {
		if (!is_of(*v, g))
			continue;
		put_usage(to, *v);
		fputs("\n\n", to);
	}
	for (const struct verb *const *v = verbs; *v != NULL && r == 0; v++) {
		if (!is_of(*v, g))
			continue;
		put_verb(to, *v);
		r = refer(p, *v);
	}
	fputs("# SEE ALSO\n\n*holos*(1), *holos.yaml*(5)\n", to);
	return close_page(p, to, file) < 0 ? -ERR_FAILED : r;
}

static const char description[] =
	"holos runs stacks of virtual machines on one Linux host: one YAML file describes them,\n"
	"*holos up* boots them, each with its own kernel, disk and first-boot configuration, "
	"waits\n"
	"until they are healthy in dependency order, and *holos exec* gives a shell in any of "
	"them.\n"
	"It needs no root and no daemon.\n\n"
	"The compose file, *holos.yaml*(5), is looked for in the current directory and its "
	"parents.\n"
	"Options may stand anywhere before *--*; *--name=value* is the same as *--name value*, "
	"and\n"
	"long options may have one dash.\n\n";

static const struct {
	int status;
	const char *what;
} statuses[] = {
	{ 0, "done" },
	{ 1, "failed" },
	{ 2, "wrong usage" },
	{ 3, "the compose file is wrong" },
	{ 4, "this host cannot do it: QEMU is missing, a permission" },
	{ 5, "the project is busy" },
	{ 6, "a VM did not start" },
	{ 7, "not healthy, or not ready, in time" },
	{ 8, "an image is not what it should be" },
	{ 125, "holos itself failed in *exec*; otherwise it ends as the command did" },
	{ 130, "interrupted" },
};

static const struct {
	const char *name, *what;
} variables[] = {
	{ "HOLOS_STATE_DIR", "where everything is kept, as --state-dir" },
	{ "HOLOS_PROJECT_NAME", "the project's name, unless -p says another" },
	{ "HOLOS_FILE", "compose files, as -f, with colons between" },
	{ "HOLOS_ENV_FILES", "env files, as --env-file, with commas between" },
	{ "HOLOS_PROFILES", "profiles that are on, with commas between" },
	{ "HOLOS_ACCEL", "kvm or tcg, in place of what is found to work and of vm.accel" },
	{ "HOLOS_QEMU_SYSTEM, HOLOS_QEMU_IMG", "the programs, in place of those of $PATH" },
	{ "HOLOS_OVMF_CODE, HOLOS_OVMF_VARS", "the UEFI firmware: both or neither" },
	{ "HOLOS_ARCH", "x86_64 or aarch64: VMs of that architecture, emulated where need be" },
	{ "HOLOS_HOST_ROOT", "a directory with the host's /sys, /dev/vfio, /etc, /usr: for tests" },
	{ "HOLOS_PLUGIN_PATH", "directories of plugins, searched first" },
	{ "HOLOS_LIBEXEC_DIR, HOLOS_MODULE_DIR", "parts of holos that lie elsewhere" },
	{ "HOLOS_HEALTH_BYPASS", "not empty: every health probe succeeds at once" },
	{ "HOLOS_FETCH_TIMEOUT, HOLOS_FETCH_RETRIES",
	  "how long a download may stand still, and how often it is tried again" },
	{ "NO_COLOR", "not empty: no colours" },
	{ "TERM", "dumb or missing: progress in plain lines" },
	{ "HTTP_PROXY, HTTPS_PROXY, NO_PROXY", "for downloads" },
};

static int main_page(const struct pages *p)
{
	static const char file[] = "holos.1.scd";
	FILE *to = open_page(p, file);

	if (to == NULL)
		return -ERR_FAILED;
	put_page(to, "holos", 1, "Docker Compose for KVM");
	fprintf(to,
		"# SYNOPSIS\n\n*holos* _VERB_ \\[OPTIONS\\] \\[OPERANDS\\]\n\n*holos help* "
		"\\[_VERB_\\]\n\n# DESCRIPTION\n\n%s# VERBS\n\n",
		description);
	for (const struct verb *const *v = verbs; *v != NULL; v++) {
		if ((*v)->hidden)
			continue;
		fprintf(to, "*%s*\n\t", (*v)->name);
		put(to, (*v)->summary);
		fprintf(to, ": *%s*(1)\n\n", verb_group_page((*v)->group));
	}
	fputs("# EXIT STATUS\n\n", to);
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		fprintf(to, "*%d*\n\t%s\n\n", statuses[i].status, statuses[i].what);
	fputs("# ENVIRONMENT\n\n", to);
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		fputc('*', to);
		put(to, variables[i].name);
		fputs("*\n\t", to);
		put(to, variables[i].what);
		fputs("\n\n", to);
	}
	fputs("# FILES\n\n_holos.yaml_, _holos.override.yaml_, _.env_, _holos.lock_\n"
	      "\tthe compose file, what is merged into it, variables, and the images it means\n\n"
	      "_~/.local/state/holos_, _/var/lib/holos_ (root)\n"
	      "\tthe state directory: records, disks, volumes, keys, images\n\n"
	      "# SEE ALSO\n\n",
	      to);
	for (enum verb_group g = 0; g < GROUP_COUNT; g++)
		fprintf(to, "*%s*(1), ", verb_group_page(g));
	fputs("*holos.yaml*(5), *holos-plugin*(7)\n", to);
	return close_page(p, to, file);
}

static int file_page(const struct pages *p)
{
	static const char file[] = "holos.yaml.5.scd";
	FILE *to = open_page(p, file);

	if (to == NULL)
		return -ERR_FAILED;
	put_page(to, "holos.yaml", 5, "a stack of virtual machines for holos");
	compose_manual(to);
	fputs("# SEE ALSO\n\n*holos*(1), *holos-file*(1)\n", to);
	return close_page(p, to, file);
}

int verb_manual(const struct verb *v, int argc, char **argv, struct holos_error **err)
{
	struct pages p = { .dir = argc > 0 ? argv[0] : ".", .err = err };
	int r = main_page(&p);

	(void)v;
	for (enum verb_group g = 0; g < GROUP_COUNT && r == 0; g++)
		r = group_page(&p, g);
	return r == 0 ? file_page(&p) : r;
}

const struct verb entry_manual = {
	.name = "__manual",
	.operands = "DIR",
	.summary = "write the man pages there, for scdoc",
	.run = verb_manual,
	.group = GROUP_SELF,
	.hidden = true,
};
