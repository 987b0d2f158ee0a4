/* SPDX-License-Identifier: Apache-2.0
 *
 * imagepull.c - see imagepull.h.
 *
 * Each download is a chain of worker calls under a lock of its own:
 *
 *   lock --busy--> wait (another holos downloads it) --+
 *     |                                                v
 *     +------------------> is it in the store now? --yes--> done
 *                             |
 *                             +--(always)--> check --same digest--> done
 *                             |                 |
 *                             +-----------------+--> download --> store, index --> done
 *
 * The lock is an open file description's and is passed to the worker that waits
 * for it, so that it is ours as soon as that has it.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/jsonx.h>
#include <base/sha256.h>
#include <base/units.h>
#include <engine/imagejobs.h>
#include <engine/imagepull.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PULL_PARALLEL 4

/* One chain of calls. */
struct pull_job {
	struct image_job job;
	struct pull_want *want; /* NULL: it asks */
	struct pull_news *news; /* NULL: it downloads */
	void (*next)(struct pull_job *j, struct json_object *answer);
	char *subject, *name; /* "image debian:12"; of its files */
	char *urls, *digest_urls, *source;
	int dir, lock; /* images/.fetch; of this download */
};

static struct holos_error **error_of(struct pull_job *j)
{
	return j->want != NULL ? &j->want->err : &j->news->err;
}

static void end_job(struct pull_job *j)
{
	closep(&j->lock);
	j->lock = -1;
	image_job_end(&j->job);
}

static void call(struct pull_job *j, struct worker_request rq,
		 void (*next)(struct pull_job *, struct json_object *))
{
	j->next = next;
	image_job_call(&j->job, rq);
}

static void on_done(struct image_job *job, struct worker_result *res)
{
	struct pull_job *j = (struct pull_job *)job;

	if (res->err == NULL) {
		j->next(j, res->value);
		return;
	}
	if (res->status == HOLOS_E_NOTFOUND && j->news != NULL) {
		j->next(j, NULL); /* its file may have got another name */
		return;
	}
	error_move(error_of(j), &res->err);
	if (res->status == HOLOS_E_NOTFOUND)
		error_hint(error_of(j),
			   "its publisher may have renamed it: holos images --refresh");
	end_job(j);
}

/* ---- downloading --------------------------------------------------------------- */

static struct download describe(const struct pull_job *j)
{
	const struct image_info *info = j->want != NULL ? j->want->info : j->news->info;

	return (struct download){ .urls = j->urls,
				  .digest_urls = j->digest_urls,
				  .digest = info->digest,
				  .bytes = info->bytes,
				  .name = j->name,
				  .dir = j->dir };
}

/* "563 MiB, sha256:0123456789ab" */
static void tell(struct pull_job *j, const char *phase)
{
	const struct image_entry *got = &j->want->got;
	char size[32];
	_cleanup_(freep) char *text =
		xasprintf("%s, sha256:%.12s", units_format_size(got->size, size), got->disk);

	engine_phase(j->job.e, j->subject, phase, clock_now_ns() - j->job.began_ns, text);
}

static void take_info(struct pull_job *j, struct image_entry *got)
{
	const struct image_info *info = j->want->info;
	char now[40];

	free(got->ref);
	free(got->user);
	free(got->init);
	free(got->shares);
	free(got->source);
	free(got->resolved_at);
	got->ref = xstrdup(j->want->ref);
	got->user = xstrdup_null(info->user);
	got->init = xstrdup_null(info->init);
	got->shares = xstrdup_null(info->shares);
	got->source = xstrdup(j->source);
	got->resolved_at = xstrdup(clock_rfc3339_now(now));
}

static void finish_found(struct pull_job *j, struct image_entry *found, const char *phase)
{
	struct engine *e = j->job.e;

	j->want->got = *found;
	take_info(j, &j->want->got);
	if (store_put(e, &j->want->got, error_of(j)) == 0 && phase != NULL)
		tell(j, phase);
	end_job(j);
}

static void downloaded(struct pull_job *j, struct json_object *answer)
{
	struct engine *e = j->job.e;
	struct image_entry got = { 0 };
	struct downloaded d = { 0 };
	_cleanup_(freep) char *file = xasprintf("%s.disk", j->name);
	int r = download_parse(answer, &d, error_of(j));

	if (r == 0)
		r = store_adopt(e, j->dir, file, d.disk, d.format, error_of(j));
	if (r < 0) {
		end_job(j);
		return;
	}
	got.disk = xstrdup(d.disk);
	got.format = xstrdup(d.format);
	got.url = steal_ptr(&d.url);
	got.digest = steal_ptr(&d.digest);
	got.download = xstrdup(d.download);
	got.size = d.size;
	got.bytes = d.bytes;
	if (got.digest == NULL) {
		engine_warn(e,
			    "image %s: nobody says what it should be; to have it verified from now "
			    "on, write #sha256=%s behind its URL",
			    j->want->ref, d.download);
	}
	downloaded_finish(&d);
	j->want->fresh = true;
	finish_found(j, &got, "downloaded");
}

