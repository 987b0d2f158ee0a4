/* SPDX-License-Identifier: Apache-2.0
 *
 * test_ports.c - host ports: tried, kept, chosen, and who has them.
 */
#include "../base/harness.h"

#include <engine/ports.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

/* A socket on a port of the kernel's choice. */
static int take(int family, bool udp, const char *address, bool listening, uint16_t *ret)
{
	int fd = socket(family, udp ? SOCK_DGRAM : SOCK_STREAM, 0);

	if (family == AF_INET6) {
		struct sockaddr_in6 a = { .sin6_family = AF_INET6 };
		socklen_t len = sizeof(a);

		inet_pton(AF_INET6, address, &a.sin6_addr);
		if (fd < 0 || bind(fd, (struct sockaddr *)&a, len) < 0)
			return -1;
		getsockname(fd, (struct sockaddr *)&a, &len);
		*ret = ntohs(a.sin6_port);
	} else {
		struct sockaddr_in a = { .sin_family = AF_INET };
		socklen_t len = sizeof(a);

		inet_pton(AF_INET, address, &a.sin_addr);
		ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, len), 0);
		getsockname(fd, (struct sockaddr *)&a, &len);
		*ret = ntohs(a.sin_port);
	}
	if (listening && !udp)
		ck_assert_int_eq(listen(fd, 1), 0);
	return fd;
}

static const struct {
	int family;
	bool udp;
	const char *address;
} kinds[] = {
	{ AF_INET, false, "127.0.0.1" }, { AF_INET, true, "127.0.0.1" },
	{ AF_INET, false, "0.0.0.0" },   { AF_INET6, false, "::1" },
	{ AF_INET6, true, "::1" },
};

START_TEST(try_of_a_taken_port)
{
	const char *address = kinds[_i].address;
	bool udp = kinds[_i].udp;
	uint16_t port;
	int fd = take(kinds[_i].family, udp, address, true, &port);

	if (fd < 0)
		return; /* a host without IPv6 */
	ck_assert_int_eq(ports_try(address, udp, port), -EADDRINUSE);
	close(fd);
	ck_assert_int_eq(ports_try(address, udp, port), 0);
	ck_assert_int_eq(ports_try(address, udp, port), 0);  /* a try leaves nothing */
	ck_assert_int_eq(ports_try(address, !udp, port), 0); /* TCP and UDP are apart */
}
END_TEST

START_TEST(try_of_any_address)
{
	uint16_t port;
	int fd = take(AF_INET, false, "127.0.0.1", true, &port);

	ck_assert_int_eq(ports_try("0.0.0.0", false, port), -EADDRINUSE);
	ck_assert_int_eq(ports_try("127.0.0.2", false, port), 0);
	close(fd);
}
END_TEST

START_TEST(try_of_a_wrong_address)
{
	ck_assert_int_eq(ports_try("localhost", false, 1), -EINVAL);
	ck_assert_int_eq(ports_try("", false, 1), -EINVAL);
	ck_assert_int_eq(ports_try("127.0.0.256", false, 1), -EINVAL);
	ck_assert_int_eq(ports_try("[::1]", false, 1), -EINVAL);
	ck_assert_int_eq(ports_try("192.0.2.1", false, 40000), -EADDRNOTAVAIL);
}
END_TEST

START_TEST(chosen_ports_differ)
{
	struct ports *p = ports_create();
	bool seen[65536] = { false };

	for (unsigned i = 0; i < 300; i++) {
		uint16_t port = 0;

		ck_assert_int_eq(ports_choose(p, "127.0.0.1", i % 2 != 0, &port, NULL), 0);
		ck_assert_uint_ne(port, 0);
		ck_assert(!seen[port]);
		seen[port] = true;
		ck_assert(!ports_keep(p, "127.0.0.1", false, port)); /* it is given away */
	}
	ports_destroy(p);
	ports_destroy(NULL);
}
END_TEST

START_TEST(choice_on_a_wrong_address)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct ports *p = ports_create();
	uint16_t port = 7;

	ck_assert_int_eq(ports_choose(p, "192.0.2.1", true, &port, &err), -ERR_HOST);
	ck_assert_str_eq(err->message, "cannot find a free udp port on 192.0.2.1: "
				       "Cannot assign requested address");
	ck_assert_uint_eq(port, 7);
	ports_destroy(p);
}
END_TEST

START_TEST(kept_ports)
{
	struct ports *p = ports_create();
	uint16_t port, other;
	int fd = take(AF_INET, false, "127.0.0.1", true, &port);

	ck_assert(!ports_keep(p, "127.0.0.1", false, port)); /* somebody has it */
	ck_assert(!ports_keep(p, "127.0.0.1", false, 0));
	close(fd);
	ck_assert(ports_keep(p, "127.0.0.1", false, port));
	ck_assert(!ports_keep(p, "127.0.0.1", false, port)); /* now we have */
	ck_assert_int_eq(ports_choose(p, "127.0.0.1", false, &other, NULL), 0);
	ck_assert_uint_ne(other, port);
	ports_destroy(p);
}
END_TEST

static const struct {
	const char *variable;
	uint16_t want[4]; /* 0: any */
} variables[] = {
	{ "40001,40002,40001", { 40001, 40002, 40001, 0 } }, /* unchecked, as asked for */
	{ "40001", { 40001, 0, 0, 0 } },
	{ "", { 0, 0, 0, 0 } },
	{ ",,x,0,65536,-1, 5,7", { 7, 0, 0, 0 } },
	{ "65535,1,", { 65535, 1, 0, 0 } },
};

