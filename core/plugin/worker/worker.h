/* SPDX-License-Identifier: Apache-2.0
 *
 * worker.h - inside holos-worker: the parts that its files share.
 *
 *   main.c     options, the loop over requests
 *   keeper.c   the parent: no plugin runs in it; it ends what plugins leave behind
 *   serve.c    one request: find, load, init, open, run, answer
 *   loader.c   from a name to a descriptor function (libltdl)
 *   plugin.c   checks a descriptor and copies it; the list of loaded plugins
 *   instance.c instances, kept per options
 *   host.c     struct holos_host: what plugins may call
 *   ops_*.c    one kind each: from JSON to a plugin's functions and back
 *   ops_fetch.c  downloads, which no plugin makes
 *   describe.c the manifest
 *   inspect.c  what plugins changed in this process
 *
 * A call that goes wrong never ends the worker; what ends it is the plugin
 * itself, and the client tells that.
 */
#ifndef WORKER_WORKER_H
#define WORKER_WORKER_H

#include <base/error.h>
#include <base/strbuf.h>
#include <base/strv.h>
#include <holos/fetch.h>
#include <holos/health.h>
#include <holos/image.h>
#include <holos/importer.h>
#include <holos/net.h>
#include <holos/plugin.h>
#include <holos/provision.h>
#include <plugin/client.h>
#include <plugin/search.h>
#include <plugin/status.h>

#include <json-c/json.h>
#include <stdbool.h>

/* ---- plugins ------------------------------------------------------------- */

union worker_ops {
	struct holos_ops head;
	struct holos_image_ops image;
	struct holos_net_ops net;
	struct holos_health_ops health;
	struct holos_provision_ops provision;
	struct holos_importer_ops importer;
};

struct worker_iface {
	struct worker_plugin *plugin;
	const struct worker_kind *kind;
	const char *name, *summary; /* the plugin's: it is never unmapped */
	struct json_object *schema; /* NULL: takes no options */
	union worker_ops ops;       /* ours: clamped, the rest is zero */
};

/* What plugins know as holos_self. */
struct holos_self {
	struct worker_plugin *plugin;
};

struct worker_plugin {
	struct worker_plugin *next;
	char *module; /* "net-user" */
	char *file;   /* "holos-net-user.so", for messages */
	bool built_in, ready;
	struct holos_plugin desc; /* ours, clamped */
	struct worker_iface *ifaces;
	size_t n_ifaces;
	struct holos_self self;
	void *state;
};

/* ---- calls ---------------------------------------------------------------- */

/* What plugins know as holos_error: cast by call_error_of(). */
struct call_error {
	holos_status code; /* of the first fail() */
	int sys_errno;
	char *text; /* NULL: fail() was not called */
	char *hint, *at;
};

struct holos_cfg {
	struct json_object *root;
};

/* One request, and what plugins know as holos_call. */
struct holos_call {
	struct json_object *args;
	struct json_object *shared; /* more of them, or NULL */
	uint64_t id, deadline_ns;
	struct worker_iface *iface;
	void *inst;
	struct call_error err;
	struct json_object *result; /* the answer so far */
	struct json_object *fd_names;
	int fds[WORKER_FDS_MAX];
	unsigned n_fds;
	int out_fds[WORKER_FDS_MAX]; /* go with the answer */
	unsigned n_out_fds;
	bool phase_sent;      /* the client was told what is going on */
	uint64_t progress_ns; /* when progress was last sent */
	char *progress_what;
};

/* The holos_error to hand to a plugin in this call. */
static inline holos_error *call_error_of(struct holos_call *c)
{
	void *p = &c->err;

	return p;
}

