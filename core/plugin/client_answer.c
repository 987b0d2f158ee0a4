/* SPDX-License-Identifier: Apache-2.0
 *
 * client_answer.c - what comes from the child, and how calls end.
 *
 * Calls end in finish() only, which calls the done function last: it may destroy
 * the worker.  Everything here that ends in finish() touches nothing after it.
 */
#include <plugin/client_internal.h>

#include <base/alloc.h>
#include <base/clock.h>
#include <base/jsonx.h>
#include <base/units.h>
#include <plugin/status.h>

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#define BACKOFF_MAX_NS (5 * NS_PER_S)

void worker_result_finish(struct worker_result *res)
{
	json_object_put(res->value);
	error_destroy(res->err);
	free(res->reason);
	free(res->at);
	client_close_fds(res->fds, res->n_fds);
	*res = (struct worker_result){ 0 };
}

/* End a call, whose result is taken over.  The worker may be gone afterwards. */
static void finish(struct worker_call *c, struct worker_result *res)
{
	struct worker *w = c->worker;
	struct worker_call **at = &w->head;

	if (w->running && w->head == c) {
		w->running = false;
		client_drop_timer(w);
	}
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	if (*at == NULL)
		w->last = at;
	if (w->head != NULL)
		client_kick(w);
	for (unsigned i = 0; i < c->n_got_fds; i++)
		res->fds[i] = steal_fd(&c->got_fds[i]);
	res->n_fds = c->n_got_fds;
	c->done(c->data, res);
	worker_result_finish(res);
	client_call_free(c);
}

void client_finish_failed(struct worker_call *c, holos_status status, const char *text,
			  struct json_object *answer, bool died)
{
	const struct plugin_kind *kind = plugin_kind_find(c->kind);
	const char *hint = jsonx_str(answer, "hint", NULL);
	struct worker_result res = { .status = status,
				     .reason = xstrdup(text),
				     .at = xstrdup_null(jsonx_str(answer, "at", NULL)),
				     .died = died };

	if (strcmp(c->kind, WIRE_FETCH) == 0)
		error_set(&res.err, (int)plugin_status_code(status), "%s", text);
	else
		error_set(&res.err, (int)plugin_status_code(status), "%s plugin \"%s\": %s",
			  kind != NULL ? kind->word : c->kind, c->name, text);
	res.err->sys_errno = (int)jsonx_int(answer, "errno", 0);
	if (hint != NULL)
		error_hint(&res.err, "%s", hint);
	finish(c, &res);
}

/* The child is gone in the middle of a call. */
static void finish_died(struct worker_call *c, int status)
{
	_cleanup_(freep) char *text = NULL;
	const char *at = strcmp(c->phase, "load") == 0 ? "loading"
			 : c->phase[0] != '\0'         ? c->phase
						       : c->op;
	char size[32];

	if (status == -1)
		text = xasprintf("%s ended the process it ran in", at);
	else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		text = xasprintf("%s closed its connection to holos or was killed", at);
	else if (WIFSIGNALED(status))
		text = xasprintf("%s crashed (signal %d, %s)", at, WTERMSIG(status),
				 strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status) == WIRE_EXIT_MEMORY)
		text = xasprintf("%s used up the memory a plugin may have (%s)", at,
				 units_format_size(c->worker->memory_max, size));
	else
		text = xasprintf("%s ended the process it ran in (exit status %d)", at,
				 WEXITSTATUS(status));
	client_finish_failed(c, HOLOS_E_INTERNAL, text, NULL, true);
}

static char *describe_timeout(const struct worker_call *c)
{
	char duration[32];

	return xasprintf("%s did not finish within %s", c->phase[0] != '\0' ? c->phase : c->op,
			 units_format_duration(c->timeout_ns, duration));
}

void client_finish_killed(struct worker_call *c)
{
	_cleanup_(freep) char *text = NULL;

	client_stop_child(c->worker, false);
	if (c->cancelled) {
		text = xasprintf("%s was cancelled, did not stop and was killed", c->op);
		client_finish_failed(c, HOLOS_E_CANCELLED, text, NULL, true);
	} else {
		_cleanup_(freep) char *what = describe_timeout(c);

		text = xasprintf("%s and was killed", what);
		client_finish_failed(c, HOLOS_E_TIMEOUT, text, NULL, true);
	}
}

