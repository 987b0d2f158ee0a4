/* SPDX-License-Identifier: Apache-2.0
 *
 * client.h - calls to plugins, from the program that wants an answer.
 *
 * A `struct worker` stands for one holos-worker child: started by the first
 * call, serving one call after the other, killed and replaced when a plugin
 * crashes, hangs or talks nonsense.  No plugin code runs in this process.
 */
#ifndef PLUGIN_CLIENT_H
#define PLUGIN_CLIENT_H

#include <base/error.h>
#include <base/loop.h>
#include <holos/plugin.h>

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#define WORKER_FDS_MAX 12
/* A plugin may go on for so long after its deadline or its cancellation. */
#define WORKER_GRACE_NS           (250ull * 1000 * 1000)
#define WORKER_TIMEOUT_DEFAULT_NS (30ull * 1000 * 1000 * 1000)

struct worker;
struct worker_call;

/* A line that a plugin logged.  level is HOLOS_LOG_*; plugin is "KIND-NAME". */
typedef void worker_log_fn(void *data, int level, const char *plugin, const char *msg);

struct worker_options {
	const char *program;      /* absolute path of holos-worker; NULL: plugin_worker_program() */
	char *const *plugin_dirs; /* where to look for plugins, in order, NULL-terminated;
				   * NULL: plugin_search_dirs() */
	char *const *env;         /* of the child, NULL-terminated; NULL: ours */
	const char *label;        /* shown in the process list, e.g. "demo/web-0"; may be NULL */
	int log_fd;               /* gets what plugins write to stdout and stderr;
				   * <= 0: /dev/null.  Stays the caller's, open while w lives */
	uint64_t memory_max;      /* bytes of data the child may have; 0: 1 GiB */
	worker_log_fn *on_log;    /* may be NULL */
	void *log_data;
};

/* Prepare a worker; nothing is started yet.  Everything in o is copied.  With l
 * NULL only the calls that wait can be made. */
struct worker *worker_create(struct loop *l, const struct worker_options *o);

/* End the child and drop all calls without telling anybody (no done function
 * is called).  Allowed inside done, progress and log functions, except during
 * worker_call_wait().  An idle child gets up to 100 ms to close its plugins; a
 * busy one is killed.  NULL is fine. */
void worker_destroy(struct worker *w);

/* What has been reached: a text for people, and counts whose unit is the
 * plugin's (bytes, mostly); total 0: unknown.  At most about ten a second. */
typedef void worker_progress_fn(void *data, const char *what, uint64_t done, uint64_t total);

struct worker_request {
	const char *kind;            /* "image", "net", "health", "provision", "importer" */
	const char *name;            /* "file", "user", ... */
	const char *op;              /* "resolve", "plan", "check", "seed", "probe", ... */
	struct json_object *options; /* the user's `options:`; NULL: {}.  Objects are kept by
				      * reference: do not change them before the call is done */
	struct json_object *args;    /* of this op, see calls.h; NULL: {} */
	struct json_object *shared;  /* more of it, the same object for many calls: it goes to the
				      * child once.  NULL: none */
	const int *fds;              /* passed along, duplicated at once */
	const char *const *fd_names; /* what each is: "seed", "secret:NAME" */
	unsigned n_fds;              /* at most WORKER_FDS_MAX, or the call fails */
	uint64_t timeout_ns; /* from when the call starts (not: is queued); 0: the default */
	bool retry;          /* repeat after HOLOS_E_AGAIN, with back-off, until timeout_ns */
	worker_progress_fn *on_progress; /* may be NULL; gets the done function's data */
};

/* How a call ended.  Lives until the done function returns; what it points to may
 * be taken out (steal_ptr, steal_fd). */
struct worker_result {
	holos_status status;       /* HOLOS_OK, or HOLOS_E_* */
	struct json_object *value; /* the op's answer, an object; NULL unless HOLOS_OK */
	struct holos_error *err;   /* set unless HOLOS_OK; its code is an exit status */
	char *reason;              /* what err says, without naming the plugin (for health) */
	char *at;                  /* JSON pointer of the option to blame, or NULL */
	bool died;                 /* the child crashed, or had to be killed */
	int fds[WORKER_FDS_MAX];   /* that came with the answer */
	unsigned n_fds;
};

typedef void worker_done_fn(void *data, struct worker_result *res);

/* Queue a call.  done is called exactly once, always from the loop and never
 * from within worker_call(), whatever happens - also when the program cannot be
 * started.  The handle is good for worker_cancel() until done is called. */
struct worker_call *worker_call(struct worker *w, const struct worker_request *rq,
				worker_done_fn *done, void *data);

/* Ask for an early end.  The plugin's cancel_fd becomes readable; 250 ms later
 * the child is killed.  done is called with HOLOS_E_CANCELLED, or with the
 * result if that was on its way. */
void worker_cancel(struct worker_call *c);

/* The same and wait.  Nothing of the caller's loop runs meanwhile: only this
 * worker's own callbacks do (of calls that were queued before, too).  *ret (may
 * be NULL) becomes the caller's. */
int worker_call_wait(struct worker *w, const struct worker_request *rq, struct json_object **ret,
		     struct holos_error **err);
/* The same with the whole result: *res is filled and becomes the caller's
 * (worker_result_finish).  rq->on_progress gets data.  Returns 0 or -code. */
int worker_call_wait_result(struct worker *w, const struct worker_request *rq, void *data,
			    struct worker_result *res);
void worker_result_finish(struct worker_result *res);

/* pid of the running child, or 0 (for resource figures and tests). */
int worker_pid(const struct worker *w);

DEFINE_CLEANUP(struct worker *, worker_destroyp, worker_destroy);

#endif
