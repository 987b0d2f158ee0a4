/* SPDX-License-Identifier: Apache-2.0
 *
 * test_spec.c - what a change of each field costs, and how it is told.
 */
#include "harness.h"

#include <base/jsonx.h>
#include <compose/place.h>
#include <plan/diff.h>

/* The service "web" of a file of one line of its members and one of the rest. */
static struct json_object *spec_of(const char *members, const char *rest)
{
	_cleanup_(freep) char *yaml =
		xasprintf("name: demo\nservices:\n  web: {%s%s}\n%s", members,
			  strstr(members, "image:") != NULL || strstr(members, "root_disk") != NULL
				  ? ""
				  : ", image: \"debian:12\"",
			  rest);
	_cleanup_(project_destroyp) struct project *p = load_text(yaml);

	return plan_spec(p, project_service(p, "web"));
}

/* All differences, a line each; the caller frees. */
static char *told_of(const struct plan_diffs *d)
{
	_cleanup_(strv_finish) struct strv lines = STRV_INIT;

	for (size_t i = 0; i < d->n; i++)
		strv_take(&lines, plan_diff_text(&d->v[i]));
	return strv_join(lines.v, "\n");
}

#define KEEP     PLAN_KEEP
#define LIVE     PLAN_LIVE
#define RESTART  PLAN_RESTART
#define RECREATE PLAN_RECREATE

#define MIN "vm: {vcpu: 1}" /* says nothing */

