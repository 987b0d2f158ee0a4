/* SPDX-License-Identifier: Apache-2.0
 *
 * broken.c - a plugin with one thing wrong, chosen by BROKEN_*.  ZOO_NAME is its
 * name, ZOO_SYMBOL the start of its one symbol.
 */
#include <holos/image.h>
#include <holos/net.h>

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#if defined(BROKEN_UNDEFINED)
extern int holos_zoo_nobody_has_this(void);
#endif

#if defined(BROKEN_NEEDS_LIBRARY)
extern int holos_zoo_gone(void);
#endif

#if !defined(BROKEN_APPLIES)
__attribute__((unused)) static holos_status resolve(void *inst, const char *ref, holos_call *call,
						    holos_image_sink *out, holos_error *err)
{
	(void)inst;
	(void)ref;
	(void)call;
	(void)out;
	(void)err;
#if defined(BROKEN_UNDEFINED)
	return holos_zoo_nobody_has_this();
#elif defined(BROKEN_NEEDS_LIBRARY)
	return holos_zoo_gone();
#else
	return HOLOS_OK;
#endif
}

#if defined(BROKEN_HALF_OPEN) || defined(BROKEN_OPEN_CRASH)
static holos_status open_it(void *state, const holos_cfg *cfg, holos_call *call, void **inst,
			    holos_error *err)
{
	(void)state;
	(void)cfg;
	(void)call;
	(void)inst;
	(void)err;
	raise(SIGSEGV);
	return HOLOS_OK;
}
#endif
#if defined(BROKEN_OPEN_CRASH)
static void close_it(void *inst)
{
	(void)inst;
}
#endif

static const struct holos_image_ops ops = {
#if defined(BROKEN_OPS_SHORT)
	.head = { .size = sizeof(ops.head) },
#elif defined(BROKEN_HALF_OPEN)
	.head = { .size = sizeof(ops), .open = open_it },
#elif defined(BROKEN_OPEN_CRASH)
	.head = { .size = sizeof(ops), .open = open_it, .close = close_it },
#else
	.head = { .size = sizeof(ops) },
#endif
#if !defined(BROKEN_OPS_MISSING)
	.resolve = resolve,
#else
	.list = NULL,
#endif
};
#define ZOO_ID HOLOS_IMAGE_ID

#else /* BROKEN_APPLIES */
static holos_status plan(void *inst, const struct holos_nic *nic, holos_plan *out, holos_call *call,
			 holos_error *err)
{
	(void)inst;
	(void)nic;
	(void)out;
	(void)call;
	(void)err;
	return HOLOS_OK;
}

static holos_status apply(void *inst, const struct holos_nic *nic, const char *journal,
			  holos_call *call, holos_error *err)
{
	(void)inst;
	(void)nic;
	(void)journal;
	(void)call;
	(void)err;
	return HOLOS_OK;
}

static const struct holos_net_ops ops = {
	.head = { .size = sizeof(ops) },
	.plan = plan,
	.apply = apply,
};
#define ZOO_ID HOLOS_NET_ID
#endif

__attribute__((unused)) static const struct holos_iface iface = {
#if defined(BROKEN_IFACE_SHORT)
	.size = 16,
#else
	.size = sizeof(iface),
#endif
	.id = ZOO_ID,
#if defined(BROKEN_IFACE_MISNAMED)
	.name = "Not A Name",
#else
	.name = ZOO_NAME,
#endif
	.ops = &ops.head,
#if defined(BROKEN_SCHEMA_JSON)
	.schema = "{\"type\":\"object\"",
#elif defined(BROKEN_SCHEMA_KEYWORD)
	.schema = "{\"type\":\"object\",\"properties\":{\"x\":{\"type\":\"string\",\"pattern\":"
		  "\"a\"}}}",
#elif defined(BROKEN_SCHEMA_TYPE)
	.schema = "{\"type\":\"string\"}",
#endif
};

static const struct holos_iface *const ifaces[] = {
#if !defined(BROKEN_IFACELESS)
	&iface,
#endif
#if defined(BROKEN_IFACE_TWICE)
	&iface,
#endif
	NULL
};

#if defined(BROKEN_INIT_CRASH) || defined(BROKEN_INIT_FAILS) || defined(BROKEN_INIT_HANGS)
static holos_status init(const struct holos_host *host, holos_self *self, void **state,
			 holos_error *err)
{
	(void)self;
	(void)state;
#if defined(BROKEN_INIT_CRASH)
	abort();
#elif defined(BROKEN_INIT_HANGS)
	for (;;)
		pause();
#endif
	return host->fail(err, HOLOS_E_UNAVAIL, 0, "the moon is in the wrong phase");
}
#endif

#if defined(BROKEN_CONSTRUCTOR)
__attribute__((constructor)) static void constructor(void)
{
	raise(SIGSEGV);
}
#endif

static const struct holos_plugin plugin = {
#if defined(BROKEN_SHORT)
	.size = 24,
#else
	.size = sizeof(plugin),
#endif
#if defined(BROKEN_ABI2)
	.abi_major = 2,
#else
	.abi_major = HOLOS_ABI_MAJOR,
#endif
	.abi_minor = HOLOS_ABI_MINOR,
#if defined(BROKEN_NEEDS_NEWER)
	.host_minor_min = 99,
#endif
#if defined(BROKEN_FLAGS)
	.flags = 1u << 20,
#endif
#if defined(BROKEN_MISNAMED)
	.name = "image-somebody-else",
#else
	.name = ZOO_KIND "-" ZOO_NAME,
#endif
#if !defined(BROKEN_VERSIONLESS)
	.version = "1.0",
#endif
	.license = "Apache-2.0",
	.ifaces = ifaces,
#if defined(BROKEN_INIT_CRASH) || defined(BROKEN_INIT_FAILS) || defined(BROKEN_INIT_HANGS)
	.init = init,
#endif
};

#define PASTE2(a, b) a##b
#define PASTE(a, b)  PASTE2(a, b)
#if defined(BROKEN_SYMBOL2)
#define FUNCTION PASTE(ZOO_SYMBOL, _LTX_holos_plugin_v2)
#elif defined(BROKEN_SYMBOLLESS)
#define FUNCTION PASTE(ZOO_SYMBOL, _LTX_something_else)
#else
#define FUNCTION PASTE(ZOO_SYMBOL, _LTX_holos_plugin_v1)
#endif

HOLOS_EXPORT const struct holos_plugin *FUNCTION(void);
const struct holos_plugin *FUNCTION(void)
{
#if defined(BROKEN_NOTHING)
	(void)plugin;
	return NULL;
#else
	return &plugin;
#endif
}
