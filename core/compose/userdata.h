/* SPDX-License-Identifier: Apache-2.0
 *
 * userdata.h - which keys of a user's cloud-config are holos' own.
 */
#ifndef COMPOSE_USERDATA_H
#define COMPOSE_USERDATA_H

#include <stdbool.h>

/* True for what would make the VM unreachable, or what holos sets at every boot. */
bool user_data_is_ours(const char *key);

#endif
