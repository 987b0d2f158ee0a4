/* SPDX-License-Identifier: Apache-2.0
 *
 * names.h - what may be a name, and the nearest one to a wrong one.
 */
#ifndef BASE_NAMES_H
#define BASE_NAMES_H

#include <stdbool.h>
#include <stddef.h>

/* DNS label: ^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$ (project, service, volume). */
bool names_is_label(const char *s);
#define NAMES_LABEL_RULE "1 to 63 of a-z, 0-9 and -, starting and ending with a letter or digit"
/* ^[a-z_][a-z0-9_-]{0,31}$ (guest user). */
bool names_is_user(const char *s);
/* ^[a-z][a-z0-9-]{0,31}$ (plugin). */
bool names_is_plugin(const char *s);
/* The candidate nearest to word (Damerau-Levenshtein at most 1 + len/4), or
 * NULL.  candidates is an array of n strings; the result is borrowed. */
const char *names_nearest(const char *word, const char *const *candidates, size_t n);

#endif
