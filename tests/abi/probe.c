/* SPDX-License-Identifier: Apache-2.0
 *
 * probe.c - one function that takes every public struct: abidw sees what it takes.
 */
#include <holos/fetch.h>
#include <holos/guest.h>
#include <holos/health.h>
#include <holos/image.h>
#include <holos/importer.h>
#include <holos/net.h>
#include <holos/provision.h>

struct holos_abi_probe {
	const struct holos_plugin *plugin;
	const struct holos_iface *iface;
	const struct holos_ops *ops;
	const struct holos_host *host;
	const struct holos_image *image;
	const struct holos_image_ops *image_ops;
	const struct holos_image_sink_api *image_sink;
	const struct holos_net_ops *net_ops;
	const struct holos_nic *nic;
	const struct holos_plan_api *plan_api;
	const struct holos_helper *helper;
	const struct holos_endpoint *endpoint;
	const struct holos_health_ops *health_ops;
	const struct holos_guest *guest;
	const struct holos_guest_api *guest_api;
	const struct holos_exec *exec;
	const struct holos_exec_result *exec_result;
	const struct holos_provision_ops *provision_ops;
	const struct holos_provision_api *provision_api;
	const struct holos_importer_ops *importer_ops;
	const struct holos_importer_sink_api *importer_sink;
	const struct holos_fetch_api *fetch_api;
	holos_plugin_fn *function;
};

HOLOS_EXPORT void holos_abi_probe(struct holos_abi_probe *p);
void holos_abi_probe(struct holos_abi_probe *p)
{
	(void)p;
}