static void download(struct pull_job *j)
{
	struct download d = describe(j);
	const char *format = j->want->info->format;
	_cleanup_(freep) char *plain = NULL;

	/* A source of URLs knows no format: the file's head tells. */
	d.format = strcmp(format, "qcow2") == 0 ? format : NULL;
	if (j->want->lock_disk != NULL) {
		plain = xasprintf("sha256:%s", j->want->lock_disk);
		d.disk = j->want->lock_disk;
		d.digest = j->want->lock_download != NULL ? j->want->lock_download : plain;
		d.digest_urls = NULL;
	}
	call(j, download_request(&d), downloaded);
}

/* The entry of this reference, or of another name of the same image. */
static bool find(struct pull_job *j, struct json_object *index, struct image_entry *ret)
{
	struct engine *e = j->job.e;

	return store_find_source(e, index, j->source, ret) ||
	       store_find(e, index, j->want->ref, ret);
}

static void checked(struct pull_job *j, struct json_object *answer)
{
	const char *digest = jsonx_str(answer, "digest", NULL);
	_cleanup_(json_putp) struct json_object *index = NULL;
	struct image_entry found = { 0 };

	if (store_read(j->job.e, &index, error_of(j)) < 0) {
		end_job(j);
		return;
	}
	if (digest != NULL && find(j, index, &found) && found.digest != NULL &&
	    strcmp(found.digest, digest) == 0) {
		finish_found(j, &found, "is up to date");
		return;
	}
	image_entry_finish(&found);
	download(j);
}

static void locked(struct pull_job *j, struct json_object *waited)
{
	_cleanup_(json_putp) struct json_object *index = NULL;
	struct image_entry found = { 0 };

	if (store_read(j->job.e, &index, error_of(j)) < 0) {
		end_job(j);
		return;
	}
	if (j->want->lock_disk != NULL) {
		if (find(j, index, &found) && strcmp(found.disk, j->want->lock_disk) == 0) {
			finish_found(j, &found, NULL);
			return;
		}
		image_entry_finish(&found);
		download(j);
		return;
	}
	/* Who waited has what the other one got, however fresh it had to be. */
	if (find(j, index, &found) && (waited != NULL || !j->want->always)) {
		finish_found(j, &found, NULL);
		return;
	}
	if (found.disk != NULL && j->want->always &&
	    (j->digest_urls != NULL || j->want->info->digest != NULL)) {
		struct download d = describe(j);

		image_entry_finish(&found);
		call(j, download_check_request(&d), checked);
		return;
	}
	image_entry_finish(&found);
	download(j);
}

