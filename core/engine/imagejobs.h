/* SPDX-License-Identifier: Apache-2.0
 *
 * imagejobs.h - work on several images at a time: each job has a worker of its own
 * and makes one call after the other.
 */
#ifndef ENGINE_IMAGEJOBS_H
#define ENGINE_IMAGEJOBS_H

#include <engine/context.h>
#include <plugin/client.h>

struct image_job {
	struct engine *e;
	const char *subject; /* "image debian:12", in events */
	/* Make the first call, or end. */
	void (*begin)(struct image_job *j);
	/* A call has ended: make another one, or end. */
	void (*done)(struct image_job *j, struct worker_result *res);

	/* Of imagejobs.c. */
	size_t *active;
	struct worker *worker;
	struct worker_call *call;
	uint64_t began_ns;
};

/* From begin and done: make a call (rq.args is taken over), or have no more. */
void image_job_call(struct image_job *j, struct worker_request rq);
void image_job_end(struct image_job *j);

/* Run all of them, `parallel` at a time, while the loop goes on.  0, or
 * ERR_INTERRUPTED when Ctrl-C came: then some have not begun. */
int image_jobs_run(struct engine *e, struct image_job *const *jobs, size_t n, size_t parallel,
		   struct holos_error **err);

#endif
