/* SPDX-License-Identifier: Apache-2.0
 *
 * spec.h - what a service says, sorted by what a change of it costs.
 *
 * {"recreate": {...}, "restart": {...}, "live": {...}}: the first needs a new
 * root disk, the second a restart, the third nothing.  Kept with each instance,
 * so that `up` can tell what changed since.  Defaults are left out: a later
 * release that adds a field with its default changes nobody's spec.
 */
#ifndef PLAN_SPEC_H
#define PLAN_SPEC_H

#include <base/strv.h>
#include <compose/project.h>

#include <json-c/json.h>

enum plan_change { PLAN_KEEP, PLAN_LIVE, PLAN_RESTART, PLAN_RECREATE };

/* The caller owns the result. */
struct json_object *plan_spec(const struct project *project, const struct service *service);

const char *plan_change_name(enum plan_change c); /* "keep", "live", ... */

/* SHA-256 over the specs of all services, in hex. */
void plan_project_hash(const struct project *project, char hex[65]);

#endif
