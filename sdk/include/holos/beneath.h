/* SPDX-License-Identifier: Apache-2.0
 * Opening what a document names below a directory; compiled into whoever includes
 * it, and not part of the ABI.  Linux with _GNU_SOURCE (O_PATH, syscall); nothing
 * is declared elsewhere. */
#ifndef HOLOS_BENEATH_H
#define HOLOS_BENEATH_H
#if defined(__linux__) && defined(_GNU_SOURCE)
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* For kernels that have no openat2(2), before 5.6, or forbid it: part by part. */
static inline int holos_open_parts(int dir, const char *path, int flags)
{
	char part[NAME_MAX + 1];
	int at = dir;

	for (;;) {
		size_t n = strcspn(path, "/");
		int last = path[n] == '\0', next, error;

		if (n == 0 || n > NAME_MAX || (n == 2 && path[0] == '.' && path[1] == '.')) {
			if (at != dir)
				close(at);
			errno = n > NAME_MAX ? ENAMETOOLONG : EXDEV;
			return -1;
		}
		memcpy(part, path, n);
		part[n] = '\0';
		next = openat(at, part,
			      (last ? flags : O_PATH | O_DIRECTORY) | O_NOFOLLOW | O_CLOEXEC);
		error = errno;
		if (at != dir)
			close(at);
		errno = error;
		if (next < 0 || last)
			return next;
		at = next;
		path += n + 1;
	}
}

/* Open the relative path below dir; no part of it may be a link or lead out, also
 * not one that somebody puts there meanwhile.  -1 with errno (ELOOP, EXDEV). */
static inline int holos_open_beneath(int dir, const char *path, int flags)
{
	struct open_how how;
	long fd;

	memset(&how, 0, sizeof how);
	how.flags = (unsigned long long)(unsigned int)(flags | O_CLOEXEC);
	how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
	fd = syscall(SYS_openat2, dir, path, &how, sizeof how);
	if (fd < 0 && (errno == ENOSYS || errno == EPERM))
		return holos_open_parts(dir, path, flags);
	return (int)fd;
}
#endif
#endif
