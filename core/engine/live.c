/* SPDX-License-Identifier: Apache-2.0
 *
 * live.c - see live.h.
 */
#include <base/alloc.h>
#include <base/fs.h>
#include <base/jsonx.h>
#include <base/units.h>
#include <engine/context.h>
#include <engine/live.h>
#include <plan/spec.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct json_object *health_options(const struct healthcheck *h)
{
	struct json_object *o = NULL;
	struct json_object *test;

	if (jsonx_parse(h->options, strlen(h->options), "healthcheck options", &o, NULL) < 0)
		o = json_object_new_object();
	if (h->argv[0] == NULL)
		return o;
	test = json_object_new_array();
	if (h->shell) {
		json_object_array_add(test, json_object_new_string("sh"));
		json_object_array_add(test, json_object_new_string("-c"));
	}
	for (const char *const *a = h->argv; *a != NULL; a++)
		json_object_array_add(test, json_object_new_string(*a));
	jsonx_set(o, "test", test);
	return o;
}

void live_fill(const struct plan_vm *vm, struct launch *l)
{
	const struct healthcheck *h = &vm->service->healthcheck;
	const char *bypass = getenv("HOLOS_HEALTH_BYPASS");
	int64_t files;
	bool bypassed = bypass != NULL && *bypass != '\0';

	l->stop_grace_ns = vm->service->stop_grace_period_ns;
	l->restart = (enum launch_restart)vm->service->restart; /* the same order */
	l->restart_max = vm->service->restart_max;
	l->console_max = vm->service->logging.options.max_size;
	if (units_parse_int(vm->service->logging.options.max_file, 1, 100, &files) == 0)
		l->console_files = (unsigned)files - 1; /* besides the current one */
	l->health.set = h->set;
	free(l->health.plugin);
	json_object_put(l->health.options);
	l->health.plugin = NULL;
	l->health.options = NULL;
	if (!h->set)
		return;
	l->health.plugin = xstrdup(bypassed ? "bypass" : h->type);
	l->health.options = bypassed ? json_object_new_object() : health_options(h);
	l->health.interval_ns = h->interval_ns;
	l->health.timeout_ns = h->timeout_ns;
	l->health.start_period_ns = h->start_period_ns;
	l->health.start_interval_ns = h->start_interval_ns;
	l->health.retries = h->retries;
	l->health.restart = h->on_failure == HEALTH_RESTART;
}

int live_write(struct prepare *p, const struct plan_vm *vm, const struct instance_record *rec,
	       struct holos_error **err)
{
	_cleanup_(launch_destroyp) struct launch *l = NULL;
	_cleanup_(json_putp) struct json_object *was = NULL;
	_cleanup_(json_putp) struct json_object *is = NULL;
	_cleanup_(closep) int fd =
		state_open_dir(p->e->state, false, "instances/%s/%s", p->project->name, vm->name);
	int r;

	if (fd < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot open the directory of %s",
				 vm->name);
	r = launch_read(fd, &l, err);
	if (r < 0)
		return r;
	if (strcmp(l->uuid, rec->uuid) != 0)
		return error_set(err, ERR_FAILED, "%s/" LAUNCH_FILE " is for another VM", vm->name);
	was = launch_encode(l);
	live_fill(vm, l);
	is = launch_encode(l);
	if (json_object_equal(was, is))
		return 0;
	r = launch_write(fd, l, err);
	return r < 0 ? r : 1;
}

int live_record(struct prepare *p, const struct plan_vm *vm, struct instance_record *rec,
		struct holos_error **err)
{
	_cleanup_(json_putp) struct json_object *spec = plan_spec(p->project, vm->service);
	_cleanup_(closep) int fd =
		state_open_dir(p->e->state, false, "instances/%s/%s", p->project->name, vm->name);

	if (fd < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot open the directory of %s",
				 vm->name);
	rec->grace_ns = vm->service->stop_grace_period_ns;
	jsonx_set(rec->spec, "live", json_object_get(jsonx_obj(spec, "live")));
	return instance_record_write(fd, rec, true, err);
}
