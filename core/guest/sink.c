/* SPDX-License-Identifier: Apache-2.0
 *
 * sink.c - see sink.h.
 *
 * O_NONBLOCK belongs to the open file description, which a terminal or a pipe
 * shares with the caller's shell and its other children.  Setting it there
 * breaks them, so the file is opened a second time through /proc instead.
 */
#include "sink.h"

#include <base/alloc.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

void sink_init(struct sink *s, int fd, struct conn_tail *tail)
{
	struct stat st;
	char path[64];
	int again;

	*s = (struct sink){ .fd = tail == NULL ? fd : -1, .max = SINK_BUFFER, .tail = tail };
	s->buf = xmalloc(SINK_BUFFER);
	if (s->fd < 0 || fstat(s->fd, &st) < 0)
		return;
	s->socket = S_ISSOCK(st.st_mode);
	if (!S_ISFIFO(st.st_mode) && !S_ISCHR(st.st_mode))
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", s->fd);
	again = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (again >= 0) {
		s->fd = again;
		s->own = true;
	} else {
		/* No /proc, or another user's pipe: POSIX promises this much. */
		s->max = PIPE_BUF;
	}
}

void sink_finish(struct sink *s)
{
	if (s->own)
		close(s->fd);
	free(s->buf);
}

bool sink_full(const struct sink *s)
{
	return s->len > 0;
}

static void tail_add(struct conn_tail *t, const char *data, size_t n)
{
	size_t room = t->cap > 0 ? t->cap - 1 : 0;
	size_t over;

	if (room == 0)
		return;
	if (n > room) {
		data += n - room;
		n = room;
	}
	over = t->len + n > room ? t->len + n - room : 0;
	memmove(t->buf, t->buf + over, t->len - over);
	memcpy(t->buf + t->len - over, data, n);
	t->len += n - over;
	t->buf[t->len] = '\0';
}

void sink_put(struct sink *s, size_t n)
{
	if (s->tail != NULL)
		tail_add(s->tail, s->buf, n);
	else if (s->fd >= 0)
		s->len = n;
}

int sink_flush(struct sink *s)
{
	while (s->off < s->len) {
		size_t n = s->len - s->off;
		ssize_t done;

		if (n > s->max)
			n = s->max;
		done = s->socket ? send(s->fd, s->buf + s->off, n, MSG_DONTWAIT | MSG_NOSIGNAL)
				 : write(s->fd, s->buf + s->off, n);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0 && errno == EAGAIN)
			return 0;
		if (done < 0)
			return -errno;
		s->off += (size_t)done;
		if (s->max == PIPE_BUF && s->off < s->len)
			return 0; /* only poll can say whether the next one blocks */
	}
	s->off = 0;
	s->len = 0;
	return 0;
}
