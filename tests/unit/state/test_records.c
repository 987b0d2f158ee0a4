/* SPDX-License-Identifier: Apache-2.0
 *
 * test_records.c - instance.json and projects/<p>.json: there and back, and what
 * is refused.
 */
#include "../base/harness.h"

#include <base/jsonx.h>
#include <state/records.h>

#include <errno.h>
#include <fcntl.h>

static struct state *s;
static int dir; /* of an instance */

static void setup(void)
{
	make_test_dir();
	ck_assert_int_eq(state_open(in_dir("state"), true, &s, NULL), 0);
	dir = state_open_dir(s, true, "instances/demo/web-0");
	ck_assert_int_ge(dir, 0);
}

static void teardown(void)
{
	close(dir);
	state_close(s);
	remove_test_dir();
}

/* ---- instances ------------------------------------------------------------------- */

static struct instance_record *example(void)
{
	struct instance_record *r = instance_record_create();

	r->project = xstrdup("demo");
	r->project_id = xstrdup("0123");
	r->service = xstrdup("web");
	r->name = xstrdup("web-0");
	r->generation = xstrdup("g1");
	r->uuid = xstrdup("7f0b3a52-4b6f-4d5c-9a51-6f5f1c2d3e4f");
	r->n_nics = 2;
	r->nics = xcalloc(2, sizeof(*r->nics));
	r->nics[0] = (struct record_nic){ xstrdup("external"), xstrdup("52:54:01:00:00:00"), NULL };
	r->nics[1] = (struct record_nic){ xstrdup("default"), xstrdup("52:54:00:00:00:00"),
					  xstrdup("10.10.0.2/24") };
	r->user = xstrdup("debian");
	r->n_ports = 1;
	r->ports = xcalloc(1, sizeof(*r->ports));
	r->ports[0] = (struct vm_port){ .name = xstrdup("port-0"),
					.host_ip = xstrdup("127.0.0.1"),
					.protocol = xstrdup("tcp"),
					.host_port = 8080,
					.guest_port = 80 };
	r->ssh_port = 40022;
	r->base = xstrdup("/images/a\tb.qcow2"); /* a path is kept byte for byte */
	r->base_ident = xstrdup("1:2:3:4.000000005");
	r->root = xstrdup("/state/instances/demo/web-0/root.qcow2");
	r->root_format = xstrdup("qcow2");
	r->init = xstrdup("systemd");
	r->grace_ns = 90000000000;
	r->spec = json_object_new_object();
	jsonx_set_int(r->spec, "x", 1);
	r->created_at = xstrdup("2026-01-02T03:04:05.000000000Z");
	return r;
}

