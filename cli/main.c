/* SPDX-License-Identifier: Apache-2.0
 *
 * main.c - holos: which verb, and the exit status.
 */
#include <cli.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int dispatch(int argc, char **argv, struct holos_error **err)
{
	static const char *const version_options[] = { "--version", "-version", "-v" };
	static const char *const help_options[] = { "--help", "-help", "-h" };
	const struct verb *v;
	int r;

	if (argc < 2) {
		help_overview(stderr);
		return error_set(err, ERR_USAGE, "missing command");
	}
	for (size_t i = 0; i < 3; i++) {
		if (strcmp(argv[1], version_options[i]) == 0)
			return verb_version(&entry_version, 0, NULL, err);
		if (strcmp(argv[1], help_options[i]) == 0) {
			help_overview(stdout);
			return 0;
		}
	}
	v = verb_find(argv[1]);
	if (v == NULL)
		return verb_unknown(argv[1], err);
	r = v->run(v, argc - 2, argv + 2, err);
	if (r == -ERR_USAGE && *err != NULL && (*err)->hint == NULL)
		error_hint(err, "holos help %s", v->name);
	return r == HELP_SHOWN ? 0 : r;
}

/* Descriptors 0 to 2 exist, whatever the caller closed: what is opened later
 * must not be taken for them. */
static void open_standard(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0) {
		fprintf(stderr, "holos: cannot open /dev/null: %s\n", strerror(errno));
		_exit(ERR_HOLOS);
	}
	close(fd);
}

/* Has whoever read stdout (`holos ps | head -1`) gone?  What they wanted they had. */
static bool nobody_reads(void)
{
	struct pollfd p = { .fd = STDOUT_FILENO };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLERR) != 0;
}

int main(int argc, char **argv)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	int r;

	open_standard();
	signal(SIGPIPE, SIG_IGN); /* a closed stdout shows as a failed write below */
	umask(umask(0) | 022);    /* nothing of ours is for others to write */
	r = dispatch(argc, argv, &err);
	live_end();
	if (err != NULL)
		print_error(err);
	if ((fflush(stdout) != 0 || ferror(stdout)) && r >= 0 && !nobody_reads()) {
		fputs("holos: cannot write to standard output\n", stderr);
		return ERR_FAILED;
	}
	return r < 0 ? -r : 0;
}
