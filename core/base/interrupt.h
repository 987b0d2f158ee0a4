/* SPDX-License-Identifier: Apache-2.0
 *
 * interrupt.h - has the user asked to stop?  For waits that have no event loop:
 * they ask after each EINTR.
 */
#ifndef BASE_INTERRUPT_H
#define BASE_INTERRUPT_H

#include <stdbool.h>
#include <stdint.h>

/* How to know; called from ordinary code, never from a signal handler.  NULL
 * (as at the start): nobody asks. */
void interrupt_set_hook(bool (*asked)(void));
bool interrupt_asked(void);

/* For a call that blocks and that no descriptor wakes (a lock).  Between the two,
 * a signal whose handler calls interrupt_wake() interrupts that call even when it
 * arrives just before it: SIGALRM follows until it is told to stop.  deadline_ns
 * (CLOCK_MONOTONIC) interrupts it as well. */
void interrupt_guard_begin(uint64_t deadline_ns);
void interrupt_guard_end(void);

/* For a call that takes a descriptor which ends it: readable from the first
 * interrupt_wake() on, also one before this call.  -1: none is to be had.  It stays
 * the property of this module. */
int interrupt_fd(void);

/* From a signal handler. */
void interrupt_wake(void);

#endif
