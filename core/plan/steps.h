/* SPDX-License-Identifier: Apache-2.0
 *
 * steps.h - what one VM's guest is to do, as docs/steps.md has it.
 */
#ifndef PLAN_STEPS_H
#define PLAN_STEPS_H

#include <plan/plan.h>

#include <json-c/json.h>
#include <stdbool.h>

/* A named volume as this VM gets it. */
struct plan_volume {
	const char *name;
	const char *target;
	bool read_only;
	bool fresh;   /* made by us and never confirmed to be formatted */
	bool foreign; /* volumes.X.source: somebody's disk, never formatted */
};

struct plan_steps_input {
	const struct plan *plan;
	const struct plan_vm *vm;
	const char *instance_id;
	int64_t made_at;         /* seconds since 1970: which of two lists of hosts is newer */
	const char *user;        /* login user */
	const char *init;        /* "systemd", "openrc", "micro" */
	const char *project_key; /* public line; last of the user's keys */
	const char *host_key;    /* public line of the guest's SSH host key */
	const struct plan_volume *volumes;
	size_t n_volumes;
	bool copies; /* name the files of the context disk: it is to be written */
};

/* Merge a cloud-config (JSON text of the model) into the steps (userdata.c). */
void plan_user_data(struct json_object *steps, const char *text, const char *login);

/* All but the member "hosts".  The caller owns the result. */
struct json_object *plan_steps(const struct plan_steps_input *in);

/* {"hosts": [...]}: the rest, which the VMs of a project mostly have in common
 * (plan_shares_hosts()).  The caller owns the result. */
struct json_object *plan_steps_hosts(const struct plan *plan, const struct plan_vm *vm);

#endif
