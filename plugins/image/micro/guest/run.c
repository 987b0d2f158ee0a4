/* run.c - child processes: always an argument list, never a shell in between. */
#include "micro.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_ARGS 256

int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

_Noreturn void exec_args(const char *file, const char *const *argv)
{
	char *av[MAX_ARGS + 1];
	size_t n = 0;

	/* exec takes pointers to writable strings for historical reasons only */
	for (; argv[n] && n < MAX_ARGS; n++)
		memcpy(&av[n], &argv[n], sizeof(av[n]));
	av[n] = NULL;
	execvp(file, av);
	_exit(errno == ENOENT ? 127 : 126);
}

static int place(int fd, int target, int flags)
{
	int nfd = fd;

	if (fd == RUN_NULL)
		nfd = open("/dev/null", flags | O_CLOEXEC);
	return dup2(nfd, target);
}

pid_t start(int in, int out, const char *const *argv)
{
	pid_t pid = fork();
	sigset_t none;

	if (pid != 0)
		return pid;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (place(in, 0, O_RDONLY) < 0 || place(out, 1, O_WRONLY) < 0 || dup2(1, 2) < 0)
		_exit(126);
	exec_args(argv[0], argv);
}

int await(pid_t pid)
{
	int st;

	if (pid < 0)
		return -1;
	while (waitpid(pid, &st, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
}

int run(int in, int out, const char *const *argv)
{
	return await(start(in, out, argv));
}

int runl(const char *file, ...)
{
	const char *argv[MAX_ARGS];
	size_t n = 0;
	va_list ap;
	int fd, st;

	argv[n++] = file;
	va_start(ap, file);
	while (n < MAX_ARGS - 1 && (argv[n] = va_arg(ap, const char *)))
		n++;
	va_end(ap);
	argv[n] = NULL;
	fd = open(CI_LOG, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	st = run(RUN_NULL, fd < 0 ? RUN_NULL : fd, argv);
	if (fd >= 0)
		close(fd);
	return st;
}
