/* SPDX-License-Identifier: Apache-2.0
 *
 * steps.c - see steps.h.
 */
#include <base/alloc.h>
#include <base/jsonx.h>
#include <base/strbuf.h>
#include <plan/steps.h>

#include <string.h>

/* Read by the script of a Dockerfile (plugins/provision/dockerfile/build.sh). */
#define BUILD_ENV "/var/lib/holos/build.env"

static struct json_object *user(const struct plan_steps_input *in)
{
	struct json_object *o = json_object_new_object();
	struct json_object *keys = json_object_new_array();
	const char *const *k = in->vm->service->cloud_init.ssh_authorized_keys;

	for (; *k != NULL; k++)
		json_object_array_add(keys, json_object_new_string(*k));
	json_object_array_add(keys, json_object_new_string(in->project_key));
	jsonx_set_str(o, "name", in->user);
	jsonx_set(o, "authorized_keys", keys);
	return o;
}

struct json_object *plan_steps_hosts(const struct plan *plan, const struct plan_vm *vm)
{
	struct json_object *all = json_object_new_object();
	struct json_object *arr = json_object_new_array();
	struct plan_host *h;
	size_t n = plan_hosts(plan, vm, &h);

	for (size_t i = 0; i < n; i++) {
		struct json_object *o = json_object_new_object();
		struct json_object *names = json_object_new_array();

		for (const char **name = h[i].names; *name != NULL; name++)
			json_object_array_add(names, json_object_new_string(*name));
		jsonx_set_str(o, "address", h[i].address);
		jsonx_set(o, "names", names);
		json_object_array_add(arr, o);
	}
	plan_hosts_free(h, n);
	jsonx_set(all, "hosts", arr);
	return all;
}

static struct json_object *nics(const struct plan_vm *vm)
{
	struct json_object *arr = json_object_new_array();

	for (size_t i = 0; i < vm->n_nics; i++) {
		struct json_object *o = json_object_new_object();
		/* The contract's names for the first two. */
		_cleanup_(freep) char *name = i == 0   ? xstrdup("external")
					      : i == 1 ? xstrdup("internal")
						       : xasprintf("internal%zu", i);

		jsonx_set_str(o, "name", name);
		jsonx_set_str(o, "mac", vm->nics[i].mac);
		if (vm->nics[i].address == NULL) {
			jsonx_set_bool(o, "dhcp4", true);
		} else {
			struct json_object *a = json_object_new_array();

			json_object_array_add(a, json_object_new_string(vm->nics[i].address));
			jsonx_set(o, "addresses", a);
		}
		json_object_array_add(arr, o);
	}
	return arr;
}

static struct json_object *volumes(const struct plan_steps_input *in)
{
	struct json_object *arr = json_object_new_array();

	for (size_t i = 0; i < in->n_volumes; i++) {
		const struct plan_volume *v = &in->volumes[i];
		struct json_object *o = json_object_new_object();
		char serial[21];

		plan_volume_serial(v->name, serial);
		jsonx_set_str(o, "name", v->name);
		jsonx_set_str(o, "serial", serial);
		jsonx_set_str(o, "target", v->target);
		jsonx_set_bool(o, "read_only", v->read_only);
		jsonx_set_bool(o, "fresh", v->fresh);
		if (v->foreign)
			jsonx_set_str(o, "filesystem", "auto");
		json_object_array_add(arr, o);
	}
	return arr;
}

static struct json_object *mounts(const struct service *s)
{
	struct json_object *arr = json_object_new_array();

	for (size_t i = 0; i < s->n_mounts; i++) {
		struct json_object *o;
		char tag[32];

		if (s->mounts[i].type != MOUNT_BIND)
			continue;
		o = json_object_new_object();
		plan_mount_tag(i, s->mounts[i].target, tag);
		jsonx_set_str(o, "type", "9p");
		jsonx_set_str(o, "tag", tag);
		jsonx_set_str(o, "target", s->mounts[i].target);
		jsonx_set_bool(o, "read_only", s->mounts[i].read_only);
		json_object_array_add(arr, o);
	}
	return arr;
}

/* Both lists, those of the Dockerfile's steps first. */
static void put_lists(struct json_object *o, const char *key, struct json_object *build,
		      struct json_object *own)
{
	struct json_object *first = jsonx_arr(build, key);
	struct json_object *all = json_object_new_array();

	for (size_t i = 0; i < jsonx_len(first); i++)
		json_object_array_add(all, json_object_get(json_object_array_get_idx(first, i)));
	for (size_t i = 0; i < jsonx_len(own); i++)
		json_object_array_add(all, json_object_get(json_object_array_get_idx(own, i)));
	json_object_put(own);
	jsonx_set(o, key, all);
}

