/* SPDX-License-Identifier: Apache-2.0
 *
 * test_serve.c - the protocol: greeting, errors, many, slow and hostile clients.
 */
#include "harness.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

static int dial(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/%s", vt->dir, MONITOR_SOCKET);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

/* Everything that comes until the connection ends, or 2 s pass. */
static char *read_all(int fd)
{
	struct strbuf b = STRBUF_INIT;
	struct timeval limit = { .tv_sec = 2 };
	char buf[4096];
	ssize_t n;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		strbuf_add(&b, buf, (size_t)n);
	return strbuf_steal(&b);
}

static void send_line(int fd, const char *line)
{
	ck_assert_int_eq(send(fd, line, strlen(line), MSG_NOSIGNAL), (ssize_t)strlen(line));
}

START_TEST(greets)
{
	_cleanup_(freep) char *text = NULL;
	int fd;

	vt_start();
	vt_up();
	fd = dial();
	send_line(fd, "{\"id\":1,\"op\":\"ping\"}\n{\"id\":2,\"op\":\"dance\"}\n"
		      "{\"id\":3,\"op\":\"status\",\"from\":\"the future\"}\n{\"id\":4}\n");
	shutdown(fd, SHUT_WR);
	text = read_all(fd);
	close(fd);
	ck_assert_int_eq(strncmp(text, "{\"holos-monitor\":1,\"version\":", 28), 0);
	ck_assert_ptr_nonnull(strstr(text, "{\"id\":1,\"ok\":true}\n"));
	ck_assert_ptr_nonnull(strstr(text, "{\"id\":2,\"ok\":false,\"code\":2,"));
	ck_assert_ptr_nonnull(strstr(text, "{\"id\":3,\"ok\":true,\"vm\":{"));
	ck_assert_ptr_nonnull(strstr(text, "{\"id\":4,\"ok\":false,"));
}
END_TEST

static const char *const junk[] = { "GET / HTTP/1.0\r\n\r\n", "[]\n", "\xff\xfe\n", "{\"id\":{}}\n",
				    "{\"op\":\"stop\",\"op\":\"ping\"}x\n" };

START_TEST(junk_harms_nobody)
{
	int fd;

	vt_start();
	vt_up();
	fd = dial();
	send_line(fd, junk[_i]);
	shutdown(fd, SHUT_WR);
	free(read_all(fd));
	close(fd);
	ck_assert_ptr_nonnull(vt_ask("ping", NULL));
	ck_assert_int_eq(vt->vm->state, VM_RUNNING);
}
END_TEST

START_TEST(a_line_without_end)
{
	static char block[65536];
	int fd;

	memset(block, 'x', sizeof(block));
	vt_start();
	vt_up();
	fd = dial();
	for (int i = 0; i < 64; i++) { /* 4 MiB; it is cut off after one */
		if (send(fd, block, sizeof(block), MSG_NOSIGNAL) < 0)
			break;
	}
	ck_assert_int_lt(send(fd, block, sizeof(block), MSG_NOSIGNAL), 0);
	close(fd);
	ck_assert_ptr_nonnull(vt_ask("ping", NULL));
}
END_TEST

/* One who asked for something keeps its place, one who only sits there does not. */
START_TEST(too_many_clients)
{
	int fds[MONITOR_CLIENTS_MAX + 8];
	char c;

	vt_start();
	vt_up();
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		fds[i] = dial();
	free(read_all(fds[0])); /* to its end: dropped */
	ck_assert_int_eq(read(fds[MONITOR_CLIENTS_MAX + 7], &c, 1), 1);
	ck_assert_ptr_nonnull(vt_ask("ping", NULL));
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		close(fds[i]);
}
END_TEST

START_TEST(too_many_subscribers)
{
	int fds[MONITOR_CLIENTS_MAX + 8];
	char c;

	vt_start();
	vt_up();
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		fds[i] = dial();
		(void)send(fds[i], "{\"id\":1,\"op\":\"subscribe\"}\n", 27, MSG_NOSIGNAL);
		(void)!read(fds[i], &c, 1); /* the greeting, or the refusal */
		ck_assert_ptr_nonnull(vt_ask("ping", NULL));
	}
	/* One place is the test's own connection. */
	ck_assert_int_eq(read(fds[MONITOR_CLIENTS_MAX], &c, 1), 0);
	ck_assert_int_eq(read(fds[0], &c, 1), 1);
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		close(fds[i]);
	for (int i = 0; i < 50; i++) { /* and there is room again, soon */
		vt_connect();
		if (vt_ask("ping", NULL) != NULL)
			return;
	}
	ck_abort_msg("no room after all were closed");
}
END_TEST

