/* SPDX-License-Identifier: Apache-2.0
 *
 * chan.c - see chan.h.
 *
 * Reading: bytes gather in `in` until a newline, descriptors in `in_fds`.  The
 * kernel ends a read behind the bytes that carried descriptors (unix(7)), and a
 * sender gives descriptors with bytes of one line: so they belong to the line
 * that the last byte of their read is in, whatever lines came before it.
 * Writing: whole lines in a queue; descriptors go with the first byte of theirs.
 */
#include <base/alloc.h>
#include <base/chan.h>
#include <base/clock.h>
#include <base/interrupt.h>
#include <base/jsonx.h>
#include <base/strbuf.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

struct out_line {
	struct out_line *next;
	char *text;
	size_t len, done;
	int fds[CHAN_FDS_MAX];
	unsigned n_fds;
};

struct chan {
	struct loop *loop;
	struct loop_watch *watch;
	int fd;
	char *what;
	size_t max_line, max_in;
	chan_msg_fn *msg;
	chan_end_fn *end;
	void *data;

	struct strbuf in;
	size_t scanned; /* no newline before this */
	/* Those of a line that is not whole yet, and of one more read. */
	int in_fds[2 * CHAN_FDS_MAX];
	size_t in_fd_at[2 * CHAN_FDS_MAX]; /* offset in `in` of a byte of their line */
	unsigned n_in_fds;
	unsigned n_line_fds; /* the first so many belong to the message handed out */

	struct out_line *out, **out_last;
	size_t pending;
	bool ended;
	bool *gone; /* set by chan_destroy() inside a callback */
};

static void close_fds(int *fds, unsigned *n)
{
	for (unsigned i = 0; i < *n; i++)
		closep(&fds[i]);
	*n = 0;
}

static void drop_out(struct chan *c)
{
	while (c->out != NULL) {
		struct out_line *o = c->out;

		c->out = o->next;
		close_fds(o->fds, &o->n_fds);
		free(o->text);
		free(o);
	}
	c->out_last = &c->out;
	c->pending = 0;
}

static int flush(struct chan *c)
{
	while (c->out != NULL) {
		struct out_line *o = c->out;
		struct iovec iov = { o->text + o->done, o->len - o->done };
		union {
			char buf[CMSG_SPACE(sizeof(int) * CHAN_FDS_MAX)];
			struct cmsghdr align;
		} control;
		struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
		ssize_t n;

		if (o->n_fds != 0) {
			struct cmsghdr *cm;

			memset(&control, 0, sizeof(control));
			m.msg_control = control.buf;
			m.msg_controllen = CMSG_SPACE(sizeof(int) * o->n_fds);
			cm = CMSG_FIRSTHDR(&m);
			cm->cmsg_level = SOL_SOCKET;
			cm->cmsg_type = SCM_RIGHTS;
			cm->cmsg_len = CMSG_LEN(sizeof(int) * o->n_fds);
			memcpy(CMSG_DATA(cm), o->fds, sizeof(int) * o->n_fds);
		}
		n = sendmsg(c->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		close_fds(o->fds, &o->n_fds);
		o->done += (size_t)n;
		c->pending -= (size_t)n;
		if (o->done < o->len)
			continue;
		c->out = o->next;
		if (c->out == NULL)
			c->out_last = &c->out;
		free(o->text);
		free(o);
	}
	return 0;
}

static void update_events(struct chan *c)
{
	if (c->watch != NULL)
		loop_set_events(c->watch, (short)(POLLIN | (c->out != NULL ? POLLOUT : 0)));
}

static void finish(struct chan *c, struct holos_error *err)
{
	if (c->ended)
		return;
	c->ended = true;
	loop_remove_fd(c->watch);
	c->watch = NULL;
	drop_out(c);
	if (c->end != NULL)
		c->end(c->data, err);
}

/* One read into the buffer.  1: something came, 0: nothing now, -1: end of the
 * stream or an error (then *err is set). */
static int fill(struct chan *c, struct holos_error **err)
{
	char buf[8192];
	struct iovec iov = { buf, sizeof(buf) };
	union {
		char buf[CMSG_SPACE(sizeof(int) * CHAN_FDS_MAX)];
		struct cmsghdr align;
	} control;
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.buf,
			    .msg_controllen = sizeof(control.buf) };
	ssize_t n;

	do {
		n = recvmsg(c->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n < 0 && errno != ECONNRESET) {
		error_sys(err, ERR_FAILED, errno, "cannot read from %s", c->what);
		return -1;
	}
	if (n <= 0)
		return -1;
	for (struct cmsghdr *cm = CMSG_FIRSTHDR(&m); cm != NULL; cm = CMSG_NXTHDR(&m, cm)) {
		size_t bytes = cm->cmsg_len - CMSG_LEN(0);

		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < bytes / sizeof(int); i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(cm) + i * sizeof(int), sizeof(int));
			if (c->n_in_fds == 2 * CHAN_FDS_MAX) {
				close(fd);
				continue;
			}
			c->in_fd_at[c->n_in_fds] = c->in.len + (size_t)n - 1;
			c->in_fds[c->n_in_fds++] = fd;
		}
	}
	/* The size is the peer's choice: no room for it costs this peer alone. */
	if (c->in.len + (size_t)n >= c->in.cap && !alloc_room(2 * (c->in.len + (size_t)n))) {
		error_set(err, ERR_FAILED, "out of memory for what %s sends", c->what);
		return -1;
	}
	strbuf_add(&c->in, buf, (size_t)n);
	return 1;
}

