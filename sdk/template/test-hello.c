/* SPDX-License-Identifier: Apache-2.0
 *
 * test-hello.c - the plugin against the host of the test kit.
 */
#include <holos/testkit.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const struct holos_plugin *holos_health_hello_LTX_holos_plugin_v1(void);

static void expect(int ok, const char *what, const struct holos_testkit *kit)
{
	if (ok)
		return;
	fprintf(stderr, "FAIL: %s (said: %s)\n", what, holos_testkit_message(kit));
	exit(1);
}

int main(void)
{
	struct holos_testkit *kit = holos_testkit_new(holos_health_hello_LTX_holos_plugin_v1());
	const struct holos_health_ops *ops = holos_testkit_ops(kit, "hello");
	struct holos_guest guest = { .size = sizeof(guest), .vm = "web-0" };
	void *inst = holos_testkit_open(kit, "hello", "{\"text\":\"ready\"}");
	holos_status status;

	expect(inst != NULL, "it opens", kit);

	holos_testkit_guest(kit, HOLOS_OK, 0, "all is ready\n", "");
	status = ops->check(inst, &guest, holos_testkit_call(kit), holos_testkit_error(kit));
	expect(status == HOLOS_OK, "a guest that is ready is healthy", kit);

	holos_testkit_guest(kit, HOLOS_OK, 0, "wait\n", "");
	status = ops->check(inst, &guest, holos_testkit_call(kit), holos_testkit_error(kit));
	expect(status == HOLOS_E_AGAIN, "one that is not is asked again", kit);
	expect(strcmp(holos_testkit_message(kit), "/run/hello does not say \"ready\"") == 0,
	       "it says why", kit);

	holos_testkit_guest(kit, HOLOS_E_UNREACHED, 0, NULL, NULL);
	status = ops->check(inst, &guest, holos_testkit_call(kit), holos_testkit_error(kit));
	expect(status == HOLOS_E_UNREACHED, "one that does not answer is not unhealthy", kit);

	holos_testkit_close(kit, "hello", inst);
	expect(holos_testkit_shuffle(kit, "hello", NULL, 42, 100) == HOLOS_OK,
	       "instances open and close in any order", kit);
	holos_testkit_free(kit);
	puts("ok");
	return 0;
}
