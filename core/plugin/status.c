/* SPDX-License-Identifier: Apache-2.0
 *
 * status.c - kinds of plugins, HOLOS_E_* and exit statuses.
 */
#include <plugin/status.h>

#include <holos/health.h>
#include <holos/image.h>
#include <holos/importer.h>
#include <holos/net.h>
#include <holos/provision.h>

#include <string.h>

const struct plugin_kind plugin_kinds[] = {
	{ "image", "image", HOLOS_IMAGE_ID },
	{ "net", "network", HOLOS_NET_ID },
	{ "health", "health", HOLOS_HEALTH_ID },
	{ "provision", "provision", HOLOS_PROVISION_ID },
	{ "importer", "importer", HOLOS_IMPORTER_ID },
};
const size_t n_plugin_kinds = sizeof(plugin_kinds) / sizeof(plugin_kinds[0]);

static const struct {
	enum error_code code;
	const char *name;
} statuses[] = {
	[-HOLOS_OK] = { ERR_FAILED, "ok" },
	[-HOLOS_E_INTERNAL] = { ERR_FAILED, "internal error" },
	[-HOLOS_E_CONFIG] = { ERR_INVALID, "wrong configuration" },
	[-HOLOS_E_NOTFOUND] = { ERR_FAILED, "not found" },
	[-HOLOS_E_UNAVAIL] = { ERR_HOST, "unavailable" },
	[-HOLOS_E_DENIED] = { ERR_HOST, "denied" },
	[-HOLOS_E_AGAIN] = { ERR_FAILED, "try again" },
	[-HOLOS_E_TIMEOUT] = { ERR_TIMEOUT, "timeout" },
	[-HOLOS_E_CANCELLED] = { ERR_INTERRUPTED, "cancelled" },
	[-HOLOS_E_INTEGRITY] = { ERR_VERIFY, "integrity" },
	[-HOLOS_E_IO] = { ERR_FAILED, "i/o error" },
	[-HOLOS_E_NOMEM] = { ERR_FAILED, "out of memory" },
	[-HOLOS_E_PASS] = { ERR_FAILED, "not mine" },
	[-HOLOS_E_UNREACHED] = { ERR_TIMEOUT, "unreached" },
};
#define N_STATUSES ((holos_status)(sizeof(statuses) / sizeof(statuses[0])))

const struct plugin_kind *plugin_kind_find(const char *name)
{
	for (size_t i = 0; i < n_plugin_kinds; i++) {
		if (strcmp(plugin_kinds[i].name, name) == 0)
			return &plugin_kinds[i];
	}
	return NULL;
}

const struct plugin_kind *plugin_kind_of_id(const char *id)
{
	for (size_t i = 0; i < n_plugin_kinds; i++) {
		if (strcmp(plugin_kinds[i].id, id) == 0)
			return &plugin_kinds[i];
	}
	return NULL;
}

enum error_code plugin_status_code(holos_status status)
{
	return status <= 0 && status > -N_STATUSES ? statuses[-status].code : ERR_FAILED;
}

const char *plugin_status_name(holos_status status)
{
	return status <= 0 && status > -N_STATUSES ? statuses[-status].name : "unknown status";
}
