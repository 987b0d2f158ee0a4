/* SPDX-License-Identifier: Apache-2.0
 *
 * client.h - the CLI's side of a monitor: start one, ask one, listen to it.
 *
 * `dir` is always the absolute path of the instance's directory.
 */
#ifndef MONITOR_CLIENT_H
#define MONITOR_CLIENT_H

#include <base/cleanup.h>
#include <base/error.h>
#include <base/loop.h>
#include <state/vmrecord.h>

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define MONITOR_SOCKET "monitor.sock"

struct monitor_options {
	const char *program; /* holos-monitor, absolute */
	bool adopt;          /* QEMU lives already and its monitor does not */
};

struct monitor_conn;

/* The VM as it is now: once after the connection was made, then after each
 * change when subscribed.  Borrowed. */
typedef void monitor_vm_fn(void *data, const struct vm_record *vm);
/* The connection is gone (err NULL: the monitor ended, as it does when its VM
 * is down); nothing follows.  Requests without an answer were told before.
 * The receiver still destroys the connection.  err is borrowed; ERR_TIMEOUT: the
 * monitor lives and has said nothing for 15 s (it is asked after 5 s): asking
 * again would only take as long again. */
typedef void monitor_end_fn(void *data, struct holos_error *err);
/* The answer to one request: `answer` is borrowed, NULL when it failed (then
 * err says why; its code is the exit status).  err is borrowed. */
typedef void monitor_answer_fn(void *data, struct json_object *answer,
			       const struct holos_error *err);

/* Connect and subscribe.  Nobody listening: an error with sys_errno
 * ECONNREFUSED or ENOENT.  on_vm and on_end may be NULL. */
int monitor_connect(struct loop *l, const char *dir, monitor_vm_fn *on_vm, monitor_end_fn *on_end,
		    void *data, struct monitor_conn **ret, struct holos_error **err);
void monitor_conn_destroy(struct monitor_conn *c); /* safe in callbacks; NULL is fine */
DEFINE_CLEANUP(struct monitor_conn *, monitor_conn_destroyp, monitor_conn_destroy);

/* Start the monitor of the VM in dir, which starts (or adopts) QEMU, and connect
 * to it.  The connection is made before the monitor runs: a VM that fails at
 * once still tells why.  When this returns alive_query() says that the monitor
 * lives; nothing was waited for.  The rest is as for monitor_connect().
 *
 * The monitor leads a session of its own and outlives the caller.  It is the
 * caller's child: one who stays longer than it may waitpid(*ret_pid); ret_pid
 * may be NULL.
 *
 * Errors: ERR_BUSY a monitor is there already; ERR_INVALID dir is too long for
 * a socket's path (108 bytes); ERR_HOST the program is missing. */
int monitor_start_connected(struct loop *l, const char *dir, const struct monitor_options *o,
			    monitor_vm_fn *on_vm, monitor_end_fn *on_end, void *data,
			    struct monitor_conn **ret, pid_t *ret_pid, struct holos_error **err);
/* The same without a connection.  A monitor_connect() afterwards may come too
 * late (ENOENT) for a monitor whose VM failed at once; vm.json says why then. */
int monitor_start(const char *dir, const struct monitor_options *o, pid_t *ret_pid,
		  struct holos_error **err);

/* Ask.  op: "status", "stop" {"grace_ns"}, "kill", "reach", "cont", "pause",
 * "reset", "ping", and what monitor/protocol.h says.  args (an object or NULL) is
 * borrowed.  on_answer is called exactly once unless this returns an error or
 * the connection is destroyed; it may be NULL. */
int monitor_request(struct monitor_conn *c, const char *op, struct json_object *args,
		    monitor_answer_fn *on_answer, void *data, struct holos_error **err);

/* Connect, ask once and wait for the answer, all before deadline_ns
 * (CLOCK_MONOTONIC).  ret_answer and ret_vm (the greeting's snapshot) may be
 * NULL; the caller owns what they get. */
int monitor_call_wait(const char *dir, const char *op, struct json_object *args,
		      uint64_t deadline_ns, struct json_object **ret_answer,
		      struct vm_record **ret_vm, struct holos_error **err);

#endif
