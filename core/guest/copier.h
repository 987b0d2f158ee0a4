/* SPDX-License-Identifier: Apache-2.0
 *
 * copier.h - holos-copy, the program that makes files into a tar stream and back.
 *
 * A program of its own, as what a guest sends is read by libarchive, and so that
 * disk and network work at the same time:
 *
 *   holos-copy pack tree|contents|file [-a] SOURCE [NAME]      the stream on descriptor 1
 *   holos-copy unpack tree|file|link [-a] DIRECTORY NAME       the stream on descriptor 0
 *
 * pack: `tree` is the directory SOURCE with itself as ".", `contents` without that,
 * `file` one file or link as NAME.  unpack: everything becomes DIRECTORY/NAME, where NAME
 * "." is the directory itself, and nothing is written anywhere else; `file` and `link` are
 * one entry, whatever the stream calls it, and no link where a file is due.  -a keeps
 * owners.
 *
 * Descriptor 3 takes one struct copier_message a time (SOCK_SEQPACKET).  The program ends
 * with 0 when everything was copied.
 */
#ifndef GUEST_COPIER_H
#define GUEST_COPIER_H

#include <base/error.h>

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define COPIER_FD 3

enum copier_kind {
	COPIER_PROGRESS = 1, /* files and bytes so far */
	COPIER_WARNING,      /* text: this was left out */
	COPIER_ERROR         /* text: this went wrong */
};

struct copier_message {
	uint32_t kind;
	uint32_t errors; /* and warnings so far: more than are sent */
	uint64_t files, bytes;
	char text[1024]; /* NUL-terminated; may hold a guest's bytes */
};

/* Start it: args are what follows the program's name, NULL-terminated; stream is its
 * descriptor 0 or 1, the caller's to close; *ret_fd receives its messages
 * (non-blocking).  It ends with this process. */
int copier_start(char *const *args, int stream, pid_t *ret_pid, int *ret_fd,
		 struct holos_error **err);
/* The next message: 1; 0: none now; -1: there will be no other. */
int copier_receive(int fd, struct copier_message *ret);
/* Wait for its end.  Its status as from waitpid(2). */
int copier_wait(pid_t pid);

#endif
