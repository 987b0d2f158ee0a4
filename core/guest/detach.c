/* SPDX-License-Identifier: Apache-2.0
 *
 * detach.c - see detach.h.
 */
#include <guest/detach.h>

#include <string.h>
#include <strings.h>

/* One key of len bytes, or -1. */
static int parse_key(const char *text, size_t len)
{
	static const char prefix[] = "ctrl-";
	size_t skip = sizeof(prefix) - 1;
	char c;

	if (len == 1 && text[0] > ' ' && text[0] < 0x7f)
		return text[0];
	if (len != skip + 1 || strncasecmp(text, prefix, skip) != 0)
		return -1;
	c = text[skip];
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 1;
	return c >= '@' && c <= '_' ? c - '@' : -1;
}

int detach_parse(const char *text, struct detach_keys *ret, struct holos_error **err)
{
	struct detach_keys d = { .n = 0 };
	const char *at = text;

	for (;;) {
		size_t len = strcspn(at, ",");
		int key = parse_key(at, len);

		if (key < 0 || d.n == DETACH_KEYS_MAX) {
			error_set(err, ERR_USAGE,
				  "--detach-keys %s: must be one to %d keys with commas between "
				  "them, each a character or ctrl- with one of a-z @ [ \\ ] ^ _",
				  text, DETACH_KEYS_MAX);
			return -ERR_USAGE;
		}
		d.keys[d.n++] = (char)key;
		if (at[len] == '\0')
			break;
		at += len + 1;
	}
	*ret = d;
	return 0;
}

/* One more byte.  While it and those held back begin no detaching, the oldest is let go. */
static bool step(struct detach_keys *d, char c, char *out, size_t *ret_n)
{
	char typed[DETACH_KEYS_MAX + 1];
	size_t n = d->held;

	memcpy(typed, d->keys, n);
	typed[n++] = c;
	while (n > 0 && memcmp(typed, d->keys, n) != 0) {
		out[(*ret_n)++] = typed[0];
		memmove(typed, typed + 1, --n);
	}
	d->held = n;
	return n == d->n;
}

bool detach_filter(struct detach_keys *d, const char *in, size_t n, char *out, size_t *ret_n)
{
	*ret_n = 0;
	for (size_t i = 0; i < n; i++) {
		if (step(d, in[i], out, ret_n))
			return true;
	}
	return false;
}
