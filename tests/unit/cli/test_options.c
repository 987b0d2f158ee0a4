/* SPDX-License-Identifier: Apache-2.0
 *
 * test_options.c - command lines in GNU's forms and in Go's (contract.md 1.1).
 */
#include "../base/harness.h"

#include <cli.h>

static struct {
	bool json, quiet, all;
	const char *name, *timeout;
	struct strv files, env;
} got;

static const struct option_def defs[] = {
	{ "file", 'f', OPTION_LIST, &got.files, "FILE", "compose file" },
	{ "json", 0, OPTION_FLAG, &got.json, NULL, "print JSON" },
	{ "quiet", 'q', OPTION_FLAG, &got.quiet, NULL, "say less" },
	{ "all", 'a', OPTION_FLAG, &got.all, NULL, "all of it" },
	{ "name", 'n', OPTION_VALUE, &got.name, "NAME", "a name" },
	{ "lock-timeout", 0, OPTION_VALUE, &got.timeout, "TIME", "how long" },
	{ "env", 'e', OPTION_LIST, &got.env, "K=V", "a variable" },
	{ "detach", 0, OPTION_FLAG, &got.all, NULL, NULL }, /* taken and not shown */
	OPTIONS_END,
};

static const struct verb verb = {
	.name = "try",
	.operands = "[SERVICE...]",
	.summary = "test the options",
	.examples = { { "holos try web", "try it" } },
};

static void clear(void)
{
	strv_finish(&got.files);
	strv_finish(&got.env);
	memset(&got, 0, sizeof(got));
}

/* Words are separated by one space; "''" is an empty word. */
static int parse(const char *line, bool first_operand_ends, struct strv *operands,
		 struct holos_error **err)
{
	static char words[512];
	static char *argv[32];
	int argc = 0;
	char *next = words;

	snprintf(words, sizeof(words), "%s", line);
	while (next != NULL && *next != '\0') {
		argv[argc] = strsep(&next, " ");
		if (strcmp(argv[argc], "''") == 0)
			argv[argc] += 2;
		argc++;
	}
	argv[argc] = NULL;
	return options_parse(&verb, defs, first_operand_ends, argc, argv, operands, err);
}

/* All that was understood, in one line. */
static char *understood(const struct strv *operands)
{
	struct strbuf b = STRBUF_INIT;
	_cleanup_(freep) char *files = strv_join(got.files.v, ",");
	_cleanup_(freep) char *env = strv_join(got.env.v, ",");
	_cleanup_(freep) char *rest = strv_join(operands->v, "|");

	strbuf_addf(&b, "%s%s%s", got.json ? "json " : "", got.quiet ? "quiet " : "",
		    got.all ? "all " : "");
	if (got.name != NULL)
		strbuf_addf(&b, "name=%s ", got.name);
	if (got.timeout != NULL)
		strbuf_addf(&b, "timeout=%s ", got.timeout);
	if (got.files.n != 0)
		strbuf_addf(&b, "files=%s ", files);
	if (got.env.n != 0)
		strbuf_addf(&b, "env=%s ", env);
	if (operands->n != 0)
		strbuf_addf(&b, "(%s)", rest);
	return strbuf_steal(&b);
}

