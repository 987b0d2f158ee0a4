/* SPDX-License-Identifier: Apache-2.0
 *
 * holos/plugin.h - the holos plugin ABI, major version 1.
 *
 * Read holos-plugin(7) first.  Three rules cover most of it:
 *   1. Structs only grow at the end; `size` says how much of one is there.
 *   2. Nothing allocated on one side is freed on the other.
 *   3. A plugin describes what should happen; the host makes it happen.
 */
#ifndef HOLOS_PLUGIN_H
#define HOLOS_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define HOLOS_C extern "C"
#else
#define HOLOS_C extern
#endif
#if defined(__GNUC__)
#define HOLOS_EXPORT __attribute__((visibility("default")))
#define HOLOS_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define HOLOS_EXPORT
#define HOLOS_PRINTF(f, a)
#endif

#define HOLOS_ABI_MAJOR 1
#define HOLOS_ABI_MINOR 0

/* Define this before including to be held to an older minor: fields added
 * later then do not exist for you, and your plugin runs on older hosts. */
#ifndef HOLOS_ABI_TARGET
#define HOLOS_ABI_TARGET HOLOS_ABI_MINOR
#elif HOLOS_ABI_TARGET > HOLOS_ABI_MINOR
#error "HOLOS_ABI_TARGET is newer than these headers"
#endif

/* True if *p, filled in by a possibly older peer, contains field f. */
#define HOLOS_HAS(p, type, f) \
	((p)->size >= offsetof(type, f) + sizeof(((type *)NULL)->f))

/* ---- results ---------------------------------------------------------- */

typedef int32_t holos_status; /* 0, or one of the negatives below */

#define HOLOS_OK            0
#define HOLOS_E_INTERNAL   (-1) /* a bug: report it                        */
#define HOLOS_E_CONFIG     (-2) /* the user's file is wrong                */
#define HOLOS_E_NOTFOUND   (-3) /* no such image, tag, VM, file            */
#define HOLOS_E_UNAVAIL    (-4) /* this machine lacks something            */
#define HOLOS_E_DENIED     (-5) /* credentials or permissions              */
#define HOLOS_E_AGAIN      (-6) /* transient: the host may retry           */
#define HOLOS_E_TIMEOUT    (-7) /* the call's deadline passed              */
#define HOLOS_E_CANCELLED  (-8) /* the call was cancelled                  */
#define HOLOS_E_INTEGRITY  (-9) /* digest, signature or format mismatch    */
#define HOLOS_E_IO        (-10) /* anything else from the system           */
#define HOLOS_E_NOMEM     (-11)
#define HOLOS_E_PASS      (-12) /* not mine: let the next plugin try       */
#define HOLOS_E_UNREACHED (-13) /* the guest does not answer (yet)           */

#define HOLOS_LOG_ERROR 3 /* numbered as in syslog(3) */
#define HOLOS_LOG_WARN  4
#define HOLOS_LOG_INFO  6
#define HOLOS_LOG_DEBUG 7

/* ---- host objects: opaque, owned by the host, never freed by a plugin -- */

typedef struct holos_self  holos_self;  /* this plugin; init .. fini         */
typedef struct holos_call  holos_call;  /* one call; valid until it returns  */
typedef struct holos_error holos_error; /* one call's error; ditto           */
typedef struct holos_cfg   holos_cfg;   /* read-only options; open .. close  */

/* ---- host services ----------------------------------------------------- */

struct holos_host {
	uint32_t size;
	uint16_t abi_major;
	uint16_t abi_minor;
	const char *version; /* for messages only; never compare it */

	/* Find an extra service table ("holos.plan/1"), or NULL.  The result
	 * starts with its own uint32_t size and lives as long as the host. */
	const void *(*query)(holos_self *self, const char *id);

	/* One line, UTF-8, no newline.  Any thread, any time after init. */
	void (*log)(holos_self *self, int32_t level, const char *msg);

	/* Record why a call failed and return `code`, so that a plugin can
	 * write `return h->fail(...)`.  The text is copied.  Calling it again
	 * adds outer context; the first code and errno win. */
	holos_status (*fail)(holos_error *err, holos_status code,
	                     int32_t sys_errno, const char *msg);
	/* Point at the option (a JSON Pointer, "" for the whole block) that is
	 * to blame; the host turns it into FILE:LINE:COLUMN. */
	void (*fail_at)(holos_error *err, const holos_cfg *cfg,
	                const char *pointer);
	void (*fail_hint)(holos_error *err, const char *hint);

