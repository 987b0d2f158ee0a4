/* SPDX-License-Identifier: Apache-2.0
 *
 * test_ports.c - a port that was free when it was chosen and is not when QEMU
 * binds it: chosen again by the monitor, where it may be.
 */
#include "harness.h"

#include <base/strv.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

/* A socket that listens on the port, 0: on any; the port in *ret. */
static int take(uint16_t port, uint16_t *ret)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&a, len) < 0 || listen(fd, 1) < 0) {
		close(fd);
		return -1;
	}
	getsockname(fd, (struct sockaddr *)&a, &len);
	*ret = ntohs(a.sin_port);
	return fd;
}

static uint16_t free_port(void)
{
	uint16_t port = 0;
	int fd = take(0, &port);

	close(fd);
	return port;
}

/* The VM forwards `port` to 80, which is fixed unless low is set, and ssh. */
static void forward(uint16_t port, uint16_t low, uint16_t high, uint16_t ssh)
{
	struct launch *l = vt->launch;
	size_t n = 0;

	l->ports = xcalloc(1, sizeof(*l->ports));
	l->n_ports = 1;
	l->ports[0] = (struct vm_port){ .name = xstrdup("port-0"),
					.host_ip = xstrdup("127.0.0.1"),
					.protocol = xstrdup("tcp"),
					.host_port = port,
					.guest_port = 80,
					.low = low,
					.high = high };
	l->ssh_port = ssh;
	while (l->argv[n] != NULL)
		n++;
	l->argv = xrealloc(l->argv, n + 3, sizeof(*l->argv));
	l->argv[n] = xstrdup("-netdev");
	l->argv[n + 1] = xasprintf("user,id=net0,hostfwd=tcp:127.0.0.1:%u-:80,"
				   "hostfwd=tcp:127.0.0.1:%u-:22",
				   port, ssh);
	l->argv[n + 2] = NULL;
}

/* What is in the files is what QEMU has. */
static void check_files(uint16_t port, uint16_t ssh)
{
	_cleanup_(launch_destroyp) struct launch *l = NULL;
	_cleanup_(vm_record_destroyp) struct vm_record *r = vt_disk();
	_cleanup_(freep) char *text = NULL;
	char **a;

	ck_assert_int_eq(launch_read(vt->dirfd, &l, NULL), 0);
	ck_assert_uint_eq(l->ports[0].host_port, port);
	ck_assert_uint_eq(l->ssh_port, ssh);
	ck_assert_uint_eq(r->ports[0].host_port, port);
	ck_assert_uint_eq(r->ssh_port, ssh);
	text = xasprintf("user,id=net0,hostfwd=tcp:127.0.0.1:%u-:80,hostfwd=tcp:127.0.0.1:%u-:22",
			 port, ssh);
	for (a = l->argv; *a != NULL && strcmp(*a, "-netdev") != 0; a++)
		;
	ck_assert_ptr_nonnull(*a);
	ck_assert_str_eq(a[1], text);
}

START_TEST(a_lost_port_is_chosen_again)
{
	uint16_t port, ssh = free_port(), now;
	int fd = take(0, &port);

	forward(port, 1, UINT16_MAX, ssh);
	vt_start();
	vt_up();
	now = vt->vm->ports[0].host_port;
	ck_assert_uint_ne(now, port);
	ck_assert_uint_eq(vt->vm->ssh_port, ssh);
	ck_assert_uint_eq(vt->vm->restarts, 0); /* the guest has not run before */
	ck_assert_int_eq(vt->vm->exit.cause, VM_EXIT_NONE);
	check_files(now, ssh);
	close(fd);
	ck_assert_ptr_nonnull(vt_ask("stop", NULL));
	vt_down(VM_STOPPED, VM_EXIT_STOPPED);
}
END_TEST

/* Free again when the monitor looks: QEMU's words tell which one it was. */
START_TEST(taken_for_a_moment)
{
	_cleanup_(freep) char *orders = NULL;
	uint16_t port = free_port(), ssh = free_port();

	forward(port, 1, UINT16_MAX, ssh);
	orders = xasprintf("refuse_port=%u\n", port);
	vt_behave(orders);
	vt_start();
	vt_up();
	ck_assert_uint_ne(vt->vm->ports[0].host_port, port);
	check_files(vt->vm->ports[0].host_port, ssh);
}
END_TEST

START_TEST(so_is_that_of_ssh)
{
	uint16_t port = free_port(), ssh;
	int fd = take(0, &ssh);

	forward(port, 0, 0, ssh);
	vt_start();
	vt_up();
	ck_assert_uint_ne(vt->vm->ssh_port, ssh);
	check_files(port, vt->vm->ssh_port);
	close(fd);
}
END_TEST

