/* SPDX-License-Identifier: Apache-2.0
 *
 * serve.c - the clients of monitor.sock (protocol.h).
 *
 * A client that does not read is dropped when its queue is full; nothing here
 * waits for one.
 */
#include <base/alloc.h>
#include <base/chan.h>
#include <base/clock.h>
#include <base/jsonx.h>
#include <monitor/client.h>
#include <monitor/monitor.h>
#include <monitor/protocol.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WAITERS_MAX 16 /* unanswered requests of one client */
/* More than one request takes, parsed and answered; without it a request is refused,
 * and the rest of the monitor has its reserve.  More than that reserve, too: what was
 * set free to refuse one request is not to be had by the next. */
#define REQUEST_ROOM (2 * MEMORY_RESERVE)
#define LAST_WORDS   (1 * NS_PER_S) /* for clients to read them */

enum wait_for { WAIT_DOWN, WAIT_REACH, WAIT_QMP };

struct waiter {
	struct waiter *next;
	struct serve *serve;
	struct client *client; /* NULL: it has gone (WAIT_QMP only) */
	int64_t id;
	enum wait_for what;
};

struct client {
	struct client *next;
	struct monitor *m;
	struct chan *chan;
	bool subscribed;
	unsigned n_waiters;
};

struct serve {
	struct loop_watch *watch;
	struct client *clients;
	unsigned n_clients;
	struct waiter *waiters;
	struct loop_timer *timer; /* of the last words */
	bool ending;
};

static void remove_waiter(struct waiter *w)
{
	struct waiter **at = &w->serve->waiters;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	if (w->client != NULL)
		w->client->n_waiters--;
	free(w);
}

static void drop_waiters(struct serve *s, struct client *c)
{
	struct waiter *next;

	for (struct waiter *w = s->waiters; w != NULL; w = next) {
		next = w->next;
		if (w->client != c)
			continue;
		if (w->what == WAIT_QMP)
			w->client = NULL; /* QMP's answer still has it in hand */
		else
			remove_waiter(w);
	}
}

static void drop_client(struct client *c)
{
	struct serve *s = c->m->serve;
	struct client **at = &s->clients;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	s->n_clients--;
	drop_waiters(s, c);
	chan_destroy(c->chan);
	free(c);
}

/* Clients that do not read must not add up: is there room for what c has to? */
static bool within_limit(const struct serve *s, const struct client *c)
{
	size_t sum = 0;

	for (const struct client *i = s->clients; i != NULL; i = i->next)
		sum += chan_pending(i->chan);
	return sum <= MONITOR_QUEUES_MAX ||
	       chan_pending(c->chan) <= MONITOR_QUEUES_MAX / MONITOR_CLIENTS_MAX;
}

/* Send msg (taken over).  False: the client was dropped. */
static bool send_to(struct client *c, struct json_object *msg)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	int r = chan_send(c->chan, msg, NULL, 0, &err);

	json_object_put(msg);
	if (r == 0 && within_limit(c->m->serve, c))
		return true;
	drop_client(c);
	return false;
}

static struct json_object *answer_ok(int64_t id)
{
	struct json_object *msg = json_object_new_object();

	jsonx_set_int(msg, "id", id);
	jsonx_set_bool(msg, "ok", true);
	return msg;
}

static struct json_object *answer_error(int64_t id, const struct holos_error *err)
{
	struct json_object *msg = json_object_new_object();

	jsonx_set_int(msg, "id", id);
	jsonx_set_bool(msg, "ok", false);
	jsonx_set_int(msg, "code", err->code);
	jsonx_set_str(msg, "error", err->message);
	if (err->hint != NULL)
		jsonx_set_str(msg, "hint", err->hint);
	return msg;
}

static bool refuse(struct client *c, int64_t id, int code, const char *text)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;

	error_set(&err, code, "%s", text);
	return send_to(c, answer_error(id, err));
}

static struct json_object *answer_vm(struct monitor *m, int64_t id)
{
	struct json_object *msg = answer_ok(id);

	jsonx_set(msg, "vm", vm_record_encode(m->vm));
	return msg;
}

static struct json_object *vm_event(struct monitor *m)
{
	struct json_object *msg = json_object_new_object();

	jsonx_set_str(msg, "event", "vm");
	jsonx_set(msg, "vm", vm_record_encode(m->vm));
	return msg;
}

/* NULL: too many, and the client has been told. */
static struct waiter *add_waiter(struct client *c, int64_t id, enum wait_for what)
{
	struct waiter **at = &c->m->serve->waiters, *w;