/* Members of the service before and after; what they cost; what is told. */
static const struct {
	const char *was, *is;
	enum plan_change change;
	const char *says;
} changes[] = {
	/* A new root disk. */
	{ MIN, "image: \"debian:13\"", RECREATE, "image: \"debian:12\" -> \"debian:13\"" },
	{ "image: ./a.qcow2", "image: ./b.qcow2", RECREATE, "image: \"/" },
	{ "image: ./a.qcow2", "image: ./a.qcow2, image_format: raw", RECREATE,
	  "image_format: (default) -> \"raw\"" },
	{ MIN, "image_os: openrc", RECREATE, "image_os: (default) -> \"openrc\"" },
	{ MIN, "dockerfile: Dockerfile", RECREATE, "dockerfile: (default) -> \"" },
	{ "vm: {disk_size: 10G}", "vm: {disk_size: 20G}", RECREATE,
	  "vm.disk_size: \"10G\" -> \"20G\"" },
	{ "vm: {disk_size: 10G}", MIN, RECREATE, "vm.disk_size: \"10G\" -> (default)" },
	{ MIN, "vm: {root_disk: /a.qcow2}", RECREATE, "vm.root_disk: (default) -> \"/a.qcow2\"" },
	{ MIN, "vm: {uefi: true}", RECREATE, "vm.uefi: (default) -> true" },
	{ MIN, "cloud_init: {user: me}", RECREATE, "cloud_init.user: (default) -> \"me\"" },
	{ MIN, "cloud_init: {ssh_authorized_keys: [\"ssh-ed25519 AAAA a\"]}", RECREATE,
	  "cloud_init.ssh_authorized_keys: (default) -> [\"ssh-ed25519 AAAA a\"]" },
	{ MIN, "cloud_init: {packages: [curl]}", RECREATE,
	  "cloud_init.packages: (default) -> [\"curl\"]" },
	{ "cloud_init: {packages: [curl, vim]}", "cloud_init: {packages: [vim, curl]}", RECREATE,
	  "cloud_init.packages: [\"curl\",\"vim\"] -> [\"vim\",\"curl\"]" },
	{ MIN, "cloud_init: {write_files: [{path: /a, content: b}]}", RECREATE,
	  "cloud_init.write_files[0]: (none) -> {\"content\":\"(1 byte)\",\"path\":\"/a\"}" },
	{ "cloud_init: {write_files: [{path: /a, permissions: \"0600\"}]}",
	  "cloud_init: {write_files: [{path: /a, permissions: \"0644\"}]}", RECREATE,
	  "cloud_init.write_files[0].permissions: \"0600\" -> (default)" },
	{ "cloud_init: {write_files: [{path: /a, content: ab}]}",
	  "cloud_init: {write_files: [{path: /a, content: abc}]}", RECREATE,
	  "cloud_init.write_files[0].content: (2 bytes) -> (3 bytes)" },
	{ MIN, "cloud_init: {bootcmd: [date]}", RECREATE,
	  "cloud_init.bootcmd: (default) -> [\"date\"]" },
	{ "cloud_init: {runcmd: [date]}", "cloud_init: {runcmd: [[date]]}", RECREATE,
	  "cloud_init.runcmd: [\"date\"] -> [[\"date\"]]" },
	/* A restart. */
	{ MIN, "vm: {vcpu: 2}", RESTART, "vm.vcpu: (default) -> 2" },
	{ "vm: {vcpu: 2}", "vm: {vcpu: 4}", RESTART, "vm.vcpu: 2 -> 4" },
	{ MIN, "hostname: shop", RESTART, "hostname: (default) -> \"shop\"" },
	{ MIN, "vm: {memory_mb: 1024}", RESTART, "vm.memory_mb: (default) -> 1024" },
	{ MIN, "vm: {machine: pc}", RESTART, "vm.machine: (default) -> \"pc\"" },
	{ MIN, "vm: {cpu_model: max}", RESTART, "vm.cpu_model: (default) -> \"max\"" },
	{ MIN, "vm: {accel: tcg}", RESTART, "vm.accel: (default) -> \"tcg\"" },
	{ MIN, "vm: {sandbox: false}", RESTART, "vm.sandbox: (default) -> false" },
	{ MIN, "vm: {extra_args: [\"-vga\", std]}", RESTART,
	  "vm.extra_args: (default) -> [\"-vga\",\"std\"]" },
	{ MIN, "ports: [\"8080:80\"]", RESTART,
	  "ports[0]: (none) -> "
	  "{\"host_ip\":\"127.0.0.1\",\"protocol\":\"tcp\",\"published\":\"8080\"," },
	{ "ports: [\"8080:80\"]", "ports: [\"8080:80/udp\"]", RESTART,
	  "ports[0].protocol: \"tcp\" -> \"udp\"" },
	{ "ports: [\"80\", \"8080:81\"]", "ports: [\"8081:81\", \"80\"]", RESTART,
	  "ports[0].published: \"8080\" -> \"8081\"" },
	{ "ports: [\"80\", \"81\"]", "ports: [\"81\"]", RESTART, "ports[0]: {\"host_ip\"" },
	{ "ports: [\"80\", \"81\"]", "ports: [\"81\", \"80\"]", RESTART, "ports: [{\"host_ip\"" },
	{ "ports: [\"80\"]", "ports: [\"0.0.0.0::80\"]", RESTART,
	  "ports[0].host_ip: \"127.0.0.1\" -> \"0.0.0.0\"" },
	{ "ports: [\"8000:80\"]", "ports: [\"8000-8010:80\"]", RESTART,
	  "ports[0].published: \"8000\" -> \"8000-8010\"" },
	{ MIN, "volumes: [\"data:/a\"]", RESTART,
	  "volumes[0]: (none) -> {\"source\":\"data\",\"target\":\"/a\"," },
	{ MIN, "volumes: [\"/data:/a\"]", RESTART,
	  "volumes[0]: (none) -> {\"source\":\"/data\",\"target\":\"/a\"," },
	{ "volumes: [\"data:/a\"]", "volumes: [\"data:/a:ro\"]", RESTART,
	  "volumes[0].read_only: (default) -> true" },
	{ "vm: {uefi: true}", "devices: [{pci: \"0000:01:00.0\"}], vm: {uefi: true}", RESTART,
	  "devices[0]: (none) -> {\"pci\":\"0000:01:00.0\"}" },
	{ "devices: [{pci: \"0000:01:00.0\"}]",
	  "devices: [{pci: \"0000:01:00.0\", rom_file: /rom}]", RESTART,
	  "devices[0].rom_file: (default) -> \"/rom\"" },
	{ MIN, "networks: [back]", RESTART, "networks.back: (default) -> {}" },
	{ "networks: [back]", "networks: {back: {aliases: [www]}}", RESTART,
	  "networks.back.aliases: (default) -> [\"www\"]" },
	{ MIN, "environment: {A: b}", RESTART, "environment.A: (default) -> \"b\"" },
	{ "environment: {DB_PASSWORD: a}", "environment: {DB_PASSWORD: b}", RESTART,
	  "environment.DB_PASSWORD: (hidden) -> (hidden)" },
	{ MIN, "environment: {API_KEY: a, T: \"x\"}", RESTART,
	  "environment.API_KEY: (default) -> (hidden)" },
	{ MIN,
	  "environment: {A: "
	  "0123456789012345678901234567890123456789012345678901234567890123456789}",
	  RESTART, "\"012345678901234567890123456789012345678901234567890123456...\"" },
	{ MIN, "extra_hosts: {gw: 10.0.0.1}", RESTART,
	  "extra_hosts.gw: (default) -> \"10.0.0.1\"" },
	/* Nothing but a note. */
	{ MIN, "labels: {a: b}", LIVE, "labels.a: (default) -> \"b\"" },
	{ MIN, "restart: always", LIVE, "restart: (default) -> \"always\"" },
	{ "restart: \"on-failure\"", "restart: \"on-failure:3\"", LIVE,
	  "restart: \"on-failure\" -> \"on-failure:3\"" },
	{ MIN, "healthcheck: {test: \"true\"}", LIVE, "healthcheck.test: (default) -> \"true\"" },
	{ "healthcheck: {test: \"true\"}", "healthcheck: {test: \"true\", retries: 9}", LIVE,
	  "healthcheck.retries: (default) -> 9" },
	{ "healthcheck: {test: \"true\"}", "healthcheck: {test: [\"true\"]}", LIVE,
	  "healthcheck.test: \"true\" -> [\"CMD\",\"true\"]" },
	/* It silences the Dockerfile's. */
	{ MIN, "healthcheck: {disable: true}", LIVE, "healthcheck.disable: (default) -> true" },
	{ MIN, "stop_grace_period: 1m", LIVE, "stop_grace_period: (default) -> \"1m0s\"" },
	/* The same in other words, and defaults: nobody's VM is touched. */
	{ MIN, MIN, KEEP, NULL },
	{ MIN, "vm: {vcpu: 1, memory_mb: 512, sandbox: true, uefi: false}", KEEP, NULL },
	{ MIN, "vm: {memory: 512M}", KEEP, NULL },
	{ MIN, "restart: \"no\"", KEEP, NULL },
	{ MIN, "stop_grace_period: 30s", KEEP, NULL },
	{ MIN, "networks: [default]", KEEP, NULL },
	{ MIN, "labels: {}", KEEP, NULL },
	{ MIN, "ports: []", KEEP, NULL },
	{ MIN, "environment: {}", KEEP, NULL },
	{ MIN, "cloud_init: {packages: [], runcmd: []}", KEEP, NULL },
	{ MIN, "replicas: 3", KEEP, NULL },
	{ "ports: [\"8080:80\"]", "ports: [\"127.0.0.1:8080:80/tcp\"]", KEEP, NULL },
	{ "labels: {a: \"1\", b: \"2\"}", "labels: [b=2, a=1]", KEEP, NULL },
	{ "environment: {A: \"1\", B: \"2\"}", "environment: [B=2, A=1]", KEEP, NULL },
	/* The dearest of several decides. */
	{ MIN, "vm: {vcpu: 2}, labels: {a: b}", RESTART, "labels.a: " },
	{ MIN, "vm: {vcpu: 2, disk_size: 9G}, labels: {a: b}", RECREATE,
	  "vm.vcpu: (default) -> 2" },
};

