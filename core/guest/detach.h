/* SPDX-License-Identifier: Apache-2.0
 *
 * detach.h - the keys that leave a console, found in what is typed.
 */
#ifndef GUEST_DETACH_H
#define GUEST_DETACH_H

#include <base/error.h>

#include <stdbool.h>
#include <stddef.h>

#define DETACH_KEYS_MAX 16
#define DETACH_DEFAULT  "ctrl-]"

struct detach_keys {
	char keys[DETACH_KEYS_MAX];
	size_t n;
	size_t held; /* so many of them were typed last and are held back */
};

/* "ctrl-]", "ctrl-p,ctrl-q", "x": keys after each other, as docker writes them.
 * ERR_USAGE for anything else. */
int detach_parse(const char *text, struct detach_keys *ret, struct holos_error **err);
/* Filter n typed bytes.  What the guest gets goes to out, which has room for
 * n + DETACH_KEYS_MAX bytes, *ret_n of them; true: then the keys came, and the rest
 * of the input is dropped. */
bool detach_filter(struct detach_keys *d, const char *in, size_t n, char *out, size_t *ret_n);

#endif
