/* SPDX-License-Identifier: Apache-2.0
 *
 * vmrecord.h - vm.json: the truth about one VM, written by its monitor alone.
 *
 * The same object travels over the monitor's socket (a snapshot).  Unknown
 * members are ignored and missing ones defaulted, so that a newer monitor and
 * an older CLI (and the reverse) understand each other; a newer `format` is
 * refused.
 */
#ifndef STATE_VMRECORD_H
#define STATE_VMRECORD_H

#include <base/cleanup.h>
#include <base/error.h>
#include <state/alive.h>
#include <state/vmport.h>

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define VM_RECORD_FILE   "vm.json"
#define VM_RECORD_FORMAT 1
#define VM_RECORD_MAX    (256u << 10) /* bytes of the file */
#define VM_HELPERS_MAX   16u

enum vm_state {
	VM_CREATED,
	VM_STARTING, /* also the pause before an automatic restart: pid is 0 */
	VM_RUNNING,
	VM_PAUSED,
	VM_STOPPING,
	VM_STOPPED,
	VM_FAILED
};

enum vm_health {
	VM_HEALTH_NONE,
	VM_HEALTH_STARTING,
	VM_HEALTH_HEALTHY,
	VM_HEALTH_UNHEALTHY,
	VM_HEALTH_UNKNOWN
};

enum vm_exit_cause {
	VM_EXIT_NONE,    /* "exit": null */
	VM_EXIT_GUEST,   /* the guest powered itself off */
	VM_EXIT_STOPPED, /* we stopped or killed it because somebody asked */
	VM_EXIT_QEMU,    /* QEMU failed: status, and the last line it said */
	VM_EXIT_SIGNAL,  /* a signal from elsewhere ended QEMU */
	VM_EXIT_PANIC,   /* the guest's kernel panicked */
	VM_EXIT_UNKNOWN  /* nobody saw it end; counts as a failure */
};

/* What the guest has told of its own making (docs/provisioning.md). */
enum vm_provision {
	VM_PROVISION_NONE, /* nothing: it boots, or has no way to tell */
	VM_PROVISION_RUNNING,
	VM_PROVISION_DONE,
	VM_PROVISION_FAILED
};

/* A process beside QEMU (a network's switch); it ends with the VM. */
struct vm_helper {
	char *name;
	pid_t pid; /* 0: has ended */
	uint64_t pid_start;
};

struct vm_exit {
	enum vm_exit_cause cause;
	int status;    /* exit status, -1 when there is none */
	int signal;    /* 0 when none */
	char *message; /* one line for a person; never NULL when cause is set */
	char *at;      /* RFC 3339 */
};

/* Which file it is, and as of which change; all 0: none. */
struct file_id {
	uint64_t ino, size;
	int64_t ctime_s, ctime_ns;
};

struct vm_record {
	char *instance; /* "web-0" */
	char *uuid;
	enum vm_state state;
	char *since;        /* RFC 3339, of the state */
	char *paused_cause; /* NULL, or why a paused VM is paused ("io-error", "user") */

	pid_t pid;          /* of QEMU, 0: none */
	uint64_t pid_start; /* process_start_time() */
	pid_t monitor_pid;
	uint64_t monitor_start;
	char *started_at; /* RFC 3339, when QEMU last answered; NULL: never */

	enum vm_health health;
	char *health_since;       /* RFC 3339 or NULL */
	char *health_detail;      /* one line of the last probe, or NULL */
	unsigned health_failures; /* in a row */
	bool reachable;           /* the guest answered since this start */

	enum vm_provision provision; /* in this boot */
	char *provision_text;        /* running: the step; failed: what failed; or NULL */
	char *provision_output;      /* failed: the last lines that it said; or NULL */

	struct vm_exit exit; /* the last one; kept over a restart */
	unsigned restarts;   /* by the restart policy, since the last start by a user */

	struct vm_port *ports;
	size_t n_ports;
	uint16_t ssh_port; /* 0: none */
	struct vm_helper *helpers;
	size_t n_helpers;

	char *warning; /* NULL, or a lasting trouble of the monitor (disk full) */

	struct file_id made; /* the instance.json it is of; in no file but vmbrief.h's copy */
};

struct vm_record *vm_record_create(void);    /* zeroed: created, no health, no exit */
void vm_record_destroy(struct vm_record *r); /* NULL is fine */
DEFINE_CLEANUP(struct vm_record *, vm_record_destroyp, vm_record_destroy);

/* `what` names the source in messages.  The caller owns *ret.  Anything that
 * is not a record of ours, or out of range, is an error. */
int vm_record_decode(struct json_object *obj, const char *what, struct vm_record **ret,
		     struct holos_error **err);
struct json_object *vm_record_encode(const struct vm_record *r); /* the caller owns it */

/* Read DIRFD/vm.json.  Missing: an error with sys_errno ENOENT (the VM was
 * created and never started). */
int vm_record_read(int dirfd, struct vm_record **ret, struct holos_error **err);
/* Write it whole; durable: fsync too (a state), else only never half (details). */
int vm_record_write(int dirfd, const struct vm_record *r, bool durable, struct holos_error **err);

/* Hold a record that was read from disk against the locks: pids of the dead
 * become 0; a VM that was up and whose QEMU is gone with nobody to say why is
 * failed with cause unknown (stopping: stopped).  Nothing is written. */
void vm_record_settle(struct vm_record *r, const struct alive *alive);

/* starting, running, paused, stopping */
bool vm_state_is_up(enum vm_state s);
/* The words of the files and of `ps`; never NULL. */
const char *vm_state_name(enum vm_state s);
const char *vm_health_name(enum vm_health h);
const char *vm_provision_name(enum vm_provision p);
const char *vm_exit_cause_name(enum vm_exit_cause c); /* "none" for VM_EXIT_NONE */
/* "powered off by the guest", "killed by signal 9 (Killed)", ...: for a
 * person; the caller frees. */
char *vm_exit_describe(const struct vm_exit *e);

#endif
