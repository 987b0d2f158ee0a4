/* SPDX-License-Identifier: Apache-2.0
 *
 * test_plan.c - names, addresses, MACs, meeting points and /etc/hosts of a project.
 */
#include "harness.h"

#include <base/strv.h>

#define I(name)    name ": {image: \"debian:12\"}"
#define R(name, n) name ": {image: \"debian:12\", replicas: " #n "}"
#define SUBNET(s)  "\nnetworks: {default: {subnet: " s "}}\n"

/* ---- addresses ----------------------------------------------------------------- */

#define PAST_MAX 6

static const struct {
	const char *yaml;
	struct plan_past past[PAST_MAX];
	const char *want;
} addresses[] = {
	/* From .2 upward, dependencies first, then by name; replicas in a row. */
	{ "services: {" R("web", 2) ", " I("db") "}\n", { { 0 } }, "db-0 .2 web-0 .3 web-1 .4 " },
	{ "services: {a: {image: x:1, depends_on: [b]}, " I("b") "}\n",
	  { { 0 } },
	  "b-0 .2 a-0 .3 " },
	/* What exists keeps its own, wherever it stands in the order. */
	{ "services: {" R("web", 2) ", " I("db") "}\n",
	  { { "web-1", "default", "m", "10.10.0.2/24" } },
	  "db-0 .3 web-0 .4 web-1 .2 " },
	{ "services: {" I("a") ", " I("b") "}\n",
	  { { "b-0", "default", "m", "10.10.0.200/24" } },
	  "a-0 .2 b-0 .200 " },
	/* Holes are filled from below. */
	{ "services: {" I("a") ", " I("b") ", " I("c") ", " I("d") "}\n",
	  { { "a-0", "default", "m", "10.10.0.2/24" }, { "c-0", "default", "n", "10.10.0.4/24" } },
	  "a-0 .2 b-0 .3 c-0 .4 d-0 .5 " },
	/* Who is there and not in the file (yet) keeps its address from others. */
	{ "services: {" I("a") "}\n", { { "gone-0", "default", "m", "10.10.0.2/24" } }, "a-0 .3 " },
	/* An external NIC of the past is no claim on a network. */
	{ "services: {" I("a") "}\n", { { "a-0", "external", "m", NULL } }, "a-0 .2 " },
	{ "services: {" I("a") "}\n", { { "x-0", "other", "m", "10.10.0.2/24" } }, "a-0 .2 " },
	/* What lies outside of the subnet, or is no address, is given up. */
	{ "services: {" I("a") "}\n", { { "a-0", "default", "m", "10.11.0.9/24" } }, "a-0 .2 " },
	{ "services: {" I("a") "}\n", { { "a-0", "default", "m", "10.10.0.0/24" } }, "a-0 .2 " },
	{ "services: {" I("a") "}\n", { { "a-0", "default", "m", "10.10.0.256/24" } }, "a-0 .2 " },
	{ "services: {" I("a") "}\n", { { "a-0", "default", "m", "" } }, "a-0 .2 " },
	{ "services: {" I("a") "}\n", { { "a-0", "default", "m", NULL } }, "a-0 .2 " },
	{ "services: {" I("a") "}\n", { { "a-0", "default", "m", "::1" } }, "a-0 .2 " },
	/* Other subnets. */
	{ "services: {" R("a", 5) "}" SUBNET("10.10.0.8/29"),
	  { { 0 } },
	  "a-0 .10 a-1 .11 a-2 .12 a-3 .13 a-4 .14 " },
	{ "services: {" I("a") "}" SUBNET("10.10.0.4/30"), { { 0 } }, "a-0 .6 " },
};

START_TEST(address)
{
	_cleanup_(project_destroyp) struct project *project = load_text(addresses[_i].yaml);
	_cleanup_(plan_destroyp) struct plan *p = NULL;
	_cleanup_(strbuf_finish) struct strbuf got = STRBUF_INIT;
	size_t n = 0;

	while (n < PAST_MAX && addresses[_i].past[n].vm != NULL)
		n++;
	p = plan_of(project, addresses[_i].past, n);
	for (size_t i = 0; i < p->n_vms; i++) {
		const struct plan_nic *nics = p->vms[i].nics;

		ck_assert_uint_eq(p->vms[i].n_nics, 2);
		ck_assert_str_eq(nics[0].network, PLAN_EXTERNAL);
		ck_assert_ptr_null(nics[0].address);
		ck_assert_str_eq(nics[1].network, "default");
		ck_assert_msg(strncmp(nics[1].address, "10.10.0.", 8) == 0, "%s", nics[1].address);
		strbuf_addf(&got, "%s %.*s ", p->vms[i].name,
			    (int)strcspn(nics[1].address + 7, "/"), nics[1].address + 7);
		ck_assert_uint_eq((unsigned)atoi(strchr(nics[1].address, '/') + 1),
				  project->networks[0].prefix);
	}
	ck_assert_str_eq(got.s, addresses[_i].want);
}
END_TEST

