/* SPDX-License-Identifier: Apache-2.0
 *
 * qemuid.h - which process a VM's QEMU is, from its first moment.
 *
 * vm.json tells it as soon as QEMU answers.  A monitor that is killed before then
 * leaves a QEMU that nothing names, so the child itself writes its process_id
 * (base/process.h) into the file `alive` before it executes QEMU.
 */
#ifndef STATE_QEMUID_H
#define STATE_QEMUID_H

#include <state/alive.h>
#include <state/vmrecord.h>

#define QEMU_ID_AT 2064 /* in ALIVE_FILE: behind the last word, before the brief */

/* When QEMU lives and r does not say which process it is: set r's pid and
 * pid_start, if that process still is there. */
void qemu_id_apply(int dirfd, const struct alive *alive, struct vm_record *r);

#endif
