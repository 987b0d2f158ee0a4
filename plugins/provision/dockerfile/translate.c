/* SPDX-License-Identifier: Apache-2.0
 *
 * translate.c - the last stage of a Dockerfile as a script and its steps.
 *
 * Variables are resolved here, as BuildKit does it, so the script holds plain
 * values; only RUN's own text is for the guest's shell.
 */
#include "translate.h"

#include "context.h"
#include "parts.h"

#include <string.h>
#include <strings.h>
#include <sys/utsname.h>

#define SCRIPT_PATH "/var/lib/holos/build.sh"
#define LINES_PATH  "/var/lib/holos/build.lines"
#define CMD_PATH    "/var/lib/holos/cmd.sh"
#define AT_MAX      100 /* characters of an instruction that are shown */

/* What Docker assumes of an image that says nothing. */
#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* ---- helpers ------------------------------------------------------------------------ */

const char *df_build_expand(struct df_build *b, const struct df_instr *in, const char *word)
{
	return df_expand(b->pool, in->line, word, b->file.escape, &b->known);
}

const char *df_build_path(struct df_build *b, const char *path)
{
	const char *full = *path == '/' ? path : df_printf(b->pool, "%s/%s", b->workdir, path);
	struct df_text t = DF_TEXT(b->pool);

	while (*full != '\0') {
		size_t n = strcspn(full, "/");

		if (n == 2 && full[0] == '.' && full[1] == '.') {
			while (t.len > 0 && t.s[--t.len] != '/')
				;
			df_add(&t, "", 0);
		} else if (n > 0 && !(n == 1 && full[0] == '.')) {
			df_addc(&t, '/');
			df_add(&t, full, n);
		}
		full += n;
		full += *full == '/';
	}
	return t.len > 0 ? df_str(&t) : "/";
}

void df_build_at(struct df_build *b, const struct df_instr *in)
{
	size_t n = strlen(in->text);
	size_t shown = n;

	if (n > AT_MAX) {
		shown = AT_MAX;
		while (shown > 0 && ((unsigned char)in->text[shown] & 0xc0) == 0x80)
			shown--;
	}
	df_adds(&b->script, "at\n");
	df_addf(&b->lines, "%u %s %.*s%s\n", in->line, df_op_name(in->op), (int)shown, in->text,
		shown < n ? "..." : "");
}

static void add_export(struct df_text *t, const char *name, const char *value)
{
	df_addf(t, "export %s=", name);
	df_add_quoted(t, value);
	df_addc(t, '\n');
}

/* What ${...} sees: ENV goes before ARG. */
static void set_known(struct df_build *b, const struct df_pair *var, bool env)
{
	df_set(b->pool, env ? &b->env : &b->args, var->name, var->value);
	if (!env && df_get(&b->env, var->name) != NULL)
		return;
	df_set(b->pool, &b->known, var->name, var->value);
	add_export(&b->script, var->name, var->value);
}

static bool refuse(struct df_build *b, const struct df_instr *in, const char *why,
		   const char *remedy)
{
	df_fail(b->pool, in->line, "%s %s", df_op_name(in->op), why);
	return df_hint(b->pool, "%s", remedy);
}

/* Only these flags. */
static bool check_flags(struct df_build *b, const struct df_instr *in)
{
	for (size_t i = 0; i < in->n_flags; i++)
		return df_fail(b->pool, in->line, "%s takes no option --%.60s", df_op_name(in->op),
			       in->flags[i].name);
	return true;
}

/* ---- variables ------------------------------------------------------------------------ */

static bool do_env(struct df_build *b, const struct df_instr *in)
{
	struct df_pairs pairs;

	if (!df_split_pairs(b->pool, in, b->file.escape, &pairs))
		return false;
	/* All of one instruction see what was before it. */
	for (size_t i = 0; i < pairs.n; i++) {
		pairs.list[i].value = df_build_expand(b, in, pairs.list[i].value);
		if (pairs.list[i].value == NULL)
			return false;
	}
	for (size_t i = 0; i < pairs.n; i++)
		set_known(b, &pairs.list[i], true);
	return true;
}