	if (c->n_waiters == WAITERS_MAX) {
		refuse(c, id, ERR_BUSY, "too many requests wait for an answer");
		return NULL;
	}
	w = xnew(struct waiter);
	w->serve = c->m->serve;
	w->client = c;
	w->id = id;
	w->what = what;
	c->n_waiters++;
	while (*at != NULL)
		at = &(*at)->next;
	*at = w;
	return w;
}

/* Answer every waiter of a kind; err NULL: with the VM as it is. */
static void answer_all(struct monitor *m, enum wait_for what, const struct holos_error *err)
{
	struct waiter *w = m->serve->waiters;

	while (w != NULL) {
		struct client *c = w->client;
		int64_t id = w->id;

		if (w->what != what) {
			w = w->next;
			continue;
		}
		remove_waiter(w);
		if (c != NULL)
			send_to(c, err == NULL ? answer_vm(m, id) : answer_error(id, err));
		w = m->serve->waiters; /* the client may have been dropped, with others */
	}
}

void serve_down(struct monitor *m)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;

	answer_all(m, WAIT_DOWN, NULL);
	error_set(&err, ERR_FAILED, "%s is down", m->vm->instance);
	answer_all(m, WAIT_REACH, err);
}

void serve_stuck(struct monitor *m)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;

	error_set(&err, ERR_TIMEOUT, "QEMU of %s (pid %ld) does not end, even by SIGKILL",
		  m->vm->instance, (long)m->vm->pid);
	error_hint(&err, "it waits in the kernel, mostly for a disk: look at dmesg");
	answer_all(m, WAIT_DOWN, err);
}

void serve_reached(struct monitor *m, const struct holos_error *err)
{
	answer_all(m, WAIT_REACH, err);
}

bool serve_reach_wanted(struct monitor *m)
{
	for (struct waiter *w = m->serve->waiters; w != NULL; w = w->next) {
		if (w->what == WAIT_REACH)
			return true;
	}
	return false;
}

void serve_qmp_gone(struct monitor *m)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;

	error_set(&err, ERR_FAILED, "QEMU of %s has ended", m->vm->instance);
	answer_all(m, WAIT_QMP, err);
}

/* An answer of QMP for whoever asked through us. */
static void on_qmp_answer(void *data, struct json_object *ret, const struct qmp_error *error)
{
	struct waiter *w = data;
	struct client *c = w->client;
	int64_t id = w->id;

	remove_waiter(w);
	if (c == NULL)
		return;
	if (ret != NULL) {
		struct json_object *msg = answer_ok(id);

		jsonx_set(msg, "return", json_object_get(ret));
		send_to(c, msg);
	} else {
		refuse(c, id, ERR_FAILED, error != NULL ? error->desc : "QEMU has ended");
	}
}

static bool ends_vm(const char *command)
{
	return strcmp(command, "quit") == 0 || strcmp(command, "system_powerdown") == 0 ||
	       strcmp(command, "qmp_capabilities") == 0;
}

static void run_qmp(struct client *c, int64_t id, const char *command, struct json_object *args)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct monitor *m = c->m;
	struct waiter *w;

	if (m->qemu.qmp == NULL || m->phase != PHASE_UP) {
		refuse(c, id, ERR_FAILED, "the VM is not up");
		return;
	}
	if (command == NULL || ends_vm(command)) {
		refuse(c, id, ERR_USAGE, "no command, or one that is not for this way");
		return;
	}
	w = add_waiter(c, id, WAIT_QMP);
	if (w == NULL || qmp_execute(m->qemu.qmp, command, args, on_qmp_answer, w, &err) == 0)
		return;
	remove_waiter(w);
	send_to(c, answer_error(id, err));
}

static void op_reload(struct client *c, int64_t id)
{
	_cleanup_(launch_destroyp) struct launch *fresh = NULL;
	_cleanup_(json_putp) struct json_object *was = NULL;
	_cleanup_(json_putp) struct json_object *is = NULL;
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct monitor *m = c->m;

	if (launch_read(m->dirfd, &fresh, &err) < 0) {
		send_to(c, answer_error(id, err));
		return;
	}
	if (m->launch == NULL || strcmp(fresh->uuid, m->launch->uuid) != 0) {
		refuse(c, id, ERR_FAILED, "launch.json is for another VM now");
		return;
	}
	was = launch_encode(m->launch);
	is = launch_encode(fresh);
	launch_destroy(m->launch);
	m->launch = steal_ptr(&fresh);
	send_to(c, answer_ok(id));
	/* What is known of its health stays true while the probe is the same. */
	if (!json_object_equal(jsonx_obj(was, "health"), jsonx_obj(is, "health")))
		health_reload(m);
}

