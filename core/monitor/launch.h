/* SPDX-License-Identifier: Apache-2.0
 *
 * launch.h - launch.json: all that a monitor must know to run one VM.
 *
 * Written by the engine before a start, read by the monitor, and written again
 * by it when a chosen port was lost (forwards.c); its format lives here alone.
 */
#ifndef MONITOR_LAUNCH_H
#define MONITOR_LAUNCH_H

#include <base/cleanup.h>
#include <base/error.h>
#include <state/vmport.h>

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LAUNCH_FILE        "launch.json"
#define LAUNCH_FORMAT      1
#define LAUNCH_MAX         (4u << 20) /* bytes of the file */
#define LAUNCH_HELPERS_MAX 16u
#define LAUNCH_RANGES_MAX  65536u
#define LAUNCH_NICS_MAX    64u

enum launch_restart {
	LAUNCH_RESTART_NO,
	LAUNCH_RESTART_ALWAYS,
	LAUNCH_RESTART_UNLESS_STOPPED,
	LAUNCH_RESTART_ON_FAILURE
};

/* A program that must run beside QEMU: a network's switch, passt. */
struct launch_helper {
	char *name;
	char **argv;      /* NULL-terminated; [0] is the program, absolute */
	char *ready_path; /* it is ready when this exists; NULL: at once */
	uint64_t ready_timeout_ns;
};

/* Host ports, both ends included. */
struct launch_range {
	uint16_t first, last;
};

struct launch {
	char *project, *project_id, *service, *instance, *uuid;
	unsigned index;
	char *program; /* QEMU, absolute */
	char **argv;   /* NULL-terminated, argv[0] included */
	struct vm_port *ports;
	size_t n_ports;
	uint16_t ssh_port;             /* 0: none; always chosen, on 127.0.0.1 */
	struct launch_range *reserved; /* what must not be chosen: others want it */
	size_t n_reserved;
	struct launch_helper *helpers;
	size_t n_helpers;
	struct json_object *networks; /* what a restart asks of network drivers that change the
				       * machine (engine/nics.h); NULL: nothing */
	uint64_t stop_grace_ns;       /* default 30 s */
	uint64_t qmp_timeout_ns;      /* from exec to QMP's answer; default 30 s */

	enum launch_restart restart;
	unsigned restart_max; /* on-failure; 0: no limit */

	struct {
		bool set;
		char *plugin;
		struct json_object *options; /* "test" included; never NULL when set */
		uint64_t interval_ns, timeout_ns, start_period_ns, start_interval_ns;
		unsigned retries;
		bool restart; /* on_failure */
	} health;
	struct {
		char *user;     /* NULL: no way into the guest */
		char *key;      /* path of the private key */
		char *host_key; /* path of the expected host key (known_hosts form) */
	} guest;
	uint64_t console_max;   /* bytes; 0: never rotated; default 10 MiB */
	unsigned console_files; /* kept besides the current one; default 2 */
	char *plugin_path;      /* of the workers; NULL: theirs */
};

struct launch *launch_create(void);    /* defaults filled in */
void launch_destroy(struct launch *l); /* NULL is fine */
DEFINE_CLEANUP(struct launch *, launch_destroyp, launch_destroy);

struct json_object *launch_encode(const struct launch *l); /* the caller owns it */
int launch_decode(struct json_object *obj, const char *what, struct launch **ret,
		  struct holos_error **err);
int launch_read(int dirfd, struct launch **ret, struct holos_error **err);
/* Whole, and not synced: it is made again before each start, and a VM does not
 * outlive the machine's power. */
int launch_write(int dirfd, const struct launch *l, struct holos_error **err);

#endif
