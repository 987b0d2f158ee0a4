/* SPDX-License-Identifier: Apache-2.0
 *
 * vmbrief.h - vm.json for who asks for many of them: a copy that takes no
 * parsing, in the body of the file `alive`, which a reader opens anyway.
 *
 * vm.json is the truth.  The copy names it, and the instance.json that was in
 * order beside it, by inode, change time and size, and counts only beside exactly
 * those files; it is never synced, and whatever is wrong with it, they are read
 * instead.
 */
#ifndef STATE_VMBRIEF_H
#define STATE_VMBRIEF_H

#include <state/alive.h>
#include <state/vmrecord.h>

/* Which file DIRFD/name is now. */
struct file_id file_id_of(int dirfd, const char *name);

/* Write the copy of what was just written to DIRFD/vm.json.  One that does not
 * fit, or cannot be written, is left out. */
void vm_brief_write(int dirfd, const struct vm_record *r);

/* Who lives (as alive_query()) and the record, of the instance's directory
 * `instance` below parent.  Returns 1, or 0 when there is no copy that counts:
 * then nothing is set.  The caller owns *ret. */
int vm_brief_read(int parent, const char *instance, struct alive *ret_alive,
		  struct vm_record **ret);

#endif
