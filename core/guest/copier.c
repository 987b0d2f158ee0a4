/* SPDX-License-Identifier: Apache-2.0
 *
 * copier.c - see copier.h.
 */
#include <base/alloc.h>
#include <base/fs.h>
#include <base/paths.h>
#include <base/process.h>
#include <base/strv.h>
#include <guest/copier.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* What libarchive needs at most for the headers of a hostile stream. */
#define MEMORY_MAX (512ull << 20)

int copier_start(char *const *args, int stream, pid_t *ret_pid, int *ret_fd,
		 struct holos_error **err)
{
	_cleanup_(freep) char *program = fs_join(paths_libexec(), "holos-copy");
	_cleanup_(strv_finish) struct strv argv = STRV_INIT;
	_cleanup_(closep) int ours = -1;
	_cleanup_(closep) int theirs = -1;
	bool pack = strcmp(args[0], "pack") == 0;
	struct process_spec spec = { .program = program,
				     .fds = { pack ? -1 : stream, pack ? stream : -1, 2, -1 },
				     .n_fds = COPIER_FD + 1,
				     .new_session = true,
				     .die_with_parent = true,
				     .memory_max = MEMORY_MAX };
	int pair[2];
	int r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot make a socket");
	ours = pair[0];
	theirs = pair[1];
	if (fcntl(ours, F_SETFL, O_NONBLOCK) < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot make a socket");
	strv_add(&argv, "holos-copy");
	strv_add_all(&argv, args);
	spec.argv = argv.v;
	spec.fds[COPIER_FD] = theirs;
	r = process_spawn(&spec, ret_pid, err);
	if (r < 0)
		return r;
	*ret_fd = steal_fd(&ours);
	return 0;
}

int copier_receive(int fd, struct copier_message *ret)
{
	ssize_t n = recv(fd, ret, sizeof(*ret), 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n != (ssize_t)sizeof(*ret))
		return -1;
	ret->text[sizeof(ret->text) - 1] = '\0';
	return 1;
}

int copier_wait(pid_t pid)
{
	int status = -1;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}
