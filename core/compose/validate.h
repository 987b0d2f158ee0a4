/* SPDX-License-Identifier: Apache-2.0
 *
 * validate.h - the checks of validate.c that stand in files of their own.
 */
#ifndef COMPOSE_VALIDATE_H
#define COMPOSE_VALIDATE_H

#include <compose/load.h>

/* Host ports: within 1..65535 for every replica, and each used once. */
void validate_ports(struct loader *l, const struct project *p);
/* How many of everything there may be, and how long texts. */
void validate_limits(struct loader *l, const struct project *p);

#endif
