/* SPDX-License-Identifier: Apache-2.0
 *
 * image.c - drives must exist and be free, shares must exist.
 *
 * QEMU's image locking (block/file-posix.c): byte 100+i is locked shared for
 * each permission i in use, byte 200+i for each permission not shared with
 * others; a conflict shows in a query for the opposite byte.
 */
#include "fake.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOCK_PERM_BASE   100
#define LOCK_SHARED_BASE 200
#define PERM_READ        0
#define PERM_WRITE       1

static int lock_byte(int fd, int cmd, short type, off_t at, short *ret_type)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = 1 };
	int r = fcntl(fd, cmd, &l);

	if (ret_type)
		*ret_type = l.l_type;
	return r;
}

/* The descriptor stays open, and with it the lock, until the process ends. */
static int lock_image(int fd, bool writable, const char **ret_conflict)
{
	short held = F_UNLCK;

	*ret_conflict = NULL;
	if (lock_byte(fd, F_OFD_SETLK, F_RDLCK, LOCK_PERM_BASE + PERM_READ, NULL) ||
	    lock_byte(fd, F_OFD_SETLK, F_RDLCK, LOCK_SHARED_BASE + PERM_WRITE, NULL) ||
	    (writable && lock_byte(fd, F_OFD_SETLK, F_RDLCK, LOCK_PERM_BASE + PERM_WRITE, NULL)))
		return -1;
	if (writable) {
		if (lock_byte(fd, F_OFD_GETLK, F_WRLCK, LOCK_SHARED_BASE + PERM_WRITE, &held))
			return -1;
		if (held != F_UNLCK) {
			*ret_conflict = "\"write\"";
			return 0;
		}
	}
	if (lock_byte(fd, F_OFD_GETLK, F_WRLCK, LOCK_PERM_BASE + PERM_WRITE, &held))
		return -1;
	if (held != F_UNLCK)
		*ret_conflict = "shared \"write\"";
	return 0;
}

static int open_image(const char *option, const char *text)
{
	char *path = opts_get(text, "file");
	char *readonly = opts_get(text, "readonly");
	char *locking = opts_get(text, "file.locking");
	bool writable = !readonly || strcmp(readonly, "on") != 0;
	const char *conflict = NULL;
	int fd, result = -1;

	if (!path) {
		free(readonly);
		free(locking);
		return 0;
	}
	fd = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	if (fd < 0) {
		complain("-%s %s: Could not open '%s': %s", option, text, path, strerror(errno));
	} else if (locking && !strcmp(locking, "off")) {
		result = 0;
	} else if (lock_image(fd, writable, &conflict)) {
		complain("-%s %s: Failed to lock byte 100", option, text);
	} else if (conflict) {
		complain("-%s %s: Failed to get %s lock\n"
			 "Is another process using the image [%s]?",
			 option, text, conflict, path);
	} else {
		result = 0;
	}
	free(path);
	free(readonly);
	free(locking);
	return result;
}

static int check_share(const char *option, const char *text)
{
	char *path = opts_get(text, "path");
	char *tag = opts_get(text, "mount_tag");
	int result = 0;

	if (tag && strlen(tag) > 31) {
		complain("-%s %s: mount tag '%s' (%zu bytes) is longer than maximum (31 bytes)",
			 option, text, tag, strlen(tag));
		result = -1;
	} else if (path && access(path, F_OK)) {
		complain("-%s %s: cannot initialize fsdev '%s': failed to open '%s': %s", option,
			 text, tag ? tag : "", path, strerror(errno));
		result = -1;
	}
	free(path);
	free(tag);
	return result;
}

int image_open_all(struct fake *f)
{
	for (unsigned i = 0; i < f->n_options; i++) {
		const struct option *o = &f->options[i];

		if (!strcmp(o->name, "drive") && open_image(o->name, o->value))
			return -1;
		if ((!strcmp(o->name, "virtfs") || !strcmp(o->name, "fsdev")) &&
		    check_share(o->name, o->value))
			return -1;
	}
	return 0;
}
