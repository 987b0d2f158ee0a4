/* SPDX-License-Identifier: Apache-2.0
 *
 * cli.h - what the verbs share: options, messages, the project that is meant.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <base/printable.h>
#include <base/error.h>
#include <base/strv.h>
#include <compose/project.h>
#include <engine/engine.h>

#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>

/* ---- options ---------------------------------------------------------------- */

enum option_kind {
	OPTION_FLAG,  /* bool *; also --name=false */
	OPTION_VALUE, /* const char ** */
	OPTION_LIST,  /* struct strv *; may be repeated */
	OPTION_NAMES  /* the same; only --name=value has a value, --name alone adds "" */
};

struct option_def {
	const char *name; /* long, without dashes; NULL ends the table */
	char letter;      /* 0: none */
	enum option_kind kind;
	void *target;
	const char *arg;  /* "FILE": what the value is, as words.h tells */
	const char *help; /* NULL: accepted, not shown */
};

/* Parts of `holos help`; each is a man page. */
enum verb_group {
	GROUP_LIFE,  /* start and stop VMs */
	GROUP_LOOK,  /* look at them */
	GROUP_ENTER, /* work inside */
	GROUP_FILE,  /* the compose file */
	GROUP_STORE, /* images and volumes */
	GROUP_HOST,  /* this host */
	GROUP_SELF,  /* holos itself */
	GROUP_COUNT
};

#define VERB_EXAMPLES 6

struct verb_example {
	const char *command; /* "holos up --wait" */
	const char *what;    /* what it does, a few words */
};

/* All that is known of a verb but its options, which it hands to options_parse():
 * parser, help, man pages and completion read these two.  A new verb is an entry
 * (`const struct verb entry_NAME`) in its own file and a word in verbs.h. */
struct verb {
	const char *name;
	const char *operands; /* "[SERVICE...]", as words.h tells */
	const char *summary;  /* one line */
	int (*run)(const struct verb *v, int argc, char **argv, struct holos_error **err);
	enum verb_group group;
	const char *more; /* for its help: paragraphs, separated by empty lines; or NULL */
	struct verb_example examples[VERB_EXAMPLES]; /* ends with command NULL */
	bool hidden;                                 /* of use to programs alone */
};

extern const struct verb *const verbs[]; /* in the order of help; ends with NULL */
const struct verb *verb_find(const char *name);
/* An error with a "did you mean". */
int verb_unknown(const char *name, struct holos_error **err);

/* Call fn with the options of a verb, which does nothing else then. */
typedef void options_fn(void *data, const struct verb *v, const struct option_def *defs,
			bool first_operand_ends);
void verb_options(const struct verb *v, options_fn *fn, void *data);

/* Read the options of a verb.  GNU order: options anywhere before "--"; with
 * first_operand_ends, before the first operand.  Returns 0, or -ERR_USAGE, or
 * HELP_SHOWN when --help was there and has been printed. */
#define HELP_SHOWN 1
int options_parse(const struct verb *v, const struct option_def *defs, bool first_operand_ends,
		  int argc, char **argv, struct strv *operands, struct holos_error **err);
/* How far the words of a command line go: for completion, which reads one that is
 * not whole. */
struct options_state {
	const struct option_def *pending; /* the last word asks for its value; or NULL */
	bool ended;                       /* what follows are operands */
};
/* Only what options_parse() does with words; no help. */
int options_read(const struct verb *v, const struct option_def *defs, bool first_operand_ends,
		 int argc, char **argv, struct strv *operands, struct options_state *ret,
		 struct holos_error **err);
/* More than max operands is an error. */
int options_at_most(const struct strv *operands, size_t max, struct holos_error **err);
/* No subcommand of the verb ("rm"), by its operands: with a "did you mean".  word may
 * be NULL: there is none. */
int verb_unknown_word(const struct verb *v, const char *word, struct holos_error **err);
/* The help of a verb (help.c), and the list of all. */
void help_verb(const struct verb *v, const struct option_def *defs, FILE *to);
void help_overview(FILE *to);
/* What a group of verbs is about: "start and stop VMs", and the name of its page. */
const char *verb_group_title(enum verb_group g);
const char *verb_group_page(enum verb_group g);

