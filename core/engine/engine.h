/* SPDX-License-Identifier: Apache-2.0
 *
 * engine.h - what a command does with projects: up, stop, down.
 *
 * One engine per command.  It runs one event loop in the calling process and
 * tells what happens through events; nothing here prints.  Ctrl-C arrives as
 * engine_interrupt(): waiting ends, VMs stay as they are recorded.
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include <base/cleanup.h>
#include <base/error.h>
#include <base/loop.h>
#include <compose/project.h>
#include <engine/status.h>
#include <state/layout.h>

#include <stdbool.h>
#include <stdint.h>

struct engine;

enum engine_event_kind {
	ENGINE_PHASE,    /* subject got into `phase` after elapsed_ns */
	ENGINE_PROGRESS, /* of long work on subject: text, done, total (0: unknown) */
	ENGINE_WARNING,  /* text */
	ENGINE_NOTE      /* text: worth knowing, nothing is wrong */
};

struct engine_event {
	enum engine_event_kind kind;
	const char *subject; /* "web-0", "image micro"; NULL for warnings and notes */
	const char *phase;   /* "starting", "running", "healthy", "failed", ... */
	const char *text;    /* detail or NULL */
	uint64_t done, total;
	uint64_t elapsed_ns; /* since the work on subject began */
};

typedef void engine_event_fn(void *data, const struct engine_event *event);

struct engine_options {
	const char *state_dir; /* --state-dir, or NULL */
	const char *verb;      /* "up": for the lock's owner line */
	bool writing;          /* false: the state directory may be missing */
	uint64_t lock_wait_ns; /* how long to wait for a busy project */
	unsigned parallel;     /* VMs starting or stopping at once; 0: CPUs, at least 4 */
	engine_event_fn *on_event;
	void *data;
};

int engine_create(const struct engine_options *o, struct engine **ret, struct holos_error **err);
void engine_destroy(struct engine *e); /* NULL is fine */
DEFINE_CLEANUP(struct engine *, engine_destroyp, engine_destroy);
struct loop *engine_loop(struct engine *e);
const struct state *engine_state(const struct engine *e);
/* Stop waiting.  From a callback of the loop. */
void engine_interrupt(struct engine *e);

struct registry;
struct diag;

/* Are the network and health plugins of a project there, and do they take the
 * options it gives them?  By manifests alone: no plugin code runs. */
int check_project_plugins(const struct project *p, struct registry *reg, struct holos_error **err);
/* The same for who collects what is wrong. */
void find_plugin_faults(const struct project *p, struct registry *reg, struct diag *d);

/* Translate the Dockerfiles of a project (in a worker) and put the result into
 * the model: steps, digest, image, healthcheck.  What was translated before is
 * left.  engine_up() does it by itself. */
int engine_build(struct engine *e, struct project *p, struct holos_error **err);

/* May an image be downloaded? */
enum image_pull {
	IMAGE_PULL_MISSING, /* when the store lacks it */
	IMAGE_PULL_ALWAYS,  /* when its publisher has another one as well */
	IMAGE_PULL_NEVER
};

/* May this be destroyed?  losses: a line each, NULL-terminated.  0 with the answer,
 * or negative: no answer was to be had. */
typedef int up_ask_fn(void *data, const char *const *losses, bool *ret_yes,
		      struct holos_error **err);

struct up_options {
	struct project *project;     /* its Dockerfiles are translated in place */
	const char *const *services; /* NULL or empty: all; else these and what they need */
	bool no_deps;                /* really only these */
	const char *const *scaled;   /* services whose replicas the command line set, or NULL */
	bool start_only;             /* `start`: what is there keeps its spec */
	const char *const *recreate; /* services whose root disk may be made anew; ["*"]: all */
	bool no_recreate;            /* a due recreate is a warning, not a failure */
	bool remove_orphans;         /* remove what the file does not want any more */
	bool assume_yes;             /* whatever would be asked about may be destroyed */
	up_ask_fn *ask;              /* NULL: nobody is there to ask */
	void *ask_data;
	bool wait;                /* until everything is healthy or answers */
	uint64_t wait_timeout_ns; /* 0: none */
	bool adopt;               /* take the project over from another file */
	enum image_pull pull;
	bool locked; /* images must be those of holos.lock */
};

/* Bring a project up.  Returns 0, or the first thing that went wrong; services
 * that do not depend on it are up all the same. */
int engine_up(struct engine *e, const struct up_options *o, struct holos_error **err);

/* What engine_up() would do, in the shape of docs/up.md, and whether it would
 * refuse (the result and err).  Changes nothing, takes no lock.  *ret is set, for
 * the caller to own, as soon as something could be decided, also when this
 * fails; until then it is left as it is. */
int engine_up_plan(struct engine *e, const struct up_options *o, struct json_object **ret,
		   struct holos_error **err);

/* Of what ends VMs.  The names are of services or instances. */
struct stop_options {
	const char *const *names; /* NULL or empty: all */
	bool kill;                /* end QEMU now, ask no guest */
	bool set_grace;
	uint64_t grace_ns; /* when set: how long a guest may take, instead of what its file said */
};

/* Stop instances of a project in parallel, dependents first. */
int engine_stop(struct engine *e, const char *project, const struct stop_options *o,
		struct holos_error **err);

/* Stop instances and start them again as they were, dependents last: the same
 * root disk, ports and arguments.  Services that ask for it (depends_on.restart)
 * follow, unless no_deps. */
struct restart_options {
	struct stop_options stop;
	bool no_deps;
	bool wait;                /* until everything is healthy or answers */
	uint64_t wait_timeout_ns; /* 0: none */
};

int engine_restart(struct engine *e, const char *project, const struct restart_options *o,
		   struct holos_error **err);

/* Stop and remove instances with their root disks; when all are meant, the
 * project's record too, and with volumes the named volumes.  *ret_found: there
 * was something. */
int engine_down(struct engine *e, const char *project, const struct stop_options *o, bool volumes,
		bool *ret_found, struct holos_error **err);

/* Wait until VMs are down for good: no restart policy starts them again.  fn is
 * told of each, in the order in which they ended.  timeout_ns 0: none, else
 * ERR_TIMEOUT. */
typedef void engine_ended_fn(void *data, const struct vm_status *v);
int engine_wait(struct engine *e, const char *project, const char *const *names,
		uint64_t timeout_ns, engine_ended_fn *fn, void *data, struct holos_error **err);

#endif
