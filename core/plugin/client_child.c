/* SPDX-License-Identifier: Apache-2.0
 *
 * client_child.c - the holos-worker child: start it, end it.
 */
#include <plugin/client_internal.h>

#include <base/process.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CLOSE_GRACE_MS  100
#define KEEPER_GRACE_MS 2000

/* The sanitizers' shadow memory counts as data. */
#if defined(__SANITIZE_ADDRESS__)
#define UNDER_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_SANITIZER 1
#endif
#endif
#ifndef UNDER_SANITIZER
#define UNDER_SANITIZER 0
#endif

/* Wait until the child has closed its end of cancel_fd, which it never does
 * before it exits. */
static void await_exit(const struct worker *w)
{
	struct pollfd p = { .fd = w->cancel_fd, .events = POLLIN };

	while (poll(&p, 1, CLOSE_GRACE_MS) < 0 && errno == EINTR)
		;
}

/* Wait for the keeper, which ends everything below it first.  Only one that a
 * plugin has stopped needs force. */
static int reap(pid_t pid)
{
	struct pollfd p = { .fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
	int status = -1;
	pid_t r;

	if (p.fd < 0 || poll(&p, 1, KEEPER_GRACE_MS) == 0)
		kill(-pid, SIGKILL);
	if (p.fd >= 0)
		close(p.fd);
	while ((r = waitpid(pid, &status, 0)) < 0 && errno == EINTR)
		;
	return r == pid ? status : -1;
}

/* The child started by us is its keeper: letting go of cancel_fd makes it end
 * the one that plugins run in, and all that they have started.  One that is
 * exiting already keeps the status it had. */
int client_stop_child(struct worker *w, bool let_close)
{
	int status;

	if (w->pid == 0)
		return -1;
	chan_destroy(w->chan);
	w->chan = NULL;
	if (let_close)
		await_exit(w);
	close(w->cancel_fd);
	w->cancel_fd = -1;
	status = reap(w->pid);
	w->pid = 0;
	return status;
}

static int make_pair(int fds[2])
{
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0 ? -errno : 0;
}

int client_start_child(struct worker *w, struct holos_error **err)
{
	struct process_spec spec = { .program = w->program,
				     .argv = w->argv.v,
				     .env = w->has_env ? w->env.v : NULL,
				     .fds = { -1, w->log_fd, w->log_fd },
				     .n_fds = WIRE_CANCEL_FD + 1,
				     .new_session = true,
				     .memory_max = UNDER_SANITIZER ? 0 : w->memory_max };
	static char *no_env[] = { NULL };
	int talk[2], cancel[2];
	int r;

	if (w->has_env && spec.env == NULL)
		spec.env = no_env;
	r = make_pair(talk);
	if (r < 0)
		return error_sys(err, ERR_FAILED, -r, "cannot start %s", w->program);
	r = make_pair(cancel);
	if (r < 0) {
		client_close_fds(talk, 2);
		return error_sys(err, ERR_FAILED, -r, "cannot start %s", w->program);
	}
	spec.fds[WIRE_FD] = talk[1];
	spec.fds[WIRE_CANCEL_FD] = cancel[1];
	r = process_spawn(&spec, &w->pid, err);
	close(talk[1]);
	close(cancel[1]);
	if (r < 0) {
		w->pid = 0;
		close(talk[0]);
		close(cancel[0]);
		return r;
	}
	w->cancel_fd = cancel[0];
	w->told = 0;
	json_object_put(w->shared);
	w->shared = NULL;
	w->chan = chan_create(w->loop, talk[0], "holos-worker", WIRE_LINE_MAX, client_on_msg,
			      client_on_end, w);
	return 0;
}
