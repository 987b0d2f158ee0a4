/* SPDX-License-Identifier: Apache-2.0
 *
 * options.c - the command line of a verb.
 *
 * GNU order and forms, and for scripts of the existing implementation Go's
 * single dash: -json, -json=false, -lock-timeout 5s.  An exact long name beats
 * a cluster of short ones.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/names.h>
#include <base/units.h>
#include <cli.h>

#include <stdlib.h>
#include <string.h>

static const struct option_def *find_long(const struct option_def *defs, const char *name,
					  size_t len)
{
	for (; defs->name != NULL; defs++) {
		if (strlen(defs->name) == len && strncmp(defs->name, name, len) == 0)
			return defs;
	}
	return NULL;
}

static const struct option_def *find_letter(const struct option_def *defs, char letter)
{
	for (; defs->name != NULL; defs++) {
		if (defs->letter == letter)
			return defs;
	}
	return NULL;
}

static int usage(const struct verb *v, struct holos_error **err, const char *what, const char *word,
		 const char *near)
{
	error_set(err, ERR_USAGE, "%s %s%s%s%s", what, word,
		  near != NULL ? "; did you mean --" : "", near != NULL ? near : "",
		  near != NULL ? "?" : "");
	error_hint(err, "holos help %s", v->name);
	return -ERR_USAGE;
}

static int unknown(const struct verb *v, const struct option_def *defs, const char *arg,
		   struct holos_error **err)
{
	const char *names[64];
	size_t n = 0;
	_cleanup_(freep) char *word = NULL;

	for (; defs->name != NULL && n < 64; defs++) {
		if (defs->help != NULL)
			names[n++] = defs->name;
	}
	word = xstrndup(arg, strcspn(arg, "="));
	return usage(v, err, "unknown option", word,
		     names_nearest(word + strspn(word, "-"), names, n));
}

static int parse_bool(const char *text, bool *ret)
{
	static const char *const yes[] = { "true", "1", "t", "T", "TRUE", "True" };
	static const char *const no[] = { "false", "0", "f", "F", "FALSE", "False" };

	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		if (strcmp(text, yes[i]) == 0 || strcmp(text, no[i]) == 0) {
			*ret = strcmp(text, yes[i]) == 0;
			return 0;
		}
	}
	return -1;
}

static int store(const struct verb *v, const struct option_def *d, const char *value,
		 struct holos_error **err)
{
	switch (d->kind) {
	case OPTION_FLAG:
		if (value == NULL)
			*(bool *)d->target = true;
		else if (parse_bool(value, d->target) < 0) {
			_cleanup_(freep) char *word = xasprintf("--%s=%s", d->name, value);

			return usage(v, err, "must be true or false:", word, NULL);
		}
		break;
	case OPTION_VALUE:
		*(const char **)d->target = value;
		break;
	case OPTION_LIST:
		strv_add(d->target, value);
		break;
	case OPTION_NAMES:
		strv_add(d->target, value != NULL ? value : "");
		break;
	}
	return 0;
}

static bool takes_next(const struct option_def *d)
{
	return d->kind == OPTION_VALUE || d->kind == OPTION_LIST;
}

/* The line ends where the value of d should be. */
static int due(const struct verb *v, const struct option_def *d, const char *arg,
	       struct options_state *state, struct holos_error **err)
{
	state->pending = d;
	return usage(v, err, "a value is due after", arg, NULL);
}

/* -abc or -fFILE or -f FILE: each letter an option. */
static int parse_cluster(const struct verb *v, const struct option_def *defs, int argc, char **argv,
			 int *at, struct options_state *state, struct holos_error **err)
{
	const char *arg = argv[*at];

	for (const char *c = arg + 1; *c != '\0'; c++) {
		const struct option_def *d = find_letter(defs, *c);
		const char *value;
		int r;

		if (d == NULL)
			return unknown(v, defs, arg, err);
		if (!takes_next(d)) {
			r = store(v, d, NULL, err);
			if (r < 0)
				return r;
			continue;
		}
		if (c[1] != '\0')
			value = c[1] == '=' ? c + 2 : c + 1;
		else if (*at + 1 < argc)
			value = argv[++*at];
		else
			return due(v, d, arg, state, err);
		return store(v, d, value, err);
	}
	return 0;
}

