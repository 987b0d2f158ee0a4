/* SPDX-License-Identifier: Apache-2.0
 *
 * test_limits.c - large projects: within the limits they load fast, beyond them
 * they are refused with a reason.
 */
#include "harness.h"

#include <base/clock.h>

/* n services in the way people write them, in a subnet that holds them. */
static char *project(unsigned n, unsigned replicas)
{
	struct strbuf b = STRBUF_INIT;

	strbuf_adds(&b, "name: big\nservices:\n");
	for (unsigned i = 0; i < n; i++) {
		strbuf_addf(
			&b,
			"  svc%u:\n"
			"    image: debian:12\n"
			"    replicas: %u\n"
			"    ports: [\"%u:80\"]\n"
			"    environment: {MODE: production, INDEX: \"%u\"}\n"
			"    volumes: [\"./www:/srv/www:ro\"]\n"
			"    healthcheck: {test: \"curl -fs http://localhost/\", interval: 5s}\n"
			"    cloud_init:\n"
			"      packages: [nginx]\n"
			"      runcmd: [\"systemctl enable --now nginx\"]\n",
			i, replicas, 1024 + i * replicas, i);
		if (i > 0)
			strbuf_addf(&b, "    depends_on: [svc%u]\n", i / 2);
	}
	strbuf_adds(&b, "networks: {default: {subnet: 10.10.0.0/16}}\n");
	return strbuf_steal(&b);
}

static uint64_t load_ns(unsigned n, unsigned replicas)
{
	_cleanup_(freep) char *text = project(n, replicas);
	_cleanup_(project_destroyp) struct project *p = NULL;
	uint64_t start;

	put("holos.yaml", text);
	start = clock_now_ns();
	p = load_good((struct project_options){ 0 });
	start = clock_now_ns() - start;
	ck_assert_uint_eq(p->n_services, n);
	return start;
}

/* Ten times the services take ten times as long, not a hundred times. */
START_TEST(linear)
{
	uint64_t small = UINT64_MAX, large = UINT64_MAX;

	for (int i = 0; i < 5; i++) {
		uint64_t a = load_ns(100, 5), b = load_ns(1000, 5);

		small = a < small ? a : small;
		large = b < large ? b : large;
	}
	ck_assert_msg(large < small * 30, "100 services: %llu us, 1000: %llu us",
		      (unsigned long long)small / 1000, (unsigned long long)large / 1000);
}
END_TEST

static const struct {
	unsigned times;
	const char *why;
} bombs[] = {
	/* services that extend each other in a row, each copying all before it */
	{ 5000, "services that extend others come to more than" },
	/* fixed host ports without end */
	{ 10, "more than 200000 fixed host ports" },
};

START_TEST(refused)
{
	_cleanup_(strbuf_finish) struct strbuf b = STRBUF_INIT;
	_cleanup_(freep) char *errors = NULL;
	uint64_t start;

	strbuf_adds(&b, "services:\n  s0: {image: a}\n");
	for (unsigned i = 1; i <= bombs[_i].times; i++) {
		if (_i == 0)
			strbuf_addf(&b, "  s%u: {extends: s%u, environment: {V%u: x}}\n", i, i - 1,
				    i);
		else
			strbuf_addf(&b,
				    "  s%u: {image: a, replicas: 256, ports: [\"%u-%u:1-1000\"]}\n",
				    i, i * 1000, i * 1000 + 999);
	}
	put("holos.yaml", b.s);
	start = clock_now_ns();
	ck_assert_ptr_null(load((struct project_options){ 0 }, &errors));
	ck_assert_uint_lt((clock_now_ns() - start) / NS_PER_MS, 10000 * time_factor());
	ck_assert_msg(strstr(errors, bombs[_i].why) != NULL, "%s", errors);
}
END_TEST

static void add(TCase *c)
{
	tcase_add_checked_fixture(c, make_dir, remove_dir);
	tcase_add_test(c, linear);
	tcase_add_loop_test(c, refused, 0, sizeof(bombs) / sizeof(bombs[0]));
}

int main(void)
{
	return run_suite("compose-limits", add);
}
