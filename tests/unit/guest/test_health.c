/* SPDX-License-Identifier: Apache-2.0
 *
 * The health plugin "ssh" on a host of the test's own.
 */
#include <holos/health.h>

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct holos_plugin *holos_health_ssh_LTX_holos_plugin_v1(void);

static const char *const *test; /* the option "test"; NULL: none */

/* What the guest answers, and what it was asked. */
static struct {
	holos_status st;
	int status;
	const char *out, *errout;
	unsigned calls;
	bool login_only;
	char argv[128];
} guest;

static holos_status failed_with;
static char message[1024];

static holos_status host_fail(holos_error *err, holos_status code, int32_t sys_errno,
			      const char *msg)
{
	(void)err;
	(void)sys_errno;
	failed_with = code;
	snprintf(message, sizeof(message), "%s", msg);
	return code;
}

static int64_t host_cfg_count(const holos_cfg *cfg, const char *pointer)
{
	int64_t n = 0;

	(void)cfg;
	ck_assert_str_eq(pointer, "/test");
	if (test == NULL)
		return -1;
	while (test[n] != NULL)
		n++;
	return n;
}

static const char *host_cfg_str(const holos_cfg *cfg, const char *pointer, const char *fallback)
{
	(void)cfg;
	(void)fallback;
	ck_assert_int_eq(strncmp(pointer, "/test/", 6), 0);
	return test[atoi(pointer + 6)];
}

static holos_status api_exec(const struct holos_guest *g, const struct holos_exec *exec,
			     holos_call *call, struct holos_exec_result *res, holos_error *err)
{
	size_t i;

	(void)g;
	(void)call;
	guest.calls++;
	guest.login_only = exec->argv == NULL;
	guest.argv[0] = '\0';
	for (i = 0; exec->argv != NULL && exec->argv[i] != NULL; i++) {
		strcat(guest.argv, exec->argv[i]);
		strcat(guest.argv, "|");
	}
	snprintf(res->out, res->out_cap, "%s", guest.out);
	snprintf(res->errout, res->errout_cap, "%s", guest.errout);
	res->status = guest.status;
	return guest.st == HOLOS_OK ? HOLOS_OK : host_fail(err, guest.st, 0, "the guest's");
}

static const struct holos_guest_api api = { .size = sizeof(api), .exec = api_exec };
static bool with_api;

static const void *host_query(holos_self *self, const char *id)
{
	(void)self;
	return with_api && strcmp(id, HOLOS_GUEST_API_ID) == 0 ? &api : NULL;
}

static const struct holos_host host = {
	.size = sizeof(host),
	.abi_major = 1,
	.query = host_query,
	.fail = host_fail,
	.cfg_count = host_cfg_count,
	.cfg_str = host_cfg_str,
};

/* A whole life of an instance: open, check, close. */
static holos_status check_once(void)
{
	const struct holos_plugin *p = holos_health_ssh_LTX_holos_plugin_v1();
	const struct holos_health_ops *ops = (const void *)p->ifaces[0]->ops;
	static const struct holos_guest g = { .size = sizeof(g), .vm = "web-0" };
	void *state = NULL;
	void *inst = NULL;
	holos_status st;

	message[0] = '\0';
	failed_with = HOLOS_OK;
	ck_assert_int_eq(p->init(&host, NULL, &state, NULL), HOLOS_OK);
	ck_assert_int_eq(ops->head.open(state, NULL, NULL, &inst, NULL), HOLOS_OK);
	st = ops->check(inst, &g, NULL, NULL);
	ops->head.close(inst);
	ck_assert_int_eq(st, failed_with);
	return st;
}

static const char *const argv_true[] = { "test", "-f", "/x y", NULL };
static const char *const argv_none[] = { NULL };

#define L49 "1234567890123456789012345678901234567890123456789"
#define L50 L49 "0"

static const struct {
	const char *const *test;
	holos_status st;
	int status;
	const char *out, *errout;
	holos_status expect;
	const char *message;
} checks[] = {
	{ argv_true, HOLOS_OK, 0, "", "", HOLOS_OK, "" },
	{ argv_true, HOLOS_OK, 0, "", "noise\n", HOLOS_OK, "" },
	{ NULL, HOLOS_OK, 0, "", "", HOLOS_OK, "" },
	{ argv_none, HOLOS_OK, 0, "", "", HOLOS_OK, "" },
	{ argv_true, HOLOS_OK, 1, "", "", HOLOS_E_AGAIN, "test exited with status 1" },
	{ argv_true, HOLOS_OK, 7, "a\nb\n", "", HOLOS_E_AGAIN, "test exited with status 7: b" },
	{ argv_true, HOLOS_OK, 7, "a\n", "c\nd  \n\r\n\n", HOLOS_E_AGAIN,
	  "test exited with status 7: d" },
	{ argv_true, HOLOS_OK, 7, "", "a\tb\x1b[0m", HOLOS_E_AGAIN,
	  "test exited with status 7: a b [0m" },
	{ argv_true, HOLOS_OK, 7, "", L50 L50 L50 L50 "x", HOLOS_E_AGAIN,
	  "test exited with status 7: " L50 L50 L50 L50 },
	{ argv_true, HOLOS_OK, 7, "", L50 L50 L50 L49 "ä", HOLOS_E_AGAIN,
	  "test exited with status 7: " L50 L50 L50 L49 },
	{ argv_true, HOLOS_OK, -1, "", "", HOLOS_E_AGAIN, "test was killed by a signal" },
	{ argv_true, HOLOS_OK, -1, "", "e", HOLOS_E_AGAIN, "test was killed by a signal: e" },
	{ argv_true, HOLOS_E_UNREACHED, 0, "", "", HOLOS_E_UNREACHED, "the guest's" },
	{ argv_true, HOLOS_E_TIMEOUT, 0, "", "", HOLOS_E_TIMEOUT, "the guest's" },
	{ NULL, HOLOS_E_DENIED, 0, "", "", HOLOS_E_DENIED, "the guest's" },
};

START_TEST(test_check)
{
	test = checks[_i].test;
	guest.st = checks[_i].st;
	guest.status = checks[_i].status;
	guest.out = checks[_i].out;
	guest.errout = checks[_i].errout;
	with_api = true;
	ck_assert_int_eq(check_once(), checks[_i].expect);
	ck_assert_str_eq(message, checks[_i].message);
	ck_assert_uint_eq(guest.calls, 1);
	ck_assert_int_eq(guest.login_only, checks[_i].test != argv_true);
	ck_assert_str_eq(guest.argv, checks[_i].test == argv_true ? "test|-f|/x y|" : "");
}
END_TEST

START_TEST(test_no_guest_access)
{
	with_api = false;
	ck_assert_int_eq(check_once(), HOLOS_E_UNAVAIL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("guest-health");
	TCase *t = tcase_create("health");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_loop_test(t, test_check, 0, sizeof(checks) / sizeof(checks[0]));
	tcase_add_test(t, test_no_guest_access);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
