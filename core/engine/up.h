/* SPDX-License-Identifier: Apache-2.0
 *
 * up.h - one run of `up`, for the files that make it up:
 *
 *   up.c        whose project it is, and the whole
 *   updecide.c  what is to be done with each VM
 *   upask.c     what that would destroy, and whether it may
 *   upcheck.c   whether it can be done
 *   refusal.c   why QEMU did not start
 *   uphost.c    what this host offers for it
 *   upplan.c    `up --dry-run`: all of the above, told
 *   upremove.c  VMs that the file does not want any more
 *   upgraph.c   the graph of dependencies, run
 *   uprun.c     one VM on its way up
 *   uppath.c    what took the time
 *   uphosts.c   /etc/hosts of guests that run on
 */
#ifndef ENGINE_UP_H
#define ENGINE_UP_H

#include <base/strv.h>
#include <engine/context.h>
#include <engine/prepare.h>
#include <monitor/client.h>
#include <plan/diff.h>

enum up_action {
	UP_NOTHING, /* not asked for */
	UP_KEEP,    /* runs as it should */
	UP_LIVE,    /* runs, and takes up what changed as it runs */
	UP_START,   /* is there, is down */
	UP_RESTART, /* runs with what only a restart changes */
	UP_CREATE,
	UP_RECREATE, /* a new root disk, allowed */
	UP_STUCK     /* is down, and cannot start before it has a new root disk */
};

enum up_phase {
	UP_WAITING,   /* for what it depends on */
	UP_STOPPING,  /* before a restart or recreate */
	UP_STARTING,  /* its monitor works on it */
	UP_RUNNING,   /* QEMU runs the guest */
	UP_READY,     /* healthy, or answers where nothing checks its health */
	UP_COMPLETED, /* powered itself off in order */
	UP_FAILED
};

struct up;

struct up_vm {
	struct up *up;
	const struct plan_vm *plan;
	size_t service;           /* index in the project */
	struct vm_status *status; /* NULL: does not exist yet */
	/* Decided. */
	enum up_action action;
	struct plan_diffs diffs; /* from how it was made and started to how it shall be */
	bool allowed;            /* its root disk may go */
	bool blocked;            /* a new root disk is due, and not allowed */
	bool optional;           /* nobody but `required: false` asks for it */
	const char *because;     /* the service whose restart restarts it (depends_on.restart) */
	bool going_down;         /* somebody else's order: wait for it, then start */
	bool wants_ready;        /* somebody waits for its health */
	bool wants_completed;    /* somebody waits for its end */
	bool yields;             /* it gives up a port that another one is to have */
	/* On its way. */
	enum up_phase phase;
	bool continued;              /* it was paused, and was told to go on */
	bool reloading;              /* its monitor reads launch.json again */
	bool early;                  /* it is stopped for the port it yields */
	bool stopped;                /* that is done */
	const struct up_vm *needed;  /* the failed one for which it was not started */
	struct instance_record *rec; /* once created or read */
	struct monitor_conn *conn;
	char *told;        /* the step of its provisioning that was told last */
	unsigned attempts; /* starts that a taken port spoilt */
	unsigned attached; /* monitors of it that died on us */
	uint64_t began_ns;
	uint64_t running_ns, done_ns; /* when QEMU ran, when it was ready or completed */
	bool started;                 /* by us: it counts for the time that was taken */
};

/* A VM that the file does not want (any more). */
struct up_surplus {
	struct vm_status *status;
	bool orphan;  /* its whole service is gone; else there are fewer replicas */
	bool allowed; /* to remove it */
};

struct up {
	struct engine *e;
	const struct up_options *o;
	const struct project *project;
	const struct strv *consents; /* instances whose root disk may go, by an answer */
	bool dry;                    /* only to tell what would be done */
	bool *chosen;                /* per service */
	struct project_status *was;  /* as it was found */
	struct project_status *now;  /* as it was found when the lock was taken again; or NULL */
	struct project_record *rec;  /* as it shall be */
	struct plan *plan;
	struct prepare prepare;
	struct base_image *bases; /* per service; path NULL: not needed */
	struct state_lock *lock;
	struct up_vm *vms; /* parallel to plan->vms */
	size_t n;
	struct up_surplus *surplus;
	size_t n_surplus;
	struct loop_timer *timer;
	bool timed_out;
	int result; /* of the first failure */
	struct holos_error **err;
};

/* ---- updecide.c */

/* Choose what is to be done with every VM, and what is surplus. */
int up_decide_all(struct up *u, struct holos_error **err);
/* Choose again for those that wait for their turn, by u->now. */
int up_decide_again(struct up *u, struct holos_error **err);

/* Does this VM's action start it, and is its root disk made for it? */
bool up_starts(const struct up_vm *v);
bool up_creates(const struct up_vm *v);
/* Does it run, and is stopped by this run? */
bool up_stops(const struct up_vm *v);
/* Is it left running? */
bool up_keeps(const struct up_vm *v);

/* ---- upask.c */

/* What is destroyed by this run and needs a yes, one line each, and the instances
 * it is about. */
void up_losses(const struct up *u, struct strv *ret_lines, struct strv *ret_names);
/* Allow all of it, and decide anew. */
int up_allow_all(struct up *u, struct holos_error **err);
/* What waits for a yes or for --recreate: a failure, or as asked a warning. */
int up_report_blocked(struct up *u, struct holos_error **err);

/* ---- upcheck.c */

/* What a start needs of this host, found and checked once. */
int up_check_host(struct up *u, struct holos_error **err);
/* The images of what is to be created, made where the store lacks them (but not
 * by a dry run). */
int up_obtain_images(struct up *u, struct holos_error **err);
/* QEMU, accelerator, firmware (uphost.c). */
int up_check_offers(struct up *u, struct holos_error **err);
/* The PCI devices that VMs are given (devices.c): all that keeps them from it. */
int up_check_devices(struct up *u, struct holos_error **err);
/* Room in the state directory. */
int up_check_space(struct up *u, struct holos_error **err);
/* Does `holder`, when it runs, hold a fixed port that v is to have? */
bool up_holds_port_of(const struct up_vm *holder, const struct up_vm *v);

/* ---- refusal.c */

/* QEMU refused to start with these words: where in the file is what it means?  The
 * caller frees; NULL: that cannot be told. */
char *up_refusal_hint(const struct service *s, const char *said);

/* ---- upplan.c */

/* Everything that was decided, in the shape of docs/up.md; the caller owns it. */
struct json_object *up_plan_json(const struct up *u);

/* ---- the run */

/* Remove what is surplus and allowed to go (upremove.c). */
int up_remove_surplus(struct up *u, struct holos_error **err);
/* Start everything in the order of dependencies and wait for what is waited
 * for (upgraph.c).  Sets up->result. */
void up_run(struct up *u);
/* It is this VM's turn; or its turn to make room (uprun.c). */
void up_begin(struct up_vm *v);
void up_stop_early(struct up_vm *v);
void up_fail(struct up_vm *v, struct holos_error **why);
void up_fail_with(struct up_vm *v, int code, const char *text);
/* The chain that took longest, when it has more than one link (uppath.c). */
void up_tell_path(const struct up *u);

/* Tell guests that run on of new neighbours (uphosts.c). */
void up_tell_hosts(struct up *u);

/* ---- up.c */

/* Write the project's record, with a snapshot of its instances. */
int up_write_record(struct up *u, const struct project_status *now, struct holos_error **err);

#endif
