/* SPDX-License-Identifier: Apache-2.0
 *
 * verb_logs.c - holos logs: the ends of files, in constant memory; followed by
 * inotify.  On a terminal what a guest printed is made harmless.
 */
#include <base/alloc.h>
#include <base/strbuf.h>
#include <base/units.h>
#include <cli.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK 65536

struct log_file {
	const struct vm_status *vm;
	char *path;
	int fd;
	off_t at; /* read so far */
	int watch;
};

struct logs {
	struct common common;
	const char *lines;
	bool follow, qemu, monitor;
	bool tty;
	const char *file; /* "console.log" */
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

/* Where the last n lines begin, reading backwards block by block. */
static off_t find_tail(int fd, off_t size, uint64_t n)
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

/* Print what has come since; a file that shrank was rotated. */
static void drain(const struct logs *l, struct log_file *f)
{
	_cleanup_(freep) char *buf = xmalloc(BLOCK);
	struct stat st;
	ssize_t n;

	if (fstat(f->fd, &st) == 0 && st.st_size < f->at)
		f->at = 0;
	while ((n = pread(f->fd, buf, BLOCK, f->at)) > 0) {
		put(l, buf, (size_t)n);
		f->at += n;
	}
}

static void show_tail(const struct logs *l, struct log_file *f, uint64_t n, bool heading)
{
	struct stat st;

	if (heading)
		printf("==> %s <==\n", f->vm->name);
	f->fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	if (f->fd < 0 || fstat(f->fd, &st) < 0) {
		fflush(stdout);
		fprintf(stderr, "  (cannot read log: %s: %s)\n", f->path, strerror(errno));
		return;
	}
	f->at = find_tail(f->fd, st.st_size, n);
	drain(l, f);
}

static int follow(const struct logs *l, struct log_file *files, size_t n, struct holos_error **err)
{
	_cleanup_(closep) int notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	_Alignas(struct inotify_event) char buf[4096];
	const struct log_file *last = n != 0 ? &files[n - 1] : NULL;

	if (notify < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot follow");
	for (size_t i = 0; i < n; i++)
		files[i].watch = inotify_add_watch(notify, files[i].path, IN_MODIFY);
	for (;;) {
		struct pollfd p = { .fd = notify, .events = POLLIN };

		for (size_t i = 0; i < n; i++) {
			struct stat st;

			if (files[i].fd < 0 || fstat(files[i].fd, &st) < 0 ||
			    st.st_size == files[i].at)
				continue;
			if (n > 1 && &files[i] != last)
				printf("==> %s <==\n", files[i].vm->name);
			last = &files[i];
			drain(l, &files[i]);
		}
		if (fflush(stdout) != 0)
			return 0; /* nobody reads any more */
		if (poll(&p, 1, -1) < 0 && errno != EINTR)
			return error_sys(err, ERR_FAILED, errno, "cannot follow");
		while (read(notify, buf, sizeof(buf)) > 0)
			;
	}
}

static bool matches(const struct vm_status *v, const char *what)
{
	return what == NULL || strcmp(v->service, what) == 0 || strcmp(v->name, what) == 0;
}

static int show(const struct logs *l, const struct project_status *p, const char *what, uint64_t n,
		struct holos_error **err)
{
	struct log_file *files = xcalloc(p->n_vms, sizeof(*files));
	bool is_service = false;
	size_t count = 0;
	int r = 0;

	/* When a service and an instance share a name, the service is meant. */
	for (size_t i = 0; what != NULL && i < p->n_vms; i++)
		is_service = is_service || strcmp(p->vms[i].service, what) == 0;
	for (size_t i = 0; i < p->n_vms; i++) {
		const struct vm_status *v = &p->vms[i];

		if (!matches(v, what) || (is_service && strcmp(v->service, what) != 0))
			continue;
		files[count++] = (struct log_file){ .vm = v,
						    .path = xasprintf("%s/%s", v->dir, l->file),
						    .fd = -1 };
	}
	if (count == 0 && what != NULL) {
		struct vm_status *unused;

		r = cli_find_instance(p, what, 0, &unused, err);
		if (r == 0)
			r = error_set(err, ERR_FAILED, "\"%s\" has no instances", what);
	}
	for (size_t i = 0; i < count; i++) {
		show_tail(l, &files[i], n, true);
		puts("");
	}
	if (r == 0 && l->follow)
		r = follow(l, files, count, err);
	for (size_t i = 0; i < count; i++) {
		closep(&files[i].fd);
		free(files[i].path);
	}
	free(files);
	return r;
}

static int logs(struct logs *l, const struct strv *operands, struct holos_error **err)
{
	_cleanup_(freep) char *dir = state_default_dir(l->common.state_dir);
	_cleanup_(state_closep) struct state *s = NULL;
	_cleanup_(project_status_destroyp) struct project_status *p = NULL;
	_cleanup_(freep) char *name = NULL;
	char *const *rest = NULL;
	const char *what;
	int64_t n = 50;
	int r = options_at_most(operands, 2, err);

	if (r == 0 && l->lines != NULL && strcmp(l->lines, "all") == 0)
		n = INT64_MAX;
	else if (r == 0 && l->lines != NULL && units_parse_int(l->lines, 0, INT64_MAX, &n) < 0)
		r = error_set(err, ERR_USAGE, "-n %s: must be a number of lines, or all", l->lines);
	if (r == 0)
		r = state_open(dir, false, &s, err);
	if (r < 0)
		return r;
	r = cli_resolve(&l->common, s, operands, &name, &rest, err);
	if (r < 0)
		return operands->n != 0
			       ? error_wrap(err, "\"%s\" is no known project", operands->v[0])
			       : r;
	if (rest != NULL && rest[0] != NULL && rest[1] != NULL)
		return error_set(err, ERR_FAILED, "project \"%s\" not found", rest[0]);
	what = rest != NULL ? rest[0] : NULL;
	if (!cli_is_project(s, name))
		return error_set(err, ERR_FAILED, "project \"%s\" not found", name);
	r = project_status_read(s, name, &p, err);
	return r < 0 ? r : show(l, p, what, (uint64_t)n, err);
}

int verb_logs(const struct verb *v, int argc, char **argv, struct holos_error **err)
{
	struct logs l = { .common = COMMON_INIT };
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

	if (r == 0) {
		l.file = l.qemu ? "qemu.log" : l.monitor ? "monitor.log" : "console.log";
		l.tty = isatty(STDOUT_FILENO);
		r = logs(&l, &operands, err);
	}
	common_finish(&l.common);
	return r;
}
