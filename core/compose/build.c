/* SPDX-License-Identifier: Apache-2.0
 *
 * build.c - see build.h.
 */
#include <compose/arena.h>
#include <compose/build.h>
#include <compose/decode.h>

#include <base/alloc.h>
#include <base/clock.h>
#include <base/fs.h>
#include <base/jsonx.h>

#include <string.h>

static const char *const *argv_of(struct arena *a, struct json_object *list)
{
	const char **argv = arena_array(a, jsonx_len(list) + 1, const char *);

	for (size_t i = 0; i < jsonx_len(list); i++) {
		const char *word = jsonx_str_at(list, i);

		argv[i] = arena_strdup(a, word != NULL ? word : "");
	}
	return argv;
}

/* Whole seconds, as in the compose file. */
static uint64_t seconds(struct json_object *o, const char *key, uint64_t fallback, uint64_t least)
{
	int64_t ns = jsonx_int(o, key, -1);
	uint64_t v;

	if (ns < 0)
		return fallback;
	v = (uint64_t)ns > 0 && (uint64_t)ns < NS_PER_S ? NS_PER_S : (uint64_t)ns;
	v -= v % NS_PER_S;
	return v < least ? least : v;
}

static void take_healthcheck(struct arena *a, struct service *s, struct json_object *o)
{
	struct healthcheck *h = &s->healthcheck;
	int64_t retries = jsonx_int(o, "retries", 0);

	if (o == NULL || h->set || h->disabled || jsonx_bool(o, "none", false) ||
	    jsonx_len(jsonx_arr(o, "test")) == 0)
		return;
	h->set = true;
	h->mark = s->dockerfile_mark;
	h->shell = jsonx_bool(o, "shell", false);
	h->argv = argv_of(a, jsonx_arr(o, "test"));
	h->interval_ns = seconds(o, "interval_ns", h->interval_ns, NS_PER_S);
	h->timeout_ns = seconds(o, "timeout_ns", h->timeout_ns, NS_PER_S);
	h->start_period_ns = seconds(o, "start_period_ns", h->start_period_ns, 0);
	h->start_interval_ns = seconds(o, "start_interval_ns", h->start_interval_ns, NS_PER_S);
	if (retries > 0 && retries <= 1000000)
		h->retries = (unsigned)retries;
}

/* FROM, where the compose file names no image; a path counts from the compose
 * file's directory. */
static void take_image(const struct project *p, struct service *s, const char *image)
{
	_cleanup_(freep) char *full = NULL;

	if (s->image != NULL || s->vm.root_disk != NULL || image == NULL)
		return;
	s->image = arena_strdup(p->arena, image);
	s->image_mark = s->dockerfile_mark;
	if (!image_is_path(image))
		return;
	full = fs_normalize(p->dir, image);
	s->image_path = arena_strdup(p->arena, full);
}

static void apply(const struct project *p, struct service *s, const struct build *b)
{
	_cleanup_(json_putp) struct json_object *small = json_object_new_object();

	json_object_object_foreach (b->steps, key, value) {
		if (strcmp(key, "copies") != 0)
			jsonx_set(small, key, json_object_get(value));
	}
	s->build_steps = arena_strdup(p->arena, jsonx_line(small));
	if (jsonx_arr(b->steps, "copies") != NULL)
		s->build_copies = arena_strdup(p->arena, jsonx_line(jsonx_arr(b->steps, "copies")));
	s->dockerfile_sha256 = arena_strdup(p->arena, b->digest);
	take_image(p, s, jsonx_str(b->steps, "image", NULL));
	take_healthcheck(p->arena, s, jsonx_obj(b->steps, "healthcheck"));
}

static void blame(struct holos_error **all, const struct mark *m, struct holos_error *one)
{
	error_at(one, m->file, m->line, m->column);
	error_append(all, one);
}

/* What could not be said before the Dockerfiles were read. */
static struct holos_error *check(const struct project *p)
{
	struct holos_error *all = NULL, *one;

	for (size_t i = 0; i < p->n_services; i++) {
		const struct service *s = &p->services[i];

		if (s->dockerfile != NULL && s->image == NULL && s->vm.root_disk == NULL) {
			one = NULL;
			error_set(&one, ERR_INVALID,
				  "services.%s: \"image\" is missing, and the Dockerfile has no "
				  "FROM",
				  s->name);
			blame(&all, &s->dockerfile_mark, one);
		}
		for (size_t k = 0; k < s->n_depends_on; k++) {
			const struct dependency *d = &s->depends_on[k];
			const struct service *other = &p->services[d->service];

			if (d->condition != DEP_HEALTHY || other->healthcheck.set)
				continue;
			one = NULL;
			error_set(&one, ERR_INVALID,
				  "services.%s.depends_on.%s: waits for it to be healthy, but it "
				  "has no healthcheck, and its Dockerfile none either",
				  s->name, d->name);
			blame(&all, &d->mark, one);
		}
	}
	return all;
}

int project_apply_builds(struct project *p, const struct build *builds, struct holos_error **err)
{
	struct service *list = arena_memdup(p->arena, p->services, p->n_services * sizeof(*list));
	struct holos_error *all;

	for (size_t i = 0; i < p->n_services; i++) {
		if (builds[i].steps != NULL)
			apply(p, &list[i], &builds[i]);
	}
	p->services = list;
	all = check(p);
	return all != NULL ? error_move(err, &all) : 0;
}