static const struct {
	const char *line, *want;
} good[] = {
	{ "", "" },
	{ "web db", "(web|db)" },
	/* GNU: options anywhere. */
	{ "--json web", "json (web)" },
	{ "web --json", "json (web)" },
	{ "web --json db -q", "json quiet (web|db)" },
	{ "--name x", "name=x " },
	{ "--name=x", "name=x " },
	{ "--name= y", "name= (y)" },
	{ "--name ''", "name= " },
	{ "--name=a=b", "name=a=b " },
	{ "--name --json", "name=--json " }, /* a value is a value */
	{ "--name --", "name=-- " },
	{ "--name x --name y", "name=y " }, /* the last one */
	{ "-n x", "name=x " },
	{ "-nx", "name=x " },
	{ "-n=x", "name=x " },
	{ "-fFILE", "files=FILE " },
	{ "-f FILE", "files=FILE " },
	{ "-f=FILE", "files=FILE " },
	{ "-f a -f b --file c --file=d", "files=a,b,c,d " },
	{ "-f - x", "files=- (x)" },
	{ "-f ./a=b", "files=./a=b " },
	/* Clusters. */
	{ "-qa", "quiet all " },
	{ "-aq web", "quiet all (web)" },
	{ "-qnx", "quiet name=x " },
	{ "-qn x", "quiet name=x " },
	{ "-qn=x", "quiet name=x " },
	{ "-e A=1 -eB=2", "env=A=1,B=2 " },
	/* Go: one dash. */
	{ "-json", "json " },
	{ "-json=true", "json " },
	{ "-json=1", "json " },
	{ "-json=T", "json " },
	{ "-json=false", "" },
	{ "-json=0", "" },
	{ "--json=false", "" },
	{ "--json --json=false", "" },
	{ "-lock-timeout 5s", "timeout=5s " },
	{ "-lock-timeout=5s web", "timeout=5s (web)" },
	{ "-name x", "name=x " }, /* not -n with "ame" */
	{ "-name=x", "name=x " },
	{ "-quiet", "quiet " },
	{ "-file x", "files=x " },
	{ "-detach", "all " },
	{ "--detach=false", "" },
	/* Where options end. */
	{ "-- --json", "(--json)" },
	{ "web -- -q db", "(web|-q|db)" },
	{ "-- -- x", "(--|x)" },
	{ "--", "" },
	{ "-", "(-)" }, /* standard input is an operand */
	{ "'' x", "(|x)" },
};

START_TEST(taken)
{
	_cleanup_(strv_finish) struct strv operands = STRV_INIT;
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	_cleanup_(freep) char *text = NULL;
	int r = parse(good[_i].line, false, &operands, &err);

	ck_assert_msg(r == 0, "%s: %s", good[_i].line, err != NULL ? err->message : "");
	text = understood(&operands);
	ck_assert_msg(strcmp(text, good[_i].want) == 0, "%s: \"%s\"", good[_i].line, text);
}
END_TEST

/* For exec and run: what follows the first operand is the guest's. */
static const struct {
	const char *line, *want;
} ending[] = {
	{ "web ls -l", "(web|ls|-l)" },
	{ "-q web --json -q", "quiet (web|--json|-q)" },
	{ "web -- ls", "(web|--|ls)" },
	{ "-- web -q", "(web|-q)" },
	{ "-n x web -n y", "name=x (web|-n|y)" },
	{ "- -q", "(-|-q)" },
	{ "-q", "quiet " },
};

START_TEST(first_operand_ends)
{
	_cleanup_(strv_finish) struct strv operands = STRV_INIT;
	_cleanup_(freep) char *text = NULL;

	ck_assert_int_eq(parse(ending[_i].line, true, &operands, NULL), 0);
	text = understood(&operands);
	ck_assert_msg(strcmp(text, ending[_i].want) == 0, "%s: \"%s\"", ending[_i].line, text);
}
END_TEST

static const struct {
	const char *line, *says;
} wrong[] = {
	{ "--unknown", "unknown option --unknown" },
	{ "--unknown=x", "unknown option --unknown" },
	{ "--jsno", "unknown option --jsno; did you mean --json?" },
	{ "-jsno", "unknown option -jsno; did you mean --json?" },
	{ "--fil x", "unknown option --fil; did you mean --file?" },
	{ "--lock-timout=5s", "unknown option --lock-timout; did you mean --lock-timeout?" },
	{ "--detahc", "unknown option --detahc" }, /* what is not shown is not proposed */
	{ "-x", "unknown option -x" },
	{ "-qx", "unknown option -qx" },
	{ "web -x", "unknown option -x" },
	{ "--=x", "unknown option --" },
	{ "-=x", "unknown option -" },
	{ "--q", "unknown option --q" }, /* a letter has one dash */
	{ "---json", "unknown option ---json; did you mean --json?" },
	{ "--JSON", "unknown option --JSON" },
	{ "--name", "a value is due after --name" },
	{ "-n", "a value is due after -n" },
	{ "-qn", "a value is due after -qn" },
	{ "-lock-timeout", "a value is due after -lock-timeout" },
	{ "--json=maybe", "must be true or false: --json=maybe" },
	{ "--json=", "must be true or false: --json=" },
	{ "-json=yes", "must be true or false: --json=yes" },
};

