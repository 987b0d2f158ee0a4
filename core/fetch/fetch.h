/* SPDX-License-Identifier: Apache-2.0
 *
 * fetch.h - downloads, for the worker that makes them: the module on demand, and
 * the wait for somebody else who downloads the same.
 */
#ifndef FETCH_FETCH_H
#define FETCH_FETCH_H

#include <fetch/fetch_module.h>

/* The fetch module, loaded from $HOLOS_MODULE_DIR or the installation on the
 * first call and for the life of the process.  Fails with ERR_HOST when it is
 * not installed or belongs to another build. */
int fetch_module(const struct holos_fetch_module **ret, struct holos_error **err);
void fetch_result_finish(struct fetch_result *r);

/* Take the lock of a download (its first byte, fcntl(2), OFD) on lock_fd, whose
 * open file description then holds it, waiting until its holder is done with it.
 * Meanwhile the growth of the file `part` below dir is reported as progress. */
holos_status fetch_wait(int lock_fd, int dir, const char *part, const struct fetch_limits *limits,
			struct holos_error **err);

/* Set *err and return status. */
holos_status fetch_fail(struct holos_error **err, holos_status status, int sys_errno,
			const char *fmt, ...) __attribute__((format(printf, 4, 5)));

#endif
