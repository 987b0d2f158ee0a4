/* SPDX-License-Identifier: Apache-2.0
 *
 * hostpath.c - see hostpath.h.
 */
#include <base/alloc.h>
#include <vm/hostpath.h>

#include <stdlib.h>

char *host_path(const char *path)
{
	const char *root = getenv("HOLOS_HOST_ROOT");

	return xasprintf("%s%s", root != NULL ? root : "", path);
}
