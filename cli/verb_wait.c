/* SPDX-License-Identifier: Apache-2.0
 *
 * verb_wait.c - holos wait: until VMs are down, and how they ended.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/jsonx.h>
#include <cli.h>

#include <stdio.h>
#include <string.h>

struct waiting {
	struct json_object *list; /* NULL: print lines */
	int status;               /* of the last that ended */
};

/* As a shell tells it: 0 for a guest that powered itself off or was stopped,
 * 128 and the signal for a killed QEMU, 1 for what has no number. */
static int exit_status(const struct vm_exit *e)
{
	switch (e->cause) {
	case VM_EXIT_GUEST:
		return e->status > 0 ? e->status & 0xff : 0;
	case VM_EXIT_STOPPED:
		return 0;
	case VM_EXIT_SIGNAL:
		return 128 + e->signal;
	case VM_EXIT_QEMU:
		return e->status > 0 ? e->status & 0xff : 1;
	case VM_EXIT_NONE:
	case VM_EXIT_PANIC:
	case VM_EXIT_UNKNOWN:
	default:
		return 1;
	}
}

static void on_ended(void *data, const struct vm_status *v)
{
	struct waiting *w = data;
	_cleanup_(freep) char *how = vm_exit_describe(&v->vm->exit);

	w->status = exit_status(&v->vm->exit);
	if (w->list != NULL) {
		struct json_object *o = json_object_new_object();

		jsonx_set_str(o, "instance", v->name);
		jsonx_set_str(o, "service", v->service);
		jsonx_set_int(o, "status", w->status);
		jsonx_set_str(o, "cause", vm_exit_cause_name(v->vm->exit.cause));
		jsonx_set_str(o, "message", how);
		json_object_array_add(w->list, o);
	} else {
		_cleanup_(freep) char *text = printable(how);

		printf("instance \"%s\" exited with status code %d (%s)\n", v->name, w->status,
		       text);
		fflush(stdout);
	}
}

static int take_down(struct engine *e, const char *project, struct holos_error **err)
{
	struct stop_options o = { 0 };
	bool found;

	return engine_down(e, project, &o, false, &found, err);
}

int verb_wait(const struct verb *v, int argc, char **argv, struct holos_error **err)
{
	_cleanup_(common_finish) struct common c = COMMON_INIT;
	_cleanup_(strv_finish) struct strv operands = STRV_INIT;
	_cleanup_(engine_destroyp) struct engine *e = NULL;
	_cleanup_(freep) char *project = NULL;
	struct waiting w = { 0 };
	char *const *names;
	const char *timeout = NULL;
	uint64_t timeout_ns = 0;
	bool down = false;
	const struct option_def defs[] = {
		OPTIONS_FILE(c),
		OPTIONS_PROJECT(c),
		{ "timeout", 0, OPTION_VALUE, &timeout, "TIME",
		  "give up after TIME (exit status 7)" },
		{ "down-project", 0, OPTION_FLAG, &down, NULL, "holos down when they have ended" },
		OPTIONS_WORK(c),
		OPTIONS_LOCK(c),
		OPTIONS_STATE(c),
		OPTIONS_JSON(c),
		OPTIONS_END,
	};
	int r = options_parse(v, defs, false, argc, argv, &operands, err);

	if (r == 0 && timeout != NULL)
		r = option_duration("timeout", timeout, &timeout_ns, err);
	if (r != 0)
		return r;
	r = cli_engine(&c, "wait", true, &e, err);
	if (r == 0)
		r = cli_resolve(&c, engine_state(e), &operands, &project, &names, err);
	if (r < 0)
		return r;
	w.list = c.json ? json_object_new_array() : NULL;
	r = engine_wait(e, project, (const char *const *)names, timeout_ns, on_ended, &w, err);
	if (w.list != NULL)
		print_json(w.list);
	if (r == 0 && down)
		r = take_down(e, project, err);
	return r < 0 ? r : -w.status;
}

const struct verb entry_wait = {
	.name = "wait",
	.operands = "[PROJECT] [SERVICE...]",
	.summary = "wait until VMs are down, tell how they ended",
	.run = verb_wait,
	.group = GROUP_LIFE,
	.more = "The exit status is that of the last that ended: 0 for a guest that "
		"powered itself off or was stopped, 128 and the signal for a killed "
		"QEMU, 1 for a panic.",
	.examples = {
		{ "holos wait job", "until it is down; ends with its status" },
		{ "holos wait --down-project tests", "and take the project down" },
	},
};
