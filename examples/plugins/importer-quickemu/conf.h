/* SPDX-License-Identifier: Apache-2.0
 *
 * conf.h - quickemu's .conf files: assignments as in a shell, without any of a
 * shell's expansions.
 */
#ifndef QUICKEMU_CONF_H
#define QUICKEMU_CONF_H

#include <stddef.h>

#define CONF_BYTES_MAX  65536
#define CONF_ITEMS_MAX  128
#define CONF_VALUES_MAX 64

struct conf_item {
	unsigned line;
	const char *key;
	const char *values[CONF_VALUES_MAX]; /* one, or those of an array */
	size_t n;
	int expands; /* holds $ or a backtick: only a shell knows what it means */
};

struct conf {
	char text[CONF_BYTES_MAX + 1];  /* the file, NUL-terminated */
	char words[2 * CONF_BYTES_MAX]; /* keys and values */
	size_t used;
	struct conf_item items[CONF_ITEMS_MAX];
	size_t n;
	unsigned line; /* of the fault */
};

/* 0, or -1: c->line is no assignment. */
int conf_parse(struct conf *c);
/* The last item of that key, or NULL. */
const struct conf_item *conf_find(const struct conf *c, const char *key);

#endif