static void finish_garbage(struct worker_call *c, const char *why)
{
	_cleanup_(freep) char *text = xasprintf("%s answered with nonsense (%s)", c->op, why);

	client_stop_child(c->worker, false);
	client_finish_failed(c, HOLOS_E_INTERNAL, text, NULL, true);
}

static void on_answer(struct worker_call *c, struct json_object *msg)
{
	holos_status status = (holos_status)jsonx_int(msg, "status", HOLOS_E_INTERNAL);
	const char *said = jsonx_str(msg, "message", NULL);
	_cleanup_(freep) char *text = NULL;

	if (status == HOLOS_OK) {
		struct worker_result res = { .status = HOLOS_OK };

		res.value = json_object_get(jsonx_obj(msg, "result"));
		if (res.value == NULL) {
			finish_garbage(c, "no result");
			return;
		}
		finish(c, &res);
		return;
	}
	if (status == HOLOS_E_AGAIN && c->retry && !c->told &&
	    clock_now_ns() + c->backoff_ns < c->deadline_ns) {
		c->waiting = true;
		client_set_timer(c->worker, clock_now_ns() + c->backoff_ns);
		c->backoff_ns =
			c->backoff_ns * 2 < BACKOFF_MAX_NS ? c->backoff_ns * 2 : BACKOFF_MAX_NS;
		return;
	}
	if (c->cancelled) {
		status = HOLOS_E_CANCELLED;
		text = xasprintf("%s was cancelled", c->op);
	} else if (clock_now_ns() >= c->deadline_ns &&
		   (status == HOLOS_E_CANCELLED ||
		    (status == HOLOS_E_TIMEOUT && (said == NULL || said[0] == '\0')))) {
		status = HOLOS_E_TIMEOUT;
		text = describe_timeout(c);
	} else if (said != NULL && said[0] != '\0') {
		text = xstrdup(said);
	} else {
		text = xasprintf("%s failed without saying why (%s)", c->op,
				 plugin_status_name(status));
	}
	client_finish_failed(c, status, text, msg, false);
}

/* Keep descriptors for the answer: the kernel may deliver them together with
 * lines sent before it. */
static void keep_fds(struct worker_call *c, int *fds, unsigned n_fds)
{
	for (unsigned i = 0; i < n_fds && c->n_got_fds < WORKER_FDS_MAX; i++)
		c->got_fds[c->n_got_fds++] = steal_fd(&fds[i]);
}

void client_on_msg(void *data, struct json_object *msg, int *fds, unsigned n_fds)
{
	struct worker *w = data;
	struct worker_call *c = w->running ? w->head : NULL;
	struct json_object *part = jsonx_obj(msg, "log");
	const char *phase = jsonx_str(msg, "phase", NULL);

	if (c != NULL)
		keep_fds(c, fds, n_fds);
	if (part != NULL) {
		if (w->on_log != NULL)
			w->on_log(w->log_data, (int)jsonx_int(part, "level", HOLOS_LOG_INFO),
				  jsonx_str(part, "plugin", ""), jsonx_str(part, "msg", ""));
		return;
	}
	if (c == NULL || c->waiting || jsonx_int(msg, "id", -1) != (int64_t)c->id) {
		if (c != NULL)
			finish_garbage(c, "an answer to nothing");
		else
			client_stop_child(w, false);
		return;
	}
	part = jsonx_obj(msg, "progress");
	if (part != NULL) {
		if (c->on_progress != NULL && !c->told)
			c->on_progress(c->data, jsonx_str(part, "what", ""),
				       (uint64_t)jsonx_int(part, "done", 0),
				       (uint64_t)jsonx_int(part, "total", 0));
		return;
	}
	if (phase != NULL) {
		snprintf(c->phase, sizeof(c->phase), "%s", phase);
		return;
	}
	on_answer(c, msg);
}

void client_on_end(void *data, struct holos_error *err)
{
	struct worker *w = data;
	struct worker_call *c = w->running && !w->head->waiting ? w->head : NULL;
	int status;

	if (c != NULL && err != NULL) {
		finish_garbage(c, err->message);
		return;
	}
	status = client_stop_child(w, false);
	if (c != NULL)
		finish_died(c, status);
}