int options_read(const struct verb *v, const struct option_def *defs, bool first_operand_ends,
		 int argc, char **argv, struct strv *operands, struct options_state *ret,
		 struct holos_error **err)
{
	*ret = (struct options_state){ 0 };
	for (int i = 0; i < argc; i++) {
		const char *arg = argv[i];
		const char *name = arg + (arg[0] == '-') + (arg[0] == '-' && arg[1] == '-');
		size_t len = strcspn(name, "=");
		const char *value = name[len] == '=' ? name + len + 1 : NULL;
		const struct option_def *d;
		int r;

		if (strcmp(arg, "--") == 0) {
			strv_add_all(operands, argv + i + 1);
			ret->ended = true;
			return 0;
		}
		if (arg[0] != '-' || arg[1] == '\0') {
			strv_add(operands, arg);
			if (!first_operand_ends)
				continue;
			strv_add_all(operands, argv + i + 1);
			ret->ended = true;
			return 0;
		}
		if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0 ||
		    strcmp(arg, "-help") == 0)
			return HELP_SHOWN;
		/* A single letter behind one dash is a short option. */
		d = arg[1] != '-' && len == 1 ? NULL : find_long(defs, name, len);
		if (d == NULL && arg[1] != '-') {
			r = parse_cluster(v, defs, argc, argv, &i, ret, err);
		} else if (d == NULL) {
			return unknown(v, defs, arg, err);
		} else if (takes_next(d) && value == NULL && i + 1 == argc) {
			return due(v, d, arg, ret, err);
		} else {
			if (takes_next(d) && value == NULL)
				value = argv[++i];
			r = store(v, d, value, err);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

/* Set while somebody asks for a verb's options. */
static struct {
	options_fn *fn;
	void *data;
} asked;

void verb_options(const struct verb *v, options_fn *fn, void *data)
{
	char *none[] = { NULL };

	asked.fn = fn;
	asked.data = data;
	(void)v->run(v, 0, none, NULL);
	asked.fn = NULL;
}

int options_parse(const struct verb *v, const struct option_def *defs, bool first_operand_ends,
		  int argc, char **argv, struct strv *operands, struct holos_error **err)
{
	struct options_state state;
	int r;

	if (asked.fn != NULL) {
		asked.fn(asked.data, v, defs, first_operand_ends);
		return HELP_SHOWN;
	}
	r = options_read(v, defs, first_operand_ends, argc, argv, operands, &state, err);
	if (r == HELP_SHOWN)
		help_verb(v, defs, stdout);
	return r;
}

int options_at_most(const struct strv *operands, size_t max, struct holos_error **err)
{
	if (operands->n <= max)
		return 0;
	return error_set(err, ERR_USAGE, "unexpected argument \"%s\"", operands->v[max]);
}

int option_duration(const char *name, const char *text, uint64_t *ret_ns, struct holos_error **err)
{
	if (units_parse_duration(text, ret_ns) == 0)
		return 0;
	return error_set(err, ERR_USAGE, "--%s %s: must be a duration such as 30s or 2m", name,
			 text);
}

int option_grace(const char *text, struct stop_options *o, struct holos_error **err)
{
	int64_t seconds;

	if (text == NULL)
		return 0;
	if (units_parse_int(text, 0, 1000000, &seconds) == 0)
		o->grace_ns = (uint64_t)seconds * NS_PER_S;
	else if (units_parse_duration(text, &o->grace_ns) < 0)
		return error_set(err, ERR_USAGE,
				 "--timeout %s: must be seconds, or a duration such as 30s or 2m",
				 text);
	o->set_grace = true;
	return 0;
}

void common_finish(struct common *c)
{
	strv_finish(&c->files);
	strv_finish(&c->env_files);
	strv_finish(&c->profiles);
}
