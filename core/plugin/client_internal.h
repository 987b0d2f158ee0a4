/* SPDX-License-Identifier: Apache-2.0
 *
 * client_internal.h - shared by the files of the client:
 *   client.c         the queue, and its timer
 *   client_child.c   the child: start, stop
 *   client_answer.c  what comes from it, and how calls end
 *   client_wait.c    calls that wait
 */
#ifndef PLUGIN_CLIENT_INTERNAL_H
#define PLUGIN_CLIENT_INTERNAL_H

#include <base/chan.h>
#include <base/strv.h>
#include <plugin/client.h>
#include <plugin/wire.h>

#include <sys/types.h>

struct worker_call {
	struct worker *worker;
	struct worker_call *next;
	struct json_object *msg; /* the request as it is sent */
	struct json_object *shared;
	char *kind, *name, *op;
	char phase[WIRE_PHASE_MAX]; /* what the child is at: "load", "init", "open"; "": op */
	int fds[WORKER_FDS_MAX];
	unsigned n_fds;
	uint64_t id, timeout_ns, deadline_ns, backoff_ns;
	bool cancelled, told, waiting, retry;
	int got_fds[WORKER_FDS_MAX]; /* came before the line they belong to */
	unsigned n_got_fds;
	worker_progress_fn *on_progress;
	worker_done_fn *done;
	void *data;
};

struct worker {
	struct loop *loop;
	bool own_loop, running;
	char *program;
	struct strv argv, env;
	bool has_env;
	int log_fd;
	uint64_t memory_max;
	worker_log_fn *on_log;
	void *log_data;

	pid_t pid; /* 0: no child */
	struct chan *chan;
	int cancel_fd;
	uint64_t told;              /* bytes sent to this child over cancel_fd */
	struct json_object *shared; /* what this child was last sent as such, or NULL */

	struct worker_call *head, **last;
	uint64_t last_id;
	struct loop_timer *kick, *timer;
	uint64_t timer_at_ns;
};

/* ---- client.c ---- */

/* Have client_on_kick() run soon, from the loop. */
void client_kick(struct worker *w);
void client_on_kick(struct worker *w);
void client_set_timer(struct worker *w, uint64_t at_ns);
void client_drop_timer(struct worker *w);
void client_on_timer(struct worker *w);
void client_call_free(struct worker_call *c);
void client_close_fds(int *fds, unsigned n);

/* ---- client_child.c ---- */

int client_start_child(struct worker *w, struct holos_error **err);
/* End the child and everything it started.  Returns its wait status, -1 when
 * there is none or somebody else has reaped it. */
int client_stop_child(struct worker *w, bool let_close);

/* ---- client_answer.c: after each of these the worker may be gone ---- */

void client_on_msg(void *data, struct json_object *msg, int *fds, unsigned n_fds);
void client_on_end(void *data, struct holos_error *err);
/* The call failed: TEXT becomes "KIND plugin "NAME": TEXT".  answer may be NULL. */
void client_finish_failed(struct worker_call *c, holos_status status, const char *text,
			  struct json_object *answer, bool died);
/* It was told to stop and did not: kill the child. */
void client_finish_killed(struct worker_call *c);

#endif
