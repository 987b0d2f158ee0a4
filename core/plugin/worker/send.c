/* SPDX-License-Identifier: Apache-2.0
 *
 * send.c - lines to the client, and text fit to be in them.
 *
 * chan.h is for one thread and queues; a plugin's threads may log, and the
 * worker has nothing better to do than to wait until its line is written.
 */
#include <plugin/worker/worker.h>

#include <base/alloc.h>
#include <base/jsonx.h>
#include <plugin/wire.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

bool worker_connected;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void put_fds(struct msghdr *m, void *control, const int *fds, unsigned n_fds)
{
	struct cmsghdr *cm;

	m->msg_control = control;
	m->msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
	memset(control, 0, m->msg_controllen);
	cm = CMSG_FIRSTHDR(m);
	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
	memcpy(CMSG_DATA(cm), fds, sizeof(int) * n_fds);
}

static void write_line(const char *text, size_t len, const int *fds, unsigned n_fds)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * WORKER_FDS_MAX)];
		struct cmsghdr align;
	} control;
	char newline = '\n';
	size_t done = 0;

	while (done < len + 1) {
		struct pollfd p = { .fd = WIRE_FD, .events = POLLOUT };
		union { /* sendmsg() only reads it */
			const char *in;
			char *out;
		} rest = { .in = text + (done < len ? done : len) };
		struct iovec iov[2] = { { rest.out, len - (done < len ? done : len) },
					{ &newline, 1 } };
		struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };
		ssize_t n;

		if (done == 0 && n_fds != 0)
			put_fds(&m, control.buf, fds, n_fds);
		n = sendmsg(WIRE_FD, &m, MSG_NOSIGNAL);
		if (n > 0)
			done += (size_t)n;
		else if (errno == EAGAIN)
			(void)poll(&p, 1, -1);
		else if (errno != EINTR)
			return; /* the client has gone: the next read tells */
	}
}

void worker_send(struct json_object *msg, const int *fds, unsigned n_fds)
{
	const char *text = jsonx_line(msg);

	if (!worker_connected)
		return;
	pthread_mutex_lock(&lock);
	write_line(text, strlen(text), fds, n_fds);
	pthread_mutex_unlock(&lock);
}

void worker_send_phase(struct holos_call *c, const char *phase)
{
	_cleanup_(json_putp) struct json_object *msg = json_object_new_object();

	jsonx_set_int(msg, "id", (int64_t)c->id);
	jsonx_set_str(msg, "phase", phase);
	c->phase_sent = true;
	worker_send(msg, NULL, 0);
}

/* Length of the valid UTF-8 sequence at s (RFC 3629), or 0. */
static size_t utf8_len(const unsigned char *s)
{
	size_t n = s[0] < 0x80                   ? 1
		   : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
		   : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
		   : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
						 : 0;

	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	/* Overlong forms, surrogates, beyond U+10FFFF. */
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

bool text_is_utf8(const char *s)
{
	while (*s != '\0') {
		size_t n = utf8_len((const unsigned char *)s);

		if (n == 0)
			return false;
		s += n;
	}
	return true;
}

char *text_clean(const char *s)
{
	struct strbuf b = STRBUF_INIT;

	while (*s != '\0') {
		size_t n = utf8_len((const unsigned char *)s);

		if (n == 0)
			strbuf_addc(&b, '?');
		else if (n == 1 && ((unsigned char)*s < 0x20 || *s == 0x7f))
			strbuf_addc(&b, ' ');
		else
			strbuf_add(&b, s, n);
		s += n != 0 ? n : 1;
	}
	while (b.len > 0 && b.s[b.len - 1] == ' ')
		b.s[--b.len] = '\0';
	return strbuf_steal(&b);
}

bool set_text(struct json_object *obj, const char *key, const char *s)
{
	if (s != NULL && !text_is_utf8(s))
		return false;
	jsonx_set_str(obj, key, s);
	return true;
}
