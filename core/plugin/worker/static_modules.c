/* SPDX-License-Identifier: Apache-2.0
 *
 * static_modules.c - libltdl's table of the plugins linked into holos-worker.
 * libtool would write it; here HOLOS_STATIC_PLUGINS does, as a list of
 * X(image_file) in the generated header.  The table must be const.
 */
#include <holos/plugin.h>
#include <holos_static_modules.h>

#include <ltdl.h>

#define X(module) extern const struct holos_plugin *holos_##module##_LTX_holos_plugin_v1(void);
HOLOS_STATIC_MODULES
#undef X

extern const lt_dlsymlist lt__holos_worker_LTX_preloaded_symbols[];

#define X(module)                                                                                  \
	{ "holos_" #module ".a", NULL },                                                           \
		{ "holos_" #module "_LTX_holos_plugin_v1",                                         \
		  (void *)holos_##module##_LTX_holos_plugin_v1 },
const lt_dlsymlist lt__holos_worker_LTX_preloaded_symbols[] = {
	{ "@PROGRAM@", NULL },
	HOLOS_STATIC_MODULES{ NULL, NULL },
};
