/* SPDX-License-Identifier: Apache-2.0
 *
 * appear.c - see appear.h.
 *
 * inotify(7) where it can be had: a user has 128 instances by default, and 200
 * VMs may start at once.  Beyond that a timer looks, every 10 ms.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <monitor/appear.h>

#include <poll.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

#define LOOK_EVERY (10 * NS_PER_MS)

struct appear {
	struct loop *loop;
	int fd; /* -1: by timer */
	struct loop_watch *watch;
	struct loop_timer *timer;
	void (*fn)(void *data);
	void *data;
};

static void on_event(void *data, int fd, short revents)
{
	struct appear *a = data;
	char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));

	(void)revents;
	while (read(fd, buf, sizeof(buf)) > 0)
		; /* that something came is all that matters */
	a->fn(a->data);
}

static void on_timer(void *data)
{
	struct appear *a = data;

	a->timer = loop_add_timer(a->loop, clock_now_ns() + LOOK_EVERY, on_timer, a);
	a->fn(a->data);
}

struct appear *appear_create(struct loop *l, const char *dir, void (*fn)(void *data), void *data)
{
	struct appear *a = xnew(struct appear);

	a->loop = l;
	a->fn = fn;
	a->data = data;
	a->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (a->fd >= 0 && inotify_add_watch(a->fd, dir, IN_CREATE | IN_MOVED_TO) < 0) {
		close(a->fd);
		a->fd = -1;
	}
	if (a->fd >= 0)
		a->watch = loop_add_fd(l, a->fd, POLLIN, on_event, a);
	else
		a->timer = loop_add_timer(l, clock_now_ns() + LOOK_EVERY, on_timer, a);
	return a;
}

void appear_destroy(struct appear *a)
{
	if (a == NULL)
		return;
	loop_remove_fd(a->watch);
	loop_remove_timer(a->timer);
	if (a->fd >= 0)
		close(a->fd);
	free(a);
}
