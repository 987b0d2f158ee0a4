/* SPDX-License-Identifier: Apache-2.0
 *
 * test_steps.c - what a guest is told (docs/steps.md), against steps/NAME.json.
 */
#include "harness.h"

#include <base/jsonx.h>
#include <plan/steps.h>

static const struct {
	const char *golden, *yaml, *vm, *user, *init;
	bool volumes;
} cases[] = {
	{ .golden = "steps/plain.json",
	  .yaml = "name: demo\nservices: {web: {image: \"debian:12\"}}\n",
	  .vm = "web-0",
	  .user = "debian",
	  .init = "systemd" },
	{ .golden = "steps/everything.json",
	  .yaml = "name: demo\n"
		  "services:\n"
		  "  db: {image: \"debian:12\", networks: [back]}\n"
		  "  web:\n"
		  "    image: \"alpine:3.21\"\n"
		  "    replicas: 2\n"
		  "    hostname: www.example.org\n"
		  "    networks: {default: {aliases: [shop]}, back: {}, third: {}}\n"
		  "    volumes:\n"
		  "      - data:/var/lib/data\n"
		  "      - /home/me/www:/srv/www:ro\n"
		  "      - a-volume-with-a-long-name:/mnt:ro\n"
		  "    environment: {B: \"two\\nlines\", A: \"$$1 'x' \\\"y\\\"\"}\n"
		  "    extra_hosts: {gateway: 192.168.1.1}\n"
		  "    cloud_init:\n"
		  "      ssh_authorized_keys: [\"ssh-ed25519 AAAA1 one\", \"ssh-ed25519 AAAA2 "
		  "two\"]\n"
		  "      packages: [nginx, curl]\n"
		  "      write_files:\n"
		  "        - {path: /etc/app.conf, content: \"a\\n\", permissions: \"0600\", "
		  "owner: \"app:app\"}\n"
		  "        - {path: /etc/empty}\n"
		  "      bootcmd: [modprobe dummy]\n"
		  "      runcmd: [\"echo a && echo b\", [sh, -c, \"exit 0\"]]\n"
		  "volumes: {data: {per_replica: true}, a-volume-with-a-long-name: {shared: "
		  "true}}\n"
		  "networks: {back: {subnet: 10.2.0.0/24}, third: {subnet: 10.3.0.0/24}}\n",
	  .vm = "web-1",
	  .user = "alpine",
	  .init = "openrc",
	  .volumes = true },
};

START_TEST(golden)
{
	static const struct plan_volume volumes[] = {
		{ .name = "data", .target = "/var/lib/data", .fresh = true },
		{ .name = "a-volume-with-a-long-name",
		  .target = "/mnt",
		  .read_only = true,
		  .foreign = true },
	};
	_cleanup_(project_destroyp) struct project *project = load_text(cases[_i].yaml);
	_cleanup_(plan_destroyp) struct plan *p = plan_of(project, NULL, 0);
	_cleanup_(json_putp) struct json_object *steps = NULL;
	_cleanup_(json_putp) struct json_object *hosts = NULL;
	_cleanup_(freep) char *text = NULL;
	struct plan_steps_input in = { .plan = p,
				       .vm = vm_of(p, cases[_i].vm),
				       .instance_id = "demo-web-0123",
				       .user = cases[_i].user,
				       .init = cases[_i].init,
				       .project_key = "ssh-ed25519 AAAAproject holos-demo",
				       .host_key = "ssh-ed25519 AAAAhost",
				       .volumes = cases[_i].volumes ? volumes : NULL,
				       .n_volumes = cases[_i].volumes ? (size_t)N(volumes) : 0 };

	steps = plan_steps(&in);
	hosts = plan_steps_hosts(p, in.vm);
	jsonx_set(steps, "hosts", json_object_get(jsonx_arr(hosts, "hosts")));
	text = jsonx_pretty(steps);
	assert_golden(text, cases[_i].golden);
}
END_TEST

/* The user's own cloud-config: lists behind ours, ours where it must win. */
START_TEST(user_data)
{
	_cleanup_(project_destroyp) struct project *project = load_text(
		"name: demo\nservices:\n  web:\n    image: \"debian:12\"\n    cloud_init:\n"
		"      runcmd: [first]\n      packages: [a]\n      user_data: |\n"
		"        #cloud-config\n"
		"        timezone: UTC\n"
		"        hostname: other\n"
		"        package_update: false\n"
		"        packages: [b, [c, 1.5]]\n"
		"        runcmd: [second, [echo, 7], null]\n"
		"        bootcmd: [[early]]\n"
		"        users: [default, {name: root, shell: /x}, {name: two}]\n"
		"        write_files: [{path: /a, permissions: '0600'}]\n");
	_cleanup_(plan_destroyp) struct plan *p = plan_of(project, NULL, 0);
	_cleanup_(json_putp) struct json_object *steps = NULL;
	struct plan_steps_input in = { .plan = p,
				       .vm = vm_of(p, "web-0"),
				       .instance_id = "x",
				       .user = "root",
				       .init = "systemd",
				       .project_key = "k",
				       .host_key = "h" };

	steps = plan_steps(&in);
	ck_assert_str_eq(jsonx_line(jsonx_arr(steps, "runcmd")),
			 "[\"first\",\"second\",[\"echo\",\"7\"]]");
	ck_assert_str_eq(jsonx_line(jsonx_arr(steps, "bootcmd")), "[[\"early\"]]");
	ck_assert_str_eq(jsonx_line(jsonx_arr(steps, "packages")), "[\"a\",\"b\",[\"c\",\"1.5\"]]");
	ck_assert(!jsonx_bool(steps, "package_update", true));
	ck_assert_str_eq(jsonx_line(jsonx_arr(steps, "user_data")),
			 "[{\"key\":\"timezone\",\"yaml\":\"\\\"UTC\\\"\"},"
			 "{\"key\":\"users\",\"items\":[{\"yaml\":\"\\\"default\\\"\"},"
			 "{\"yaml\":\"{ \\\"name\\\": \\\"two\\\" }\"}]},"
			 "{\"key\":\"write_files\",\"items\":[{\"yaml\":"
			 "\"{ \\\"path\\\": \\\"/a\\\", \\\"permissions\\\": \\\"0600\\\" }\"}]}]");
}
END_TEST

static void add_tests(TCase *c)
{
	tcase_add_checked_fixture(c, make_test_dir, remove_test_dir);
	tcase_add_loop_test(c, golden, 0, N(cases));
	tcase_add_test(c, user_data);
}

int main(void)
{
	return run_suite("plan-steps", add_tests);
}
