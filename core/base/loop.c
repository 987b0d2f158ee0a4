/* SPDX-License-Identifier: Apache-2.0
 *
 * loop.c - see loop.h.
 *
 * Watches live in an array of pointers beside the pollfd array.  One removed
 * during dispatch leaves a hole that is closed before the next poll, so that
 * a callback may remove any watch.  Timers are a list sorted by time: a
 * process has few of them.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/loop.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

struct loop_watch {
	struct loop *loop;
	size_t index;
	loop_fd_fn *fn;
	void *data;
};

struct loop_timer {
	struct loop *loop;
	struct loop_timer *next;
	uint64_t at_ns;
	loop_timer_fn *fn;
	void *data;
};

struct loop {
	struct pollfd *fds;
	struct loop_watch **watches;
	size_t n, cap;
	struct loop_timer *timers;
	bool holes;
	bool quit;
};

struct loop *loop_create(void)
{
	return xnew(struct loop);
}

void loop_destroy(struct loop *l)
{
	if (l == NULL)
		return;
	for (size_t i = 0; i < l->n; i++)
		free(l->watches[i]);
	while (l->timers != NULL)
		loop_remove_timer(l->timers);
	free(l->fds);
	free(l->watches);
	free(l);
}

struct loop_watch *loop_add_fd(struct loop *l, int fd, short events, loop_fd_fn *fn, void *data)
{
	struct loop_watch *w = xnew(struct loop_watch);

	if (l->n == l->cap) {
		l->cap = l->cap != 0 ? l->cap * 2 : 8;
		l->fds = xrealloc(l->fds, l->cap, sizeof(*l->fds));
		l->watches = xrealloc(l->watches, l->cap, sizeof(*l->watches));
	}
	*w = (struct loop_watch){ .loop = l, .index = l->n, .fn = fn, .data = data };
	l->fds[l->n] = (struct pollfd){ .fd = fd, .events = events };
	l->watches[l->n++] = w;
	return w;
}

void loop_set_events(struct loop_watch *w, short events)
{
	w->loop->fds[w->index].events = events;
}

void loop_remove_fd(struct loop_watch *w)
{
	if (w == NULL)
		return;
	w->loop->watches[w->index] = NULL;
	w->loop->fds[w->index].fd = -1;
	w->loop->holes = true;
	free(w);
}

static void close_holes(struct loop *l)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++) {
		if (l->watches[i] == NULL)
			continue;
		l->watches[n] = l->watches[i];
		l->fds[n] = l->fds[i];
		l->watches[n]->index = n;
		n++;
	}
	l->n = n;
	l->holes = false;
}

struct loop_timer *loop_add_timer(struct loop *l, uint64_t at_ns, loop_timer_fn *fn, void *data)
{
	struct loop_timer *t = xnew(struct loop_timer);
	struct loop_timer **at = &l->timers;

	while (*at != NULL && (*at)->at_ns <= at_ns)
		at = &(*at)->next;
	*t = (struct loop_timer){ .loop = l, .next = *at, .at_ns = at_ns, .fn = fn, .data = data };
	*at = t;
	return t;
}

void loop_remove_timer(struct loop_timer *t)
{
	struct loop_timer **at;

	if (t == NULL)
		return;
	for (at = &t->loop->timers; *at != NULL; at = &(*at)->next) {
		if (*at == t) {
			*at = t->next;
			break;
		}
	}
	free(t);
}

static void fire_timers(struct loop *l)
{
	uint64_t now = clock_now_ns();

	while (l->timers != NULL && l->timers->at_ns <= now && !l->quit) {
		struct loop_timer *t = l->timers;
		loop_timer_fn *fn = t->fn;
		void *data = t->data;

		l->timers = t->next;
		free(t);
		fn(data);
	}
}

int loop_run_once(struct loop *l, uint64_t deadline_ns)
{
	size_t n;
	int r;

	if (l->holes)
		close_holes(l);
	if (l->timers != NULL && l->timers->at_ns < deadline_ns)
		deadline_ns = l->timers->at_ns;
	r = poll(l->fds, (nfds_t)l->n, clock_poll_timeout(deadline_ns));
	if (r < 0 && errno != EINTR)
		return -errno;
	n = r > 0 ? l->n : 0; /* what a callback adds has no revents yet */
	for (size_t i = 0; i < n && !l->quit; i++) {
		struct loop_watch *w = l->watches[i];

		if (w != NULL && l->fds[i].revents != 0)
			w->fn(w->data, l->fds[i].fd, l->fds[i].revents);
	}
	fire_timers(l);
	return 0;
}

void loop_run(struct loop *l)
{
	l->quit = false;
	while (!l->quit) {
		if (loop_run_once(l, UINT64_MAX) < 0)
			return;
	}
}

void loop_quit(struct loop *l)
{
	l->quit = true;
}

void loop_resume(struct loop *l)
{
	l->quit = false;
}
