/* SPDX-License-Identifier: Apache-2.0
 *
 * tables.c - the host tables of the test kit: what the plugin says is kept as
 * JSON, what it asks is answered from what the test has set.
 */
#include "kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void set_int(struct json_object *obj, const char *key, uint64_t value)
{
	json_object_object_add(obj, key, json_object_new_int64((int64_t)value));
}

static void add_strings(struct json_object *list, const char *const *v)
{
	for (; v != NULL && *v != NULL; v++)
		json_object_array_add(list, json_object_new_string(*v));
}

/* ---- images ------------------------------------------------------------------- */

static holos_status image_image(holos_image_sink *out, const struct holos_image *i)
{
	struct json_object *o = json_object_new_object();
	int places = (i->path != NULL) + (i->url != NULL) + (i->key != NULL);

	kit_used(out->kit);
	if (!HOLOS_HAS(i, struct holos_image, shares))
		kit_die("struct holos_image is cut short (size %u)", (unsigned)i->size);
	if (i->ref == NULL || places != 1)
		kit_die("an image has a ref, and exactly one of path, url and key");
	kit_set(o, "ref", i->ref);
	kit_set(o, "path", i->path);
	kit_set(o, "url", i->url);
	kit_set(o, "key", i->key);
	kit_set(o, "digest", i->digest);
	kit_set(o, "digest_url", i->digest_url);
	set_int(o, "bytes", i->bytes);
	kit_set(o, "arch", i->arch);
	kit_set(o, "format", i->format);
	kit_set(o, "user", i->user);
	kit_set(o, "init", i->init);
	kit_set(o, "shares", i->shares);
	json_object_array_add(kit_list(out->kit, "images"), o);
	return HOLOS_OK;
}

static const char *image_work_dir(holos_image_sink *out)
{
	return out->work_dir;
}

static const char *image_cache_dir(holos_image_sink *out)
{
	return out->cache_dir;
}

static holos_status image_output(holos_image_sink *out, const char *role, const char *name)
{
	struct json_object *o;

	kit_used(out->kit);
	if (out->work_dir == NULL)
		kit_die("output() belongs to make()");
	if (!json_object_object_get_ex(out->kit->result, "output", &o)) {
		o = json_object_new_object();
		json_object_object_add(out->kit->result, "output", o);
	}
	kit_set(o, role, name);
	return HOLOS_OK;
}

static const struct holos_image_sink_api image_api = {
	.size = sizeof(image_api),
	.image = image_image,
	.work_dir = image_work_dir,
	.cache_dir = image_cache_dir,
	.output = image_output,
};

holos_image_sink *holos_testkit_image_sink(struct holos_testkit *kit, const char *work_dir,
					   const char *cache_dir)
{
	kit->image_sink = (struct holos_image_sink){ kit, work_dir, cache_dir };
	return &kit->image_sink;
}

/* ---- networks ---------------------------------------------------------------- */

static holos_status plan_qemu(holos_plan *plan, const char *const *argv)
{
	kit_used(plan->kit);
	if (argv == NULL || argv[0] == NULL || argv[0][0] != '-')
		kit_die("qemu() takes one option and its value");
	add_strings(kit_list(plan->kit, "qemu"), argv);
	return HOLOS_OK;
}

static holos_status plan_helper(holos_plan *plan, const struct holos_helper *h)
{
	struct json_object *o = json_object_new_object();
	struct json_object *argv = json_object_new_array();

	kit_used(plan->kit);
	if (!HOLOS_HAS(h, struct holos_helper, ready_path) || h->name == NULL || h->argv == NULL ||
	    h->argv[0] == NULL || h->argv[0][0] != '/')
		kit_die("a helper has a name, and a program by its absolute path");
	kit_set(o, "name", h->name);
	add_strings(argv, h->argv);
	json_object_object_add(o, "argv", argv);
	kit_set(o, "ready_path", h->ready_path);
	set_int(o, "ready_timeout_ms", h->ready_timeout_ms);
	json_object_array_add(kit_list(plan->kit, "helpers"), o);
	return HOLOS_OK;
}

