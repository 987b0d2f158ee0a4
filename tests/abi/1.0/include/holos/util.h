/* SPDX-License-Identifier: Apache-2.0
 * Conveniences, compiled into the plugin; not part of the ABI. */
#ifndef HOLOS_UTIL_H
#define HOLOS_UTIL_H
#include <holos/plugin.h>
#include <stdarg.h>
#include <stdio.h>

HOLOS_PRINTF(5, 6)
static inline holos_status holos_failf(const struct holos_host *h,
        holos_error *err, holos_status code, int32_t sys_errno,
        const char *fmt, ...)
{
	char msg[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof msg, fmt, ap);
	va_end(ap);
	return h->fail(err, code, sys_errno, msg);
}
#endif
