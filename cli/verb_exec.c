/* SPDX-License-Identifier: Apache-2.0
 *
 * verb_exec.c - holos exec: a command, or a shell, in a VM over SSH.
 *
 * With a terminal on both sides the local one is raw, so that every key reaches
 * the guest, and its size follows ours.  Without one, streams are passed as
 * they are and signals are passed on.  Whatever holos itself cannot do ends
 * with 125; else the status is the command's.
 */
#include <base/alloc.h>
#include <base/jsonx.h>
#include <enter.h>
#include <guest/attach.h>

#include <string.h>
#include <unistd.h>

struct exec_options {
	struct common common;
	struct strv env;
	const char *user, *workdir, *wait, *index;
	bool tty, no_tty;
};

/* ---- the run ---------------------------------------------------------------------------- */

/* The service's environment, then -e, which wins by coming later. */
static void gather_env(const struct vm_status *v, const struct strv *more, struct strv *ret)
{
	struct json_object *env = jsonx_obj(jsonx_obj(v->rec->spec, "restart"), "environment");

	if (env != NULL) {
		json_object_object_foreach (env, key, value) {
			if (json_object_is_type(value, json_type_string))
				strv_addf(ret, "%s=%s", key, json_object_get_string(value));
		}
	}
	strv_add_all(ret, more->v);
}

static bool wants_tty(const struct exec_options *o)
{
	return !o->no_tty && (o->tty || (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)));
}

static int run_in(const struct exec_options *o, const struct state *s, const struct enter_target *t,
		  int *ret_status, struct holos_error **err)
{
	_cleanup_(strv_finish) struct strv env = STRV_INIT;
	char *const *argv = t->rest;
	const struct holos_ssh_module *ssh;
	struct guest_attach attach = { 0 };
	struct ssh_run_result result;
	struct ssh_conn *conn = NULL;
	int r = enter_connect(s, t, o->user, o->wait, &ssh, &conn, err);

	if (r < 0)
		return r;
	if (argv[0] != NULL && strcmp(argv[0], "--") == 0)
		argv++;
	gather_env(t->vm, &o->env, &env);
	attach.argv = argv[0] != NULL ? (const char *const *)argv : NULL;
	attach.env = (const char *const *)env.v;
	attach.workdir = o->workdir;
	attach.tty = wants_tty(o);
	if (guest_attach(ssh, conn, &attach, &result, err) == HOLOS_OK)
		*ret_status = result.status;
	else
		r = err != NULL && *err != NULL ? -(*err)->code : -ERR_FAILED;
	ssh->conn_close(conn);
	return r;
}

static int exec(const struct exec_options *o, const struct strv *operands, int *ret_status,
		struct holos_error **err)
{
	_cleanup_(freep) char *dir = state_default_dir(o->common.state_dir);
	_cleanup_(state_closep) struct state *s = NULL;
	_cleanup_(enter_finish) struct enter_target t = { 0 };
	unsigned index = 0;
	int r = state_open(dir, false, &s, err);

	if (r == 0)
		r = enter_index(o->index, &index, err);
	for (size_t i = 0; r == 0 && i < o->env.n; i++) {
		size_t n = strcspn(o->env.v[i], "=");

		if (n == 0 || o->env.v[i][n] == '\0' || strcspn(o->env.v[i], " \t") < n)
			r = error_set(err, ERR_USAGE, "-e %s: must be NAME=VALUE", o->env.v[i]);
	}
	if (r == 0)
		r = enter_find(&o->common, s, "exec", operands->v, index, &t, err);
	if (r == 0)
		r = enter_running(&t, err);
	if (r == 0)
		r = run_in(o, s, &t, ret_status, err);
	return r;
}

int verb_exec(const struct verb *v, int argc, char **argv, struct holos_error **err)
{
	struct exec_options o = { .common = COMMON_INIT };
	_cleanup_(strv_finish) struct strv operands = STRV_INIT;
	const struct option_def defs[] = {
		OPTIONS_FILE(o.common),
		OPTIONS_PROJECT(o.common),
		{ "user", 'u', OPTION_VALUE, &o.user, "USER", "log in as USER" },
		{ "wait", 'w', OPTION_VALUE, &o.wait, "TIME",
		  "how long the guest may take to answer (default 60s; 0: one try)" },
		{ "env", 'e', OPTION_LIST, &o.env, "K=V", "set a variable (may be repeated)" },
		{ "workdir", 0, OPTION_VALUE, &o.workdir, "DIR", "run it in DIR" },
		{ "index", 0, OPTION_VALUE, &o.index, "N", "the replica, when a service is named" },
		{ "tty", 't', OPTION_FLAG, &o.tty, NULL, "use a terminal in any case" },
		{ "no-tty", 'T', OPTION_FLAG, &o.no_tty, NULL, "never use a terminal" },
		OPTIONS_STATE(o.common),
		OPTIONS_END,
	};
	int status = 0;
	int r = options_parse(v, defs, true, argc, argv, &operands, err);

	if (r == 0)
		r = exec(&o, &operands, &status, err);
	common_finish(&o.common);
	strv_finish(&o.env);
	if (r == HELP_SHOWN || r == 0)
		return r == HELP_SHOWN ? r : -status;
	return r == -ERR_USAGE || r == -ERR_INTERRUPTED ? r : -ERR_HOLOS;
}

const struct verb entry_exec = {
	.name = "exec",
	.operands = "[PROJECT] INSTANCE [COMMAND...]",
	.summary = "run a command, or a shell, in a VM",
	.run = verb_exec,
	.group = GROUP_ENTER,
	.more = "Ends with the status of the command; with 125 when holos itself "
		"failed.",
	.examples = {
		{ "holos exec web-0", "a shell" },
		{ "holos exec web-0 -- ls -l /srv", "a command" },
		{ "tar c . | holos exec -T web-0 -- tar x", "streams both ways" },
	},
};
