/* SPDX-License-Identifier: Apache-2.0
 *
 * answer.h - what a web server said, as far as the probe "http" needs it
 * (RFC 9112): status, and the body with its chunks put together.
 */
#ifndef HEALTH_ANSWER_H
#define HEALTH_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

#define ANSWER_MAX (256u << 10)

struct answer {
	char data[ANSWER_MAX];
	size_t len;
	/* by answer_parse() */
	int status;
	const char *body; /* in data */
	size_t body_len;
};

/* Need no more be read?  When it is not known how long the body is, the server
 * closes the connection after it. */
bool answer_is_complete(const struct answer *a, bool without_body);
/* False: it is no answer of HTTP/1. */
bool answer_parse(struct answer *a);

#endif
