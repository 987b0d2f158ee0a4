/* SPDX-License-Identifier: Apache-2.0
 *
 * follow.c - logs --follow, by inotify.
 *
 * Three kinds of watches: the project's directory tells of instances that are
 * made, an instance's directory that the file appears or that the instance is
 * removed (a rename, architecture.md), a file that it grew or was truncated.
 */
#include <base/alloc.h>
#include <base/cleanup.h>
#include <logs.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

/* An instance that is made anew is gone for a moment. */
#define GONE_MS 1000

struct follow {
	struct logs *l;
	int notify;
	int project_watch;
	struct log_file **files;
	size_t *n, *cap;
	const char *last; /* the instance that printed last */
};

static void heading(struct follow *w, const struct log_file *f)
{
	if (!w->l->prefix && w->last != NULL && strcmp(w->last, f->name) != 0)
		printf("==> %s <==\n", f->name);
	w->last = f->name;
}

/* The copy that a rotation made of f; -1: there is none. */
static int open_copy(struct follow *w, const struct log_file *f, struct stat *ret)
{
	_cleanup_(closep) int dir =
		state_open_dir(w->l->state, false, "instances/%s/%s", w->l->project, f->name);
	_cleanup_(freep) char *name = xasprintf("%s.1", w->l->file);
	_cleanup_(closep) int fd =
		dir >= 0 ? openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW) : -1;

	if (fd < 0 || fstat(fd, ret) < 0 || !S_ISREG(ret->st_mode))
		return -1;
	return steal_fd(&fd);
}

static void remember_copy(struct log_file *f, const struct stat *st)
{
	f->copy = (struct log_copy){ st->st_ino, st->st_mtim };
}

static bool is_new(const struct log_file *f, int copy, const struct stat *st)
{
	return copy >= 0 &&
	       (st->st_ino != f->copy.ino || st->st_mtim.tv_sec != f->copy.mtime.tv_sec ||
		st->st_mtim.tv_nsec != f->copy.mtime.tv_nsec);
}

/* Print what has come since; what a rotated file had by then is in the copy.  A
 * file was rotated when it is shorter than what we read or, as it may have grown
 * again, than a copy that we do not know.  The copy is looked at first: one of a
 * file that is not truncated yet is no longer than that. */
static void drain(struct follow *w, struct log_file *f)
{
	struct stat st, copied = { 0 };
	_cleanup_(closep) int copy = f->fd >= 0 ? open_copy(w, f, &copied) : -1;

	if (f->fd < 0 || fstat(f->fd, &st) < 0)
		return;
	if (st.st_size < f->at && !is_new(f, copy, &copied)) { /* just now */
		closep(&copy);
		copy = open_copy(w, f, &copied);
	}
	if (st.st_size < f->at ||
	    (is_new(f, copy, &copied) && copied.st_size >= f->at && st.st_size < copied.st_size)) {
		if (copy >= 0 && copied.st_size > f->at) {
			heading(w, f);
			log_print(w->l, f, copy, &f->at, -1);
		}
		if (copy >= 0)
			remember_copy(f, &copied);
		f->at = 0;
	}
	if (st.st_size == f->at)
		return;
	heading(w, f);
	log_print(w->l, f, f->fd, &f->at, -1);
}

static void watch_file(struct follow *w, struct log_file *f)
{
	_cleanup_(freep) char *path =
		state_path(w->l->state, "instances/%s/%s/%s", w->l->project, f->name, w->l->file);

	if (f->fd >= 0)
		f->file_watch = inotify_add_watch(w->notify, path, IN_MODIFY);
}

/* The copy that is there when one begins to look is of no interest. */
static void know_copy(struct follow *w, struct log_file *f)
{
	struct stat st;
	_cleanup_(closep) int copy = open_copy(w, f, &st);

	if (copy >= 0)
		remember_copy(f, &st);
}

/* The file is there, perhaps: from its beginning. */
static void open_again(struct follow *w, struct log_file *f)
{
	closep(&f->fd);
	f->fd = -1;
	f->at = 0;
	if (log_open(w->l, f)) {
		know_copy(w, f);
		watch_file(w, f);
	}
}

static void watch_instance(struct follow *w, struct log_file *f)
{
	_cleanup_(freep) char *path =
		state_path(w->l->state, "instances/%s/%s", w->l->project, f->name);

	f->dir_watch = inotify_add_watch(w->notify, path,
					 IN_CREATE | IN_MOVED_TO | IN_MOVE_SELF | IN_DELETE_SELF |
						 IN_ONLYDIR);
}

