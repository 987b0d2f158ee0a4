/* SPDX-License-Identifier: Apache-2.0
 *
 * install.h - units of systemd: where they are, writing and removing them, and
 * systemctl(1).
 */
#ifndef ENGINE_INSTALL_H
#define ENGINE_INSTALL_H

#include <base/error.h>

#include <stdbool.h>

/* holos-<project>.service in the directory of the system's units, or of the user's.
 * The caller frees; NULL with an error where there is no home. */
char *install_path(bool system, const char *project, struct holos_error **err);

/* Write it, and make systemd read it.  ERR_HOST without systemctl, when *ret_written
 * tells that the file is there all the same.  A unit of that name that no holos made is
 * refused. */
int install_write(bool system, const char *path, const char *text, bool *ret_written,
		  struct holos_error **err);
/* Start it, now and with the host. */
int install_enable(bool system, const char *path, struct holos_error **err);

/* Stop and disable it, and remove it.  *ret_found: there was one.  The file is gone
 * also when systemctl failed, unless that could not be removed.  A unit that this holos
 * did not make is refused, and neither stopped nor removed. */
int install_remove(bool system, const char *path, bool *ret_found, struct holos_error **err);

/* Does this user's manager run without a login? */
bool install_lingers(void);

#endif