/* The file's own VMs fit (compose checks that); with those that are still there
 * and not in it, they do not. */
static const struct {
	const char *yaml;
	struct plan_past past;
	const char *says;
	unsigned line;
} full[] = {
	{ "services: {" I("a") "}" SUBNET("10.9.0.0/30"),
	  { "gone-0", "default", "m", "10.9.0.2/30" },
	  "network default: 10.9.0.0/30 holds 1 VMs, and a-0 would be one more",
	  2 },
	{ "services: {" R("a", 5) "}" SUBNET("10.9.0.0/29"),
	  { "gone-0", "default", "m", "10.9.0.4/29" },
	  "network default: 10.9.0.0/29 holds 5 VMs, and a-4 would be one more",
	  2 },
	{ "services: {" R("a", 253) "}\n",
	  { "gone-0", "default", "m", "10.10.0.254/24" },
	  "network default: 10.10.0.0/24 holds 253 VMs, and a-252 would be one more",
	  0 },
};

START_TEST(subnet_is_full)
{
	_cleanup_(project_destroyp) struct project *project = load_text(full[_i].yaml);
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct plan *p = NULL;

	ck_assert_int_eq(plan_create(project, "id", &full[_i].past, 1, &p, &err), -ERR_INVALID);
	ck_assert_ptr_null(p);
	ck_assert_str_eq(err->message, full[_i].says);
	assert_has(err->hint, "larger subnet");
	ck_assert_uint_eq(err->line, full[_i].line);
	ck_assert_int_eq(plan_create(project, "id", &full[_i].past, 1, &p, NULL), -ERR_INVALID);
}
END_TEST

START_TEST(as_many_as_fit)
{
	_cleanup_(project_destroyp) struct project *project =
		load_text("services: {" R("a", 253) "}\n");
	_cleanup_(plan_destroyp) struct plan *p = plan_of(project, NULL, 0);

	ck_assert_uint_eq(p->n_vms, 253);
	ck_assert_str_eq(vm_of(p, "a-0")->nics[1].address, "10.10.0.2/24");
	ck_assert_str_eq(vm_of(p, "a-252")->nics[1].address, "10.10.0.254/24");
}
END_TEST

START_TEST(networks_count_for_themselves)
{
	_cleanup_(project_destroyp) struct project *project =
		load_text("services:\n"
			  "  a: {image: x:1, networks: [front]}\n"
			  "  b: {image: x:1, networks: [front, back]}\n"
			  "  c: {image: x:1, networks: [back]}\n"
			  "networks:\n"
			  "  front: {subnet: 10.20.0.0/16}\n"
			  "  back: {subnet: 10.30.0.0/16}\n");
	_cleanup_(plan_destroyp) struct plan *p = plan_of(project, NULL, 0);

	ck_assert_str_eq(vm_of(p, "a-0")->nics[1].address, "10.20.0.2/16");
	ck_assert_str_eq(vm_of(p, "b-0")->nics[1].address, "10.20.0.3/16");
	ck_assert_str_eq(vm_of(p, "b-0")->nics[2].address, "10.30.0.2/16");
	ck_assert_str_eq(vm_of(p, "c-0")->nics[1].address, "10.30.0.3/16");
	ck_assert_uint_eq(vm_of(p, "b-0")->n_nics, 3);
}
END_TEST

/* Beyond /24 as well. */
START_TEST(large_networks)
{
	_cleanup_(project_destroyp) struct project *project =
		load_text("services: {" R("a", 256) ", " R("b", 256) "}" SUBNET("172.16.0.0/12"));
	_cleanup_(plan_destroyp) struct plan *p = plan_of(project, NULL, 0);

	ck_assert_str_eq(vm_of(p, "a-253")->nics[1].address, "172.16.0.255/12");
	ck_assert_str_eq(vm_of(p, "a-254")->nics[1].address, "172.16.1.0/12");
	ck_assert_str_eq(vm_of(p, "b-255")->nics[1].address, "172.16.2.1/12");
}
END_TEST

/* ---- MACs ------------------------------------------------------------------------ */

#define DEMO "name: demo\nservices: "