#define REST "volumes: {data: {}}\nnetworks: {back: {subnet: 10.2.0.0/24}}\n"

START_TEST(change)
{
	_cleanup_(json_putp) struct json_object *was = NULL;
	_cleanup_(json_putp) struct json_object *is = NULL;
	_cleanup_(plan_diffs_finish) struct plan_diffs told = { 0 };
	_cleanup_(freep) char *all = NULL;
	enum plan_change got;

	write_text("Dockerfile", "FROM debian:12\nRUN true\n");
	was = spec_of(changes[_i].was, REST);
	is = spec_of(changes[_i].is, REST);
	got = plan_spec_compare(was, is, &told);
	all = told_of(&told);
	ck_assert_msg(got == changes[_i].change, "%s -> %s: %s\n%s", changes[_i].was,
		      changes[_i].is, plan_change_name(got), all);
	ck_assert_int_eq(plan_spec_compare(was, is, NULL), got);
	if (got == KEEP)
		ck_assert_uint_eq(told.n, 0);
	else
		assert_has(all, changes[_i].says);
	/* And back: the same price. */
	ck_assert_int_eq(plan_spec_compare(is, was, NULL), got);
}
END_TEST

/* What the networks of the project are is part of each service on them. */
static const struct {
	const char *was, *is;
	enum plan_change change;
} around[] = {
	{ "", "networks: {default: {subnet: 10.10.0.0/24}}\n", KEEP },
	{ "", "networks: {default: {subnet: 10.99.0.0/24}}\n", RESTART },
	{ "", "networks: {default: {internal: true}}\n", RESTART },
	{ "", "networks: {default: {driver: other}}\n", RESTART },
	{ "", "networks: {default: {options: {a: b}}}\n", RESTART },
	{ "", "networks: {unused: {subnet: 10.98.0.0/24}}\n", KEEP },
	{ "", "x-note: {a: b}\n", KEEP },
};

