/* SPDX-License-Identifier: Apache-2.0
 *
 * verb_install.c - holos install and uninstall: a project that systemd starts with the
 * host and stops with it.
 */
#include <base/alloc.h>
#include <base/fs.h>
#include <base/names.h>
#include <base/paths.h>
#include <cli.h>
#include <compose/files.h>
#include <engine/install.h>
#include <engine/unit.h>

#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct install {
	struct common common;
	const char *user, *name;
	bool system, enable, dry_run;
	struct strv operands;
	/* What goes into the unit. */
	struct strv files, env_files, profiles, env;
	char *program, *state_dir;
};

static void finish(struct install *i)
{
	common_finish(&i->common);
	strv_finish(&i->operands);
	strv_finish(&i->files);
	strv_finish(&i->env_files);
	strv_finish(&i->profiles);
	strv_finish(&i->env);
	free(i->program);
	free(i->state_dir);
}

/* ---- what is carried ------------------------------------------------------------------------ */

/* A unit is a text file that all may read. */
static bool is_text(const char *s)
{
	size_t n = strlen(s);

	while (n > 0) {
		size_t used = printable_char(s, n);

		if (used == 0)
			return false;
		s += used;
		n -= used;
	}
	return true;
}

static bool looks_secret(const char *name)
{
	static const char *const words[] = { "SECRET",     "TOKEN", "PASSW", "PASSPH", "_PASS",
					     "CREDENTIAL", "KEY",   "_PWD",  "_AUTH" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcasestr(name, words[i]) != NULL)
			return true;
	}
	return false;
}

/* Said by an option, or of use to tests alone. */
static bool is_told_otherwise(const char *name)
{
	static const char *const names[] = { "HOLOS_STATE_DIR", "HOLOS_FILE", "HOLOS_PROJECT_NAME",
					     "HOLOS_ENV_FILES" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i], name) == 0)
			return true;
	}
	return strncmp(name, "HOLOS_TEST_", 11) == 0;
}

static void carry(struct install *i, const char *cwd, const char *variable)
{
	static const char *const paths[] = { "HOLOS_QEMU_SYSTEM", "HOLOS_QEMU_IMG",
					     "HOLOS_OVMF_CODE", "HOLOS_OVMF_VARS" };
	const char *value = strchr(variable, '=');
	_cleanup_(freep) char *name = NULL;
	_cleanup_(freep) char *full = NULL;

	if (value == NULL)
		return;
	name = xstrndup(variable, (size_t)(value - variable));
	value++;
	if (is_told_otherwise(name))
		return;
	if (looks_secret(name) || !is_text(variable)) {
		print_warning("%s is not carried into the unit, which everybody can read; set it "
			      "with systemctl edit",
			      name);
		return;
	}
	for (size_t k = 0; k < sizeof(paths) / sizeof(paths[0]); k++) {
		if (strcmp(paths[k], name) == 0 && strchr(value, '/') != NULL)
			full = fs_normalize(cwd, value);
	}
	strv_addf(&i->env, "%s=%s", name, full != NULL ? full : value);
}

static int absolute(const struct strv *from, const char *cwd, struct strv *to,
		    struct holos_error **err)
{
	for (size_t k = 0; k < from->n; k++) {
		if (strcmp(from->v[k], "-") == 0)
			return error_set(
				err, ERR_USAGE,
				"standard input is gone when the host starts; name a file");
		strv_take(to, fs_normalize(cwd, from->v[k]));
	}
	return 0;
}

/* --env-file, else what the environment says, joined by commas. */
static void find_env_files(const struct install *i, struct strv *ret)
{
	const char *list = getenv("HOLOS_ENV_FILES");

	strv_add_all(ret, i->common.env_files.v);
	while (ret->n == 0 && list != NULL && *list != '\0') {
		size_t n = strcspn(list, ",");

		if (n != 0)
			strv_take(ret, xstrndup(list, n));
		list += n + (list[n] == ',');
	}
}

static int gather(struct install *i, const char *cwd, struct holos_error **err)
{
	struct project_options o = { .environ = environ };
	_cleanup_(strv_finish) struct strv files = STRV_INIT;
	_cleanup_(strv_finish) struct strv env_files = STRV_INIT;
	int r;

	o.files = i->common.files.n != 0 ? (const char *const *)i->common.files.v : NULL;
	r = load_find_files(&o, cwd, &files, err);
	if (r == 0)
		r = absolute(&files, cwd, &i->files, err);
	find_env_files(i, &env_files);
	if (r == 0)
		r = absolute(&env_files, cwd, &i->env_files, err);
	if (r < 0)
		return r;
	strv_add_all(&i->profiles, i->common.profiles.v);
	i->program = realpath(paths_self(), NULL);
	i->state_dir = state_default_dir(i->common.state_dir);
	for (char **e = environ; *e != NULL; e++) {
		if (strncmp(*e, "HOLOS_", 6) == 0)
			carry(i, cwd, *e);
	}
	strv_sort(&i->env);
	return i->program != NULL ? 0
				  : error_set(err, ERR_FAILED, "cannot tell where this program is");
}

