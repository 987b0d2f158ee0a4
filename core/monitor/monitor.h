/* SPDX-License-Identifier: Apache-2.0
 *
 * monitor.h - the inside of holos-monitor, the supervisor of one VM.
 *
 * Phases, in life.c's hands:
 *
 *     IDLE -> HELPERS -> BOOT -> UP -> OVER -> BACKOFF -> HELPERS ...
 *                  \________\_____________/ \-> ENDING
 *
 * HELPERS: programs beside QEMU get ready.  BOOT: QEMU was executed and has
 * not answered on QMP.  UP: it has.  OVER: QEMU is gone, its helpers are being
 * ended and its networks undone.  BACKOFF: an automatic restart waits.  ENDING: clients get the
 * last word, then the process exits.  A stop may be asked for at any time: stop.c.
 *
 * What users see is struct vm_record, changed through record.c alone.
 */
#ifndef MONITOR_MONITOR_H
#define MONITOR_MONITOR_H

#include <base/error.h>
#include <base/loop.h>
#include <monitor/appear.h>
#include <monitor/launch.h>
#include <state/vmrecord.h>
#include <vm/qmp.h>

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Bytes set aside for what cannot be refused: the end of the VM, its record. */
#define MEMORY_RESERVE (1u << 20)

struct worker;

enum phase {
	PHASE_IDLE,
	PHASE_HELPERS,
	PHASE_BOOT,
	PHASE_UP,
	PHASE_OVER,
	PHASE_BACKOFF,
	PHASE_ENDING
};

/* A process under supervision. */
struct child {
	pid_t pid; /* 0: none */
	int pidfd; /* -1: none */
	struct loop_watch *watch;
	int status; /* from waitpid(2) once ended; -1: nobody can know (adopted) */
};

struct qemu {
	struct child child;
	struct qmp *qmp;
	struct appear *appear;    /* of qmp.sock */
	struct loop_timer *retry; /* between QEMU's bind and its listen */
	struct loop_timer *deadline;
	uint64_t retry_ns;
	off_t log_start; /* qemu.log of this start */
	bool exited;     /* waiting for the rest of QMP's stream */
	bool adopted;
	bool proven;   /* it is ours: a child, pid and start time match, or the UUID */
	bool verified; /* adopted, and the UUID was the right one */
	bool judged;   /* the cause was recorded when it was killed for it */
	/* What QMP said about the end. */
	bool guest_down, panicked;
	char reason[32]; /* of SHUTDOWN, "" when there was none */
	/* ... and about a pause. */
	bool no_space, io_error, pause_asked;
	struct loop_timer *space; /* looks for free space */
	uint64_t space_ns;
};

enum stop_step { STOP_NONE, STOP_POWERDOWN, STOP_QUIT, STOP_TERM, STOP_KILL, STOP_STUCK };

struct stop {
	enum stop_step step;
	bool wanted;  /* somebody asked: the exit's cause is "stopped" */
	bool again;   /* start again afterwards (an unhealthy VM) */
	bool killing; /* without asking the guest */
	uint64_t grace_ns, began_ns;
	struct loop_timer *timer, *repeat;
};

struct helper {
	struct child child;
	struct monitor *m;
	size_t index; /* in launch and in the record */
};

struct monitor {
	struct loop *loop;
	const char *dir; /* absolute */
	int dirfd, listen_fd, alive_fd;
	struct launch *launch; /* NULL only when launch.json was no good */
	struct vm_record *vm;
	enum phase phase;
	bool ever_up;   /* QEMU has answered once: restart policies apply */
	bool brand_new; /* the VM had no record yet */
	uint64_t up_ns; /* when it did */
	uint64_t backoff_ns;
	struct loop_timer *backoff;
	unsigned port_tries; /* ports chosen again since QEMU last answered */
	bool renewed;        /* they were: start at once */

	bool dirty, dirty_state; /* the record waits to be written */
	bool last_word;          /* what it would say is noted elsewhere, or may be */
	struct loop_timer *rewrite;
	uint64_t rewrite_ns;

	struct qemu qemu;
	struct stop stop;
	struct helper helpers[LAUNCH_HELPERS_MAX];
	size_t n_helpers; /* started */
	struct appear *helper_appear;
	struct loop_timer *helper_timer;
	bool helpers_stopping;
	struct loop_timer *console_timer;
	struct health *health;
	struct provision *provision; /* NULL: the guest has no way to tell */
	struct networks *networks;   /* being undone */
	struct serve *serve;
};

/* life.c */
void life_start(struct monitor *m);
void life_helpers_ready(struct monitor *m);
void life_helpers_gone(struct monitor *m);
void life_networks_undone(struct monitor *m);
void life_up(struct monitor *m);   /* QEMU has answered */
void life_over(struct monitor *m); /* QEMU is gone */
/* It could not be started; takes the error's text. */
void life_failed(struct monitor *m, const struct holos_error *err);
/* stop was asked for while there is no QEMU. */
void life_cancel(struct monitor *m);
/* There is a QEMU, and it cannot be adopted: leave everything as it is. */
void life_refuse(struct monitor *m, const struct holos_error *err);
/* Clients have been told, or were too slow: leave the loop. */
void life_bye(struct monitor *m);

