/* SPDX-License-Identifier: Apache-2.0
 *
 * error.h - what went wrong, for a person and for a script.
 *
 * Functions that may fail return 0 or a negative number and take a
 * `struct holos_error **err` as last argument: untouched on success, set on
 * failure.  Outer layers add context with error_wrap(); the CLI prints once.
 * Several errors found in one run (a compose file's) are chained by `next`.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <base/cleanup.h>

#include <stdarg.h>
#include <stdbool.h>

/* The code of an error is the exit status of the command it ends. */
enum error_code {
	ERR_FAILED = 1,       /* anything not listed here */
	ERR_USAGE = 2,        /* wrong command line */
	ERR_INVALID = 3,      /* the compose file is wrong */
	ERR_HOST = 4,         /* this host cannot do it */
	ERR_BUSY = 5,         /* the project is locked */
	ERR_START = 6,        /* a VM did not start */
	ERR_TIMEOUT = 7,      /* not healthy or not ready in time */
	ERR_VERIFY = 8,       /* an image is not what it should be */
	ERR_HOLOS = 125,      /* holos failed in exec or run */
	ERR_INTERRUPTED = 130 /* Ctrl-C */
};

struct holos_error {
	int code;              /* enum error_code */
	int sys_errno;         /* 0, or the errno behind it */
	char *message;         /* one line, lower case, no newline */
	char *hint;            /* NULL, or what to do: one line */
	char *file;            /* NULL, or where: file, line and column from 1 */
	unsigned line, column; /* 0: unknown */
	struct holos_error *next;
};

/* Set *err (which may be NULL: then nothing is kept) and return -code. */
int error_set(struct holos_error **err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The same with ": strerror(sys_errno)" behind the message.  ENOSPC, EROFS
 * and their like keep their errno for callers that want to tell. */
int error_sys(struct holos_error **err, int code, int sys_errno, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
int error_setv(struct holos_error **err, int code, int sys_errno, const char *fmt, va_list ap)
	__attribute__((format(printf, 4, 0)));
/* Put "text: " before the message of *err.  Returns -code of it. */
int error_wrap(struct holos_error **err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Give the last error of the chain a hint (the first one stays). */
void error_hint(struct holos_error **err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void error_at(struct holos_error *err, const char *file, unsigned line, unsigned column);
/* Append one error (taken over) to the chain. */
void error_append(struct holos_error **chain, struct holos_error *one);
/* Of a longer chain keep ERROR_SHOWN_MAX and say how many more there are. */
#define ERROR_SHOWN_MAX 20
void error_cap(struct holos_error *chain);
/* "file:line:col: message" of the first error; the caller frees. */
char *error_format(const struct holos_error *err);
/* A copy of the first error of `from` into *to (may be NULL); returns -code. */
int error_copy(struct holos_error **to, const struct holos_error *from);
/* Move *from into *to; returns -code. */
int error_move(struct holos_error **to, struct holos_error **from);
void error_destroy(struct holos_error *err); /* the whole chain; NULL is fine */

DEFINE_CLEANUP(struct holos_error *, error_destroyp, error_destroy);

#endif
