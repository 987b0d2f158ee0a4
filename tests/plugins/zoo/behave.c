/* SPDX-License-Identifier: Apache-2.0
 *
 * behave.c - image plugin "behave": sound in form, and its resolve() does what
 * the reference says, most of it bad.
 */
#include <holos/image.h>
#include <holos/util.h>

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct holos_host *host;
static holos_self *me;
static int again;

static holos_status good(holos_image_sink *out)
{
	const struct holos_image_sink_api *sink = host->query(me, HOLOS_IMAGE_SINK_ID);
	struct holos_image image = {
		.size = sizeof(image), .ref = "behave:good", .path = "/dev/null", .format = "raw"
	};

	return sink->image(out, &image);
}

static holos_status crash(const char *ref)
{
	if (strcmp(ref, "segv") == 0)
		raise(SIGSEGV);
	if (strcmp(ref, "abort") == 0)
		abort();
	if (strcmp(ref, "exit") == 0)
		exit(3);
	if (strcmp(ref, "exit0") == 0)
		_exit(0);
	if (strcmp(ref, "close") == 0) {
		close(3);
		for (;;)
			pause();
	}
	if (strcmp(ref, "garbage") == 0 && write(3, "pfft\n", 5) == 5)
		for (;;)
			pause();
	if (strcmp(ref, "forged") == 0 && write(3, "{\"id\":99,\"status\":0}\n", 21) == 21)
		for (;;)
			pause();
	if (strcmp(ref, "hang") == 0)
		for (;;)
			pause();
	return HOLOS_E_INTERNAL;
}

static holos_status misreport(const char *ref, holos_image_sink *out, holos_error *err)
{
	if (strcmp(ref, "silent") == 0)
		return HOLOS_E_NOTFOUND;
	if (strcmp(ref, "strange") == 0)
		return 7;
	if (strcmp(ref, "noise") == 0)
		return host->fail(err, HOLOS_E_CONFIG, 0, "line one\nline \xff two\n");
	if (strcmp(ref, "nested") == 0) {
		host->fail(err, HOLOS_E_DENIED, 13, "cannot open the vault");
		host->fail_hint(err, "knock first");
		return host->fail(err, HOLOS_E_IO, 0, "no image");
	}
	if (strcmp(ref, "nothing") == 0)
		return HOLOS_OK;
	if (strcmp(ref, "twice") == 0) {
		good(out);
		return good(out);
	}
	return HOLOS_E_INTERNAL;
}

/* Eat memory until there is none. */
static holos_status eat(holos_error *err)
{
	for (;;) {
		char *p = malloc(16u << 20);

		if (p == NULL)
			return host->fail(err, HOLOS_E_NOMEM, 0, "out of memory");
		memset(p, 1, 16u << 20);
	}
}

/* The same without a look at what malloc() gives, and without touching it first. */
static _Noreturn holos_status eat_carelessly(void)
{
	for (;;) {
		volatile char *p = malloc(4u << 20);

		p[0] = 1;
	}
}

/* A grandchild in a session of its own, held by nobody, that says where it is. */
static void start_daemon(void)
{
	const char *pid_file = getenv("ZOO_PID_FILE");

	if (fork() != 0)
		return;
	setsid();
	if (fork() != 0)
		_exit(0);
	if (pid_file != NULL) {
		FILE *f = fopen(pid_file, "w");

		if (f != NULL) {
			fprintf(f, "%ld\n", (long)getpid());
			fclose(f);
		}
	}
	for (;;)
		pause();
}

static void await_daemon(void)
{
	const char *pid_file = getenv("ZOO_PID_FILE");

	while (pid_file != NULL && access(pid_file, R_OK) != 0)
		usleep(1000);
	(void)wait(NULL);
}

static holos_status become_daemon(holos_image_sink *out)
{
	start_daemon();
	await_daemon();
	raise(SIGSEGV);
	return good(out);
}

static holos_status leave_helper(holos_image_sink *out)
{
	start_daemon();
	await_daemon();
	return good(out);
}

static holos_status wait_for_cancel(holos_call *call, holos_error *err)
{
	struct pollfd p = { .fd = host->cancel_fd(call), .events = POLLIN };

	(void)poll(&p, 1, -1);
	return host->fail(err, HOLOS_E_CANCELLED, 0, "told to stop");
}

static holos_status resolve(void *inst, const char *ref, holos_call *call, holos_image_sink *out,
			    holos_error *err)
{
	(void)inst;
	if (strcmp(ref, "good") == 0)
		return good(out);
	if (strcmp(ref, "stdout") == 0) {
		if (write(1, "{\"id\":1,\"status\":0}\n", 20) < 0 || write(2, "noise\n", 6) < 0)
			return HOLOS_E_IO;
		return good(out);
	}
	if (strcmp(ref, "log") == 0) {
		host->log(me, HOLOS_LOG_WARN, "watch\nout");
		host->progress(call, "thinking", 1, 2);
		return good(out);
	}
	if (strcmp(ref, "cancel") == 0 || strcmp(ref, "sleep") == 0 || strcmp(ref, "hang") == 0)
		host->progress(call, "thinking", 1, 2); /* a test may wait for this */
	if (strcmp(ref, "cancel") == 0)
		return wait_for_cancel(call, err);
	if (strcmp(ref, "sleep") == 0)
		return host->sleep_ns(call, 60000000000u);
	if (strcmp(ref, "again") == 0)
		return again++ < 2 ? host->fail(err, HOLOS_E_AGAIN, 0, "busy") : good(out);
	if (strcmp(ref, "eat") == 0)
		return eat(err);
	if (strcmp(ref, "fork") == 0) {
		if (fork() == 0)
			for (;;)
				pause();
		raise(SIGSEGV);
	}
	if (strcmp(ref, "daemon") == 0)
		return become_daemon(out);
	if (strcmp(ref, "careless") == 0)
		return eat_carelessly();
	if (strcmp(ref, "helper") == 0)
		return leave_helper(out);
	if (crash(ref) == HOLOS_E_INTERNAL)
		return misreport(ref, out, err);
	return HOLOS_OK;
}

static holos_status init(const struct holos_host *h, holos_self *self, void **state,
			 holos_error *err)
{
	(void)state;
	(void)err;
	host = h;
	me = self;
	return HOLOS_OK;
}

static const struct holos_image_ops ops = {
	.head = { .size = sizeof(ops) },
	.resolve = resolve,
};

static const struct holos_iface iface = {
	.size = sizeof(iface),
	.id = HOLOS_IMAGE_ID,
	.name = "behave",
	.ops = &ops.head,
	.schema = "{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\"}}}",
};

static const struct holos_iface *const ifaces[] = { &iface, NULL };

static const struct holos_plugin plugin = {
	HOLOS_PLUGIN_HEAD,       .name = "image-behave", .version = "1.0",
	.license = "Apache-2.0", .ifaces = ifaces,       .init = init,
};
HOLOS_PLUGIN(holos_image_behave, plugin);
