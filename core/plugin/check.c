/* SPDX-License-Identifier: Apache-2.0
 *
 * check.c - see check.h: the rules that need the plugin to run.
 */
#include <plugin/check.h>

#include <base/alloc.h>
#include <base/clock.h>
#include <base/fs.h>
#include <base/jsonx.h>
#include <base/process.h>
#include <plugin/calls.h>
#include <plugin/manifest.h>
#include <plugin/search.h>
#include <plugin/status.h>
#include <plugin/wire.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define CALL_TIMEOUT     (5 * NS_PER_S)
#define SILENT_TIMEOUT   (300 * NS_PER_MS) /* of calls to a guest that never answers */
#define CANCEL_AFTER     (50 * NS_PER_MS)
#define MANIFEST_TIMEOUT (30 * NS_PER_S)
#define OUTPUT_MAX       65536

struct check {
	check_fn *fn;
	void *data;
	int broken;
	struct loop *loop;
	struct worker *worker;
	struct json_object *manifest;
	const char *kind, *name; /* of the interface that is looked at */
	struct strbuf faults;    /* of the rule that is looked at */
	unsigned n_faults;
	bool died;  /* in this interface */
	int silent; /* a port that takes connections and says nothing */
	uint16_t silent_port;
};

static void report(struct check *c, const char *rule, bool ok, const char *detail)
{
	c->broken |= !ok;
	c->fn(c->data, rule, ok, ok ? NULL : detail);
}

/* Note a fault against the rule that is reported next. */
static void fault(struct check *c, const char *text)
{
	if (c->n_faults++ < 3)
		strbuf_addf(&c->faults, "%s%s", c->faults.len != 0 ? "; " : "", text);
}

static void conclude(struct check *c, const char *rule)
{
	if (c->n_faults > 3)
		strbuf_addf(&c->faults, "; and %u more", c->n_faults - 3);
	report(c, rule, c->n_faults == 0, c->n_faults != 0 ? c->faults.s : NULL);
	strbuf_finish(&c->faults);
	c->faults = (struct strbuf)STRBUF_INIT;
	c->n_faults = 0;
}

/* ---- asking the worker ------------------------------------------------------- */

static struct json_object *ask_worker(struct check *c, const char *op, struct holos_error **err)
{
	struct worker_request rq = { .kind = WIRE_KIND_WORKER, .name = "worker", .op = op };
	struct json_object *answer = NULL;

	return worker_call_wait(c->worker, &rq, &answer, err) == 0 ? answer : NULL;
}

/* How a call may end: any way that tells the user something true. */
static void judge(struct check *c, const struct worker_result *res)
{
	if (res->status == HOLOS_OK)
		return;
	if (res->died || res->status == HOLOS_E_INTERNAL ||
	    strstr(res->reason, "failed without saying why") != NULL)
		fault(c, res->reason);
}

static void call(struct check *c, struct worker_request *rq, uint64_t timeout_ns)
{
	struct worker_result res;

	if (c->died) /* what kills the worker once would do so every time */
		return;
	rq->timeout_ns = timeout_ns;
	(void)worker_call_wait_result(c->worker, rq, NULL, &res);
	judge(c, &res);
	c->died = res.died;
	worker_result_finish(&res);
}

/* ---- one request of each operation --------------------------------------------- */

typedef void use_fn(struct check *c, struct worker_request *rq, uint64_t timeout_ns);

static void each_image(struct check *c, struct json_object *options, use_fn *use)
{
	_cleanup_(freep) char *tagged = xasprintf("%s:1", c->name);
	const char *refs[] = { c->name, tagged, "no-such-image:0", "../../x",
			       "/nonexistent.qcow2" };
	struct worker_request list = {
		.kind = "image", .name = c->name, .op = "list", .options = options
	};

	use(c, &list, CALL_TIMEOUT);
	for (size_t i = 0; i < sizeof(refs) / sizeof(refs[0]); i++) {
		struct worker_request rq = image_resolve_request(c->name, refs[i]);

		rq.options = options;
		use(c, &rq, CALL_TIMEOUT);
		json_object_put(rq.args);
	}
}