static int check_text(const struct strv *list, const char *what, struct holos_error **err)
{
	for (size_t k = 0; k < list->n; k++) {
		if (!is_text(list->v[k]))
			return error_set(err, ERR_FAILED,
					 "%s \"%s\": no unit can name it, as it has a control "
					 "character or is no UTF-8",
					 what, list->v[k]);
	}
	return 0;
}

static int check_paths(const struct install *i, struct holos_error **err)
{
	_cleanup_(strv_finish) struct strv own = STRV_INIT;
	int r;

	if (strpbrk(i->program, "\"'\\") != NULL)
		return error_set(err, ERR_FAILED,
				 "%s: systemd runs no program whose path has quotes or backslashes",
				 i->program);
	strv_add(&own, i->program);
	strv_add(&own, i->state_dir);
	r = check_text(&own, "path", err);
	if (r == 0)
		r = check_text(&i->files, "compose file", err);
	if (r == 0)
		r = check_text(&i->env_files, "env file", err);
	return r == 0 ? check_text(&i->profiles, "profile", err) : r;
}

/* Variables of this shell are not there when the host starts. */
static void warn_of_variables(const struct project *p)
{
	for (size_t k = 0; k < p->n_variables; k++) {
		const struct variable *v = &p->variables[k];

		if (strcmp(v->origin, "environment") == 0 && strncmp(v->name, "HOLOS_", 6) != 0)
			print_warning(
				"${%s} comes from this shell and will be unset at boot; write it "
				"into .env beside the compose file",
				v->name);
	}
}

/* ---- install -----------------------------------------------------------------------------------
 */

static int check_user(const struct install *i, struct holos_error **err)
{
	if (i->user == NULL)
		return 0;
	if (!i->system)
		return error_set(err, ERR_USAGE, "--user %s: is for --system; the unit is yours",
				 i->user);
	if (!names_is_user(i->user))
		return error_set(err, ERR_USAGE, "--user %s: must be a user name", i->user);
	if (i->common.state_dir != NULL)
		return 0;
	error_set(err, ERR_USAGE, "--user %s: --state-dir is due, a directory that %s can write",
		  i->user, i->user);
	error_hint(err, "--state-dir ~%s/.local/state/holos is where %s's own commands look",
		   i->user, i->user);
	return -ERR_USAGE;
}

static const char *command(bool system)
{
	return system ? "sudo systemctl" : "systemctl --user";
}

static void report(const struct install *i, const char *path)
{
	printf("installed %s unit: %s\n", i->system ? "system" : "user", path);
	if (!i->enable)
		printf("to activate at boot: %s enable --now %s\n", command(i->system),
		       strrchr(path, '/') + 1);
	if (!i->system && !install_lingers()) {
		const struct passwd *pw = getpwuid(getuid());

		fprintf(stderr,
			"note: lingering is off: your units start when you log in and stop when "
			"you "
			"log out; from boot to shutdown: loginctl enable-linger %s\n",
			pw != NULL ? pw->pw_name : "");
	}
	if (i->system && i->user == NULL)
		print_warning("its VMs run as root; --user NAME with --state-dir DIR is safer");
}

static int write_unit(struct install *i, const char *path, const char *text,
		      struct holos_error **err)
{
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	bool written;
	int r = install_write(i->system, path, text, &written, &why);

	if (!written)
		return error_move(err, &why);
	if (r < 0 && i->enable) {
		error_move(err, &why);
		return error_wrap(err, "%s is written and not enabled", path);
	}
	/* Nobody asked for more than the file, and the next boot reads it. */
	if (r < 0)
		print_warning("%s", why->message);
	if (i->enable) {
		r = install_enable(i->system, path, err);
		if (r < 0)
			return error_wrap(err, "%s is written and not enabled", path);
	}
	report(i, path);
	return 0;
}

static int install(struct install *i, struct holos_error **err)
{
	_cleanup_(project_destroyp) struct project *p = NULL;
	_cleanup_(freep) char *cwd = getcwd(NULL, 0);
	_cleanup_(freep) char *path = NULL;
	_cleanup_(freep) char *text = NULL;
	static const char *const none[] = { NULL };
	struct unit u;
	int r = check_user(i, err);

	if (r == 0 && cwd == NULL)
		r = error_set(err, ERR_FAILED, "the current directory is gone");
	if (r == 0)
		r = cli_project(&i->common, NULL, &p, err);
	if (r == 0)
		r = gather(i, cwd, err);
	if (r == 0)
		r = check_paths(i, err);
	if (r < 0)
		return r;
	warn_of_variables(p);
	path = install_path(i->system, p->name, err);
	if (path == NULL)
		return -ERR_HOST;
	u = (struct unit){ .system = i->system,
			   .user = i->user,
			   .program = i->program,
			   .state_dir = i->state_dir,
			   .project = p->name,
			   .files = (const char *const *)i->files.v,
			   .env_files = (const char *const *)i->env_files.v,
			   .profiles = (const char *const *)i->profiles.v,
			   .env = i->env.n != 0 ? (const char *const *)i->env.v : none,
			   .start_ns = unit_start_ns(p),
			   .stop_ns = unit_stop_ns(p) };
	text = unit_text(&u);
	if (!i->dry_run)
		return write_unit(i, path, text, err);
	printf("# would write to: %s\n%s", path, text);
	return 0;
}