START_TEST(instance_there_and_back)
{
	_cleanup_(instance_record_destroyp) struct instance_record *r = example();
	_cleanup_(instance_record_destroyp) struct instance_record *b = NULL;
	_cleanup_(freep) char *text = NULL;
	_cleanup_(freep) char *again = NULL;
	struct stat st;

	r->index = 7;
	ck_assert_int_eq(instance_record_write(dir, r, true, NULL), 0);
	ck_assert_int_eq(fstatat(dir, "instance.json", &st, 0), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	text = read_text("state/instances/demo/web-0/instance.json");
	ck_assert_int_eq(instance_record_read(dir, &b, NULL), 0);
	ck_assert_uint_eq(b->index, 7);
	ck_assert_str_eq(b->base, r->base);
	ck_assert_uint_eq(b->n_nics, 2);
	ck_assert_ptr_null(b->nics[0].address);
	ck_assert_str_eq(b->nics[1].address, "10.10.0.2/24");
	ck_assert_uint_eq(b->ports[0].host_port, 8080);
	ck_assert_uint_eq(b->ssh_port, 40022);
	ck_assert_uint_eq(b->grace_ns, 90000000000);
	ck_assert_int_eq(jsonx_int(b->spec, "x", 0), 1);
	ck_assert_ptr_eq(instance_record_nic(b, "default"), &b->nics[1]);
	ck_assert_ptr_null(instance_record_nic(b, "other"));
	/* Nothing was lost: written again it is the same text. */
	ck_assert_int_eq(instance_record_write(dir, b, true, NULL), 0);
	again = read_text("state/instances/demo/web-0/instance.json");
	ck_assert_str_eq(again, text);
	assert_has(text, "\"name\": \"web-0\"");
}
END_TEST

static ino_t inode_of(const char *path)
{
	struct stat st;

	ck_assert_int_eq(stat(in_dir(path), &st), 0);
	return st.st_ino;
}

/* Written, and synced, only when it says something new; not durable: always. */
START_TEST(instance_written_once)
{
	static const char file[] = "state/instances/demo/web-0/instance.json";
	_cleanup_(instance_record_destroyp) struct instance_record *r = example();
	_cleanup_(instance_record_destroyp) struct instance_record *b = NULL;
	_cleanup_(closep) int keep = -1; /* so that the number is not used anew */
	ino_t first;

	ck_assert_int_eq(instance_record_write(dir, r, true, NULL), 0);
	keep = open(in_dir(file), O_RDONLY | O_CLOEXEC);
	first = inode_of(file);
	ck_assert_int_eq(instance_record_write(dir, r, true, NULL), 0);
	ck_assert_uint_eq(inode_of(file), first);
	r->ssh_port++;
	ck_assert_int_eq(instance_record_write(dir, r, true, NULL), 0);
	ck_assert_uint_ne(inode_of(file), first);
	ck_assert_int_eq(instance_record_read(dir, &b, NULL), 0);
	ck_assert_uint_eq(b->ssh_port, r->ssh_port);
}
END_TEST

START_TEST(instance_with_the_least)
{
	_cleanup_(instance_record_destroyp) struct instance_record *r = instance_record_create();
	_cleanup_(instance_record_destroyp) struct instance_record *b = NULL;

	r->project = xstrdup("demo");
	r->project_id = xstrdup("0");
	r->service = xstrdup("web");
	r->name = xstrdup("web-0");
	r->generation = xstrdup("g");
	r->uuid = xstrdup("u");
	r->root = xstrdup("/disk");
	r->root_format = xstrdup("raw");
	ck_assert_int_eq(instance_record_write(dir, r, true, NULL), 0);
	ck_assert_int_eq(instance_record_read(dir, &b, NULL), 0);
	ck_assert_ptr_null(b->user);
	ck_assert_ptr_null(b->base);
	ck_assert_ptr_null(b->spec);
	ck_assert_uint_eq(b->n_nics + b->n_ports + b->ssh_port, 0);
	instance_record_destroy(NULL);
}
END_TEST

START_TEST(instance_is_missing)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct instance_record *r = NULL;

	ck_assert_int_lt(instance_record_read(dir, &r, &err), 0);
	ck_assert_int_eq(err->sys_errno, ENOENT);
	ck_assert_ptr_null(r);
}
END_TEST