static void each_net(struct check *c, struct json_object *options, use_fn *use)
{
	char loopback[] = "127.0.0.1";
	struct net_endpoint ports[] = { { 6, loopback, 2222, 22 }, { 17, loopback, 5353, 53 } };
	struct net_nic nic = { .vm = "check-0",
			       .id = "net0",
			       .mac = "52:54:00:00:00:01",
			       .project = "check",
			       .network = "default",
			       .group = "230.0.0.1",
			       .group_port = 12345,
			       .dir = "/nonexistent" };

	for (size_t n = 0; n <= 2; n += 2) {
		struct worker_request rq;

		nic.ports = n != 0 ? ports : NULL;
		nic.n_ports = n;
		rq = net_plan_request(c->name, options, &nic);
		use(c, &rq, CALL_TIMEOUT);
		json_object_put(rq.args);
	}
}

static void each_health(struct check *c, struct json_object *options, use_fn *use)
{
	char loopback[] = "127.0.0.1";
	struct net_endpoint silent[] = { { 6, loopback, c->silent_port, 80 },
					 { 6, loopback, c->silent_port, 1 } };
	struct health_guest guests[] = {
		{ .vm = "check-0" },
		{ .vm = "check-0",
		  .ssh_host = loopback,
		  .ssh_port = c->silent_port,
		  .ssh_user = "nobody",
		  .ssh_key = "/nonexistent",
		  .ssh_known_hosts = "/nonexistent",
		  .endpoints = silent,
		  .n_endpoints = 2 },
	};

	for (size_t i = 0; i < 2; i++) {
		struct worker_request rq =
			health_check_request(c->name, options, &guests[i], SILENT_TIMEOUT);

		use(c, &rq, SILENT_TIMEOUT);
		json_object_put(rq.args);
	}
}

/* An empty file and one of noise, by descriptor. */
static int make_source(bool noise)
{
	static const char text[] = "\x7f\x00=\"<?\xff{[\n\n=\n";
	int fd = memfd_create("source", MFD_CLOEXEC);

	if (fd >= 0 && noise && fs_write_all(fd, text, sizeof(text)) == 0)
		(void)lseek(fd, 0, SEEK_SET);
	return fd;
}

static void each_importer(struct check *c, struct json_object *options, use_fn *use)
{
	static const char *const fd_names[] = { "source" };
	static const char *const ops[] = { "sniff", "convert" };

	for (unsigned i = 0; i < 4; i++) {
		_cleanup_(json_putp) struct json_object *args = json_object_new_object();
		_cleanup_(closep) int fd = make_source((i & 1) != 0);
		struct worker_request rq = { .kind = "importer",
					     .name = c->name,
					     .op = ops[i / 2],
					     .options = options,
					     .args = args,
					     .fds = &fd,
					     .fd_names = fd_names,
					     .n_fds = 1 };

		jsonx_set_str(args, "name", (i & 1) != 0 ? "noise.conf" : "empty");
		if (fd >= 0)
			use(c, &rq, CALL_TIMEOUT);
	}
}

static void each_provision(struct check *c, struct json_object *options, use_fn *use)
{
	_cleanup_(json_putp) struct json_object *args = json_object_new_object();
	_cleanup_(json_putp) struct json_object *path = json_object_new_object();
	_cleanup_(closep) int fd = make_source(false);
	static const char *const fd_names[] = { "seed" };
	struct worker_request seed = { .kind = "provision",
				       .name = c->name,
				       .op = "seed",
				       .options = options,
				       .args = args,
				       .fds = &fd,
				       .fd_names = fd_names,
				       .n_fds = 1 };
	struct worker_request translate = { .kind = "provision",
					    .name = c->name,
					    .op = "translate",
					    .options = options,
					    .args = path };

	jsonx_set(args, "steps", json_object_new_object());
	jsonx_set_str(path, "path", "/nonexistent/Dockerfile");
	if (fd >= 0)
		use(c, &seed, CALL_TIMEOUT);
	use(c, &translate, CALL_TIMEOUT);
}

