/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line for the guest's shell, as text and as a shell takes it.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/process.h>
#include <guest/command.h>

#include <check.h>
#include <string.h>

static const struct {
	const char *argv[4];
	const char *env[3];
	const char *workdir;
	const char *expect; /* NULL: no command, the plain shell */
} texts[] = {
	{ { "ls", "-l" }, { NULL }, NULL, "exec 'ls' '-l'" },
	{ { "echo", "it's" }, { NULL }, NULL, "exec 'echo' 'it'\\''s'" },
	{ { "echo", "" }, { NULL }, NULL, "exec 'echo' ''" },
	{ { "a" }, { "K=v w", "L=" }, NULL, "exec env 'K=v w' 'L=' 'a'" },
	{ { "a" }, { NULL }, "/srv/x y", "cd '/srv/x y' && exec 'a'" },
	{ { "a" }, { NULL }, "-", "cd './-' && exec 'a'" },
	{ { "a" }, { "K=v" }, "/", "cd '/' && exec env 'K=v' 'a'" },
	{ { "a=b", "c" }, { "K=v" }, NULL, "exec env 'K=v' sh -c 'exec \"$0\" \"$@\"' 'a=b' 'c'" },
	{ { NULL }, { NULL }, NULL, NULL },
	{ { NULL }, { NULL }, "/", "cd '/' && exec \"$SHELL\" -l" },
	{ { NULL }, { "K=v" }, NULL, "exec env 'K=v' \"$SHELL\" -l" },
	{ { NULL }, { "K=v" }, "/", "cd '/' && exec env 'K=v' \"$SHELL\" -l" },
};

START_TEST(test_text)
{
	const char *const *argv = texts[_i].argv[0] != NULL ? texts[_i].argv : NULL;
	_cleanup_(freep) char *line = command_line(argv, texts[_i].env, texts[_i].workdir);

	if (texts[_i].expect == NULL)
		ck_assert_ptr_null(line);
	else
		ck_assert_str_eq(line, texts[_i].expect);
}
END_TEST

/* What no quoting may change, as arguments, values and directories. */
static const char *const words[] = {
	"plain", "two words", "",    " lead", "it's",  "''",  "\"x\"",      "$HOME",
	"`id`",  "$(id)",     "a;b", "a|b>c", "*",     "~",   "\\",         "\\n",
	"a\nb",  "!x",        "#x",  "-n",    "{a,b}", "ä€😀", "\t\x01\x7f",
};
#define WORDS (sizeof(words) / sizeof(words[0]))

static void shell(const char *line, struct strbuf *out)
{
	char *const argv[] = { xstrdup("sh"), xstrdup("-c"), xstrdup(line), NULL };
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	int status = -1;

	if (process_run("/bin/sh", argv, clock_now_ns() + 20 * NS_PER_S, out, NULL, &status, &err) <
	    0)
		ck_abort_msg("%s", err->message);
	ck_assert_int_eq(status, 0);
	free(argv[0]);
	free(argv[1]);
	free(argv[2]);
}

START_TEST(test_shell_keeps_words)
{
	_cleanup_(strbuf_finish) struct strbuf expect = STRBUF_INIT;
	_cleanup_(strbuf_finish) struct strbuf out = STRBUF_INIT;
	_cleanup_(freep) char *line = NULL;
	const char *argv[WORDS + 3] = { "printf", "<%s>" };
	size_t i;

	for (i = 0; i < WORDS; i++) {
		argv[i + 2] = words[i];
		strbuf_addf(&expect, "<%s>", words[i]);
	}
	line = command_line(argv, NULL, NULL);
	shell(line, &out);
	ck_assert_str_eq(out.s, expect.s);
}
END_TEST

START_TEST(test_shell_keeps_environment)
{
	_cleanup_(strbuf_finish) struct strbuf out = STRBUF_INIT;
	_cleanup_(freep) char *value = xasprintf("VALUE=%s", words[_i]);
	_cleanup_(freep) char *line = NULL;
	const char *const env[] = { value, NULL };
	const char *const argv[] = { "sh", "-c", "printf %s \"$VALUE\"; pwd", NULL };
	_cleanup_(freep) char *expect = xasprintf("%s/usr/bin\n", words[_i]);

	line = command_line(argv, env, "/usr/bin");
	shell(line, &out);
	ck_assert_str_eq(out.s, expect);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("guest-command");
	TCase *t = tcase_create("command");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_loop_test(t, test_text, 0, sizeof(texts) / sizeof(texts[0]));
	tcase_add_test(t, test_shell_keeps_words);
	tcase_add_loop_test(t, test_shell_keeps_environment, 0, WORDS);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