/* The example with one member changed; "" removes it. */
static const struct {
	const char *key, *value, *says; /* NULL: it is taken */
} members[] = {
	{ "format", "2", "was written by a newer holos (format 2, this one knows 1)" },
	{ "format", "", "\"format\" is missing" },
	{ "format", "0", "\"format\" is out of range" },
	{ "format", "\"1\"", "\"format\" is of the wrong type" },
	{ "project", "", "\"project\" is missing" },
	{ "project", "7", "\"project\" is of the wrong type" },
	{ "project_id", "null", "\"project_id\" is missing" },
	{ "service", "[]", "\"service\" is of the wrong type" },
	{ "name", "{}", "\"name\" is of the wrong type" },
	{ "index", "-1", "\"index\" is out of range" },
	{ "index", "1048577", "\"index\" is out of range" },
	{ "index", "1.0", "\"index\" is of the wrong type" },
	{ "generation", "", "\"generation\" is missing" },
	{ "uuid", "true", "\"uuid\" is of the wrong type" },
	{ "user", "\"a b\"", "\"user\" must be a user name" },
	{ "user", "\"-oProxyCommand=x\"", "\"user\" must be a user name" },
	{ "user", "null", NULL },
	{ "ssh_port", "65536", "\"ssh_port\" is out of range" },
	{ "ssh_port", "-1", "\"ssh_port\" is out of range" },
	{ "base", "7", "\"base\" is of the wrong type" },
	{ "root", "", "\"root\" is missing" },
	{ "root_format", "\"vmdk\"", "\"root_format\" must be qcow2 or raw" },
	{ "root_format", "", "\"root_format\" is missing" },
	{ "grace_ns", "-1", "\"grace_ns\" is out of range" },
	{ "grace_ns", "9223372036854775808", "\"grace_ns\" is out of range" },
	{ "nics", "{}", "\"nics\" is of the wrong type" },
	{ "nics", "[1]", "is not a JSON object" },
	{ "nics", "[{}]", "\"network\" is missing" },
	{ "nics", "[{\"network\":\"a\",\"mac\":7}]", "\"mac\" is of the wrong type" },
	{ "nics", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "\"nics\" has too many elements" },
	{ "nics", "null", NULL },
	{ "ports", "[{}]", "\"name\" is missing" },
	{ "ports",
	  "[{\"name\":\"p\",\"host_ip\":\"::1\",\"protocol\":\"udp\",\"host_port\":70000}]",
	  "\"host_port\" is out of range" },
	{ "ports", "[{\"name\":\"p\",\"host_ip\":\"::1\",\"protocol\":\"udp\",\"guest_port\":0}]",
	  "\"guest_port\" is out of range" },
	{ "ports", "[]", NULL },
	{ "spec", "[]", "\"spec\" is of the wrong type" },
	{ "spec", "null", NULL },
	{ "created_at", "7", "\"created_at\" is of the wrong type" },
	{ "of_the_future", "[1,2,3]", NULL },
	{ "init", "\"a\\u001b[31m\"", NULL }, /* and no escape comes through, see below */
};

static void write_with(const char *key, const char *value)
{
	_cleanup_(json_putp) struct json_object *o = NULL;
	struct json_object *v = NULL;
	_cleanup_(freep) char *text = NULL;

	ck_assert_int_eq(jsonx_read_file(dir, "instance.json", 1 << 20, &o, NULL), 0);
	json_object_object_del(o, key);
	if (*value != '\0') {
		ck_assert_int_eq(jsonx_parse(value, strlen(value), "value", &v, NULL), 0);
		jsonx_set(o, key, v);
	}
	text = jsonx_pretty(o);
	ck_assert_int_eq(fs_write_replace(dir, "instance.json", text, strlen(text), 0600, NULL), 0);
}

START_TEST(instance_member)
{
	_cleanup_(instance_record_destroyp) struct instance_record *r = example();
	_cleanup_(instance_record_destroyp) struct instance_record *b = NULL;
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	int ret;

	ck_assert_int_eq(instance_record_write(dir, r, true, NULL), 0);
	write_with(members[_i].key, members[_i].value);
	ret = instance_record_read(dir, &b, &err);
	ck_assert_msg((ret == 0) == (members[_i].says == NULL), "%s: %s", members[_i].key,
		      members[_i].value);
	if (ret == 0) {
		ck_assert(b->init == NULL || strchr(b->init, '\033') == NULL);
		return;
	}
	ck_assert_ptr_null(b);
	assert_has(err->message, "instance.json");
	assert_has(err->message, members[_i].says);
	ck_assert_int_lt(instance_record_read(dir, &b, NULL), 0); /* nobody wants to know why */
}
END_TEST

/* Cut at every byte: never a record, never a crash. */
START_TEST(instance_truncated)
{
	_cleanup_(instance_record_destroyp) struct instance_record *r = example();
	_cleanup_(freep) char *text = NULL;
	size_t len;

	ck_assert_int_eq(instance_record_write(dir, r, true, NULL), 0);
	text = read_text("state/instances/demo/web-0/instance.json");
	len = strlen(text);
	for (size_t n = 0; n < len; n++) {
		struct instance_record *b = NULL;

		ck_assert_int_eq(fs_write_replace(dir, "instance.json", text, n, 0600, NULL), 0);
		ck_assert_msg(instance_record_read(dir, &b, NULL) < 0, "%zu of %zu bytes", n, len);
		ck_assert_ptr_null(b);
	}
}
END_TEST

