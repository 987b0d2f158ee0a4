/* SPDX-License-Identifier: Apache-2.0
 *
 * main.c - holos-copy: the command line of guest/copier.h, and telling how it goes.
 */
#include "copy.h"

#include <base/clock.h>

#include <locale.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define TELL_EVERY (100 * NS_PER_MS)
#define TOLD_MAX   100 /* errors and warnings */

static void tell(struct copy *c, enum copier_kind kind, const char *fmt, va_list ap)
{
	struct copier_message m = {
		.kind = kind, .errors = c->errors, .files = c->files, .bytes = c->bytes
	};

	if (fmt != NULL)
		vsnprintf(m.text, sizeof(m.text), fmt, ap);
	/* Progress may get lost; who does not listen any more ends us otherwise. */
	(void)send(COPIER_FD, &m, sizeof(m),
		   MSG_NOSIGNAL | (kind == COPIER_PROGRESS ? MSG_DONTWAIT : 0));
}

static void progress(struct copy *c, ...)
{
	va_list none;

	va_start(none, c);
	tell(c, COPIER_PROGRESS, NULL, none);
	va_end(none);
}

void copy_add(struct copy *c, uint64_t bytes)
{
	uint64_t now = clock_now_ns();

	c->bytes += bytes;
	if (now < c->told_ns + TELL_EVERY)
		return;
	c->told_ns = now;
	progress(c);
}

void copy_file_done(struct copy *c)
{
	c->files++;
	copy_add(c, 0);
}

void copy_warning(struct copy *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (c->errors++ < TOLD_MAX)
		tell(c, COPIER_WARNING, fmt, ap);
	va_end(ap);
}

void copy_error(struct copy *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (c->errors++ < TOLD_MAX)
		tell(c, COPIER_ERROR, fmt, ap);
	va_end(ap);
}

static bool run(struct copy *c, int argc, char **argv, bool *ret_done)
{
	bool owner = argc > 3 && strcmp(argv[3], "-a") == 0;
	char **rest = argv + 3 + owner;
	int n = argc - 3 - owner;
	bool file;
	int what;

	*ret_done = false;
	if (argc < 4 || n < 1 || n > 2)
		return false;
	file = strcmp(argv[2], "file") == 0;
	what = file                           ? UNPACK_FILE
	       : strcmp(argv[2], "link") == 0 ? UNPACK_LINK
	       : strcmp(argv[2], "tree") == 0 ? UNPACK_TREE
					      : -1;
	if (strcmp(argv[1], "pack") == 0 && file == (n == 2))
		*ret_done = file ? pack_file(c, rest[0], rest[1], owner)
				 : pack_tree(c, rest[0], strcmp(argv[2], "tree") == 0, owner);
	else if (strcmp(argv[1], "unpack") == 0 && n == 2 && what >= 0)
		*ret_done = unpack(c, rest[0], rest[1], (enum unpack_what)what, owner);
	else
		return false;
	return true;
}

int main(int argc, char **argv)
{
	struct copy c = { .files = 0 };
	bool done;

	signal(SIGPIPE, SIG_IGN);
	/* Names in pax headers are UTF-8 and stay so. */
	(void)setlocale(LC_CTYPE, "C.UTF-8");
	if (!run(&c, argc, argv, &done)) {
		fputs("holos-copy is a part of holos cp and is run by it\n", stderr);
		return ERR_USAGE;
	}
	progress(&c);
	return done ? 0 : ERR_FAILED;
}