START_TEST(change_around_it)
{
	_cleanup_(json_putp) struct json_object *was = spec_of(MIN, around[_i].was);
	_cleanup_(json_putp) struct json_object *is = spec_of(MIN, around[_i].is);

	ck_assert_int_eq(plan_spec_compare(was, is, NULL), around[_i].change);
}
END_TEST

/* The Dockerfile's text counts, not its name. */
START_TEST(change_of_the_dockerfile)
{
	_cleanup_(json_putp) struct json_object *was = NULL;
	_cleanup_(json_putp) struct json_object *same = NULL;
	_cleanup_(json_putp) struct json_object *is = NULL;

	write_text("Dockerfile", "FROM debian:12\nRUN true\n");
	write_text("Other", "FROM debian:12\nRUN true\n");
	was = spec_of("dockerfile: Dockerfile", "");
	same = spec_of("dockerfile: Other", "");
	write_text("Dockerfile", "FROM debian:12\nRUN false\n");
	is = spec_of("dockerfile: Dockerfile", "");
	ck_assert_int_eq(plan_spec_compare(was, same, NULL), PLAN_KEEP);
	ck_assert_int_eq(plan_spec_compare(was, is, NULL), PLAN_RECREATE);
}
END_TEST

static struct json_object *parse(const char *text)
{
	struct json_object *o = NULL;

	ck_assert_int_eq(jsonx_parse(text, strlen(text), "x", &o, NULL), 0);
	return o;
}

/* Records from disk: older, newer, damaged. */
static const struct {
	const char *was;
	enum plan_change change;
	const char *says;
} records[] = {
	{ "{\"recreate\":{\"image\":\"debian:12\"},\"restart\":{\"vm\":{\"vcpu\":2}}}", RESTART,
	  "vm.vcpu: 2 -> (default)" },
	{ "{}", RECREATE, "image: (default) -> \"debian:12\"" },
	{ "{\"recreate\":7,\"restart\":[],\"live\":null}", RECREATE, "image: (default) ->" },
	{ "{\"recreate\":{\"image\":null}}", RECREATE, "image: (default) -> \"debian:12\"" },
	{ "{\"recreate\":{\"image\":{\"a\":1}}}", RECREATE, "image: {\"a\":1} -> \"debian:12\"" },
	{ "{\"recreate\":{\"image\":\"debian:12\",\"of_the_future\":[1]}}", RECREATE,
	  "of_the_future: [1] -> (default)" },
	{ "{\"recreate\":{\"image\":\"debian:12\",\"of_the_future\":{}}}", RECREATE,
	  "of_the_future: {} -> (default)" },
	{ "[]", RECREATE, "image" },
};