/* Record a failure of the host's side of the call; returns status. */
holos_status call_fail(struct holos_call *c, holos_status status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The same from an error, which is consumed. */
holos_status call_fail_error(struct holos_call *c, holos_status status, struct holos_error **err);
void call_error_finish(struct call_error *e);
/* The descriptor the client sent under that name, or -1. */
int call_fd(const struct holos_call *c, const char *name);

/* One operation: from c->args to the plugin and back into c->result. */
struct worker_op {
	const char *name;
	holos_status (*run)(struct holos_call *c);
	bool without_instance;
};

/* One kind of plugin. */
struct worker_kind {
	const struct plugin_kind *kind;
	const char *id;
	size_t ops_size; /* of the operations struct in ABI 1.0, and ours */
	/* Name of a required operation that is missing, or NULL. */
	const char *(*missing)(const union worker_ops *ops);
	const struct worker_op *ops; /* ends with a NULL name */
	/* Host tables of this kind: id, table, ends with a NULL id. */
	const struct worker_table {
		const char *id;
		const void *table;
	} * tables;
};

extern const struct worker_kind worker_image, worker_net, worker_health, worker_provision,
	worker_importer;
/* By interface id; NULL: unknown. */
const struct worker_kind *worker_kind_of_id(const char *id);
/* The host table of that id, or NULL. */
const void *worker_table_find(const char *id);

/* ---- ops_fetch.c ------------------------------------------------------------- */

/* An operation of kind "fetch": holos' own, no plugin is involved. */
holos_status fetch_run(struct holos_call *c, const char *op);
extern const struct holos_fetch_api fetch_api;

/* ---- loader.c ---------------------------------------------------------------- */

/* The descriptor function of a plugin file, or of a module linked into this
 * program (loader_static: NULL when there is none). */
int loader_open(const char *path, const char *module, holos_plugin_fn **ret,
		struct holos_error **err);
holos_plugin_fn *loader_static(const char *module);
void loader_finish(void);

/* ---- plugin.c ---------------------------------------------------------------- */

/* The interface KIND NAME, loaded if need be; in the order of dirs. */
int plugin_get(char *const *dirs, const char *kind, const char *name, struct worker_iface **ret,
	       struct holos_error **err);
/* Is that done already? */
bool plugin_is_loaded(const char *kind, const char *name);
/* Load one file, or module when it is built in, whatever its place (--describe). */
int plugin_load(const char *path, const char *module, struct worker_plugin **ret,
		struct holos_error **err);
/* Run init once. */
holos_status plugin_init(struct worker_plugin *p, struct holos_call *c);
void plugins_finish(void);
/* fini() of all plugins; the next call makes them ready again. */
void plugins_rest(void);

/* ---- instance.c ---------------------------------------------------------------- */

/* c->inst becomes the instance of c->iface for these options. */
holos_status instance_get(struct holos_call *c, struct json_object *options);
void instances_finish(void);

/* ---- host.c --------------------------------------------------------------------- */

extern const struct holos_host worker_host;
/* Drop bytes on WIRE_CANCEL_FD that belong to earlier calls. */
void host_drain_cancel(uint64_t told);
/* Poll result: was the current call cancelled? */
bool host_cancelled(void);

/* ---- keeper.c --------------------------------------------------------------------- */

/* Become two processes.  Returns in the child alone (0), or -errno in the only
 * one there is. */
int keeper_split(void);
/* Have a crash for want of memory end this process with WIRE_EXIT_MEMORY. */
void keeper_explain_memory(void);

/* ---- inspect.c -------------------------------------------------------------------- */

/* Operations on the worker itself, for the conformance checker. */
holos_status inspect_run(struct holos_call *c, const char *op);

/* ---- send.c ---------------------------------------------------------------------- */

/* Write one line (the object is borrowed) with descriptors.  From any thread.
 * Without a client (--describe) nothing is sent. */
void worker_send(struct json_object *msg, const int *fds, unsigned n_fds);
/* Tell the client whom to blame for what happens from now on ("": the operation
 * itself, which it takes for granted when nothing was sent). */
void worker_send_phase(struct holos_call *c, const char *phase);
/* Text of a plugin's fit for a message: one line, valid UTF-8; the caller frees. */
char *text_clean(const char *s);
bool text_is_utf8(const char *s);
/* obj[key] = s, or null.  False when s is no UTF-8: it is then not set. */
bool set_text(struct json_object *obj, const char *key, const char *s);
extern bool worker_connected;

/* ---- serve.c, describe.c ---------------------------------------------------------- */

/* Serve one request and answer it; the descriptors are taken over. */
void serve(char *const *dirs, struct json_object *request, int *fds, unsigned n_fds);
/* The manifest of p: see plugin/manifest.h.  package may be NULL. */
struct json_object *describe(struct worker_plugin *p, const char *package);
/* Does the manifest say the same as the plugin itself? */
bool describe_matches(struct worker_plugin *p, struct json_object *manifest);

#endif
