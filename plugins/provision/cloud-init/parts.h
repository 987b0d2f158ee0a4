/* SPDX-License-Identifier: Apache-2.0
 *
 * parts.h - the files of a seed, each written from the steps.
 *
 * Every function appends to `out`.  A mistake in the steps is in s->status,
 * one of the text (too long, no memory) in out->status.
 */
#ifndef CI_PARTS_H
#define CI_PARTS_H

#include "buf.h"
#include "steps.h"

/* host_key: private half of the SSH host key, or NULL. */
void ci_userdata(struct ci_steps *s, const char *host_key, struct ci_buf *out);
void ci_metadata(struct ci_steps *s, struct ci_buf *out);
/* Nothing is written when the steps have no `nics`. */
void ci_network(struct ci_steps *s, struct ci_buf *out);

/* The data of boot.sh and first.sh (holos/ on the seed). */
void ci_facts(struct ci_steps *s, struct ci_buf *out);
void ci_hosts(struct ci_steps *s, struct ci_buf *out);
void ci_mounts(struct ci_steps *s, struct ci_buf *out);
void ci_environment(struct ci_steps *s, struct ci_buf *out); /* lines of /etc/environment */
void ci_profile(struct ci_steps *s, struct ci_buf *out);     /* a script of /etc/profile.d */

/* runcmd of first.sh. */
void ci_runcmd(struct ci_steps *s, struct ci_buf *out);
/* Element i of a list of commands as a line for sh, and how it is shown. */
void ci_command(struct ci_steps *s, const char *list, unsigned i, struct ci_buf *text,
		struct ci_buf *shown);

/* Made from the .sh files by CMake; each ends with a NUL. */
extern const unsigned char ci_boot_sh[];
extern const size_t ci_boot_sh_len;
extern const unsigned char ci_bootcmd_sh[];
extern const size_t ci_bootcmd_sh_len;
extern const unsigned char ci_say_sh[];
extern const size_t ci_say_sh_len;
extern const unsigned char ci_first_sh[];
extern const size_t ci_first_sh_len;
extern const unsigned char ci_serial_sh[];
extern const size_t ci_serial_sh_len;
extern const unsigned char ci_context_sh[];
extern const size_t ci_context_sh_len;

struct ci_file {
	const char *path; /* relative, parents before children; ends in / for a directory */
	const char *data;
	size_t len;
	unsigned mode;
};

/* Write an ISO 9660 image with these files to fd. */
holos_status ci_iso_write(const struct holos_host *host, int fd, const struct ci_file *files,
			  size_t n, holos_error *err);

/* Write the context disk, the files of /copies, to fd, an empty file. */
void ci_medium(struct ci_steps *s, holos_call *call, int fd);

#endif