/* The options that most verbs have, and what becomes of them. */
struct common {
	struct strv files;     /* -f */
	struct strv env_files; /* --env-file */
	struct strv profiles;  /* --profile */
	const char *project;   /* -p */
	const char *state_dir;
	const char *lock_timeout, *parallel, *progress;
	bool no_wait, json;
	const struct service_scale *scale; /* --scale; or NULL */
	size_t n_scale;
};

/* clang-format off */
#define COMMON_INIT { .files = STRV_INIT }
#define OPTIONS_STATE(c) \
	{ "state-dir", 0, OPTION_VALUE, &(c).state_dir, "DIR", "state directory" }
#define OPTIONS_FILE(c)                                                                       \
	{ "file", 'f', OPTION_LIST, &(c).files, "FILE", "compose file (may be repeated)" },   \
	{ "env-file", 0, OPTION_LIST, &(c).env_files, "FILE", "variables for the file" },     \
	{ "profile", 0, OPTION_LIST, &(c).profiles, "PROFILE", "switch on services of a profile" }
#define OPTIONS_PROJECT(c) \
	{ "project", 'p', OPTION_VALUE, &(c).project, "PROJECT", "the project" }
#define OPTIONS_LOCK(c)                                                                       \
	{ "lock-timeout", 0, OPTION_VALUE, &(c).lock_timeout, "TIME",                         \
	  "how long to wait for a busy project (default 5m)" },                               \
	{ "no-wait", 0, OPTION_FLAG, &(c).no_wait, NULL, "do not wait for a busy project" }
#define OPTIONS_WORK(c)                                                                       \
	{ "parallel", 0, OPTION_VALUE, &(c).parallel, "N", "VMs to work on at the same time" }, \
	OPTION_PROGRESS(c)
#define OPTION_PROGRESS(c) \
	{ "progress", 0, OPTION_VALUE, &(c).progress, "HOW", "auto, tty, plain, json or quiet" }
#define OPTION_TIMEOUT(target) \
	{ "timeout", 't', OPTION_VALUE, &(target), "TIME", \
	  "how long a guest may take to power off (10 or 10s; default: stop_grace_period)" }
#define OPTIONS_JSON(c) { "json", 0, OPTION_FLAG, &(c).json, NULL, "print JSON" }
#define OPTIONS_END { NULL, 0, OPTION_FLAG, NULL, NULL, NULL }
/* clang-format on */

void common_finish(struct common *c);
/* A Go duration option.  0 or -ERR_USAGE. */
int option_duration(const char *name, const char *text, uint64_t *ret_ns, struct holos_error **err);

/* -t of stop, restart and down (NULL: not given): seconds, or a duration. */
int option_grace(const char *text, struct stop_options *o, struct holos_error **err);

/* ---- messages ----------------------------------------------------------------- */

