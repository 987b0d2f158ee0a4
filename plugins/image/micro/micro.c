/* SPDX-License-Identifier: Apache-2.0
 *
 * image "micro" - the project's own small guest, made on this machine from
 * Debian packages.  The work is build.sh's (README.md beside it); this runs it:
 * once with --key, to know which image the parts here would make, and once to
 * make it.  Both lie in libexec/holos/micro, beside the worker that loads this.
 */
#include <holos/image.h>
#include <holos/util.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define END_GRACE_MS 150 /* a cancelled call has 250 */
#define KEY_MAX      64  /* a SHA-256 in hex */

static const struct holos_host *host;

/* One stream of build.sh, line by line. */
struct output {
	int fd;         /* -1: at its end */
	char line[512]; /* the last line, or what there is of the next */
	size_t len;
	bool whole; /* line is finished: the next byte begins another */
};

static holos_status find_parts(char dir[PATH_MAX], holos_error *err)
{
	ssize_t n = readlink("/proc/self/exe", dir, PATH_MAX - 32);
	char *slash;

	if (n < 0)
		return host->fail(err, HOLOS_E_IO, errno, "cannot find the micro builder");
	dir[n] = '\0';
	slash = strrchr(dir, '/');
	strcpy(slash != NULL ? slash : dir, "/micro");
	return HOLOS_OK;
}

/* Start build.sh with stdout and stderr on `out`, progress on descriptor 3. */
static holos_status start(const char *dir, const char *const *args, int out, int progress,
			  pid_t *pid, holos_error *err)
{
	char program[PATH_MAX + 16], init[PATH_MAX + 16];
	const char *argv[16] = { program, "--guest-init", init };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none;
	size_t n = 3;
	int r;

	snprintf(program, sizeof(program), "%s/build.sh", dir);
	snprintf(init, sizeof(init), "%s/micro-init", dir);
	for (; *args != NULL && n < 15; args++)
		argv[n++] = *args;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, out, 1);
	posix_spawn_file_actions_adddup2(&actions, out, 2);
	if (progress >= 0)
		posix_spawn_file_actions_adddup2(&actions, progress, 3);
	posix_spawnattr_init(&attr);
	sigemptyset(&none);
	posix_spawnattr_setsigmask(&attr, &none);
	/* A group of its own: cancelling ends its children as well. */
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
	/* argv is not changed by the call: posix_spawn(3). */
	r = posix_spawn(pid, program, &actions, &attr, (char *const *)(uintptr_t)argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	if (r != 0)
		return holos_failf(host, err, HOLOS_E_UNAVAIL, r, "cannot start %s", program);
	return HOLOS_OK;
}

static void report(holos_call *call, char *line)
{
	char *end;
	unsigned long percent = strtoul(line, &end, 10);

	if (end != line && *end == ' ' && percent <= 100)
		host->progress(call, end + 1, percent, 100);
}

/* Read what is there; each whole line of progress is reported.  Of the rest the
 * last line is kept: it says why the builder gave up. */
static void take(struct output *o, holos_call *call)
{
	char buf[512];
	ssize_t n = read(o->fd, buf, sizeof(buf));

	if (n < 0 && errno == EINTR)
		return;
	if (n <= 0) {
		close(o->fd);
		o->fd = -1;
		return;
	}
	for (ssize_t i = 0; i < n; i++) {
		if (o->whole)
			o->len = 0;
		o->whole = buf[i] == '\n';
		if (!o->whole && o->len < sizeof(o->line) - 1)
			o->line[o->len++] = buf[i];
		o->line[o->len] = '\0';
		if (o->whole && call != NULL)
			report(call, o->line);
	}
}

