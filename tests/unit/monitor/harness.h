/* SPDX-License-Identifier: Apache-2.0
 *
 * harness.h - one VM of the fake QEMU under a real monitor, for tests.
 */
#ifndef TEST_MONITOR_HARNESS_H
#define TEST_MONITOR_HARNESS_H

#include <base/alloc.h>
#include <base/cleanup.h>
#include <base/clock.h>
#include <base/fs.h>
#include <base/jsonx.h>
#include <monitor/client.h>
#include <monitor/launch.h>
#include <monitor/protocol.h>
#include <state/alive.h>
#include <state/vmrecord.h>

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct vt {
	struct loop *loop;
	char dir[64]; /* short: socket paths */
	int dirfd;
	struct launch *launch; /* change it before vt_start() */
	struct monitor_conn *conn;
	pid_t monitor;
	struct vm_record *vm; /* the last snapshot */
	unsigned snapshots;
	bool ended; /* the connection */
	/* The answer to the last vt_ask() or vt_request(). */
	struct json_object *answer;
	char *error;
	int code;
};

/* A checked fixture: every test gets a fresh one in `vt`. */
extern struct vt *vt;
void vt_setup(void);
void vt_teardown(void);

/* What the fake QEMU does: lines of its behaviour file. */
void vt_behave(const char *lines);
void vt_start(void); /* write launch.json, start the monitor, connect */
void vt_adopt(void); /* start a monitor with --adopt, connect */
void vt_connect(void);
/* Run the loop until the condition holds; fails the test after 10 s. */
#define vt_until(cond)                                                                             \
	do {                                                                                       \
		uint64_t vt_deadline = clock_now_ns() + 10 * NS_PER_S;                             \
		while (!(cond)) {                                                                  \
			ck_assert_msg(clock_now_ns() < vt_deadline, "never: %s (%s)", #cond,       \
				      vt_describe());                                              \
			loop_run_once(vt->loop, clock_now_ns() + 20 * NS_PER_MS);                  \
		}                                                                                  \
	} while (0)
const char *vt_describe(void);
/* Send a request and wait for its answer: NULL when it failed. */
struct json_object *vt_ask(const char *op, const char *args /* JSON or NULL */);
void vt_request(const char *op, const char *args); /* do not wait */
bool vt_answered(void);
struct alive vt_alive(void);
/* vm.json as it is on disk. */
struct vm_record *vt_disk(void);
/* The VM is up, whatever it takes. */
void vt_up(void);
/* It is down, and its monitor has ended. */
void vt_down(enum vm_state state, enum vm_exit_cause cause);

Suite *vt_suite(const char *name);
int vt_run(Suite *s);
#define VT_TEST(suite, test)                                                                       \
	do {                                                                                       \
		TCase *vt_tc = tcase_create(#test);                                                \
		tcase_set_timeout(vt_tc, 30);                                                      \
		tcase_add_checked_fixture(vt_tc, vt_setup, vt_teardown);                           \
		tcase_add_test(vt_tc, test);                                                       \
		suite_add_tcase(suite, vt_tc);                                                     \
	} while (0)

#endif