	/* Cancellation and deadline.  A call must return within 250 ms of
	 * cancellation.  cancel_fd polls readable once cancelled and stays so;
	 * it belongs to the host: do not read, close or dup it. */
	int32_t (*cancelled)(const holos_call *call);
	int (*cancel_fd)(const holos_call *call);
	uint64_t (*deadline_ns)(const holos_call *call); /* CLOCK_MONOTONIC */
	holos_status (*sleep_ns)(holos_call *call, uint64_t ns);
	void (*progress)(holos_call *call, const char *what, uint64_t done,
	                 uint64_t total /* 0: unknown */);

	/* Options.  Already interpolated and checked against the interface's
	 * schema.  Strings live as long as cfg. */
	const char *(*cfg_json)(const holos_cfg *cfg, size_t *len);
	const char *(*cfg_str)(const holos_cfg *cfg, const char *pointer,
	                       const char *fallback);
	int64_t (*cfg_int)(const holos_cfg *cfg, const char *pointer,
	                   int64_t fallback);
	int32_t (*cfg_bool)(const holos_cfg *cfg, const char *pointer,
	                    int32_t fallback);
	/* Elements of a list, members of a map; -1 where there is neither. */
	int64_t (*cfg_count)(const holos_cfg *cfg, const char *pointer);
};

/* ---- what a plugin is --------------------------------------------------- */

/* The head of every interface's operations.  Frozen for all of ABI 1. */
struct holos_ops {
	uint32_t size;  /* of the whole operations struct */
	uint32_t flags; /* HOLOS_OPS_* */

	/* May this interface work on this machine?  Cheap, no side effects,
	 * no network.  HOLOS_E_UNAVAIL plus a reason if not.  May be NULL. */
	holos_status (*probe)(void *state, holos_call *call, holos_error *err);

	/* Make an instance for one options block.  On failure leave *inst
	 * alone.  open and close may be NULL together: inst is then state. */
	holos_status (*open)(void *state, const holos_cfg *cfg,
	                     holos_call *call, void **inst, holos_error *err);
	void (*close)(void *inst);
};

#define HOLOS_OPS_PARALLEL 0x1u /* instances may be used concurrently */

struct holos_iface {
	uint32_t size;
	uint32_t reserved;
	const char *id;     /* "holos.image/1": selects the type of ops       */
	const char *name;   /* what the user writes: [a-z][a-z0-9-]*, max 32  */
	const struct holos_ops *ops;
	const char *schema; /* JSON Schema of the options; NULL: takes none   */
	const char *summary;
};

struct holos_plugin {
	uint32_t size;
	uint16_t abi_major;
	uint16_t abi_minor;      /* of the header this was compiled with      */
	uint32_t host_minor_min; /* oldest host minor it can work with        */
	uint32_t flags;
	const char *name;        /* "image-http"; the file is holos-NAME.so   */
	const char *version;
	const char *license;     /* SPDX expression */
	const char *homepage;
	const struct holos_iface *const *ifaces; /* NULL-terminated */

	/* Called once, before any op, on the thread that needs the plugin.
	 * Either may be NULL.  fini is not promised: the host may be killed. */
	holos_status (*init)(const struct holos_host *host, holos_self *self,
	                     void **state, holos_error *err);
	void (*fini)(void *state);
};

typedef const struct holos_plugin *holos_plugin_fn(void);

/* The one exported symbol.  MODULE is the file name without ".so" and with
 * every '-' turned into '_', so that static builds can hold many plugins. */
#define HOLOS_PLUGIN(module, desc)                                            \
	HOLOS_C HOLOS_EXPORT const struct holos_plugin *                      \
	module##_LTX_holos_plugin_v1(void);                                   \
	const struct holos_plugin *module##_LTX_holos_plugin_v1(void)         \
	{                                                                     \
		return &(desc);                                               \
	}                                                                     \
	struct holos_plugin

#define HOLOS_PLUGIN_HEAD                                                     \
	(uint32_t)sizeof(struct holos_plugin), HOLOS_ABI_MAJOR, HOLOS_ABI_TARGET

#endif
