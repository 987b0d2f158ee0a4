/* SPDX-License-Identifier: Apache-2.0
 *
 * verb_run.c - holos run: one VM without a compose file.
 *
 * It writes the file that the user did not (runs/<name>/holos.yaml in the state
 * directory) and then does what `up` does.
 */
#include <base/alloc.h>
#include <base/fs.h>
#include <base/jsonx.h>
#include <base/names.h>
#include <base/strbuf.h>
#include <base/units.h>
#include <cli.h>
#include <runrest.h>

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define RUN_FILE_MAX (1u << 20)

struct run {
	struct common common;
	const char *name, *vcpu, *memory, *user, *image_os, *dockerfile;
	bool uefi, detach, adopt, yes, wait, exec, remove;
	bool failed; /* what --rm is for is there, and did not start */
	const char *wait_timeout;
	uint64_t wait_timeout_ns;
	struct strv ports, volumes, devices, packages, runcmd;
	const char *image;
	char *const *command;
	char *cwd;
};

/* ---- its name --------------------------------------------------------------------------- */

/* The image's base name without its extension, made a label, and six hex
 * digits: "ubuntu-noble-3fa9c1". */
static char *make_name(const struct run *r)
{
	const char *image = r->image != NULL ? r->image : "dockerfile";
	const char *base = strrchr(image, '/') != NULL ? strrchr(image, '/') + 1 : image;
	const char *dot = strrchr(base, '.');
	size_t n = dot != NULL && dot != base ? (size_t)(dot - base) : strlen(base);
	struct strbuf b = STRBUF_INIT;
	uint8_t raw[3] = { 0 };

	for (size_t i = 0; i < n && b.len < 56; i++) {
		char c = base[i];

		if (c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
			strbuf_addc(&b, c);
		else if (b.len != 0 && b.s[b.len - 1] != '-')
			strbuf_addc(&b, '-');
	}
	while (b.len != 0 && b.s[b.len - 1] == '-')
		b.s[--b.len] = '\0';
	if (b.len == 0)
		strbuf_adds(&b, "vm");
	(void)!getrandom(raw, sizeof(raw), 0);
	strbuf_addf(&b, "-%02x%02x%02x", raw[0], raw[1], raw[2]);
	return strbuf_steal(&b);
}

/* ---- its file ------------------------------------------------------------------------------ */

/* A quoted scalar: JSON's strings are YAML's.  Values that the loader
 * interpolates get their dollars doubled. */
static void add_quoted(struct strbuf *b, const char *text, bool interpolated)
{
	struct strbuf plain = STRBUF_INIT;
	struct json_object *s;

	for (; *text != '\0'; text++) {
		if (*text == '$' && interpolated)
			strbuf_addc(&plain, '$');
		strbuf_addc(&plain, *text);
	}
	s = json_object_new_string(plain.s != NULL ? plain.s : "");
	strbuf_adds(b, jsonx_line(s));
	json_object_put(s);
	strbuf_finish(&plain);
}

static void add_value(struct strbuf *b, const char *key, const char *value)
{
	if (value == NULL)
		return;
	strbuf_adds(b, key);
	add_quoted(b, value, true);
	strbuf_addc(b, '\n');
}

static void add_list(struct strbuf *b, const char *indent, const char *key, const struct strv *v,
		     bool interpolated)
{
	if (v->n == 0)
		return;
	strbuf_addf(b, "%s%s:\n", indent, key);
	for (size_t i = 0; i < v->n; i++) {
		strbuf_addf(b, "%s  - ", indent);
		add_quoted(b, v->v[i], interpolated);
		strbuf_addc(b, '\n');
	}
}

static bool is_path(const char *s)
{
	return s[0] == '/' || strncmp(s, "./", 2) == 0 || strncmp(s, "../", 3) == 0 ||
	       (strchr(s, ':') == NULL && (strstr(s, ".qcow2") != NULL ||
					   strstr(s, ".raw") != NULL || strstr(s, ".img") != NULL));
}

/* -v SRC:TARGET[:MODE]: a path is made absolute, as the file lies elsewhere. */
static void add_volumes(struct strbuf *b, const struct run *r, struct strv *named)
{
	_cleanup_(strv_finish) struct strv list = STRV_INIT;

	for (size_t i = 0; i < r->volumes.n; i++) {
		const char *v = r->volumes.v[i];
		_cleanup_(freep) char *source = xstrndup(v, strcspn(v, ":"));

		if (names_is_label(source)) {
			strv_add(&list, v);
			if (!strv_has(named, source))
				strv_add(named, source);
		} else if (source[0] == '~') {
			strv_add(&list, v);
		} else {
			_cleanup_(freep) char *full = fs_normalize(r->cwd, source);

			strv_addf(&list, "%s%s", full, v + strlen(source));
		}
	}
	add_list(b, "    ", "volumes", &list, true);
}

/* K, M, G, T as in the contract: a bare number is MB. */
static int memory_mb(const char *text, uint64_t *ret, struct holos_error **err)
{
	size_t n = strlen(text);
	uint64_t bytes;

	if (n != 0 && strspn(text, "0123456789") == n) {
		_cleanup_(freep) char *with = xasprintf("%sM", text);

		if (units_parse_size(with, &bytes) == 0) {
			*ret = bytes >> 20;
			return 0;
		}
	} else if (units_parse_size(text, &bytes) == 0 && bytes >= 1 << 20) {
		*ret = bytes >> 20;
		return 0;
	}
	return error_set(err, ERR_USAGE, "--memory %s: must be a size such as 512M or 2G", text);
}

static int write_yaml(const struct run *r, const char *name, char **ret, struct holos_error **err)
{
	struct strbuf b = STRBUF_INIT;
	_cleanup_(strv_finish) struct strv named = STRV_INIT;
	_cleanup_(strv_finish) struct strv runcmd = STRV_INIT;
	_cleanup_(freep) char *image = r->image != NULL && is_path(r->image)
					       ? fs_normalize(r->cwd, r->image)
					       : xstrdup_null(r->image);
	_cleanup_(freep) char *dockerfile =
		r->dockerfile != NULL ? fs_normalize(r->cwd, r->dockerfile) : NULL;
	uint64_t mb = 0;
	int64_t vcpu = 0;

	if (r->memory != NULL) {
		int e = memory_mb(r->memory, &mb, err);

		if (e < 0)
			return e;
	}
	if (r->vcpu != NULL && units_parse_int(r->vcpu, 0, 1024, &vcpu) < 0)
		return error_set(err, ERR_USAGE, "--vcpu %s: must be a number of CPUs", r->vcpu);
	strbuf_addf(&b, "# written by holos run\nname: %s\nservices:\n  vm:\n", name);
	add_value(&b, "    image: ", image);
	add_value(&b, "    image_os: ", r->image_os);
	add_value(&b, "    dockerfile: ", dockerfile);
	if (vcpu != 0 || mb != 0 || r->uefi || r->devices.n != 0) {
		strbuf_adds(&b, "    vm:\n");
		if (vcpu != 0)
			strbuf_addf(&b, "      vcpu: %lld\n", (long long)vcpu);
		if (mb != 0)
			strbuf_addf(&b, "      memory_mb: %llu\n", (unsigned long long)mb);
		if (r->uefi || r->devices.n != 0)
			strbuf_adds(&b, "      uefi: true\n");
	}
	add_list(&b, "    ", "ports", &r->ports, true);
	add_volumes(&b, r, &named);
	if (r->devices.n != 0)
		strbuf_adds(&b, "    devices:\n");
	for (size_t i = 0; i < r->devices.n; i++)
		add_value(&b, "      - pci: ", r->devices.v[i]);
	strv_add_all(&runcmd, r->runcmd.v);
	if (r->command[0] != NULL && !r->exec)
		strv_take(&runcmd, strv_join(r->command, " "));
	if (r->user != NULL || r->packages.n != 0 || runcmd.n != 0) {
		strbuf_adds(&b, "    cloud_init:\n");
		add_value(&b, "      user: ", r->user);
		add_list(&b, "      ", "packages", &r->packages, true);
		add_list(&b, "      ", "runcmd", &runcmd, false);
	}
	if (named.n != 0)
		strbuf_adds(&b, "volumes:\n");
	for (size_t i = 0; i < named.n; i++)
		strbuf_addf(&b, "  %s: {}\n", named.v[i]);
	*ret = strbuf_steal(&b);
	return 0;
}

/* ---- its start --------------------------------------------------------------------------------
 */

static void print_next_steps(const struct project_status *p, const char *file)
{
	const char *user = p->n_vms != 0 && p->vms[0].rec != NULL ? p->vms[0].rec->user : NULL;

	cli_print_project(p);
	printf("compose file: %s\nlogin user:   %s (with the project's SSH key)\n\n"
	       "next steps:\n  holos exec %s          # a shell in it\n"
	       "  holos logs %s          # what its console says\n"
	       "  holos stop %s          # power it down, keep its disk\n"
	       "  holos down %s          # remove it\n",
	       file, user != NULL ? user : "-", p->name, p->name, p->name, p->name);
}

/* The name may be that of a project that came from elsewhere. */
static int refuse_other(const struct state *s, const char *name, const char *file,
			struct holos_error **err)
{
	_cleanup_(project_record_destroyp) struct project_record *rec = NULL;

	if (project_record_read(s, name, &rec, NULL) < 0 || rec->file == NULL ||
	    strcmp(rec->file, file) == 0)
		return 0;
	error_set(err, ERR_FAILED, "project \"%s\" is there already, from %s", name, rec->file);
	error_hint(err, "choose another --name, or make this VM of it with --adopt");
	return -ERR_FAILED;
}

/* Where an option went in the file. */
static const struct {
	const char *path, *option;
} places[] = {
	{ "services.vm.cloud_init.packages", "--pkg" },
	{ "services.vm.cloud_init.runcmd", "--runcmd" },
	{ "services.vm.cloud_init.user", "--user" },
	{ "services.vm.devices", "--device" },
	{ "services.vm.dockerfile", "--dockerfile" },
	{ "services.vm.image_os", "--image-os" },
	{ "services.vm.image", "image" },
	{ "services.vm.ports", "--port" },
	{ "services.vm.vm.memory_mb", "--memory" },
	{ "services.vm.vm.vcpu", "--vcpu" },
	{ "services.vm.volumes", "--volume" },
	{ "volumes", "--volume" },
	{ "name", "--name" },
};

/* A place in the file says nothing to whoever gave options: name the option. */
static void blame_options(struct holos_error *err, const char *file)
{
	for (; err != NULL; err = err->next) {
		bool ours = err->file != NULL && strcmp(err->file, file) == 0;
		char *text = NULL;

		for (size_t i = 0; ours && text == NULL && i < sizeof(places) / sizeof(places[0]);
		     i++) {
			size_t n = strlen(places[i].path);

			if (strncmp(err->message, places[i].path, n) != 0 ||
			    strchr(".[:", err->message[n]) == NULL || err->message[n] == '\0')
				continue;
			/* Behind the path, which may go on: "ports[0].target: ...". */
			n += strcspn(err->message + n, ":");
			text = xasprintf("%s%s", places[i].option, err->message + n);
		}
		if (text != NULL) {
			free(err->message);
			err->message = text;
		}
		if (ours) {
			free(steal_ptr(&err->file));
			err->line = err->column = 0;
			if (err->code == ERR_INVALID)
				err->code = ERR_USAGE;
		}
	}
}

/* Is there a project of this name that came from this file, as far as is known? */
static bool is_from(const struct state *s, const char *name, const char *file)
{
	_cleanup_(project_record_destroyp) struct project_record *rec = NULL;

	if (project_record_read(s, name, &rec, NULL) < 0)
		return cli_is_project(s, name);
	return rec->file != NULL && strcmp(rec->file, file) == 0;
}

/* --rm takes away what this run made, and no disk of another day. */
static int refuse_old(const struct state *s, const char *name, struct holos_error **err)
{
	if (!cli_is_project(s, name))
		return 0;
	error_set(err, ERR_FAILED, "project \"%s\" is there already, and --rm would remove it",
		  name);
	error_hint(err, "choose another --name; holos exec %s enters it, holos down %s removes it",
		   name, name);
	return -ERR_FAILED;
}

static int start(struct run *r, const char *name, struct holos_error **err)
{
	_cleanup_(engine_destroyp) struct engine *e = NULL;
	_cleanup_(project_destroyp) struct project *project = NULL;
	_cleanup_(project_status_destroyp) struct project_status *status = NULL;
	_cleanup_(freep) char *yaml = NULL;
	_cleanup_(freep) char *file = NULL;
	_cleanup_(closep) int dir = -1;
	struct up_options o = { 0 };
	_cleanup_(strbuf_finish) struct strbuf before = STRBUF_INIT;
	bool kept;
	int e2 = write_yaml(r, name, &yaml, err);

	if (e2 == 0)
		e2 = cli_engine(&r->common, "run", true, &e, err);
	if (e2 < 0)
		return e2;
	file = state_path(engine_state(e), "runs/%s/holos.yaml", name);
	e2 = r->adopt ? 0 : refuse_other(engine_state(e), name, file, err);
	if (e2 == 0 && r->remove)
		e2 = refuse_old(engine_state(e), name, err);
	if (e2 < 0)
		return e2;
	dir = state_open_dir(engine_state(e), true, "runs/%s", name);
	if (dir < 0)
		return error_set(err, ERR_FAILED, "cannot make %s", file);
	kept = fs_read(dir, "holos.yaml", RUN_FILE_MAX, &before, NULL) == 0;
	e2 = fs_write_atomic(dir, "holos.yaml", yaml, strlen(yaml), 0600, err);
	if (e2 < 0)
		return e2;
	strv_add(&r->common.files, file);
	r->common.project = name;
	e2 = cli_project(&r->common, NULL, &project, err);
	if (e2 == 0) {
		o.project = project;
		o.adopt = r->adopt;
		o.wait = r->wait;
		o.wait_timeout_ns = r->wait_timeout_ns;
		o.assume_yes = r->yes;
		o.ask = cli_can_ask() && !r->yes ? cli_ask_losses : NULL;
		e2 = engine_up(e, &o, err);
	}
	if (e2 < 0 && err != NULL && *err != NULL) {
		blame_options(*err, file);
		e2 = -(*err)->code;
	}
	r->failed = e2 == -ERR_START;
	/* What did not come up leaves the file of the VM that is there as it was. */
	if (e2 < 0 && kept)
		(void)fs_write_atomic(dir, "holos.yaml", before.s, before.len, 0600, NULL);
	if (e2 < 0 && !kept && !is_from(engine_state(e), name, file)) {
		/* Nothing came of it: leave nothing. */
		unlinkat(dir, "holos.yaml", 0);
		closep(&dir);
		dir = state_open_dir(engine_state(e), false, "runs");
		unlinkat(dir, name, AT_REMOVEDIR);
	}
	if (e2 == 0)
		e2 = project_status_read(engine_state(e), name, &status, err);
	live_end();
	if (e2 == 0 && (r->exec || r->remove))
		return 0; /* stdout is the command's */
	if (e2 == 0 && r->common.json)
		print_json(project_status_json(status));
	else if (e2 == 0)
		print_next_steps(status, file);
	return e2;
}

static int check(struct run *r, const struct strv *operands, struct holos_error **err)
{
	if (operands->n == 0 && r->dockerfile == NULL)
		return error_set(err, ERR_USAGE, "run needs an image, or --dockerfile FILE");
	r->image = operands->n != 0 ? operands->v[0] : NULL;
	r->command = operands->n != 0 ? operands->v + 1 : operands->v;
	if (operands->n == 0) {
		static char *none[] = { NULL };

		r->command = none;
	}
	if (r->command[0] != NULL && strcmp(r->command[0], "--") == 0)
		r->command++;
	if (r->name != NULL && !names_is_label(r->name))
		return error_set(err, ERR_USAGE, "--name %s: must be " NAMES_LABEL_RULE, r->name);
	if (r->user != NULL && !names_is_user(r->user))
		return error_set(err, ERR_USAGE, "--user %s: must be a user name", r->user);
	if (r->detach && (r->exec || r->remove))
		return error_set(err, ERR_USAGE, "--detach and --%s contradict each other",
				 r->exec ? "exec" : "rm");
	if (r->wait_timeout != NULL) {
		int e = option_duration("wait-timeout", r->wait_timeout, &r->wait_timeout_ns, err);

		if (e < 0)
			return e;
		r->wait = true;
	}
	r->cwd = getcwd(NULL, 0);
	return r->cwd != NULL ? 0 : error_set(err, ERR_FAILED, "the current directory is gone");
}

int verb_run(const struct verb *v, int argc, char **argv, struct holos_error **err)
{
	struct run run = { .common = COMMON_INIT };
	_cleanup_(strv_finish) struct strv operands = STRV_INIT;
	_cleanup_(freep) char *made = NULL;
	const struct option_def defs[] = {
		{ "name", 0, OPTION_VALUE, &run.name, "NAME", "name of the project" },
		{ "vcpu", 0, OPTION_VALUE, &run.vcpu, "N", "CPUs" },
		{ "memory", 0, OPTION_VALUE, &run.memory, "SIZE", "memory (a bare number is MB)" },
		{ "user", 0, OPTION_VALUE, &run.user, "USER", "login user" },
		{ "image-os", 0, OPTION_VALUE, &run.image_os, "OS", "systemd or openrc" },
		{ "dockerfile", 0, OPTION_VALUE, &run.dockerfile, "FILE",
		  "build from a Dockerfile" },
		{ "uefi", 0, OPTION_FLAG, &run.uefi, NULL, "boot by UEFI" },
		{ "detach", 'd', OPTION_FLAG, &run.detach, NULL,
		  "accepted: run never stays attached" },
		{ "wait", 0, OPTION_FLAG, &run.wait, NULL, "until it answers" },
		{ "wait-timeout", 0, OPTION_VALUE, &run.wait_timeout, "TIME",
		  "give up waiting after TIME" },
		{ "exec", 0, OPTION_FLAG, &run.exec, NULL,
		  "run COMMAND, or a shell, in it as holos exec does, and end with its status" },
		{ "rm", 0, OPTION_FLAG, &run.remove, NULL,
		  "remove the VM when it has ended, or with --exec the command; wait for that" },
		{ "adopt", 0, OPTION_FLAG, &run.adopt, NULL,
		  "take over a project of this name that came from a compose file" },
		{ "yes", 'y', OPTION_FLAG, &run.yes, NULL,
		  "make its root disk anew without asking, where that is due" },
		{ "port", 'p', OPTION_LIST, &run.ports, "[HOST:]GUEST", "publish a port" },
		{ "volume", 'v', OPTION_LIST, &run.volumes, "SRC:TARGET[:ro]",
		  "mount a directory or volume" },
		{ "device", 0, OPTION_LIST, &run.devices, "PCI", "pass a PCI device through" },
		{ "pkg", 0, OPTION_LIST, &run.packages, "NAME", "install a package" },
		{ "runcmd", 0, OPTION_LIST, &run.runcmd, "COMMAND", "run at first boot" },
		OPTIONS_WORK(run.common),
		OPTIONS_LOCK(run.common),
		OPTIONS_STATE(run.common),
		OPTIONS_JSON(run.common),
		OPTIONS_END,
	};
	int r = options_parse(v, defs, true, argc, argv, &operands, err);

	if (r == 0)
		r = check(&run, &operands, err);
	if (r == 0) {
		if (run.name == NULL)
			made = make_name(&run);
		r = start(&run, run.name != NULL ? run.name : made, err);
	}
	if (r == 0 || (run.failed && run.remove)) {
		struct run_rest rest = { .project = run.name != NULL ? run.name : made,
					 .state_dir = run.common.state_dir,
					 .exec = run.exec,
					 .command = run.command,
					 .remove = run.remove };

		if (r == 0)
			r = run_rest(&rest, err);
		else
			(void)run_remove(&rest, NULL); /* why it did not start says more */
	}
	common_finish(&run.common);
	strv_finish(&run.ports);
	strv_finish(&run.volumes);
	strv_finish(&run.devices);
	strv_finish(&run.packages);
	strv_finish(&run.runcmd);
	free(run.cwd);
	return r;
}

const struct verb entry_run = {
	.name = "run",
	.operands = "IMAGE [-- COMMAND...]",
	.summary = "start one VM without a compose file",
	.run = verb_run,
	.group = GROUP_LIFE,
	.more = "Writes the compose file that was not there and does what `holos up` does with "
		"it. The COMMAND runs at first boot; with --exec it is run when the guest "
		"answers, with this terminal, and decides the exit status.",
	.examples = {
		{ "holos run debian:13", "a VM, and how to go on" },
		{ "holos run --name try -p 8080:80 alpine", "with a name and a port" },
		{ "holos run --rm --exec alpine -- uname -a", "one command, and the VM is gone" },
		{ "holos run --rm --exec debian:13", "a shell in a VM for now" },
		{ "holos run --memory 2G --vcpu 4 ./disk.qcow2", "from an image of your own" },
	},
};
