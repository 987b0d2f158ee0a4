/* SPDX-License-Identifier: Apache-2.0
 *
 * mockhost.c - see mockhost.h.
 */
#include "mockhost.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

const struct holos_plugin *holos_provision_cloud_init_LTX_holos_plugin_v1(void);

struct holos_cfg {
	struct json_object *root;
};

struct holos_error {
	struct mock_error *to;
};

struct holos_call {
	int key_fd;
};

static int get(const holos_cfg *cfg, const char *pointer, enum json_type type,
	       struct json_object **ret)
{
	return json_pointer_get(cfg->root, pointer, ret) == 0 && json_object_is_type(*ret, type);
}

static const char *cfg_str(const holos_cfg *cfg, const char *pointer, const char *fallback)
{
	struct json_object *o;

	return get(cfg, pointer, json_type_string, &o) ? json_object_get_string(o) : fallback;
}

static int64_t cfg_int(const holos_cfg *cfg, const char *pointer, int64_t fallback)
{
	struct json_object *o;

	return get(cfg, pointer, json_type_int, &o) ? json_object_get_int64(o) : fallback;
}

static int32_t cfg_bool(const holos_cfg *cfg, const char *pointer, int32_t fallback)
{
	struct json_object *o;

	return get(cfg, pointer, json_type_boolean, &o) ? json_object_get_boolean(o) : fallback;
}

static int64_t cfg_count(const holos_cfg *cfg, const char *pointer)
{
	struct json_object *o;

	return get(cfg, pointer, json_type_array, &o) ? (int64_t)json_object_array_length(o) : -1;
}

static holos_status fail(holos_error *err, holos_status code, int32_t sys_errno, const char *msg)
{
	(void)sys_errno;
	if (err->to->code == HOLOS_OK) {
		err->to->code = code;
		snprintf(err->to->message, sizeof(err->to->message), "%s", msg);
	}
	return code;
}

static void fail_at(holos_error *err, const holos_cfg *cfg, const char *pointer)
{
	(void)cfg;
	snprintf(err->to->pointer, sizeof(err->to->pointer), "%s", pointer);
}

static int secret(const holos_call *call, const char *name)
{
	return strcmp(name, "ssh_host_ed25519_key") == 0 ? call->key_fd : -1;
}

int mock_context = -1;

static int medium(const holos_call *call, const char *name)
{
	(void)call;
	return strcmp(name, "context") == 0 ? mock_context : -1;
}

static const struct holos_provision_api api = { .size = sizeof(api),
						.secret = secret,
						.medium = medium };

static int32_t cancelled(const holos_call *call)
{
	(void)call;
	return 0;
}

static void progress(holos_call *call, const char *what, uint64_t done, uint64_t total)
{
	(void)call;
	(void)what;
	(void)done;
	(void)total;
}

static const void *query(holos_self *self, const char *id)
{
	(void)self;
	return strcmp(id, HOLOS_PROVISION_API_ID) == 0 ? &api : NULL;
}

static const struct holos_host host = {
	.size = sizeof(host),
	.abi_major = HOLOS_ABI_MAJOR,
	.version = "test",
	.query = query,
	.fail = fail,
	.fail_at = fail_at,
	.cancelled = cancelled,
	.progress = progress,
	.cfg_str = cfg_str,
	.cfg_int = cfg_int,
	.cfg_bool = cfg_bool,
	.cfg_count = cfg_count,
};

holos_status mock_seed_fd(struct json_object *steps, const char *key, int fd,
			  struct mock_error *ret_error)
{
	const struct holos_plugin *plugin = holos_provision_cloud_init_LTX_holos_plugin_v1();
	const struct holos_provision_ops *ops = (const void *)plugin->ifaces[0]->ops;
	struct holos_cfg cfg = { steps };
	struct holos_error err = { ret_error };
	struct holos_call call = { -1 };
	void *state = NULL;
	holos_status status;

	memset(ret_error, 0, sizeof(*ret_error));
	if (key != NULL) {
		call.key_fd = memfd_create("key", MFD_CLOEXEC);
		if (call.key_fd < 0 ||
		    write(call.key_fd, key, strlen(key)) != (ssize_t)strlen(key) ||
		    lseek(call.key_fd, 0, SEEK_SET) != 0)
			abort();
	}
	status = plugin->init(&host, NULL, &state, &err);
	if (status == HOLOS_OK)
		status = ops->seed(state, &cfg, fd, &call, &err);
	if (call.key_fd >= 0)
		close(call.key_fd);
	return status;
}

void mock_seed(struct json_object *steps, const char *key, struct mock_result *ret)
{
	int fd = memfd_create("seed", MFD_CLOEXEC);
	struct stat st;

	memset(ret, 0, sizeof(*ret));
	if (fd < 0)
		abort();
	ret->status = mock_seed_fd(steps, key, fd, &ret->error);
	if (ret->status == HOLOS_OK) {
		if (fstat(fd, &st) < 0)
			abort();
		ret->iso_len = (size_t)st.st_size;
		ret->iso = malloc(ret->iso_len);
		if (ret->iso == NULL ||
		    pread(fd, ret->iso, ret->iso_len, 0) != (ssize_t)ret->iso_len)
			abort();
	}
	close(fd);
}
