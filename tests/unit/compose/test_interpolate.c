/* SPDX-License-Identifier: Apache-2.0
 *
 * test_interpolate.c - every form of ${...}, and what is none.
 */
#include "harness.h"

#include <compose/interpolate.h>

#define ENVIRONMENT environment_of("SET=value", "EMPTY=", "N=5", "_x1=under", NULL)

static const struct {
	const char *text;
	const char *result; /* NULL: an error */
	unsigned warnings;
} cases[] = {
	{ "plain", "plain", 0 },
	{ "", "", 0 },
	{ "$SET", "value", 0 },
	{ "${SET}", "value", 0 },
	{ "a${SET}b$SET-c", "avaluebvalue-c", 0 },
	{ "$_x1", "under", 0 },
	{ "$SETX", "", 1 },
	{ "${MISSING}", "", 1 },
	{ "$EMPTY|", "|", 0 },
	{ "${SET:-d}", "value", 0 },
	{ "${SET-d}", "value", 0 },
	{ "${EMPTY:-d}", "d", 0 },
	{ "${EMPTY-d}", "", 0 },
	{ "${MISSING:-d}", "d", 0 },
	{ "${MISSING-d}", "d", 0 },
	{ "${MISSING:-}", "", 0 },
	{ "${MISSING-}", "", 0 },
	{ "${SET:?m}", "value", 0 },
	{ "${SET?m}", "value", 0 },
	{ "${EMPTY?m}", "", 0 },
	{ "${EMPTY:?m}", NULL, 0 },
	{ "${MISSING:?m}", NULL, 0 },
	{ "${MISSING?}", NULL, 0 },
	{ "${SET:+alt}", "alt", 0 },
	{ "${SET+alt}", "alt", 0 },
	{ "${EMPTY:+alt}", "", 0 },
	{ "${EMPTY+alt}", "alt", 0 },
	{ "${MISSING:+alt}", "", 0 },
	{ "${MISSING+alt}", "", 0 },
	{ "${A:-${B:-c}}", "c", 0 },
	{ "${A:-x${SET}y}", "xvaluey", 0 },
	{ "${A-${B-${C-${SET}}}}z", "valuez", 0 },
	{ "${SET:+${N}}", "5", 0 },
	{ "${A:-$B}", "", 1 },
	{ "${SET:-${UNUSED}}", "value", 0 }, /* what is not needed is not looked at */
	{ "${A:-a:-b-c?d}", "a:-b-c?d", 0 },
	{ "${A:-with space}", "with space", 0 },
	{ "${A:-$$}", "$", 0 },
	{ "${A:-$$}}", "$}", 0 },
	{ "$$", "$", 0 },
	{ "$$SET", "$SET", 0 },
	{ "$$$SET", "$value", 0 },
	{ "$${SET}", "${SET}", 0 },
	{ "$", "$", 0 },
	{ "a$", "a$", 0 },
	{ "$1 $. $- $/", "$1 $. $- $/", 0 },
	{ "$(x)", "$(x)", 0 },
	{ "${", NULL, 0 },
	{ "${}", NULL, 0 },
	{ "${SET", NULL, 0 },
	{ "${1}", NULL, 0 },
	{ "${SET!x}", NULL, 0 },
	{ "${SET:}", NULL, 0 },
	{ "${SET:x}", NULL, 0 },
	{ "${ SET}", NULL, 0 },
	{ "${A:-${B}", NULL, 0 },
	{ "${A:?${SET} is wrong}", NULL, 0 },
};

START_TEST(forms)
{
	_cleanup_(arena_destroyp) struct arena *a = arena_create();
	_cleanup_(vars_destroyp) struct vars *v = vars_create(a, ENVIRONMENT);
	_cleanup_(strbuf_finish) struct strbuf out = STRBUF_INIT;
	struct source src = { .name = "f", .dir = "/" };
	struct node at = { .src = &src, .line = 1, .column = 1, .text = cases[_i].text };
	struct diag d;
	int r;

	diag_init(&d, a);
	r = interpolate_text(v, &d, &at, NULL, cases[_i].text, &out);
	if (cases[_i].result == NULL) {
		ck_assert_msg(r < 0, "%s gives %s", cases[_i].text, out.s);
		ck_assert_uint_eq(d.n_errors, 1);
	} else {
		ck_assert_msg(r == 0, "%s fails", cases[_i].text);
		ck_assert_str_eq(out.s != NULL ? out.s : "", cases[_i].result);
		ck_assert_uint_eq(d.n_errors, 0);
	}
	ck_assert_uint_eq(d.n_warnings, cases[_i].warnings);
	diag_finish(&d);
}
END_TEST

