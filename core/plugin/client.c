/* SPDX-License-Identifier: Apache-2.0
 *
 * client.c - see client.h.
 *
 * A worker has a queue of calls; its head runs when `running` is set:
 *
 *     queued --client_on_kick()--> running --answer--> done
 *                              |  ^--back-off--- (HOLOS_E_AGAIN, rq->retry)
 *                              |--deadline or cancel: the child is told-->
 *                                   answer within the grace --> done
 *                                   else the child is killed --> done
 *
 * One timer serves all of that.  Nothing is started or ended inside
 * worker_call() and worker_cancel(): they leave it to client_on_kick().
 *
 * Being told is one byte through a second socket pair, which stays readable
 * for the plugin (cancel_fd).  The next request says how many such bytes were
 * sent before it, so that the child can drop exactly those.
 */
#include <plugin/client_internal.h>

#include <base/alloc.h>
#include <base/clock.h>
#include <base/jsonx.h>
#include <plugin/search.h>

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#define MEMORY_MAX_DEFAULT (1ull << 30)
#define BACKOFF_FIRST_NS   (100 * NS_PER_MS)

static void kicked(void *data)
{
	struct worker *w = data;

	w->kick = NULL;
	client_on_kick(w);
}

static void timed(void *data)
{
	struct worker *w = data;

	w->timer = NULL;
	client_on_timer(w);
}

void client_kick(struct worker *w)
{
	if (w->kick == NULL)
		w->kick = loop_add_timer(w->loop, clock_now_ns(), kicked, w);
}

void client_set_timer(struct worker *w, uint64_t at_ns)
{
	loop_remove_timer(w->timer);
	w->timer = loop_add_timer(w->loop, at_ns, timed, w);
	w->timer_at_ns = at_ns;
}

void client_drop_timer(struct worker *w)
{
	loop_remove_timer(w->timer);
	w->timer = NULL;
}

void client_close_fds(int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		closep(&fds[i]);
		fds[i] = -1;
	}
}

void client_call_free(struct worker_call *c)
{
	json_object_put(c->msg);
	json_object_put(c->shared);
	client_close_fds(c->fds, c->n_fds);
	client_close_fds(c->got_fds, c->n_got_fds);
	free(c->kind);
	free(c->name);
	free(c->op);
	free(c);
}

/* In full, or only a word of it where the child has it. */
static void put_shared(struct worker *w, struct worker_call *c)
{
	if (c->shared == NULL)
		return;
	if (c->shared == w->shared) {
		jsonx_set_bool(c->msg, "shared", true);
		return;
	}
	jsonx_set(c->msg, "shared", json_object_get(c->shared));
	json_object_put(w->shared);
	w->shared = json_object_get(c->shared);
}

static int send_call(struct worker *w, struct worker_call *c, struct holos_error **err)
{
	int r;

	if (w->pid == 0) {
		r = client_start_child(w, err);
		if (r < 0)
			return r;
	}
	c->id = ++w->last_id;
	c->phase[0] = '\0';
	c->waiting = false;
	jsonx_set_int(c->msg, "id", (int64_t)c->id);
	jsonx_set_int(c->msg, "deadline_ns", (int64_t)c->deadline_ns);
	jsonx_set_int(c->msg, "told", (int64_t)w->told);
	put_shared(w, c);
	return chan_send(w->chan, c->msg, c->fds, c->n_fds, err);
}

/* Send the call at the head of the queue. */
static void run_head(struct worker *w)
{
	struct worker_call *c = w->head;
	_cleanup_(error_destroyp) struct holos_error *err = NULL;

	if (send_call(w, c, &err) == 0)
		return;
	client_stop_child(w, false);
	client_finish_failed(c, err->code == ERR_HOST ? HOLOS_E_UNAVAIL : HOLOS_E_IO, err->message,
			     NULL, false);
}

static void finish_cancelled(struct worker_call *c)
{
	_cleanup_(freep) char *text = xasprintf("%s was cancelled", c->op);

	client_finish_failed(c, HOLOS_E_CANCELLED, text, NULL, false);
}

void client_on_kick(struct worker *w)
{
	struct worker_call *c;

	for (c = w->head; c != NULL; c = c->next) {
		if (c->cancelled && !(w->running && c == w->head && !c->waiting)) {
			client_kick(w); /* there may be more */
			finish_cancelled(c);
			return;
		}
	}
	c = w->head;
	if (c == NULL || w->running)
		return;
	w->running = true;
	c->deadline_ns = clock_now_ns() + c->timeout_ns;
	client_set_timer(w, c->deadline_ns);
	run_head(w);
}

