/* SPDX-License-Identifier: Apache-2.0
 *
 * paths.h - where the other parts of this installation lie.
 *
 * Found relative to the running program, so that a build tree, an unpacked
 * archive and an installed package all work the same.  Results are absolute,
 * computed once, and live as long as the process.
 */
#ifndef BASE_PATHS_H
#define BASE_PATHS_H

const char *paths_libexec(void); /* directory of holos-monitor and holos-worker */
const char *paths_plugins(void); /* directory of the installed plugins of this ABI major */
const char *paths_modules(void); /* directory of holos-ssh.so and its like */
const char *paths_share(void);   /* directory of read-only data */
const char *paths_self(void);    /* the running program */

#endif
