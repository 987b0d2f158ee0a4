/* SPDX-License-Identifier: Apache-2.0
 *
 * loop.h - one poll(2) loop: descriptors and timers call back.
 *
 * A callback may add and remove anything, itself included.
 */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct loop_watch;
struct loop_timer;

typedef void loop_fd_fn(void *data, int fd, short revents);
typedef void loop_timer_fn(void *data);

struct loop *loop_create(void);
void loop_destroy(struct loop *l); /* watches and timers go with it; NULL is fine */

/* Watch fd for events (POLLIN, POLLOUT).  The descriptor stays the caller's. */
struct loop_watch *loop_add_fd(struct loop *l, int fd, short events, loop_fd_fn *fn, void *data);
void loop_set_events(struct loop_watch *w, short events);
void loop_remove_fd(struct loop_watch *w); /* NULL is fine */

/* Call fn once at at_ns (CLOCK_MONOTONIC); the timer is gone when fn runs. */
struct loop_timer *loop_add_timer(struct loop *l, uint64_t at_ns, loop_timer_fn *fn, void *data);
void loop_remove_timer(struct loop_timer *t); /* NULL is fine; never after it fired */

/* Wait for events until deadline_ns (UINT64_MAX: for ever) and handle them.
 * Returns 0, or -errno when poll fails. */
int loop_run_once(struct loop *l, uint64_t deadline_ns);
/* Run until loop_quit() was called. */
void loop_run(struct loop *l);
void loop_quit(struct loop *l);
/* Take loop_quit() back, for callers that drive loop_run_once() themselves. */
void loop_resume(struct loop *l);

#endif
