/* SPDX-License-Identifier: Apache-2.0
 *
 * attach.c - see attach.h.
 */
#include <base/alloc.h>
#include <base/fs.h>
#include <base/paths.h>
#include <engine/attach.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>

#define TRIES  100 /* in all half a second */
#define TRY_MS 5

int attach_start(struct engine *e, const char *dir, bool adopt, monitor_vm_fn *on_vm,
		 monitor_end_fn *on_end, void *data, struct monitor_conn **ret,
		 struct holos_error **err)
{
	_cleanup_(freep) char *program = fs_join(paths_libexec(), "holos-monitor");
	struct monitor_options o = { .program = program, .adopt = adopt };
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	int r = monitor_start_connected(e->loop, dir, &o, on_vm, on_end, data, ret, NULL, &why);

	if (r == 0)
		return 0;
	if (why->code != ERR_BUSY)
		return error_move(err, &why);
	/* Somebody else's command was faster: its monitor serves us as well. */
	return monitor_connect(e->loop, dir, on_vm, on_end, data, ret, err);
}

int attach_vm(struct engine *e, const struct vm_status *vm, monitor_vm_fn *on_vm,
	      monitor_end_fn *on_end, void *data, struct monitor_conn **ret,
	      struct holos_error **err)
{
	_cleanup_(closep) int dir = open(vm->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct alive alive;
	int r;

	if (dir < 0)
		return errno == ENOENT
			       ? 0
			       : error_sys(err, ERR_FAILED, errno, "cannot open %s", vm->dir);
	/* Again: a monitor may end, or begin, between the question and the connection. */
	for (unsigned i = 0;; i++) {
		_cleanup_(error_destroyp) struct holos_error *why = NULL;

		r = alive_query(dir, &alive, err);
		if (r < 0)
			return r;
		if (!alive.monitor && !alive.qemu)
			return 0;
		r = alive.monitor
			    ? monitor_connect(e->loop, vm->dir, on_vm, on_end, data, ret, &why)
			    : attach_start(e, vm->dir, true, on_vm, on_end, data, ret, &why);
		if (r == 0)
			return 1;
		/* The lock is taken a moment before the socket is there, by whoever
		 * starts the monitor; nothing tells when. */
		if (why->sys_errno == ECONNREFUSED || why->sys_errno == ENOENT)
			(void)poll(NULL, 0, TRY_MS);
		if (i == TRIES || (why->sys_errno != ECONNREFUSED && why->sys_errno != ENOENT))
			return error_move(err, &why);
	}
}
