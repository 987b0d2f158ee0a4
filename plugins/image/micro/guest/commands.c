/*
 * commands.c - bootcmd, runcmd and a #! script as user-data.
 *
 * As cloud-init does, all entries of a list become one script for one shell, so that a cd
 * or a variable of one is seen by the next; a string is shell text, a list is one command
 * with its arguments.  Unlike there, each entry that fails is named.
 */
#include "micro.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void words(struct buf *b, struct ynode *list)
{
	for (size_t i = 0; i < list->n; i++) {
		if (i)
			buf_str(b, " ");
		buf_quote(b, list->item[i]->kind == Y_SCALAR ? list->item[i]->s : "");
	}
}

static void entry(struct buf *b, struct ynode *e, const char *what, size_t i)
{
	struct buf cmd = { 0 };

	if (e->kind == Y_SEQ) {
		words(&cmd, e);
	} else if (y_str(e)) {
		buf_str(&cmd, e->s);
	} else if (e->kind != Y_SCALAR) {
		complain("%s[%zu] is neither a string nor a list", what, i);
	}
	if (!cmd.n)
		return;
	buf_str(b, "eval ");
	buf_quote(b, cmd.p);
	buf_str(b, fmt("\nmicro_s=$?; [ $micro_s = 0 ] || " MICRO_EXE " fail %s %zu $micro_s\n",
		       what, i));
}

static int run_file(const char *path, const char *interpreter)
{
	const char *const argv[] = { interpreter ? interpreter : path, interpreter ? path : NULL,
				     NULL };
	int out = open(CI_OUTPUT, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	int st = run(RUN_NULL, out < 0 ? RUN_NULL : out, argv);

	if (out >= 0)
		close(out);
	return st;
}

static void environment(const struct seed *s)
{
	setenv("INSTANCE_ID", s->iid, 1);
	setenv("HOME", "/root", 1);
	setenv("PATH", MICRO_PATH, 1);
}

void run_list(const struct seed *s, struct ynode *list, const char *what)
{
	struct buf b = { 0 };
	char *path = fmt("/run/micro/%s", what);
	int st;

	if (!list || (list->kind == Y_SCALAR && !y_str(list)))
		return;
	buf_str(&b, "#!/bin/sh\n");
	for (size_t i = 0; i < y_len(list); i++)
		entry(&b, y_at(list, i), what, i);
	buf_str(&b, "exit 0\n");
	if (!spew(path, b.p, b.n, O_TRUNC, 0700)) {
		complain("%s: %s: %s", what, path, strerror(errno));
		return;
	}
	environment(s);
	st = run_file(path, "/bin/sh");
	if (st != 0) /* exit, set -e or a syntax error ended the shell itself */
		complain("%s ended early with status %d", what, st);
}

void run_script(const struct seed *s, const char *text, size_t n)
{
	static const char path[] = CI_INSTANCE "/scripts/user-data";
	int st;

	if (!mkparents(path) || !spew(path, text, n, O_TRUNC, 0700)) {
		complain("user-data: %s: %s", path, strerror(errno));
		return;
	}
	environment(s);
	st = run_file(path, NULL);
	if (st != 0)
		complain("user-data script failed with status %d", st);
}
