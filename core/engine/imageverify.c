/* SPDX-License-Identifier: Apache-2.0
 *
 * imageverify.c - see imagelist.h: verify.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/jsonx.h>
#include <engine/imagejobs.h>
#include <engine/imagelist.h>
#include <engine/imagestore.h>
#include <plugin/calls.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct verify_job {
	struct image_job job;
	struct image_verified *v;
	char *subject;
	bool differs;
	struct holos_error *err;
};

void image_verified_free(struct image_verified *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(v[i].ref);
		free(v[i].disk);
		free(v[i].path);
		free(v[i].text);
	}
	free(v);
}

static void begin(struct image_job *job)
{
	struct verify_job *j = (struct verify_job *)job;
	_cleanup_(closep) int fd = open(j->v->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0) {
		error_sys(&j->err, ERR_FAILED, errno, "cannot read %s", j->v->path);
		image_job_end(job);
		return;
	}
	image_job_call(job, hash_request(&fd));
}

static void done(struct image_job *job, struct worker_result *res)
{
	struct verify_job *j = (struct verify_job *)job;

	if (res->err != NULL)
		error_move(&j->err, &res->err);
	else
		j->differs = strcmp(jsonx_str(res->value, "sha256", ""), j->v->disk) != 0;
	if (res->status != HOLOS_E_CANCELLED)
		engine_phase(j->job.e, j->subject,
			     j->err != NULL ? "failed"
			     : j->differs   ? "damaged"
					    : "verified",
			     clock_now_ns() - j->job.began_ns, NULL);
	image_job_end(job);
}

/* ---- which ------------------------------------------------------------------------ */

struct chosen {
	struct engine *e;
	struct json_object *index;
	struct image_verified *list;
	size_t n, cap;
};

static void choose(struct chosen *c, const char *ref, const char *disk, const char *format)
{
	struct image_verified *v = ARRAY_PUSH(c->list, c->n, c->cap);

	*v = (struct image_verified){ .ref = xstrdup(ref),
				      .disk = xstrdup(disk),
				      .path = store_path(c->e, disk, format) };
}

static void skip(struct chosen *c, const char *ref, const char *why)
{
	struct image_verified *v = ARRAY_PUSH(c->list, c->n, c->cap);

	*v = (struct image_verified){ .ref = xstrdup(ref),
				      .verdict = IMAGE_SKIPPED,
				      .text = xstrdup(why) };
}

static int choose_ref(struct chosen *c, const char *ref, struct holos_error **err)
{
	const struct plugin_info *plugin;
	_cleanup_(freep) char *full = NULL;
	struct image_entry i = { 0 };
	int r;

	if (registry_ref_is_path(ref)) {
		skip(c, ref, "a local file: nothing says what it should be");
		return 0;
	}
	r = store_find(c->e, c->index, ref, &i)
		    ? 0
		    : registry_image_source(engine_registry(c->e), ref, &plugin, &full, err);
	if (r < 0)
		return r;
	if (i.disk == NULL && !store_find(c->e, c->index, full, &i))
		skip(c, full, "not cached");
	else
		choose(c, i.ref, i.disk, i.format);
	image_entry_finish(&i);
	return 0;
}

/* Every base, under the name of the reference that leads to it. */
static int choose_all(struct chosen *c, struct holos_error **err)
{
	_cleanup_(strv_finish) struct strv bases = STRV_INIT;
	struct image_entry *entries;
	size_t n = store_entries(c->e, c->index, &entries);
	int r = store_bases(c->e, &bases, err);

	for (size_t i = 0; r == 0 && i < bases.n; i++) {
		const char *ref = NULL, *format;
		char hex[65], digest[80];

		if (!store_parse_base(bases.v[i], hex, &format))
			continue;
		for (size_t k = 0; ref == NULL && k < n; k++)
			ref = strcmp(entries[k].disk, hex) == 0 ? entries[k].ref : NULL;
		snprintf(digest, sizeof(digest), "sha256:%.12s", hex);
		choose(c, ref != NULL ? ref : digest, hex, format);
	}
	for (size_t i = 0; i < n; i++)
		image_entry_finish(&entries[i]);
	free(entries);
	return r;
}