/* One who asks and never reads is dropped; the others do not wait for it. */
START_TEST(a_slow_client)
{
	char requests[4096] = "";
	int fd;

	for (int i = 0; i < 100; i++)
		strcat(requests, "{\"id\":1,\"op\":\"status\"}\n");
	vt_start();
	vt_up();
	fd = dial();
	for (int i = 0; i < 200; i++) {
		if (send(fd, requests, strlen(requests), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
		    errno != EAGAIN)
			break; /* dropped */
		ck_assert_ptr_nonnull(vt_ask("ping", NULL));
	}
	ck_assert_int_lt(send(fd, requests, strlen(requests), MSG_NOSIGNAL), 0);
	close(fd);
}
END_TEST

#ifndef __SANITIZE_ADDRESS__ /* which takes address space without end */
/* No more memory than there is now, until it is lifted. */
static void limit_memory(bool on)
{
	struct rlimit no = { RLIM_INFINITY, RLIM_INFINITY };
	char path[64];
	unsigned long pages = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%ld/statm", (long)vt->monitor);
	f = fopen(path, "re");
	ck_assert(f != NULL && fscanf(f, "%lu", &pages) == 1);
	fclose(f);
	if (on)
		no.rlim_cur = pages * (rlim_t)sysconf(_SC_PAGESIZE);
	ck_assert_int_eq(prlimit(vt->monitor, RLIMIT_AS, &no, NULL), 0);
}

/* Large requests and new clients fail, the monitor does not; the VM can be
 * stopped, and is recorded as such. */
START_TEST(out_of_memory)
{
	_cleanup_(freep) char *big =
		xasprintf("{\"id\":1,\"op\":\"status\",\"x\":\"%060000d\"}\n", 0);
	char greeting;
	int fd;

	vt_start();
	vt_up();
	fd = dial();
	/* Until the monitor waits: what it has in hand would count as what there is. */
	ck_assert_int_eq(recv(fd, &greeting, 1, MSG_PEEK), 1);
	ck_assert_ptr_nonnull(vt_ask("ping", NULL));
	limit_memory(true);
	for (int i = 0; i < 20; i++) {
		int other = dial();

		(void)send(other, big, strlen(big), MSG_NOSIGNAL | MSG_DONTWAIT);
		(void)send(fd, big, strlen(big), MSG_NOSIGNAL | MSG_DONTWAIT);
		close(other);
		if (_i == 0)
			(void)vt_ask("status", NULL);
	}
	if (_i == 0) {
		ck_assert_ptr_null(vt_ask("status", NULL));
		ck_assert_ptr_nonnull(strstr(vt->error, "out of memory"));
		limit_memory(false);
		ck_assert_ptr_nonnull(vt_ask("status", NULL)); /* and all is well again */
	}
	ck_assert_ptr_nonnull(vt_ask("stop", NULL));
	vt_down(VM_STOPPED, VM_EXIT_STOPPED);
	close(fd);
}
END_TEST

#endif

START_TEST(qmp_passes)
{
	vt_start();
	vt_up();
	ck_assert_ptr_nonnull(vt_ask("qmp", "{\"command\":\"query-name\"}"));
	ck_assert_str_eq(jsonx_str(jsonx_obj(vt->answer, "return"), "name", ""), "web-0");
	ck_assert_ptr_null(vt_ask("qmp", "{\"command\":\"query-moon\"}"));
	ck_assert_ptr_nonnull(strstr(vt->error, "query-moon"));
	ck_assert_ptr_null(vt_ask("qmp", "{\"command\":\"quit\"}"));
	ck_assert_int_eq(vt->code, ERR_USAGE);
	ck_assert_ptr_null(vt_ask("qmp", NULL));
}
END_TEST

START_TEST(reload_changes_the_policy)
{
	pid_t first;

	vt_start();
	vt_up();
	first = vt->vm->pid;
	vt->launch->restart = LAUNCH_RESTART_ALWAYS;
	ck_assert_int_eq(launch_write(vt->dirfd, vt->launch, NULL), 0);
	ck_assert_ptr_nonnull(vt_ask("reload", NULL));
	kill(first, SIGKILL);
	vt_until(vt->vm->state == VM_RUNNING && vt->vm->pid != first);
	ck_assert_uint_eq(vt->vm->restarts, 1);
	/* Another VM's launch.json is not taken. */
	vt->launch->uuid[0] = 'f';
	ck_assert_int_eq(launch_write(vt->dirfd, vt->launch, NULL), 0);
	ck_assert_ptr_null(vt_ask("reload", NULL));
	vt->launch->uuid[0] = '0';
}
END_TEST

START_TEST(nobody_there)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct monitor_conn *c;

	ck_assert_int_lt(monitor_connect(vt->loop, vt->dir, NULL, NULL, NULL, &c, &err), 0);
	ck_assert_int_eq(err->sys_errno, ENOENT);
}
END_TEST

