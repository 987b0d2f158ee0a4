/* SPDX-License-Identifier: Apache-2.0
 *
 * devices.h - the PCI devices that a project's services are given, against those of
 * this host (vm/vfio.h).
 */
#ifndef ENGINE_DEVICES_H
#define ENGINE_DEVICES_H

#include <compose/project.h>
#include <vm/vfio.h>

/* s is one service that has the problem, p->text says which device. */
typedef void device_problem_fn(void *data, const struct service *s, const struct vfio_problem *p);

/* Tell fn of everything that keeps these services (NULL: all; else one flag per
 * service of the project) from their devices.  Nothing is looked at when none has
 * any.  ERR_HOST: sysfs cannot be read. */
int devices_check(const struct project *p, const bool *services, device_problem_fn *fn, void *data,
		  struct holos_error **err);

#endif