static void begin_pull(struct pull_job *j)
{
	struct flock lk = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
	_cleanup_(freep) char *file = xasprintf("%s.lock", j->name);
	int fds[2];

	j->lock = openat(j->dir, file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (j->lock < 0) {
		error_sys(error_of(j), ERR_FAILED, errno, "cannot open images/.fetch/%s", file);
		end_job(j);
	} else if (fcntl(j->lock, F_OFD_SETLK, &lk) == 0) {
		locked(j, NULL);
	} else {
		fds[0] = j->lock;
		fds[1] = j->dir;
		call(j, download_wait_request(fds, j->name), locked);
	}
}

/* ---- asking ------------------------------------------------------------------------ */

static const char *file_of(const char *url)
{
	const char *slash = strrchr(url, '/');

	return slash != NULL ? slash + 1 : url;
}

/* The first of a list of URLs; the caller frees. */
static char *first_of(const char *urls)
{
	return urls != NULL ? xstrndup(urls, strcspn(urls, " ")) : NULL;
}

/* The checksum file's new name follows from the image's, or is looked for too. */
static void renamed_digest(struct pull_job *j, struct json_object *answer)
{
	_cleanup_(freep) char *old = first_of(j->digest_urls);
	const char *name = jsonx_str(answer, "name", NULL);

	if (name != NULL && old != NULL && strcmp(name, file_of(old)) != 0)
		(void)store_set_moved(j->job.e, file_of(old), name, NULL);
	end_job(j);
}

static void renamed(struct pull_job *j, struct json_object *answer)
{
	const char *name = jsonx_str(answer, "name", NULL);
	_cleanup_(freep) char *url = first_of(j->urls);
	_cleanup_(freep) char *digest = first_of(j->digest_urls);
	int r;

	if (name == NULL || strcmp(name, file_of(url)) == 0) {
		error_set(error_of(j), ERR_FAILED, "%s: there is no such file, and nothing like it",
			  url);
		error_hint(error_of(j), "its publisher may have ended this release");
		end_job(j);
		return;
	}
	j->news->renamed = xstrdup(name);
	r = store_set_moved(j->job.e, file_of(url), name, error_of(j));
	if (r == 0 && digest != NULL && strncmp(digest, url, strlen(url)) == 0) {
		_cleanup_(freep) char *with = xasprintf("%s%s", name, digest + strlen(url));

		r = store_set_moved(j->job.e, file_of(digest), with, error_of(j));
	} else if (r == 0 && digest != NULL) {
		call(j, download_newest_request(digest), renamed_digest);
		return;
	}
	end_job(j);
}

static void asked(struct pull_job *j, struct json_object *answer)
{
	_cleanup_(freep) char *url = NULL;

	if (answer == NULL) {
		url = first_of(j->urls);
		call(j, download_newest_request(url), renamed);
		return;
	}
	j->news->digest = xstrdup_null(jsonx_str(answer, "digest", NULL));
	end_job(j);
}

/* ---- running ------------------------------------------------------------------------- */

static void begin(struct image_job *job)
{
	struct pull_job *j = (struct pull_job *)job;

	if (j->want != NULL) {
		begin_pull(j);
	} else {
		struct download d = describe(j);

		call(j, download_check_request(&d), asked);
	}
}

static void set_up(struct pull_job *j, int dir, struct json_object *index, const char *ref,
		   const struct image_info *info)
{
	uint8_t d[32];
	char hex[65];

	j->dir = dir;
	j->lock = -1;
	j->subject = xasprintf("image %.*s", (int)strcspn(ref, "#"), ref);
	j->job.subject = j->subject;
	j->job.begin = begin;
	j->job.done = on_done;
	j->source = xasprintf("%s%s%s", info->url, info->digest != NULL ? "#" : "",
			      info->digest != NULL ? info->digest : "");
	j->urls = store_moved(index, info->url);
	j->digest_urls = store_moved(index, info->digest_url);
	sha256(j->source, strlen(j->source), d);
	sha256_hex(d, hex);
	j->name = xstrndup(hex, 32);
}

static void tear_down(struct pull_job *j)
{
	free(j->subject);
	free(j->name);
	free(j->source);
	free(j->urls);
	free(j->digest_urls);
	if (j->lock >= 0)
		close(j->lock);
}

/* The jobs of wants or of news; the other one is NULL. */
static int run(struct engine *e, struct pull_want *wants, struct pull_news *news, size_t n,
	       struct holos_error **err)
{
	_cleanup_(json_putp) struct json_object *index = NULL;
	_cleanup_(closep) int dir = -1;
	struct image_job **list;
	struct pull_job *jobs;
	int r = store_read(e, &index, err);

	if (r < 0)
		return r;
	dir = state_open_dir(e->state, true, "images/.fetch");
	if (dir < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot make %s/images/.fetch",
				 e->state->dir);
	jobs = xcalloc(n, sizeof(*jobs));
	list = xcalloc(n, sizeof(struct image_job *));
	for (size_t i = 0; i < n; i++) {
		jobs[i].want = wants != NULL ? &wants[i] : NULL;
		jobs[i].news = news != NULL ? &news[i] : NULL;
		set_up(&jobs[i], dir, index, wants != NULL ? wants[i].ref : news[i].ref,
		       wants != NULL ? wants[i].info : news[i].info);
		list[i] = &jobs[i].job;
	}
	r = image_jobs_run(e, list, n, PULL_PARALLEL, err);
	for (size_t i = 0; i < n; i++)
		tear_down(&jobs[i]);
	free(list);
	free(jobs);
	return r;
}

int pull_images(struct engine *e, struct pull_want *wants, size_t n, struct holos_error **err)
{
	struct holos_error *all = NULL;
	int r = run(e, wants, NULL, n, err);

	if (r == -ERR_INTERRUPTED)
		error_hint(err, "what was downloaded is kept; the same command goes on from there");
	for (size_t i = 0; i < n; i++) {
		if (wants[i].err != NULL && r == 0) {
			error_wrap(&wants[i].err, "image %s", wants[i].ref);
			error_append(&all, steal_ptr(&wants[i].err));
		}
		error_destroy(steal_ptr(&wants[i].err));
	}
	error_cap(all);
	return r == 0 && all != NULL ? error_move(err, &all) : r;
}

int pull_ask(struct engine *e, struct pull_news *news, size_t n, struct holos_error **err)
{
	return run(e, NULL, news, n, err);
}