START_TEST(socket_path_is_too_long)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	_cleanup_(freep) char *dir = NULL;
	struct monitor_options o = { .program = "/bin/true" };

	dir = xasprintf("%s/%080d", vt->dir, 0);
	ck_assert_int_eq(mkdir(dir, 0700), 0);
	ck_assert_int_eq(monitor_start(dir, &o, NULL, &err), -ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(err->message, "too long"));
	ck_assert_ptr_nonnull(err->hint);
}
END_TEST

START_TEST(program_cannot_be_started)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct monitor_options o = { .program = "/nonexistent/holos-monitor" };

	ck_assert_int_eq(monitor_start(vt->dir, &o, NULL, &err), -ERR_HOST);
	ck_assert(!vt_alive().monitor);
	ck_assert(!fs_exists(vt->dirfd, MONITOR_SOCKET));
}
END_TEST

START_TEST(call_wait_times_out)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;

	vt_behave("ignore_powerdown=1\n");
	vt_start();
	vt_up();
	ck_assert_int_eq(monitor_call_wait(vt->dir, "stop", NULL, clock_now_ns() + 200 * NS_PER_MS,
					   NULL, NULL, &err),
			 -ERR_TIMEOUT);
	ck_assert_ptr_nonnull(vt_ask("kill", NULL));
	vt_down(VM_STOPPED, VM_EXIT_STOPPED);
}
END_TEST

int main(void)
{
	Suite *s = vt_suite("monitor-serve");
	TCase *t = tcase_create("hostile");

	VT_TEST(s, greets);
	VT_TEST(s, a_line_without_end);
	VT_TEST(s, too_many_clients);
	VT_TEST(s, too_many_subscribers);
	VT_TEST(s, a_slow_client);
	VT_TEST(s, qmp_passes);
	VT_TEST(s, reload_changes_the_policy);
	VT_TEST(s, nobody_there);
	VT_TEST(s, socket_path_is_too_long);
	VT_TEST(s, program_cannot_be_started);
	VT_TEST(s, call_wait_times_out);
	tcase_set_timeout(t, 30);
	tcase_add_checked_fixture(t, vt_setup, vt_teardown);
	tcase_add_loop_test(t, junk_harms_nobody, 0, (int)(sizeof(junk) / sizeof(junk[0])));
#ifndef __SANITIZE_ADDRESS__ /* which takes address space without end */
	tcase_add_loop_test(t, out_of_memory, 0, 2);
#endif
	suite_add_tcase(s, t);
	return vt_run(s);
}
