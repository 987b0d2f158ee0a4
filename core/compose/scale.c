/* SPDX-License-Identifier: Apache-2.0
 *
 * scale.c - other numbers of replicas than the file says, for one command.
 */
#include <compose/load.h>

#include <string.h>

static void set_replicas(struct loader *l, const struct service_scale *scale)
{
	for (size_t i = 0; i < l->n_services; i++) {
		if (strcmp(l->services[i].name, scale->service) == 0)
			l->services[i].replicas = scale->replicas;
	}
}

void scale_up(struct loader *l)
{
	for (size_t i = 0; i < l->opts->n_scale; i++) {
		if (l->opts->scale[i].replicas > 0)
			set_replicas(l, &l->opts->scale[i]);
	}
}

void scale_to_none(struct loader *l)
{
	for (size_t i = 0; i < l->opts->n_scale; i++) {
		if (l->opts->scale[i].replicas == 0)
			set_replicas(l, &l->opts->scale[i]);
	}
}