/* Drop the first n bytes of the buffer, a line. */
static void consume(struct chan *c, size_t n)
{
	c->n_line_fds = 0;
	for (unsigned i = 0; i < c->n_in_fds; i++) {
		if (c->in_fd_at[i] < n)
			c->n_line_fds++;
		c->in_fd_at[i] -= c->in_fd_at[i] < n ? c->in_fd_at[i] : n;
	}
	strbuf_consume(&c->in, n);
}

/* Take out the descriptors of the message just handed out, at most
 * CHAN_FDS_MAX; more than that nobody sends with one line. */
static unsigned take_fds(struct chan *c, int *fds)
{
	unsigned n = c->n_line_fds < CHAN_FDS_MAX ? c->n_line_fds : CHAN_FDS_MAX;

	memcpy(fds, c->in_fds, n * sizeof(*fds));
	for (unsigned i = n; i < c->n_line_fds; i++)
		close(c->in_fds[i]);
	c->n_in_fds -= c->n_line_fds;
	memmove(c->in_fds, c->in_fds + c->n_line_fds, c->n_in_fds * sizeof(*c->in_fds));
	memmove(c->in_fd_at, c->in_fd_at + c->n_line_fds, c->n_in_fds * sizeof(*c->in_fd_at));
	c->n_line_fds = 0;
	return n;
}

/* The next whole message of the buffer.  1: *ret is set, 0: none yet. */
static int next_message(struct chan *c, struct json_object **ret, struct holos_error **err)
{
	for (;;) {
		char *nl = c->in.len > c->scanned
				   ? memchr(c->in.s + c->scanned, '\n', c->in.len - c->scanned)
				   : NULL;
		size_t len;
		int r;

		if (nl == NULL) {
			c->scanned = c->in.len;
			if (c->in.len > c->max_in)
				return error_set(err, ERR_FAILED,
						 "%s sent a line of more than %zu bytes", c->what,
						 c->max_in);
			return 0;
		}
		len = (size_t)(nl - c->in.s);
		if (len > c->max_in)
			return error_set(err, ERR_FAILED, "%s sent a line of more than %zu bytes",
					 c->what, c->max_in);
		c->scanned = 0;
		if (strspn(c->in.s, " \t\r") == len) { /* QMP ends lines with CR LF */
			consume(c, len + 1);
			continue;
		}
		r = jsonx_parse(c->in.s, len, c->what, ret, err);
		consume(c, len + 1);
		if (r < 0)
			return r;
		if (!json_object_is_type(*ret, json_type_object)) {
			json_object_put(*ret);
			*ret = NULL;
			return error_set(err, ERR_FAILED,
					 "%s sent something that is no JSON object", c->what);
		}
		return 1;
	}
}

/* Hand out every whole message.  False when the channel was destroyed. */
static bool dispatch(struct chan *c, struct holos_error **err)
{
	bool gone = false;
	struct json_object *msg;

	c->gone = &gone;
	while (!c->ended && next_message(c, &msg, err) == 1) {
		int fds[CHAN_FDS_MAX];
		unsigned n = take_fds(c, fds);

		c->msg(c->data, msg, fds, n);
		json_object_put(msg);
		close_fds(fds, &n);
		if (gone)
			return false;
	}
	c->gone = NULL;
	return true;
}

static void on_ready(void *data, int fd, short revents)
{
	struct chan *c = data;
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	int r = 0;

	(void)fd;
	if ((revents & POLLOUT) != 0) {
		r = flush(c);
		if (r < 0 && r != -EPIPE && r != -ECONNRESET)
			error_sys(&err, ERR_FAILED, -r, "cannot write to %s", c->what);
		if (err != NULL) {
			finish(c, err);
			return;
		}
		update_events(c);
	}
	if ((revents & (POLLIN | POLLHUP | POLLERR)) == 0)
		return;
	r = fill(c, &err);
	if (!dispatch(c, &err) || c->ended)
		return;
	if (r < 0 || err != NULL)
		finish(c, err);
}

