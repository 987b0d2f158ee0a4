/* SPDX-License-Identifier: Apache-2.0
 *
 * calls.h - what can be asked of a plugin, typed.
 *
 * Every call comes in two halves: X_request() fills a worker_request whose
 * arguments the caller owns (json_object_put(rq.args)), X_parse() reads the
 * answer.  An engine with a loop uses them with worker_call(); X() does both
 * and waits.  Answers are checked here: a plugin that leaves something out or
 * contradicts itself gets an error of its own.
 */
#ifndef PLUGIN_CALLS_H
#define PLUGIN_CALLS_H

#include <base/strv.h>
#include <plugin/client.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- images ------------------------------------------------------------- */

/* One image; see struct holos_image.  Exactly one of path, url, key is set. */
struct image_info {
	char *ref;
	char *path, *url, *key;
	char *digest, *digest_url; /* NULL: none */
	uint64_t bytes;            /* 0: unknown */
	char *arch;                /* NULL: unknown */
	char *format;              /* "qcow2" or "raw" */
	char *user;                /* NULL: unknown */
	char *init;                /* NULL: unknown */
	char *shares;              /* NULL: unknown; "" none; "9p virtiofs" */
};

struct image_list {
	struct image_info *images;
	size_t n;
};

/* What make() left in the work directory: file names in it. */
struct image_files {
	char *disk;
	char *kernel, *initrd, *cmdline; /* all or none */
};

void image_info_finish(struct image_info *i);
void image_list_finish(struct image_list *l);
void image_files_finish(struct image_files *f);

/* One image as the manifest's "serves" and the worker's answers write it. */
int image_info_parse(struct json_object *obj, struct image_info *ret, struct holos_error **err);
int image_resolve_parse(struct json_object *answer, const char *plugin, struct image_info *ret,
			struct holos_error **err);
int image_make_parse(struct json_object *answer, const char *plugin, struct image_files *ret,
		     struct holos_error **err);

struct worker_request image_resolve_request(const char *plugin, const char *ref);
/* work_dir: empty, private, absolute, on the file system of the image store; the
 * caller moves the files out and removes it.  cache_dir: kept between calls.
 * Timeout: 30 minutes. */
struct worker_request image_make_request(const char *plugin, const char *ref, const char *key,
					 const char *work_dir, const char *cache_dir);

/* Everything that image plugin `plugin` serves (without asking the network). */
int image_list(struct worker *w, const char *plugin, struct image_list *ret,
	       struct holos_error **err);
/* What `ref` is for image plugin `plugin` (see registry_image_source()). */
int image_resolve(struct worker *w, const char *plugin, const char *ref, struct image_info *ret,
		  struct holos_error **err);
int image_make(struct worker *w, const char *plugin, const char *ref, const char *key,
	       const char *work_dir, const char *cache_dir, worker_progress_fn *progress,
	       void *data, struct image_files *ret, struct holos_error **err);

/* ---- downloads: no plugin, but the same worker --------------------------- */

/* An image to download.  URLs are lists separated by one space.  Borrowed. */
struct download {
	const char *urls, *digest_urls; /* digest_urls: NULL: none */
	const char *digest;             /* of the download, or NULL */
	const char *disk;               /* SHA-256 in hex of the disk in it, or NULL */
	uint64_t bytes;                 /* 0: unknown */
	const char *format;             /* "qcow2", "raw", or NULL: either */
	const char *name;               /* NAME.disk comes into dir */
	int dir;
};

/* What came of it. */
struct downloaded {
	char *url, *digest;          /* where from; what the publisher says, or NULL */
	char download[65], disk[65]; /* SHA-256 of what came and of the disk in it */
	char format[8];
	uint64_t bytes, size; /* of what came, of the disk's file */
};

void downloaded_finish(struct downloaded *d);
/* Fill in a request whose descriptors are in d; fds holds one. */
struct worker_request download_request(const struct download *d);
int download_parse(struct json_object *answer, struct downloaded *ret, struct holos_error **err);
/* The publisher's digest now: {"digest", "url"}; digest null: there is none. */
struct worker_request download_check_request(const struct download *d);
/* {"name"}: the newest file beside this URL. */
struct worker_request download_newest_request(const char *url);
/* {"sha256"} of the file *fd. */
struct worker_request hash_request(const int *fd);
/* Take the lock of a download of somebody else's; fds: the lock file, the directory. */
struct worker_request download_wait_request(const int fds[2], const char *name);

