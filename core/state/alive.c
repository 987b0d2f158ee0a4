/* SPDX-License-Identifier: Apache-2.0
 *
 * alive.c - see alive.h.
 */
#include <base/cleanup.h>
#include <state/alive.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static struct flock byte_lock(enum alive_who who)
{
	struct flock lk = {
		.l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = (off_t)who,
		.l_len = 1,
		.l_pid = 0, /* demanded by F_OFD_* */
	};

	return lk;
}

static int query_byte(int fd, enum alive_who who, bool *ret, struct holos_error **err)
{
	struct flock lk = byte_lock(who);

	if (fcntl(fd, F_OFD_GETLK, &lk) < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot ask for the lock of %s",
				 ALIVE_FILE);
	*ret = lk.l_type != F_UNLCK;
	return 0;
}

int alive_query(int dirfd, struct alive *ret, struct holos_error **err)
{
	_cleanup_(closep) int fd =
		openat(dirfd, ALIVE_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0) {
		if (errno != ENOENT)
			return error_sys(err, ERR_FAILED, errno, "cannot open %s", ALIVE_FILE);
		*ret = (struct alive){ false, false };
		return 0;
	}
	return alive_query_fd(fd, ret, err);
}

int alive_query_fd(int fd, struct alive *ret, struct holos_error **err)
{
	struct alive a = { false, false };
	int r = query_byte(fd, ALIVE_MONITOR, &a.monitor, err);

	if (r == 0)
		r = query_byte(fd, ALIVE_QEMU, &a.qemu, err);
	if (r == 0)
		*ret = a;
	return r;
}

int alive_take(int dirfd, enum alive_who who, int *ret_fd, struct holos_error **err)
{
	_cleanup_(closep) int fd = openat(
		dirfd, ALIVE_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	struct flock lk = byte_lock(who);

	if (fd < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot open %s", ALIVE_FILE);
	if (fcntl(fd, F_OFD_SETLK, &lk) < 0) {
		if (errno == EAGAIN || errno == EACCES)
			return error_set(err, ERR_BUSY, "%s lives already",
					 who == ALIVE_QEMU ? "the VM's QEMU" : "the VM's monitor");
		return error_sys(err, ERR_FAILED, errno, "cannot lock %s", ALIVE_FILE);
	}
	*ret_fd = steal_fd(&fd);
	return 0;
}
