/* SPDX-License-Identifier: Apache-2.0
 *
 * sink.h - where one stream goes: a descriptor of the caller's, written without
 * ever blocking, memory, or nowhere.
 */
#ifndef GUEST_SINK_H
#define GUEST_SINK_H

#include <stdbool.h>
#include <stddef.h>

#define SINK_BUFFER 65536

/* Memory that keeps the end of what was added. */
struct conn_tail {
	char *buf; /* cap bytes, NUL-terminated */
	size_t len, cap;
};

struct sink {
	int fd;      /* -1: none */
	bool own;    /* fd is a second opening of the caller's */
	bool socket; /* send(2) with MSG_DONTWAIT */
	size_t max;  /* bytes that one write after POLLOUT may take */
	char *buf;   /* SINK_BUFFER bytes, what is not written yet: off..len */
	size_t off, len;
	struct conn_tail *tail;
};

/* fd -1 drops what comes; with tail it is kept there instead. */
void sink_init(struct sink *s, int fd, struct conn_tail *tail);
void sink_finish(struct sink *s);
/* Is there something that the descriptor did not take yet? */
bool sink_full(const struct sink *s);
/* Take the n bytes that were put into s->buf; only when not sink_full(). */
void sink_put(struct sink *s, size_t n);
/* Write what can be written.  0, or -errno (EPIPE: nobody reads any more). */
int sink_flush(struct sink *s);

#endif
