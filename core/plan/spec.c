/* SPDX-License-Identifier: Apache-2.0
 *
 * spec.c - see spec.h.  Which field is of which class is said by the tables of
 * the compose layer, field by field.
 */
#include <base/alloc.h>
#include <base/jsonx.h>
#include <base/sha256.h>
#include <compose/output.h>
#include <plan/spec.h>

#include <string.h>

/* The dearest first. */
static const struct {
	const char *name;
	enum service_change in_file;
	enum plan_change cost;
} classes[] = {
	{ "recreate", SERVICE_RECREATE, PLAN_RECREATE },
	{ "restart", SERVICE_RESTART, PLAN_RESTART },
	{ "live", SERVICE_LIVE, PLAN_LIVE },
};
#define N_CLASSES (sizeof(classes) / sizeof(classes[0]))

struct json_object *plan_spec(const struct project *project, const struct service *service)
{
	struct json_object *o = json_object_new_object();

	for (size_t i = 0; i < N_CLASSES; i++)
		jsonx_set(o, classes[i].name,
			  service_meaning(project, service, classes[i].in_file));
	return o;
}

static bool equal(struct json_object *a, struct json_object *b)
{
	_cleanup_(freep) char *x = json_canonical(a);
	_cleanup_(freep) char *y = json_canonical(b);

	return strcmp(x, y) == 0;
}

static void add_change(struct strv *changes, const char *path, struct json_object *was,
		       struct json_object *is)
{
	_cleanup_(freep) char *x = was != NULL ? json_canonical(was) : xstrdup("(default)");
	_cleanup_(freep) char *y = is != NULL ? json_canonical(is) : xstrdup("(default)");

	if (changes != NULL)
		strv_addf(changes, "%s: %s -> %s", path, x, y);
}

static bool has_members(struct json_object *v)
{
	return json_object_is_type(v, json_type_object) && json_object_object_length(v) != 0;
}

static bool differences(const char *prefix, struct json_object *was, struct json_object *is,
			struct strv *changes);

/* One member that differs; NULL: it is missing.  An object is told member by
 * member, also where there was none: "vm.vcpu: (default) -> 2". */
static void difference(const char *path, struct json_object *was, struct json_object *is,
		       struct strv *changes)
{
	_cleanup_(json_putp) struct json_object *nothing = json_object_new_object();
	_cleanup_(freep) char *below = xasprintf("%s.", path);
	bool both = json_object_is_type(was, json_type_object) &&
		    json_object_is_type(is, json_type_object);

	if (both || (was == NULL && has_members(is)) || (is == NULL && has_members(was)))
		(void)differences(below, was != NULL ? was : nothing, is != NULL ? is : nothing,
				  changes);
	else
		add_change(changes, path, was, is);
}

/* Add "PATH: old -> new" for each member that differs; true when one does. */
static bool differences(const char *prefix, struct json_object *was, struct json_object *is,
			struct strv *changes)
{
	bool any = false;
	struct json_object *v;

	json_object_object_foreach (is, key, new_value) {
		_cleanup_(freep) char *path = xasprintf("%s%s", prefix, key);

		v = NULL;
		if (json_object_object_get_ex(was, key, &v) && equal(v, new_value))
			continue;
		any = true;
		difference(path, v, new_value, changes);
	}
	json_object_object_foreach (was, old_key, old_value) {
		_cleanup_(freep) char *path = xasprintf("%s%s", prefix, old_key);

		if (json_object_object_get_ex(is, old_key, NULL))
			continue;
		any = true;
		difference(path, old_value, NULL, changes);
	}
	return any;
}

enum plan_change plan_spec_compare(struct json_object *was, struct json_object *is,
				   struct strv *changes)
{
	_cleanup_(json_putp) struct json_object *nothing = json_object_new_object();
	enum plan_change change = PLAN_KEEP;

	if (was == NULL)
		return PLAN_RECREATE;
	for (size_t i = 0; i < N_CLASSES; i++) {
		struct json_object *a = jsonx_obj(was, classes[i].name);
		struct json_object *b = jsonx_obj(is, classes[i].name);

		if (differences("", a != NULL ? a : nothing, b != NULL ? b : nothing, changes) &&
		    classes[i].cost > change)
			change = classes[i].cost;
	}
	return change;
}

const char *plan_change_name(enum plan_change c)
{
	static const char *const names[] = { "keep", "live", "restart", "recreate" };

	return names[c];
}

void plan_project_hash(const struct project *project, char hex[65])
{
	struct sha256 h;
	uint8_t d[32];

	sha256_init(&h);
	for (size_t i = 0; i < project->n_services; i++) {
		const struct service *s = &project->services[project->order[i]];
		struct service_hashes hashes;
		_cleanup_(freep) char *text = NULL;

		service_hash(project, s, &hashes);
		text = xasprintf("%s %u %s\n", s->name, s->replicas, hashes.all);
		sha256_add(&h, text, strlen(text));
	}
	sha256_end(&h, d);
	sha256_hex(d, hex);
}
