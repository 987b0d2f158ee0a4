/* SPDX-License-Identifier: Apache-2.0
 *
 * client.c - see client.h; the protocol is described in protocol.h.
 */
#include <base/alloc.h>
#include <base/chan.h>
#include <base/clock.h>
#include <base/fs.h>
#include <base/jsonx.h>
#include <base/process.h>
#include <monitor/client.h>
#include <monitor/protocol.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define LOG_MAX         (1 << 20) /* bytes of monitor.log before it starts afresh */
#define CONNECT_SECONDS 5
/* A monitor never waits for anything but its disk, and not even before its
 * greeting for more than the 5 s that an adopted QEMU gets. */
#define PING_AFTER (5 * NS_PER_S) /* of silence */
#define SILENT_MAX (15 * NS_PER_S)

static int open_dir(const char *dir, int flags, struct holos_error **err)
{
	int fd = open(dir, flags | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 ? fd : error_sys(err, ERR_FAILED, errno, "cannot open %s", dir);
}

static int open_log(int dirfd, struct holos_error **err)
{
	int fd = fs_open_log(dirfd, "monitor.log");
	struct stat st;

	if (fd < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot open monitor.log");
	if (fstat(fd, &st) == 0 && st.st_size > LOG_MAX)
		(void)!ftruncate(fd, 0); /* a log that stays long does no harm */
	return fd;
}

/* The listening socket; the caller holds the monitor's lock, so that whatever
 * has the name is a dead monitor's. */
static int listen_at(const char *dir, struct holos_error **err)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	_cleanup_(closep) int fd = -1;
	int n = snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/%s", dir, MONITOR_SOCKET);

	if (n < 0 || (size_t)n >= sizeof(sa.sun_path)) {
		error_set(err, ERR_INVALID,
			  "the path of socket %s/%s is too long: %d bytes, %zu are allowed", dir,
			  MONITOR_SOCKET, n, sizeof(sa.sun_path) - 1);
		error_hint(err, "use a shorter state directory (--state-dir), project or service "
				"name");
		return -ERR_INVALID;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot make a socket");
	unlink(sa.sun_path);
	if (bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    listen(fd, MONITOR_CLIENTS_MAX) < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot listen on %s", sa.sun_path);
	return steal_fd(&fd);
}

/* Nothing was heard from the monitor for so long. */
static int silent(int dirfd, unsigned seconds, struct holos_error **err)
{
	_cleanup_(vm_record_destroyp) struct vm_record *vm = NULL;

	if (dirfd < 0 || vm_record_read(dirfd, &vm, NULL) < 0 || vm->monitor_pid == 0)
		return error_set(err, ERR_TIMEOUT, "the VM's monitor has not answered for %u s",
				 seconds);
	error_set(err, ERR_TIMEOUT, "the monitor of %s (pid %ld) has not answered for %u s",
		  vm->instance, (long)vm->monitor_pid, seconds);
	error_hint(err,
		   "if it was suspended: kill -CONT %ld; otherwise kill -KILL %ld: the VM goes on, "
		   "and the next command takes it over",
		   (long)vm->monitor_pid, (long)vm->monitor_pid);
	return -ERR_TIMEOUT;
}

static int dial(int dirfd, const char *dir, struct holos_error **err);

/* ret_conn: NULL, or where a connected socket goes. */
static int start(const char *dir, const struct monitor_options *o, pid_t *ret_pid, int *ret_conn,
		 struct holos_error **err)
{
	_cleanup_(closep) int dirfd = open_dir(dir, O_RDONLY, err);
	_cleanup_(closep) int alive = -1;
	_cleanup_(closep) int sock = -1;
	_cleanup_(closep) int log = -1;
	_cleanup_(closep) int conn = -1;
	char arg0[] = "holos-monitor", adopt[] = "--adopt";
	_cleanup_(freep) char *arg1 = xstrdup(dir);
	char *argv[] = { arg0, arg1, o->adopt ? adopt : NULL, NULL };
	struct process_spec spec = {
		.program = o->program, .argv = argv, .n_fds = 6, .new_session = true
	};
	pid_t pid;
	int r;

	if (dirfd < 0)
		return dirfd;
	/* Taken here and inherited: two commands that start the same monitor
	 * cannot both get as far as the socket. */
	r = alive_take(dirfd, ALIVE_MONITOR, &alive, err);
	if (r < 0)
		return r;
	sock = listen_at(dir, err);
	if (sock < 0)
		return sock;
	log = open_log(dirfd, err);
	if (log < 0)
		return log;
	if (ret_conn != NULL) {
		conn = dial(dirfd, dir, err);
		if (conn < 0)
			return conn;
	}
	spec.fds[0] = -1;
	spec.fds[1] = -1;
	spec.fds[2] = log;
	spec.fds[MONITOR_FD_LISTEN] = sock;
	spec.fds[MONITOR_FD_DIR] = dirfd;
	spec.fds[MONITOR_FD_ALIVE] = alive;
	r = process_spawn(&spec, &pid, err);
	if (r < 0) {
		unlinkat(dirfd, MONITOR_SOCKET, 0);
		return r;
	}
	if (ret_pid != NULL)
		*ret_pid = pid;
	if (ret_conn != NULL)
		*ret_conn = steal_fd(&conn);
	return 0;
}

int monitor_start(const char *dir, const struct monitor_options *o, pid_t *ret_pid,
		  struct holos_error **err)
{
	return start(dir, o, ret_pid, NULL, err);
}

struct request {
	struct request *next;
	int64_t id;
	char *op;
	monitor_answer_fn *on_answer;
	void *data;
};

struct monitor_conn {
	struct chan *chan; /* NULL once ended */
	struct loop *loop;
	struct loop_timer *timer; /* against silence */
	uint64_t heard_ns;
	int dirfd;
	monitor_vm_fn *on_vm;
	monitor_end_fn *on_end;
	void *data;
	struct request *requests; /* in order */
	int64_t next_id;
	bool greeted, destroyed;
	unsigned depth; /* callbacks under way: memory stays until they return */
};

static void enter(struct monitor_conn *c)
{
	c->depth++;
}

static void leave(struct monitor_conn *c)
{
	if (--c->depth == 0 && c->destroyed)
		free(c);
}

static void let_go(struct monitor_conn *c)
{
	chan_destroy(c->chan);
	c->chan = NULL;
	loop_remove_timer(c->timer);
	c->timer = NULL;
	closep(&c->dirfd);
	c->dirfd = -1;
}

static void request_free(struct request *rq)
{
	free(rq->op);
	free(rq);
}

static void end(struct monitor_conn *c, struct holos_error *err)
{
	if (c->chan == NULL)
		return;
	let_go(c);
	while (c->requests != NULL && !c->destroyed) {
		struct request *rq = c->requests;
		_cleanup_(error_destroyp) struct holos_error *e = NULL;

		c->requests = rq->next;
		error_set(&e, ERR_FAILED, "%s: %s", rq->op,
			  err != NULL ? err->message : "the VM's monitor ended without an answer");
		if (rq->on_answer != NULL)
			rq->on_answer(rq->data, NULL, e);
		request_free(rq);
	}
	if (!c->destroyed && c->on_end != NULL)
		c->on_end(c->data, err);
}

/* Is this the greeting of a monitor that we understand?  Newer ones are. */
static int check_greeting(struct json_object *msg, struct holos_error **err)
{
	int64_t version = jsonx_int(msg, MONITOR_GREETING, -1);

	if (version < 0)
		return error_set(err, ERR_FAILED,
				 "the VM's monitor does not greet as one of holos");
	if (version < 1)
		return error_set(err, ERR_FAILED,
				 "the VM's monitor speaks protocol %lld, this holos %d and newer",
				 (long long)version, MONITOR_PROTOCOL);
	return 0;
}

static void on_snapshot(struct monitor_conn *c, struct json_object *msg)
{
	_cleanup_(vm_record_destroyp) struct vm_record *vm = NULL;
	_cleanup_(error_destroyp) struct holos_error *err = NULL;

	if (vm_record_decode(jsonx_obj(msg, "vm"), "the monitor's answer", &vm, &err) < 0)
		end(c, err);
	else if (c->on_vm != NULL)
		c->on_vm(c->data, vm);
}

/* What a failed answer says, as an error. */
static void answer_error(struct json_object *msg, const char *op, struct holos_error **err)
{
	int64_t code = jsonx_int(msg, "code", ERR_FAILED);
	const char *hint = jsonx_str(msg, "hint", NULL);

	error_set(err, code > 0 && code < 256 ? (int)code : ERR_FAILED, "%s",
		  jsonx_str(msg, "error", op));
	if (hint != NULL)
		error_hint(err, "%s", hint);
}

static void on_answer(struct monitor_conn *c, struct json_object *msg)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	int64_t id = jsonx_int(msg, "id", -1);
	struct request **at = &c->requests, *rq;

	while (*at != NULL && (*at)->id != id)
		at = &(*at)->next;
	rq = *at;
	if (rq == NULL)
		return; /* a newer monitor's: not for us */
	*at = rq->next;
	if (!jsonx_bool(msg, "ok", false))
		answer_error(msg, rq->op, &err);
	if (rq->on_answer != NULL)
		rq->on_answer(rq->data, err == NULL ? msg : NULL, err);
	request_free(rq);
}

static void on_msg(void *data, struct json_object *msg, int *fds, unsigned n_fds)
{
	struct monitor_conn *c = data;
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	const char *event = jsonx_str(msg, "event", NULL);

	(void)fds;
	(void)n_fds;
	enter(c);
	c->heard_ns = clock_now_ns();
	if (!c->greeted) {
		c->greeted = true;
		if (check_greeting(msg, &err) < 0)
			end(c, err);
		else
			on_snapshot(c, msg);
	} else if (event != NULL && strcmp(event, "vm") == 0) {
		on_snapshot(c, msg);
	} else if (event == NULL) {
		on_answer(c, msg);
	}
	leave(c);
}

static void on_end(void *data, struct holos_error *err)
{
	struct monitor_conn *c = data;

	enter(c);
	end(c, err);
	leave(c);
}

static void listen_on(struct monitor_conn *c);

/* A monitor that was suspended, or hangs, must not hold up a command for ever. */
static void on_silence(void *data)
{
	struct monitor_conn *c = data;
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct pollfd p = { .fd = chan_fd(c->chan), .events = POLLIN };

	c->timer = NULL;
	if (clock_now_ns() - c->heard_ns >= SILENT_MAX && poll(&p, 1, 0) == 0) {
		(void)silent(c->dirfd, (unsigned)(SILENT_MAX / NS_PER_S), &err);
		on_end(c, err);
		return;
	}
	if (clock_now_ns() - c->heard_ns >= PING_AFTER)
		(void)monitor_request(c, "ping", NULL, NULL, NULL, NULL);
	listen_on(c);
}

static void listen_on(struct monitor_conn *c)
{
	c->timer = loop_add_timer(c->loop, clock_now_ns() + PING_AFTER, on_silence, c);
}

static int dial(int dirfd, const char *dir, struct holos_error **err)
{
	_cleanup_(closep) int fd = -1;
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = CONNECT_SECONDS };

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot make a socket");
	/* Blocks only while the monitor's queue is full: this bounds it. */
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/%s", dirfd, MONITOR_SOCKET);
	if (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0)
		return errno == EAGAIN ? silent(dirfd, CONNECT_SECONDS, err)
				       : error_sys(err, ERR_FAILED, errno,
						   "cannot reach the monitor of %s", dir);
	return steal_fd(&fd);
}

/* A connection over fd, subscribed; both descriptors are taken over. */
static struct monitor_conn *make_conn(struct loop *l, int dirfd, int fd, monitor_vm_fn *on_vm,
				      monitor_end_fn *on_end_fn, void *data)
{
	struct monitor_conn *c = xnew(struct monitor_conn);

	c->loop = l;
	c->heard_ns = clock_now_ns();
	c->dirfd = dirfd;
	listen_on(c);
	c->on_vm = on_vm;
	c->on_end = on_end_fn;
	c->data = data;
	c->chan = chan_create(l, fd, "the VM's monitor", MONITOR_LINE_MAX, on_msg, on_end, c);
	/* A monitor that has ended takes no more, and may have left its last words
	 * to read: the loop brings both them and the end. */
	(void)monitor_request(c, "subscribe", NULL, NULL, NULL, NULL);
	return c;
}

int monitor_connect(struct loop *l, const char *dir, monitor_vm_fn *on_vm,
		    monitor_end_fn *on_end_fn, void *data, struct monitor_conn **ret,
		    struct holos_error **err)
{
	_cleanup_(closep) int dirfd = open_dir(dir, O_PATH, err);
	int fd = dirfd < 0 ? dirfd : dial(dirfd, dir, err);

	if (fd < 0)
		return fd;
	*ret = make_conn(l, steal_fd(&dirfd), fd, on_vm, on_end_fn, data);
	return 0;
}

int monitor_start_connected(struct loop *l, const char *dir, const struct monitor_options *o,
			    monitor_vm_fn *on_vm, monitor_end_fn *on_end_fn, void *data,
			    struct monitor_conn **ret, pid_t *ret_pid, struct holos_error **err)
{
	_cleanup_(closep) int dirfd = open_dir(dir, O_PATH, err);
	int fd, r = dirfd < 0 ? dirfd : start(dir, o, ret_pid, &fd, err);

	if (r < 0)
		return r;
	*ret = make_conn(l, steal_fd(&dirfd), fd, on_vm, on_end_fn, data);
	return 0;
}

void monitor_conn_destroy(struct monitor_conn *c)
{
	if (c == NULL || c->destroyed)
		return;
	let_go(c);
	c->destroyed = true;
	while (c->requests != NULL) {
		struct request *rq = c->requests;

		c->requests = rq->next;
		request_free(rq);
	}
	if (c->depth == 0)
		free(c);
}

static struct json_object *make_request(const char *op, struct json_object *args, int64_t id)
{
	struct json_object *msg = json_object_new_object();

	json_object_object_foreach (args, key, value)
		jsonx_set(msg, key, json_object_get(value));
	jsonx_set_int(msg, "id", id);
	jsonx_set_str(msg, "op", op);
	return msg;
}

int monitor_request(struct monitor_conn *c, const char *op, struct json_object *args,
		    monitor_answer_fn *on_answer_fn, void *data, struct holos_error **err)
{
	_cleanup_(json_putp) struct json_object *none = json_object_new_object();
	_cleanup_(json_putp) struct json_object *msg =
		make_request(op, args != NULL ? args : none, c->next_id);
	struct request *rq, **at = &c->requests;
	int r;

	if (c->chan == NULL)
		return error_set(err, ERR_FAILED, "%s: the VM's monitor has ended", op);
	r = chan_send(c->chan, msg, NULL, 0, err);
	if (r < 0)
		return error_wrap(err, "%s", op);
	rq = xnew(struct request);
	rq->id = c->next_id++;
	rq->op = xstrdup(op);
	rq->on_answer = on_answer_fn;
	rq->data = data;
	while (*at != NULL)
		at = &(*at)->next;
	*at = rq;
	return 0;
}

static int read_greeting(struct chan *c, uint64_t deadline_ns, struct vm_record **ret,
			 struct holos_error **err)
{
	_cleanup_(json_putp) struct json_object *msg = NULL;
	int r = chan_read_wait(c, deadline_ns, &msg, NULL, NULL, err);

	if (r == 0)
		r = check_greeting(msg, err);
	if (r < 0)
		return r;
	return ret != NULL
		       ? vm_record_decode(jsonx_obj(msg, "vm"), "the monitor's greeting", ret, err)
		       : 0;
}

int monitor_call_wait(const char *dir, const char *op, struct json_object *args,
		      uint64_t deadline_ns, struct json_object **ret_answer,
		      struct vm_record **ret_vm, struct holos_error **err)
{
	_cleanup_(vm_record_destroyp) struct vm_record *vm = NULL;
	_cleanup_(json_putp) struct json_object *none = json_object_new_object();
	_cleanup_(json_putp) struct json_object *rq =
		make_request(op, args != NULL ? args : none, 0);
	_cleanup_(closep) int dirfd = open_dir(dir, O_PATH, err);
	int fd = dirfd < 0 ? dirfd : dial(dirfd, dir, err), r;
	struct chan *c;

	if (fd < 0)
		return fd;
	c = chan_create(NULL, fd, "the VM's monitor", MONITOR_LINE_MAX, NULL, NULL, NULL);
	r = read_greeting(c, deadline_ns, ret_vm != NULL ? &vm : NULL, err);
	if (r == 0)
		r = chan_send(c, rq, NULL, 0, err);
	while (r == 0) {
		_cleanup_(json_putp) struct json_object *msg = NULL;

		r = chan_read_wait(c, deadline_ns, &msg, NULL, NULL, err);
		if (r < 0 || jsonx_int(msg, "id", -1) != 0)
			continue;
		if (!jsonx_bool(msg, "ok", false)) {
			answer_error(msg, op, err);
			r = -(err != NULL && *err != NULL ? (*err)->code : ERR_FAILED);
		} else if (ret_answer != NULL) {
			*ret_answer = steal_ptr(&msg);
		}
		break;
	}
	chan_destroy(c);
	if (r == 0 && ret_vm != NULL)
		*ret_vm = steal_ptr(&vm);
	return r < 0 ? error_wrap(err, "%s", op) : 0;
}
