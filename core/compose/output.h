/* SPDX-License-Identifier: Apache-2.0
 *
 * output.h - a project written out again, and hashes of what it means.
 */
#ifndef COMPOSE_OUTPUT_H
#define COMPOSE_OUTPUT_H

#include <compose/project.h>

#include <json-c/json.h>

/* The resolved model in its canonical form, defaults filled in (`config
 * --json`); as a compose file it loads to the same model again.  The caller
 * owns the result. */
struct json_object *project_to_json(const struct project *p);
/* The same as YAML; the caller frees. */
char *project_to_yaml(const struct project *p);

/* Double the dollar signs of a compose file's model whose values are as they are
 * meant, where loading it would replace variables. */
void project_json_escape(struct json_object *root);

/* Hex SHA-256 digests of what a service means: independent of the order and
 * form in which the file says it, and of fields that have their default, so
 * that a field added by a later release changes nothing.  `all` covers all but
 * name, replicas and profiles; the others cover what can be changed in a running VM
 * (live), by restarting it (restart), only with a new root disk (recreate).
 * The text of the Dockerfile is in, what it copies is not: that is known to the
 * provision plugin alone. */
struct service_hashes {
	char all[65];
	char live[65];
	char restart[65];
	char recreate[65];
};

/* What a change of a service costs at the least. */
enum service_change { SERVICE_LIVE, SERVICE_RESTART, SERVICE_RECREATE };

/* The fields of one class as service_hash() sees them: nested as in the file,
 * without defaults.  The caller owns the result, an object. */
struct json_object *service_meaning(const struct project *p, const struct service *s,
				    enum service_change change);

void service_hash(const struct project *p, const struct service *s, struct service_hashes *ret);
/* Its `all` alone, for less than half of the work. */
void service_hash_all(const struct project *p, const struct service *s, char hex[65]);

/* JSON with sorted keys and without spaces: equal values give equal text.  The
 * caller frees. */
char *json_canonical(struct json_object *o);

#endif