static holos_status plan_endpoint(holos_plan *plan, const struct holos_endpoint *e)
{
	struct json_object *o = json_object_new_object();

	kit_used(plan->kit);
	if (!HOLOS_HAS(e, struct holos_endpoint, guest_port))
		kit_die("struct holos_endpoint is cut short (size %u)", (unsigned)e->size);
	set_int(o, "protocol", e->protocol);
	kit_set(o, "host_addr", e->host_addr);
	set_int(o, "host_port", e->host_port);
	set_int(o, "guest_port", e->guest_port);
	json_object_array_add(kit_list(plan->kit, "endpoints"), o);
	return HOLOS_OK;
}

static holos_status plan_file(holos_plan *plan, const char *name, int *fd, const char **path)
{
	struct holos_testkit *kit = plan->kit;
	size_t n = strlen(plan->dir) + strlen(name) + 2;

	kit_used(kit);
	if (name[0] == '\0' || strchr(name, '/') != NULL || kit->n_fds == KIT_FDS_MAX)
		kit_die("file() takes a plain name, not \"%s\"", name);
	*fd = memfd_create(name, MFD_CLOEXEC);
	if (*fd < 0)
		kit_die("cannot make a file");
	kit->fds[kit->n_fds] = *fd;
	kit->paths[kit->n_fds] = kit_alloc(n);
	snprintf(kit->paths[kit->n_fds], n, "%s/%s", plan->dir, name);
	*path = kit->paths[kit->n_fds++];
	json_object_array_add(kit_list(kit, "files"), json_object_new_string(name));
	return HOLOS_OK;
}

static const struct holos_plan_api plan_api = {
	.size = sizeof(plan_api),
	.qemu = plan_qemu,
	.helper = plan_helper,
	.endpoint = plan_endpoint,
	.file = plan_file,
};

holos_plan *holos_testkit_plan(struct holos_testkit *kit, const char *dir)
{
	kit->plan = (struct holos_plan){ kit, dir };
	return &kit->plan;
}

/* ---- importers, provisioning ------------------------------------------------------ */

static holos_status take_json(struct holos_testkit *kit, const char *key, const char *json,
			      size_t len)
{
	struct json_tokener *tok = json_tokener_new();
	struct json_object *o =
		tok != NULL && len < (1u << 30) ? json_tokener_parse_ex(tok, json, (int)len) : NULL;

	json_tokener_free(tok);
	kit_used(kit);
	if (!json_object_is_type(o, json_type_object))
		kit_die("%s is no JSON object: %.*s", key, (int)len, json);
	if (json_object_object_get_ex(kit->result, key, NULL))
		kit_die("%s was given twice", key);
	json_object_object_add(kit->result, key, o);
	return HOLOS_OK;
}

static holos_status importer_model(holos_importer_sink *out, const char *json, size_t len)
{
	return take_json(out->kit, "model", json, len);
}

static void importer_lost(holos_importer_sink *out, uint32_t line, const char *what,
			  const char *why)
{
	struct json_object *o = json_object_new_object();

	kit_used(out->kit);
	set_int(o, "line", line);
	kit_set(o, "what", what);
	kit_set(o, "why", why);
	json_object_array_add(kit_list(out->kit, "lost"), o);
}

static const struct holos_importer_sink_api importer_api = {
	.size = sizeof(importer_api),
	.model = importer_model,
	.lost = importer_lost,
};

holos_importer_sink *holos_testkit_importer_sink(struct holos_testkit *kit)
{
	kit->importer_sink.kit = kit;
	return &kit->importer_sink;
}

static int provision_secret(const holos_call *call, const char *name)
{
	(void)name;
	kit_used(call->kit);
	return call->kit->secret;
}

static holos_status provision_steps(holos_steps_sink *out, const char *json, size_t len)
{
	return take_json(out->kit, "steps", json, len);
}

/* An empty file that lives as long as the call. */
static int provision_medium(const holos_call *call, const char *name)
{
	struct holos_testkit *kit = call->kit;
	int fd;

	kit_used(kit);
	if (kit->n_fds == KIT_FDS_MAX)
		kit_die("more than %d files in one call", KIT_FDS_MAX);
	fd = memfd_create(name, MFD_CLOEXEC);
	if (fd < 0)
		kit_die("cannot make a file");
	kit->paths[kit->n_fds] = NULL;
	kit->fds[kit->n_fds++] = fd;
	json_object_array_add(kit_list(kit, "media"), json_object_new_string(name));
	return fd;
}

