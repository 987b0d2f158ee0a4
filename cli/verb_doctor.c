/* SPDX-License-Identifier: Apache-2.0
 *
 * verb_doctor.c - holos doctor: what a start would need of this host, and with --boot
 * a start: the micro guest up, a command in it, and down, each phase timed.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/jsonx.h>
#include <base/paths.h>
#include <base/process.h>
#include <base/units.h>
#include <cli.h>
#include <compose/files.h>
#include <engine/doctor.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#define PHASE_TIME (15 * 60 * NS_PER_S)

struct report {
	struct json_object *checks, *phases;
	struct table *table;
	struct strbuf remedies;
	bool failed;
};

static void on_check(void *data, const struct doctor_check *c)
{
	static const char *const words[] = { "ok", "warn", "fail" };
	struct json_object *o = json_object_new_object();
	struct report *r = data;

	jsonx_set_str(o, "name", c->name);
	jsonx_set_str(o, "status", words[c->status]);
	jsonx_set_str(o, "message", c->message);
	jsonx_set_str(o, "remedy", c->remedy);
	if (c->state != NULL)
		jsonx_set_str(o, "state", c->state);
	json_object_array_add(r->checks, o);
	table_row(r->table, c->name, words[c->status], c->message);
	if (c->remedy != NULL && c->status != DOCTOR_OK)
		strbuf_addf(&r->remedies, "  %s: %s\n", c->name, c->remedy);
	r->failed = r->failed || c->status == DOCTOR_FAIL;
}

/* ---- --boot ------------------------------------------------------------------------- */

struct boot {
	const char *state_dir;
	char name[32];
	struct report *report;
	bool json;
};

static void note_phase(const struct boot *b, const char *phase, uint64_t ns, const char *failure)
{
	struct json_object *o = json_object_new_object();
	char time[32];

	jsonx_set_str(o, "phase", phase);
	jsonx_set_str(o, "status", failure == NULL ? "ok" : "fail");
	jsonx_set_int(o, "elapsed_ms", (int64_t)(ns / NS_PER_MS));
	jsonx_set_str(o, "message", failure);
	json_object_array_add(b->report->phases, o);
	if (b->json)
		return;
	printf("  %-8s %s%s%s\n", phase, units_format_duration(ns, time),
	       failure != NULL ? "  failed: " : "", failure != NULL ? failure : "");
	fflush(stdout);
}

/* One command of ours, as its user would give it; the last line of its stderr says
 * why when it fails.  `args` ends with NULL. */
static int phase(const struct boot *b, const char *name, const char *const *args, char **ret_out,
		 struct holos_error **err)
{
	_cleanup_(strbuf_finish) struct strbuf out = STRBUF_INIT, errout = STRBUF_INIT;
	_cleanup_(strv_finish) struct strv argv = STRV_INIT;
	_cleanup_(freep) char *why = NULL;
	uint64_t began = clock_now_ns(), took;
	const char *line;
	char how[64];
	int status, r;

	strv_add(&argv, paths_self());
	strv_add(&argv, args[0]);
	strv_add(&argv, "--state-dir");
	strv_add(&argv, b->state_dir);
	for (args++; *args != NULL; args++)
		strv_add(&argv, *args);
	r = process_run(paths_self(), argv.v, began + PHASE_TIME, &out, &errout, &status, err);
	took = clock_now_ns() - began;
	if (r < 0) {
		note_phase(b, name, took, err != NULL ? (*err)->message : NULL);
		return error_wrap(err, "boot: %s", name);
	}
	if (status == 0) {
		note_phase(b, name, took, NULL);
		if (ret_out != NULL)
			*ret_out = strbuf_steal(&out);
		return 0;
	}
	line = errout.len != 0 ? strstr(errout.s, "holos: ") : NULL;
	why = line != NULL ? xstrndup(line + 7, strcspn(line + 7, "\n"))
			   : xstrdup(process_describe_status(status, how));
	note_phase(b, name, took, why);
	return error_set(err, WIFEXITED(status) ? WEXITSTATUS(status) : ERR_FAILED, "boot: %s: %s",
			 name, why);
}

static int boot_micro(struct boot *b, struct holos_error **err)
{
	const char *pull[] = { "pull", "micro", NULL };
	const char *up[] = { "run", "--name", b->name, "--progress", "quiet", "micro", NULL };
	const char *reach[] = { "exec", "-T", "-w", "5m", b->name, "vm-0", "true", NULL };
	const char *command[] = { "exec", "-T", b->name, "vm-0", "uname", "-sr", NULL };
	const char *down[] = { "down", b->name, NULL };
	_cleanup_(freep) char *kernel = NULL;
	struct holos_error *later = NULL;
	int r;

	snprintf(b->name, sizeof(b->name), "doctor-%ld", (long)getpid());
	if (!b->json) {
		puts("\nbooting the micro guest:");
		fflush(stdout);
	}
	cli_signals_catch();
	r = phase(b, "image", pull, NULL, err);
	if (r < 0)
		return r;
	r = phase(b, "start", up, NULL, err);
	if (r == 0)
		r = phase(b, "answer", reach, NULL, err);
	if (r == 0)
		r = phase(b, "command", command, &kernel, err);
	if (r == 0 && strncmp(kernel, "Linux ", 6) != 0)
		r = error_set(err, ERR_FAILED, "boot: uname said \"%.64s\" in the guest", kernel);
	if (r == -ERR_INTERRUPTED) {
		error_hint(err, "holos down %s takes the VM away", b->name);
		return r;
	}
	if (phase(b, "down", down, NULL, &later) < 0 && r == 0)
		r = error_move(err, &later);
	error_destroy(later);
	return r;
}