START_TEST(mac_of_the_contract)
{
	_cleanup_(project_destroyp) struct project *project = load_text(
		DEMO "{db: {image: x:1, replicas: 200, networks: [default, n2, n3]}}\n"
		     "networks: {n2: {subnet: 10.2.0.0/16}, n3: {subnet: 10.3.0.0/16}}\n");
	_cleanup_(plan_destroyp) struct plan *p = plan_of(project, NULL, 0);
	const struct plan_nic *nics = vm_of(p, "db-0")->nics;

	ck_assert_str_eq(nics[0].mac, "52:54:01:1a:64:00");
	ck_assert_str_eq(nics[1].mac, "52:54:00:1a:64:00");
	ck_assert_str_eq(nics[2].mac, "52:54:02:1a:64:00");
	ck_assert_str_eq(nics[3].mac, "52:54:03:1a:64:00");
	ck_assert_str_eq(vm_of(p, "db-10")->nics[1].mac, "52:54:00:1a:64:0a");
	ck_assert_str_eq(vm_of(p, "db-199")->nics[0].mac, "52:54:01:1a:64:c7");
}
END_TEST

/* lessons.md W37: these two services have the same 16 bits. */
START_TEST(macs_do_not_collide)
{
	_cleanup_(project_destroyp) struct project *project =
		load_text(DEMO "{" R("svc12", 2) ", " R("svc141", 2) "}\n");
	_cleanup_(plan_destroyp) struct plan *p = plan_of(project, NULL, 0);
	const struct plan_vm *a = vm_of(p, "svc12-1"), *b = vm_of(p, "svc141-1");

	for (size_t i = 0; i < 2; i++) {
		ck_assert_str_ne(a->nics[i].mac, b->nics[i].mac);
		ck_assert_int_eq(strncmp(a->nics[i].mac, b->nics[i].mac, 9), 0); /* their kind */
		ck_assert_str_eq(a->nics[i].mac + 15, "01");
		ck_assert_str_eq(b->nics[i].mac + 15, "01");
	}
}
END_TEST

/* The later one lost its MAC to the first; when the first goes or comes back,
 * it keeps what it got. */
START_TEST(macs_stay)
{
	static const struct plan_past past[] = {
		{ "svc141-0", "external", "52:54:01:99:99:00", NULL },
		{ "svc141-0", "default", "52:54:00:99:99:00", "10.10.0.3/24" },
		{ "other-0", "default", "52:54:00:1a:64:00", "10.10.0.9/24" },
	};
	_cleanup_(project_destroyp) struct project *project =
		load_text(DEMO "{" I("svc12") ", " I("svc141") ", " I("db") "}\n");
	_cleanup_(plan_destroyp) struct plan *p = plan_of(project, past, (size_t)N(past));

	ck_assert_str_eq(vm_of(p, "svc141-0")->nics[0].mac, "52:54:01:99:99:00");
	ck_assert_str_eq(vm_of(p, "svc141-0")->nics[1].mac, "52:54:00:99:99:00");
	/* The contract's MAC of db-0 belongs to somebody who is there. */
	ck_assert_str_ne(vm_of(p, "db-0")->nics[1].mac, "52:54:00:1a:64:00");
	ck_assert_str_eq(vm_of(p, "db-0")->nics[0].mac, "52:54:01:1a:64:00");
}
END_TEST

START_TEST(all_macs_differ)
{
	_cleanup_(strbuf_finish) struct strbuf yaml = STRBUF_INIT;
	_cleanup_(project_destroyp) struct project *project = NULL;
	_cleanup_(plan_destroyp) struct plan *p = NULL;
	_cleanup_(strv_finish) struct strv macs = STRV_INIT;

	strbuf_adds(&yaml, DEMO "\n");
	for (unsigned i = 0; i < 200; i++)
		strbuf_addf(&yaml, "  svc%u: {image: x:1}\n", i);
	project = load_text(yaml.s);
	p = plan_of(project, NULL, 0);
	for (size_t v = 0; v < p->n_vms; v++) {
		for (size_t i = 0; i < p->vms[v].n_nics; i++) {
			ck_assert_uint_eq(strlen(p->vms[v].nics[i].mac), 17);
			ck_assert_int_eq(strncmp(p->vms[v].nics[i].mac, "52:54:0", 7), 0);
			strv_add(&macs, p->vms[v].nics[i].mac);
		}
	}
	strv_sort(&macs);
	ck_assert_uint_eq(macs.n, 400);
	for (size_t i = 1; i < macs.n; i++)
		ck_assert_str_ne(macs.v[i - 1], macs.v[i]);
}
END_TEST

