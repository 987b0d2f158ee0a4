/* SPDX-License-Identifier: Apache-2.0
 *
 * constants.c - what abidiff cannot see, and where every field of ABI 1.0 is: held
 * against the headers of today.  It is never changed.
 */
#include <holos/fetch.h>
#include <holos/guest.h>
#include <holos/health.h>
#include <holos/image.h>
#include <holos/importer.h>
#include <holos/net.h>
#include <holos/provision.h>

#include <string.h>

#define IS(what, value) _Static_assert((what) == (value), #what)
#define AT(type, field, offset) \
	_Static_assert(sizeof(void *) != 8 || offsetof(struct type, field) == (offset), \
		       #type "." #field)

IS(HOLOS_ABI_MAJOR, 1);
IS(HOLOS_OK, 0);
IS(HOLOS_E_INTERNAL, -1);
IS(HOLOS_E_CONFIG, -2);
IS(HOLOS_E_NOTFOUND, -3);
IS(HOLOS_E_UNAVAIL, -4);
IS(HOLOS_E_DENIED, -5);
IS(HOLOS_E_AGAIN, -6);
IS(HOLOS_E_TIMEOUT, -7);
IS(HOLOS_E_CANCELLED, -8);
IS(HOLOS_E_INTEGRITY, -9);
IS(HOLOS_E_IO, -10);
IS(HOLOS_E_NOMEM, -11);
IS(HOLOS_E_PASS, -12);
IS(HOLOS_E_UNREACHED, -13);
IS(HOLOS_LOG_ERROR, 3);
IS(HOLOS_LOG_WARN, 4);
IS(HOLOS_LOG_INFO, 6);
IS(HOLOS_LOG_DEBUG, 7);
IS(HOLOS_OPS_PARALLEL, 1u);
IS(sizeof(holos_status), 4);

/* Frozen for all of ABI 1. */
_Static_assert(sizeof(void *) != 8 || sizeof(struct holos_ops) == 32, "struct holos_ops");
AT(holos_ops, flags, 4);
AT(holos_ops, probe, 8);
AT(holos_ops, open, 16);
AT(holos_ops, close, 24);

AT(holos_plugin, size, 0);
AT(holos_plugin, abi_major, 4);
AT(holos_plugin, abi_minor, 6);
AT(holos_plugin, host_minor_min, 8);
AT(holos_plugin, flags, 12);
AT(holos_plugin, name, 16);
AT(holos_plugin, version, 24);
AT(holos_plugin, license, 32);
AT(holos_plugin, homepage, 40);
AT(holos_plugin, ifaces, 48);
AT(holos_plugin, init, 56);
AT(holos_plugin, fini, 64);
AT(holos_iface, id, 8);
AT(holos_iface, name, 16);
AT(holos_iface, ops, 24);
AT(holos_iface, schema, 32);
AT(holos_iface, summary, 40);
AT(holos_host, abi_major, 4);
AT(holos_host, version, 8);
AT(holos_host, query, 16);
AT(holos_host, log, 24);
AT(holos_host, fail, 32);
AT(holos_host, fail_at, 40);
AT(holos_host, fail_hint, 48);
AT(holos_host, cancelled, 56);
AT(holos_host, cancel_fd, 64);
AT(holos_host, deadline_ns, 72);
AT(holos_host, sleep_ns, 80);
AT(holos_host, progress, 88);
AT(holos_host, cfg_json, 96);
AT(holos_host, cfg_str, 104);
AT(holos_host, cfg_int, 112);
AT(holos_host, cfg_bool, 120);
AT(holos_host, cfg_count, 128);
AT(holos_image_ops, list, 32);
AT(holos_image_ops, resolve, 40);
AT(holos_image_ops, make, 48);
AT(holos_net_ops, plan, 32);
AT(holos_net_ops, journal, 40);
AT(holos_net_ops, apply, 48);
AT(holos_net_ops, undo, 56);
AT(holos_health_ops, check, 32);
AT(holos_provision_ops, seed, 32);
AT(holos_provision_ops, translate, 40);
AT(holos_importer_ops, sniff, 32);
AT(holos_importer_ops, convert, 40);
AT(holos_provision_api, secret, 8);
AT(holos_provision_api, steps, 16);
AT(holos_provision_api, medium, 24);
AT(holos_plan_api, qemu, 8);
AT(holos_plan_api, helper, 16);
AT(holos_plan_api, endpoint, 24);
AT(holos_plan_api, file, 32);

int main(void)
{
	return strcmp(HOLOS_IMAGE_ID, "holos.image/1") != 0 ||
	       strcmp(HOLOS_NET_ID, "holos.net/1") != 0 ||
	       strcmp(HOLOS_HEALTH_ID, "holos.health/1") != 0 ||
	       strcmp(HOLOS_PROVISION_ID, "holos.provision/1") != 0 ||
	       strcmp(HOLOS_IMPORTER_ID, "holos.importer/1") != 0 ||
	       strcmp(HOLOS_PLAN_ID, "holos.plan/1") != 0 ||
	       strcmp(HOLOS_IMAGE_SINK_ID, "holos.image-sink/1") != 0 ||
	       strcmp(HOLOS_IMPORTER_SINK_ID, "holos.importer-sink/1") != 0 ||
	       strcmp(HOLOS_GUEST_API_ID, "holos.guest/1") != 0 ||
	       strcmp(HOLOS_FETCH_API_ID, "holos.fetch/1") != 0 ||
	       strcmp(HOLOS_PROVISION_API_ID, "holos.provision-host/1") != 0;
}