static const struct {
	const char *text;
	size_t len;
} damaged[] = {
#define D(text)                                                                                    \
	{                                                                                          \
		text, sizeof(text) - 1                                                             \
	}
	D("[]"),
	D("null"),
	D("7"),
	D("\"instance\""),
	D("{}"),
	D("{\"format\":1}"),
	D("\x7f"
	  "ELF\2\1\1\0\0\0\0"),
	D("\0\0\0\0"),
	D("\xff\xfe{\0}\0"),
	D("{\"format\":1,\"project\":\"\\u0000\"}"),
#undef D
};

START_TEST(instance_damaged)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct instance_record *b = NULL;

	ck_assert_int_eq(fs_write_replace(dir, "instance.json", damaged[_i].text, damaged[_i].len,
					  0600, NULL),
			 0);
	ck_assert_int_lt(instance_record_read(dir, &b, &err), 0);
	ck_assert_int_ne(err->sys_errno, ENOENT); /* that would mean: there is none */
	assert_has(err->message, "instance.json");
	ck_assert_ptr_null(b);
}
END_TEST

START_TEST(instance_is_no_file)
{
	struct instance_record *b = NULL;

	ck_assert_int_eq(mkfifoat(dir, "instance.json", 0600), 0);
	ck_assert_int_lt(instance_record_read(dir, &b, NULL), 0); /* and does not wait */
	ck_assert_int_eq(unlinkat(dir, "instance.json", 0), 0);
	ck_assert_int_eq(mkdirat(dir, "instance.json", 0700), 0);
	ck_assert_int_lt(instance_record_read(dir, &b, NULL), 0);
	ck_assert_int_eq(unlinkat(dir, "instance.json", AT_REMOVEDIR), 0);
	{
		_cleanup_(closep) int fd = openat(dir, "instance.json", O_WRONLY | O_CREAT, 0600);

		ck_assert_int_eq(ftruncate(fd, 1ll << 40), 0); /* larger than anything of ours */
	}
	ck_assert_int_lt(instance_record_read(dir, &b, NULL), 0);
}
END_TEST

/* ---- projects ----------------------------------------------------------------------- */

static struct project_record *project_example(void)
{
	struct project_record *r = project_record_create();

	r->name = xstrdup("demo");
	r->id = xstrdup("0123");
	r->file = xstrdup("/home/me/demo/holos.yaml");
	r->dir = xstrdup("/home/me/demo");
	r->spec_hash = xstrdup("abc");
	r->group = xstrdup("239.1.2.3");
	r->group_port = 12345;
	r->subnet = xstrdup("10.10.0.0/24");
	r->hosts = json_object_new_object();
	jsonx_set_str(r->hosts, "web", "10.10.0.3");
	r->n_services = 2;
	r->services = xcalloc(2, sizeof(*r->services));
	r->services[0] = (struct service_record){ .name = xstrdup("db"), .replicas = 1 };
	r->services[1] = (struct service_record){ .name = xstrdup("web"),
						  .replicas = 3,
						  .user = xstrdup("debian") };
	service_record_depend(&r->services[1], "db")->condition = DEP_HEALTHY;
	return r;
}

