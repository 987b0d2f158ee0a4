/* SPDX-License-Identifier: Apache-2.0
 *
 * project.h - a compose file, read, merged, checked and resolved.
 *
 * project_load() goes from files to struct project in one call.  Everything in
 * the model belongs to the project's arena and is read-only for others; lists
 * of strings are NULL-terminated and never NULL.  Defaults are filled in; what
 * depends on the image or the host stays unset (NULL or 0, said at the field).
 * What a later stage may complain about keeps the place it was written at.
 */
#ifndef COMPOSE_PROJECT_H
#define COMPOSE_PROJECT_H

#include <base/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A place in a file, counted from 1.  line 0: nowhere (a default). */
struct mark {
	const char *file; /* as shown to the user; NULL when line is 0 */
	unsigned line, column;
	unsigned file_index; /* order in which files were read, to sort messages */
};

enum service_accel { ACCEL_AUTO, ACCEL_KVM, ACCEL_TCG };

struct vm_spec {
	struct mark mark;
	unsigned vcpu;         /* >= 1 */
	unsigned memory_mb;    /* MiB, >= 128 */
	uint64_t disk_size;    /* bytes; 0: that of the base image */
	const char *machine;   /* NULL: q35, or what the architecture has */
	const char *cpu_model; /* NULL: host with KVM, max with TCG */
	bool uefi;             /* true as well with devices or secure_boot */
	bool secure_boot;
	enum service_accel accel;
	bool sandbox;          /* QEMU's seccomp sandbox; default true */
	const char *root_disk; /* absolute; NULL: an overlay on the image */
	const char *const *extra_args;
	struct mark disk_size_mark, machine_mark, root_disk_mark;
};

/* One guest port (ranges of the file are expanded).  Replica i listens on
 * host + i; with host_end > host any one free port of host..host_end. */
struct port_map {
	struct mark mark;
	const char *host_ip; /* "127.0.0.1" by default; IPv6 without brackets */
	uint16_t host;       /* 0: ephemeral */
	uint16_t host_end;   /* == host except for "8000-9000:80" */
	uint16_t guest;
	bool udp;
};

enum mount_type { MOUNT_BIND, MOUNT_VOLUME };

struct mount_spec {
	struct mark mark;
	enum mount_type type;
	const char *source; /* bind: absolute host path; volume: its name */
	size_t volume;      /* MOUNT_VOLUME: index in project.volumes */
	const char *target; /* absolute in the guest, no "." or ".." */
	bool read_only;
	bool create_host_path; /* bind: make the missing source directory */
};

struct device_spec {
	struct mark mark;
	const char *pci;      /* "0000:01:00.0", lower case */
	const char *rom_file; /* absolute, or NULL */
};

enum dep_condition {
	/* List form: healthy if the dependency has a healthcheck, else started. */
	DEP_AUTO,
	DEP_STARTED,
	DEP_HEALTHY,
	DEP_COMPLETED
};

struct dependency {
	struct mark mark;
	const char *name;
	size_t service; /* index in project.services */
	enum dep_condition condition;
	bool required; /* false: its failure is only a warning */
	bool restart;  /* restart me when it is restarted */
};

/* A command for the guest: a line for its shell, or an argument vector. */
struct guest_command {
	struct mark mark;
	bool shell;              /* argv[0] is the whole line */
	const char *const *argv; /* NULL-terminated, not empty */
};

struct write_file {
	struct mark mark;
	const char *path;        /* absolute in the guest */
	const char *content;     /* "" when absent */
	const char *permissions; /* "0644" */
	const char *owner;       /* "root:root" */
};

struct cloud_init {
	struct mark mark;
	const char *user; /* NULL: the image's, else "ubuntu" */
	struct mark user_mark;
	const char *const *ssh_authorized_keys;
	const char *const *packages;
	const struct write_file *write_files;
	size_t n_write_files;
	const struct guest_command *runcmd;
	size_t n_runcmd;
	const struct guest_command *bootcmd;
	size_t n_bootcmd;
	/* The user's own cloud-config as one JSON object, NULL when there is none;
	 * user_data_file: where it was read from, NULL when it stood in the file. */
	const char *user_data;
	const char *user_data_file;
	struct mark user_data_mark;
};

