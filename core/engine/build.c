/* SPDX-License-Identifier: Apache-2.0
 *
 * build.c - Dockerfiles: the provision plugin translates them in a worker, and
 * what comes of it becomes part of the model, with a digest over it and over
 * every file it copies.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/fs.h>
#include <base/jsonx.h>
#include <base/sha256.h>
#include <compose/build.h>
#include <compose/diag.h>
#include <compose/output.h>
#include <engine/context.h>
#include <engine/digests.h>
#include <plugin/calls.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRANSLATOR "dockerfile"

static void add_text(struct sha256 *h, const char *text)
{
	sha256_add(h, text, strlen(text) + 1);
}

/* What a tree is: names, modes, content; not where it lies. */
static int add_copies(struct engine *e, struct sha256 *h, struct json_object *copies, int root,
		      struct digests *digests, struct holos_error **err)
{
	for (size_t i = 0; i < jsonx_len(copies); i++) {
		struct json_object *tree = json_object_array_get_idx(copies, i);
		struct json_object *entries = jsonx_arr(tree, "entries");

		add_text(h, "tree");
		for (size_t k = 0; k < jsonx_len(entries); k++) {
			struct json_object *o = json_object_array_get_idx(entries, k);
			const char *path = jsonx_str(o, "path", "");
			const char *type = jsonx_str(o, "type", "file");
			const char *content = jsonx_str(o, "content", NULL);
			_cleanup_(freep) char *mode =
				xasprintf("%llo", (unsigned long long)jsonx_int(o, "mode", 0));
			char hex[65] = "";
			int r = 0;

			if (k % 64 == 0)
				r = engine_check_interrupt(e, err);
			if (r == 0 && strcmp(type, "file") == 0 && content == NULL)
				r = digests_get(digests, root, jsonx_str(o, "from", path), hex,
						err);
			if (r < 0)
				return r;
			add_text(h, type);
			add_text(h, path);
			add_text(h, mode);
			add_text(h, content != NULL ? content : jsonx_str(o, "to", hex));
		}
	}
	return 0;
}

/* What is no part of the digest: where the context lies, what copies() counts,
 * and what becomes a field of the model. */
static const char *const apart[] = { "copies", "context", "image", "healthcheck" };

/* The files but for notes: line numbers change with a comment. */
static struct json_object *real_files(struct json_object *files)
{
	struct json_object *real = json_object_new_array();

	for (size_t i = 0; i < jsonx_len(files); i++) {
		struct json_object *o = json_object_array_get_idx(files, i);

		if (!jsonx_bool(o, "note", false))
			json_object_array_add(real, json_object_get(o));
	}
	return real;
}

static int digest(struct engine *e, const struct service *s, struct build *b,
		  struct holos_error **err)
{
	_cleanup_(json_putp) struct json_object *rest = json_object_new_object();
	_cleanup_(digests_closep) struct digests *digests = NULL;
	_cleanup_(freep) char *text = NULL;
	_cleanup_(closep) int root = -1;
	const char *context = jsonx_str(b->steps, "context", NULL);
	struct sha256 h;
	uint8_t raw[32];
	int r = 0;

	json_object_object_foreach (b->steps, key, value) {
		bool counts = true;

		for (size_t i = 0; i < sizeof(apart) / sizeof(apart[0]); i++)
			counts = counts && strcmp(key, apart[i]) != 0;
		if (counts)
			jsonx_set(rest, key,
				  strcmp(key, "files") == 0 ? real_files(value)
							    : json_object_get(value));
	}
	text = json_canonical(rest);
	sha256_init(&h);
	add_text(&h, text);
	if (context != NULL) {
		char name[65];

		sha256(s->dockerfile, strlen(s->dockerfile), raw);
		sha256_hex(raw, name);
		root = open(context, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (root < 0)
			return error_sys(err, ERR_FAILED, errno, "cannot read %s", context);
		digests = digests_open(e->state, name);
		r = add_copies(e, &h, jsonx_arr(b->steps, "copies"), root, digests, err);
	}
	if (r < 0)
		return r;
	sha256_end(&h, raw);
	sha256_hex(raw, b->digest);
	return 0;
}

static int translate(struct engine *e, const struct service *s, struct build *b,
		     struct holos_error **err)
{
	_cleanup_(json_putp) struct json_object *options = json_object_new_object();
	const struct plugin_info *info;
	int r = registry_find(engine_registry(e), "provision", TRANSLATOR, &info, err);

	if (r < 0)
		return r;
	if (s->dockerfile_cmd != NULL)
		jsonx_set_str(options, "cmd", s->dockerfile_cmd);
	r = provision_translate(engine_worker(e), TRANSLATOR, options, s->dockerfile, &b->steps,
				err);
	return r == 0 ? digest(e, s, b, err) : r;
}

/* A service that has the same as an earlier one shares what came of it. */
static bool same_as_before(const struct project *p, size_t i, struct build *builds)
{
	const struct service *s = &p->services[i];

	for (size_t k = 0; k < i; k++) {
		const struct service *o = &p->services[k];

		if (builds[k].steps == NULL || o->dockerfile == NULL ||
		    strcmp(o->dockerfile, s->dockerfile) != 0 ||
		    (o->dockerfile_cmd == NULL) != (s->dockerfile_cmd == NULL))
			continue;
		builds[i].steps = json_object_get(builds[k].steps);
		memcpy(builds[i].digest, builds[k].digest, sizeof(builds[i].digest));
		return true;
	}
	return false;
}

/* A mistake in the Dockerfile: "PATH:LINE: why", as compilers say it. */
static void blame(const struct service *s, struct holos_error *one)
{
	static const char plugin[] = "provision plugin \"" TRANSLATOR "\": ";
	const char *why = one->message;
	unsigned line = 0;
	int n = 0;
	char *text;

	if (strncmp(why, plugin, sizeof(plugin) - 1) == 0)
		why += sizeof(plugin) - 1;
	if (sscanf(why, "line %u: %n", &line, &n) == 1 && n > 0)
		text = xasprintf("services.%s.dockerfile: %s:%u: %s", s->name, s->dockerfile, line,
				 why + n);
	else
		text = xasprintf("services.%s.dockerfile: %s: %s", s->name, s->dockerfile, why);
	free(one->message);
	one->message = text;
	if (one->code == ERR_FAILED)
		one->code = ERR_INVALID;
}

int engine_build(struct engine *e, struct project *p, struct holos_error **err)
{
	_cleanup_(freep) struct build *builds = xcalloc(p->n_services + 1, sizeof(*builds));
	struct holos_error *all = NULL;
	struct diag d;
	bool any = false;
	int r = 0;

	diag_init(&d, p->arena);
	for (size_t i = 0; i < p->n_services; i++) {
		const struct service *s = &p->services[i];
		struct holos_error *one = NULL;

		if (s->dockerfile == NULL || s->build_steps != NULL)
			continue;
		any = true;
		if (same_as_before(p, i, builds) || translate(e, s, &builds[i], &one) == 0)
			continue;
		blame(s, one);
		diag_add(&d, &s->dockerfile_mark, one);
	}
	if (diag_take(&d, NULL, &all) < 0)
		r = error_move(err, &all);
	else if (any)
		r = project_apply_builds(p, builds, err);
	for (size_t i = 0; i < p->n_services; i++)
		json_object_put(builds[i].steps);
	return r;
}
