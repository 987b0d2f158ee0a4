/* SPDX-License-Identifier: Apache-2.0
 *
 * adopt.c - take over a QEMU whose monitor died.
 *
 * That some QEMU of this directory lives is known by its lock.  Which process
 * it is: the one that listens on qmp.sock (SO_PEERCRED), else the one that
 * vm.json, or the file `alive` itself, names with its start time.  That it is our VM: its UUID over
 * QMP.
 */
#include <base/clock.h>
#include <base/fs.h>
#include <base/jsonx.h>
#include <base/process.h>
#include <monitor/monitor.h>
#include <state/alive.h>
#include <state/lastword.h>
#include <state/qemuid.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CMDLINE_MAX                                                                                \
	(2u << 20) /* Linux: at most a quarter of the stack's limit, in practice less              \
		    */

/* The process at the other end of QMP, or 0. */
static pid_t peer_pid(const struct qmp *q)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (q == NULL || getsockopt(qmp_fd(q), SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 ||
	    cred.uid != geteuid())
		return 0;
	return cred.pid;
}

/* Does the process's command line hold our UUID?  Read after the pidfd was
 * opened, so it is that process's. */
static bool says_uuid(pid_t pid, const char *uuid)
{
	_cleanup_(strbuf_finish) struct strbuf text = STRBUF_INIT;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%ld/cmdline", (long)pid);
	if (fs_read(AT_FDCWD, path, CMDLINE_MAX, &text, NULL) < 0)
		return false;
	for (size_t i = 0; i < text.len; i += strlen(text.s + i) + 1) {
		if (strcmp(text.s + i, uuid) == 0)
			return true;
	}
	return false;
}

static int watch_process(struct monitor *m, struct holos_error **err)
{
	struct vm_record *vm = m->vm;
	pid_t peer = peer_pid(m->qemu.qmp), pid = peer != 0 ? peer : vm->pid;
	uint64_t start;
	int pidfd;

	if (pid == 0)
		return error_set(err, ERR_FAILED,
				 "cannot adopt the VM: nothing tells which "
				 "process its QEMU is");
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot adopt QEMU (pid %ld)", (long)pid);
	start = process_start_time(pid);
	/* A monitor that was killed in the first moments has noted no process. */
	m->qemu.proven = start != 0 &&
			 (vm->pid == 0 || (pid == vm->pid && start == vm->pid_start)) &&
			 says_uuid(pid, m->launch->uuid);
	if (peer == 0 && !m->qemu.proven) {
		close(pidfd);
		return error_set(err, ERR_FAILED,
				 "cannot adopt the VM: process %ld is not its "
				 "QEMU, and QMP is closed",
				 (long)pid);
	}
	vm->pid = pid;
	vm->pid_start = start;
	return qemu_adopt_process(m, pid, pidfd, err);
}

void adopt_start(struct monitor *m)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct alive alive = { false, false };

	if (alive_query(m->dirfd, &alive, &err) < 0) {
		life_refuse(m, err);
		return;
	}
	alive.monitor = false; /* it is this one, and not the record's */
	if (!alive.qemu) {
		last_word_apply(m->dirfd, &alive, m->vm);
		vm_record_settle(m->vm, &alive);
		m->vm->monitor_pid = getpid();
		m->phase = PHASE_ENDING;
		record_state(m, m->vm->state);
		serve_end(m);
		return;
	}
	qemu_id_apply(m->dirfd, &alive, m->vm);
	m->phase = PHASE_BOOT;
	qemu_adopt(m);
	if (watch_process(m, &err) < 0) {
		life_refuse(m, err);
		return;
	}
	helpers_adopt(m);
	provision_adopt(m);
	/* Until QMP answers, the record's state is the best there is. */
	m->ever_up = true;
	record_details(m);
}

static void on_uuid(void *data, struct json_object *ret, const struct qmp_error *error)
{
	struct monitor *m = data;
	const char *uuid = jsonx_str(ret, "UUID", NULL);

	if (uuid == NULL) {
		if (error != NULL)
			fprintf(stderr, "holos-monitor: query-uuid: %s\n", error->desc);
		return;
	}
	if (strcasecmp(uuid, m->launch->uuid) != 0) {
		_cleanup_(error_destroyp) struct holos_error *err = NULL;

		error_set(&err, ERR_FAILED,
			  "cannot adopt the VM: the QEMU there has UUID %.40s "
			  "and not %.40s",
			  uuid, m->launch->uuid);
		life_refuse(m, err);
		return;
	}
	m->qemu.verified = true;
	m->qemu.proven = true;
	qemu_query_status(m);
}

void adopt_verify(struct monitor *m)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;

	if (qmp_execute(m->qemu.qmp, "query-uuid", NULL, on_uuid, m, &err) < 0)
		fprintf(stderr, "holos-monitor: %s\n", err->message);
}
