/* SPDX-License-Identifier: Apache-2.0
 *
 * lastword.h - how a VM ended, where its record cannot say so.
 *
 * A record is written under another name and renamed: that takes room and the
 * right to change the directory, and a VM may end on a full disk.  So the file
 * `alive` holds, behind its lock bytes, a place of fixed size that a monitor
 * takes when it starts and overwrites when vm.json cannot be written.  Who
 * finds a record that says "up" and nobody alive reads it.
 */
#ifndef STATE_LASTWORD_H
#define STATE_LASTWORD_H

#include <state/alive.h>
#include <state/vmrecord.h>

/* Take the room, and forget what an earlier run left there.  alive_fd is that
 * of alive_take().  Best effort, as a VM may start without it. */
void last_word_clear(int alive_fd);
/* Note state, time and exit of r, synced.  0 or -errno. */
int last_word_write(int alive_fd, const struct vm_record *r);
/* When r says that the VM is up, nothing of it lives and there is a last word
 * of the same VM: take its state, time and exit over into r.  Nothing is
 * written; what is no word of ours is ignored. */
void last_word_apply(int dirfd, const struct alive *alive, struct vm_record *r);

#endif
