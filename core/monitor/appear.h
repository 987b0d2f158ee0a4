/* SPDX-License-Identifier: Apache-2.0
 *
 * appear.h - notice that files appear in a directory.
 */
#ifndef MONITOR_APPEAR_H
#define MONITOR_APPEAR_H

#include <base/loop.h>

struct appear;

/* Call fn after each time something was made in (or moved into) the directory.
 * What is there already is the caller's to look for, after this call. */
struct appear *appear_create(struct loop *l, const char *dir, void (*fn)(void *data), void *data);
void appear_destroy(struct appear *a); /* safe inside fn; NULL is fine */

#endif
