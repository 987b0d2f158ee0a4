/* SPDX-License-Identifier: Apache-2.0
 *
 * test_output.c - hashes: what changes them and what does not.
 */
#include "harness.h"

static struct service_hashes hash_of(const char *text)
{
	_cleanup_(project_destroyp) struct project *p = NULL;
	struct service_hashes h;

	put("holos.yaml", text);
	p = load_good((struct project_options){ 0 });
	service_hash(p, project_service(p, "web"), &h);
	return h;
}

#define BASE "services: {web: {image: \"debian:12\", ports: [\"8080:80\"]}}\n"

/* The same meaning in other words. */
static const char *const same[] = {
	"services:\n  web:\n    image: debian:12\n    ports:\n    - 8080:80\n",
	"services: {web: {ports: [\"8080:80\"], image: 'debian:12'}} # c\n",
	"services: {web: {image: \"debian:12\", ports: [{target: 80, published: 8080}]}}\n",
	"services: {web: {image: \"debian:12\", ports: [\"127.0.0.1:8080:80/tcp\"]}}\n",
	"services: {web: {image: \"debian:12\", ports: [\"8080:80\"], replicas: 3}}\n",
	"services: {web: {image: \"debian:12\", ports: [\"8080:80\"], vm: {vcpu: 1, memory: "
	"512M}}}\n",
	"services: {web: {image: \"debian:12\", ports: [\"8080:80\"], restart: no, labels: {}}}\n",
	"services: {web: {image: \"debian:12\", ports: [\"8080:80\"], stop_grace_period: 30s}}\n",
	"services: {web: {image: \"debian:12\", ports: [\"8080:80\"], logging: {options: "
	"{max-size: "
	"10m, max-file: \"3\"}}}}\n",
	"services: {web: {image: \"debian:12\", ports: [\"8080:80\"], networks: [default]}}\n",
	"services: {web: {image: \"debian:12\", ports: [\"8080:80\"], profiles: []}}\n"
	"networks: {default: {driver: multicast, subnet: 10.10.0.0/24}}\n",
	"name: other\nservices: {web: {image: \"debian:12\", ports: [\"8080:80\"]}, b: {image: "
	"x}}\n",
};

START_TEST(same_meaning)
{
	struct service_hashes base = hash_of(BASE), other = hash_of(same[_i]);

	ck_assert_str_eq(base.all, other.all);
	ck_assert_str_eq(base.live, other.live);
	ck_assert_str_eq(base.restart, other.restart);
	ck_assert_str_eq(base.recreate, other.recreate);
}
END_TEST

/* What differs, and the one class that must show it. */
static const struct {
	const char *service; /* what is added to {image: ...} */
	const char *rest;
	enum { LIVE, RESTART, RECREATE } class;
} differences[] = {
	{ ", labels: {a: b}", "", LIVE },
	{ ", restart: always", "", LIVE },
	{ ", logging: {options: {max-size: 1m}}", "", LIVE },
	{ ", logging: {options: {max-file: 1}}", "", LIVE },
	{ ", healthcheck: {test: x}", "", LIVE },
	{ ", healthcheck: {disable: true}", "", LIVE },
	{ ", stop_grace_period: 1m", "", LIVE },
	{ ", depends_on: [b]", "", LIVE },
	{ ", vm: {vcpu: 2}", "", RESTART },
	{ ", vm: {memory_mb: 513}", "", RESTART },
	{ ", vm: {extra_args: [x]}", "", RESTART },
	{ ", ports: [80]", "", RESTART },
	{ ", ports: [\"80/udp\"]", "", RESTART },
	{ ", volumes: [\"./a:/a\"]", "", RESTART },
	{ ", volumes: [\"v:/a\"]", "", RESTART },
	{ ", extra_hosts: [\"a:1.2.3.4\"]", "", RESTART },
	{ ", environment: {A: b}", "", RESTART },
	{ "", "networks: {default: {subnet: 10.11.0.0/24}}\n", RESTART },
	{ ", image_format: raw", "", RECREATE },
	{ ", vm: {disk_size: 20G}", "", RECREATE },
	{ ", vm: {uefi: true}", "", RECREATE },
	{ ", cloud_init: {packages: [a]}", "", RECREATE },
	{ ", cloud_init: {runcmd: [a]}", "", RECREATE },
	{ ", cloud_init: {user_data: {a: b}}", "", RECREATE },
	{ ", dockerfile: Dockerfile", "", RECREATE },
};

