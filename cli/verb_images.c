/* SPDX-License-Identifier: Apache-2.0
 *
 * verb_images.c - holos images: which there are; images rm, images prune.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/jsonx.h>
#include <base/units.h>
#include <cli.h>
#include <engine/imagelist.h>

#include <string.h>
#include <time.h>

/* "debian:12" -> name and tag; a URL has no tag. */
static void split_ref(const char *ref, char **ret_name, char **ret_tag)
{
	const char *colon = strstr(ref, "://") == NULL ? strrchr(ref, ':') : NULL;

	*ret_name = colon != NULL ? xstrndup(ref, (size_t)(colon - ref)) : xstrdup(ref);
	*ret_tag = colon != NULL ? xstrdup(colon + 1) : NULL;
}

/* "5m12s", "3d04h": since when, for people; buf >= 32. */
static const char *age(const char *since, char *buf)
{
	struct timespec then, now;

	if (since == NULL || clock_parse_rfc3339(since, &then) < 0)
		return NULL;
	clock_gettime(CLOCK_REALTIME, &now);
	if (now.tv_sec < then.tv_sec)
		return NULL;
	if (now.tv_sec == then.tv_sec)
		return "now";
	return units_format_duration((uint64_t)(now.tv_sec - then.tv_sec) * NS_PER_S, buf);
}

static struct json_object *describe(const struct image_row *row)
{
	struct json_object *o = json_object_new_object();
	_cleanup_(freep) char *name = NULL;
	_cleanup_(freep) char *tag = NULL;
	_cleanup_(freep) char *digest =
		row->disk != NULL ? xasprintf("sha256:%s", row->disk) : NULL;

	if (row->ref != NULL)
		split_ref(row->ref, &name, &tag);
	jsonx_set_str(o, "ref", row->ref);
	jsonx_set_str(o, "name", name);
	jsonx_set_str(o, "tag", tag);
	jsonx_set_bool(o, "default", row->first);
	jsonx_set_str(o, "format", row->format);
	jsonx_set_str(o, "os", row->os);
	jsonx_set_str(o, "user", row->user);
	jsonx_set_str(o, "arch", row->arch);
	jsonx_set_str(o, "verify", row->verify);
	jsonx_set_str(o, "url", row->url);
	jsonx_set_bool(o, "cached", row->disk != NULL);
	jsonx_set_str(o, "digest", digest);
	jsonx_set_str(o, "image", row->path);
	jsonx_set_int(o, "size", (int64_t)row->size);
	jsonx_set_str(o, "resolved_at", row->since);
	jsonx_set_str(o, "used_by", row->users);
	jsonx_set_bool(o, "outdated", row->outdated);
	jsonx_set_str(o, "renamed_to", row->renamed);
	jsonx_set_str(o, "problem", row->problem);
	return o;
}

static void add_row(struct table *t, const struct image_row *row)
{
	_cleanup_(freep) char *name = NULL;
	_cleanup_(freep) char *tag = NULL;
	_cleanup_(freep) char *shown = NULL;
	_cleanup_(freep) char *cached = NULL;
	char size[32], old[32];

	if (row->ref != NULL)
		split_ref(row->ref, &name, &tag);
	if (row->first)
		shown = xasprintf("%s *", name);
	if (row->disk != NULL)
		cached = xasprintf("sha256:%.12s%s", row->disk, row->outdated ? " (old)" : "");
	table_row(t, shown != NULL ? shown : name, tag, row->format, row->os, row->verify, cached,
		  row->disk != NULL ? units_format_size(row->size, size) : NULL,
		  age(row->since, old));
}

static void print_news(const struct image_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct image_row *row = &rows[i];

		if (row->problem != NULL)
			print_warning("image %s: %s", row->ref, row->problem);
		if (row->renamed != NULL)
			fprintf(stderr, "image %s: its file is %s now\n", row->ref, row->renamed);
		if (row->outdated)
			fprintf(stderr, "image %s: there is a newer one: holos pull %s\n", row->ref,
				row->ref);
	}
}

