/* SPDX-License-Identifier: Apache-2.0
 *
 * logs.h - what verb_logs.c, logprint.c and follow.c share: files that guests write.
 */
#ifndef CLI_LOGS_H
#define CLI_LOGS_H

#include <base/error.h>
#include <base/strbuf.h>
#include <state/consoletimes.h>
#include <state/layout.h>

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

struct logs {
	const struct state *state;
	const char *project;
	const char *what; /* a service, an instance, or NULL: all */
	bool is_service;  /* what: the service, also where an instance has its name */
	const char *file; /* "console.log" */
	bool tty;
	bool colour;          /* of prefixes */
	bool prefix;          /* "web-0 | " before each line, in place of headings */
	bool times;           /* ... and when it was said */
	int64_t since, until; /* ns since 1970; 0: no bound */
	int width;            /* of the longest name so far */
};

struct log_file {
	char *name; /* of the instance */
	int fd;     /* -1: not there (yet) */
	off_t at;   /* read so far */
	struct log_copy {
		ino_t ino;
		struct timespec mtime;
	} copy;        /* of follow.c: the rotated one beside it, as last seen */
	int dir_watch; /* of follow.c: -1: the instance is gone */
	int file_watch;
	unsigned number;            /* of its colour */
	struct strbuf line;         /* what came of a line that is not whole */
	struct console_time *notes; /* of console.log, at the beginning */
	size_t n_notes;
	int64_t written; /* when it was opened: the time of the last change */
	int64_t said;    /* when the line before was said; 0: unknown */
	bool live;       /* what comes is said now */
};

/* Does what is asked for include this instance? */
bool logs_wanted(const struct logs *l, const char *instance);
/* Open the file of an instance; false: it is not there, errno says why. */
bool log_open(const struct logs *l, struct log_file *f);
/* Where the last n lines of a file of this size begin: read backwards, block by
 * block. */
off_t log_tail(int fd, off_t size, uint64_t n);
/* Print what fd, the file of f or a copy of it, has from *at on, but not beyond `end`
 * (-1: its end); *at moves. */
void log_print(struct logs *l, struct log_file *f, int fd, off_t *at, off_t end);
/* ... and what is left of a line without an end. */
void log_print_rest(struct logs *l, struct log_file *f);
void log_file_finish(struct log_file *f);

/* Go on printing what comes, until all the instances are removed or nobody reads
 * any more.  files (array of *n, of *cap) may grow: instances that are made
 * meanwhile are followed as well. */
int logs_follow(struct logs *l, struct log_file **files, size_t *n, size_t *cap,
		struct holos_error **err);

#endif
