/* SPDX-License-Identifier: Apache-2.0
 *
 * recorder.c - network plugin "recorder": its change of the machine is a file, and
 * a line in a log for whatever it is asked.  Option `fail` makes one operation
 * fail after it has begun.
 */
#include <holos/net.h>
#include <holos/util.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct holos_host *host;
static holos_self *me;

struct driver {
	const char *file, *fail;
	int32_t helper;
};

static void note(const char *file, const char *what)
{
	char log[4200], line[64];
	int fd;

	snprintf(log, sizeof(log), "%s.log", file);
	snprintf(line, sizeof(line), "%s\n", what);
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd >= 0 && write(fd, line, strlen(line)) >= 0)
		close(fd);
}

static holos_status plan(void *inst, const struct holos_nic *nic, holos_plan *out, holos_call *call,
			 holos_error *err)
{
	const struct driver *d = inst;
	const struct holos_plan_api *api = host->query(me, HOLOS_PLAN_ID);
	const char *helper[] = { "/bin/sleep", "600", NULL };
	const char *argv[] = { "-netdev", NULL, NULL };
	struct holos_helper h = { .size = sizeof(h), .name = "sleeper", .argv = helper };
	char netdev[128];
	const char *path;
	holos_status status;
	int fd;

	(void)call;
	(void)err;
	snprintf(netdev, sizeof(netdev), "user,id=%s,restrict=on", nic->id);
	argv[1] = netdev;
	status = api->qemu(out, argv);
	if (status == HOLOS_OK && d->helper)
		status = api->helper(out, &h);
	if (status == HOLOS_OK)
		status = api->file(out, "conf", &fd, &path);
	if (status == HOLOS_OK && write(fd, path, strlen(path)) < 0)
		status = HOLOS_E_IO;
	return status;
}

static holos_status journal(void *inst, const struct holos_nic *nic, char *buf, size_t cap,
			    size_t *len, holos_error *err)
{
	const struct driver *d = inst;
	int n = snprintf(buf, cap, "%s", d->file);

	(void)nic;
	if (n < 0 || (size_t)n >= cap)
		return host->fail(err, HOLOS_E_CONFIG, 0, "file has too long a name");
	*len = (size_t)n;
	note(d->file, "journal");
	return HOLOS_OK;
}

static holos_status apply(void *inst, const struct holos_nic *nic, const char *journal_text,
			  holos_call *call, holos_error *err)
{
	const struct driver *d = inst;
	int fd = open(journal_text, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	(void)nic;
	(void)call;
	if (fd < 0)
		return host->fail(err, HOLOS_E_IO, errno, "cannot make the file");
	close(fd);
	note(d->file, "apply");
	if (strcmp(d->fail, "apply") == 0)
		return host->fail(err, HOLOS_E_DENIED, 0, "the tap is not ours");
	if (strcmp(d->fail, "crash") == 0)
		raise(SIGSEGV);
	return HOLOS_OK;
}

static holos_status undo(void *state, const char *journal_text, holos_call *call, holos_error *err)
{
	char stuck[4200];

	(void)state;
	(void)call;
	snprintf(stuck, sizeof(stuck), "%s.stuck", journal_text);
	if (access(stuck, F_OK) == 0)
		return host->fail(err, HOLOS_E_IO, 0, "the tap is busy");
	note(journal_text, "undo");
	if (unlink(journal_text) < 0 && errno != ENOENT)
		return host->fail(err, HOLOS_E_IO, errno, "cannot remove the file");
	return HOLOS_OK;
}

static holos_status open_driver(void *state, const holos_cfg *cfg, holos_call *call, void **inst,
				holos_error *err)
{
	struct driver *d = malloc(sizeof(*d));

	(void)state;
	(void)call;
	if (d == NULL)
		return host->fail(err, HOLOS_E_NOMEM, 0, "out of memory");
	d->file = host->cfg_str(cfg, "/file", "");
	d->fail = host->cfg_str(cfg, "/fail", "");
	d->helper = host->cfg_bool(cfg, "/helper", 0);
	*inst = d;
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

static const struct holos_net_ops ops = {
	.head = { .size = sizeof(ops), .open = open_driver, .close = free },
	.plan = plan,
	.journal = journal,
	.apply = apply,
	.undo = undo,
};

static const char schema[] =
	"{\"type\":\"object\",\"required\":[\"file\"],\"properties\":{"
	"\"file\":{\"type\":\"string\",\"description\":\"what it makes\"},"
	"\"fail\":{\"type\":\"string\",\"enum\":[\"\",\"apply\",\"crash\"],"
	"\"description\":\"what fails\"},"
	"\"helper\":{\"type\":\"boolean\",\"description\":\"with a process beside QEMU\"}}}";

static const struct holos_iface recorder = {
	.size = sizeof(recorder),
	.id = HOLOS_NET_ID,
	.name = "recorder",
	.ops = &ops.head,
	.schema = schema,
	.summary = "for tests: writes down what it is asked",
};

static const struct holos_iface *const ifaces[] = { &recorder, NULL };

static const struct holos_plugin plugin = {
	HOLOS_PLUGIN_HEAD,       .name = "net-recorder", .version = "1.0",
	.license = "Apache-2.0", .ifaces = ifaces,       .init = init,
};
HOLOS_PLUGIN(holos_net_recorder, plugin);
