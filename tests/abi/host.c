/* SPDX-License-Identifier: Apache-2.0
 *
 * host.c - the life of tests/abi/1.0/plugin.c on the test kit's host.  Plugin and
 * host are compiled with the headers of 1.0 and of today, in every combination.
 */
#include <holos/testkit.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const struct holos_plugin *holos_health_abi_LTX_holos_plugin_v1(void);

#define EXPECT(what)                                                                               \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			fprintf(stderr, "line %d: not so: %s (said: %s)\n", __LINE__, #what,       \
				holos_testkit_message(kit));                                       \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

int main(void)
{
	struct holos_testkit *kit = holos_testkit_new(holos_health_abi_LTX_holos_plugin_v1());
	const struct holos_health_ops *health = holos_testkit_ops(kit, "abi");
	const struct holos_net_ops *net = holos_testkit_ops(kit, "abinet");
	struct holos_guest guest = { .size = sizeof(guest), .vm = "web-0" };
	struct holos_nic nic = { .size = sizeof(nic), .vm = "web-0", .id = "net0", .mac = "" };
	void *inst = holos_testkit_open(kit, "abi", "{\"word\":\"hi\"}");
	holos_call *call;

	EXPECT(inst != NULL);
	EXPECT(strcmp(holos_testkit_log(kit), "6 ready\n") == 0);
	holos_testkit_guest(kit, HOLOS_OK, 0, "hi", NULL);
	call = holos_testkit_call(kit);
	EXPECT(health->check(inst, &guest, call, holos_testkit_error(kit)) == HOLOS_OK);
	EXPECT(strstr(holos_testkit_result(kit), "\"asking\"") != NULL);
	holos_testkit_guest(kit, HOLOS_OK, 0, "ho", NULL);
	call = holos_testkit_call(kit);
	EXPECT(health->check(inst, &guest, call, holos_testkit_error(kit)) == HOLOS_E_AGAIN);
	EXPECT(strcmp(holos_testkit_message(kit), "it said \"ho\", not \"hi\"") == 0);
	holos_testkit_cancel_at(kit, 1);
	call = holos_testkit_call(kit);
	EXPECT(health->check(inst, &guest, call, holos_testkit_error(kit)) == HOLOS_E_CANCELLED);
	holos_testkit_cancel_at(kit, 0);
	holos_testkit_close(kit, "abi", inst);
	EXPECT(holos_testkit_open(kit, "abi", "{\"word\":\"bad\"}") == NULL);
	EXPECT(holos_testkit_status(kit) == HOLOS_E_CONFIG);
	EXPECT(strcmp(holos_testkit_at(kit), "/word") == 0);
	EXPECT(strcmp(holos_testkit_hint(kit), "say something good") == 0);
	EXPECT(holos_testkit_shuffle(kit, "abi", NULL, 7, 200) == HOLOS_OK);
	call = holos_testkit_call(kit);
	EXPECT(net->plan(NULL, &nic, holos_testkit_plan(kit, "/x"), call,
			 holos_testkit_error(kit)) == HOLOS_OK);
	EXPECT(strstr(holos_testkit_result(kit), "\"qemu\":[\"-netdev\",\"user,id=net0\"]") !=
	       NULL);
	holos_testkit_free(kit);

	/* A host that lacks a table is told, not crashed into. */
	kit = holos_testkit_new(holos_health_abi_LTX_holos_plugin_v1());
	holos_testkit_minor(kit, 0);
	holos_testkit_hide(kit, HOLOS_PLAN_ID);
	EXPECT(holos_testkit_open(kit, "abi", NULL) == NULL);
	EXPECT(holos_testkit_status(kit) == HOLOS_E_UNAVAIL);
	holos_testkit_free(kit);
	return 0;
}
