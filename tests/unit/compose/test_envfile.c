/* SPDX-License-Identifier: Apache-2.0
 *
 * test_envfile.c - the grammar of env files.
 */
#include "harness.h"

#include <compose/envfile.h>

#define ENVIRONMENT environment_of("HOME=/home/me", NULL)

/* Entries are shown as NAME=[VALUE] and joined by blanks, errors as !LINE. */
static const struct {
	const char *text;
	bool raw;
	const char *result;
} cases[] = {
	{ "", false, "" },
	{ "\n\n  \n# c\n   # d\n", false, "" },
	{ "A=1", false, "A=[1]" },
	{ "A=1\nB=2\n", false, "A=[1] B=[2]" },
	{ "A=1\r\nB=2\r\n", false, "A=[1] B=[2]" },
	{ "\xef\xbb\xbf"
	  "A=1",
	  false, "A=[1]" },
	{ "A=", false, "A=[]" },
	{ "A", false, "A=-" },
	{ "A # c", false, "A=-" },
	{ "export A=1", false, "A=[1]" },
	{ "export\tA", false, "A=-" },
	{ "export=1", false, "export=[1]" },
	{ "  A = 1  ", false, "A=[1]" },
	{ "A=a b  c", false, "A=[a b  c]" },
	{ "A=a #c", false, "A=[a]" },
	{ "A=a#c", false, "A=[a#c]" },
	{ "A=#c", false, "A=[#c]" },
	{ "A= #c", false, "A=[]" },
	{ "A='a #c'", false, "A=[a #c]" },
	{ "A='$HOME \\n'", false, "A=[$HOME \\n]" },
	{ "A='it\\'s'", false, "A=[it's]" },
	{ "A=\"$HOME\"", false, "A=[/home/me]" },
	{ "A=\"\\$HOME\"", false, "A=[$HOME]" },
	{ "A=\"a\\tb\\\"c\\\\d\"", false, "A=[a\tb\"c\\d]" },
	{ "A=\"\\x\"", false, "A=[\\x]" },
	{ "A=\"one\ntwo\" # c\nB=2", false, "A=[one\ntwo] B=[2]" },
	{ "A=$HOME/x", false, "A=[/home/me/x]" },
	{ "A=\\n", false, "A=[\\n]" },
	{ "A=1\nB=$A$A", false, "A=[1] B=[11]" },
	{ "B=${NOPE:-d}", false, "B=[d]" },
	{ "HOME=/x\nB=$HOME", false, "HOME=[/x] B=[/home/me]" }, /* the environment wins */
	{ "A='x' y", false, "!1" },
	{ "A='x\n", false, "!1" },
	{ "A=\"x\nB=1", false, "!1" },
	{ "1A=2\nB=3", false, "!1 B=[3]" },
	{ "a b=2", false, "!1" },
	{ "=x", false, "!1" },
	{ "A-B=x", false, "!1" },
	{ "OK=1\n\n???\nB=2", false, "!3 OK=[1] B=[2]" },
	{ "A=${", false, "!1" },
	{ "A=\"$HOME\" # c", true, "A=[\"$HOME\" # c]" },
	{ "A= x \nB='y'", true, "A=[ x ] B=['y']" },
};

struct seen {
	struct strbuf text;
	struct vars *vars;
};

static void entry(void *data, const char *name, const char *value)
{
	struct seen *s = data;

	if (s->text.len > 0)
		strbuf_addc(&s->text, ' ');
	if (value == NULL)
		strbuf_addf(&s->text, "%s=-", name);
	else
		strbuf_addf(&s->text, "%s=[%s]", name, value);
	if (value != NULL)
		vars_set(s->vars, name, value, "test");
}

START_TEST(grammar)
{
	_cleanup_(arena_destroyp) struct arena *a = arena_create();
	_cleanup_(vars_destroyp) struct vars *v = vars_create(a, ENVIRONMENT);
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	_cleanup_(strbuf_finish) struct strbuf all = STRBUF_INIT;
	struct source src = { .name = "f", .dir = "/" };
	struct seen s = { STRBUF_INIT, v };
	struct diag d;

	diag_init(&d, a);
	env_parse(v, &d, &src, cases[_i].text, strlen(cases[_i].text), cases[_i].raw, entry, &s);
	diag_take(&d, NULL, &err);
	for (const struct holos_error *e = err; e != NULL; e = e->next)
		strbuf_addf(&all, "%s!%u", all.len > 0 ? " " : "", e->line);
	if (s.text.len > 0)
		strbuf_addf(&all, "%s%s", all.len > 0 ? " " : "", s.text.s);
	ck_assert_str_eq(all.s != NULL ? all.s : "", cases[_i].result);
	strbuf_finish(&s.text);
}
END_TEST

START_TEST(nul_byte)
{
	_cleanup_(arena_destroyp) struct arena *a = arena_create();
	_cleanup_(vars_destroyp) struct vars *v = vars_create(a, NULL);
	struct source src = { .name = "f", .dir = "/" };
	struct seen s = { STRBUF_INIT, v };
	struct diag d;

	diag_init(&d, a);
	env_parse(v, &d, &src, "A=1\0B=2", 7, false, entry, &s);
	ck_assert_uint_eq(d.n_errors, 1);
	ck_assert_uint_eq(s.text.len, 0);
	diag_finish(&d);
}
END_TEST

static void add(TCase *c)
{
	tcase_add_loop_test(c, grammar, 0, sizeof(cases) / sizeof(cases[0]));
	tcase_add_test(c, nul_byte);
}

int main(void)
{
	return run_suite("compose-envfile", add);
}