START_TEST(project_there_and_back)
{
	_cleanup_(project_record_destroyp) struct project_record *r = project_example();
	_cleanup_(project_record_destroyp) struct project_record *b = NULL;
	struct stat st;

	ck_assert_int_eq(project_record_write(s, r, NULL, NULL), 0);
	ck_assert_int_eq(fstatat(s->fd, "projects/demo.json", &st, 0), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert_int_eq(project_record_read(s, "demo", &b, NULL), 0);
	ck_assert(!b->foreign);
	ck_assert_str_eq(b->name, "demo");
	ck_assert_str_eq(b->id, "0123");
	ck_assert_str_eq(b->file, r->file);
	ck_assert_str_eq(b->dir, r->dir);
	ck_assert_str_eq(b->spec_hash, "abc");
	ck_assert_str_eq(b->group, "239.1.2.3");
	ck_assert_uint_eq(b->group_port, 12345);
	ck_assert_str_eq(b->subnet, "10.10.0.0/24");
	ck_assert_str_eq(jsonx_str(b->hosts, "web", ""), "10.10.0.3");
	ck_assert_ptr_nonnull(b->updated_at);
	ck_assert_uint_eq(b->n_services, 2);
	ck_assert_str_eq(b->services[0].name, "db"); /* the order is kept */
	ck_assert_ptr_null(b->services[0].user);
	ck_assert_uint_eq(b->services[1].replicas, 3);
	ck_assert_str_eq(b->services[1].user, "debian");
	ck_assert_uint_eq(b->services[1].n_depends_on, 1);
	ck_assert_str_eq(b->services[1].depends_on[0].service, "db");
	ck_assert_int_eq(b->services[1].depends_on[0].condition, DEP_HEALTHY);
	ck_assert(!b->services[1].depends_on[0].required);
	ck_assert_ptr_eq(project_record_service(b, "web"), &b->services[1]);
	ck_assert_ptr_null(project_record_service(b, "none"));
}
END_TEST

START_TEST(project_from_standard_input)
{
	_cleanup_(project_record_destroyp) struct project_record *r = project_record_create();
	_cleanup_(project_record_destroyp) struct project_record *b = NULL;

	r->name = xstrdup("demo");
	r->id = xstrdup("0");
	ck_assert_int_eq(project_record_write(s, r, NULL, NULL), 0);
	ck_assert_int_eq(project_record_read(s, "demo", &b, NULL), 0);
	ck_assert_ptr_null(b->file);
	ck_assert_ptr_null(b->group);
	ck_assert_uint_eq(b->n_services, 0);
	project_record_destroy(NULL);
}
END_TEST

/* What users of the existing implementation read from the file. */
START_TEST(project_snapshot)
{
	_cleanup_(project_record_destroyp) struct project_record *r = project_example();
	_cleanup_(json_putp) struct json_object *snapshot = NULL;
	_cleanup_(json_putp) struct json_object *o = NULL;
	static const char text[] =
		"[{\"name\":\"web\",\"instances\":[{\"name\":\"web-0\",\"pid\":7}]},"
		"{\"name\":\"other\",\"instances\":[]}]";
	struct json_object *services, *web;

	ck_assert_int_eq(jsonx_parse(text, sizeof(text) - 1, "x", &snapshot, NULL), 0);
	ck_assert_int_eq(project_record_write(s, r, snapshot, NULL), 0);
	ck_assert_int_eq(jsonx_read_file(s->fd, "projects/demo.json", 1 << 20, &o, NULL), 0);
	services = jsonx_arr(o, "services");
	ck_assert_uint_eq(jsonx_len(services), 2);
	web = json_object_array_get_idx(services, 1);
	ck_assert_str_eq(jsonx_str(web, "name", ""), "web");
	ck_assert_int_eq(jsonx_int(web, "desired_replicas", 0), 3);
	ck_assert_uint_eq(jsonx_len(jsonx_arr(web, "instances")), 1);
	ck_assert_ptr_nonnull(jsonx_arr(json_object_array_get_idx(services, 0), "instances"));
	ck_assert_ptr_nonnull(jsonx_obj(jsonx_obj(o, "network"), "hosts"));
}
END_TEST

/* As the Go program writes it: no format, no id.  It can be read, and is marked. */
START_TEST(project_foreign)
{
	_cleanup_(project_record_destroyp) struct project_record *b = NULL;
	static const char text[] =
		"{\n  \"name\": \"demo\",\n  \"spec_hash\": \"ff\",\n  \"services\": [\n    {\n"
		"      \"name\": \"web\",\n      \"desired_replicas\": 2,\n      \"instances\": [\n"
		"        {\"name\": \"web-0\", \"index\": 0, \"pid\": 123, \"status\": "
		"\"running\",\n"
		"         \"work_dir\": \"/etc\", \"ports\": null, \"last_exit_time\":"
		" \"0001-01-01T00:00:00Z\"}\n      ],\n      \"login_user\": \"ubuntu\"\n    }\n  "
		"],\n"
		"  \"network\": {\"multicast_group\": \"239.42.151.81\", \"multicast_port\": "
		"37701,\n"
		"    \"subnet\": \"10.10.0.0/24\", \"hosts\": {\"web\": \"10.10.0.2\"}},\n"
		"  \"updated_at\": \"2025-01-02T03:04:05.123456789Z\"\n}\n";

	ck_assert_int_eq(
		fs_write_replace(s->fd, "projects/demo.json", text, sizeof(text) - 1, 0600, NULL),
		0);
	ck_assert_int_eq(project_record_read(s, "demo", &b, NULL), 0);
	ck_assert(b->foreign);
	ck_assert_ptr_null(b->id);
	ck_assert_uint_eq(b->group_port, 37701);
	ck_assert_uint_eq(b->services[0].replicas, 2);
	ck_assert_str_eq(b->services[0].user, "ubuntu");
}
END_TEST

static const struct {
	const char *text, *says; /* NULL: it is taken */
} projects[] = {
	{ "{\"name\":\"demo\",\"services\":null}", NULL }, /* foreign, after a failed start */
	{ "{\"format\":1,\"name\":\"demo\",\"id\":\"1\"}", NULL },
	{ "{\"format\":1,\"name\":\"demo\",\"id\":\"1\",\"future\":{}}", NULL },
	{ "{\"format\":1,\"name\":\"demo\"}", "\"id\" is missing" },
	{ "{\"format\":2,\"name\":\"demo\",\"id\":\"1\"}", "was written by a newer holos" },
	{ "{\"format\":null,\"name\":\"demo\",\"id\":\"1\"}", "\"format\" is missing" },
	{ "{\"format\":\"1\",\"name\":\"demo\",\"id\":\"1\"}", "\"format\" is of the wrong type" },
	{ "{\"format\":1,\"name\":\"shop\",\"id\":\"1\"}",
	  "is the record of another project, \"shop\"" },
	{ "{\"format\":1,\"name\":\"../demo\",\"id\":\"1\"}",
	  "\"name\" must be the name of a project" },
	{ "{\"format\":1,\"name\":\"a\\u001b[31m\",\"id\":\"1\"}", "\"name\" must be the name" },
	{ "{\"format\":1,\"id\":\"1\"}", "\"name\" is missing" },
	{ "{\"format\":1,\"name\":[],\"id\":\"1\"}", "\"name\" is of the wrong type" },
	{ "{\"format\":1,\"name\":\"demo\",\"id\":\"1\",\"services\":{}}",
	  "\"services\" is of the wrong type" },
	{ "{\"format\":1,\"name\":\"demo\",\"id\":\"1\",\"services\":[7]}",
	  "is not a JSON object" },
	{ "{\"format\":1,\"name\":\"demo\",\"id\":\"1\",\"services\":[{}]}",
	  "\"name\" is missing" },
	{ "{\"format\":1,\"name\":\"demo\",\"id\":\"1\",\"services\":[{\"name\":\"../x\"}]}",
	  "\"name\" must be the name of a service" },
	{ "{\"format\":1,\"name\":\"demo\",\"id\":\"1\",\"services\":[{\"name\":\"x\","
	  "\"desired_replicas\":-1}]}",
	  "\"desired_replicas\" is out of range" },
	{ "{\"format\":1,\"name\":\"demo\",\"id\":\"1\",\"services\":[{\"name\":\"x\","
	  "\"depends_on\":[7]}]}",
	  "\"depends_on\" must be names of services" },
	{ "{\"format\":1,\"name\":\"demo\",\"id\":\"1\",\"services\":[{\"name\":\"x\","
	  "\"depends_on\":[\"/\"]}]}",
	  "\"depends_on\" must be names of services" },
	{ "{\"format\":1,\"name\":\"demo\",\"id\":\"1\",\"network\":[]}",
	  "\"network\" is of the wrong type" },
	{ "{\"format\":1,\"name\":\"demo\",\"id\":\"1\",\"network\":{\"multicast_port\":65536}}",
	  "\"multicast_port\" is out of range" },
	{ "{\"format\":1,\"name\":\"demo\",\"id\":\"1\",\"network\":{\"hosts\":[]}}",
	  "\"hosts\" is of the wrong type" },
	{ "{\"format\":1,\"name\":\"demo\",\"id\":7}", "\"id\" is of the wrong type" },
	{ "{\"format\":1,\"name\":\"demo\",\"id\":\"1\"", "no valid JSON" },
	{ "", "no valid JSON (empty)" },
	{ "[]", "is not a JSON object" },
};

START_TEST(project_text)
{
	_cleanup_(project_record_destroyp) struct project_record *b = NULL;
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	const char *text = projects[_i].text;
	int r;

	ck_assert_int_eq(
		fs_write_replace(s->fd, "projects/demo.json", text, strlen(text), 0600, NULL), 0);
	r = project_record_read(s, "demo", &b, &err);
	ck_assert_msg((r == 0) == (projects[_i].says == NULL), "%s: %s", text,
		      err != NULL ? err->message : "taken");
	if (r == 0)
		return;
	ck_assert_ptr_null(b);
	assert_has(err->message, "projects/demo.json");
	assert_has(err->message, projects[_i].says);
}
END_TEST

START_TEST(project_truncated)
{
	_cleanup_(project_record_destroyp) struct project_record *r = project_example();
	_cleanup_(freep) char *text = NULL;
	size_t len;

	ck_assert_int_eq(project_record_write(s, r, NULL, NULL), 0);
	text = read_text("state/projects/demo.json");
	len = strlen(text);
	for (size_t n = 0; n < len; n++) {
		struct project_record *b = NULL;

		ck_assert_int_eq(fs_write_replace(s->fd, "projects/demo.json", text, n, 0600, NULL),
				 0);
		ck_assert_msg(project_record_read(s, "demo", &b, NULL) < 0, "%zu of %zu", n, len);
	}
}
END_TEST

START_TEST(project_is_missing)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct project_record *b = NULL;
	struct state none = { .dir = NULL, .fd = -1 };

	ck_assert_int_lt(project_record_read(s, "demo", &b, &err), 0);
	ck_assert_int_eq(err->sys_errno, ENOENT);
	ck_assert_int_lt(project_record_read(&none, "demo", &b, &err), 0);
	ck_assert_int_eq(err->sys_errno, ENOENT);
	ck_assert_int_eq(project_record_remove(s, "demo", NULL), 0);
}
END_TEST