/* ---- meeting points ------------------------------------------------------------------ */

static const struct {
	const char *project, *id, *network, *group;
	unsigned port;
} segments[] = {
	/* From `printf demo/1234 | sha256sum`, `printf demo/1234/back | ...`. */
	{ "demo", "1234", "default", "239.60.142.73", 61826 },
	{ "demo", "1234", "back", "239.63.28.159", 10570 },
	{ "demo", "1235", "default", "239.114.163.28", 32307 },
	{ "shop", "1234", "default", "239.86.141.106", 24936 },
};

START_TEST(segment)
{
	struct plan_segment s;

	plan_segment(segments[_i].project, segments[_i].id, segments[_i].network, &s);
	ck_assert_str_eq(s.group, segments[_i].group);
	ck_assert_uint_eq(s.port, segments[_i].port);
	free(s.group);
}
END_TEST

START_TEST(segments_of_a_plan)
{
	_cleanup_(project_destroyp) struct project *project =
		load_text(DEMO "{a: {image: x:1, networks: [default, back]}}\n"
			       "networks: {back: {subnet: 10.2.0.0/24}}\n");
	_cleanup_(plan_destroyp) struct plan *p = NULL;

	ck_assert_int_eq(plan_create(project, "1234", NULL, 0, &p, NULL), 0);
	for (int i = 0; i < 2; i++) {
		ck_assert_str_eq(project->networks[i].name, segments[i].network);
		ck_assert_str_eq(p->segments[i].group, segments[i].group);
		ck_assert_uint_eq(p->segments[i].port, segments[i].port);
	}
}
END_TEST

/* ---- /etc/hosts --------------------------------------------------------------------- */

static char *hosts_text(const struct plan *p, const char *vm)
{
	struct strbuf b = STRBUF_INIT;
	struct plan_host *hosts;
	size_t n = plan_hosts(p, vm_of(p, vm), &hosts);

	for (size_t i = 0; i < n; i++) {
		strbuf_adds(&b, hosts[i].address);
		for (const char **name = hosts[i].names; *name != NULL; name++)
			strbuf_addf(&b, " %s", *name);
		strbuf_addc(&b, '\n');
	}
	plan_hosts_free(hosts, n);
	return strbuf_steal(&b);
}

START_TEST(hosts)
{
	_cleanup_(project_destroyp) struct project *project =
		load_text("services:\n"
			  "  db: {image: x:1, networks: [back]}\n"
			  "  web:\n"
			  "    image: x:1\n"
			  "    replicas: 2\n"
			  "    networks: {default: {aliases: [www, shop]}, back: {}}\n"
			  "    extra_hosts: {gateway: 192.168.1.1, zed: \"::1\"}\n"
			  "  lone: {image: x:1, networks: [other]}\n"
			  "networks:\n"
			  "  back: {subnet: 10.2.0.0/24}\n"
			  "  other: {subnet: 10.3.0.0/24}\n");
	_cleanup_(plan_destroyp) struct plan *p = plan_of(project, NULL, 0);
	_cleanup_(freep) char *db = hosts_text(p, "db-0");
	_cleanup_(freep) char *web = hosts_text(p, "web-1");
	_cleanup_(freep) char *lone = hosts_text(p, "lone-0");

	/* Only whom it can reach; an alias holds in its network. */
	ck_assert_str_eq(db, "10.2.0.2 db db-0\n"
			     "10.2.0.3 web web-0\n"
			     "10.2.0.4 web-1\n");
	ck_assert_str_eq(web, "10.10.0.2 web www shop web-0\n"
			      "10.10.0.3 web-1\n"
			      "10.2.0.2 db db-0\n"
			      "10.2.0.3 web web-0\n"
			      "10.2.0.4 web-1\n"
			      "192.168.1.1 gateway\n"
			      "::1 zed\n");
	ck_assert_str_eq(lone, "10.3.0.2 lone lone-0\n");
}
END_TEST

/* ---- mount tags and serials ------------------------------------------------------------ */

static const struct {
	size_t index;
	const char *target, *tag; /* NULL: made with a hash */
} tags[] = {
	{ 0, "/", "share0-root" },
	{ 0, "/srv/www", "share0-srv-www" },
	{ 12, "/srv/www", "share12-srv-www" },
	{ 1, "/a.b/c_d-e", "share1-a.b-c_d-e" },
	{ 0, "/123456789012345678901234", "share0-123456789012345678901234" }, /* 31 bytes */
	{ 0, "/1234567890123456789012345", NULL },
	{ 10, "/123456789012345678901234", NULL },
	{ 3, "/a,b", NULL },
	{ 3, "/a b", NULL },
	{ 3, "/\xc3\xa4", NULL },
	{ 9999, "/var/lib/a/very/long/path/to/somewhere", NULL },
	{ 123456789, "/var/lib/a/very/long/path/to/somewhere", NULL },
};

