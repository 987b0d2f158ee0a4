/* SPDX-License-Identifier: Apache-2.0
 *
 * qemuid.c - see qemuid.h.
 */
#include <base/cleanup.h>
#include <base/process.h>
#include <state/qemuid.h>

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

void qemu_id_apply(int dirfd, const struct alive *alive, struct vm_record *r)
{
	_cleanup_(closep) int fd = -1;
	struct process_id id;

	if (!alive->qemu || r->pid != 0)
		return;
	fd = openat(dirfd, ALIVE_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || pread(fd, &id, sizeof(id), QEMU_ID_AT) != (ssize_t)sizeof(id))
		return;
	if (id.pid <= 1 || id.pid > INT_MAX || id.start_time == 0 ||
	    process_start_time((pid_t)id.pid) != id.start_time)
		return;
	r->pid = (pid_t)id.pid;
	r->pid_start = id.start_time;
}
