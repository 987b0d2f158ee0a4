/* SPDX-License-Identifier: Apache-2.0
 *
 * unit.h - the systemd unit that starts a project with the host, as text.
 */
#ifndef ENGINE_UNIT_H
#define ENGINE_UNIT_H

#include <compose/project.h>

#include <stdbool.h>
#include <stdint.h>

/* Everything is borrowed; lists are NULL-terminated; paths are absolute and hold no
 * control characters. */
struct unit {
	bool system;      /* of the system's manager, not of a user's */
	const char *user; /* system: who runs it; NULL: root */
	const char *program, *state_dir, *project;
	const char *const *files;     /* -f */
	const char *const *env_files; /* --env-file */
	const char *const *profiles;  /* --profile */
	const char *const *env;       /* NAME=VALUE */
	uint64_t start_ns, stop_ns;   /* what start and stop may take */
};

/* How every one begins. */
#define UNIT_MARK "# Made by holos install"

/* The caller frees. */
char *unit_text(const struct unit *u);

/* How long `up` may take before systemd gives it up: 5 minutes, and what healthchecks
 * may use. */
uint64_t unit_start_ns(const struct project *p);
/* ... and `stop`: the guests' grace periods, one after the other. */
uint64_t unit_stop_ns(const struct project *p);

#endif
