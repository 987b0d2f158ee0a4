/* SPDX-License-Identifier: Apache-2.0
 *
 * sinks.c - sound plugin that gives every sink of the host something to do: one
 * file, four interfaces, found through symlinks.  tests/unit/plugin/test_calls.c
 * knows what it says.
 */
#include <holos/image.h>
#include <holos/importer.h>
#include <holos/net.h>
#include <holos/provision.h>
#include <holos/util.h>

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static const struct holos_host *host;
static holos_self *me;

/* ---- net ---- */

static holos_status plan(void *inst, const struct holos_nic *nic, holos_plan *out, holos_call *call,
			 holos_error *err)
{
	const struct holos_plan_api *api = host->query(me, HOLOS_PLAN_ID);
	const char *qemu[] = { "-netdev", "stream,id=net0", NULL };
	const char *argv[] = { "/usr/bin/passt", "--socket", NULL, NULL };
	struct holos_helper helper = {
		.size = sizeof(helper), .ready_timeout_ms = 500, .name = "passt", .argv = argv
	};
	const char *path, *other;
	int fd, second;

	(void)inst;
	if (api->file(out, "a.conf", &fd, &path) != HOLOS_OK ||
	    api->file(out, "b.conf", &second, &other) != HOLOS_OK)
		return HOLOS_E_IO;
	/* Lines that go out before the descriptors do. */
	for (int i = 0; i < 20; i++)
		host->log(me, HOLOS_LOG_INFO, "planning");
	host->progress(call, "planning", 0, 0);
	if (write(fd, "mac ", 4) != 4 || write(fd, nic->mac, strlen(nic->mac)) < 0 ||
	    write(second, "\0\1\2", 3) != 3)
		return host->fail(err, HOLOS_E_IO, 0, "cannot write");
	argv[2] = path;
	helper.ready_path = other;
	if (api->helper(out, &helper) != HOLOS_OK || api->qemu(out, qemu) != HOLOS_OK)
		return HOLOS_E_INTERNAL;
	if (api->file(out, "../escape", &fd, &path) == HOLOS_OK)
		return HOLOS_E_INTERNAL;
	return api->endpoint(out, nic->ports[0]);
}

static const struct holos_net_ops net_ops = { .head = { .size = sizeof(net_ops) }, .plan = plan };

/* ---- image ---- */

static holos_status list(void *inst, holos_call *call, holos_image_sink *out, holos_error *err)
{
	const struct holos_image_sink_api *sink = host->query(me, HOLOS_IMAGE_SINK_ID);
	struct holos_image a = { .size = sizeof(a),
				 .ref = "sinks:1",
				 .key = "one",
				 .format = "qcow2",
				 .user = "u",
				 .init = "openrc",
				 .shares = "9p" };
	struct holos_image b = { .size = sizeof(b),
				 .ref = "sinks:2",
				 .url = "https://h/i",
				 .bytes = 1ull << 40,
				 .format = "raw",
				 .shares = "",
				 .digest_url = "https://h/SUMS" };

	(void)inst;
	(void)call;
	(void)err;
	return sink->image(out, &a) == HOLOS_OK ? sink->image(out, &b) : HOLOS_E_INTERNAL;
}

/* "TEXT": make an image that its description makes wrong in that way. */
static holos_status resolve(void *inst, const char *ref, holos_call *call, holos_image_sink *out,
			    holos_error *err)
{
	const struct holos_image_sink_api *sink = host->query(me, HOLOS_IMAGE_SINK_ID);
	struct holos_image i = { .size = sizeof(i), .ref = ref, .key = "k", .format = "raw" };

	(void)inst;
	(void)call;
	(void)err;
	if (strcmp(ref, "two-sources") == 0)
		i.path = "/x";
	if (strcmp(ref, "no-source") == 0)
		i.key = NULL;
	if (strcmp(ref, "format") == 0)
		i.format = "vmdk";
	if (strcmp(ref, "digest") == 0)
		i.digest = "md5:00";
	if (strcmp(ref, "http") == 0) {
		i.key = NULL;
		i.url = "http://h/i";
	}
	if (strcmp(ref, "utf8") == 0)
		i.user = "\xff";
	if (strcmp(ref, "short") == 0)
		i.size = 16;
	return sink->image(out, &i);
}

