/* SPDX-License-Identifier: Apache-2.0
 *
 * context.h - struct engine, for the files of this folder alone.
 */
#ifndef ENGINE_CONTEXT_H
#define ENGINE_CONTEXT_H

#include <engine/engine.h>
#include <plugin/client.h>
#include <plugin/registry.h>
#include <state/lock.h>
#include <vm/accel.h>
#include <vm/program.h>

struct engine {
	struct engine_options o;
	struct state *state;
	struct loop *loop;
	bool interrupted;
	/* Made when first asked for. */
	struct registry *registry;
	struct worker *worker;      /* for short calls: nothing else happens meanwhile */
	struct worker *long_worker; /* for engine_call(): the loop goes on */
	char *qemu, *qemu_img;
	struct qemu_traits traits; /* of qemu */
	bool ask_qemu_anew;        /* what is remembered of it does not count */
	int image_hold;            /* lock of store_hold(); 0: not held */
};

void engine_emit(struct engine *e, const struct engine_event *event);
void engine_warn(struct engine *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void engine_note(struct engine *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void engine_phase(struct engine *e, const char *subject, const char *phase, uint64_t elapsed_ns,
		  const char *text);

struct registry *engine_registry(struct engine *e);
struct worker *engine_worker(struct engine *e);
unsigned engine_parallel(const struct engine *e);
/* HOLOS_HEALTH_BYPASS: whatever runs is healthy. */
bool engine_health_bypassed(void);
/* ERR_INTERRUPTED when Ctrl-C came. */
int engine_check_interrupt(struct engine *e, struct holos_error **err);
/* Call a plugin and wait while the loop goes on; Ctrl-C cancels the call.  subject names the work
 * in progress events.  *ret becomes the caller's. */
int engine_call(struct engine *e, const struct worker_request *rq, const char *subject,
		struct json_object **ret, struct holos_error **err);
/* The programs, found once; of QEMU also what it can do. */
int engine_qemu(struct engine *e, enum arch arch, const char **ret, struct qemu_traits *ret_traits,
		struct holos_error **err);
/* The next engine_qemu() asks it again; the name that was returned is gone. */
void engine_qemu_forget(struct engine *e);
int engine_qemu_img(struct engine *e, const char **ret, struct holos_error **err);
/* Lock a file of the state directory; a wait is told and Ctrl-C ends it. */
int engine_lock_file(struct engine *e, const char *rel, const char *name, uint64_t wait_ns,
		     struct state_lock **ret, struct holos_error **err);
int engine_lock(struct engine *e, const char *project, struct state_lock **ret,
		struct holos_error **err);

#endif
