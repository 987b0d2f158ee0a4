/* SPDX-License-Identifier: Apache-2.0
 *
 * hostpath.h - where the host's own files lie: /sys, /dev, /etc, /usr/share.
 */
#ifndef VM_HOSTPATH_H
#define VM_HOSTPATH_H

/* `path` (absolute) below HOLOS_HOST_ROOT, where tests make a host up; without it
 * the path itself.  The caller frees. */
char *host_path(const char *path);

#endif