/* A missing variable is told once, however often it is used. */
START_TEST(warns_once)
{
	_cleanup_(error_destroyp) struct holos_error *warnings = NULL;
	_cleanup_(project_destroyp) struct project *p = NULL;

	make_dir();
	put("holos.yaml",
	    "services:\n"
	    "  a: {image: \"a${X:-}b\", hostname: \"h${X}\", labels: {a: $X, b: $Y}}\n"
	    "x-unused: $Z\n");
	p = load_good((struct project_options){ .warnings = &warnings });
	ck_assert_ptr_nonnull(warnings);
	ck_assert_str_eq(warnings->message,
			 "services.a.hostname: variable X is not set, an empty text is used");
	ck_assert_uint_eq(warnings->line, 2);
	ck_assert_uint_eq(warnings->column, 36);
	ck_assert_ptr_nonnull(warnings->next);
	ck_assert_ptr_null(warnings->next->next);
	remove_dir();
}
END_TEST

/* B=$A$A, C=$B$B, ... must not fill the memory. */
START_TEST(bomb)
{
	_cleanup_(strbuf_finish) struct strbuf env = STRBUF_INIT;
	_cleanup_(freep) char *errors = NULL;

	make_dir();
	strbuf_adds(&env, "V0=0123456789\n");
	for (unsigned i = 1; i < 60; i++)
		strbuf_addf(&env, "V%u=$V%u$V%u\n", i, i - 1, i - 1);
	put(".env", env.s);
	put("holos.yaml", "services: {a: {image: $V59}}\n");
	ck_assert_ptr_null(load((struct project_options){ 0 }, &errors));
	ck_assert_ptr_nonnull(strstr(errors, "more than 16 MiB"));
	remove_dir();
}
END_TEST

/* Where a value came from is kept: for `config --variables`. */
START_TEST(origins)
{
	_cleanup_(project_destroyp) struct project *p = NULL;

	make_dir();
	put(".env", "FROM_FILE=1\nSET=loses\n");
	put("holos.yaml", "services: {a: {image: a, labels: [$SET, $FROM_FILE, \"x${NO-}\"]}}\n");
	p = load_good((struct project_options){ .environ = ENVIRONMENT });
	ck_assert_uint_eq(p->n_variables, 3);
	ck_assert_str_eq(p->variables[0].name, "FROM_FILE");
	ck_assert_str_eq(p->variables[0].origin, ".env");
	ck_assert_str_eq(p->variables[0].value, "1");
	ck_assert_str_eq(p->variables[1].name, "NO");
	ck_assert_str_eq(p->variables[1].origin, "unset");
	ck_assert_ptr_null(p->variables[1].value);
	ck_assert_str_eq(p->variables[2].origin, "environment");
	ck_assert_str_eq(p->variables[2].value, "value");
	ck_assert_uint_eq(p->variables[2].mark.line, 1);
	remove_dir();
}
END_TEST

/* Merged, with everything as it was written. */
START_TEST(not_at_all)
{
	const char *files[] = { "one.yaml", "two.yaml", NULL };
	struct project_options opts = { .files = files, .cwd = test_dir };
	char *text = NULL;

	make_dir();
	put("one.yaml", "services:\n"
			"  a: {image: \"x:${TAG}\", replicas: $N, environment: [A=$B], gone: 1}\n");
	put("two.yaml",
	    "name: n\nservices: {a: {image: !reset x, vm: {vcpu: 017}, gone: !reset 1}}\n");
	ck_assert_int_eq(project_merge(&opts, &text, NULL), 0);
	ck_assert_str_eq(text, "services:\n"
			       "  a:\n"
			       "    replicas: $N\n"
			       "    environment:\n"
			       "      A: $B\n"
			       "    vm:\n"
			       "      vcpu: 017\n"
			       "name: n\n");
	free(text);
	remove_dir();
}
END_TEST

static void add(TCase *c)
{
	tcase_add_loop_test(c, forms, 0, sizeof(cases) / sizeof(cases[0]));
	tcase_add_test(c, warns_once);
	tcase_add_test(c, bomb);
	tcase_add_test(c, origins);
	tcase_add_test(c, not_at_all);
}

int main(void)
{
	return run_suite("compose-interpolate", add);
}
