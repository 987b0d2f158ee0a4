/* SPDX-License-Identifier: Apache-2.0
 *
 * width.h - how wide text is on a terminal, whatever the locale.
 */
#ifndef CLI_WIDTH_H
#define CLI_WIDTH_H

#include <stddef.h>

/* Columns of UTF-8 text that printable() let pass: two for wide characters, none for
 * combining ones. */
size_t text_width(const char *s);
/* How many bytes of it go into `most` columns. */
size_t text_cut(const char *s, size_t most);

#endif
