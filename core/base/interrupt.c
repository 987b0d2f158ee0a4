/* SPDX-License-Identifier: Apache-2.0
 *
 * interrupt.c - see interrupt.h.
 */
#include <base/interrupt.h>

#include <stddef.h>

static bool (*hook)(void);

void interrupt_set_hook(bool (*asked)(void))
{
	hook = asked;
}

bool interrupt_asked(void)
{
	return hook != NULL && hook();
}