/* Become another holos-monitor: same process, same children, same locks. */
static void op_upgrade(struct client *c, int64_t id, const char *program)
{
	struct monitor *m = c->m;
	char arg0[] = "holos-monitor", adopt[] = "--adopt";
	_cleanup_(freep) char *dir = xstrdup(m->dir);
	char *argv[] = { arg0, dir, adopt, NULL };

	if (m->phase != PHASE_UP || m->stop.wanted) {
		refuse(c, id, ERR_BUSY, "only a VM that runs can change its monitor");
		return;
	}
	if (program == NULL || access(program, X_OK) != 0) {
		refuse(c, id, ERR_USAGE, "no such program");
		return;
	}
	health_down(m); /* its worker ends with this program */
	(void)fcntl(m->listen_fd, F_SETFD, 0);
	(void)fcntl(m->dirfd, F_SETFD, 0);
	(void)fcntl(m->alive_fd, F_SETFD, 0);
	execv(program, argv);
	fprintf(stderr, "holos-monitor: cannot execute %s: %s\n", program, strerror(errno));
	(void)fcntl(m->listen_fd, F_SETFD, FD_CLOEXEC);
	(void)fcntl(m->dirfd, F_SETFD, FD_CLOEXEC);
	(void)fcntl(m->alive_fd, F_SETFD, FD_CLOEXEC);
	health_up(m, m->vm->reachable);
	refuse(c, id, ERR_FAILED, "the program cannot be executed");
}

/* Ops that take a running guest. */
static void op_guest(struct client *c, int64_t id, const char *command, bool pause)
{
	struct monitor *m = c->m;

	if (m->phase != PHASE_UP || m->qemu.qmp == NULL || m->stop.wanted) {
		refuse(c, id, ERR_FAILED, "the VM is not up");
		return;
	}
	if (pause) {
		m->qemu.no_space = false; /* the pause that comes is the user's */
		m->qemu.io_error = false;
	}
	run_qmp(c, id, command, NULL);
}

static void handle(struct client *c, int64_t id, const char *op, struct json_object *msg)
{
	struct monitor *m = c->m;

	if (strcmp(op, "status") == 0) {
		send_to(c, answer_vm(m, id));
	} else if (strcmp(op, "ping") == 0) {
		send_to(c, answer_ok(id));
	} else if (strcmp(op, "subscribe") == 0) {
		c->subscribed = true;
		/* What changed between the greeting and this is not lost. */
		if (send_to(c, answer_ok(id)))
			send_to(c, vm_event(m));
	} else if (strcmp(op, "stop") == 0) {
		int64_t grace = jsonx_int(msg, "grace_ns", -1);

		if (add_waiter(c, id, WAIT_DOWN) != NULL)
			stop_begin(m, grace >= 0 ? (uint64_t)grace : UINT64_MAX);
	} else if (strcmp(op, "kill") == 0) {
		if (add_waiter(c, id, WAIT_DOWN) != NULL)
			stop_kill(m);
	} else if (strcmp(op, "reach") == 0) {
		if (add_waiter(c, id, WAIT_REACH) != NULL)
			health_reach(m);
	} else if (strcmp(op, "pause") == 0) {
		op_guest(c, id, "stop", true);
	} else if (strcmp(op, "cont") == 0) {
		op_guest(c, id, "cont", false);
	} else if (strcmp(op, "reset") == 0) {
		op_guest(c, id, "system_reset", false);
	} else if (strcmp(op, "qmp") == 0) {
		run_qmp(c, id, jsonx_str(msg, "command", NULL), jsonx_obj(msg, "arguments"));
	} else if (strcmp(op, "reload") == 0) {
		op_reload(c, id);
	} else if (strcmp(op, "upgrade") == 0) {
		op_upgrade(c, id, jsonx_str(msg, "program", NULL));
	} else {
		refuse(c, id, ERR_USAGE, "this monitor does not know that request");
	}
}

/* Ends of a VM are not refused: they take little, and free much. */
static bool is_end(const char *op)
{
	return strcmp(op, "stop") == 0 || strcmp(op, "kill") == 0;
}

/* The VM is down and the monitor about to leave. */
static void handle_late(struct client *c, int64_t id, const char *op)
{
	if (is_end(op) || strcmp(op, "status") == 0 || strcmp(op, "subscribe") == 0)
		send_to(c, answer_vm(c->m, id));
	else
		refuse(c, id, ERR_FAILED, "the VM is down");
}

