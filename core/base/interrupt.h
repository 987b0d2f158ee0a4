/* SPDX-License-Identifier: Apache-2.0
 *
 * interrupt.h - has the user asked to stop?  For waits that have no event loop:
 * they ask after each EINTR.
 */
#ifndef BASE_INTERRUPT_H
#define BASE_INTERRUPT_H

#include <stdbool.h>

/* How to know; called from ordinary code, never from a signal handler.  NULL
 * (as at the start): nobody asks. */
void interrupt_set_hook(bool (*asked)(void));
bool interrupt_asked(void);

#endif
