/* SPDX-License-Identifier: Apache-2.0
 *
 * ask.c - questions on the terminal.
 */
#include <base/alloc.h>
#include <base/interrupt.h>
#include <cli.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

bool cli_can_ask(void)
{
	return isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

/* Wait for a line, or for Ctrl-C, also for one that comes just before: signals
 * arrive while ppoll(2) waits, and at no other time. */
static bool wait_for_line(void)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	sigset_t all, old;
	int r = -1;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	while (r < 0 && !interrupt_asked()) {
		r = ppoll(&p, 1, NULL, &old);
		if (r < 0 && errno != EINTR)
			break;
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
	return r > 0 && !interrupt_asked();
}

bool cli_yes(const char *question)
{
	char answer[16] = "";

	fprintf(stderr, "%s? [y/N] ", question);
	fflush(stderr);
	if (!wait_for_line() || fgets(answer, sizeof(answer), stdin) == NULL)
		fputc('\n', stderr);
	answer[strcspn(answer, "\n")] = '\0';
	return strcasecmp(answer, "y") == 0 || strcasecmp(answer, "yes") == 0;
}

int cli_ask_losses(void *data, const char *const *losses, bool *ret_yes, struct holos_error **err)
{
	(void)data;
	fputs("this destroys root disks, which only volumes survive:\n", stderr);
	for (; *losses != NULL; losses++) {
		_cleanup_(freep) char *text = printable(*losses);

		fprintf(stderr, "  %s\n", text);
	}
	*ret_yes = cli_yes("go on and destroy them");
	return interrupt_asked() ? error_set(err, ERR_INTERRUPTED, "interrupted") : 0;
}

int cli_confirm(struct holos_error **err, const char *fmt, ...)
{
	_cleanup_(freep) char *raw = NULL;
	_cleanup_(freep) char *what = NULL;
	va_list ap;

	va_start(ap, fmt);
	raw = xvasprintf(fmt, ap);
	va_end(ap);
	what = printable(raw);
	if (!cli_can_ask()) {
		error_set(err, ERR_USAGE, "there is no terminal to ask whether to %s", what);
		error_hint(err, "say yes on the command line: -y");
		return -ERR_USAGE;
	}
	return cli_yes(what) ? 0 : error_set(err, ERR_FAILED, "nothing was removed");
}