static void on_msg(void *data, struct json_object *msg, int *fds, unsigned n_fds)
{
	struct client *c = data;
	const char *op = jsonx_str(msg, "op", NULL);
	int64_t id = jsonx_int(msg, "id", -1);

	(void)fds; /* none are expected; the channel closes what comes */
	(void)n_fds;
	if (op == NULL)
		refuse(c, id, ERR_USAGE, "a request without \"op\"");
	else if (!is_end(op) && !alloc_room(REQUEST_ROOM))
		refuse(c, id, ERR_FAILED, "the VM's monitor is out of memory: try again later");
	else if (c->m->serve->ending)
		handle_late(c, id, op);
	else
		handle(c, id, op, msg);
}

static void on_client_end(void *data, struct holos_error *err)
{
	struct client *c = data;

	if (err != NULL)
		fprintf(stderr, "holos-monitor: %s\n", err->message);
	drop_client(c);
}

static void greet(struct client *c)
{
	struct json_object *msg = json_object_new_object();

	jsonx_set_int(msg, MONITOR_GREETING, MONITOR_PROTOCOL);
	jsonx_set_str(msg, "version", HOLOS_VERSION);
	jsonx_set(msg, "vm", vm_record_encode(c->m->vm));
	send_to(c, msg);
}

/* All places are taken: the oldest client that only sits there gives up its
 * own.  False when all of them wait for something. */
static bool make_place(struct serve *s)
{
	struct client *oldest = NULL;

	for (struct client *c = s->clients; c != NULL; c = c->next) { /* newest first */
		if (!c->subscribed && c->n_waiters == 0)
			oldest = c;
	}
	if (oldest != NULL)
		drop_client(oldest);
	return oldest != NULL;
}

static void on_connect(void *data, int fd, short revents)
{
	struct monitor *m = data;
	struct serve *s = m->serve;
	int sock;

	(void)revents;
	while ((sock = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
		struct client *c;

		if ((s->n_clients >= MONITOR_CLIENTS_MAX && !make_place(s)) ||
		    !alloc_room(REQUEST_ROOM)) {
			close(sock);
			continue;
		}
		c = xnew(struct client);
		c->m = m;
		c->next = s->clients;
		s->clients = c;
		s->n_clients++;
		c->chan = chan_create(m->loop, sock, "a client", MONITOR_LINE_MAX, on_msg,
				      on_client_end, c);
		chan_limit_line(c->chan, MONITOR_REQUEST_MAX);
		greet(c);
	}
}

void serve_start(struct monitor *m)
{
	m->serve = xnew(struct serve);
}

void serve_open(struct monitor *m)
{
	if (m->serve->watch == NULL)
		m->serve->watch = loop_add_fd(m->loop, m->listen_fd, POLLIN, on_connect, m);
}

static void broadcast(struct monitor *m, bool everybody)
{
	_cleanup_(json_putp) struct json_object *msg = NULL;
	struct client *next;

	for (struct client *c = m->serve->clients; c != NULL; c = next) {
		next = c->next;
		if (!c->subscribed && !everybody)
			continue;
		if (msg == NULL)
			msg = vm_event(m);
		send_to(c, json_object_get(msg));
	}
}

void serve_broadcast(struct monitor *m)
{
	broadcast(m, false);
}

static void on_last_words(void *data)
{
	struct monitor *m = data;

	m->serve->timer = NULL;
	life_bye(m);
}

void serve_end(struct monitor *m)
{
	struct serve *s = m->serve;
	bool unread = false;

	if (s->ending)
		return;
	s->ending = true;
	on_connect(m, m->listen_fd, 0); /* whoever stands in the queue */
	broadcast(m, true);             /* a "subscribe" may lie unread */
	serve_down(m);
	for (struct client *c = s->clients; c != NULL; c = c->next)
		unread |= chan_pending(c->chan) != 0;
	/* The loop turns once more in any case: requests that have been sent are
	 * answered. */
	s->timer = loop_add_timer(m->loop, clock_now_ns() + (unread ? LAST_WORDS : 0),
				  on_last_words, m);
}

void serve_finish(struct monitor *m)
{
	struct serve *s = m->serve;

	if (s == NULL)
		return;
	while (s->clients != NULL)
		drop_client(s->clients);
	while (s->waiters != NULL) /* of clients that left before QMP answered */
		remove_waiter(s->waiters);
	loop_remove_fd(s->watch);
	loop_remove_timer(s->timer);
	free(s);
	m->serve = NULL;
}
