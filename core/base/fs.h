/* SPDX-License-Identifier: Apache-2.0
 *
 * fs.h - files: bounded reads, whole writes, removal that follows no link.
 *
 * Every descriptor is close-on-exec.  Paths are relative to dirfd (AT_FDCWD
 * for the current directory).
 */
#ifndef BASE_FS_H
#define BASE_FS_H

#include <base/error.h>
#include <base/strbuf.h>

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Read a regular file whole, at most max bytes (one more is an error).  Never
 * blocks on a FIFO; a directory or device is an error.  ENOENT is kept in
 * err->sys_errno. */
int fs_read(int dirfd, const char *path, size_t max, struct strbuf *ret, struct holos_error **err);
/* The same from a descriptor, which may be a pipe. `name` is for messages. */
int fs_read_fd(int fd, const char *name, size_t max, struct strbuf *ret, struct holos_error **err);

/* Write a file whole or not at all: temporary name in the same directory,
 * write, fsync, rename, fsync of the directory (crash rule 1). */
int fs_write_atomic(int dirfd, const char *path, const void *data, size_t len, mode_t mode,
		    struct holos_error **err);
/* The same without the fsyncs: for what may be lost with the machine's power
 * (and is made again), but never half written. */
int fs_write_replace(int dirfd, const char *path, const void *data, size_t len, mode_t mode,
		     struct holos_error **err);
/* Remove what killed writers left in a directory: PREFIX*.tmp.PID of the functions
 * above, PREFIX*.new of half-made disks (vm/disk.c).  The caller knows that nobody
 * writes there now.  path: a directory below dirfd; a missing one has nothing. */
void fs_sweep_temporary(int dirfd, const char *path, const char *prefix);
/* Take the name away from what is no plain file, or has other names too: what is
 * written to it would go elsewhere.  A directory keeps it. */
void fs_clear_name(int dirfd, const char *name);
/* Open a log of ours for appending, made when missing; never another's file, a FIFO
 * or the like.  A descriptor, or -1 with errno. */
int fs_open_log(int dirfd, const char *name);
/* Write everything to fd.  0 or -errno. */
int fs_write_all(int fd, const void *data, size_t len);
int fs_sync_dir(int dirfd, const char *path, struct holos_error **err);
int fs_sync_file(int dirfd, const char *path, struct holos_error **err);
/* Rename, where nothing has the new name yet.  0, or -1 with errno (EEXIST). */
int fs_rename_new(int from_dirfd, const char *from, int to_dirfd, const char *to);

/* Make the directory and its parents, each new one with mode. */
int fs_mkdir_p(const char *path, mode_t mode, struct holos_error **err);
/* Open a directory, made with mode if missing (parents are not). */
int fs_open_dir(int dirfd, const char *path, mode_t mode, struct holos_error **err);
/* Remove a tree without following links or leaving dirfd's file system
 * subtree.  Nothing there is success. */
int fs_remove_tree(int dirfd, const char *path, struct holos_error **err);
/* Copy a regular file: reflink, else sparse-aware copy.  No fsync. */
int fs_copy(int src_dirfd, const char *src, int dst_dirfd, const char *dst, mode_t mode,
	    struct holos_error **err);

/* a/b joined with one slash, or b when b is absolute; the caller frees. */
char *fs_join(const char *a, const char *b);
/* Absolute and free of "." and ".." by text alone; the caller frees.
 * base must be absolute. */
char *fs_normalize(const char *base, const char *path);
/* Search PATH for an executable regular file (a name with '/' is looked at from
 * here).  Absolute; the caller frees; NULL when there is none. */
char *fs_find_program(const char *name);
bool fs_exists(int dirfd, const char *path);
/* Is there certainly nothing of this name, not even a dangling link?  What
 * cannot be found out counts as there. */
bool fs_absent(int dirfd, const char *path);

#endif
