/* SPDX-License-Identifier: Apache-2.0
 *
 * manual.h - the keys of the compose file as a man page.
 */
#ifndef COMPOSE_MANUAL_H
#define COMPOSE_MANUAL_H

#include <stdio.h>

/* Sections of scdoc(5) source: what the file is, and every key of it, by the tables
 * of fields.h. */
void compose_manual(FILE *to);

#endif
