/* SPDX-License-Identifier: Apache-2.0
 *
 * verb_logs.c - holos logs: the ends of files, in constant memory.  On a terminal
 * what a guest printed is made harmless.  follow.c follows.
 */
#include <base/alloc.h>
#include <base/units.h>
#include <cli.h>
#include <logs.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK 65536

struct logs_options {
	struct common common;
	const char *lines;
	bool follow, qemu, monitor;
};

/* Colours and cursor keys stay out of the reader's terminal: everything but
 * text, newline and tab becomes visible. */
static void put(const struct logs *l, const char *data, size_t n)
{
	if (!l->tty) {
		fwrite(data, 1, n, stdout);
		return;
	}
	for (size_t i = 0; i < n;) {
		size_t len = printable_char(data + i, n - i);
		char c = data[i];

		if (len != 0)
			fwrite(data + i, 1, len, stdout);
		else if (c == '\n' || c == '\t')
			putchar(c);
		else if (c == 0x1b)
			fputs("^[", stdout);
		else if (c != '\r')
			putchar('?');
		i += len != 0 ? len : 1;
	}
}

off_t log_tail(int fd, off_t size, uint64_t n)
{
	_cleanup_(freep) char *buf = xmalloc(BLOCK);
	off_t at = size;
	uint64_t seen = 0;

	if (n == 0)
		return size;
	while (at > 0) {
		size_t want = at > BLOCK ? BLOCK : (size_t)at;
		ssize_t got = pread(fd, buf, want, at - (off_t)want);

		if (got <= 0)
			return at;
		for (ssize_t i = got; i-- > 0;) {
			off_t where = at - (off_t)want + i;

			/* The newline at the very end ends the last line. */
			if (buf[i] == '\n' && where != size - 1 && ++seen == n)
				return where + 1;
		}
		at -= (off_t)want;
	}
	return 0;
}

void log_print(const struct logs *l, int fd, off_t *at)
{
	_cleanup_(freep) char *buf = xmalloc(BLOCK);
	ssize_t n;

	while ((n = pread(fd, buf, BLOCK, *at)) > 0) {
		put(l, buf, (size_t)n);
		*at += n;
	}
}

bool log_open(const struct logs *l, struct log_file *f)
{
	_cleanup_(closep) int dir =
		state_open_dir(l->state, false, "instances/%s/%s", l->project, f->name);
	struct stat st;

	f->fd = dir >= 0 ? openat(dir, l->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW)
			 : -1;
	if (f->fd >= 0 && fstat(f->fd, &st) == 0 && !S_ISREG(st.st_mode)) {
		closep(&f->fd); /* a device or the like may have no end */
		f->fd = -1;
		errno = ENOTSUP;
	}
	return f->fd >= 0;
}

void log_file_finish(struct log_file *f)
{
	closep(&f->fd);
	free(f->name);
}

static void show_tail(const struct logs *l, struct log_file *f, uint64_t n)
{
	struct stat st;

	printf("==> %s <==\n", f->name);
	if (!log_open(l, f) || fstat(f->fd, &st) < 0) {
		fflush(stdout);
		fprintf(stderr, "  (cannot read log: %s/instances/%s/%s/%s: %s)\n", l->state->dir,
			l->project, f->name, l->file, strerror(errno));
		return;
	}
	f->at = log_tail(f->fd, st.st_size, n);
	log_print(l, f->fd, &f->at);
}

bool logs_wanted(const struct logs *l, const char *instance)
{
	char service[64];
	unsigned index;

	if (!state_split_instance(instance, service, &index))
		return false;
	return l->what == NULL || strcmp(service, l->what) == 0 ||
	       (!l->is_service && strcmp(instance, l->what) == 0);
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
		show_tail(l, &files[i], n);
		puts("");
	}
	if (r == 0 && o->follow)
		r = logs_follow(l, &files, &count, &cap, err);
	for (size_t i = 0; i < count; i++)
		log_file_finish(&files[i]);
	free(files);
	return r;
}

static int logs(const struct logs_options *o, const struct strv *operands, struct holos_error **err)
{
	_cleanup_(freep) char *dir = state_default_dir(o->common.state_dir);
	_cleanup_(state_closep) struct state *s = NULL;
	_cleanup_(project_status_destroyp) struct project_status *p = NULL;
	_cleanup_(freep) char *name = NULL;
	char *const *rest = NULL;
	struct logs l = { .tty = isatty(STDOUT_FILENO) };
	int64_t n = 50;
	int r = options_at_most(operands, 2, err);

	if (r == 0 && o->lines != NULL && strcmp(o->lines, "all") == 0)
		n = INT64_MAX;
	else if (r == 0 && o->lines != NULL && units_parse_int(o->lines, 0, INT64_MAX, &n) < 0)
		r = error_set(err, ERR_USAGE, "-n %s: must be a number of lines, or all", o->lines);
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
	l.file = o->qemu ? "qemu.log" : o->monitor ? "monitor.log" : "console.log";
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
		{ "follow", 'F', OPTION_FLAG, &l.follow, NULL, "go on printing what comes" },
		{ "qemu", 0, OPTION_FLAG, &l.qemu, NULL, "what QEMU said" },
		{ "monitor", 0, OPTION_FLAG, &l.monitor, NULL, "what the VM's monitor said" },
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
	.examples = {
		{ "holos logs web", "the last 50 lines of each replica" },
		{ "holos logs -F -n 0", "what comes from now on, of all VMs" },
		{ "holos logs --qemu web-1", "why QEMU did not start" },
	},
};
