/* SPDX-License-Identifier: Apache-2.0
 *
 * command.h - the one string that SSH takes for a command.
 */
#ifndef GUEST_COMMAND_H
#define GUEST_COMMAND_H

#include <base/strbuf.h>

/* The command line for the guest's login shell: argv with its boundaries, in
 * workdir (NULL: where the shell starts), with env ("K=V") added.  argv NULL is
 * the login shell, with workdir and env; NULL is returned when a plain shell
 * will do, as neither is given.  The caller frees. */
char *command_line(const char *const *argv, const char *const *env, const char *workdir);

#endif
