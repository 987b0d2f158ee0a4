/* SPDX-License-Identifier: Apache-2.0
 *
 * strv.h - a NULL-terminated vector of strings: an argument vector, mostly.
 */
#ifndef BASE_STRV_H
#define BASE_STRV_H

#include <stdbool.h>
#include <stddef.h>

struct strv {
	char **v; /* NULL-terminated once something was added; else NULL */
	size_t n, cap;
};

#define STRV_INIT                                                                                  \
	{                                                                                          \
		NULL, 0, 0                                                                         \
	}

void strv_add(struct strv *v, const char *s);
void strv_take(struct strv *v, char *s); /* s becomes the vector's */
void strv_addf(struct strv *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void strv_add_all(struct strv *v, char *const *list); /* NULL-terminated or NULL */
bool strv_has(const struct strv *v, const char *s);
void strv_sort(struct strv *v);                   /* by bytes */
char *strv_join(char *const *v, const char *sep); /* the caller frees */
void strv_finish(struct strv *v);                 /* free; usable as _cleanup_ */

#endif
