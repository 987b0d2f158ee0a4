/* SPDX-License-Identifier: Apache-2.0
 *
 * test_words.c - what may stand in a place of the command line (cli/words.h).
 */
#include "../base/harness.h"

#include <words.h>

static const struct {
	const char *place;
	bool known;
	unsigned kinds;
	const char *fixed;
} places[] = {
	{ "FILE", true, WORDS_FILE, "" },
	{ "SERVICE|PROJECT", true, WORDS_SERVICE | WORDS_PROJECT, "" },
	{ "SERVICE=N", true, WORDS_SERVICE, "" },
	{ "SRC:TARGET[:ro]", true, WORDS_FILE, "" },
	{ "[HOST:]GUEST", true, 0, "" },
	{ "WHEN", true, 0, "always missing never" },
	{ "one|two", true, 0, "one two" },
	{ "one|SERVICE", true, WORDS_SERVICE, "one" },
	{ "TIME", true, 0, "" },
	{ "FILES", false, 0, "" },
	{ "SERVICE|NONSENSE", false, WORDS_SERVICE, "" },
};

START_TEST(place)
{
	_cleanup_(strv_finish) struct strv fixed = STRV_INIT;
	_cleanup_(freep) char *list = NULL;
	unsigned kinds;

	ck_assert_msg(words_of(places[_i].place, &kinds, &fixed) == places[_i].known, "%s",
		      places[_i].place);
	list = strv_join(fixed.v, " ");
	ck_assert_msg(kinds == places[_i].kinds, "%s: %x", places[_i].place, kinds);
	ck_assert_str_eq(list, places[_i].fixed);
}
END_TEST

static const struct {
	const char *operands;
	const char *given[4];
	unsigned kinds;
	const char *fixed;
} operands[] = {
	{ "", { NULL }, 0, "" },
	{ "[SERVICE...]", { NULL }, WORDS_SERVICE, "" },
	{ "[SERVICE...]", { "web", "db", NULL }, WORDS_SERVICE, "" },
	{ "[SERVICE]", { "web", NULL }, 0, "" },
	{ "[PROJECT] [SERVICE...]", { NULL }, WORDS_PROJECT | WORDS_SERVICE, "" },
	{ "[PROJECT] [SERVICE...]", { "demo", NULL }, WORDS_SERVICE, "" },
	{ "[PROJECT] SERVICE|INSTANCE [PORT]",
	  { NULL },
	  WORDS_PROJECT | WORDS_SERVICE | WORDS_INSTANCE,
	  "" },
	{ "[PROJECT] SERVICE|INSTANCE [PORT]", { "x", NULL }, WORDS_SERVICE | WORDS_INSTANCE, "" },
	{ "[PROJECT] SERVICE|INSTANCE [PORT]", { "x", "y", NULL }, 0, "" },
	{ "IMAGE [-- COMMAND...]", { NULL }, WORDS_IMAGE, "" },
	{ "IMAGE [-- COMMAND...]", { "x", NULL }, 0, "" },
	{ "ls | rm VOLUME...", { NULL }, 0, "ls rm" },
	{ "ls | rm VOLUME...", { "rm", NULL }, WORDS_VOLUME, "" },
	{ "ls | rm VOLUME...", { "rm", "data", NULL }, WORDS_VOLUME, "" },
	{ "ls | rm VOLUME...", { "ls", NULL }, 0, "" },
	{ "[show PLUGIN | check FILE... | manifest FILE]", { NULL }, 0, "show check manifest" },
	{ "[show PLUGIN | check FILE... | manifest FILE]", { "show", NULL }, WORDS_PLUGIN, "" },
	{ "[show PLUGIN | check FILE... | manifest FILE]", { "manifest", "a", NULL }, 0, "" },
	{ "bash|zsh|fish", { NULL }, 0, "bash zsh fish" },
	{ "bash|zsh|fish", { "bash", NULL }, 0, "" },
};

START_TEST(operand)
{
	_cleanup_(strv_finish) struct strv fixed = STRV_INIT;
	_cleanup_(strv_finish) struct strv given = STRV_INIT;
	_cleanup_(freep) char *list = NULL;
	unsigned kinds;

	for (size_t i = 0; operands[_i].given[i] != NULL; i++)
		strv_add(&given, operands[_i].given[i]);
	ck_assert(words_of_operand(operands[_i].operands, given.v, given.n, &kinds, &fixed));
	list = strv_join(fixed.v, " ");
	ck_assert_msg(kinds == operands[_i].kinds, "%s after %zu: %x", operands[_i].operands,
		      given.n, kinds);
	ck_assert_str_eq(list, operands[_i].fixed);
}
END_TEST

static void add_tests(TCase *c)
{
	tcase_add_loop_test(c, place, 0, N(places));
	tcase_add_loop_test(c, operand, 0, N(operands));
}

int main(void)
{
	return run_suite("cli-words", add_tests);
}
