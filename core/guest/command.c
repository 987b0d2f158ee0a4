/* SPDX-License-Identifier: Apache-2.0
 *
 * command.c - see command.h.
 *
 * SSH has no argument vectors: sshd hands one string to the user's shell.  The
 * shell is told to exec, so that the command itself gets the signals and gives
 * the status: dropbear signals one process, and dash would report a killed
 * command as its own exit.  The environment goes through env(1), because
 * servers refuse SSH's own env requests unless told otherwise.
 */
#include "command.h"

#include <stdbool.h>
#include <string.h>

static void add_word(struct strbuf *b, const char *word)
{
	strbuf_addc(b, ' ');
	strbuf_add_quoted(b, word);
}

char *command_line(const char *const *argv, const char *const *env, const char *workdir)
{
	bool has_env = env != NULL && env[0] != NULL;
	struct strbuf b = STRBUF_INIT;
	size_t i;

	if (argv == NULL && !has_env && workdir == NULL)
		return NULL;
	if (workdir != NULL) {
		/* CDPATH and "cd -" must not matter. */
		const char *prefix = workdir[0] == '/' ? "" : "./";
		struct strbuf dir = STRBUF_INIT;

		strbuf_adds(&dir, prefix);
		strbuf_adds(&dir, workdir);
		strbuf_adds(&b, "cd ");
		strbuf_add_quoted(&b, dir.s);
		strbuf_adds(&b, " && ");
		strbuf_finish(&dir);
	}
	strbuf_adds(&b, "exec");
	if (has_env) {
		strbuf_adds(&b, " env");
		for (i = 0; env[i] != NULL; i++)
			add_word(&b, env[i]);
	}
	if (argv == NULL) {
		strbuf_adds(&b, " \"$SHELL\" -l");
		return strbuf_steal(&b);
	}
	/* env(1) would take a name with '=' for one more assignment. */
	if (has_env && argv[0] != NULL && strchr(argv[0], '=') != NULL)
		strbuf_adds(&b, " sh -c 'exec \"$0\" \"$@\"'");
	for (i = 0; argv[i] != NULL; i++)
		add_word(&b, argv[i]);
	return strbuf_steal(&b);
}