/* record.c: change the VM's record, write it down, tell the subscribers. */
void record_state(struct monitor *m, enum vm_state state);
void record_details(struct monitor *m); /* m->vm was changed in place */
/* The same for what a change that is about to come will bring along: it waits for
 * that, but not for long. */
void record_soon(struct monitor *m);
void record_exit(struct monitor *m, enum vm_exit_cause cause, int status, int signal,
		 const char *fmt, ...) __attribute__((format(printf, 5, 6)));
void record_warning(struct monitor *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void record_finish(struct monitor *m);            /* free timers */
void record_set(char **field, const char *value); /* a copy, or NULL */
void record_set_now(char **field);

void record_ports(struct monitor *m); /* those of launch.json */

/* forwards.c */
/* QEMU ended before it answered: if a port that holos chose is another's by
 * now, choose anew and return true: it may start again. */
bool forwards_renew(struct monitor *m);

/* qemu.c, qmpevents.c */
void qemu_start(struct monitor *m);
/* Supervise a QEMU that runs already: first reach its QMP. */
void qemu_adopt(struct monitor *m);
/* ... then watch the process.  pidfd becomes the monitor's. */
int qemu_adopt_process(struct monitor *m, pid_t pid, int pidfd, struct holos_error **err);
/* Through its pidfd, and only when it is proven to be ours. */
void qemu_signal(struct monitor *m, int sig);
bool qemu_refused(const struct monitor *m); /* by itself, with a status */
/* The last line that QEMU wrote since its start; the caller frees; NULL: none. */
char *qemu_last_line(struct monitor *m);
void qemu_judge(struct monitor *m);  /* record why it ended */
void qemu_finish(struct monitor *m); /* forget it */
void qemu_event(void *data, const char *name, struct json_object *args);
void qemu_query_status(struct monitor *m);
/* Send a command whose answer nobody needs. */
void qemu_tell(struct monitor *m, const char *command);

/* adopt.c */
void adopt_start(struct monitor *m);
/* QMP answers: is it the VM that we look for?  Goes on with query-status. */
void adopt_verify(struct monitor *m);

/* stop.c */
/* grace_ns UINT64_MAX: launch.json's. */
void stop_begin(struct monitor *m, uint64_t grace_ns);
void stop_kill(struct monitor *m);
void stop_restart(struct monitor *m); /* stop, then start again */
void stop_quit(struct monitor *m);    /* from QMP quit on: it hangs in its end */
void stop_over(struct monitor *m);    /* QEMU is gone: no more steps */

/* helpers.c */
void helpers_start(struct monitor *m);
void helpers_stop(struct monitor *m); /* then life_helpers_gone() */
void helpers_adopt(struct monitor *m);
/* End what an earlier monitor of this VM left running. */
void helpers_end_leftovers(struct monitor *m);

/* networks.c */
/* What network drivers changed on this machine is undone, then
 * life_networks_undone(). */
void networks_undo(struct monitor *m);
void networks_finish(struct monitor *m);            /* forget it */
pid_t networks_worker_pid(const struct monitor *m); /* 0: none */
/* A worker that looks for plugins where the command that started the VM did. */
struct worker *monitor_worker(struct monitor *m);

/* health.c */
void health_up(struct monitor *m, bool reached); /* the VM runs: begin to probe */
void health_down(struct monitor *m);
void health_pause(struct monitor *m, bool paused);
void health_guest_reset(struct monitor *m);
void health_reach(struct monitor *m);             /* somebody waits for the guest's answer */
void health_reload(struct monitor *m);            /* launch.json has changed */
pid_t health_worker_pid(const struct monitor *m); /* 0: none */

/* serve.c */
void serve_start(struct monitor *m);
/* Let clients in.  While a QEMU is being adopted they wait for the greeting:
 * nothing can be done for them yet. */
void serve_open(struct monitor *m);
void serve_broadcast(struct monitor *m);
void serve_down(struct monitor *m);  /* answer who waits for a stop */
void serve_stuck(struct monitor *m); /* QEMU does not die: say so */
void serve_reached(struct monitor *m, const struct holos_error *err /* NULL: it answers */);
void serve_qmp_gone(struct monitor *m); /* qmp was destroyed: its answers never come */
bool serve_reach_wanted(struct monitor *m);
void serve_end(struct monitor *m); /* last words, then life_bye() */
void serve_finish(struct monitor *m);

/* provision.c */
/* Make the pipe that QEMU writes what the guest tells to, and read it.  A
 * monitor that adopts reads the one that is there. */
int provision_make(struct monitor *m, struct holos_error **err);
void provision_adopt(struct monitor *m);
void provision_over(struct monitor *m);   /* QEMU is gone: take the rest of it */
void provision_finish(struct monitor *m); /* stop reading */

/* console.c */
void console_watch(struct monitor *m);
void console_finish(struct monitor *m);

/* child.c */
/* Watch pid, which is ours to wait for (or, adopted, at least to watch). */
int child_watch(struct child *c, struct loop *l, pid_t pid, int pidfd, loop_fd_fn *ended,
		void *data, struct holos_error **err);
/* In `ended`: reap it and forget it, keeping the status. */
void child_reap(struct child *c);
void child_signal(const struct child *c, int sig);
void child_forget(struct child *c); /* stop watching; it lives on */
/* End the children that nobody here started: what a plugin or QEMU left behind
 * comes to the monitor, a subreaper. */
void child_end_strays(struct monitor *m);

#endif
