/* SPDX-License-Identifier: Apache-2.0
 *
 * verb_verify.c - holos verify: are the images of the store still what they were?
 * No network.
 */
#include <base/alloc.h>
#include <base/jsonx.h>
#include <cli.h>
#include <engine/imagelist.h>

static const char *verdict_name(enum image_verdict v)
{
	return v == IMAGE_VERIFIED ? "verified" : v == IMAGE_SKIPPED ? "skipped" : "damaged";
}

static void print_line(const struct image_verified *v)
{
	_cleanup_(freep) char *ref = printable(v->ref);

	switch (v->verdict) {
	case IMAGE_VERIFIED:
		printf("%s: verified sha256:%.16s %s\n", ref, v->disk, v->path);
		break;
	case IMAGE_SKIPPED:
		printf("%s: skipped (%s)\n", ref, v->text);
		break;
	case IMAGE_DAMAGED:
		printf("%s: damaged sha256:%.16s %s%s%s%s\n", ref, v->disk, v->path,
		       v->text != NULL ? "; used by " : "", v->text != NULL ? v->text : "",
		       v->set_aside ? "; set aside"
		       : v->running ? "; kept while VMs run on it"
				    : "; kept: the store is in use, or cannot be written");
		break;
	}
}

static struct json_object *describe(const struct image_verified *v)
{
	struct json_object *o = json_object_new_object();

	jsonx_set_str(o, "ref", v->ref);
	jsonx_set_str(o, "verdict", verdict_name(v->verdict));
	jsonx_set_str(o, "digest", NULL);
	if (v->disk != NULL) {
		_cleanup_(freep) char *digest = xasprintf("sha256:%s", v->disk);

		jsonx_set_str(o, "digest", digest);
	}
	jsonx_set_str(o, "image", v->path);
	jsonx_set_str(o, v->verdict == IMAGE_DAMAGED ? "used_by" : "reason", v->text);
	jsonx_set_bool(o, "set_aside", v->set_aside);
	return o;
}

int verb_verify(const struct verb *v, int argc, char **argv, struct holos_error **err)
{
	_cleanup_(common_finish) struct common c = COMMON_INIT;
	_cleanup_(strv_finish) struct strv refs = STRV_INIT;
	_cleanup_(engine_destroyp) struct engine *e = NULL;
	struct image_verified *list = NULL;
	struct json_object *arr;
	bool all = false;
	size_t n = 0;
	const struct option_def defs[] = {
		{ "all", 0, OPTION_FLAG, &all, NULL, "everything that is in the store" },
		OPTION_PROGRESS(c),
		OPTIONS_STATE(c),
		OPTIONS_JSON(c),
		OPTIONS_END,
	};
	int r = options_parse(v, defs, false, argc, argv, &refs, err);

	if (r != 0)
		return r;
	if (all == (refs.n != 0))
		return error_set(err, ERR_USAGE,
				 all ? "verify takes images or --all, not both"
				     : "verify needs images, or --all");
	r = cli_engine(&c, "verify", true, &e, err);
	if (r == 0)
		r = images_verify(e, all ? NULL : refs.v, refs.n, &list, &n, err);
	if (r < 0 && r != -ERR_VERIFY)
		return r;
	arr = json_object_new_array();
	for (size_t i = 0; i < n; i++) {
		if (c.json)
			json_object_array_add(arr, describe(&list[i]));
		else
			print_line(&list[i]);
	}
	if (c.json)
		print_json(arr);
	else
		json_object_put(arr);
	image_verified_free(list, n);
	return r;
}

const struct verb entry_verify = {
	.name = "verify",
	.operands = "IMAGE...",
	.summary = "are the images of the store still what they were?",
	.run = verb_verify,
	.group = GROUP_STORE,
	.examples = {
		{ "holos verify debian:13", "hash it again" },
		{ "holos verify --all", "everything in the store" },
	},
};
