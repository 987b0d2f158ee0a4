/* SPDX-License-Identifier: Apache-2.0
 *
 * build.h - what a provision plugin made of a service's Dockerfile, put into the
 * model.
 */
#ifndef COMPOSE_BUILD_H
#define COMPOSE_BUILD_H

#include <compose/project.h>

#include <json-c/json.h>

struct build {
	struct json_object *steps; /* the answer (docs/steps.md); NULL: no Dockerfile */
	char digest[65];           /* of it and of every file it copies */
};

/* builds: one for each service of p.  Fills in build_steps, build_copies and
 * dockerfile_sha256; the image and the healthcheck where the compose file has
 * none.  Errors (ERR_INVALID, with places): an image that is still missing, a
 * healthcheck that somebody waits for and is not there. */
int project_apply_builds(struct project *p, const struct build *builds, struct holos_error **err);

#endif