START_TEST(refused)
{
	_cleanup_(strv_finish) struct strv operands = STRV_INIT;
	_cleanup_(error_destroyp) struct holos_error *err = NULL;

	ck_assert_msg(parse(wrong[_i].line, false, &operands, &err) == -ERR_USAGE, "%s",
		      wrong[_i].line);
	ck_assert_int_eq(err->code, ERR_USAGE);
	ck_assert_str_eq(err->message, wrong[_i].says);
	ck_assert_str_eq(err->hint, "holos help try");
}
END_TEST

static const char *const helps[] = { "--help", "-h", "-help", "web --help", "--json -h x" };

START_TEST(help)
{
	_cleanup_(strv_finish) struct strv operands = STRV_INIT;
	_cleanup_(freep) char *text = NULL;
	int old = dup(1);
	FILE *to;

	fflush(stdout);
	to = freopen(in_dir("out"), "w", stdout);
	ck_assert_ptr_nonnull(to);
	ck_assert_int_eq(parse(helps[_i], false, &operands, NULL), HELP_SHOWN);
	fflush(stdout);
	dup2(old, 1);
	close(old);
	text = read_text("out");
	ck_assert_int_eq(strncmp(text,
				 "usage: holos try [OPTIONS] [SERVICE...]\n\n"
				 "test the options\n\noptions:\n",
				 68),
			 0);
	assert_has(text, "\n  -f, --file FILE ");
	assert_has(text, "\n      --json ");
	assert_has(text, " how long\n");
	assert_has(text, "\nexamples:\n  holos try web ");
	ck_assert_ptr_null(strstr(text, "detach"));
}
END_TEST

/* A value that only looks like help is one. */
START_TEST(help_as_a_value)
{
	_cleanup_(strv_finish) struct strv operands = STRV_INIT;

	ck_assert_int_eq(parse("--name --help", false, &operands, NULL), 0);
	ck_assert_str_eq(got.name, "--help");
	ck_assert_int_eq(parse("-- --help", false, &operands, NULL), 0);
	ck_assert_int_eq(parse("web --help", true, &operands, NULL), 0);
}
END_TEST

START_TEST(operands_are_counted)
{
	_cleanup_(strv_finish) struct strv v = STRV_INIT;
	_cleanup_(error_destroyp) struct holos_error *err = NULL;

	ck_assert_int_eq(options_at_most(&v, 0, NULL), 0);
	strv_add(&v, "one");
	strv_add(&v, "two");
	ck_assert_int_eq(options_at_most(&v, 2, NULL), 0);
	ck_assert_int_eq(options_at_most(&v, 1, &err), -ERR_USAGE);
	ck_assert_str_eq(err->message, "unexpected argument \"two\"");
}
END_TEST

START_TEST(durations)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	uint64_t ns = 7;

	ck_assert_int_eq(option_duration("x", "1m30s", &ns, NULL), 0);
	ck_assert_uint_eq(ns, 90000000000);
	ck_assert_int_eq(option_duration("lock-timeout", "30", &ns, &err), -ERR_USAGE);
	ck_assert_str_eq(err->message, "--lock-timeout 30: must be a duration such as 30s or 2m");
	ck_assert_int_eq(option_duration("x", "-1s", &ns, NULL), -ERR_USAGE);
	ck_assert_uint_eq(ns, 90000000000);
}
END_TEST

static void setup(void)
{
	make_test_dir();
	clear();
}

static void teardown(void)
{
	clear();
	remove_test_dir();
}

static void add_tests(TCase *c)
{
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_loop_test(c, taken, 0, N(good));
	tcase_add_loop_test(c, first_operand_ends, 0, N(ending));
	tcase_add_loop_test(c, refused, 0, N(wrong));
	tcase_add_loop_test(c, help, 0, N(helps));
	tcase_add_test(c, help_as_a_value);
	tcase_add_test(c, operands_are_counted);
	tcase_add_test(c, durations);
}

int main(void)
{
	return run_suite("cli-options", add_tests);
}