/* KEY=VALUE; sorted by key, each key once. */
struct key_value {
	struct mark mark;
	const char *key;
	const char *value;
};

struct env_file {
	struct mark mark;
	const char *path; /* absolute */
	bool required;
	bool raw; /* format: raw, nothing is expanded */
};

struct extra_host {
	struct mark mark;
	const char *name;
	const char *address; /* IPv4 or IPv6, without brackets */
};

enum health_on_failure { HEALTH_NOTHING, HEALTH_RESTART };

struct healthcheck {
	struct mark mark;
	bool set;                /* there is one and it is not disabled */
	bool disabled;           /* disable: true or test: NONE (also silences a Dockerfile's) */
	bool shell;              /* argv[0] is a line for sh -c */
	const char *const *argv; /* empty when the plugin needs no test */
	const char *type;        /* health plugin, "ssh" by default */
	const char *options;     /* JSON object for the plugin, "{}" by default */
	struct mark type_mark, options_mark;
	uint64_t interval_ns;       /* whole seconds, default 30 s */
	uint64_t timeout_ns;        /* whole seconds, default 5 s */
	uint64_t start_period_ns;   /* default 0 */
	uint64_t start_interval_ns; /* default 5 s */
	unsigned retries;           /* default 3 */
	enum health_on_failure on_failure;
};

enum restart_policy { RESTART_NO, RESTART_ALWAYS, RESTART_UNLESS_STOPPED, RESTART_ON_FAILURE };

/* What is kept of a guest's console. */
#define LOGGING_MAX_SIZE (10u << 20)
#define LOGGING_MAX_FILE "3"
struct logging {
	unsigned driver; /* both names mean files of holos */
	struct {
		uint64_t max_size;    /* bytes of one file */
		const char *max_file; /* 1 to 100, the current one included */
	} options;
};

struct service_network {
	struct mark mark;
	const char *name;
	size_t network; /* index in project.networks */
	const char *const *aliases;
};

struct service {
	struct mark mark; /* of its key */
	const char *name;

	const char *image;      /* as written; NULL: the Dockerfile's FROM, or root_disk */
	const char *image_path; /* absolute, when image names a local file; else NULL */
	struct mark image_mark;
	const char *image_format; /* "qcow2", "raw"; NULL: by the image */
	const char *image_os;     /* "systemd", "openrc"; NULL: by the image */
	const char *dockerfile;   /* absolute, or NULL */
	struct mark dockerfile_mark;
	const char *dockerfile_cmd;    /* "service": CMD and ENTRYPOINT become one; or NULL */
	const char *dockerfile_sha256; /* of its text, in hex; NULL without one */
	/* What a provision plugin made of it (build.h); NULL: not asked yet.  Then
	 * dockerfile_sha256 is of all that, and of the files it copies. */
	const char *build_steps;  /* JSON */
	const char *build_copies; /* JSON; NULL: it copies nothing */

	unsigned replicas; /* 1..256; 0: scaled to none */
	struct mark replicas_mark;
	struct vm_spec vm;
	const struct port_map *ports;
	size_t n_ports;
	const struct mount_spec *mounts;
	size_t n_mounts;
	const struct device_spec *devices;
	size_t n_devices;
	const struct dependency *depends_on;
	size_t n_depends_on;
	struct cloud_init cloud_init;
	const struct key_value *environment; /* what env_files say included */
	size_t n_environment;
	const struct env_file *env_files;
	size_t n_env_files;
	const char *hostname; /* NULL: the instance's name */
	struct mark hostname_mark;
	const struct key_value *labels;
	size_t n_labels;
	const struct extra_host *extra_hosts;
	size_t n_extra_hosts;
	uint64_t stop_grace_period_ns; /* whole seconds, >= 1 s, default 30 s */
	struct healthcheck healthcheck;
	struct logging logging;
	enum restart_policy restart;
	unsigned restart_max;                   /* on-failure:N; 0: no limit */
	const struct service_network *networks; /* default: "default" alone */
	size_t n_networks;
	const char *const *profiles;
};

#define VOLUME_SIZE_DEFAULT (10ull << 30)