/* Print the chain and its hints to stderr. */
void print_error(const struct holos_error *err);
void print_warning(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Pretty, with a newline, to stdout; takes obj over. */
void print_json(struct json_object *obj);

/* Is there somebody to ask: are stdin and stderr a terminal? */
bool cli_can_ask(void);
/* "QUESTION? [y/N]" on stderr: true for y and yes alone. */
bool cli_yes(const char *question);
/* An up_ask_fn on the terminal. */
int cli_ask_losses(void *data, const char *const *losses, bool *ret_yes, struct holos_error **err);

struct table;
struct table *table_create(const char *indent, const char *const *header); /* NULL-terminated */
/* One row: as many strings as the header has columns. */
void table_row(struct table *t, ...);
void table_print(struct table *t, FILE *to); /* and destroy it */
/* The same; with `fit`, on a terminal, lines end at its width ("..."). */
void table_print_fitting(struct table *t, FILE *to, bool fit);
void table_destroy(struct table *t);

/* Ask on the terminal whether to do what is said ("remove volume x"); anything but yes is an error,
 * and so is nobody to ask (-y is due then). */
int cli_confirm(struct holos_error **err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* ---- progress --------------------------------------------------------------------- */

/* Events on stderr: one plain line per change; or lines of a terminal that are
 * drawn again. */
void plain_show(void *data, const struct engine_event *ev);
void live_show(void *data, const struct engine_event *ev);
/* Count seconds in this loop, which lives as long as there are events. */
void live_begin(struct loop *loop);
/* Draw the lines again: the terminal has another size. */
void live_draw(void);
/* Take away lines of work that will not go on: before something else is printed. */
void live_end(void);

/* ---- work ----------------------------------------------------------------------- */

/* An engine whose events are shown as --progress says, and which Ctrl-C
 * interrupts (a second one ends the program). */
int cli_engine(const struct common *c, const char *verb, bool writing, struct engine **ret,
	       struct holos_error **err);
/* For a verb without an engine: from now on Ctrl-C only makes interrupt_asked() true, and
 * a second one ends the program. */
void cli_signals_catch(void);
/* Undo what it did with signals, when the engine is gone and something else begins:
 * interrupt_asked() says no again. */
void cli_signals_default(void);
/* Load the compose file; warnings are printed. */
int cli_project(const struct common *c, const struct strv *services, struct project **ret,
		struct holos_error **err);
/* Translate its Dockerfiles, where it has some; engine_up() does so by itself. */
int cli_build(const struct common *c, const char *verb, struct project *p,
	      struct holos_error **err);
/* Only merged, as YAML with its variables left; the caller frees. */
int cli_project_merged(const struct common *c, char **ret, struct holos_error **err);
/* The same for a recorded project, from the file it came from. */
int cli_project_recorded(const struct common *c, const struct state *s, const char *name,
			 struct project **ret, struct holos_error **err);
/* The name of the project that is meant, by -p or the compose file here.  The
 * file is not read when a record already says whose it is.  The caller frees. */
int cli_project_name(const struct common *c, const struct state *s, char **ret,
		     struct holos_error **err);
/* Which project, and which operands are left for its services: the first operand
 * may name a project that is known, when it is no service of the one that is
 * meant here.  The caller frees *ret_project. */
int cli_resolve(const struct common *c, const struct state *s, const struct strv *operands,
		char **ret_project, char *const **ret_rest, struct holos_error **err);
/* The same for a verb that reads: the project as it is, and the services and instances
 * that were named, which are there (NULL or empty: all are meant).  The caller owns the
 * state and the project; the names are borrowed from the operands. */
int cli_read_members(const struct common *c, const struct strv *operands, struct state **ret_state,
		     struct project_status **ret, char *const **ret_names,
		     struct holos_error **err);
/* Is the VM, or its service, one of these? */
bool cli_is_named(const struct vm_status *v, char *const *names);
/* Is there a project of this name (a record or instances)? */
bool cli_is_project(const struct state *s, const char *name);
/* After up, start, stop, run: the contract's tables. */
void cli_print_project(const struct project_status *p);
/* The same, or its JSON, of how the project is now. */
int cli_show_project(struct engine *e, const char *project, bool json, struct holos_error **err);
/* What `up --dry-run` says. */
void cli_print_up_plan(struct json_object *plan);
/* "8080->80/tcp, ..." of an instance, "-" for none; the caller frees. */
char *cli_ports_text(const struct vm_status *v);
/* Of all instances of a service, runs of them as "8080-8082->80/tcp" and
 * "10.10.0.2-4"; NULL for none; the caller frees. */
char *cli_service_ports_text(const struct project_status *p, const char *service);
char *cli_service_addresses_text(const struct project_status *p, const char *service);
/* "12s", "3m5s", "4h10m", "6d2h"; the caller frees. */
char *cli_seconds_text(uint64_t seconds);
/* A running instance that can be entered over SSH, by its name or its service's
 * (index: the replica). */
int cli_find_instance(const struct project_status *p, const char *name, unsigned index,
		      struct vm_status **ret, struct holos_error **err);

/* ---- verbs ------------------------------------------------------------------------ */

#define VERB(name)                                                                                 \
	extern const struct verb entry_##name;                                                     \
	int verb_##name(const struct verb *v, int argc, char **argv, struct holos_error **err);
#include <verbs.h>
#undef VERB

#endif