static void gone(struct follow *w, struct log_file *f)
{
	drain(w, f); /* its last words */
	log_print_rest(w->l, f);
	if (f->dir_watch >= 0)
		(void)inotify_rm_watch(w->notify, f->dir_watch); /* it lives on under a new name */
	f->dir_watch = -1;
	f->file_watch = -1;
	closep(&f->fd);
	f->fd = -1;
}

static void made(struct follow *w, const char *instance)
{
	struct log_file *f = NULL;

	if (!logs_wanted(w->l, instance))
		return;
	for (size_t i = 0; i < *w->n; i++) {
		if (strcmp((*w->files)[i].name, instance) == 0)
			f = &(*w->files)[i];
	}
	if (f == NULL) {
		f = ARRAY_PUSH(*w->files, *w->n, *w->cap);
		*f = (struct log_file){ .name = xstrdup(instance),
					.fd = -1,
					.number = (unsigned)*w->n - 1,
					.live = true };
		if ((int)strlen(instance) > w->l->width)
			w->l->width = (int)strlen(instance);
	} else {
		gone(w, f);
	}
	watch_instance(w, f);
	open_again(w, f);
}

static void on_event(struct follow *w, const struct inotify_event *e)
{
	const char *name = e->len != 0 ? e->name : "";

	if (e->wd == w->project_watch && (e->mask & (IN_CREATE | IN_MOVED_TO)) != 0) {
		made(w, name);
		return;
	}
	for (size_t i = 0; i < *w->n; i++) {
		struct log_file *f = &(*w->files)[i];

		if (e->wd != f->dir_watch || f->dir_watch < 0)
			continue;
		if ((e->mask & (IN_MOVE_SELF | IN_DELETE_SELF)) != 0)
			gone(w, f);
		else if (strcmp(name, w->l->file) == 0 &&
			 (e->mask & (IN_CREATE | IN_MOVED_TO)) != 0)
			open_again(w, f);
	}
}

static void read_events(struct follow *w)
{
	_Alignas(struct inotify_event) char buf[4096];
	ssize_t n;

	while ((n = read(w->notify, buf, sizeof(buf))) > 0) {
		for (ssize_t at = 0; at < n;) {
			const void *next = buf + at; /* the kernel keeps them aligned */
			const struct inotify_event *e = next;

			on_event(w, e);
			at += (ssize_t)(sizeof(*e) + e->len);
		}
	}
}

static bool any_left(const struct follow *w)
{
	for (size_t i = 0; i < *w->n; i++) {
		if ((*w->files)[i].dir_watch >= 0)
			return true;
	}
	return false;
}

static int run(struct follow *w, struct holos_error **err)
{
	for (;;) {
		struct pollfd p[] = { { .fd = w->notify, .events = POLLIN },
				      { .fd = STDOUT_FILENO, .events = 0 } };
		bool left = any_left(w);
		int r;

		for (size_t i = 0; i < *w->n; i++)
			drain(w, &(*w->files)[i]);
		if (fflush(stdout) != 0)
			return 0; /* nobody reads any more */
		r = poll(p, 2, left ? -1 : GONE_MS);
		if (r < 0 && errno != EINTR)
			return error_sys(err, ERR_FAILED, errno, "cannot follow");
		if ((r == 0 && !left) || (r > 0 && (p[1].revents & (POLLERR | POLLNVAL)) != 0))
			return 0;
		read_events(w);
	}
}

int logs_follow(struct logs *l, struct log_file **files, size_t *n, size_t *cap,
		struct holos_error **err)
{
	_cleanup_(closep) int notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	_cleanup_(freep) char *path = state_path(l->state, "instances/%s", l->project);
	struct follow w = { .l = l, .notify = notify, .files = files, .n = n, .cap = cap };

	if (notify < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot follow");
	w.project_watch = inotify_add_watch(notify, path, IN_CREATE | IN_MOVED_TO | IN_ONLYDIR);
	for (size_t i = 0; i < *n; i++) {
		watch_instance(&w, &(*files)[i]);
		watch_file(&w, &(*files)[i]);
		know_copy(&w, &(*files)[i]);
		(*files)[i].live = true;
		w.last = (*files)[i].name;
	}
	return run(&w, err);
}
