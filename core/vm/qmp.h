/* SPDX-License-Identifier: Apache-2.0
 *
 * qmp.h - an asynchronous QMP client (QEMU's docs/interop/qmp-spec.txt).
 *
 * States: GREETING (waiting for QEMU's) -> NEGOTIATING (qmp_capabilities sent)
 * -> READY -> ENDED.  Commands are answered in order of their ids; events come
 * at any time once READY.  What breaks the protocol ends the connection with
 * an error, never the program.
 */
#ifndef VM_QMP_H
#define VM_QMP_H

#include <base/cleanup.h>
#include <base/error.h>
#include <base/loop.h>

#include <json-c/json.h>

#define QMP_LINE_MAX    (1u << 20) /* bytes of one message */
#define QMP_PENDING_MAX 64u        /* commands without an answer */

struct qmp;

/* QEMU's own words; borrowed. */
struct qmp_error {
	const char *class; /* "GenericError", "CommandNotFound", ... */
	const char *desc;
};

struct qmp_ops {
	void (*ready)(void *data); /* negotiated: commands may be sent */
	void (*event)(void *data, const char *name, struct json_object *args /* or NULL */);
	/* Closed (err NULL) or broken; called once, the last call of all.
	 * Commands without an answer were told before. */
	void (*end)(void *data, struct holos_error *err);
};

/* The answer: ret (borrowed) on success; else error when QEMU refused, or both
 * NULL when the connection ended first. */
typedef void qmp_done_fn(void *data, struct json_object *ret, const struct qmp_error *error);

/* Take over fd, a connected socket, and begin.  ops must stay. */
struct qmp *qmp_create(struct loop *l, int fd, const struct qmp_ops *ops, void *data);
void qmp_destroy(struct qmp *q); /* safe in callbacks, calls nothing; NULL is fine */
DEFINE_CLEANUP(struct qmp *, qmp_destroyp, qmp_destroy);

/* Connect to DIRFD/name (no limit of 108 bytes applies) and begin. */
int qmp_connect(struct loop *l, int dirfd, const char *name, const struct qmp_ops *ops, void *data,
		struct qmp **ret, struct holos_error **err);

/* Send a command; args (an object or NULL) is borrowed.  done (or NULL) is called
 * exactly once, unless the client is destroyed first.  Fails before READY and
 * when too much is pending. */
int qmp_execute(struct qmp *q, const char *command, struct json_object *args, qmp_done_fn *done,
		void *data, struct holos_error **err);

/* Its socket, to look at; -1 once ended. */
int qmp_fd(const struct qmp *q);

#endif