/* The compose file's variables for the script of a Dockerfile, over its own. */
static void add_build_env(struct json_object *arr, const struct service *s)
{
	struct json_object *o = json_object_new_object();
	struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; i < s->n_environment; i++) {
		strbuf_addf(&b, "export %s=", s->environment[i].key);
		strbuf_add_quoted(&b, s->environment[i].value);
		strbuf_addc(&b, '\n');
	}
	jsonx_set_str(o, "path", BUILD_ENV);
	jsonx_set_str(o, "content", b.s);
	json_object_array_add(arr, o);
	strbuf_finish(&b);
}

static struct json_object *files(const struct service *s)
{
	const struct cloud_init *ci = &s->cloud_init;
	struct json_object *arr = json_object_new_array();

	if (s->build_steps != NULL && s->n_environment != 0)
		add_build_env(arr, s);
	for (size_t i = 0; i < ci->n_write_files; i++) {
		struct json_object *o = json_object_new_object();

		jsonx_set_str(o, "path", ci->write_files[i].path);
		jsonx_set_str(o, "content", ci->write_files[i].content);
		jsonx_set_str(o, "permissions", ci->write_files[i].permissions);
		jsonx_set_str(o, "owner", ci->write_files[i].owner);
		json_object_array_add(arr, o);
	}
	return arr;
}

static struct json_object *strings(const char *const *v)
{
	struct json_object *arr = json_object_new_array();

	for (; *v != NULL; v++)
		json_object_array_add(arr, json_object_new_string(*v));
	return arr;
}

static struct json_object *commands(const struct guest_command *c, size_t n)
{
	struct json_object *arr = json_object_new_array();

	for (size_t i = 0; i < n; i++)
		json_object_array_add(arr, c[i].shell ? json_object_new_string(c[i].argv[0])
						      : strings(c[i].argv));
	return arr;
}

static bool has_variable(const struct service *s, const char *name)
{
	for (size_t i = 0; i < s->n_environment; i++) {
		if (strcmp(s->environment[i].key, name) == 0)
			return true;
	}
	return false;
}

/* The compose file wins over ENV. */
static struct json_object *environment(const struct service *s, struct json_object *build)
{
	struct json_object *env = jsonx_arr(build, "environment");
	struct json_object *arr = json_object_new_array();

	for (size_t i = 0; i < jsonx_len(env); i++) {
		struct json_object *var = json_object_array_get_idx(env, i);

		if (!has_variable(s, jsonx_str(var, "name", "")))
			json_object_array_add(arr, json_object_get(var));
	}
	for (size_t i = 0; i < s->n_environment; i++) {
		struct json_object *o = json_object_new_object();

		jsonx_set_str(o, "name", s->environment[i].key);
		jsonx_set_str(o, "value", s->environment[i].value);
		json_object_array_add(arr, o);
	}
	return arr;
}

struct json_object *plan_steps(const struct plan_steps_input *in)
{
	const struct service *s = in->vm->service;
	struct json_object *o = json_object_new_object();
	struct json_object *key = json_object_new_object();
	_cleanup_(json_putp) struct json_object *build = NULL;

	/* Ours, written by json-c: it is read as it was. */
	if (s->build_steps != NULL)
		build = json_tokener_parse(s->build_steps);

	jsonx_set_int(o, "format", 1);
	jsonx_set_str(o, "instance_id", in->instance_id);
	jsonx_set_int(o, "made_at", in->made_at);
	jsonx_set_str(o, "hostname", s->hostname != NULL ? s->hostname : in->vm->name);
	jsonx_set_str(o, "init", in->init);
	jsonx_set(o, "user", user(in));
	jsonx_set_str(key, "public", in->host_key);
	jsonx_set(o, "ssh_host_key", key);
	jsonx_set(o, "nics", nics(in->vm));
	jsonx_set(o, "volumes", volumes(in));
	jsonx_set(o, "mounts", mounts(s));
	put_lists(o, "files", build, files(s));
	jsonx_set(o, "packages", strings(s->cloud_init.packages));
	jsonx_set(o, "environment", environment(s, build));
	jsonx_set(o, "bootcmd", commands(s->cloud_init.bootcmd, s->cloud_init.n_bootcmd));
	jsonx_set_int(o, "required", (int64_t)jsonx_len(jsonx_arr(build, "runcmd")));
	put_lists(o, "runcmd", build, commands(s->cloud_init.runcmd, s->cloud_init.n_runcmd));
	if (in->copies && s->build_copies != NULL) {
		jsonx_set_str(o, "context", jsonx_str(build, "context", NULL));
		jsonx_set(o, "copies", json_tokener_parse(s->build_copies));
	}
	jsonx_set_bool(o, "serial_console", false); /* a shell without a password is not for all */
	if (s->cloud_init.user_data != NULL)
		plan_user_data(o, s->cloud_init.user_data, in->user);
	return o;
}