static int list(struct engine *e, bool refresh, bool json, struct holos_error **err)
{
	static const char *const header[] = { "NAME",   "TAG",  "FORMAT", "OS", "VERIFY",
					      "CACHED", "SIZE", "AGE",    NULL };
	struct image_row *rows;
	struct json_object *arr;
	struct table *t;
	size_t n;
	int r = images_list(e, refresh, &rows, &n, err);

	if (r < 0)
		return r;
	print_news(rows, n);
	arr = json_object_new_array();
	t = table_create("", header);
	for (size_t i = 0; i < n; i++) {
		json_object_array_add(arr, describe(&rows[i]));
		add_row(t, &rows[i]);
	}
	if (json) {
		table_destroy(t);
		print_json(arr);
	} else {
		json_object_put(arr);
		table_print(t, stdout);
	}
	image_rows_free(rows, n);
	return 0;
}

static void print_removed(const struct strv *removed, uint64_t bytes, bool json)
{
	char size[32];

	if (json) {
		struct json_object *o = json_object_new_object();

		jsonx_set(o, "removed", jsonx_from_strv(removed->v));
		jsonx_set_int(o, "bytes", (int64_t)bytes);
		print_json(o);
		return;
	}
	for (size_t i = 0; i < removed->n; i++)
		printf("removed: %s\n", removed->v[i]);
	printf("freed: %s\n", units_format_size(bytes, size));
}

static int change(struct engine *e, const struct strv *operands, bool all, bool json,
		  struct holos_error **err)
{
	_cleanup_(strv_finish) struct strv removed = STRV_INIT;
	bool rm = strcmp(operands->v[0], "rm") == 0;
	uint64_t bytes = 0;
	int r;

	if (rm && operands->n < 2)
		return error_set(err, ERR_USAGE, "images rm needs the name of an image");
	if (!rm && operands->n > 1)
		return error_set(err, ERR_USAGE, "images prune takes no names; images rm does");
	if (rm)
		r = images_remove(e, operands->v + 1, operands->n - 1, &removed, &bytes, err);
	else
		r = images_prune(e, all, &removed, &bytes, err);
	if (r == 0 || removed.n != 0)
		print_removed(&removed, bytes, json);
	return r;
}

int verb_images(const struct verb *v, int argc, char **argv, struct holos_error **err)
{
	_cleanup_(common_finish) struct common c = COMMON_INIT;
	_cleanup_(strv_finish) struct strv operands = STRV_INIT;
	_cleanup_(engine_destroyp) struct engine *e = NULL;
	bool refresh = false, all = false, changing;
	const struct option_def defs[] = {
		{ "refresh", 0, OPTION_FLAG, &refresh, NULL,
		  "ask publishers what they have now, and under which names" },
		{ "all", 'a', OPTION_FLAG, &all, NULL, "prune: also images that no VM uses now" },
		OPTION_PROGRESS(c),
		OPTIONS_STATE(c),
		OPTIONS_JSON(c),
		OPTIONS_END,
	};
	int r = options_parse(v, defs, false, argc, argv, &operands, err);

	if (r != 0)
		return r;
	changing = operands.n != 0;
	if (changing && strcmp(operands.v[0], "rm") != 0 && strcmp(operands.v[0], "prune") != 0)
		return verb_unknown_word(v, operands.v[0], err);
	if (all && (!changing || strcmp(operands.v[0], "prune") != 0))
		return error_set(err, ERR_USAGE, "--all belongs to images prune");
	if (refresh && changing)
		return error_set(err, ERR_USAGE, "--refresh belongs to the list of images");
	r = cli_engine(&c, "images", changing || refresh, &e, err);
	if (r < 0)
		return r;
	return changing ? change(e, &operands, all, c.json, err) : list(e, refresh, c.json, err);
}

const struct verb entry_images = {
	.name = "images",
	.operands = "[rm IMAGE... | prune]",
	.summary = "list, remove images",
	.run = verb_images,
	.group = GROUP_STORE,
	.examples = {
		{ "holos images", "which there are, and which are here" },
		{ "holos images --refresh", "is there something newer?" },
		{ "holos images prune", "remove what no VM needs" },
	},
};