/* What BuildKit knows by itself, for whoever declares it. */
static const char *builtin_arg(struct df_build *b, const char *name)
{
	struct utsname u;
	const char *arch;

	if (strcmp(name, "TARGETOS") == 0 || strcmp(name, "BUILDOS") == 0)
		return "linux";
	if (uname(&u) < 0)
		return NULL;
	arch = strcmp(u.machine, "x86_64") == 0    ? "amd64"
	       : strcmp(u.machine, "aarch64") == 0 ? "arm64"
						   : u.machine;
	if (strcmp(name, "TARGETARCH") == 0 || strcmp(name, "BUILDARCH") == 0)
		return df_strdup(b->pool, arch);
	if (strcmp(name, "TARGETPLATFORM") == 0 || strcmp(name, "BUILDPLATFORM") == 0)
		return df_printf(b->pool, "linux/%s", arch);
	return NULL;
}

static bool do_arg(struct df_build *b, const struct df_instr *in, bool global)
{
	struct df_pairs pairs;

	if (!df_split_pairs(b->pool, in, b->file.escape, &pairs))
		return false;
	for (size_t i = 0; i < pairs.n; i++) {
		struct df_pair *var = &pairs.list[i];

		if (var->value != NULL)
			var->value = global ? df_expand(b->pool, in->line, var->value,
							b->file.escape, &b->globals)
					    : df_build_expand(b, in, var->value);
		else
			var->value = df_get(&b->globals, var->name);
		if (b->pool->failed)
			return false;
		if (var->value == NULL)
			var->value = builtin_arg(b, var->name);
		if (var->value == NULL)
			continue;
		if (global)
			df_set(b->pool, &b->globals, var->name, var->value);
		else
			set_known(b, var, false);
	}
	return true;
}

/* ---- RUN -------------------------------------------------------------------------------- */

static bool check_run_flags(struct df_build *b, const struct df_instr *in)
{
	for (size_t i = 0; i < in->n_flags; i++) {
		const char *name = in->flags[i].name;
		const char *value = in->flags[i].value != NULL ? in->flags[i].value : "";

		/* A cache is a matter of speed; the rest changes what is built. */
		if (strcmp(name, "mount") == 0 && strstr(value, "type=cache") != NULL)
			continue;
		if (strcmp(name, "network") == 0 && strcmp(value, "default") == 0)
			continue;
		if (strcmp(name, "mount") == 0)
			return refuse(b, in, "--mount is there for type=cache alone",
				      "COPY what the command needs");
		df_fail(b->pool, in->line, "RUN --%.60s is not supported", name);
		return df_hint(b->pool, "a RUN has the network and the rights of its VM");
	}
	return true;
}

static void add_words(struct df_text *t, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			df_addc(t, ' ');
		df_add_quoted(t, words[i]);
	}
}

/* "exec 'sh' '-c' 'TEXT'" */
static const char *shell_line(struct df_build *b, const char *text)
{
	struct df_text t = DF_TEXT(b->pool);

	df_adds(&t, "exec ");
	add_words(&t, b->shell, b->n_shell);
	df_addc(&t, ' ');
	df_add_quoted(&t, text);
	return df_str(&t);
}

static const char *exec_line(struct df_build *b, const char *const *words, size_t n)
{
	struct df_text t = DF_TEXT(b->pool);

	df_adds(&t, "exec ");
	add_words(&t, words, n);
	return df_str(&t);
}

/* Is the heredoc all there is in the text? */
static bool is_only_heredoc(const struct df_instr *in)
{
	return in->n_heredocs == 1 && strncmp(in->text, "<<", 2) == 0 &&
	       in->text[strcspn(in->text, " \t")] == '\0';
}

