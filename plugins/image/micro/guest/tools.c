/* tools.c - small programs scripts expect and Debian's static busybox does not have. */
#include "micro.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* mountpoint [-q] [-d] PATH: also right for bind mounts of one file system */
int mountpoint_main(int argc, char **argv)
{
	bool quiet = false, dev = false, is = false;
	char *text, *save = NULL, *real;
	struct stat st;
	int c;

	while ((c = getopt(argc, argv, "qd")) != -1) {
		quiet |= c == 'q';
		dev |= c == 'd';
	}
	if (optind != argc - 1)
		return 1;
	real = realpath(argv[optind], NULL);
	text = slurp("/proc/self/mountinfo", 1 << 20, NULL);
	if (!real || !text || stat(real, &st) < 0) {
		if (!quiet)
			perror(argv[optind]);
		return 1;
	}
	for (char *l = strtok_r(text, "\n", &save); l && !is; l = strtok_r(NULL, "\n", &save)) {
		char *f = l;

		for (int i = 0; i < 4 && f; i++) {
			f = strchr(f, ' ');
			f = f ? f + 1 : NULL;
		}
		is = f && strncmp(f, real, strlen(real)) == 0 && f[strlen(real)] == ' ';
	}
	if (is && dev)
		printf("%u:%u\n", major(st.st_dev), minor(st.st_dev));
	else if (!quiet)
		printf("%s is %sa mountpoint\n", argv[optind], is ? "" : "not ");
	return is ? 0 : 32;
}

/* bash, for scripts and users that name it: busybox's shell does most of it */
int bash_main(int argc, char **argv)
{
	const char *av[256];
	size_t n = 0;

	av[n++] = argv[0][0] == '-' ? "-sh" : "sh";
	for (int i = 1; i < argc && n < ARRAY_LEN(av) - 1; i++) {
		if (!strcmp(argv[i], "--login"))
			av[n++] = "-l";
		else if (strcmp(argv[i], "--norc") != 0 && strcmp(argv[i], "--noprofile") != 0)
			av[n++] = argv[i];
	}
	av[n] = NULL;
	exec_args("/bin/sh", av);
}

int nohup_main(int argc, char **argv)
{
	if (argc < 2)
		return 125;
	(void)signal(SIGHUP, SIG_IGN);
	if (isatty(1)) {
		int fd = open("nohup.out", O_WRONLY | O_CREAT | O_APPEND, 0600);

		if (fd < 0)
			return 125;
		dup2(fd, 1);
		if (isatty(2))
			dup2(fd, 2);
	}
	execvp(argv[1], argv + 1);
	perror(argv[1]);
	return 127;
}

/* shutdown [-h|-P|-r|-H] [now]: always now */
int shutdown_main(int argc, char **argv)
{
	int sig = SIGUSR2;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "-r"))
			sig = SIGTERM;
		else if (!strcmp(argv[i], "-H"))
			sig = SIGUSR1;
	}
	if (kill(1, sig) == 0)
		return 0;
	perror("shutdown");
	return 1;
}
