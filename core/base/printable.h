/* SPDX-License-Identifier: Apache-2.0
 *
 * printable.h - text of guests and plugins, made harmless to show.
 */
#ifndef BASE_PRINTABLE_H
#define BASE_PRINTABLE_H

#include <stddef.h>

/* The bytes of the character at text that a terminal may be shown; 0: none, it
 * is a control character or no UTF-8. */
size_t printable_char(const char *text, size_t len);
/* A copy with a ? for each byte that may not be shown; tabs stay.  The caller
 * frees. */
char *printable(const char *text);

#endif
