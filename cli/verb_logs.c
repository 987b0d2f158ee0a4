/* SPDX-License-Identifier: Apache-2.0
 *
 * verb_logs.c - holos logs: what of which files.  logprint.c prints, follow.c
 * follows.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/units.h>
#include <cli.h>
#include <logs.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ALL_LINES INT64_MAX

struct logs_options {
	struct common common;
	const char *lines, *since, *until;
	bool follow, qemu, monitor, provision, times, no_colour, no_prefix;
};

/* The bytes that --since and --until leave, and of these the last n lines. */
static void find_range(const struct logs *l, const struct log_file *f, off_t size, uint64_t n,
		       off_t *ret_begin, off_t *ret_end)
{
	uint64_t begin = 0, end = UINT64_MAX;

	if (strcmp(l->file, "console.log") == 0) {
		console_times_range(f->notes, f->n_notes, l->since, l->until, &begin, &end);
		if (l->since != 0 && f->written < l->since)
			begin = (uint64_t)size;
	}
	*ret_end = end < (uint64_t)size ? (off_t)end : size;
	*ret_begin = n != ALL_LINES ? log_tail(f->fd, *ret_end, n) : 0;
	if (begin > (uint64_t)*ret_begin)
		*ret_begin = begin < (uint64_t)*ret_end ? (off_t)begin : *ret_end;
}

static void show_tail(struct logs *l, struct log_file *f, uint64_t n)
{
	struct stat st;
	off_t end;

	if (!l->prefix)
		printf("==> %s <==\n", f->name);
	if (!log_open(l, f) || fstat(f->fd, &st) < 0) {
		fflush(stdout);
		fprintf(stderr, "  (cannot read log: %s/instances/%s/%s/%s: %s)\n", l->state->dir,
			l->project, f->name, l->file, strerror(errno));
		return;
	}
	find_range(l, f, st.st_size, n, &f->at, &end);
	log_print(l, f, f->fd, &f->at, end);
	f->at = st.st_size;
	if (!l->prefix)
		log_print_rest(l, f);
}

static int show(struct logs *l, const struct logs_options *o, const struct project_status *p,
		uint64_t n, struct holos_error **err)
{
	struct log_file *files = NULL;
	size_t count = 0, cap = 0;
	int r = 0;

	/* When a service and an instance share a name, the service is meant. */
	for (size_t i = 0; l->what != NULL && i < p->n_vms; i++)
		l->is_service = l->is_service || strcmp(p->vms[i].service, l->what) == 0;
	for (size_t i = 0; i < p->n_vms; i++) {
		if (logs_wanted(l, p->vms[i].name))
			*ARRAY_PUSH(files, count, cap) =
				(struct log_file){ .name = xstrdup(p->vms[i].name), .fd = -1 };
	}
	if (count == 0 && l->what != NULL) {
		struct vm_status *unused;

		r = cli_find_instance(p, l->what, 0, &unused, err);
		if (r == 0)
			r = error_set(err, ERR_FAILED, "\"%s\" has no instances", l->what);
	}
	for (size_t i = 0; i < count; i++) {
		int width = (int)strlen(files[i].name);

		files[i].number = (unsigned)i;
		l->width = width > l->width ? width : l->width;
	}
	for (size_t i = 0; i < count; i++) {
		show_tail(l, &files[i], n);
		if (!l->prefix)
			puts("");
	}
	if (r == 0 && o->follow)
		r = logs_follow(l, &files, &count, &cap, err);
	for (size_t i = 0; i < count; i++) {
		log_print_rest(l, &files[i]);
		log_file_finish(&files[i]);
	}
	free(files);
	return r;
}

/* A day, or a time of it, by the clock of this host.  0 or -1. */
static int parse_local(const char *text, struct timespec *ret)
{
	static const char *const forms[] = { "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d" };

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct tm tm = { .tm_isdst = -1 };
		const char *end = strptime(text, forms[i], &tm);

		if (end == NULL || *end != '\0')
			continue;
		*ret = (struct timespec){ .tv_sec = mktime(&tm) };
		return 0;
	}
	return -1;
}

/* "10m" ago, or a time as docker logs takes it: ns since 1970. */
static int parse_time(const char *name, const char *text, int64_t *ret, struct holos_error **err)
{
	struct timespec t;
	uint64_t ago;
	int64_t seconds;

	if (text == NULL)
		return 0;
	if (units_parse_duration(text, &ago) == 0) {
		clock_gettime(CLOCK_REALTIME, &t);
		*ret = clock_ns(&t) - (int64_t)ago;
		return 0;
	}
	if (units_parse_int(text, 0, INT64_MAX, &seconds) == 0) {
		*ret = clock_ns(&(struct timespec){ .tv_sec = seconds });
		return 0;
	}
	if (clock_parse_rfc3339(text, &t) < 0 && parse_local(text, &t) < 0)
		return error_set(err, ERR_USAGE,
				 "--%s %s: must be a duration such as 10m, a time such as "
				 "2026-11-23T16:00:00Z or 2026-11-23, or seconds since 1970",
				 name, text);
	*ret = clock_ns(&t);
	return 0;
}

static const char *which_file(const struct logs_options *o, struct holos_error **err)
{
	if (o->qemu + o->monitor + o->provision > 1) {
		error_set(err, ERR_USAGE, "--qemu, --monitor and --provision: one of them");
		return NULL;
	}
	return o->qemu        ? "qemu.log"
	       : o->monitor   ? "monitor.log"
	       : o->provision ? "provision.log"
			      : "console.log";
}