static int reap(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

/* End the builder early: it removes its work, if it is quick about that.  It is
 * over when nobody holds its output any more. */
static void end(pid_t pid, int output)
{
	struct pollfd p = { .fd = output, .events = POLLIN };
	char buf[512];

	kill(-pid, SIGTERM);
	while (poll(&p, 1, END_GRACE_MS) > 0 && read(output, buf, sizeof(buf)) > 0)
		;
	kill(-pid, SIGKILL);
	(void)reap(pid);
}

/* Run build.sh to its end.  last gets the last line it said. */
static holos_status run(const char *const *args, bool with_progress, holos_call *call,
			char last[512], holos_error *err)
{
	struct output said = { .fd = -1 }, done = { .fd = -1 };
	int out[2] = { -1, -1 }, progress[2] = { -1, -1 };
	char dir[PATH_MAX];
	holos_status r = find_parts(dir, err);
	pid_t pid;
	int status;

	if (r != HOLOS_OK)
		return r;
	if (pipe2(out, O_CLOEXEC) < 0 || (with_progress && pipe2(progress, O_CLOEXEC) < 0))
		return host->fail(err, HOLOS_E_IO, errno, "cannot run the micro builder");
	r = start(dir, args, out[1], progress[1], &pid, err);
	close(out[1]);
	if (progress[1] >= 0)
		close(progress[1]);
	said.fd = out[0];
	done.fd = progress[0];
	while (r == HOLOS_OK && (said.fd >= 0 || done.fd >= 0)) {
		struct pollfd p[3] = { { .fd = said.fd, .events = POLLIN },
				       { .fd = done.fd, .events = POLLIN },
				       { .fd = host->cancel_fd(call), .events = POLLIN } };

		if (poll(p, 3, -1) < 0 && errno != EINTR)
			r = host->fail(err, HOLOS_E_IO, errno, "cannot wait for the micro builder");
		else if (p[2].revents != 0)
			r = host->fail(err, HOLOS_E_CANCELLED, 0,
				       "building the micro image was cancelled");
		if (r != HOLOS_OK) {
			end(pid, said.fd);
			break;
		}
		if (p[0].revents != 0)
			take(&said, NULL);
		if (p[1].revents != 0)
			take(&done, call);
	}
	if (said.fd >= 0)
		close(said.fd);
	if (done.fd >= 0)
		close(done.fd);
	if (r != HOLOS_OK)
		return r;
	status = reap(pid);
	memcpy(last, said.line, sizeof(said.line));
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return holos_failf(host, err, HOLOS_E_UNAVAIL, 0,
				   "cannot build the micro image: %s",
				   last[0] != '\0' ? last : "its builder was killed");
	return HOLOS_OK;
}

static bool is_ours(const char *ref)
{
	return strcmp(ref, "micro") == 0 || strcmp(ref, "micro:1") == 0;
}

static struct holos_image describe(void)
{
	return (struct holos_image){ .size = sizeof(struct holos_image),
				     .ref = "micro:1",
				     .arch = "x86_64",
				     .format = "qcow2",
				     .user = "micro",
				     .init = "micro",
				     .shares = "9p virtiofs" };
}

static const struct holos_image_sink_api *sink_of(void *self)
{
	return host->query(self, HOLOS_IMAGE_SINK_ID);
}

static holos_status list(void *self, holos_call *call, holos_image_sink *out, holos_error *err)
{
	struct holos_image image = describe();

	(void)call;
	(void)err;
	image.key = "parts"; /* of this machine: resolve() tells */
	return sink_of(self)->image(out, &image);
}

static holos_status resolve(void *self, const char *ref, holos_call *call, holos_image_sink *out,
			    holos_error *err)
{
	static const char *const args[] = { "--key", NULL };
	struct holos_image image = describe();
	char key[512];
	holos_status r;

	if (!is_ours(ref))
		return holos_failf(host, err, HOLOS_E_NOTFOUND, 0,
				   "no image \"%s\"; there is micro:1", ref);
	r = run(args, false, call, key, err);
	if (r != HOLOS_OK)
		return r;
	if (strlen(key) != KEY_MAX || strspn(key, "0123456789abcdef") != KEY_MAX)
		return holos_failf(host, err, HOLOS_E_INTERNAL, 0,
				   "the micro builder gave no key: %s", key);
	image.key = key;
	return sink_of(self)->image(out, &image);
}

static holos_status make(void *self, const char *ref, const char *key, holos_call *call,
			 holos_image_sink *out, holos_error *err)
{
	static const char *const files[][2] = { { "kernel", "kernel" },
						{ "initrd", "initrd" },
						{ "cmdline", "cmdline" },
						{ "disk", "disk.qcow2" } };
	const struct holos_image_sink_api *sink = sink_of(self);
	const char *args[] = {
		"--out", sink->work_dir(out), "--cache", sink->cache_dir(out), "--progress-fd", "3",
		NULL
	};
	char last[512];
	holos_status r;

	(void)key;
	if (!is_ours(ref))
		return holos_failf(host, err, HOLOS_E_NOTFOUND, 0, "no image \"%s\"", ref);
	r = run(args, true, call, last, err);
	for (size_t i = 0; r == HOLOS_OK && i < sizeof(files) / sizeof(files[0]); i++)
		r = sink->output(out, files[i][0], files[i][1]);
	return r;
}

static holos_status init(const struct holos_host *h, holos_self *self, void **state,
			 holos_error *err)
{
	(void)err;
	host = h;
	*state = self;
	return HOLOS_OK;
}

static const struct holos_image_ops ops = {
	.head = { .size = sizeof(ops) },
	.list = list,
	.resolve = resolve,
	.make = make,
};

static const struct holos_iface micro = {
	.size = sizeof(micro),
	.id = HOLOS_IMAGE_ID,
	.name = "micro",
	.ops = &ops.head,
	.summary = "a small guest made here from Debian packages: micro",
};

static const struct holos_iface *const ifaces[] = { &micro, NULL };

static const struct holos_plugin plugin = {
	HOLOS_PLUGIN_HEAD,       .name = "image-micro", .version = "1.0",
	.license = "Apache-2.0", .ifaces = ifaces,      .init = init,
};
HOLOS_PLUGIN(holos_image_micro, plugin);