START_TEST(project_removed)
{
	_cleanup_(project_record_destroyp) struct project_record *r = project_example();

	ck_assert_int_eq(project_record_write(s, r, NULL, NULL), 0);
	ck_assert_int_eq(project_record_remove(s, "demo", NULL), 0);
	ck_assert(!fs_exists(s->fd, "projects/demo.json"));
	ck_assert(fs_exists(s->fd, "projects"));
}
END_TEST

static void add_tests(TCase *c)
{
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, instance_there_and_back);
	tcase_add_test(c, instance_written_once);
	tcase_add_test(c, instance_with_the_least);
	tcase_add_test(c, instance_is_missing);
	tcase_add_loop_test(c, instance_member, 0, N(members));
	tcase_add_test(c, instance_truncated);
	tcase_add_loop_test(c, instance_damaged, 0, N(damaged));
	tcase_add_test(c, instance_is_no_file);
	tcase_add_test(c, project_there_and_back);
	tcase_add_test(c, project_from_standard_input);
	tcase_add_test(c, project_snapshot);
	tcase_add_test(c, project_foreign);
	tcase_add_loop_test(c, project_text, 0, N(projects));
	tcase_add_test(c, project_truncated);
	tcase_add_test(c, project_is_missing);
	tcase_add_test(c, project_removed);
}

int main(void)
{
	return run_suite("state-records", add_tests);
}