/* ---- networks ----------------------------------------------------------- */

struct net_endpoint {
	uint32_t protocol; /* 6 TCP, 17 UDP */
	char *host_addr;
	uint32_t host_port, guest_port;
};

struct net_helper {
	char *name;
	struct strv argv;
	char *ready_path; /* NULL: none */
	uint32_t ready_timeout_ms;
};

struct net_file {
	char *name; /* in the VM's private directory */
	void *data;
	size_t len;
};

/* What one NIC needs. */
struct net_plan {
	struct strv qemu; /* QEMU arguments in order, one flat vector */
	struct net_helper *helpers;
	size_t n_helpers;
	struct net_endpoint *endpoints;
	size_t n_endpoints;
	struct net_file *files;
	size_t n_files;
	bool applies; /* the driver changes the machine: journal, apply, undo */
};

/* The NIC to plan for; everything is borrowed. */
struct net_nic {
	const char *vm, *id, *mac, *project, *network;
	uint32_t mtu; /* 0: default */
	const struct net_endpoint *ports;
	size_t n_ports;
	const char *group; /* NULL: none */
	uint32_t group_port;
	const char *dir; /* the VM's private directory, absolute */
};

void net_plan_finish(struct net_plan *p);
/* options: the network's `options:` (borrowed; NULL: none). */
struct worker_request net_plan_request(const char *driver, struct json_object *options,
				       const struct net_nic *nic);
/* Reads the files out of res->fds as well. */
int net_plan_parse(struct worker_result *res, const char *driver, struct net_plan *ret,
		   struct holos_error **err);
int net_plan(struct worker *w, const char *driver, struct json_object *options,
	     const struct net_nic *nic, struct net_plan *ret, struct holos_error **err);

/* What undo will need; *ret becomes the caller's.  To be kept on disk before
 * net_apply() is called.  nic: the args of net_plan_request(), as they are or as
 * they were kept for another start. */
int net_journal(struct worker *w, const char *driver, struct json_object *options,
		struct json_object *nic, char **ret, struct holos_error **err);
int net_apply(struct worker *w, const char *driver, struct json_object *options,
	      struct json_object *nic, const char *journal, struct holos_error **err);
/* Take back what apply did, or began, or never did. */
struct worker_request net_undo_request(const char *driver, const char *journal);
int net_undo(struct worker *w, const char *driver, const char *journal, struct holos_error **err);

/* ---- provisioning -------------------------------------------------------- */

struct provision_secret {
	const char *name; /* "ssh_host_ed25519_key" */
	int fd;           /* at offset 0; stays the caller's */
};

/* Write the seed medium of `steps` (docs/steps.md) to fd, an empty file; and the
 * context disk to context, another one (-1: not now).  shared: members of steps
 * that go to the worker only once for all calls with this object; or NULL. */
int provision_seed(struct worker *w, const char *plugin, struct json_object *options,
		   struct json_object *steps, struct json_object *shared, int fd, int context,
		   const struct provision_secret *secrets, size_t n_secrets,
		   struct holos_error **err);
/* Read a description (absolute path) into steps; *ret becomes the caller's. */
int provision_translate(struct worker *w, const char *plugin, struct json_object *options,
			const char *path, struct json_object **ret, struct holos_error **err);

/* ---- health --------------------------------------------------------------- */

/* How to reach a VM; see struct holos_guest.  Everything is borrowed; NULL: no such way. */
struct health_guest {
	const char *vm, *ssh_host, *ssh_user, *ssh_key, *ssh_known_hosts;
	uint32_t ssh_port;
	const char *agent_socket, *console_log;
	const struct net_endpoint *endpoints;
	size_t n_endpoints;
};

/* One probe, for worker_call(); the result's status says how it went:
 * HOLOS_OK healthy, HOLOS_E_AGAIN or HOLOS_E_TIMEOUT not, HOLOS_E_UNREACHED not
 * up yet, else the probe is broken. */
struct worker_request health_check_request(const char *plugin, struct json_object *options,
					   const struct health_guest *guest, uint64_t timeout_ns);

/* ---- any kind -------------------------------------------------------------- */

/* Can this plugin work here?  HOLOS_E_UNAVAIL says why not. */
int plugin_probe(struct worker *w, const char *kind, const char *name, struct holos_error **err);

#endif
