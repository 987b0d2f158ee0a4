/* SPDX-License-Identifier: Apache-2.0
 *
 * verb_console.c - holos console: a VM's serial line.
 *
 * The scrollback comes from console.log and is made harmless for a terminal; what
 * the guest prints from then on is passed on as it is.  QEMU takes the connection
 * within its next turn, some microseconds: what the guest prints in just that time
 * may be shown twice, or be in the log alone.
 */
#include <base/alloc.h>
#include <base/units.h>
#include <enter.h>
#include <guest/console.h>
#include <logs.h>
#include <state/lock.h>

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TAIL_DEFAULT 10

struct console_options {
	struct common common;
	const char *keys, *tail, *index;
	bool no_stdin;
};

/* One at a time: who comes second is told who was first. */
static int take(const struct state *s, const struct enter_target *t, struct state_lock **ret,
		struct holos_error **err)
{
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	_cleanup_(freep) char *rel =
		xasprintf("instances/%s/%s/console.lock", t->project->name, t->vm->name);
	_cleanup_(freep) char *name = xasprintf("the console of \"%s\"", t->vm->name);

	if (state_lock_file(s, rel, name, "console", 0, NULL, ret, &why) == 0)
		return 0;
	error_set(err, why->code, "%s", why->message);
	if (why->code == ERR_BUSY)
		error_hint(err, "holos logs -F -p %s %s shows meanwhile what it prints",
			   t->project->name, t->vm->name);
	return -why->code;
}

static int show_tail(const struct state *s, const struct enter_target *t, uint64_t lines,
		     struct holos_error **err)
{
	struct logs l = { .state = s,
			  .project = t->project->name,
			  .file = "console.log",
			  .tty = isatty(STDOUT_FILENO) };
	struct log_file f = { .name = xstrdup(t->vm->name), .fd = -1 };
	struct stat st;
	int r = 0;

	if (lines != 0 && log_open(&l, &f) && fstat(f.fd, &st) == 0) {
		f.at = log_tail(f.fd, st.st_size, lines);
		log_print(&l, &f, f.fd, &f.at, -1);
	}
	if ((fflush(stdout) != 0 || ferror(stdout)) &&
	    errno != EPIPE) /* who is gone is seen later */
		r = error_sys(err, ERR_FAILED, errno, "cannot write to standard output");
	log_file_finish(&f);
	return r;
}

static int attach(const struct console_options *o, const struct state *s,
		  const struct enter_target *t, struct detach_keys *keys, uint64_t lines,
		  struct holos_error **err)
{
	_cleanup_(state_unlockp) struct state_lock *lock = NULL;
	_cleanup_(closep) int fd = -1;
	enum console_end end;
	int r = take(s, t, &lock, err);

	if (r == 0)
		r = fd = console_connect(t->vm->dir, err);
	if (r < 0)
		return r;
	if (isatty(STDERR_FILENO) && !o->no_stdin && isatty(STDIN_FILENO))
		fprintf(stderr, "connected to the console of %s; %s detaches\n", t->vm->name,
			o->keys != NULL ? o->keys : "Ctrl-]");
	r = show_tail(s, t, lines, err);
	if (r == 0)
		r = console_attach(fd, !o->no_stdin, keys, &end, err);
	if (r < 0)
		return r;
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\n%s %s\n", end == CONSOLE_VM_ENDED ? "the VM ended:" : "left",
			t->vm->name);
	return end == CONSOLE_SIGNALLED ? -ERR_INTERRUPTED : 0;
}

static int console(const struct console_options *o, const struct strv *operands,
		   struct holos_error **err)
{
	_cleanup_(freep) char *dir = state_default_dir(o->common.state_dir);
	_cleanup_(state_closep) struct state *s = NULL;
	_cleanup_(enter_finish) struct enter_target t = { 0 };
	struct detach_keys keys;
	int64_t lines = TAIL_DEFAULT;
	unsigned index = 0;
	int r = options_at_most(operands, 2, err);

	if (r == 0)
		r = detach_parse(o->keys != NULL ? o->keys : DETACH_DEFAULT, &keys, err);
	if (r == 0 && o->tail != NULL && strcmp(o->tail, "all") == 0)
		lines = INT64_MAX;
	else if (r == 0 && o->tail != NULL && units_parse_int(o->tail, 0, INT64_MAX, &lines) < 0)
		r = error_set(err, ERR_USAGE, "--tail %s: must be a number of lines, or all",
			      o->tail);
	if (r == 0)
		r = enter_index(o->index, &index, err);
	if (r == 0)
		r = state_open(dir, false, &s, err);
	if (r == 0)
		r = enter_find(&o->common, s, "console", operands->v, index, &t, err);
	if (r == 0 && t.rest[0] != NULL)
		r = error_set(err, ERR_USAGE, "unexpected argument \"%s\"", t.rest[0]);
	if (r == 0)
		r = enter_running(&t, err);
	return r == 0 ? attach(o, s, &t, &keys, (uint64_t)lines, err) : r;
}

int verb_console(const struct verb *v, int argc, char **argv, struct holos_error **err)
{
	struct console_options o = { .common = COMMON_INIT };
	_cleanup_(strv_finish) struct strv operands = STRV_INIT;
	const struct option_def defs[] = {
		OPTIONS_FILE(o.common),
		OPTIONS_PROJECT(o.common),
		{ "detach-keys", 0, OPTION_VALUE, &o.keys, "KEYS",
		  "leave by these keys, as ctrl-p,ctrl-q (default ctrl-])" },
		{ "no-stdin", 0, OPTION_FLAG, &o.no_stdin, NULL, "only show what the VM prints" },
		{ "tail", 'n', OPTION_VALUE, &o.tail, "N",
		  "lines to show of what was printed before (default 10), or all" },
		{ "index", 0, OPTION_VALUE, &o.index, "N", "the replica, when a service is named" },
		OPTIONS_STATE(o.common),
		OPTIONS_END,
	};
	int r = options_parse(v, defs, false, argc, argv, &operands, err);

	if (r == 0)
		r = console(&o, &operands, err);
	common_finish(&o.common);
	return r;
}

const struct verb entry_console = {
	.name = "console",
	.operands = "[PROJECT] INSTANCE",
	.summary = "a VM's serial console",
	.run = verb_console,
	.group = GROUP_ENTER,
	.more = "Ctrl-] leaves it; the VM goes on. One at a time holds a console; "
		"holos logs -F shows meanwhile what it prints.",
	.examples = {
		{ "holos console web-0", "log in on the serial line" },
		{ "holos console --no-stdin --tail all web-0", "read all it ever printed, and go on" },
	},
};
