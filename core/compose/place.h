/* SPDX-License-Identifier: Apache-2.0
 *
 * place.h - where in the files a value of a loaded project stands.
 */
#ifndef COMPOSE_PLACE_H
#define COMPOSE_PLACE_H

#include <compose/project.h>

/* Keys of the canonical form that lie outside the service: what its volumes
 * and networks are (output.h). */
#define PLACE_VOLUMES  "volumes of the project"
#define PLACE_NETWORKS "networks of the project"

/* The place of a value: keys lead to it from the service as service_meaning()
 * nests them, NULL-terminated; "[2]" is an item of a list.  What the file does
 * not say (any more) is where the nearest thing above it is.  line 0: nowhere. */
struct mark project_place(const struct project *p, const char *service, char *const *keys);

#endif
