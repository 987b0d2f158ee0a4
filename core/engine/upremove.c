/* SPDX-License-Identifier: Apache-2.0
 *
 * upremove.c - take away VMs that the file does not want, when that is allowed:
 * dependents first, and their root disks with them.  Volumes stay, also those of
 * one replica.
 */
#include <base/alloc.h>
#include <engine/stop.h>
#include <engine/up.h>

int up_remove_surplus(struct up *u, struct holos_error **err)
{
	_cleanup_(freep) bool *chosen = xcalloc(u->was->n_vms, sizeof(bool));
	struct stop_options options = { 0 };
	bool any = false;
	int r;

	for (size_t i = 0; i < u->n_surplus; i++) {
		chosen[u->surplus[i].status - u->was->vms] = u->surplus[i].allowed;
		any = any || u->surplus[i].allowed;
	}
	if (!any)
		return 0;
	r = stop_chosen(u->e, u->was, chosen, &options, false, err);
	return r == 0 ? remove_chosen(u->e, u->was, chosen, err) : r;
}
