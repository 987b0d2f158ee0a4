/* SPDX-License-Identifier: Apache-2.0
 *
 * verb_stop.c - holos stop, kill, restart: by the record alone, without the
 * compose file, the network or an image.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <cli.h>

#include <string.h>

/* What the three have in common: find the project and the names, do it, show how
 * it is. */
struct stop_call {
	struct common c;
	struct strv operands;
	struct engine *e;
	char *project;
	struct stop_options o;
};

static void stop_call_finish(struct stop_call *s)
{
	common_finish(&s->c);
	strv_finish(&s->operands);
	engine_destroy(s->e);
	free(s->project);
}

static int open_call(struct stop_call *s, const char *verb, const char *timeout,
		     struct holos_error **err)
{
	char *const *names = NULL;
	int r = option_grace(timeout, &s->o, err);

	if (r == 0)
		r = cli_engine(&s->c, verb, true, &s->e, err);
	if (r == 0)
		r = cli_resolve(&s->c, engine_state(s->e), &s->operands, &s->project, &names, err);
	s->o.names = (const char *const *)names;
	return r;
}

int verb_stop(const struct verb *v, int argc, char **argv, struct holos_error **err)
{
	_cleanup_(stop_call_finish) struct stop_call s = { .c = COMMON_INIT };
	const char *timeout = NULL;
	const struct option_def defs[] = {
		OPTIONS_FILE(s.c), OPTIONS_PROJECT(s.c), OPTION_TIMEOUT(timeout), OPTIONS_WORK(s.c),
		OPTIONS_LOCK(s.c), OPTIONS_STATE(s.c),   OPTIONS_JSON(s.c),       OPTIONS_END,
	};
	int r = options_parse(v, defs, false, argc, argv, &s.operands, err);

	if (r != 0)
		return r;
	r = open_call(&s, "stop", timeout, err);
	if (r == 0)
		r = engine_stop(s.e, s.project, &s.o, err);
	return r == 0 ? cli_show_project(s.e, s.project, s.c.json, err) : r;
}

const struct verb entry_stop = {
	.name = "stop",
	.operands = "[SERVICE...|PROJECT]",
	.summary = "power VMs down, keep their disks",
	.run = verb_stop,
	.group = GROUP_LIFE,
	.more = "Asks the guests to power off, dependents first. A guest that does not "
		"within its stop_grace_period is ended.",
	.examples = {
		{ "holos stop", "all of the project here" },
		{ "holos stop demo", "a project by its name" },
		{ "holos stop -t 5 web", "give its guests 5 seconds" },
	},
};

/* A VM knows no signals: what ends QEMU at once is all that there is. */
static int check_signal(const char *name, struct holos_error **err)
{
	const char *plain = strncmp(name, "SIG", 3) == 0 ? name + 3 : name;

	if (strcmp(plain, "KILL") == 0 || strcmp(plain, "9") == 0)
		return 0;
	error_set(err, ERR_USAGE, "-s %s: a VM takes no signal but KILL", name);
	error_hint(err,
		   "holos stop powers it down; holos exec INSTANCE kill -%s PID signals a "
		   "process in it",
		   plain);
	return -ERR_USAGE;
}

int verb_kill(const struct verb *v, int argc, char **argv, struct holos_error **err)
{
	_cleanup_(stop_call_finish) struct stop_call s = { .c = COMMON_INIT, .o.kill = true };
	const char *signal = "KILL";
	const struct option_def defs[] = {
		OPTIONS_FILE(s.c),
		OPTIONS_PROJECT(s.c),
		{ "signal", 's', OPTION_VALUE, &signal, "SIGNAL", "KILL, and nothing else" },
		OPTIONS_WORK(s.c),
		OPTIONS_LOCK(s.c),
		OPTIONS_STATE(s.c),
		OPTIONS_JSON(s.c),
		OPTIONS_END,
	};
	int r = options_parse(v, defs, false, argc, argv, &s.operands, err);

	if (r != 0)
		return r;
	r = check_signal(signal, err);
	if (r == 0)
		r = open_call(&s, "kill", NULL, err);
	if (r == 0)
		r = engine_stop(s.e, s.project, &s.o, err);
	return r == 0 ? cli_show_project(s.e, s.project, s.c.json, err) : r;
}

const struct verb entry_kill = {
	.name = "kill",
	.operands = "[PROJECT] [SERVICE...]",
	.summary = "end VMs at once, keep their disks",
	.run = verb_kill,
	.group = GROUP_LIFE,
	.more = "As pulling the plug does: what the guest has not written is lost.",
	.examples = {
		{ "holos kill web-1", "one VM" },
	},
};

int verb_restart(const struct verb *v, int argc, char **argv, struct holos_error **err)
{
	_cleanup_(stop_call_finish) struct stop_call s = { .c = COMMON_INIT };
	struct restart_options o = { 0 };
	const char *timeout = NULL, *wait_timeout = NULL;
	const struct option_def defs[] = {
		OPTIONS_FILE(s.c),
		OPTIONS_PROJECT(s.c),
		OPTION_TIMEOUT(timeout),
		{ "no-deps", 0, OPTION_FLAG, &o.no_deps, NULL,
		  "leave services alone that ask to be restarted with one (depends_on.restart)" },
		{ "wait", 0, OPTION_FLAG, &o.wait, NULL, "until everything is healthy or answers" },
		{ "wait-timeout", 0, OPTION_VALUE, &wait_timeout, "TIME",
		  "give up waiting after TIME" },
		OPTIONS_WORK(s.c),
		OPTIONS_LOCK(s.c),
		OPTIONS_STATE(s.c),
		OPTIONS_JSON(s.c),
		OPTIONS_END,
	};
	int r = options_parse(v, defs, false, argc, argv, &s.operands, err);

	if (r != 0)
		return r;
	if (wait_timeout != NULL) {
		r = option_duration("wait-timeout", wait_timeout, &o.wait_timeout_ns, err);
		o.wait = true;
	}
	if (r == 0)
		r = open_call(&s, "restart", timeout, err);
	o.stop = s.o;
	if (r == 0)
		r = engine_restart(s.e, s.project, &o, err);
	return r == 0 ? cli_show_project(s.e, s.project, s.c.json, err) : r;
}

const struct verb entry_restart = {
	.name = "restart",
	.operands = "[PROJECT] [SERVICE...]",
	.summary = "stop VMs and start them as they were",
	.run = verb_restart,
	.group = GROUP_LIFE,
	.more = "The same root disk, addresses and ports. Nothing of a changed compose "
		"file is taken up: `holos up` does that.",
	.examples = {
		{ "holos restart web", "all replicas of web" },
		{ "holos restart --wait", "and wait until all is healthy" },
	},
};