static void each(struct check *c, struct json_object *options, use_fn *use)
{
	static const struct {
		const char *kind;
		void (*each)(struct check *c, struct json_object *options, use_fn *use);
	} kinds[] = {
		{ "image", each_image },         { "net", each_net },
		{ "health", each_health },       { "importer", each_importer },
		{ "provision", each_provision },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].kind, c->kind) == 0)
			kinds[i].each(c, options, use);
	}
}

/* ---- cancelling ------------------------------------------------------------------- */

struct cancelling {
	struct check *c;
	struct worker_call *call;
	struct loop_timer *timer;
	bool done;
};

static void on_cancelled(void *data, struct worker_result *res)
{
	struct cancelling *state = data;

	if (res->died)
		fault(state->c, res->reason);
	state->c->died = res->died;
	state->done = true;
}

static void on_due(void *data)
{
	struct cancelling *state = data;

	state->timer = NULL;
	if (!state->done)
		worker_cancel(state->call);
}

static void call_and_cancel(struct check *c, struct worker_request *rq, uint64_t timeout_ns)
{
	struct cancelling state = { .c = c };

	(void)timeout_ns;
	if (c->died)
		return;
	rq->timeout_ns = CALL_TIMEOUT;
	state.call = worker_call(c->worker, rq, on_cancelled, &state);
	state.timer = loop_add_timer(c->loop, clock_now_ns() + CANCEL_AFTER, on_due, &state);
	while (!state.done)
		(void)loop_run_once(c->loop, UINT64_MAX);
	loop_remove_timer(state.timer);
}

/* ---- what it must leave alone ---------------------------------------------------- */

static void compare(struct check *c, struct json_object *before, struct json_object *after)
{
	static const struct {
		const char *key, *says;
	} things[] = {
		{ "descriptors", "descriptors were left open" },
		{ "children", "child processes were left" },
		{ "environment", "the environment was changed" },
		{ "directory", "the working directory was changed" },
		{ "locale", "the locale was changed" },
		{ "Umask", "the umask was changed" },
		{ "SigBlk", "the signal mask was changed" },
		{ "SigIgn", "signals were set to be ignored" },
		{ "SigCgt", "signal handlers were installed" },
		{ "Threads", "threads were left" },
	};

	for (size_t i = 0; i < sizeof(things) / sizeof(things[0]); i++) {
		struct json_object *a = NULL, *b = NULL;

		(void)json_object_object_get_ex(before, things[i].key, &a);
		(void)json_object_object_get_ex(after, things[i].key, &b);
		if (!json_object_equal(a, b))
			fault(c, things[i].says);
	}
}

static void check_output(struct check *c, int fd)
{
	_cleanup_(strbuf_finish) struct strbuf b = STRBUF_INIT;

	if (lseek(fd, 0, SEEK_SET) == 0 && fs_read_fd(fd, "output", OUTPUT_MAX, &b, NULL) == 0 &&
	    b.len != 0) {
		_cleanup_(freep) char *line = xstrndup(b.s, strcspn(b.s, "\n"));
		_cleanup_(freep) char *text = xasprintf("it wrote \"%.100s\"", line);

		fault(c, text);
	}
	conclude(c, "writes nothing to standard output or standard error");
}

/* ---- rules -------------------------------------------------------------------------- */

static void check_described(struct check *c, struct json_object *schema, const char *path)
{
	struct json_object *properties = jsonx_obj(schema, "properties");

	if (properties == NULL)
		return;
	json_object_object_foreach (properties, key, member) {
		_cleanup_(freep) char *where = xasprintf("%s%s", path, key);

		if (jsonx_str(member, "description", "")[0] == '\0') {
			_cleanup_(freep) char *text = xasprintf("option %s has none", where);

			fault(c, text);
		}
		_cleanup_(freep) char *below = xasprintf("%s.", where);

		check_described(c, member, below);
	}
}