/* Who may be several gets the name before each line when they are followed. */
static void choose_form(const struct logs_options *o, const char *what, struct logs *l)
{
	const char *no_colour = getenv("NO_COLOR");
	char service[64];
	unsigned index;
	bool one = what != NULL && state_split_instance(what, service, &index);

	l->tty = isatty(STDOUT_FILENO);
	l->times = o->times;
	l->prefix = o->follow && !one && !o->no_prefix;
	l->colour = l->tty && !o->no_colour && (no_colour == NULL || *no_colour == '\0');
}

static int logs(const struct logs_options *o, const struct strv *operands, struct holos_error **err)
{
	_cleanup_(freep) char *dir = state_default_dir(o->common.state_dir);
	_cleanup_(state_closep) struct state *s = NULL;
	_cleanup_(project_status_destroyp) struct project_status *p = NULL;
	_cleanup_(freep) char *name = NULL;
	char *const *rest = NULL;
	struct logs l = { .file = which_file(o, err) };
	int64_t n = o->since != NULL || o->until != NULL ? ALL_LINES : 50;
	int r = l.file != NULL ? options_at_most(operands, 2, err) : -ERR_USAGE;

	if (r == 0 && o->lines != NULL && strcmp(o->lines, "all") == 0)
		n = ALL_LINES;
	else if (r == 0 && o->lines != NULL && units_parse_int(o->lines, 0, INT64_MAX, &n) < 0)
		r = error_set(err, ERR_USAGE, "-n %s: must be a number of lines, or all", o->lines);
	if (r == 0)
		r = parse_time("since", o->since, &l.since, err);
	if (r == 0)
		r = parse_time("until", o->until, &l.until, err);
	if (r == 0 && o->follow && o->until != NULL)
		r = error_set(err, ERR_USAGE, "--follow goes on, and --until ends: one of them");
	if (r == 0)
		r = state_open(dir, false, &s, err);
	if (r < 0)
		return r;
	r = cli_resolve(&o->common, s, operands, &name, &rest, err);
	if (r < 0)
		return operands->n != 0
			       ? error_wrap(err, "\"%s\" is no known project", operands->v[0])
			       : r;
	if (rest != NULL && rest[0] != NULL && rest[1] != NULL)
		return error_set(err, ERR_FAILED, "project \"%s\" not found", rest[0]);
	l.state = s;
	l.project = name;
	l.what = rest != NULL ? rest[0] : NULL;
	choose_form(o, l.what, &l);
	if (!cli_is_project(s, name))
		return error_set(err, ERR_FAILED, "project \"%s\" not found", name);
	r = project_status_read(s, name, &p, err);
	return r < 0 ? r : show(&l, o, p, (uint64_t)n, err);
}

int verb_logs(const struct verb *v, int argc, char **argv, struct holos_error **err)
{
	struct logs_options l = { .common = COMMON_INIT };
	_cleanup_(strv_finish) struct strv operands = STRV_INIT;
	const struct option_def defs[] = {
		OPTIONS_FILE(l.common),
		OPTIONS_PROJECT(l.common),
		{ "lines", 'n', OPTION_VALUE, &l.lines, "N",
		  "how many lines (default 50), or all" },
		{ "tail", 0, OPTION_VALUE, &l.lines, "N", NULL }, /* as compose calls it */
		{ "follow", 'F', OPTION_FLAG, &l.follow, NULL, "go on printing what comes" },
		{ "since", 0, OPTION_VALUE, &l.since, "MOMENT",
		  "what was said since then: a time, or 10m" },
		{ "until", 0, OPTION_VALUE, &l.until, "MOMENT", "what was said until then" },
		{ "timestamps", 't', OPTION_FLAG, &l.times, NULL,
		  "when it was said, before each line" },
		{ "qemu", 0, OPTION_FLAG, &l.qemu, NULL, "what QEMU said" },
		{ "monitor", 0, OPTION_FLAG, &l.monitor, NULL, "what the VM's monitor said" },
		{ "provision", 0, OPTION_FLAG, &l.provision, NULL,
		  "what became of the first boot's steps" },
		{ "no-color", 0, OPTION_FLAG, &l.no_colour, NULL, "no colours" },
		{ "no-log-prefix", 0, OPTION_FLAG, &l.no_prefix, NULL,
		  "no instance's name before each line" },
		OPTIONS_STATE(l.common),
		OPTIONS_END,
	};
	int r = options_parse(v, defs, false, argc, argv, &operands, err);

	if (r == 0)
		r = logs(&l, &operands, err);
	common_finish(&l.common);
	return r;
}

const struct verb entry_logs = {
	.name = "logs",
	.operands = "[PROJECT] [SERVICE|INSTANCE]",
	.summary = "show what a VM's console said",
	.run = verb_logs,
	.group = GROUP_LOOK,
	.more = "Without --follow, one part for each VM; with it, lines of all of them as they "
		"come, with the VM's name before each. It goes on over restarts and over the "
		"rotation of the log.\n\n"
		"Times of what a console said are exact to 30 seconds, and to the moment for "
		"what comes while it is followed.",
	.examples = {
		{ "holos logs web", "the last 50 lines of each replica" },
		{ "holos logs -F -n 0", "what comes from now on, of all VMs" },
		{ "holos logs --since 10m -t", "of the last ten minutes, with times" },
		{ "holos logs --qemu web-1", "why QEMU did not start" },
		{ "holos logs --provision web", "what the first boot did" },
	},
};
