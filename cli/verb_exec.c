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
#include <base/clock.h>
#include <base/fs.h>
#include <base/jsonx.h>
#include <base/units.h>
#include <cli.h>
#include <engine/keys.h>
#include <guest/attach.h>
#include <guest/guest.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct exec_options {
	struct common common;
	struct strv env;
	const char *user, *workdir, *wait, *index;
	bool tty, no_tty;
};

/* ---- the VM that is meant ---------------------------------------------------------- */

struct exec_target {
	struct project_status *project;
	struct vm_status *vm;
	char *const *argv; /* the rest of the operands; [0] NULL: a shell */
};

/* "web-9" where there is a service web: a wrong name rather than a command. */
static bool looks_like_one(const struct project_status *p, const char *word)
{
	char service[64];
	unsigned index;

	return word != NULL && state_split_instance(word, service, &index) &&
	       project_status_find(p, service, NULL) == 0;
}

/* "PROJECT [INSTANCE] COMMAND": with one instance its name may be left out. */
static int in_project(const struct state *s, const char *name, char *const *rest, unsigned index,
		      struct exec_target *ret, struct holos_error **err)
{
	int r = project_status_read(s, name, &ret->project, err);

	if (r < 0)
		return r;
	if (rest[0] != NULL &&
	    cli_find_instance(ret->project, rest[0], index, &ret->vm, NULL) == 0) {
		ret->argv = rest + 1;
		return 0;
	}
	if (ret->project->n_vms == 1 && index == 0 && !looks_like_one(ret->project, rest[0])) {
		ret->vm = &ret->project->vms[0];
		ret->argv = rest;
		return 0;
	}
	if (rest[0] == NULL) {
		error_set(err, ERR_USAGE, "project \"%s\" has %zu instances: which one?", name,
			  ret->project->n_vms);
		error_hint(err, "holos exec %s INSTANCE; holos ps shows them", name);
		return -ERR_USAGE;
	}
	return cli_find_instance(ret->project, rest[0], index, &ret->vm, err);
}

static int find_target(const struct exec_options *o, const struct state *s,
		       const struct strv *operands, unsigned index, struct exec_target *ret,
		       struct holos_error **err)
{
	_cleanup_(freep) char *name = NULL;
	int r;

	if (operands->n == 0)
		return error_set(err, ERR_USAGE, "exec needs the name of an instance");
	if (o->common.project == NULL && o->common.files.n == 0 &&
	    cli_is_project(s, operands->v[0]))
		return in_project(s, operands->v[0], operands->v + 1, index, ret, err);
	r = cli_project_name(&o->common, s, &name, err);
	if (r < 0)
		return error_wrap(err, "\"%s\" is no known project", operands->v[0]);
	if (!cli_is_project(s, name))
		return error_set(err, ERR_FAILED, "project \"%s\" is not up: no instance \"%s\"",
				 name, operands->v[0]);
	r = project_status_read(s, name, &ret->project, err);
	if (r == 0)
		r = cli_find_instance(ret->project, operands->v[0], index, &ret->vm, err);
	ret->argv = operands->v + 1;
	return r;
}

static int check_running(const struct exec_target *t, struct holos_error **err)
{
	const struct vm_status *v = t->vm;

	if (v->rec == NULL)
		return error_set(err, ERR_FAILED, "instance \"%s\": %s", v->name, v->problem);
	if (v->vm->state != VM_RUNNING && v->vm->state != VM_STARTING) {
		error_set(err, ERR_FAILED, "instance \"%s\" is %s", v->name,
			  vm_state_name(v->vm->state));
		error_hint(err, "holos start -p %s %s", t->project->name, v->service);
		return -ERR_FAILED;
	}
	if (v->rec->ssh_port == 0)
		return error_set(err, ERR_FAILED, "instance \"%s\" has no SSH port", v->name);
	return 0;
}

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

static int connect_guest(const struct exec_options *o, const struct holos_guest *guest,
			 const struct holos_ssh_module *ssh, struct ssh_conn **ret,
			 struct holos_error **err)
{
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	uint64_t wait_ns = 60 * NS_PER_S;
	uint64_t now = clock_now_ns();
	char text[32];
	int r;

	if (o->wait != NULL) {
		r = option_duration("wait", o->wait, &wait_ns, err);
		if (r < 0)
			return r;
	}
	/* At once, when the guest is up: then nothing is said. */
	if (ssh->conn_open(guest, -1,
			   now + (wait_ns == 0 || wait_ns > 2 * NS_PER_S ? 2 * NS_PER_S : wait_ns),
			   -1, ret, &why) == HOLOS_OK)
		return 0;
	if (wait_ns == 0 || clock_now_ns() >= now + wait_ns)
		return error_move(err, &why);
	fprintf(stderr, "waiting up to %s for sshd of %s on 127.0.0.1:%u ...\n",
		units_duration_text(wait_ns, text), guest->vm, guest->ssh_port);
	if (guest_wait_ssh(guest, now + wait_ns, -1, ret, err) == HOLOS_OK)
		return 0;
	return -ERR_FAILED;
}

static bool wants_tty(const struct exec_options *o)
{
	return !o->no_tty && (o->tty || (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)));
}

static int run_in(const struct exec_options *o, const struct state *s, const struct exec_target *t,
		  int *ret_status, struct holos_error **err)
{
	_cleanup_(freep) char *key = keys_project_path(s, t->project->name);
	_cleanup_(freep) char *host_key = fs_join(t->vm->dir, KEYS_HOST_KEY_PUB);
	_cleanup_(strv_finish) struct strv env = STRV_INIT;
	const struct holos_ssh_module *ssh;
	struct holos_guest guest = { .size = sizeof(guest),
				     .vm = t->vm->name,
				     .ssh_host = "127.0.0.1",
				     .ssh_port = t->vm->rec->ssh_port,
				     .ssh_user = o->user != NULL            ? o->user
						 : t->vm->rec->user != NULL ? t->vm->rec->user
									    : "root",
				     .ssh_key = key,
				     .ssh_known_hosts = host_key };
	struct guest_attach attach = { 0 };
	struct ssh_run_result result;
	struct ssh_conn *conn = NULL;
	int r = guest_ssh_module(&ssh, err);

	if (r == 0)
		r = connect_guest(o, &guest, ssh, &conn, err);
	if (r < 0)
		return r;
	gather_env(t->vm, &o->env, &env);
	attach.argv = t->argv[0] != NULL ? (const char *const *)t->argv : NULL;
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
	struct exec_target t = { 0 };
	int64_t index = 0;
	int r = state_open(dir, false, &s, err);

	if (r == 0 && o->index != NULL && units_parse_int(o->index, 0, 1 << 20, &index) < 0)
		r = error_set(err, ERR_USAGE, "--index %s: must be a number", o->index);
	for (size_t i = 0; r == 0 && i < o->env.n; i++) {
		size_t n = strcspn(o->env.v[i], "=");

		if (n == 0 || o->env.v[i][n] == '\0' || strcspn(o->env.v[i], " \t") < n)
			r = error_set(err, ERR_USAGE, "-e %s: must be NAME=VALUE", o->env.v[i]);
	}
	if (r == 0)
		r = find_target(o, s, operands, (unsigned)index, &t, err);
	if (r == 0 && t.argv[0] != NULL && strcmp(t.argv[0], "--") == 0)
		t.argv++;
	if (r == 0)
		r = check_running(&t, err);
	if (r == 0)
		r = run_in(o, s, &t, ret_status, err);
	project_status_destroy(t.project);
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