/* ---- the verb ----------------------------------------------------------------------- */

/* The project that is meant; *ret stays NULL when none is there and none was named. */
static int find_project(const struct common *c, struct report *r, struct project **ret,
			struct holos_error **err)
{
	struct project_options o = { .environ = environ };
	_cleanup_(strv_finish) struct strv files = STRV_INIT;
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	_cleanup_(freep) char *cwd = getcwd(NULL, 0);
	struct doctor_check check = { .name = "compose file", .status = DOCTOR_FAIL };

	if (c->files.n != 0)
		return cli_project(c, NULL, ret, err);
	if (cwd == NULL || load_find_files(&o, cwd, &files, NULL) < 0)
		return 0;
	if (cli_project(c, NULL, ret, &why) == 0)
		return 0;
	_cleanup_(freep) char *text = error_format(why);

	check.message = text;
	check.remedy = "holos validate tells all that is wrong with it";
	on_check(r, &check);
	return 0;
}

static int examine(const struct common *c, bool boot, struct report *r, struct holos_error **err)
{
	_cleanup_(project_destroyp) struct project *p = NULL;
	_cleanup_(freep) char *dir = state_default_dir(c->state_dir);
	struct boot b = { .state_dir = dir, .report = r, .json = c->json };
	struct holos_error *boot_error = NULL;
	struct json_object *o;
	struct utsname u;
	int status = 0;

	/* Checks go before what is said of the file. */
	status = find_project(c, r, &p, err);
	if (status < 0)
		return status;
	doctor_run(dir, p, on_check, r);
	uname(&u);
	if (!c->json) {
		printf("holos doctor (linux/%s)\nstate dir: %s\n\n", u.machine, dir);
		table_print(steal_ptr(&r->table), stdout);
		if (r->remedies.len != 0)
			printf("\nto do:\n%s", r->remedies.s);
		fflush(stdout);
	}
	if (boot && !r->failed)
		status = boot_micro(&b, &boot_error);
	if (c->json) {
		o = json_object_new_object();
		jsonx_set_str(o, "os", "linux");
		jsonx_set_str(o, "arch", u.machine);
		jsonx_set_str(o, "state_dir", dir);
		jsonx_set(o, "checks", json_object_get(r->checks));
		if (boot)
			jsonx_set(o, "boot", json_object_get(r->phases));
		print_json(o);
	}
	if (r->failed)
		return error_set(err, ERR_FAILED, "doctor found failed checks%s",
				 boot ? "; nothing was booted" : "");
	return status < 0 ? error_move(err, &boot_error) : 0;
}

int verb_doctor(const struct verb *v, int argc, char **argv, struct holos_error **err)
{
	static const char *const header[] = { "CHECK", "STATUS", "DETAIL", NULL };
	_cleanup_(common_finish) struct common c = COMMON_INIT;
	_cleanup_(strv_finish) struct strv operands = STRV_INIT;
	struct report report = { .remedies = STRBUF_INIT };
	bool boot = false;
	const struct option_def defs[] = {
		OPTIONS_FILE(c),
		{ "boot", 0, OPTION_FLAG, &boot, NULL, "start a small VM, too, and time it" },
		OPTIONS_STATE(c),
		OPTIONS_JSON(c),
		OPTIONS_END,
	};
	int r = options_parse(v, defs, false, argc, argv, &operands, err);

	if (r != 0)
		return r;
	r = options_at_most(&operands, 0, err);
	if (r < 0)
		return r;
	report.checks = json_object_new_array();
	report.phases = json_object_new_array();
	report.table = table_create("", header);
	r = examine(&c, boot, &report, err);
	if (report.table != NULL)
		table_destroy(report.table);
	json_object_put(report.checks);
	json_object_put(report.phases);
	strbuf_finish(&report.remedies);
	return r;
}

const struct verb entry_doctor = {
	.name = "doctor",
	.operands = "",
	.summary = "check this host, and say how to mend what is amiss",
	.run = verb_doctor,
	.group = GROUP_HOST,
	.more = "Where there is a compose file, its devices and memory are looked at as well. The exit "
		"status is 1 when a check failed; what is only slow or only sometimes needed is a "
		"warning.",
	.examples = {
		{ "holos doctor", "what is missing here?" },
		{ "holos doctor --boot", "does a VM start, and how fast?" },
	},
};