START_TEST(classes_of_change)
{
	_cleanup_(freep) char *text =
		xasprintf("services: {web: {image: \"debian:12\"%s}, b: {image: x}}\n"
			  "volumes: {v: {}}\n%s",
			  differences[_i].service, differences[_i].rest);
	struct service_hashes base = hash_of("services: {web: {image: \"debian:12\"}}\n"), other;
	int class = (int)differences[_i].class;

	put("Dockerfile", "FROM debian:12\n");
	other = hash_of(text);
	ck_assert_str_ne(base.all, other.all);
	ck_assert_int_eq(strcmp(base.live, other.live) != 0, class == LIVE);
	ck_assert_int_eq(strcmp(base.restart, other.restart) != 0, class == RESTART);
	ck_assert_int_eq(strcmp(base.recreate, other.recreate) != 0, class == RECREATE);
}
END_TEST

/* Files that are part of the meaning. */
START_TEST(content_of_files)
{
	static const char text[] = "services: {web: {dockerfile: Dockerfile, env_file: a.env,"
				   " cloud_init: {user_data: ud.yaml}}}\n";
	struct service_hashes one, two;

	put("Dockerfile", "FROM debian:12\n");
	put("a.env", "A=1\n");
	put("ud.yaml", "a: 1\n");
	one = hash_of(text);
	put("Dockerfile", "FROM debian:12\nRUN true\n");
	two = hash_of(text);
	ck_assert_str_ne(one.recreate, two.recreate);
	put("a.env", "# only a comment\nA=1\n");
	one = hash_of(text);
	ck_assert_str_eq(one.all, two.all);
	put("a.env", "A=2\n");
	two = hash_of(text);
	ck_assert_str_ne(one.restart, two.restart);
	put("ud.yaml", "{a: 2}\n");
	one = hash_of(text);
	ck_assert_str_ne(one.recreate, two.recreate);
	ck_assert_str_eq(one.restart, two.restart);
}
END_TEST

/* The digests are a promise to records on disk: they stay from release to
 * release.  When this test fails, every running VM would be restarted. */
START_TEST(stable)
{
	struct service_hashes h = hash_of(BASE);

	ck_assert_str_eq(h.all, "404df60d1a26f2643dde90dbab9d874078e2f1e16bd9289244d093699353ca79");
	ck_assert_str_eq(h.recreate,
			 "baacf42b0dc1ab5a7e71075baf5cd977d4867349eb03f9019c78fb31e1fe6ca5");
}
END_TEST

START_TEST(canonical_json)
{
	struct json_object *o = json_tokener_parse(
		"{\"b\": [1, {\"z\": null, \"a\": true}], \"a\": \"x/\\\"y\", \"c\": 1.5}");
	_cleanup_(freep) char *text = json_canonical(o);

	ck_assert_str_eq(text, "{\"a\":\"x/\\\"y\",\"b\":[1,{\"a\":true,\"z\":null}],\"c\":1.5}");
	json_object_put(o);
}
END_TEST

static void add(TCase *c)
{
	tcase_add_checked_fixture(c, make_dir, remove_dir);
	tcase_add_loop_test(c, same_meaning, 0, sizeof(same) / sizeof(same[0]));
	tcase_add_loop_test(c, classes_of_change, 0, sizeof(differences) / sizeof(differences[0]));
	tcase_add_test(c, content_of_files);
	tcase_add_test(c, stable);
	tcase_add_test(c, canonical_json);
}

int main(void)
{
	return run_suite("compose-output", add);
}