/* ---- what then -------------------------------------------------------------------- */

/* A damaged base: say who stands on it, and take its name away when nobody runs
 * on it, so that the next pull gets it anew. */
static void handle_damaged(struct engine *e, struct image_verified *v,
			   const struct image_user *users, size_t n_users, bool alone)
{
	_cleanup_(freep) char *aside = NULL;
	const char *slash = strrchr(v->path, '/');

	v->verdict = IMAGE_DAMAGED;
	v->text = store_users_text(users, n_users, v->path, &v->running);
	if (v->running || !alone)
		return;
	aside = state_path(e->state, "images/damaged-%s", slash + 1);
	v->set_aside = rename(v->path, aside) == 0;
}

static int judge(struct engine *e, struct verify_job *jobs, size_t n, struct holos_error **err)
{
	struct image_user *users = NULL;
	size_t n_users = 0, damaged = 0;
	bool alone;
	int r;

	for (size_t i = 0; i < n; i++)
		damaged += jobs[i].differs;
	/* Another holos may have chosen one, and not yet have written down that it did. */
	alone = damaged != 0 && store_upgrade(e);
	r = store_users(e, &users, &n_users, err);

	for (size_t i = 0; r == 0 && i < n; i++) {
		if (jobs[i].err != NULL) {
			error_wrap(&jobs[i].err, "image %s", jobs[i].v->ref);
			r = error_move(err, &jobs[i].err);
		} else if (jobs[i].differs) {
			handle_damaged(e, jobs[i].v, users, n_users, alone);
		}
	}
	image_users_free(users, n_users);
	if (r == 0 && damaged != 0) {
		error_set(err, ERR_VERIFY, "%zu of %zu images %s damaged", damaged, n,
			  damaged == 1 ? "is" : "are");
		error_hint(err, "holos pull REF gets the same bytes again, while the publisher has "
				"them");
		return -ERR_VERIFY;
	}
	return r;
}

static int run(struct engine *e, struct chosen *c, struct holos_error **err)
{
	struct verify_job *jobs = xcalloc(c->n + 1, sizeof(*jobs));
	struct image_job **list = xcalloc(c->n + 1, sizeof(struct image_job *));
	size_t n = 0;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	int r;

	for (size_t i = 0; i < c->n; i++) {
		if (c->list[i].verdict == IMAGE_SKIPPED)
			continue;
		jobs[n].v = &c->list[i];
		jobs[n].subject = xasprintf("image %s", c->list[i].ref);
		jobs[n].job = (struct image_job){ .subject = jobs[n].subject,
						  .begin = begin,
						  .done = done };
		list[n] = &jobs[n].job;
		n++;
	}
	r = image_jobs_run(e, list, n, cpus > 1 ? (size_t)cpus : 1, err);
	if (r == 0)
		r = judge(e, jobs, n, err);
	for (size_t i = 0; i < n; i++) {
		error_destroy(jobs[i].err);
		free(jobs[i].subject);
	}
	free(list);
	free(jobs);
	return r;
}

int images_verify(struct engine *e, char *const *refs, size_t n, struct image_verified **ret,
		  size_t *ret_n, struct holos_error **err)
{
	struct chosen c = { .e = e };
	int r = store_read(e, &c.index, err);

	if (r == 0 && e->state->fd >= 0)
		r = store_hold(e, err);
	if (r == 0 && refs == NULL)
		r = choose_all(&c, err);
	for (size_t i = 0; r == 0 && refs != NULL && i < n; i++)
		r = choose_ref(&c, refs[i], err);
	if (r == 0)
		r = run(e, &c, err);
	json_object_put(c.index);
	if (r < 0 && r != -ERR_VERIFY) {
		image_verified_free(c.list, c.n);
		return r;
	}
	*ret = c.list;
	*ret_n = c.n;
	return r;
}