static holos_status put(holos_image_sink *out, const char *name)
{
	const struct holos_image_sink_api *sink = host->query(me, HOLOS_IMAGE_SINK_ID);
	int dir = open(sink->work_dir(out), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	close(dir);
	close(fd);
	return fd >= 0 ? HOLOS_OK : HOLOS_E_IO;
}

static holos_status make(void *inst, const char *ref, const char *key, holos_call *call,
			 holos_image_sink *out, holos_error *err)
{
	const struct holos_image_sink_api *sink = host->query(me, HOLOS_IMAGE_SINK_ID);

	(void)inst;
	(void)err;
	host->progress(call, "making", 50, 100);
	if (strcmp(key, "escape") == 0)
		return sink->output(out, "disk", "../x");
	if (strcmp(key, "missing") == 0)
		return sink->output(out, "disk", "x");
	if (strcmp(key, "role") == 0)
		return sink->output(out, "floppy", "x");
	if (put(out, "disk.img") != HOLOS_OK || put(out, "vmlinuz") != HOLOS_OK)
		return HOLOS_E_IO;
	if (strcmp(ref, "kernel") == 0)
		sink->output(out, "kernel", "vmlinuz");
	return sink->output(out, "disk", "disk.img");
}

static const struct holos_image_ops image_ops = {
	.head = { .size = sizeof(image_ops) },
	.list = list,
	.resolve = resolve,
	.make = make,
};

/* ---- provision ---- */

static holos_status seed(void *inst, const holos_cfg *steps, int fd, holos_call *call,
			 holos_error *err)
{
	const struct holos_provision_api *api = host->query(me, HOLOS_PROVISION_API_ID);
	const char *hostname = host->cfg_str(steps, "/hostname", "");
	char secret[64];
	ssize_t n;

	(void)inst;
	if (host->cfg_count(steps, "/hosts") != 2 || host->cfg_count(steps, "/nope") != -1 ||
	    host->cfg_int(steps, "/hosts/1", 0) != 7 || host->cfg_bool(steps, "/on", 0) != 1 ||
	    strcmp(host->cfg_str(steps, "/a~1b", ""), "slash") != 0 ||
	    host->cfg_int(steps, "/hostname", 5) != 5)
		return host->fail(err, HOLOS_E_INTERNAL, 0, "the steps are not as expected");
	if (api->secret(call, "nope") != -1)
		return host->fail(err, HOLOS_E_INTERNAL, 0, "a secret that is none");
	n = read(api->secret(call, "key"), secret, sizeof(secret));
	if (n < 0 || write(fd, hostname, strlen(hostname)) < 0 || write(fd, secret, (size_t)n) < 0)
		return host->fail(err, HOLOS_E_IO, 0, "cannot write");
	return HOLOS_OK;
}

static holos_status translate(void *inst, const char *path, holos_call *call, holos_steps_sink *out,
			      holos_error *err)
{
	const struct holos_provision_api *api = host->query(me, HOLOS_PROVISION_API_ID);
	static const char good[] = "{\"runcmd\":[\"true\"]}";

	(void)inst;
	(void)call;
	(void)err;
	if (strcmp(path, "/bad") == 0)
		return api->steps(out, "{", 1);
	return api->steps(out, good, sizeof(good) - 1);
}

static const struct holos_provision_ops provision_ops = {
	.head = { .size = sizeof(provision_ops) },
	.seed = seed,
	.translate = translate,
};

/* ---- importer ---- */

static int32_t sniff(void *state, const char *name, const void *head, size_t len)
{
	(void)state;
	(void)name;
	return len >= 4 && memcmp(head, "SINK", 4) == 0 ? 1000 : -5;
}

static holos_status convert(void *inst, int fd, const char *name, holos_importer_sink *out,
			    holos_call *call, holos_error *err)
{
	const struct holos_importer_sink_api *sink = host->query(me, HOLOS_IMPORTER_SINK_ID);
	static const char model[] = "{\"services\":{}}";

	(void)inst;
	(void)fd;
	(void)name;
	(void)call;
	(void)err;
	sink->lost(out, 3, "floppy", "nobody has one");
	return sink->model(out, model, sizeof(model) - 1);
}

static const struct holos_importer_ops importer_ops = {
	.head = { .size = sizeof(importer_ops) },
	.sniff = sniff,
	.convert = convert,
};

/* ---- plugin ---- */

static holos_status init(const struct holos_host *h, holos_self *self, void **state,
			 holos_error *err)
{
	(void)state;
	(void)err;
	host = h;
	me = self;
	return HOLOS_OK;
}

static const struct holos_iface net = {
	.size = sizeof(net),
	.id = HOLOS_NET_ID,
	.name = "sinks",
	.ops = &net_ops.head,
};
static const struct holos_iface image = {
	.size = sizeof(image),
	.id = HOLOS_IMAGE_ID,
	.name = "sinks",
	.ops = &image_ops.head,
};
static const struct holos_iface provision = {
	.size = sizeof(provision),
	.id = HOLOS_PROVISION_ID,
	.name = "sinks",
	.ops = &provision_ops.head,
};
static const struct holos_iface importer = {
	.size = sizeof(importer),
	.id = HOLOS_IMPORTER_ID,
	.name = "sinks",
	.ops = &importer_ops.head,
};
static const struct holos_iface unknown = {
	.size = sizeof(unknown),
	.id = "com.example.kind/1",
	.name = "sinks",
};

static const struct holos_iface *const ifaces[] = { &net,      &image,   &provision,
						    &importer, &unknown, NULL };

static const struct holos_plugin plugin = {
	HOLOS_PLUGIN_HEAD,       .name = "net-sinks", .version = "1.0",
	.license = "Apache-2.0", .ifaces = ifaces,    .init = init,
};
HOLOS_PLUGIN(holos_net_sinks, plugin);
