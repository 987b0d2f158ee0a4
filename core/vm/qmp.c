/* SPDX-License-Identifier: Apache-2.0
 *
 * qmp.c - see qmp.h.
 */
#include <base/alloc.h>
#include <base/chan.h>
#include <base/jsonx.h>
#include <vm/qmp.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

enum qmp_state { QMP_GREETING, QMP_NEGOTIATING, QMP_READY, QMP_ENDED };

struct pending {
	int64_t id;
	qmp_done_fn *done;
	void *data;
};

struct qmp {
	struct chan *chan; /* NULL once ended */
	enum qmp_state state;
	const struct qmp_ops *ops;
	void *data;
	int64_t next_id;
	struct pending pending[QMP_PENDING_MAX]; /* a ring: answers come in order */
	unsigned first, n_pending;
	unsigned depth; /* callbacks under way: memory stays until they return */
	bool destroyed;
};

static void enter(struct qmp *q)
{
	q->depth++;
}

static void leave(struct qmp *q)
{
	if (--q->depth == 0 && q->destroyed)
		free(q);
}

static void end(struct qmp *q, struct holos_error *err)
{
	if (q->state == QMP_ENDED)
		return;
	q->state = QMP_ENDED;
	chan_destroy(q->chan);
	q->chan = NULL;
	while (q->n_pending > 0 && !q->destroyed) {
		struct pending p = q->pending[q->first];

		q->first = (q->first + 1) % QMP_PENDING_MAX;
		q->n_pending--;
		if (p.done != NULL)
			p.done(p.data, NULL, NULL);
	}
	if (!q->destroyed)
		q->ops->end(q->data, err);
}

/* The peer broke the protocol. */
static void protest(struct qmp *q, const char *what)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;

	error_set(&err, ERR_FAILED, "QEMU does not speak QMP: %s", what);
	end(q, err);
}

static int send_command(struct qmp *q, const char *command, struct json_object *args,
			qmp_done_fn *done, void *data, struct holos_error **err)
{
	_cleanup_(json_putp) struct json_object *msg = json_object_new_object();
	struct pending *p;
	int r;

	if (q->n_pending == QMP_PENDING_MAX)
		return error_set(err, ERR_FAILED, "QMP %s: QEMU has %u commands to answer yet",
				 command, q->n_pending);
	jsonx_set_str(msg, "execute", command);
	if (args != NULL)
		jsonx_set(msg, "arguments", json_object_get(args));
	jsonx_set_int(msg, "id", q->next_id);
	r = chan_send(q->chan, msg, NULL, 0, err);
	if (r < 0)
		return error_wrap(err, "QMP %s", command);
	p = &q->pending[(q->first + q->n_pending++) % QMP_PENDING_MAX];
	p->id = q->next_id++;
	p->done = done;
	p->data = data;
	return 0;
}

static void on_capabilities(void *data, struct json_object *ret, const struct qmp_error *error)
{
	struct qmp *q = data;

	if (error != NULL) {
		protest(q, error->desc);
	} else if (ret != NULL) {
		q->state = QMP_READY;
		q->ops->ready(q->data);
	}
}

static void on_greeting(struct qmp *q, struct json_object *msg)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;

	if (jsonx_obj(msg, "QMP") == NULL) {
		protest(q, "no greeting");
		return;
	}
	q->state = QMP_NEGOTIATING;
	if (send_command(q, "qmp_capabilities", NULL, on_capabilities, q, &err) < 0)
		end(q, err);
}

static void on_answer(struct qmp *q, struct json_object *msg)
{
	struct json_object *ret = NULL, *error = jsonx_obj(msg, "error");
	struct qmp_error qe = { jsonx_str(error, "class", "GenericError"),
				jsonx_str(error, "desc", "no description") };
	struct pending p = q->pending[q->first];

	json_object_object_get_ex(msg, "return", &ret);
	if (error == NULL && ret == NULL) {
		protest(q, "a message that is neither answer nor event");
	} else if (q->n_pending == 0 || jsonx_int(msg, "id", -1) != p.id) {
		protest(q, error != NULL ? qe.desc : "an answer to no question of ours");
	} else {
		q->first = (q->first + 1) % QMP_PENDING_MAX;
		q->n_pending--;
		if (p.done != NULL)
			p.done(p.data, error == NULL ? ret : NULL, error != NULL ? &qe : NULL);
	}
}

static void on_msg(void *data, struct json_object *msg, int *fds, unsigned n_fds)
{
	struct qmp *q = data;
	const char *event = jsonx_str(msg, "event", NULL);

	(void)fds; /* QEMU sends none; the channel closes what comes */
	(void)n_fds;
	enter(q);
	if (q->state == QMP_GREETING)
		on_greeting(q, msg);
	else if (event != NULL)
		q->ops->event(q->data, event, jsonx_obj(msg, "data"));
	else
		on_answer(q, msg);
	leave(q);
}

static void on_end(void *data, struct holos_error *err)
{
	struct qmp *q = data;

	enter(q);
	end(q, err);
	leave(q);
}

struct qmp *qmp_create(struct loop *l, int fd, const struct qmp_ops *ops, void *data)
{
	struct qmp *q = xnew(struct qmp);

	q->ops = ops;
	q->data = data;
	q->next_id = 1;
	q->chan = chan_create(l, fd, "QMP", QMP_LINE_MAX, on_msg, on_end, q);
	return q;
}

void qmp_destroy(struct qmp *q)
{
	if (q == NULL || q->destroyed)
		return;
	chan_destroy(q->chan);
	q->chan = NULL;
	q->state = QMP_ENDED;
	q->destroyed = true;
	if (q->depth == 0)
		free(q);
}

int qmp_connect(struct loop *l, int dirfd, const char *name, const struct qmp_ops *ops, void *data,
		struct qmp **ret, struct holos_error **err)
{
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int n;

	if (fd < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot make a socket");
	/* By way of the directory's descriptor the path is short, whatever it is. */
	n = snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/%s", dirfd, name);
	if (n < 0 || (size_t)n >= sizeof(sa.sun_path))
		return error_set(err, ERR_FAILED, "%s: too long a name for a socket", name);
	if (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot connect to %s", name);
	*ret = qmp_create(l, steal_fd(&fd), ops, data);
	return 0;
}

int qmp_execute(struct qmp *q, const char *command, struct json_object *args, qmp_done_fn *done,
		void *data, struct holos_error **err)
{
	if (q->state != QMP_READY)
		return error_set(err, ERR_FAILED, "QMP %s: QEMU is not connected", command);
	return send_command(q, command, args, done, data, err);
}

int qmp_fd(const struct qmp *q)
{
	return q->chan != NULL ? chan_fd(q->chan) : -1;
}
