/* SPDX-License-Identifier: Apache-2.0
 *
 * process.h - the one place where children are made.  No shell, ever.
 */
#ifndef BASE_PROCESS_H
#define BASE_PROCESS_H

#include <base/error.h>
#include <base/strbuf.h>

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define PROCESS_FDS_MAX 16

/* A process for good: its pid, and its start time as of process_start_time(). */
struct process_id {
	int64_t pid;
	uint64_t start_time;
};

struct process_spec {
	const char *program;      /* absolute path */
	char *const *argv;        /* NULL-terminated */
	char *const *env;         /* NULL: the caller's */
	int fds[PROCESS_FDS_MAX]; /* fds[i] becomes descriptor i in the child;
				   * -1: /dev/null for 0..2, absent above */
	unsigned n_fds;           /* at least 3 are always set up */
	bool new_session;         /* setsid(2) */
	bool die_with_parent;     /* SIGKILL when the calling thread's process ends */
	uint64_t memory_max;      /* RLIMIT_DATA in bytes; 0: as is */
	int id_fd;                /* above 0: before it executes the child writes its struct */
	off_t id_at;              /* process_id there, at this offset; best effort */
};

/* Start it.  Fails with the reason when exec fails (the child reports errno
 * through a pipe), never half way.  All signals are default and unblocked in
 * the child; descriptors not listed are closed. */
int process_spawn(const struct process_spec *spec, pid_t *ret_pid, struct holos_error **err);

/* Run to the end with a deadline (CLOCK_MONOTONIC ns), stdin from /dev/null,
 * stdout and stderr captured up to 1 MiB each (the rest is dropped; what others
 * write who got the streams from it is not waited for).  *ret_status
 * is as from waitpid(2).  A child still running at the deadline is killed and
 * the call fails with ERR_TIMEOUT; so with ERR_INTERRUPTED when the user asked to
 * stop (base/interrupt.h). */
int process_run(const char *program, char *const *argv, uint64_t deadline_ns, struct strbuf *out,
		struct strbuf *errout, int *ret_status, struct holos_error **err);
/* The same with its stdin from the descriptor `in`. */
int process_run_from(int in, const char *program, char *const *argv, uint64_t deadline_ns,
		     struct strbuf *out, struct strbuf *errout, int *ret_status,
		     struct holos_error **err);

/* fork(2) for a few lines of C beside this process, which must have no threads: to
 * wait for what cannot be polled, or to compute on another CPU.  In the child, which
 * dies with its parent, nothing is open but keep[], n of them.  Returns as fork(2).
 * What runs a plugin's or anybody else's code is a program: process_spawn(). */
pid_t process_fork(const int *keep, unsigned n);

/* "exited with status 3" / "was killed by signal 9 (Killed)"; buf >= 64. */
const char *process_describe_status(int status, char *buf);

/* Start time of a process in clock ticks since boot (field 22 of
 * /proc/PID/stat): with the pid an identity that survives pid reuse.  0 when
 * there is no such process or it is a zombie. */
uint64_t process_start_time(pid_t pid);
/* How long ago that was, whatever was done to the clock since. */
uint64_t process_age_ns(uint64_t start_time);

#endif
