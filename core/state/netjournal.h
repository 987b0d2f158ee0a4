/* SPDX-License-Identifier: Apache-2.0
 *
 * netjournal.h - networks.json in an instance's directory: the journals of what
 * network drivers changed on this machine for the VM.
 *
 * Written before a driver changes anything, taken back entry by entry when it was
 * undone.  Where it is, something may be left to undo.
 */
#ifndef STATE_NETJOURNAL_H
#define STATE_NETJOURNAL_H

#include <base/error.h>

#include <json-c/json.h>
#include <stdbool.h>

#define NET_JOURNAL_FILE "networks.json"

/* The entries, an array of {driver, network, nic, journal} in the order of the
 * start; the caller owns it.  *ret NULL: nothing was changed. */
int net_journal_read(int dirfd, struct json_object **ret, struct holos_error **err);
/* No entries: no file. */
int net_journal_write(int dirfd, struct json_object *entries, struct holos_error **err);
/* Write those that are not `undone` (parallel to entries). */
int net_journal_keep(int dirfd, struct json_object *entries, const bool *undone,
		     struct holos_error **err);

#endif
