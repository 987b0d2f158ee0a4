/* SPDX-License-Identifier: Apache-2.0
 *
 * attach.h - get hold of a VM that may be running: through its monitor, or
 * through a new one that adopts a QEMU whose monitor died.
 */
#ifndef ENGINE_ATTACH_H
#define ENGINE_ATTACH_H

#include <engine/context.h>
#include <monitor/client.h>

/* Connect to the VM's monitor.  Returns 1 when connected, 0 when nothing of the
 * VM is alive, negative on error. */
int attach_vm(struct engine *e, const struct vm_status *vm, monitor_vm_fn *on_vm,
	      monitor_end_fn *on_end, void *data, struct monitor_conn **ret,
	      struct holos_error **err);

/* Start the VM's monitor, which starts QEMU, and connect to it. */
int attach_start(struct engine *e, const char *dir, bool adopt, monitor_vm_fn *on_vm,
		 monitor_end_fn *on_end, void *data, struct monitor_conn **ret,
		 struct holos_error **err);

#endif
