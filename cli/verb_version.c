/* SPDX-License-Identifier: Apache-2.0
 *
 * verb_version.c - holos version.
 */
#include <base/jsonx.h>
#include <cli.h>

#include <stdio.h>
#include <sys/utsname.h>

#ifndef HOLOS_COMMIT
#define HOLOS_COMMIT "none"
#endif
#ifndef HOLOS_BUILT
#define HOLOS_BUILT "unknown"
#endif

int verb_version(const struct verb *v, int argc, char **argv, struct holos_error **err)
{
	_cleanup_(strv_finish) struct strv operands = STRV_INIT;
	bool is_short = false, json = false;
	const struct option_def defs[] = {
		{ "short", 0, OPTION_FLAG, &is_short, NULL, "the number alone" },
		{ "json", 0, OPTION_FLAG, &json, NULL, "print JSON" },
		OPTIONS_END,
	};
	struct utsname host;
	int r = options_parse(v, defs, false, argc, argv, &operands, err);

	if (r != 0)
		return r;
	r = options_at_most(&operands, 0, err);
	if (r < 0)
		return r;
	uname(&host);
	if (json) {
		struct json_object *o = json_object_new_object();

		jsonx_set_str(o, "version", HOLOS_VERSION);
		jsonx_set_str(o, "commit", HOLOS_COMMIT);
		jsonx_set_str(o, "built", HOLOS_BUILT);
		jsonx_set_str(o, "plugin_abi", "1.0");
		jsonx_set_str(o, "os", "linux");
		jsonx_set_str(o, "arch", host.machine);
		print_json(o);
	} else if (is_short) {
		puts(HOLOS_VERSION);
	} else {
		printf("holos %s\n  commit:     %s\n  built:      %s\n  plugin abi: 1.0\n"
		       "  os/arch:    linux/%s\n",
		       HOLOS_VERSION, HOLOS_COMMIT, HOLOS_BUILT, host.machine);
	}
	return 0;
}

const struct verb entry_version = {
	.name = "version",
	.operands = "",
	.summary = "print the version",
	.run = verb_version,
	.group = GROUP_SELF,
	.examples = {
		{ "holos version --short", "the number alone" },
	},
};
