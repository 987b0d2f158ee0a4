/* SPDX-License-Identifier: Apache-2.0
 *
 * ports.h - host ports: fixed ones are checked, ephemeral ones chosen.
 *
 * A check is a bind that is undone: another process may come between it and
 * QEMU.  That race is lost now and then; the start is then tried with others.
 */
#ifndef ENGINE_PORTS_H
#define ENGINE_PORTS_H

#include <base/error.h>
#include <compose/project.h>
#include <monitor/launch.h>

#include <stdbool.h>
#include <stdint.h>

struct ports; /* what this command has handed out */

struct ports *ports_create(void);
void ports_destroy(struct ports *p); /* NULL is fine */

/* Can (address, port) be bound now?  0, or -errno. */
int ports_try(const char *address, bool udp, uint16_t port);
/* What the project's file names, started now or not, is never chosen. */
void ports_reserve(struct ports *p, const struct project *project);
const struct launch_range *ports_reserved(const struct ports *p, size_t *ret_n); /* borrowed */
/* A free port, marked as handed out.  The numbers of
 * HOLOS_TEST_EPHEMERAL_PORTS come first, unchecked (tests of the race). */
int ports_choose(struct ports *p, const char *address, bool udp, uint16_t *ret,
		 struct holos_error **err);
/* Keep `port`, which was chosen before, if it is free, neither reserved nor
 * handed out; false when it is not. */
bool ports_keep(struct ports *p, const char *address, bool udp, uint16_t port);
/* The same for a port that the file names. */
bool ports_take(struct ports *p, const char *address, bool udp, uint16_t port);
/* Who listens there, as far as /proc lets us see: "nginx, pid 712"; the caller
 * frees, NULL when unknown. */
char *ports_holder(const char *address, bool udp, uint16_t port);

#endif