static bool do_run(struct df_build *b, const struct df_instr *in)
{
	struct df_text text = DF_TEXT(b->pool);

	if (!check_run_flags(b, in))
		return false;
	if (in->words != NULL && in->n_words == 0)
		return df_fail(b->pool, in->line, "RUN []: a command is missing");
	df_build_at(b, in);
	if (is_only_heredoc(in) && strncmp(in->heredocs[0].content, "#!", 2) == 0) {
		df_adds(&b->script, "run_script ");
		df_add_quoted(&b->script, in->heredocs[0].content);
		df_addc(&b->script, '\n');
		return true;
	}
	if (is_only_heredoc(in)) {
		df_adds(&text, in->heredocs[0].content);
	} else {
		df_adds(&text, in->text);
		for (size_t i = 0; i < in->n_heredocs; i++)
			df_addf(&text, "\n%s%s", in->heredocs[i].content, in->heredocs[i].name);
	}
	df_adds(&b->script, "run ");
	df_add_quoted(&b->script, in->words != NULL ? exec_line(b, in->words, in->n_words)
						    : shell_line(b, df_str(&text)));
	df_addc(&b->script, '\n');
	return true;
}

/* ---- WORKDIR, USER, SHELL ------------------------------------------------------------------ */

static bool do_workdir(struct df_build *b, const struct df_instr *in)
{
	const char *path = df_build_expand(b, in, in->text);

	if (path == NULL || !check_flags(b, in))
		return false;
	if (*path == '\0')
		return df_fail(b->pool, in->line, "WORKDIR %.60s: is empty", in->text);
	b->workdir = df_build_path(b, path);
	df_build_at(b, in);
	df_adds(&b->script, "workdir ");
	df_add_quoted(&b->script, b->workdir);
	df_addc(&b->script, '\n');
	return true;
}

static bool do_user(struct df_build *b, const struct df_instr *in)
{
	const char *user = df_build_expand(b, in, in->text);
	bool root;

	if (user == NULL || !check_flags(b, in))
		return false;
	if (*user == '\0' || strpbrk(user, " \t\n/") != NULL)
		return df_fail(b->pool, in->line, "USER %.60s: must be USER or USER:GROUP", user);
	root = strcmp(user, "root") == 0 || strcmp(user, "0") == 0 ||
	       strcmp(user, "root:root") == 0 || strcmp(user, "0:0") == 0;
	df_adds(&b->script, "user=");
	df_add_quoted(&b->script, root ? "" : user);
	df_addc(&b->script, '\n');
	return true;
}

static bool do_shell(struct df_build *b, const struct df_instr *in)
{
	if (!check_flags(b, in))
		return false;
	if (in->words == NULL || in->n_words == 0)
		return df_fail(b->pool, in->line, "SHELL %.60s: must be [\"shell\", \"option\"]",
			       in->text);
	b->shell = in->words;
	b->n_shell = in->n_words;
	return true;
}

/* ---- stages --------------------------------------------------------------------------------- */

struct stage {
	size_t from; /* index of its FROM */
	const char *name, *image;
};

static bool read_from(struct df_build *b, const struct df_instr *in, struct stage *ret)
{
	const char **words;
	size_t n;

	if (!df_split(b->pool, in, b->file.escape, &words, &n))
		return false;
	if (n != 1 && (n != 3 || strcasecmp(words[1], "as") != 0))
		return df_fail(b->pool, in->line, "FROM %.100s: must be IMAGE or IMAGE AS NAME",
			       in->text);
	for (size_t i = 0; i < in->n_flags; i++) {
		if (strcmp(in->flags[i].name, "platform") != 0)
			return df_fail(b->pool, in->line, "FROM takes no option --%.60s",
				       in->flags[i].name);
	}
	ret->image = df_expand(b->pool, in->line, words[0], b->file.escape, &b->globals);
	ret->name = n == 3 ? words[2] : NULL;
	if (ret->image == NULL)
		return false;
	if (*ret->image == '\0')
		return df_fail(b->pool, in->line, "FROM %.100s: the image's name is empty",
			       in->text);
	return true;
}

