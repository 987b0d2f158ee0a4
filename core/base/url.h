/* SPDX-License-Identifier: Apache-2.0
 *
 * url.h - who may see a URL.
 */
#ifndef BASE_URL_H
#define BASE_URL_H

#include <stdbool.h>

/* Does it hold a user name or password ("https://NAME:WORD@host/")? */
bool url_has_password(const char *url);
/* The same URL with "***" in their place; the caller frees. */
char *url_masked(const char *url);

#endif