/* contract.md 1.5: for tests of the race. */
START_TEST(ports_of_the_environment)
{
	struct ports *p;
	uint16_t busy, port;
	int fd = take(AF_INET, false, "127.0.0.1", true, &busy);
	_cleanup_(freep) char *text = xasprintf("%u,%s", busy, variables[_i].variable);

	setenv("HOLOS_TEST_EPHEMERAL_PORTS", text, 1);
	p = ports_create();
	unsetenv("HOLOS_TEST_EPHEMERAL_PORTS");
	ck_assert_int_eq(ports_choose(p, "127.0.0.1", false, &port, NULL), 0);
	ck_assert_uint_eq(port, busy); /* not even a busy one is passed over */
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(ports_choose(p, "127.0.0.1", false, &port, NULL), 0);
		if (variables[_i].want[i] != 0)
			ck_assert_uint_eq(port, variables[_i].want[i]);
		else
			ck_assert_int_eq(ports_try("127.0.0.1", false, port), 0);
	}
	close(fd);
	ports_destroy(p);
}
END_TEST

START_TEST(holder)
{
	_cleanup_(freep) char *want = xasprintf(", pid %ld", (long)getpid());
	_cleanup_(freep) char *who = NULL;
	_cleanup_(freep) char *nobody = NULL;
	uint16_t port;
	int fd = take(kinds[_i].family, kinds[_i].udp, kinds[_i].address, true, &port);

	if (fd < 0)
		return;
	who = ports_holder(kinds[_i].address, kinds[_i].udp, port);
	ck_assert_ptr_nonnull(who);
	/* Our children of libcheck's fork have no copy: the pid is ours. */
	assert_has(who, want);
	assert_has(who, "unit-engine-por"); /* comm has 15 letters */
	nobody = ports_holder(kinds[_i].address, !kinds[_i].udp, port);
	ck_assert_ptr_null(nobody);
	close(fd);
	free(steal_ptr(&nobody));
	nobody = ports_holder(kinds[_i].address, kinds[_i].udp, port);
	ck_assert_ptr_null(nobody);
}
END_TEST

/* One on another address is not in the way; one on every address is. */
START_TEST(holder_by_address)
{
	_cleanup_(freep) char *nobody = NULL, *here = NULL, *every = NULL;
	uint16_t port;
	int fd = take(AF_INET, false, "127.0.0.1", true, &port);

	nobody = ports_holder("127.0.0.2", false, port);
	ck_assert_ptr_null(nobody);
	here = ports_holder("127.0.0.1", false, port);
	ck_assert_ptr_nonnull(here);
	every = ports_holder("0.0.0.0", false, port);
	ck_assert_ptr_nonnull(every);
	close(fd);
	fd = take(AF_INET, false, "0.0.0.0", true, &port);
	free(here);
	here = ports_holder("127.0.0.3", false, port);
	ck_assert_ptr_nonnull(here);
	close(fd);
}
END_TEST

/* What the project's file names is never chosen, nor kept; a range may take it. */
START_TEST(reserved_ports)
{
	struct port_map maps[] = { { .host = 20001, .host_end = 20001 },
				   { .host = 20010, .host_end = 20012 },
				   { .host = 0, .host_end = 0 } };
	struct service service = { .ports = maps, .n_ports = 3, .replicas = 3 };
	struct project project = { .services = &service, .n_services = 1 };
	static const uint16_t named[] = { 20001, 20002, 20003, 20010, 20011, 20012 };
	struct ports *p;
	uint16_t port = 0;
	size_t n;

	setenv("HOLOS_TEST_EPHEMERAL_PORTS", "20001,20002,20003,20012,20014,20004", 1);
	p = ports_create();
	ports_reserve(p, &project);
	(void)ports_reserved(p, &n);
	ck_assert_uint_eq(n, 2);
	ck_assert_int_eq(ports_choose(p, "127.0.0.1", false, &port, NULL), 0);
	ck_assert_uint_eq(port, 20014);
	ck_assert_int_eq(ports_choose(p, "127.0.0.1", false, &port, NULL), 0);
	ck_assert_uint_eq(port, 20004);
	for (size_t i = 0; i < N(named); i++)
		ck_assert(!ports_keep(p, "127.0.0.9", false, named[i]));
	ck_assert(ports_take(p, "127.0.0.9", false, 20010));
	ports_destroy(p);
	unsetenv("HOLOS_TEST_EPHEMERAL_PORTS");
}
END_TEST

/* A connection from that port is not a listener. */
START_TEST(holder_is_a_listener)
{
	uint16_t port;
	int fd = take(AF_INET, false, "127.0.0.1", false, &port);
	_cleanup_(freep) char *who = ports_holder("127.0.0.1", false, port);

	ck_assert_ptr_null(who);
	close(fd);
}
END_TEST

static void add_tests(TCase *c)
{
	tcase_add_loop_test(c, try_of_a_taken_port, 0, N(kinds));
	tcase_add_test(c, try_of_any_address);
	tcase_add_test(c, try_of_a_wrong_address);
	tcase_add_test(c, chosen_ports_differ);
	tcase_add_test(c, choice_on_a_wrong_address);
	tcase_add_test(c, kept_ports);
	tcase_add_loop_test(c, ports_of_the_environment, 0, N(variables));
	tcase_add_loop_test(c, holder, 0, N(kinds));
	tcase_add_test(c, holder_is_a_listener);
	tcase_add_test(c, holder_by_address);
	tcase_add_test(c, reserved_ports);
}

int main(void)
{
	return run_suite("engine-ports", add_tests);
}
