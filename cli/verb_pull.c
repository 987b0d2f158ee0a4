/* SPDX-License-Identifier: Apache-2.0
 *
 * verb_pull.c - holos pull: images into the store, before they are needed.
 *
 * Named images are had as their publishers have them now.  Those of the compose
 * file are those of its lock file, which is written when it is not there.
 */
#include <base/alloc.h>
#include <base/jsonx.h>
#include <cli.h>
#include <engine/imagelock.h>

#include <string.h>

static void print(const struct pulled *p, size_t n, bool json)
{
	static const char *const header[] = { "REF", "FORMAT", "DIGEST", "IMAGE", NULL };
	struct json_object *arr = json ? json_object_new_array() : NULL;
	struct table *t;

	if (!json && n == 1) { /* as scripts know it */
		printf("image: %s\nformat: %s\n", p->path, p->format);
		return;
	}
	t = table_create("", header);
	for (size_t i = 0; i < n; i++) {
		_cleanup_(freep) char *digest =
			p[i].digest != NULL ? xstrndup(p[i].digest, 19) : NULL;

		if (json) {
			struct json_object *o = json_object_new_object();

			jsonx_set_str(o, "ref", p[i].ref);
			jsonx_set_str(o, "image", p[i].path);
			jsonx_set_str(o, "format", p[i].format);
			jsonx_set_str(o, "digest", p[i].digest);
			jsonx_set_bool(o, "downloaded", p[i].fresh);
			json_object_array_add(arr, o);
		} else {
			table_row(t, p[i].ref, p[i].format, digest, p[i].path);
		}
	}
	if (json) {
		table_destroy(t);
		print_json(arr);
	} else {
		table_print(t, stdout);
	}
}

int verb_pull(const struct verb *v, int argc, char **argv, struct holos_error **err)
{
	_cleanup_(common_finish) struct common c = COMMON_INIT;
	_cleanup_(strv_finish) struct strv refs = STRV_INIT;
	_cleanup_(project_destroyp) struct project *project = NULL;
	_cleanup_(engine_destroyp) struct engine *e = NULL;
	struct pulled *got = NULL;
	size_t n = 0;
	bool all = false, update = false;
	const struct option_def defs[] = {
		{ "all", 0, OPTION_FLAG, &all, NULL,
		  "all images of the compose file (the default)" },
		{ "update", 0, OPTION_FLAG, &update, NULL,
		  "what publishers have now, and a new " IMAGE_LOCK_FILE },
		OPTIONS_FILE(c),
		OPTIONS_PROJECT(c),
		OPTION_PROGRESS(c),
		OPTIONS_STATE(c),
		OPTIONS_JSON(c),
		OPTIONS_END,
	};
	int r = options_parse(v, defs, false, argc, argv, &refs, err);

	if (r != 0)
		return r;
	if (refs.n != 0 && (all || update))
		return error_set(err, ERR_USAGE,
				 "--%s is about the compose file, and \"%s\" names an image",
				 all ? "all" : "update", refs.v[0]);
	if (refs.n == 0)
		r = cli_project(&c, NULL, &project, err);
	if (r == 0)
		r = cli_engine(&c, "pull", true, &e, err);
	if (r < 0)
		return r;
	n = refs.n;
	if (refs.n != 0)
		r = images_pull(e, refs.v, refs.n, &got, err);
	else
		r = images_pull_project(e, project, update, &got, &n, err);
	if (r < 0)
		return r;
	print(got, n, c.json);
	pulled_free(got, n);
	return 0;
}

const struct verb entry_pull = {
	.name = "pull",
	.operands = "[IMAGE...]",
	.summary = "download images, and write holos.lock",
	.run = verb_pull,
	.group = GROUP_STORE,
	.examples = {
		{ "holos pull debian:13", "before it is needed" },
		{ "holos pull --update", "newer images for the compose file" },
	},
};
