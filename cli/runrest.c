/* SPDX-License-Identifier: Apache-2.0
 *
 * runrest.c - holos run --exec, --rm: a command in the VM that was started, and its
 * removal.  No process of ours stays with a VM to remove it later, so --rm waits.
 */
#include <base/alloc.h>
#include <base/interrupt.h>
#include <cli.h>
#include <runrest.h>

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* Call a verb as from the command line: with -p PROJECT and these words. */
static int call(const struct verb *v, const struct run_rest *o, const char *const *options,
		char *const *operands, struct holos_error **err)
{
	_cleanup_(strv_finish) struct strv words = STRV_INIT;

	strv_addf(&words, "--project=%s", o->project);
	if (o->state_dir != NULL)
		strv_addf(&words, "--state-dir=%s", o->state_dir);
	for (; *options != NULL; options++)
		strv_add(&words, *options);
	strv_add_all(&words, operands);
	return v->run(v, (int)words.n, words.v, err);
}

int run_remove(const struct run_rest *o, struct holos_error **err)
{
	struct common c = { .state_dir = o->state_dir, .progress = "quiet" };
	_cleanup_(engine_destroyp) struct engine *e = NULL;
	struct stop_options stop = { .kill = true };
	bool found;
	int r = cli_engine(&c, "run", true, &e, err);

	if (r == 0)
		r = engine_down(e, o->project, &stop, false, &found, err);
	if (r == 0) {
		_cleanup_(freep) char *name = xasprintf("%s/holos.yaml", o->project);
		_cleanup_(closep) int dir = state_open_dir(engine_state(e), false, "runs");

		(void)unlinkat(dir, name, 0);
		(void)unlinkat(dir, o->project, AT_REMOVEDIR);
	}
	return r;
}

int run_rest(const struct run_rest *o, struct holos_error **err)
{
	static const char *const nothing[] = { NULL };
	static const char *const instance[] = { "--wait=5m", "vm-0", NULL };
	char *const none[] = { NULL };
	bool interrupted;
	int r = 0, removed = 0;

	if (interrupt_asked()) /* when the VM ran just so */
		r = error_set(err, ERR_INTERRUPTED, "interrupted");
	cli_signals_default();
	if (r == 0 && o->exec)
		r = call(&entry_exec, o, instance, o->command, err);
	else if (r == 0 && o->remove)
		r = call(&entry_wait, o, nothing, none, err);
	/* A command's status may be any number: only an error is one of ours. */
	interrupted = r == -ERR_INTERRUPTED && *err != NULL;
	if (interrupted)
		error_hint(err, "the VM runs: holos exec %s enters it, holos down %s removes it",
			   o->project, o->project);
	else if (o->remove)
		removed = run_remove(o, *err == NULL ? err : NULL);
	return r == 0 ? removed : r;
}