struct chan *chan_create(struct loop *l, int fd, const char *what, size_t max_line,
			 chan_msg_fn *msg, chan_end_fn *end, void *data)
{
	struct chan *c = xnew(struct chan);

	c->loop = l;
	c->fd = fd;
	c->what = xstrdup(what);
	c->max_line = max_line;
	c->max_in = max_line;
	c->msg = msg;
	c->end = end;
	c->data = data;
	c->out_last = &c->out;
	(void)fcntl(fd, F_SETFL, O_NONBLOCK); /* reads and writes ask for it as well */
	if (l != NULL)
		c->watch = loop_add_fd(l, fd, POLLIN, on_ready, c);
	return c;
}

void chan_limit_line(struct chan *c, size_t max)
{
	c->max_in = max < c->max_line ? max : c->max_line;
}

int chan_send(struct chan *c, struct json_object *msg, const int *fds, unsigned n_fds,
	      struct holos_error **err)
{
	const char *text = jsonx_line(msg); /* NULL: no memory */
	size_t len = text != NULL ? strlen(text) + 1 : 0;
	struct out_line *o;
	int r;

	if (text == NULL || !alloc_room(len + sizeof(*o)))
		return error_set(err, ERR_FAILED, "out of memory for what %s is sent", c->what);
	if (c->ended)
		return error_set(err, ERR_FAILED, "%s is gone", c->what);
	if (len > c->max_line || c->pending + len > 4 * c->max_line || n_fds > CHAN_FDS_MAX)
		return error_set(err, ERR_FAILED, "%s does not take what it is sent", c->what);
	o = xnew(struct out_line);
	for (unsigned i = 0; i < n_fds; i++) {
		o->fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
		if (o->fds[i] < 0) {
			int e = errno;

			o->n_fds = i;
			close_fds(o->fds, &o->n_fds);
			free(o);
			return error_sys(err, ERR_FAILED, e, "cannot pass a descriptor to %s",
					 c->what);
		}
	}
	o->n_fds = n_fds;
	o->text = xmalloc(len + 1);
	memcpy(o->text, text, len - 1);
	o->text[len - 1] = '\n';
	o->len = len;
	*c->out_last = o;
	c->out_last = &o->next;
	c->pending += len;
	r = flush(c);
	if (r < 0)
		return error_sys(err, ERR_FAILED, -r, "cannot write to %s", c->what);
	update_events(c);
	return 0;
}

int chan_read_wait(struct chan *c, uint64_t deadline_ns, struct json_object **ret, int *fds,
		   unsigned *n_fds, struct holos_error **err)
{
	_cleanup_(error_destroyp) struct holos_error *e = NULL;
	unsigned n, room = fds != NULL ? *n_fds : 0;
	int mine[CHAN_FDS_MAX];

	for (;;) {
		struct pollfd p = { .fd = c->fd,
				    .events = (short)(POLLIN | (c->out != NULL ? POLLOUT : 0)) };
		int r = next_message(c, ret, err);

		if (r < 0)
			return r;
		if (r == 1)
			break;
		r = poll(&p, 1, clock_poll_timeout(deadline_ns));
		if (r < 0 && errno != EINTR)
			return error_sys(err, ERR_FAILED, errno, "cannot wait for %s", c->what);
		if (r < 0 && interrupt_asked())
			return error_set(err, ERR_INTERRUPTED, "interrupted");
		if (r == 0)
			return error_set(err, ERR_TIMEOUT, "%s does not answer", c->what);
		if (r > 0 && (p.revents & POLLOUT) != 0)
			(void)flush(c); /* a broken pipe shows in the read below */
		if (r > 0 && (p.revents & ~POLLOUT) != 0 && fill(c, &e) < 0)
			return e != NULL ? error_move(err, &e)
					 : error_set(err, ERR_FAILED, "%s closed the connection",
						     c->what);
	}
	n = take_fds(c, mine);
	for (unsigned i = 0; i < n; i++) {
		if (i < room)
			fds[i] = mine[i];
		else
			close(mine[i]);
	}
	if (n_fds != NULL)
		*n_fds = n < room ? n : room;
	return 0;
}

int chan_fd(const struct chan *c)
{
	return c->fd;
}

size_t chan_pending(const struct chan *c)
{
	return c->pending;
}

void chan_destroy(struct chan *c)
{
	if (c == NULL)
		return;
	if (c->gone != NULL)
		*c->gone = true;
	loop_remove_fd(c->watch);
	drop_out(c);
	close_fds(c->in_fds, &c->n_in_fds);
	strbuf_finish(&c->in);
	close(c->fd);
	free(c->what);
	free(c);
}