/* Make the plugin's cancel_fd readable; the child has WORKER_GRACE_NS left. */
static void tell(struct worker_call *c)
{
	struct worker *w = c->worker;

	c->told = true;
	if (send(w->cancel_fd, "c", 1, MSG_NOSIGNAL) == 1)
		w->told++;
	client_set_timer(w, clock_now_ns() + WORKER_GRACE_NS);
}

void client_on_timer(struct worker *w)
{
	struct worker_call *c = w->head;

	if (c->waiting) {
		client_set_timer(w, c->deadline_ns);
		run_head(w);
	} else if (!c->told) {
		tell(c); /* the deadline */
	} else {
		client_finish_killed(c);
	}
}

struct worker *worker_create(struct loop *l, const struct worker_options *o)
{
	struct worker *w = xnew(struct worker);
	_cleanup_(strv_finish) struct strv dirs = STRV_INIT;

	w->loop = l != NULL ? l : loop_create();
	w->own_loop = l == NULL;
	w->program = o->program != NULL ? xstrdup(o->program) : plugin_worker_program();
	w->log_fd = o->log_fd > 0 ? o->log_fd : -1;
	w->memory_max = o->memory_max != 0 ? o->memory_max : MEMORY_MAX_DEFAULT;
	w->on_log = o->on_log;
	w->log_data = o->log_data;
	w->cancel_fd = -1;
	w->last = &w->head;
	w->has_env = o->env != NULL;
	strv_add_all(&w->env, o->env);
	if (o->plugin_dirs != NULL)
		strv_add_all(&dirs, o->plugin_dirs);
	else
		plugin_search_dirs(&dirs);
	strv_add(&w->argv, "holos-worker");
	if (o->label != NULL)
		strv_addf(&w->argv, "--label=%s", o->label);
	for (size_t i = 0; i < dirs.n; i++)
		strv_addf(&w->argv, "--plugins=%s", dirs.v[i]);
	return w;
}

void worker_destroy(struct worker *w)
{
	if (w == NULL)
		return;
	client_stop_child(w, !w->running);
	while (w->head != NULL) {
		struct worker_call *c = w->head;

		w->head = c->next;
		client_call_free(c);
	}
	client_drop_timer(w);
	loop_remove_timer(w->kick);
	if (w->own_loop)
		loop_destroy(w->loop);
	json_object_put(w->shared);
	strv_finish(&w->argv);
	strv_finish(&w->env);
	free(w->program);
	free(w);
}

static struct json_object *build_request(const struct worker_request *rq, unsigned n_fds)
{
	struct json_object *msg = json_object_new_object();
	struct json_object *names = json_object_new_array();

	jsonx_set_int(msg, "id", 0);
	jsonx_set_str(msg, "kind", rq->kind);
	jsonx_set_str(msg, "name", rq->name);
	jsonx_set_str(msg, "op", rq->op);
	for (unsigned i = 0; i < n_fds; i++)
		json_object_array_add(names, json_object_new_string(rq->fd_names[i]));
	jsonx_set(msg, "fds", names);
	jsonx_set(msg, "options",
		  rq->options != NULL ? json_object_get(rq->options) : json_object_new_object());
	jsonx_set(msg, "args",
		  rq->args != NULL ? json_object_get(rq->args) : json_object_new_object());
	return msg;
}

struct worker_call *worker_call(struct worker *w, const struct worker_request *rq,
				worker_done_fn *done, void *data)
{
	struct worker_call *c = xnew(struct worker_call);

	c->worker = w;
	c->kind = xstrdup(rq->kind);
	c->name = xstrdup(rq->name);
	c->op = xstrdup(rq->op);
	c->timeout_ns = rq->timeout_ns != 0 ? rq->timeout_ns : WORKER_TIMEOUT_DEFAULT_NS;
	c->backoff_ns = BACKOFF_FIRST_NS;
	c->retry = rq->retry;
	c->on_progress = rq->on_progress;
	c->done = done;
	c->data = data;
	c->n_fds = rq->n_fds <= WORKER_FDS_MAX ? rq->n_fds : WORKER_FDS_MAX;
	for (unsigned i = 0; i < c->n_fds; i++) /* one that fails makes the call fail */
		c->fds[i] = fcntl(rq->fds[i], F_DUPFD_CLOEXEC, 3);
	if (c->n_fds < rq->n_fds)
		client_close_fds(c->fds, c->n_fds);
	c->msg = build_request(rq, c->n_fds);
	c->shared = json_object_get(rq->shared);
	*w->last = c;
	w->last = &c->next;
	client_kick(w);
	return c;
}

void worker_cancel(struct worker_call *c)
{
	struct worker *w = c->worker;

	c->cancelled = true;
	if (w->running && w->head == c && !c->waiting) {
		if (!c->told)
			tell(c);
	} else {
		client_kick(w);
	}
}

int worker_pid(const struct worker *w)
{
	return (int)w->pid;
}