static void check_text(struct check *c)
{
	struct json_object *ifaces = jsonx_arr(c->manifest, "interfaces");

	for (size_t i = 0; i < jsonx_len(ifaces); i++)
		check_described(c, jsonx_obj(json_object_array_get_idx(ifaces, i), "schema"), "");
	conclude(c, "describes every option");
	for (size_t i = 0; i < jsonx_len(ifaces); i++) {
		struct json_object *iface = json_object_array_get_idx(ifaces, i);

		if (jsonx_str(iface, "summary", "")[0] == '\0')
			fault(c, "an interface has no summary");
	}
	if (jsonx_str(c->manifest, "license", "")[0] == '\0')
		fault(c, "it names no license");
	conclude(c, "says what it is and under which license");
}

static void check_iface(struct check *c, struct json_object *iface, const struct plugin_kind *kind)
{
	struct json_object *schema = jsonx_obj(iface, "schema");
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	_cleanup_(freep) char *calls = NULL;
	_cleanup_(freep) char *cancels = NULL;
	_cleanup_(json_putp) struct json_object *least = check_make_options(schema, 0);

	c->died = false;
	c->kind = kind->name;
	c->name = jsonx_str(iface, "name", "");
	calls = xasprintf("%s \"%s\" answers whatever its options are", kind->word, c->name);
	cancels =
		xasprintf("%s \"%s\" ends within 250 ms when it is cancelled", kind->word, c->name);
	for (unsigned v = 0; v < CHECK_VARIANTS; v++) {
		_cleanup_(json_putp) struct json_object *options = check_make_options(schema, v);

		each(c, options, call);
	}
	conclude(c, calls);
	if (c->died)
		return;
	each(c, least, call_and_cancel);
	conclude(c, cancels);
}

static void check_ifaces(struct check *c, int output)
{
	struct json_object *ifaces = jsonx_arr(c->manifest, "interfaces");
	_cleanup_(json_putp) struct json_object *before = ask_worker(c, "snapshot", NULL);
	_cleanup_(json_putp) struct json_object *after = NULL;
	int pid = worker_pid(c->worker);

	for (size_t i = 0; i < jsonx_len(ifaces); i++) {
		struct json_object *iface = json_object_array_get_idx(ifaces, i);
		const struct plugin_kind *kind = plugin_kind_of_id(jsonx_str(iface, "id", ""));

		if (kind != NULL)
			check_iface(c, iface, kind);
	}
	/* A worker that had to be killed tells nothing about what was left. */
	if (worker_pid(c->worker) == pid) {
		json_object_put(ask_worker(c, "close", NULL));
		after = ask_worker(c, "snapshot", NULL);
		if (before != NULL && after != NULL)
			compare(c, before, after);
		else
			fault(c, "it did not survive being closed");
	} else {
		fault(c, "it died before it could be closed");
	}
	conclude(c, "leaves the process as it was when it is closed");
	check_output(c, output);
}

/* A server that accepts and never says anything. */
static void open_silent(struct check *c)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	union {
		struct sockaddr_in in;
		struct sockaddr any;
	} u = { .in = a };

	c->silent = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->silent >= 0 && bind(c->silent, &u.any, len) == 0 && listen(c->silent, 64) == 0 &&
	    getsockname(c->silent, &u.any, &len) == 0)
		c->silent_port = ntohs(u.in.sin_port);
}

/* ---- the manifest ----------------------------------------------------------------- */

int plugin_manifest(const char *file, const char *package, char **ret, struct holos_error **err)
{
	_cleanup_(freep) char *path = realpath(file, NULL);
	_cleanup_(freep) char *worker = plugin_worker_program();
	_cleanup_(strbuf_finish) struct strbuf out = STRBUF_INIT;
	_cleanup_(strbuf_finish) struct strbuf errout = STRBUF_INIT;
	_cleanup_(strv_finish) struct strv argv = STRV_INIT;
	int status, r;

	if (path == NULL)
		return error_sys(err, ERR_FAILED, errno, "cannot open %s", file);
	strv_add(&argv, worker);
	strv_add(&argv, "--describe");
	strv_add(&argv, path);
	if (package != NULL) {
		strv_add(&argv, "--package");
		strv_add(&argv, package);
	}
	r = process_run(worker, argv.v, clock_now_ns() + MANIFEST_TIMEOUT, &out, &errout, &status,
			err);
	if (r < 0)
		return error_wrap(err, "cannot describe %s", file);
	if (status == 0) {
		*ret = strbuf_steal(&out);
		return 0;
	}
	if (errout.len != 0) {
		const char *text = errout.s;

		errout.s[strcspn(errout.s, "\n")] = '\0';
		if (strncmp(text, "holos-worker: ", 14) == 0)
			text += 14;
		return error_set(err, ERR_FAILED, "%s", text);
	}
	char how[64];

	return error_set(err, ERR_FAILED, "%s: describing it %s", file,
			 process_describe_status(status, how));
}

