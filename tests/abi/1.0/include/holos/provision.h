/* SPDX-License-Identifier: Apache-2.0
 *
 * holos/provision.h - first-boot configuration.
 *
 * Two roles behind one interface: `translate` turns a description (a
 * Dockerfile) into steps; `seed` turns the steps of one VM into the medium
 * that its guest reads at boot.  The steps are a JSON document owned by the
 * host, read with the cfg_* accessors; docs/steps.md describes every member.
 */
#ifndef HOLOS_PROVISION_H
#define HOLOS_PROVISION_H
#include <holos/plugin.h>

#define HOLOS_PROVISION_ID      "holos.provision/1"
#define HOLOS_PROVISION_API_ID  "holos.provision-host/1"

typedef struct holos_steps_sink holos_steps_sink;

/* Host table HOLOS_PROVISION_API_ID. */
struct holos_provision_api {
	uint32_t size;
	uint32_t reserved;
	/* A secret of this call by name ("ssh_host_ed25519_key"), as a
	 * descriptor at offset 0 that stays the host's; -1: there is none. */
	int (*secret)(const holos_call *call, const char *name);
	/* translate(): the steps, as JSON text of the documented form. */
	holos_status (*steps)(holos_steps_sink *out, const char *json,
	                      size_t len);
	/* seed(): another empty file to write, by name ("context"); -1: it is
	 * not wanted in this call. */
	int (*medium)(const holos_call *call, const char *name);
};

struct holos_provision_ops {
	struct holos_ops head;

	/* Write the seed medium to fd: an empty file that the host names,
	 * syncs and attaches read-only.  NULL if this one only translates. */
	holos_status (*seed)(void *inst, const holos_cfg *steps, int fd,
	                     holos_call *call, holos_error *err);

	/* Read the source (path: absolute, of the main file; its directory is
	 * the context) and report steps and every file they depend on.  NULL
	 * if this one only seeds. */
	holos_status (*translate)(void *inst, const char *path,
	                          holos_call *call, holos_steps_sink *out,
	                          holos_error *err);
};
#endif
