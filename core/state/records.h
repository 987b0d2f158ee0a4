/* SPDX-License-Identifier: Apache-2.0
 *
 * records.h - what the CLI writes under the project's lock.
 *
 * instances/<p>/<i>/instance.json says as what a VM was made: it lives and dies
 * with the root disk.  projects/<p>.json is the identity of a project and what
 * its services are; lost or damaged, it is rebuilt from the instances.
 */
#ifndef STATE_RECORDS_H
#define STATE_RECORDS_H

#include <base/cleanup.h>
#include <base/error.h>
#include <compose/project.h>
#include <state/layout.h>
#include <state/vmrecord.h>

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INSTANCE_RECORD_FILE   "instance.json"
#define INSTANCE_RECORD_FORMAT 1
#define PROJECT_RECORD_FORMAT  1
#define RECORD_NICS_MAX        16u

/* One NIC of an instance: kept as long as the instance exists. */
struct record_nic {
	char *network; /* "external" carries the ports */
	char *mac;
	char *address; /* "10.10.0.2/24"; NULL: by DHCP */
};

struct instance_record {
	char *project, *project_id, *service, *name;
	unsigned index;
	char *generation; /* new with each root disk */
	char *uuid;
	struct record_nic *nics;
	size_t n_nics;
	char *user; /* login user of the guest */
	struct vm_port *ports;
	size_t n_ports;
	uint16_t ssh_port;
	char *file, *dir;  /* of the project, as in its record: to rebuild that */
	char *base;        /* path of the backing file; NULL: none (vm.root_disk) */
	char *base_ident;  /* "dev:ino:size:mtime" of a base outside the store; NULL: in it */
	char *root;        /* the root disk */
	char *root_format; /* never guessed again: a guest can write a header */
	char *init;        /* of the image: "systemd", "openrc", "micro" */
	bool launched;     /* a start was prepared: its disk may hold something */
	uint64_t grace_ns; /* stop_grace_period */
	struct json_object *spec; /* what it was made from: plan/spec.h */
	char *created_at;         /* RFC 3339 */
};

/* What a service waits for when it starts. */
struct dependency_record {
	char *service;
	enum dep_condition condition;
	bool required; /* false: its failure does not matter */
	bool restart;  /* when that one is restarted, so is this one */
};

struct service_record {
	char *name;
	unsigned replicas;
	char *user;
	struct dependency_record *depends_on;
	size_t n_depends_on;
};

struct project_record {
	char *name, *id;
	bool foreign; /* written by the existing implementation: read-only for us */
	char *file;   /* real path of the compose file; NULL: stdin */
	char *dir;
	char *spec_hash;
	char *group; /* multicast group of the default network */
	unsigned group_port;
	char *subnet;
	struct json_object *hosts;       /* name -> address */
	struct service_record *services; /* dependencies first */
	size_t n_services;
	char *updated_at;
};

struct instance_record *instance_record_create(void);
void instance_record_destroy(struct instance_record *r); /* NULL is fine */
DEFINE_CLEANUP(struct instance_record *, instance_record_destroyp, instance_record_destroy);

/* Missing: an error with sys_errno ENOENT.  dirfd is the instance's directory. */
int instance_record_read(int dirfd, struct instance_record **ret, struct holos_error **err);
/* A file that says all this already stays as it is.  durable: synced, else the
 * caller does that. */
int instance_record_write(int dirfd, const struct instance_record *r, bool durable,
			  struct holos_error **err);
/* The ports of its last start, as its monitor has them: one of them may have been
 * lost and chosen again since the record was written. */
void instance_record_take_ports(struct instance_record *r, const struct vm_record *vm);
/* The NIC of a network, or NULL. */
const struct record_nic *instance_record_nic(const struct instance_record *r, const char *network);

struct project_record *project_record_create(void);
void project_record_destroy(struct project_record *r); /* NULL is fine */
DEFINE_CLEANUP(struct project_record *, project_record_destroyp, project_record_destroy);

/* Missing: an error with sys_errno ENOENT.  Written by a newer holos: ERR_HOST,
 * and nobody here may change the project. */
int project_record_read(const struct state *s, const char *project, struct project_record **ret,
			struct holos_error **err);
/* snapshot: the instances in the contract's shape (array of services), or NULL.
 * A file that says all this already stays as it is. */
int project_record_write(const struct state *s, const struct project_record *r,
			 struct json_object *snapshot, struct holos_error **err);
int project_record_remove(const struct state *s, const char *project, struct holos_error **err);
struct service_record *project_record_service(const struct project_record *r, const char *name);
/* Does the service wait for the other one?  Its dependency, or NULL. */
const struct dependency_record *service_record_depends(const struct service_record *s,
						       const char *on);
/* One more dependency of a service; it is zeroed but for the name. */
struct dependency_record *service_record_depend(struct service_record *s, const char *on);

#endif