/* The last stage; others are only read.  It may not need them. */
static bool find_stage(struct df_build *b, struct stage *last, bool *ret_found)
{
	struct df_pairs names = { 0 };

	*ret_found = false;
	for (size_t i = 0; i < b->file.n; i++) {
		const struct df_instr *in = &b->file.instrs[i];

		if (in->op == DF_ARG && !*ret_found && !do_arg(b, in, true))
			return false;
		if (in->op != DF_FROM)
			continue;
		if (*ret_found && last->name != NULL)
			df_set(b->pool, &names, last->name, "");
		if (!read_from(b, in, last))
			return false;
		last->from = i;
		*ret_found = true;
	}
	if (!*ret_found)
		return true;
	if (df_get(&names, last->image) != NULL) {
		df_fail(b->pool, b->file.instrs[last->from].line,
			"FROM %.100s: the last stage needs another one, and only one is built",
			last->image);
		return df_hint(b->pool, "build the other one by itself and COPY its result");
	}
	if (strcmp(last->image, "scratch") == 0) {
		df_fail(b->pool, b->file.instrs[last->from].line,
			"FROM scratch: a VM needs an image that boots");
		return df_hint(b->pool, "name one: holos images lists them");
	}
	b->image = last->image;
	return true;
}

/* ---- one instruction ---------------------------------------------------------------------------
 */

static bool do_command(struct df_build *b, const struct df_instr *in)
{
	if (!b->options->service)
		return refuse(b, in, "is not run by itself in a VM",
			      "use cloud_init.runcmd, or say dockerfile_cmd: service in the "
			      "compose file to make it a service of the guest");
	if (in->op == DF_CMD)
		b->cmd = in;
	else
		b->entrypoint = in;
	return true;
}

static bool translate(struct df_build *b, const struct df_instr *in)
{
	switch (in->op) {
	case DF_ADD:
	case DF_COPY:
		return df_do_copy(b, in);
	case DF_ARG:
		return do_arg(b, in, false);
	case DF_CMD:
	case DF_ENTRYPOINT:
		return do_command(b, in);
	case DF_ENV:
		return do_env(b, in);
	case DF_EXPOSE:
		return refuse(b, in, "is not supported: the compose file forwards ports",
			      "use ports: of the service");
	case DF_HEALTHCHECK:
		return df_do_healthcheck(b, in);
	case DF_ONBUILD:
		return refuse(b, in, "is not supported: nothing is built on this image",
			      "write the instruction itself");
	case DF_RUN:
		return do_run(b, in);
	case DF_SHELL:
		return do_shell(b, in);
	case DF_STOPSIGNAL:
		return refuse(b, in, "is not supported: a VM is powered down",
			      "use stop_grace_period: of the service");
	case DF_USER:
		return do_user(b, in);
	case DF_VOLUME:
		return refuse(b, in, "is not supported: the compose file has the volumes",
			      "use volumes: of the service");
	case DF_WORKDIR:
		return do_workdir(b, in);
	case DF_LABEL:
	case DF_MAINTAINER:
	case DF_FROM:
	case DF_N_OPS:
		break;
	}
	return true;
}

/* ---- CMD and ENTRYPOINT
 * ---------------------------------------------------------------------------- */

/* The service's script; "" when there is nothing to run. */
static const char *command_script(struct df_build *b)
{
	const struct df_instr *e = b->entrypoint, *c = b->cmd;
	static const char *const plain[] = { "/bin/sh", "-c" };
	struct df_text t = DF_TEXT(b->pool);

	if (e != NULL && e->words != NULL && e->n_words == 0)
		e = NULL;
	if (c != NULL && (c->words != NULL ? c->n_words == 0 : c->text[0] == '\0'))
		c = NULL;
	if (e == NULL && c == NULL)
		return "";
	df_adds(&t, "#!/bin/sh\n"
		    "export PATH=" DEFAULT_PATH "\n"
		    "[ ! -f /etc/profile.d/holos.sh ] || . /etc/profile.d/holos.sh\ncd ");
	df_add_quoted(&t, b->workdir);
	df_adds(&t, " || exit 1\n");
	if (e != NULL && e->words == NULL) {
		df_adds(&t, shell_line(b, e->text)); /* and CMD does not count */
	} else if (e == NULL) {
		df_adds(&t, c->words != NULL ? exec_line(b, c->words, c->n_words)
					     : shell_line(b, c->text));
	} else {
		df_adds(&t, exec_line(b, e->words, e->n_words));
		if (c != NULL) {
			df_addc(&t, ' ');
			add_words(&t, c->words != NULL ? c->words : plain,
				  c->words != NULL ? c->n_words : 2);
		}
		if (c != NULL && c->words == NULL) {
			df_addc(&t, ' ');
			df_add_quoted(&t, c->text);
		}
	}
	df_addc(&t, '\n');
	return df_str(&t);
}

