/* SPDX-License-Identifier: Apache-2.0
 *
 * provision "script" - turns a shell script into the steps of a VM: it is written
 * into the guest and run at the first boot.
 */
#include <holos/provision.h>
#include <holos/util.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SCRIPT_MAX (256 * 1024)

static const struct holos_host *host;

/* Append s as a JSON string; each byte takes at most six. */
static size_t quote(char *to, const char *s, size_t len)
{
	size_t n = 0;

	to[n++] = '"';
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c == '"' || c == '\\')
			to[n++] = '\\';
		if (c >= 0x20)
			to[n++] = (char)c;
		else
			n += (size_t)sprintf(to + n, "\\u%04x", c);
	}
	to[n++] = '"';
	to[n] = '\0';
	return n;
}

static holos_status read_script(const char *path, char *buf, size_t *len, holos_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	ssize_t n = 1;

	*len = 0;
	if (fd < 0)
		return holos_failf(host, err, HOLOS_E_NOTFOUND, errno, "cannot open %.500s", path);
	while (n > 0 && *len < SCRIPT_MAX) {
		n = read(fd, buf + *len, SCRIPT_MAX - *len);
		if (n > 0)
			*len += (size_t)n;
	}
	close(fd);
	if (n < 0)
		return holos_failf(host, err, HOLOS_E_IO, errno, "cannot read %.500s", path);
	if (*len == SCRIPT_MAX)
		return holos_failf(host, err, HOLOS_E_CONFIG, 0, "%.500s is larger than 256 KiB",
				   path);
	if (memchr(buf, '\0', *len) != NULL)
		return holos_failf(host, err, HOLOS_E_CONFIG, 0, "%.500s is no text", path);
	return HOLOS_OK;
}

static holos_status translate(void *inst, const char *path, holos_call *call, holos_steps_sink *out,
			      holos_error *err)
{
	static const char before[] = "{\"files\":[{\"path\":\"/var/lib/holos-script\","
				     "\"permissions\":\"0755\",\"content\":";
	static const char after[] = "}],\"runcmd\":[[\"/var/lib/holos-script\"]]}";
	const struct holos_provision_api *api = host->query(inst, HOLOS_PROVISION_API_ID);
	char *script = malloc(SCRIPT_MAX);
	char *json = malloc(SCRIPT_MAX * 6 + 512);
	holos_status status;
	size_t len = 0, n;

	(void)call;
	if (script == NULL || json == NULL) {
		status = host->fail(err, HOLOS_E_NOMEM, 0, "out of memory");
	} else {
		status = read_script(path, script, &len, err);
		if (status == HOLOS_OK) {
			memcpy(json, before, sizeof(before));
			n = sizeof(before) - 1;
			n += quote(json + n, script, len);
			memcpy(json + n, after, sizeof(after));
			status = api->steps(out, json, n + sizeof(after) - 1);
		}
	}
	free(script);
	free(json);
	return status;
}

static holos_status init(const struct holos_host *h, holos_self *self, void **state,
			 holos_error *err)
{
	(void)err;
	host = h;
	*state = self;
	return HOLOS_OK;
}

static const struct holos_provision_ops ops = {
	.head = { .size = sizeof(ops) },
	.translate = translate,
};

static const struct holos_iface script = {
	.size = sizeof(script),
	.id = HOLOS_PROVISION_ID,
	.name = "script",
	.ops = &ops.head,
	.summary = "runs a shell script at the first boot",
};

static const struct holos_iface *const ifaces[] = { &script, NULL };

static const struct holos_plugin plugin = {
	HOLOS_PLUGIN_HEAD,       .name = "provision-script", .version = "1.0",
	.license = "Apache-2.0", .ifaces = ifaces,           .init = init,
};
HOLOS_PLUGIN(holos_provision_script, plugin);
