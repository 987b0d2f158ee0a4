/* SPDX-License-Identifier: Apache-2.0
 *
 * fetch.c - see fetch.h: loading the module.
 */
#include <base/module.h>
#include <fetch/fetch.h>

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

int fetch_module(const struct holos_fetch_module **ret, struct holos_error **err)
{
	static const struct module_file file = { .file = HOLOS_FETCH_MODULE_FILE,
						 .symbol = HOLOS_FETCH_MODULE_SYMBOL,
						 .size = sizeof(struct holos_fetch_module),
						 .what = "the module for downloads",
						 .hint = "it is in package holos-fetch" };
	static const void *loaded;
	int r = module_load(&file, &loaded, err);

	if (r < 0)
		return r;
	*ret = loaded;
	return 0;
}

void fetch_result_finish(struct fetch_result *r)
{
	free(r->url);
	free(r->digest);
	memset(r, 0, sizeof(*r));
}

holos_status fetch_fail(struct holos_error **err, holos_status status, int sys_errno,
			const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	error_setv(err, status == HOLOS_E_CANCELLED ? ERR_INTERRUPTED : ERR_FAILED, sys_errno, fmt,
		   ap);
	va_end(ap);
	return status;
}
