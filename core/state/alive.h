/* SPDX-License-Identifier: Apache-2.0
 *
 * alive.h - who lives, told by locks: never by a pid.
 *
 * The file `alive` in an instance's directory carries two locks of open file
 * descriptions (fcntl(2), F_OFD_SETLK): byte 0 is the monitor's, byte 1 is
 * QEMU's.  Each lives in a descriptor that is inherited over exec and is never
 * unlocked: it goes with the last process that has it, whatever way that
 * process ends.  A zombie has no descriptors and so holds none.
 */
#ifndef STATE_ALIVE_H
#define STATE_ALIVE_H

#include <base/error.h>

#include <stdbool.h>

#define ALIVE_FILE "alive"

enum alive_who { ALIVE_MONITOR = 0, ALIVE_QEMU = 1 }; /* the byte */

struct alive {
	bool monitor, qemu;
};

/* Ask, without waiting, changing or creating anything; read permission is
 * enough.  No file: nobody lives.  dirfd is the instance's directory. */
int alive_query(int dirfd, struct alive *ret, struct holos_error **err);

/* The same of the open file. */
int alive_query_fd(int fd, struct alive *ret, struct holos_error **err);

/* Take a byte.  The caller owns *ret_fd (close-on-exec); the lock lasts until
 * the last copy of that descriptor is closed.  Taken by another: ERR_BUSY. */
int alive_take(int dirfd, enum alive_who who, int *ret_fd, struct holos_error **err);

#endif
