/* SPDX-License-Identifier: Apache-2.0
 *
 * buf.h - a growing text that stays within a bound and remembers a failure.
 *
 * A plugin may not exit when memory runs out, and checking every append would
 * drown the writers; so an append that fails marks the buffer, later ones do
 * nothing, and whoever uses the text looks at `status` once.
 */
#ifndef CI_BUF_H
#define CI_BUF_H

#include <holos/plugin.h>

struct ci_buf {
	char *s; /* NUL-terminated once something was added */
	size_t len, cap;
	size_t max;          /* bytes */
	holos_status status; /* HOLOS_OK, HOLOS_E_NOMEM, or HOLOS_E_CONFIG: past max */
};

#define CI_BUF_INIT(max_bytes)                                                                     \
	{                                                                                          \
		NULL, 0, 0, (max_bytes), HOLOS_OK                                                  \
	}

void ci_buf_add(struct ci_buf *b, const char *data, size_t len);
void ci_buf_adds(struct ci_buf *b, const char *s);
void ci_buf_addc(struct ci_buf *b, char c);
void ci_buf_fill(struct ci_buf *b, char c, size_t n);
/* Short results only: at most 1023 bytes, an internal error beyond. */
void ci_buf_addf(struct ci_buf *b, const char *fmt, ...) HOLOS_PRINTF(2, 3);
/* One word for sh, in single quotes. */
void ci_buf_add_quoted(struct ci_buf *b, const char *s);
/* Overwrite, then free: the text may hold a key.  Usable as _cleanup_. */
void ci_buf_finish(struct ci_buf *b);

#endif
