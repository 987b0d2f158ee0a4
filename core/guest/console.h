/* SPDX-License-Identifier: Apache-2.0
 *
 * console.h - this process's standard streams on the serial console of a VM.
 */
#ifndef GUEST_CONSOLE_H
#define GUEST_CONSOLE_H

#include <base/error.h>
#include <guest/detach.h>

#include <stdbool.h>

/* Connect to the console's socket in a VM's directory (absolute).  QEMU serves one
 * at a time and lets others wait without a word: the caller has the lock that tells
 * them.  A descriptor, or -code. */
int console_connect(const char *dir, struct holos_error **err);

enum console_end {
	CONSOLE_DETACHED, /* by the keys, or nobody reads any more */
	CONSOLE_VM_ENDED, /* QEMU closed it */
	CONSOLE_SIGNALLED /* HUP, INT, QUIT or TERM was sent to this process */
};

/* Pass bytes both ways, as they are, until the end.  A terminal on descriptor 0 is
 * raw meanwhile, a carriage return is sent first, so that the guest shows its
 * prompt, and `keys` detach; when the call returns it is as before, whatever the
 * guest printed.  The end of other input ends nothing.  Without input, descriptor 0
 * is not touched. */
int console_attach(int fd, bool input, struct detach_keys *keys, enum console_end *ret_end,
		   struct holos_error **err);

#endif