static bool read_manifest(struct check *c, const char *path)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	_cleanup_(freep) char *text = NULL;
	int r = plugin_manifest(path, NULL, &text, &err);

	if (r == 0)
		r = jsonx_parse(text, strlen(text), "manifest", &c->manifest, &err);
	report(c, "loads, and describes itself as the headers say", r == 0,
	       err != NULL ? err->message : NULL);
	return r == 0;
}

/* What holos itself would refuse: place, owner, the manifest beside the file. */
static void check_place(struct check *c, const char *dir, const char *kind, const char *name)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct plugin_file so = { .fd = -1 }, json = { .fd = -1 };
	struct json_object *manifest = NULL;
	int r = plugin_search_dir(dir, kind, name, ".so", &so, NULL, &err);

	report(c, "lies where nobody else can change it", r > 0,
	       err != NULL ? err->message : "it is not there");
	error_destroy(steal_ptr(&err));
	r = plugin_search_dir(dir, kind, name, ".json", &json, NULL, &err);
	if (r > 0)
		r = manifest_read(&json, &manifest, &err) == 0 ? 1 : -1;
	report(c, "has its manifest beside it", r > 0,
	       err != NULL ? err->message : "write it: holos plugins manifest FILE.so > FILE.json");
	json_object_put(manifest);
	plugin_file_finish(&so);
	plugin_file_finish(&json);
}

static int run_rules(struct check *c, char *dir, int output, struct holos_error **err)
{
	char *dirs[] = { dir, NULL };
	struct worker_options o = { .plugin_dirs = dirs, .label = "check", .log_fd = output };
	struct json_object *first;

	c->loop = loop_create();
	c->worker = worker_create(c->loop, &o);
	first = ask_worker(c, "snapshot", err);
	if (first == NULL)
		return -ERR_HOST;
	json_object_put(first);
	check_ifaces(c, output);
	return 0;
}

int plugin_check(const char *file, check_fn *fn, void *data, struct holos_error **err)
{
	struct check c = { .fn = fn, .data = data, .faults = STRBUF_INIT, .silent = -1 };
	_cleanup_(freep) char *path = realpath(file, NULL);
	_cleanup_(freep) char *module = NULL;
	_cleanup_(freep) char *dir = NULL;
	_cleanup_(closep) int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	_cleanup_(closep) int output = memfd_create("output", MFD_CLOEXEC);
	const char *kind, *base;
	char name[33];
	int r = 0;

	if (fd < 0 || output < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot open %s", file);
	base = strrchr(path, '/') + 1;
	if (!plugin_file_parse(base, ".so", &kind, name))
		return error_set(err, ERR_FAILED,
				 "%s is not called holos-KIND-NAME.so (KIND: image, net, health, "
				 "provision or importer; NAME: a-z, 0-9 and -)",
				 base);
	module = xasprintf("%s-%s", kind, name);
	dir = xstrndup(path, base - path > 1 ? (size_t)(base - path - 1) : 1);
	c.broken = check_elf_file(fd, module, fn, data);
	if (read_manifest(&c, path)) {
		check_place(&c, dir, kind, name);
		check_text(&c);
		open_silent(&c);
		r = run_rules(&c, dir, output, err);
	}
	worker_destroy(c.worker);
	loop_destroy(c.loop);
	json_object_put(c.manifest);
	strbuf_finish(&c.faults);
	if (c.silent >= 0)
		close(c.silent);
	return r < 0 ? r : c.broken;
}
