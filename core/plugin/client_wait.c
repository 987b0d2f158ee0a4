/* SPDX-License-Identifier: Apache-2.0
 *
 * client_wait.c - calls that wait: the worker is driven by hand, its loop is not
 * run.
 */
#include <plugin/client_internal.h>

#include <base/clock.h>
#include <base/interrupt.h>
#include <base/jsonx.h>

#include <poll.h>
#include <sys/socket.h>

struct waiter {
	bool done;
	struct worker_result *res;
	worker_progress_fn *on_progress;
	void *data;
};

static void wait_done(void *data, struct worker_result *res)
{
	struct waiter *wait = data;

	wait->done = true;
	*wait->res = *res;
	*res = (struct worker_result){ 0 };
}

static void wait_progress(void *data, const char *what, uint64_t done, uint64_t total)
{
	struct waiter *wait = data;

	wait->on_progress(wait->data, what, done, total);
}

/* Did the child close the connection, rather than send what is no message? */
static bool has_ended(const struct worker *w)
{
	char c;

	return recv(chan_fd(w->chan), &c, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* Wait for what comes next in this worker, and handle it.  The loop is left out:
 * it may be the caller's, who waits in the middle of one of its callbacks. */
static void pump(struct worker *w, struct worker_call *call)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	_cleanup_(json_putp) struct json_object *msg = NULL;
	int fds[CHAN_FDS_MAX];
	unsigned n_fds = CHAN_FDS_MAX;
	int r = -ERR_TIMEOUT;

	if (w->kick != NULL) {
		loop_remove_timer(w->kick);
		w->kick = NULL;
		client_on_kick(w);
		return;
	}
	/* A child that never stops talking gets no more time for it. */
	if (interrupt_asked())
		worker_cancel(call);
	if (w->chan != NULL && clock_now_ns() < w->timer_at_ns)
		r = chan_read_wait(w->chan, w->timer_at_ns, &msg, fds, &n_fds, &err);
	else if (w->chan == NULL) /* between two attempts, and the child is gone */
		(void)poll(NULL, 0, clock_poll_timeout(w->timer_at_ns));
	if (r == 0) {
		client_on_msg(w, msg, fds, n_fds);
		client_close_fds(fds, n_fds);
	} else if (r == -ERR_INTERRUPTED) {
		worker_cancel(call); /* it ends soon, one way or another */
	} else if (r != -ERR_TIMEOUT) {
		client_on_end(w, has_ended(w) ? NULL : err);
	} else if (clock_now_ns() >= w->timer_at_ns) {
		client_drop_timer(w);
		client_on_timer(w);
	}
}

int worker_call_wait_result(struct worker *w, const struct worker_request *rq, void *data,
			    struct worker_result *res)
{
	struct waiter wait = { .res = res, .on_progress = rq->on_progress, .data = data };
	struct worker_request mine = *rq;
	struct worker_call *call;

	if (rq->on_progress != NULL)
		mine.on_progress = wait_progress;
	call = worker_call(w, &mine, wait_done, &wait);
	while (!wait.done)
		pump(w, call);
	return res->status == HOLOS_OK ? 0 : -res->err->code;
}

int worker_call_wait(struct worker *w, const struct worker_request *rq, struct json_object **ret,
		     struct holos_error **err)
{
	struct worker_result res;
	int r = worker_call_wait_result(w, rq, NULL, &res);

	if (r < 0)
		error_move(err, &res.err);
	else if (ret != NULL)
		*ret = steal_ptr(&res.value);
	worker_result_finish(&res);
	return r;
}
