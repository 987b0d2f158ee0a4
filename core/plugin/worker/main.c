/* SPDX-License-Identifier: Apache-2.0
 *
 * main.c - holos-worker: the program in which all plugin code runs.
 *
 *   holos-worker [--label=TEXT] [--plugins=DIR]...
 *       serve calls over descriptor 3 (plugin/wire.h) until it is closed
 *   holos-worker --describe FILE|MODULE [--package NAME] [--output FILE]
 *       print the manifest of a plugin; used when one is built
 *
 * Standard output and error belong to plugins; nothing of the protocol goes
 * there.
 */
#include <plugin/worker/worker.h>

#include <base/alloc.h>
#include <base/chan.h>
#include <base/fs.h>
#include <base/jsonx.h>
#include <plugin/wire.h>

#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

static int usage(void)
{
	fprintf(stderr, "holos-worker is started by holos; by hand it knows\n"
			"  holos-worker --describe FILE [--package NAME] [--output FILE]\n");
	return ERR_USAGE;
}

static int report(struct holos_error *err)
{
	fprintf(stderr, "holos-worker: %s\n", err->message);
	return err->code;
}

/* A plugin forked and did not exec.  Without this its child would keep the
 * connection open, and the client would not see this process end. */
static void after_fork(void)
{
	close(WIRE_FD);
	close(WIRE_CANCEL_FD);
}

static int serve_all(char *const *dirs)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct stat st;
	struct chan *c;

	if (fstat(WIRE_FD, &st) < 0 || !S_ISSOCK(st.st_mode) || fcntl(WIRE_CANCEL_FD, F_GETFD) < 0)
		return usage();
	if (keeper_split() < 0)
		return ERR_FAILED;
	keeper_explain_memory();
	(void)fcntl(WIRE_FD, F_SETFD, FD_CLOEXEC);
	(void)fcntl(WIRE_CANCEL_FD, F_SETFD, FD_CLOEXEC);
	(void)pthread_atfork(NULL, NULL, after_fork); /* fails for want of memory only */
	c = chan_create(NULL, WIRE_FD, "holos", WIRE_LINE_MAX, NULL, NULL, NULL);
	worker_connected = true;
	for (;;) {
		struct json_object *request = NULL;
		int fds[CHAN_FDS_MAX];
		unsigned n_fds = CHAN_FDS_MAX;

		if (chan_read_wait(c, UINT64_MAX, &request, fds, &n_fds, &err) < 0)
			break; /* the client has gone, or is of another build */
		serve(dirs, request, fds, n_fds);
		json_object_put(request);
	}
	worker_connected = false;
	instances_finish();
	plugins_finish();
	chan_destroy(c);
	return 0;
}

static int describe_one(const char *what, const char *package, const char *output)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	_cleanup_(json_putp) struct json_object *manifest = NULL;
	_cleanup_(freep) char *text = NULL;
	_cleanup_(strbuf_finish) struct strbuf line = STRBUF_INIT;
	struct worker_plugin *p;
	int r;

	if (strchr(what, '/') != NULL)
		r = plugin_load(what, NULL, &p, &err);
	else
		r = plugin_load(NULL, what, &p, &err);
	if (r < 0)
		return report(err);
	manifest = describe(p, package);
	text = jsonx_pretty(manifest);
	strbuf_addf(&line, "%s\n", text);
	if (output != NULL)
		r = fs_write_replace(AT_FDCWD, output, line.s, line.len, 0644, &err);
	else if (fputs(line.s, stdout) == EOF || fflush(stdout) == EOF)
		r = error_set(&err, ERR_FAILED, "cannot write to standard output");
	instances_finish();
	plugins_finish();
	return r < 0 ? report(err) : 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "label", required_argument, NULL, 'l' },
		{ "plugins", required_argument, NULL, 'p' },
		{ "describe", required_argument, NULL, 'd' },
		{ "package", required_argument, NULL, 'k' },
		{ "output", required_argument, NULL, 'o' },
		{ NULL, 0, NULL, 0 },
	};
	_cleanup_(strv_finish) struct strv dirs = STRV_INIT;
	const char *what = NULL, *package = NULL, *output = NULL;
	static char *no_dirs[] = { NULL };
	struct rlimit core;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'p')
			strv_add(&dirs, optarg);
		else if (c == 'd')
			what = optarg;
		else if (c == 'k')
			package = optarg;
		else if (c == 'o')
			output = optarg;
		else if (c != 'l') /* the label is for the process list alone */
			return usage();
	}
	if (optind != argc)
		return usage();
	/* A broken plugin must not litter the caller's directory with dumps. */
	if (getrlimit(RLIMIT_CORE, &core) == 0) {
		core.rlim_cur = 0;
		(void)setrlimit(RLIMIT_CORE, &core);
	}
	signal(SIGPIPE, SIG_IGN); /* a guest that hangs up is an error, not the end */
	/* Unset it means the same, but then localtime(3) looks at that file each time. */
	(void)setenv("TZ", ":/etc/localtime", 0);
	if (what != NULL)
		return describe_one(what, package, output);
	return serve_all(dirs.v != NULL ? dirs.v : no_dirs);
}
