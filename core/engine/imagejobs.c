/* SPDX-License-Identifier: Apache-2.0
 *
 * imagejobs.c - see imagejobs.h.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <engine/imagejobs.h>

static void on_log(void *data, int level, const char *plugin, const char *msg)
{
	if (level <= HOLOS_LOG_WARN)
		engine_warn(data, "%s: %s", plugin, msg);
}

static void on_progress(void *data, const char *what, uint64_t done, uint64_t total)
{
	struct image_job *j = data;
	struct engine_event event = { .kind = ENGINE_PROGRESS,
				      .subject = j->subject,
				      .text = what,
				      .done = done,
				      .total = total,
				      .elapsed_ns = clock_now_ns() - j->began_ns };

	engine_emit(j->e, &event);
}

static void on_done(void *data, struct worker_result *res)
{
	struct image_job *j = data;

	j->call = NULL;
	j->done(j, res);
}

void image_job_call(struct image_job *j, struct worker_request rq)
{
	if (j->worker == NULL) {
		struct worker_options o = { .label = "fetch", .on_log = on_log, .log_data = j->e };

		j->worker = worker_create(j->e->loop, &o);
	}
	rq.on_progress = on_progress;
	j->call = worker_call(j->worker, &rq, on_done, j);
	json_object_put(rq.args);
}

void image_job_end(struct image_job *j)
{
	worker_destroy(steal_ptr(&j->worker));
	(*j->active)--;
}

int image_jobs_run(struct engine *e, struct image_job *const *jobs, size_t n, size_t parallel,
		   struct holos_error **err)
{
	size_t active = 0, next = 0;
	bool cancelled = false;

	while (active != 0 || (!cancelled && next < n)) {
		while (!cancelled && next < n && active < parallel) {
			struct image_job *j = jobs[next++];

			j->e = e;
			j->active = &active;
			j->began_ns = clock_now_ns();
			active++;
			j->begin(j);
		}
		if (active == 0)
			continue;
		loop_resume(e->loop);
		(void)loop_run_once(e->loop, UINT64_MAX);
		if (!e->interrupted || cancelled)
			continue;
		cancelled = true;
		e->interrupted = false; /* the loop goes on until the calls have ended */
		for (size_t i = 0; i < next; i++) {
			if (jobs[i]->call != NULL)
				worker_cancel(jobs[i]->call);
		}
	}
	if (!cancelled)
		return 0;
	e->interrupted = true;
	return error_set(err, ERR_INTERRUPTED, "interrupted");
}