START_TEST(mount_tag)
{
	char tag[32];

	memset(tag, 'x', sizeof(tag));
	plan_mount_tag(tags[_i].index, tags[_i].target, tag);
	ck_assert_ptr_nonnull(memchr(tag, '\0', sizeof(tag)));
	ck_assert_int_eq(strncmp(tag, "share", 5), 0);
	ck_assert_uint_eq(strspn(tag, "abcdefghijklmnopqrstuvwxyz0123456789._-"), strlen(tag));
	if (tags[_i].tag != NULL)
		ck_assert_str_eq(tag, tags[_i].tag);
	else
		ck_assert_uint_eq(strlen(strchr(tag, '-') + 1), 16);
}
END_TEST

/* The long ones that have much in common, of one service and of others. */
START_TEST(mount_tags_differ)
{
	_cleanup_(strv_finish) struct strv all = STRV_INIT;

	for (size_t i = 0; i < 300; i++) {
		_cleanup_(freep) char *target =
			xasprintf("/var/lib/the/same/long/beginning/of/all/%zu", i);
		char tag[32], same_index[32];

		plan_mount_tag(i, target, tag);
		strv_add(&all, tag);
		plan_mount_tag(1000, target, same_index);
		strv_add(&all, same_index);
	}
	strv_sort(&all);
	for (size_t i = 1; i < all.n; i++)
		ck_assert_str_ne(all.v[i - 1], all.v[i]);
}
END_TEST

static const struct {
	const char *name, *serial;
} serials[] = {
	{ "a", "vol-a" },
	{ "data", "vol-data" },
	{ "1234567890123456", "vol-1234567890123456" }, /* 20 bytes */
	{ "12345678901234567", NULL },
	{ "a-name-of-sixty-three-letters-is-the-longest-that-a-label-may-be", NULL },
};

START_TEST(volume_serial)
{
	char serial[21], again[21];

	plan_volume_serial(serials[_i].name, serial);
	plan_volume_serial(serials[_i].name, again);
	ck_assert_str_eq(serial, again);
	ck_assert_uint_le(strlen(serial), 20);
	ck_assert_int_eq(strncmp(serial, "vol-", 4), 0);
	if (serials[_i].serial != NULL)
		ck_assert_str_eq(serial, serials[_i].serial);
	else
		ck_assert_int_eq(strncmp(serial + 4, serials[_i].name, 7), 0);
}
END_TEST

/* lessons.md W28: cut to 20 bytes, these would be one disk. */
START_TEST(volume_serials_differ)
{
	_cleanup_(strv_finish) struct strv all = STRV_INIT;

	for (unsigned i = 0; i < 1000; i++) {
		_cleanup_(freep) char *name = xasprintf("postgres-data-of-tenant-%u", i);
		char serial[21];

		plan_volume_serial(name, serial);
		strv_add(&all, serial);
	}
	strv_sort(&all);
	for (size_t i = 1; i < all.n; i++)
		ck_assert_str_ne(all.v[i - 1], all.v[i]);
}
END_TEST

static void add_tests(TCase *c)
{
	tcase_add_checked_fixture(c, make_test_dir, remove_test_dir);
	tcase_add_loop_test(c, address, 0, N(addresses));
	tcase_add_loop_test(c, subnet_is_full, 0, N(full));
	tcase_add_test(c, as_many_as_fit);
	tcase_add_test(c, networks_count_for_themselves);
	tcase_add_test(c, large_networks);
	tcase_add_test(c, mac_of_the_contract);
	tcase_add_test(c, macs_do_not_collide);
	tcase_add_test(c, macs_stay);
	tcase_add_test(c, all_macs_differ);
	tcase_add_loop_test(c, segment, 0, N(segments));
	tcase_add_test(c, segments_of_a_plan);
	tcase_add_test(c, hosts);
	tcase_add_loop_test(c, mount_tag, 0, N(tags));
	tcase_add_test(c, mount_tags_differ);
	tcase_add_loop_test(c, volume_serial, 0, N(serials));
	tcase_add_test(c, volume_serials_differ);
}

int main(void)
{
	return run_suite("plan", add_tests);
}