/* ---- the steps
 * ------------------------------------------------------------------------------------- */

static void add_file(struct json_object *files, const char *path, const char *content, bool note)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "path", json_object_new_string(path));
	json_object_object_add(o, "content", json_object_new_string(content));
	if (note)
		json_object_object_add(o, "note", json_object_new_boolean(true));
	else
		json_object_object_add(o, "permissions", json_object_new_string("0755"));
	json_object_array_add(files, o);
}

static struct json_object *steps(struct df_build *b, const char *command)
{
	struct json_object *o = json_object_new_object();
	struct json_object *files = json_object_new_array();
	struct json_object *environment = json_object_new_array();
	struct json_object *runcmd = json_object_new_array();
	struct json_object *argv = json_object_new_array();

	add_file(files, SCRIPT_PATH, df_str(&b->script), false);
	add_file(files, LINES_PATH, df_str(&b->lines), true);
	if (*command != '\0')
		add_file(files, CMD_PATH, command, false);
	for (size_t i = 0; i < b->env.n; i++) {
		struct json_object *var = json_object_new_object();

		json_object_object_add(var, "name", json_object_new_string(b->env.list[i].name));
		json_object_object_add(var, "value", json_object_new_string(b->env.list[i].value));
		json_object_array_add(environment, var);
	}
	json_object_array_add(argv, json_object_new_string("sh"));
	json_object_array_add(argv, json_object_new_string(SCRIPT_PATH));
	json_object_array_add(runcmd, argv);
	json_object_object_add(o, "format", json_object_new_int(1));
	if (b->image != NULL)
		json_object_object_add(o, "image", json_object_new_string(b->image));
	json_object_object_add(o, "files", files);
	json_object_object_add(o, "environment", environment);
	json_object_object_add(o, "runcmd", runcmd);
	if (b->healthcheck != NULL)
		json_object_object_add(o, "healthcheck", json_object_get(b->healthcheck));
	if (b->context != NULL) {
		json_object_object_add(o, "context", json_object_new_string(b->context->root));
		json_object_object_add(o, "copies", json_object_get(b->copies));
	}
	return o;
}

static bool build(struct df_build *b, struct json_object **ret)
{
	static const char *default_shell[] = { "/bin/sh", "-c" };
	struct stage last = { 0 };
	const char *command;
	bool found;
	size_t i;

	b->shell = default_shell;
	b->n_shell = 2;
	b->workdir = "/";
	df_set(b->pool, &b->known, "PATH", DEFAULT_PATH);
	if (!find_stage(b, &last, &found))
		return false;
	df_addf(&b->script, "#!/bin/sh\n%s", (const char *)df_build_sh);
	/* Without a FROM the service's image is what it starts from. */
	for (i = found ? last.from + 1 : 0; i < b->file.n; i++) {
		if (!translate(b, &b->file.instrs[i]))
			return false;
	}
	command = command_script(b);
	if (*command != '\0') {
		df_build_at(b, b->entrypoint != NULL ? b->entrypoint : b->cmd);
		df_adds(&b->script, "service\n");
	}
	df_adds(&b->script, "say 'build ok'\n");
	*ret = steps(b, command);
	return true;
}

bool df_translate(struct df_pool *p, const char *path, const char *text, size_t len,
		  const struct df_options *options, struct json_object **ret)
{
	struct df_build b = { .pool = p,
			      .options = options,
			      .path = path,
			      .script = { .pool = p },
			      .lines = { .pool = p } };
	bool ok;

	if (!df_parse(p, text, len, &b.file))
		return false;
	b.copies = json_object_new_array();
	ok = build(&b, ret);
	json_object_put(b.copies);
	json_object_put(b.healthcheck);
	return ok;
}