START_TEST(within_its_range)
{
	uint16_t port, ssh = free_port();
	int fd = take(0, &port);
	struct launch *l = vt->launch;

	forward(port, port, (uint16_t)(port < 65000 ? port + 200 : 65534), ssh);
	l->reserved = xcalloc(1, sizeof(*l->reserved));
	l->reserved[0] = (struct launch_range){ 1, UINT16_MAX }; /* a range is its own */
	l->n_reserved = 1;
	vt_start();
	vt_up();
	ck_assert_uint_gt(vt->vm->ports[0].host_port, port);
	ck_assert_uint_le(vt->vm->ports[0].host_port, l->ports[0].high);
	close(fd);
}
END_TEST

static void fails_for(uint16_t port)
{
	_cleanup_(freep) char *number = xasprintf(":%u-", port);

	vt_start();
	vt_until(vt->ended);
	ck_assert_int_eq(vt->vm->state, VM_FAILED);
	ck_assert_int_eq(vt->vm->exit.cause, VM_EXIT_QEMU);
	ck_assert_int_eq(vt->vm->exit.status, 1);
	ck_assert_ptr_nonnull(strstr(vt->vm->exit.message, number));
}

START_TEST(a_fixed_port_stays)
{
	uint16_t port, ssh = free_port();
	int fd = take(0, &port);

	forward(port, 0, 0, ssh);
	fails_for(port);
	close(fd);
}
END_TEST

START_TEST(nothing_else_is_free)
{
	uint16_t port;
	int fd = take(0, &port);

	forward(port, port, port, free_port());
	fails_for(port);
	close(fd);
}
END_TEST

/* Another network's arguments are its plugin's. */
START_TEST(words_of_another_plugin)
{
	uint16_t port;
	int fd = take(0, &port);

	forward(port, 1, UINT16_MAX, free_port());
	vt->launch->ports[0].guest_port = 81; /* no rule is for that */
	fails_for(port);
	close(fd);
}
END_TEST

/* An error that has nothing to do with ports is told as it is, and at once. */
START_TEST(another_error)
{
	forward(free_port(), 1, UINT16_MAX, free_port());
	vt_behave("fail_start=3\nmessage=no such machine\n");
	vt_start();
	vt_until(vt->ended);
	ck_assert_int_eq(vt->vm->exit.status, 3);
	ck_assert_str_eq(vt->vm->exit.message, "no such machine");
}
END_TEST

/* No command is there to choose again: the restart is the policy's. */
START_TEST(lost_between_two_runs)
{
	uint16_t port = free_port(), ssh = free_port();
	pid_t first;
	int fd = -1;

	forward(port, 1, UINT16_MAX, ssh);
	vt->launch->restart = LAUNCH_RESTART_ON_FAILURE;
	vt->launch->restart_max = 1;
	vt_start();
	vt_up();
	first = vt->vm->pid;
	kill(vt->monitor, SIGSTOP);
	kill(first, SIGKILL);
	for (uint64_t end = clock_now_ns() + 5 * NS_PER_S; fd < 0 && clock_now_ns() < end;)
		fd = take(port, &port);
	kill(vt->monitor, SIGCONT);
	ck_assert_int_ge(fd, 0);
	vt_until(vt->vm->state == VM_RUNNING && vt->vm->pid != first);
	ck_assert_uint_eq(vt->vm->restarts, 1);
	check_files(vt->vm->ports[0].host_port, ssh);
	close(fd);
}
END_TEST

START_TEST(stopped_while_it_tries)
{
	uint16_t port;
	int fd = take(0, &port);

	forward(port, 1, UINT16_MAX, free_port());
	vt_start();
	vt_request("stop", NULL);
	vt_until(vt_answered());
	vt_down(VM_STOPPED, VM_EXIT_STOPPED);
	close(fd);
}
END_TEST

int main(void)
{
	Suite *s = vt_suite("monitor-ports");

	VT_TEST(s, a_lost_port_is_chosen_again);
	VT_TEST(s, taken_for_a_moment);
	VT_TEST(s, so_is_that_of_ssh);
	VT_TEST(s, within_its_range);
	VT_TEST(s, a_fixed_port_stays);
	VT_TEST(s, nothing_else_is_free);
	VT_TEST(s, words_of_another_plugin);
	VT_TEST(s, another_error);
	VT_TEST(s, lost_between_two_runs);
	VT_TEST(s, stopped_while_it_tries);
	return vt_run(s);
}
