/* SPDX-License-Identifier: Apache-2.0
 *
 * chan.h - JSON lines over a stream socket: QMP, the monitor's protocol, the
 * worker's.  Non-blocking inside, bounded both ways, descriptors may be passed
 * along with a line (SCM_RIGHTS) on unix sockets.
 */
#ifndef BASE_CHAN_H
#define BASE_CHAN_H

#include <base/error.h>
#include <base/loop.h>

#include <json-c/json.h>
#include <stddef.h>
#include <stdint.h>

#define CHAN_FDS_MAX 16

struct chan;

/* A message arrived.  msg is an object, borrowed; fds (close-on-exec) are the
 * callback's to keep or close: those left >= 0 are closed afterwards. */
typedef void chan_msg_fn(void *data, struct json_object *msg, int *fds, unsigned n_fds);
/* The peer closed (err NULL) or broke the rules (err: too long a line, no
 * JSON object, ...).  Called once, nothing follows it. */
typedef void chan_end_fn(void *data, struct holos_error *err);

/* Take over fd (made non-blocking).  `what` names the peer in messages.
 * max_line bounds one incoming line in bytes; it is also the bound of what may
 * be queued for writing.  With loop NULL use chan_read_wait(). */
struct chan *chan_create(struct loop *l, int fd, const char *what, size_t max_line,
			 chan_msg_fn *msg, chan_end_fn *end, void *data);
/* Take shorter lines than max_line from the peer; what is sent keeps its bound. */
void chan_limit_line(struct chan *c, size_t max);
/* Queue one line (the object is borrowed; fds are duplicated) and write what
 * can be written now.  Fails when the queue would pass its bound, memory is
 * short or the peer is gone. */
int chan_send(struct chan *c, struct json_object *msg, const int *fds, unsigned n_fds,
	      struct holos_error **err);
/* Wait until one message is there or the deadline passes (ERR_TIMEOUT), or the
 * user asked to stop (ERR_INTERRUPTED, base/interrupt.h); EOF is an error.  For simple clients
 * without a loop.  The caller owns *ret and the descriptors (n_fds in: room, out: number; fds may
 * be NULL). */
int chan_read_wait(struct chan *c, uint64_t deadline_ns, struct json_object **ret, int *fds,
		   unsigned *n_fds, struct holos_error **err);
int chan_fd(const struct chan *c);
/* Bytes queued and not yet written. */
size_t chan_pending(const struct chan *c);
void chan_destroy(struct chan *c); /* closes fd; safe inside callbacks; NULL is fine */

#endif
