/* SPDX-License-Identifier: Apache-2.0
 *
 * main.c - holos: the verbs and their exit status.
 */
#include <base/alloc.h>
#include <base/names.h>
#include <cli.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const struct verb verbs[] = {
	{ "up", "[SERVICE...]", "start the VMs of the compose file", verb_up },
	{ "run", "IMAGE [-- COMMAND...]", "start one VM without a compose file", verb_run },
	{ "down", "[PROJECT] [SERVICE...]", "stop and remove the VMs and their root disks",
	  verb_down },
	{ "ps", "[PROJECT]", "show projects and their services", verb_ps },
	{ "start", "[SERVICE...|PROJECT]", "start VMs that were stopped", verb_start },
	{ "stop", "[SERVICE...|PROJECT]", "power VMs down, keep their disks", verb_stop },
	{ "restart", "[PROJECT] [SERVICE...]", "stop VMs and start them as they were",
	  verb_restart },
	{ "kill", "[PROJECT] [SERVICE...]", "end VMs at once, keep their disks", verb_kill },
	{ "wait", "[PROJECT] [SERVICE...]", "wait until VMs are down, tell how they ended",
	  verb_wait },
	{ "port", "[PROJECT] SERVICE [PORT]", "show where a port of a VM is reached", verb_port },
	{ "volume", "ls|rm [NAME...]", "list or remove named volumes", verb_volume },
	{ "exec", "[PROJECT] INSTANCE [COMMAND...]", "run a command, or a shell, in a VM",
	  verb_exec },
	{ "console", "[PROJECT] INSTANCE", "a VM's serial console", verb_console },
	{ "logs", "[PROJECT] [SERVICE|INSTANCE]", "show what a VM's console said", verb_logs },
	{ "validate", "", "check the compose file and show what it means", verb_validate },
	{ "config", "[SERVICE]", "print the resolved compose file", verb_config },
	{ "pull", "[IMAGE...]", "download images, and write holos.lock", verb_pull },
	{ "verify", "IMAGE...", "are the images of the store still what they were?", verb_verify },
	{ "images", "[rm IMAGE...|prune]", "list, remove images", verb_images },
	{ "plugins", "[show NAME | check FILE... | manifest FILE]", "list the plugins",
	  verb_plugins },
	{ "version", "", "print the version", verb_version },
	{ "help", "[VERB]", "print help", verb_help },
	{ NULL, NULL, NULL, NULL },
};

static const struct verb *find_verb(const char *name)
{
	for (const struct verb *v = verbs; v->name != NULL; v++) {
		if (strcmp(v->name, name) == 0)
			return v;
	}
	return NULL;
}

void help_overview(FILE *to)
{
	fputs("holos - docker compose for KVM\n\n", to);
	for (const struct verb *v = verbs; v->name != NULL; v++) {
		_cleanup_(freep) char *left = xasprintf(
			"%s%s%s", v->name, v->operands[0] != '\0' ? " " : "", v->operands);

		fprintf(to, "  holos %-36s %s\n", left, v->summary);
	}
	fputs("\nholos help VERB tells the options of a verb.\n", to);
}

static int unknown_verb(const char *name, struct holos_error **err)
{
	const char *names[32];
	const char *near;
	size_t n = 0;

	for (const struct verb *v = verbs; v->name != NULL; v++)
		names[n++] = v->name;
	near = names_nearest(name, names, n);
	error_set(err, ERR_USAGE, "unknown command \"%s\"%s%s%s", name,
		  near != NULL ? "; did you mean \"" : "", near != NULL ? near : "",
		  near != NULL ? "\"?" : "");
	error_hint(err, "holos help lists the commands");
	return -ERR_USAGE;
}

int verb_help(const struct verb *v, int argc, char **argv, struct holos_error **err)
{
	char help[] = "--help";
	char *args[] = { help, NULL };
	const struct verb *of;

	(void)v;
	if (argc == 0 || argv[0][0] == '-') {
		help_overview(stdout);
		return 0;
	}
	of = find_verb(argv[0]);
	if (of == NULL)
		return unknown_verb(argv[0], err);
	if (of->run == verb_help) {
		help_overview(stdout);
		return 0;
	}
	return of->run(of, 1, args, err);
}

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
			return verb_version(find_verb("version"), 0, NULL, err);
		if (strcmp(argv[1], help_options[i]) == 0) {
			help_overview(stdout);
			return 0;
		}
	}
	v = find_verb(argv[1]);
	if (v == NULL)
		return unknown_verb(argv[1], err);
	r = v->run(v, argc - 2, argv + 2, err);
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
	if (fflush(stdout) != 0 && r >= 0) {
		fputs("holos: cannot write to standard output\n", stderr);
		return ERR_FAILED;
	}
	return r < 0 ? -r : 0;
}
