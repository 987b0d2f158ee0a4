/* SPDX-License-Identifier: Apache-2.0
 *
 * up.h - one run of `up`, for up.c (what is to be done), upcheck.c (whether it can
 * be) and uprun.c (doing it).
 */
#ifndef ENGINE_UP_H
#define ENGINE_UP_H

#include <base/strv.h>
#include <engine/context.h>
#include <engine/prepare.h>
#include <monitor/client.h>
#include <plan/spec.h>

enum up_action {
	UP_NOTHING, /* not asked for */
	UP_KEEP,    /* runs as it should */
	UP_START,   /* is there, is down */
	UP_RESTART, /* runs with what only a restart changes */
	UP_CREATE,
	UP_RECREATE /* a new root disk, allowed */
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
	enum up_action action;
	enum up_phase phase;
	bool continued;              /* it was paused, and was told to go on */
	bool going_down;             /* somebody else's order: wait for it, then start */
	bool wants_ready;            /* somebody waits for its health */
	bool wants_completed;        /* somebody waits for its end */
	struct instance_record *rec; /* once created or read */
	struct monitor_conn *conn;
	unsigned attempts; /* starts that a taken port spoilt */
	unsigned attached; /* monitors of it that died on us */
	uint64_t began_ns;
};

struct up {
	struct engine *e;
	const struct up_options *o;
	const struct project *project;
	struct project_status *was; /* as it was found */
	struct project_status *now; /* as it was found when the lock was taken again; or NULL */
	struct project_record *rec; /* as it shall be */
	struct plan *plan;
	struct prepare prepare;
	struct base_image *bases; /* per service; path NULL: not needed */
	struct state_lock *lock;
	struct up_vm *vms; /* parallel to plan->vms */
	size_t n;
	struct strv blocked; /* services that wait for a new root disk, with the reason */
	struct loop_timer *timer;
	bool timed_out;
	int result; /* of the first failure */
	struct holos_error **err;
};

/* Start everything in the order of dependencies and wait for what is waited
 * for.  Sets up->result. */
void up_run(struct up *u);

/* Choose v->action by the status in u->now or u->was. */
int up_decide(struct up *u, struct up_vm *v, struct holos_error **err);

/* Does this VM's action start it, and is its root disk made for it? */
bool up_starts(const struct up_vm *v);
bool up_creates(const struct up_vm *v);

/* What a start needs of this host, found and checked once. */
int up_check_host(struct up *u, struct holos_error **err);
/* The images of what is to be created, made where the store lacks them. */
int up_obtain_images(struct up *u, struct holos_error **err);
/* Room in the state directory. */
int up_check_space(struct up *u, struct holos_error **err);

/* Write the project's record, with a snapshot of its instances. */
int up_write_record(struct up *u, const struct project_status *now, struct holos_error **err);

#endif