static const struct holos_provision_api provision_api = {
	.size = sizeof(provision_api),
	.secret = provision_secret,
	.steps = provision_steps,
	.medium = provision_medium,
};

holos_steps_sink *holos_testkit_steps_sink(struct holos_testkit *kit)
{
	kit->steps_sink.kit = kit;
	return &kit->steps_sink;
}

void holos_testkit_secret(struct holos_testkit *kit, int fd)
{
	kit->secret = fd;
}

/* ---- the guest, downloads ------------------------------------------------------------ */

static void give(char *buf, size_t cap, const char *text)
{
	if (buf != NULL && cap != 0)
		snprintf(buf, cap, "%s", text != NULL ? text : "");
}

static holos_status guest_exec(const struct holos_guest *guest, const struct holos_exec *exec,
			       holos_call *call, struct holos_exec_result *res, holos_error *err)
{
	struct holos_testkit *kit = call->kit;

	(void)guest;
	(void)err;
	kit_used(kit);
	if (!HOLOS_HAS(exec, struct holos_exec, env) ||
	    !HOLOS_HAS(res, struct holos_exec_result, errout_cap))
		kit_die("exec() with structs that are cut short");
	if (kit->guest_status != HOLOS_OK)
		return kit_fail(kit, kit->guest_status, "the guest does not answer");
	res->status = kit->guest_exit;
	give(res->out, res->out_cap, kit->guest_out);
	give(res->errout, res->errout_cap, kit->guest_err);
	return HOLOS_OK;
}

static const struct holos_guest_api guest_api = {
	.size = sizeof(guest_api),
	.exec = guest_exec,
};

void holos_testkit_guest(struct holos_testkit *kit, holos_status status, int32_t exit_status,
			 const char *out, const char *errout)
{
	free(kit->guest_out);
	free(kit->guest_err);
	kit->guest_status = status;
	kit->guest_exit = exit_status;
	kit->guest_out = out != NULL ? kit_strdup(out) : NULL;
	kit->guest_err = errout != NULL ? kit_strdup(errout) : NULL;
}

static holos_status fetch_get(holos_call *call, const char *url, uint64_t max, const char *digest,
			      int fd, holos_error *err)
{
	struct holos_testkit *kit = call->kit;
	size_t done = 0;

	(void)digest;
	(void)err;
	kit_used(kit);
	if (strncmp(url, "https://", 8) != 0)
		kit_die("get() takes https URLs, not %s", url);
	if (kit->doc == NULL)
		return kit_fail(kit, HOLOS_E_UNREACHED, "the server does not answer");
	if (kit->doc_len > max)
		return kit_fail(kit, HOLOS_E_INTEGRITY, "the document is too large");
	while (done < kit->doc_len) {
		ssize_t n = write(fd, kit->doc + done, kit->doc_len - done);

		if (n <= 0)
			return kit_fail(kit, HOLOS_E_IO, "cannot write the document");
		done += (size_t)n;
	}
	return HOLOS_OK;
}

static const struct holos_fetch_api fetch_api = {
	.size = sizeof(fetch_api),
	.get = fetch_get,
};

void holos_testkit_document(struct holos_testkit *kit, const void *data, size_t len)
{
	free(kit->doc);
	kit->doc = NULL;
	kit->doc_len = len;
	if (data != NULL)
		kit->doc = memcpy(kit_alloc(len), data, len);
}

const void *kit_table(const char *id)
{
	static const struct {
		const char *id;
		const void *table;
	} tables[] = {
		{ HOLOS_IMAGE_SINK_ID, &image_api },
		{ HOLOS_PLAN_ID, &plan_api },
		{ HOLOS_IMPORTER_SINK_ID, &importer_api },
		{ HOLOS_PROVISION_API_ID, &provision_api },
		{ HOLOS_GUEST_API_ID, &guest_api },
		{ HOLOS_FETCH_API_ID, &fetch_api },
	};

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		if (strcmp(tables[i].id, id) == 0)
			return tables[i].table;
	}
	return NULL;
}