START_TEST(record)
{
	_cleanup_(json_putp) struct json_object *was = parse(records[_i].was);
	_cleanup_(json_putp) struct json_object *is = spec_of(MIN, "");
	_cleanup_(plan_diffs_finish) struct plan_diffs told = { 0 };
	_cleanup_(freep) char *all = NULL;

	ck_assert_int_eq(plan_spec_compare(was, is, &told), records[_i].change);
	all = told_of(&told);
	assert_has(all, records[_i].says);
}
END_TEST

START_TEST(nothing_before_is_a_recreate)
{
	_cleanup_(json_putp) struct json_object *is = spec_of(MIN, "");

	ck_assert_int_eq(plan_spec_compare(NULL, is, NULL), PLAN_RECREATE);
	/* As read back from a record: nothing differs. */
	{
		_cleanup_(json_putp) struct json_object *back = parse(jsonx_line(is));

		ck_assert_int_eq(plan_spec_compare(back, is, NULL), PLAN_KEEP);
	}
}
END_TEST

START_TEST(dearest_first)
{
	_cleanup_(json_putp) struct json_object *was = spec_of(MIN, "");
	_cleanup_(json_putp) struct json_object *is =
		spec_of("labels: {a: b}, vm: {vcpu: 2}, image_os: openrc", "");
	_cleanup_(plan_diffs_finish) struct plan_diffs told = { 0 };

	plan_spec_compare(was, is, &told);
	ck_assert_uint_eq(told.n, 3);
	ck_assert_int_eq(strncmp(told.v[0].path, "image_os", 8), 0);
	ck_assert_int_eq(strncmp(told.v[1].path, "vm.vcpu", 7), 0);
	ck_assert_int_eq(strncmp(told.v[2].path, "labels", 6), 0);
}
END_TEST

START_TEST(names_of_changes)
{
	ck_assert_str_eq(plan_change_name(PLAN_KEEP), "keep");
	ck_assert_str_eq(plan_change_name(PLAN_LIVE), "live");
	ck_assert_str_eq(plan_change_name(PLAN_RESTART), "restart");
	ck_assert_str_eq(plan_change_name(PLAN_RECREATE), "recreate");
	ck_assert_int_lt(PLAN_KEEP, PLAN_LIVE);
	ck_assert_int_lt(PLAN_LIVE, PLAN_RESTART);
	ck_assert_int_lt(PLAN_RESTART, PLAN_RECREATE);
}
END_TEST

static const struct {
	const char *yaml;
	bool same;
} hashes[] = {
	{ "services: {a: {image: x:1}, b: {image: y:1}}\n", true },
	{ "services: {b: {image: y:1}, a: {image: x:1}}\n", true },
	{ "# a comment\nservices:\n  a: {image: \"x:1\", replicas: 1}\n  b: {image: y:1}\n", true },
	{ "services: {a: {image: x:1, replicas: 2}, b: {image: y:1}}\n", false },
	{ "services: {a: {image: x:2}, b: {image: y:1}}\n", false },
	{ "services: {a: {image: x:1}}\n", false },
	{ "services: {a: {image: x:1}, c: {image: y:1}}\n", false },
	{ "services: {a: {image: x:1, labels: {a: b}}, b: {image: y:1}}\n", false },
};

