/* SPDX-License-Identifier: Apache-2.0
 *
 * test_limits.c - large projects: within the limits they load, beyond them they
 * are refused with a reason.
 */
#include "harness.h"

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

/* A thousand services load: how long it takes is a row of the bench. */
START_TEST(many)
{
	_cleanup_(freep) char *text = project(1000, 5);
	_cleanup_(project_destroyp) struct project *p = NULL;

	put("holos.yaml", text);
	p = load_good((struct project_options){ 0 });
	ck_assert_uint_eq(p->n_services, 1000);
	for (size_t i = 0; i < p->n_services; i++) {
		ck_assert_uint_eq(p->services[i].replicas, 5);
		ck_assert_uint_eq(p->services[i].n_depends_on, p->services[i].name[3] != '0');
	}
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
	ck_assert_ptr_null(load((struct project_options){ 0 }, &errors));
	ck_assert_msg(strstr(errors, bombs[_i].why) != NULL, "%s", errors);
}
END_TEST

/* What a later stage could not hold is wrong already. */
static const struct {
	const char *before, *item, *after; /* the item n times, joined by commas */
	unsigned n;
	const char *why; /* NULL: right */
} much[] = {
	{ "cloud_init: {runcmd: [", "x", "]}", 10000, NULL },
	{ "cloud_init: {runcmd: [", "x", "]}", 10001, "10001 commands, and 10000 is the most" },
	{ "cloud_init: {bootcmd: [", "x", "]}", 10001, "10001 commands, and 10000 is the most" },
	{ "cloud_init: {runcmd: [[", "x", "]]}", 10001, "10001 words in a command" },
	{ "cloud_init: {packages: [", "x", "]}", 10001, "10001 packages" },
	{ "cloud_init: {ssh_authorized_keys: [", "x", "]}", 991, "991 keys" },
	{ "cloud_init: {write_files: [", "{path: /a}", "]}", 10001, "10001 files" },
	{ "cloud_init: {write_files: [", "{path: /a, content: *big}", "]}", 700,
	  "bytes of files and commands" },
	{ "vm: {extra_args: [", "-x", "]}", 1024, NULL },
	{ "vm: {extra_args: [", "-x", "]}", 1025, "1025 arguments, and 1024 is the most" },
	{ "vm: {extra_args: [*big, ", "*big", "]}", 200, "bytes, and 1048576 is the most" },
	{ "healthcheck: {test: [CMD, ", "*big", "]}", 20, "bytes, and 131072 is the most" },
	{ "ports: [", "80", "]", 1025, "more than 1024 ports" },
};

START_TEST(much_of_it)
{
	_cleanup_(strbuf_finish) struct strbuf b = STRBUF_INIT;
	_cleanup_(freep) char *errors = NULL;
	_cleanup_(project_destroyp) struct project *p = NULL;

	strbuf_adds(&b, "x-big: &big ");
	for (unsigned i = 0; i < 10000; i++)
		strbuf_addc(&b, 'b');
	strbuf_addf(&b, "\nservices: {web: {image: a, %s", much[_i].before);
	for (unsigned i = 0; i < much[_i].n; i++)
		strbuf_addf(&b, "%s%s", i > 0 ? ", " : "", much[_i].item);
	strbuf_addf(&b, "%s}}\n", much[_i].after);
	put("holos.yaml", b.s);
	p = load((struct project_options){ 0 }, &errors);
	if (much[_i].why == NULL)
		ck_assert_msg(p != NULL, "%s", errors);
	else
		ck_assert_msg(p == NULL && strstr(errors, much[_i].why) != NULL, "%s",
			      p != NULL ? "no error" : errors);
}
END_TEST

/* Keys of one mapping are sorted more than once: not without end. */
START_TEST(keys)
{
	_cleanup_(strbuf_finish) struct strbuf b = STRBUF_INIT;
	_cleanup_(freep) char *errors = NULL;

	strbuf_adds(&b, "services:\n");
	for (unsigned i = 0; i < 10001; i++)
		strbuf_addf(&b, "  s%u: {image: a}\n", i);
	put("holos.yaml", b.s);
	ck_assert_ptr_null(load((struct project_options){ 0 }, &errors));
	ck_assert_msg(strstr(errors, "10002:3: services: a mapping of more than 10000 keys"), "%s",
		      errors);
}
END_TEST

static void add(TCase *c)
{
	tcase_add_checked_fixture(c, make_dir, remove_dir);
	tcase_add_test(c, many);
	tcase_add_test(c, keys);
	tcase_add_loop_test(c, much_of_it, 0, sizeof(much) / sizeof(much[0]));
	tcase_add_loop_test(c, refused, 0, sizeof(bombs) / sizeof(bombs[0]));
}

int main(void)
{
	return run_suite("compose-limits", add);
}