struct volume {
	struct mark mark;
	const char *name;
	uint64_t size;         /* bytes, default VOLUME_SIZE_DEFAULT */
	struct mark size_mark; /* line 0: the default */
	const char *source;    /* absolute path of an existing disk, or NULL */
	bool shared;           /* several instances may read it */
	bool per_replica;      /* each replica has its own */
	bool used;             /* some service mounts it */
};

struct network {
	struct mark mark;
	const char *name;
	const char *driver; /* net plugin, "multicast" by default */
	struct mark driver_mark;
	const char *subnet; /* "10.10.0.0/24", host bits zero */
	uint32_t address;   /* of the subnet, host byte order */
	unsigned prefix;    /* 8..30 */
	struct mark subnet_mark;
	bool internal;       /* no way out of the segment */
	const char *options; /* JSON object for the plugin, "{}" by default */
	struct mark options_mark;
};

/* A variable that the files' text asked for. */
struct variable {
	const char *name;
	const char *value;  /* NULL: unset */
	const char *origin; /* "environment", "unset", or the name of the env file */
	struct mark mark;   /* first use */
};

struct node;

struct project {
	const char *name;         /* a DNS label */
	const char *dir;          /* absolute; relative paths are based on it */
	const char *file;         /* real path of the first file; NULL for stdin */
	const char *const *files; /* every file read, in order, absolute; env files too */
	struct mark name_mark;
	struct mark services_mark; /* of the key "services", or the start of the file */

	/* In the order of the file; services of inactive profiles are left out. */
	const struct service *services;
	size_t n_services;
	/* Indices of services, dependencies first: Kahn's algorithm, the ready
	 * set at first sorted by name, dependents visited in the order of names. */
	const size_t *order;
	const struct volume *volumes;
	size_t n_volumes;
	const struct network *networks; /* [0] is "default" */
	size_t n_networks;
	const char *const *inactive; /* services left out by profiles */
	const struct variable *variables;
	size_t n_variables;

	const struct node *tree; /* the merged files as written: place.h */
	struct arena *arena;     /* owns all of the above and this struct */
};

/* Another number of replicas than the file says. */
struct service_scale {
	const char *service;
	unsigned replicas; /* 0: none at all */
};

struct project_options {
	/* -f, in order; NULL or empty: HOLOS_FILE, else holos.yaml or holos.yml in
	 * cwd or a parent, with holos.override.yaml beside it.  "-": stdin. */
	const char *const *files;
	const char *name;                  /* -p; NULL: HOLOS_PROJECT_NAME, name:, directory */
	const char *const *env_files;      /* --env-file, replacing .env; NULL: HOLOS_ENV_FILES */
	const char *const *profiles;       /* --profile ("*": all), beside HOLOS_PROFILES */
	const char *const *services;       /* named on the command line: their profiles are on */
	const struct service_scale *scale; /* names that are no service's are ignored */
	size_t n_scale;
	const char *cwd;      /* absolute; NULL: getcwd(3) */
	char *const *environ; /* "NAME=value"; NULL: no variables */
	/* The state directory (absolute), to check the length of socket paths; or NULL. */
	const char *state_dir;
	/* Is there a plugin of this kind ("net", "health")?  Returns NULL when there
	 * is, else what to do about it (borrowed).  NULL: not checked. */
	const char *(*plugin_missing)(void *data, const char *kind, const char *name);
	void *plugin_data;
	/* Where warnings go (a chain with code 0), on success and failure; or NULL. */
	struct holos_error **warnings;
};

/* Read, merge, resolve and check.  On failure *err is a chain of everything
 * wrong in the files, sorted by place, at most 20 and "and N more", code
 * ERR_INVALID; a missing compose file or an unreadable one is one error.
 * The caller owns *ret. */
int project_load(const struct project_options *opts, struct project **ret,
		 struct holos_error **err);
/* Only read and merge the files, variables left as they stand, and give the
 * result as YAML (`config --no-interpolate`).  The caller frees *ret. */
int project_merge(const struct project_options *opts, char **ret, struct holos_error **err);
void project_destroy(struct project *p); /* NULL is fine */

DEFINE_CLEANUP(struct project *, project_destroyp, project_destroy);

/* By name, or NULL. */
const struct service *project_service(const struct project *p, const char *name);
const struct volume *project_volume(const struct project *p, const char *name);

#endif
