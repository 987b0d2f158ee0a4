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

static const struct {
	enum plan_change cost;
	enum service_change in_file;
} classes[] = {
	{ PLAN_RECREATE, SERVICE_RECREATE },
	{ PLAN_RESTART, SERVICE_RESTART },
	{ PLAN_LIVE, SERVICE_LIVE },
};
#define N_CLASSES (sizeof(classes) / sizeof(classes[0]))

struct json_object *plan_spec(const struct project *project, const struct service *service)
{
	struct json_object *o = json_object_new_object();

	for (size_t i = 0; i < N_CLASSES; i++)
		jsonx_set(o, plan_change_name(classes[i].cost),
			  service_meaning(project, service, classes[i].in_file));
	return o;
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
		char hash[65];
		_cleanup_(freep) char *text = NULL;

		service_hash_all(project, s, hash);
		text = xasprintf("%s %u %s\n", s->name, s->replicas, hash);
		sha256_add(&h, text, strlen(text));
	}
	sha256_end(&h, d);
	sha256_hex(d, hex);
}