int verb_install(const struct verb *v, int argc, char **argv, struct holos_error **err)
{
	_cleanup_(finish) struct install i = { .common = COMMON_INIT };
	const struct option_def defs[] = {
		OPTIONS_FILE(i.common),
		OPTIONS_PROJECT(i.common),
		{ "system", 0, OPTION_FLAG, &i.system, NULL,
		  "a unit of the system, not one of yours" },
		{ "user", 0, OPTION_VALUE, &i.user, "NAME", "who runs it, with --system" },
		{ "enable", 0, OPTION_FLAG, &i.enable, NULL, "start it now, and with the host" },
		{ "dry-run", 0, OPTION_FLAG, &i.dry_run, NULL, "print the unit; change nothing" },
		OPTIONS_STATE(i.common),
		OPTIONS_END,
	};
	int r = options_parse(v, defs, false, argc, argv, &i.operands, err);

	if (r == 0)
		r = options_at_most(&i.operands, 0, err);
	return r == 0 ? install(&i, err) : r;
}

const struct verb entry_install = {
	.name = "install",
	.operands = "",
	.summary = "let systemd start the project with the host",
	.run = verb_install,
	.group = GROUP_HOST,
	.more = "The unit starts with `holos up --no-recreate` and stops with `holos stop`: a "
		"reboot keeps all disks. Variables HOLOS_* are carried into it, but for what looks "
		"like a secret.",
	.examples = {
		{ "holos install --dry-run", "print the unit" },
		{ "holos install --enable", "start it now and whenever you log in" },
		{ "holos install --system --user vms --state-dir /srv/holos",
		  "a unit of the system, run by user vms" },
	},
};

/* ---- uninstall ---------------------------------------------------------------------------------
 */

/* --name or an operand; else the project that is meant here. */
static int find_project(struct install *i, char **ret, struct holos_error **err)
{
	_cleanup_(freep) char *dir = state_default_dir(i->common.state_dir);
	_cleanup_(state_closep) struct state *s = NULL;
	const char *name = i->name != NULL      ? i->name
			   : i->operands.n != 0 ? i->operands.v[0]
						: i->common.project;
	int r;

	if (name != NULL && !names_is_label(name))
		return error_set(err, ERR_USAGE, "project \"%s\": must be " NAMES_LABEL_RULE, name);
	if (name != NULL) {
		*ret = xstrdup(name);
		return 0;
	}
	r = state_open(dir, false, &s, err);
	return r == 0 ? cli_project_name(&i->common, s, ret, err) : r;
}

static int uninstall(struct install *i, struct holos_error **err)
{
	_cleanup_(freep) char *project = NULL;
	_cleanup_(freep) char *path = NULL;
	bool found = false;
	int r = find_project(i, &project, err);

	if (r == 0) {
		path = install_path(i->system, project, err);
		r = path != NULL ? install_remove(i->system, path, &found, err) : -ERR_HOST;
	}
	if (r == 0 && found)
		printf("removed %s unit: %s\n", i->system ? "system" : "user", path);
	else if (r == 0)
		fprintf(stderr, "%s is not there: nothing to remove\n", path);
	else if (found && fs_absent(AT_FDCWD, path))
		return error_wrap(err, "removed %s unit %s, but", i->system ? "system" : "user",
				  path);
	return r;
}

int verb_uninstall(const struct verb *v, int argc, char **argv, struct holos_error **err)
{
	_cleanup_(finish) struct install i = { .common = COMMON_INIT };
	const struct option_def defs[] = {
		OPTIONS_FILE(i.common),
		OPTIONS_PROJECT(i.common),
		{ "name", 0, OPTION_VALUE, &i.name, "NAME", "the project, like -p" },
		{ "system", 0, OPTION_FLAG, &i.system, NULL, "the unit of the system, not yours" },
		OPTIONS_STATE(i.common),
		OPTIONS_END,
	};
	int r = options_parse(v, defs, false, argc, argv, &i.operands, err);

	if (r == 0)
		r = options_at_most(&i.operands, 1, err);
	return r == 0 ? uninstall(&i, err) : r;
}

const struct verb entry_uninstall = {
	.name = "uninstall",
	.operands = "[PROJECT]",
	.summary = "stop the project with its unit, and remove that",
	.run = verb_uninstall,
	.group = GROUP_HOST,
	.more = "Disks stay; holos up starts the VMs again.",
	.examples = {
		{ "holos uninstall", "the unit of the project here" },
		{ "holos uninstall --system shop", "that of the system for project shop" },
	},
};