START_TEST(project_hash)
{
	_cleanup_(project_destroyp) struct project *base = load_text(hashes[0].yaml);
	_cleanup_(project_destroyp) struct project *other = load_text(hashes[_i].yaml);
	char h1[65], h2[65];

	plan_project_hash(base, h1);
	plan_project_hash(other, h2);
	ck_assert_uint_eq(strspn(h1, "0123456789abcdef"), 64);
	ck_assert_uint_eq(strlen(h1), 64);
	ck_assert_int_eq(strcmp(h1, h2) == 0, hashes[_i].same);
}
END_TEST

/* Where a difference stands in the file, by its text and what it says there. */
static const struct {
	const char *yaml; /* with | where the place is due */
	const char *keys[5];
} places[] = {
	{ "services:\n  web:\n    image: |x\n", { "image" } },
	{ "services:\n  web: {image: x, vm: {vcpu: |2}}\n", { "vm", "vcpu" } },
	{ "services:\n  web: {image: x, vm: {memory: |2G}}\n", { "vm", "memory_mb" } },
	{ "services:\n  web: {image: x, |vm: {vcpu: 2}}\n", { "vm", "memory_mb" } },
	{ "services:\n  |web:\n    image: x\n", { "labels", "a" } },
	{ "services:\n  web:\n    image: x\n    labels:\n      - a=b\n      - |b=c\n",
	  { "labels", "b" } },
	{ "services:\n  web: {image: x, labels: {\"a.b\": |c}}\n", { "labels", "a.b" } },
	{ "services:\n  web: {image: x, ports: [\"80\", |\"8080:81\"]}\n",
	  { "ports", "[1]", "published" } },
	{ "services:\n  web: {image: x, ports: [{target: 80, published: |90}]}\n",
	  { "ports", "[0]", "published" } },
	{ "services:\n  web: {image: x, |ports: [\"80\"]}\n", { "ports", "[3]" } },
	{ "services:\n  web: {image: x, volumes: [\"d:/d\"]}\nvolumes:\n  d: {size: |5G}\n",
	  { PLACE_VOLUMES, "d", "size" } },
	{ "services:\n  web: {image: x}\nnetworks: {default: {subnet: |10.9.0.0/24}}\n",
	  { PLACE_NETWORKS, "default", "subnet" } },
	{ "services:\n  web: {image: x}\n", { PLACE_NETWORKS, "default", "subnet" } },
};

START_TEST(place)
{
	_cleanup_(freep) char *yaml = xstrdup(places[_i].yaml);
	_cleanup_(project_destroyp) struct project *p = NULL;
	_cleanup_(strv_finish) struct strv keys = STRV_INIT;
	char *due = strchr(yaml, '|'), *start = due;
	unsigned line = 0, column = 0;
	struct mark mark;

	if (due != NULL) {
		memmove(due, due + 1, strlen(due));
		line = 1;
		for (char *c = yaml; c < due; c++)
			line += *c == '\n';
		while (start > yaml && start[-1] != '\n')
			start--;
		column = (unsigned)(due - start) + 1;
	}
	p = load_text(yaml);
	for (size_t i = 0; i < 5 && places[_i].keys[i] != NULL; i++)
		strv_add(&keys, places[_i].keys[i]);
	mark = project_place(p, "web", keys.v);
	ck_assert_uint_eq(mark.line, line);
	ck_assert_uint_eq(mark.column, column);
}
END_TEST

static void add_tests(TCase *c)
{
	tcase_add_checked_fixture(c, make_test_dir, remove_test_dir);
	tcase_add_loop_test(c, change, 0, N(changes));
	tcase_add_loop_test(c, change_around_it, 0, N(around));
	tcase_add_test(c, change_of_the_dockerfile);
	tcase_add_loop_test(c, record, 0, N(records));
	tcase_add_test(c, nothing_before_is_a_recreate);
	tcase_add_test(c, dearest_first);
	tcase_add_test(c, names_of_changes);
	tcase_add_loop_test(c, project_hash, 0, N(hashes));
	tcase_add_loop_test(c, place, 0, N(places));
}

int main(void)
{
	return run_suite("plan-spec", add_tests);
}
