/* SPDX-License-Identifier: Apache-2.0
 *
 * fields_service.c - the table of a service.
 */
#include <base/units.h>
#include <compose/decode.h>
#include <compose/emit.h>
#include <compose/shapes.h>

/* ---- depends_on, networks, extra_hosts ------------------------------------------------ */

static const char *const condition_words[] = { "service_started_or_healthy", "service_started",
					       "service_healthy", "service_completed_successfully",
					       NULL };
static const struct shape condition = { .kind = SHAPE_ENUM, .words = condition_words };

#define DEP(member) offsetof(struct dependency, member)

static const struct field dependency_fields[] = {
	{ .key = "condition",
	  .shape = &condition,
	  .offset = DEP(condition),
	  .mark = NO_OFFSET,
	  .deflt = "service_started_or_healthy",
	  .doc = "What to wait for. `service_started_or_healthy`, which is also what the list "
		 "form means: healthy if the dependency has a healthcheck, else started.",
	  .example = "service_healthy" },
	{ .key = "required",
	  .shape = &shape_boolean,
	  .offset = DEP(required),
	  .mark = NO_OFFSET,
	  .deflt = "true",
	  .doc = "`false`: go on with a warning when it cannot be had.",
	  .example = "false" },
	{ .key = "restart",
	  .shape = &shape_boolean,
	  .offset = DEP(restart),
	  .mark = NO_OFFSET,
	  .deflt = "false",
	  .doc = "Restart this service after the dependency was restarted.",
	  .example = "true" },
	{ .key = NULL },
};
static const struct shape dependency = {
	.kind = SHAPE_OBJECT,
	.flags = SHAPE_MARKED | SHAPE_NULL,
	.name = "mapping",
	.fields = dependency_fields,
};
static const struct shape dependency_map = { .kind = SHAPE_MAP, .item = &dependency };
static const struct shape *const depends_on_alts[] = { &dependency_map, &shape_required_text_list,
						       NULL };
static const struct shape depends_on = {
	.kind = SHAPE_ONE_OF,
	.flags = SHAPE_PAIRS,
	.name = "list of names, or mapping",
	.rule = "a list of services, or a mapping with a condition for each",
	.alts = depends_on_alts,
	.decode = decode_depends_on,
	.emit = emit_depends_on,
};

static const struct shape aliases = { .kind = SHAPE_LIST,
				      .name = "list of host names",
				      .item = &shape_host_name };

static const struct field service_network_fields[] = {
	{ .key = "aliases",
	  .shape = &aliases,
	  .offset = offsetof(struct service_network, aliases),
	  .mark = NO_OFFSET,
	  .doc = "More names of the service on this network.",
	  .example = "[database]" },
	{ .key = NULL },
};
static const struct shape service_network = {
	.kind = SHAPE_OBJECT,
	.flags = SHAPE_MARKED | SHAPE_NULL,
	.name = "mapping",
	.fields = service_network_fields,
};
static const struct shape service_network_map = { .kind = SHAPE_MAP, .item = &service_network };
static const struct shape *const service_network_alts[] = { &service_network_map,
							    &shape_required_text_list, NULL };
static const struct shape service_networks = {
	.kind = SHAPE_ONE_OF,
	.flags = SHAPE_PAIRS,
	.name = "list of names, or mapping",
	.rule = "a list of networks, or a mapping of them",
	.alts = service_network_alts,
	.decode = decode_service_networks,
	.emit = emit_service_networks,
};

static const struct shape host_address_map = { .kind = SHAPE_MAP,
					       .item = &shape_host_ip,
					       .pattern = HOST_NAME_PATTERN };
static const struct shape host_address = {
	.kind = SHAPE_STRING,
	.flags = SHAPE_QUOTED,
	.name = "NAME:ADDRESS",
	.pattern = "^" HOST_NAME_REGEX "[=:].+$",
};
static const struct shape host_address_list = { .kind = SHAPE_LIST, .item = &host_address };
static const struct shape *const extra_hosts_alts[] = { &host_address_map, &host_address_list,
							NULL };
static const struct shape extra_hosts = {
	.kind = SHAPE_ONE_OF,
	.flags = SHAPE_PAIRS,
	.separators = "=:",
	.name = "mapping, or list of `NAME:ADDRESS`",
	.rule = "a mapping, or a list of \"NAME:ADDRESS\"",
	.alts = extra_hosts_alts,
	.decode = decode_extra_hosts,
	.emit = emit_extra_hosts,
};

/* ---- env_file, extends -------------------------------------------------------------- */

static const char *const env_format_words[] = { "raw", NULL };
static const struct shape env_format = { .kind = SHAPE_WORD, .words = env_format_words };
/* Decoded by decode_env_files() itself. */
static const struct field env_file_fields[] = {
	{ .key = "path",
	  .shape = &shape_host_path,
	  .offset = NO_OFFSET,
	  .required = true,
	  .doc = "The file.",
	  .example = "./web.env" },
	{ .key = "required",
	  .shape = &shape_boolean,
	  .offset = NO_OFFSET,
	  .shown_default = "`true`",
	  .doc = "`false`: it may be missing.",
	  .example = "false" },
	{ .key = "format",
	  .shape = &env_format,
	  .offset = NO_OFFSET,
	  .doc = "`raw`: take values as they are, without quotes and variables.",
	  .example = "raw" },
	{ .key = NULL },
};
static const struct shape env_file_object = { .kind = SHAPE_OBJECT,
					      .name = "mapping",
					      .fields = env_file_fields };
static const struct shape *const env_file_alts[] = { &shape_host_path, &env_file_object, NULL };
static const struct shape env_file = { .kind = SHAPE_ONE_OF,
				       .name = "path",
				       .alts = env_file_alts };
static const struct shape env_file_list = { .kind = SHAPE_LIST, .item = &env_file };
static const struct shape *const env_files_alts[] = { &env_file_list, &shape_host_path,
						      &env_file_object, NULL };
static const struct shape env_files = {
	.kind = SHAPE_ONE_OF,
	.flags = SHAPE_SINGLE,
	.name = "path, or list of paths",
	.rule = "a path or a list of paths",
	.alts = env_files_alts,
	.decode = decode_env_files,
};

static const struct field extends_fields[] = {
	{ .key = "service",
	  .shape = &shape_required_text,
	  .offset = NO_OFFSET,
	  .required = true,
	  .doc = "The service to start from.",
	  .example = "base" },
	{ .key = "file",
	  .shape = &shape_host_path,
	  .offset = NO_OFFSET,
	  .shown_default = "this file",
	  .doc = "The file it is in.",
	  .example = "./common.yaml" },
	{ .key = NULL },
};
static const struct shape extends_object = { .kind = SHAPE_OBJECT,
					     .name = "mapping",
					     .fields = extends_fields };
static const struct shape *const extends_alts[] = { &shape_required_text, &extends_object, NULL };
static const struct shape extends = {
	.kind = SHAPE_ONE_OF,
	.flags = SHAPE_REPLACE,
	.name = "name, or mapping",
	.rule = "the name of a service, or {service: NAME, file: PATH}",
	.alts = extends_alts,
};

/* ---- a service ------------------------------------------------------------------------ */

static const char *const image_format_words[] = { "qcow2", "raw", NULL };
static const char *const image_os_words[] = { "systemd", "openrc", NULL };
static const struct shape image_format = { .kind = SHAPE_WORD, .words = image_format_words };
static const struct shape image_os = { .kind = SHAPE_WORD, .words = image_os_words };
static const char *const dockerfile_cmd_words[] = { "service", NULL };
static const struct shape dockerfile_cmd = { .kind = SHAPE_WORD, .words = dockerfile_cmd_words };
static const struct shape image = {
	.kind = SHAPE_STRING,
	.flags = SHAPE_NONEMPTY,
	.name = "image",
	.pattern = NONEMPTY_PATTERN,
	.decode = decode_image,
	.emit = emit_image,
};
static const struct shape replicas = {
	.kind = SHAPE_INT, .name = "integer", .min = 0, .max = 256, .decode = decode_replicas
};
static const struct shape grace = { .kind = SHAPE_DURATION,
				    .name = "duration",
				    .decode = decode_grace };
static bool is_restart(const char *text)
{
	struct service s;

	return restart_parse(text, &s);
}

static const struct shape restart = {
	.kind = SHAPE_STRING,
	.name = "restart policy",
	.rule = "no, always, unless-stopped, on-failure or on-failure:N",
	.pattern = "^(no|always|unless-stopped|on-failure(:[0-9]+)?|false)$",
	.check = is_restart,
	.decode = decode_restart,
	.emit = emit_restart,
};

/* Both drivers of Docker that keep files mean the same here. */
static const char *const log_drivers[] = { "local", "json-file", NULL };
static const struct shape log_driver = { .kind = SHAPE_ENUM, .words = log_drivers };
static const struct shape log_size = { .kind = SHAPE_SIZE, .name = "size", .min = 4096 };
static bool is_log_files(const char *text)
{
	int64_t n;

	return units_parse_int(text, 1, 100, &n) == 0 && *text != '0';
}

/* Docker wants it quoted. */
static const struct shape log_files = {
	.kind = SHAPE_STRING,
	.name = "number",
	.min = 1,
	.max = 100,
	.rule = "a whole number from 1 to 100",
	.pattern = "^([1-9][0-9]?|100)$",
	.check = is_log_files,
};

#define LOGGING(member) offsetof(struct logging, member)

static const struct field log_option_fields[] = {
	{ .key = "max-size",
	  .shape = &log_size,
	  .offset = LOGGING(options.max_size) - LOGGING(options),
	  .mark = NO_OFFSET,
	  .change = CHANGE_LIVE,
	  .deflt = "10m",
	  .doc = "`console.log` is rotated when it is larger; looked at every 30 seconds.",
	  .example = "1m" },
	{ .key = "max-file",
	  .shape = &log_files,
	  .offset = LOGGING(options.max_file) - LOGGING(options),
	  .mark = NO_OFFSET,
	  .change = CHANGE_LIVE,
	  .deflt = "\"3\"",
	  .doc = "So many files are kept: `console.log`, `console.log.1`, ...",
	  .example = "5" },
	{ .key = NULL },
};
static const struct shape log_options = { .kind = SHAPE_OBJECT,
					  .name = "mapping",
					  .fields = log_option_fields };

static const struct field logging_fields[] = {
	{ .key = "driver",
	  .shape = &log_driver,
	  .offset = LOGGING(driver),
	  .mark = NO_OFFSET,
	  .change = CHANGE_LIVE,
	  .deflt = "local",
	  .doc = "Both keep the text as it is, in files of the state directory.",
	  .example = "json-file" },
	{ .key = "options",
	  .shape = &log_options,
	  .offset = LOGGING(options),
	  .mark = NO_OFFSET,
	  .change = CHANGE_LIVE,
	  .deflt = "{}",
	  .shown_default = "",
	  .doc = "How much is kept.",
	  .example = "{max-size: 1m, max-file: 5}" },
	{ .key = NULL },
};
static const struct shape logging = {
	.kind = SHAPE_OBJECT, .name = "mapping", .fields = logging_fields, .emit = emit_logging
};

#define SERVICE(member) offsetof(struct service, member)

static const struct field service_fields[] = {
	{ .key = "image",
	  .shape = &image,
	  .offset = 0,
	  .mark = SERVICE(image_mark),
	  .change = CHANGE_RECREATE,
	  .shown_default = "the Dockerfile's `FROM`",
	  .doc = "What to boot: a name (`holos images` lists them), or the path of a disk image.",
	  .example = "debian:12" },
	{ .key = "image_format",
	  .shape = &image_format,
	  .offset = SERVICE(image_format),
	  .mark = NO_OFFSET,
	  .change = CHANGE_RECREATE,
	  .shown_default = "by the image",
	  .doc = "Format of a local image.",
	  .example = "raw" },
	{ .key = "image_os",
	  .shape = &image_os,
	  .offset = SERVICE(image_os),
	  .mark = NO_OFFSET,
	  .change = CHANGE_RECREATE,
	  .shown_default = "by the image, else `systemd`",
	  .doc = "The guest's init family.",
	  .example = "openrc" },
	{ .key = "dockerfile",
	  .shape = &shape_host_path,
	  .offset = SERVICE(dockerfile),
	  .mark = SERVICE(dockerfile_mark),
	  .change = CHANGE_RECREATE,
	  .doc = "A Dockerfile whose steps are run at the first boot; its directory is the build "
		 "context.",
	  .example = "./Dockerfile" },
	{ .key = "dockerfile_cmd",
	  .shape = &dockerfile_cmd,
	  .offset = SERVICE(dockerfile_cmd),
	  .mark = NO_OFFSET,
	  .change = CHANGE_RECREATE,
	  .doc = "`service` makes the Dockerfile's `ENTRYPOINT` and `CMD` a service of the guest's "
		 "init (systemd, OpenRC); without it they are errors.",
	  .example = "service" },
	{ .key = "replicas",
	  .shape = &replicas,
	  .offset = SERVICE(replicas),
	  .mark = SERVICE(replicas_mark),
	  .deflt = "1",
	  .doc = "Number of VMs (0 counts as 1).",
	  .example = "3" },
	{ .key = "vm",
	  .shape = &shape_vm,
	  .offset = SERVICE(vm),
	  .mark = NO_OFFSET,
	  .deflt = "{}",
	  .change = CHANGE_RESTART,
	  .shown_default = "",
	  .doc = "The virtual machine.",
	  .example = "{vcpu: 2, memory: 1G}" },
	{ .key = "ports",
	  .shape = &shape_ports,
	  .offset = SERVICE(ports),
	  .mark = NO_OFFSET,
	  .change = CHANGE_RESTART,
	  .doc = "Guest ports that the host forwards: "
		 "`[HOST_IP:][HOST[-END]:]GUEST[-END][/tcp|udp]`. A fixed host port counts up with "
		 "the replicas; without one, any free port is taken.",
	  .example = "[\"8080:80\"]" },
	{ .key = "volumes",
	  .shape = &shape_mounts,
	  .offset = SERVICE(mounts),
	  .mark = NO_OFFSET,
	  .change = CHANGE_RESTART,
	  .doc = "Volumes and host directories in the guest: `SOURCE:TARGET[:ro|rw]`.",
	  .example = "[\"./www:/srv/www:ro\"]" },
	{ .key = "devices",
	  .shape = &shape_devices,
	  .offset = SERVICE(devices),
	  .mark = NO_OFFSET,
	  .change = CHANGE_RESTART,
	  .doc = "PCI devices of the host given to the guest.",
	  .example = "[{pci: \"01:00.0\"}]" },
	{ .key = "depends_on",
	  .shape = &depends_on,
	  .offset = SERVICE(depends_on),
	  .mark = NO_OFFSET,
	  .change = CHANGE_LIVE,
	  .doc = "Services to start first. The list form waits until they are healthy where they "
		 "have a healthcheck.",
	  .example = "[db]" },
	{ .key = "cloud_init",
	  .shape = &shape_cloud_init,
	  .offset = SERVICE(cloud_init),
	  .mark = NO_OFFSET,
	  .deflt = "{}",
	  .shown_default = "",
	  .change = CHANGE_RECREATE,
	  .doc = "What the first boot does.",
	  .example = "{packages: [nginx]}" },
	{ .key = "environment",
	  .shape = &shape_environment,
	  .offset = SERVICE(environment),
	  .mark = NO_OFFSET,
	  .change = CHANGE_RESTART,
	  .doc = "Variables in the guest, for `exec`, health probes and Dockerfile `RUN`. One "
		 "without a value takes it from the environment of holos.",
	  .example = "{MODE: production}" },
	{ .key = "env_file",
	  .shape = &env_files,
	  .offset = SERVICE(env_files),
	  .mark = NO_OFFSET,
	  .hidden = true,
	  .doc = "Files with variables for the guest; `environment` wins.",
	  .example = "./web.env" },
	{ .key = "hostname",
	  .shape = &shape_host_name,
	  .offset = SERVICE(hostname),
	  .mark = SERVICE(hostname_mark),
	  .change = CHANGE_RESTART,
	  .shown_default = "the instance's name",
	  .doc = "Host name in the guest.",
	  .example = "web.example.org" },
	{ .key = "labels",
	  .shape = &shape_labels,
	  .offset = SERVICE(labels),
	  .mark = NO_OFFSET,
	  .change = CHANGE_LIVE,
	  .doc = "Notes of your own, shown by `ps --json`.",
	  .example = "{team: web}" },
	{ .key = "extra_hosts",
	  .shape = &extra_hosts,
	  .offset = SERVICE(extra_hosts),
	  .mark = NO_OFFSET,
	  .change = CHANGE_RESTART,
	  .doc = "More lines in the guest's /etc/hosts.",
	  .example = "[\"gateway:10.0.2.2\"]" },
	{ .key = "stop_grace_period",
	  .shape = &grace,
	  .offset = SERVICE(stop_grace_period_ns),
	  .mark = NO_OFFSET,
	  .deflt = "30s",
	  .change = CHANGE_LIVE,
	  .doc = "How long the guest may take to power off.",
	  .example = "2m" },
	{ .key = "healthcheck",
	  .shape = &shape_healthcheck,
	  .offset = SERVICE(healthcheck),
	  .mark = NO_OFFSET,
	  .change = CHANGE_LIVE,
	  .deflt = "{}",
	  .shown_default = "",
	  .doc = "How to tell that the service works.",
	  .example = "{test: \"curl -fs http://localhost/\"}" },
	{ .key = "restart",
	  .shape = &restart,
	  .offset = 0,
	  .mark = NO_OFFSET,
	  .change = CHANGE_LIVE,
	  .deflt = "\"no\"",
	  .doc = "When a VM that ended is started again: `no`, `always`, `unless-stopped`, "
		 "`on-failure[:N]`.",
	  .example = "on-failure:3" },
	{ .key = "logging",
	  .shape = &logging,
	  .offset = SERVICE(logging),
	  .mark = NO_OFFSET,
	  .change = CHANGE_LIVE,
	  .deflt = "{}",
	  .shown_default = "",
	  .doc = "What is kept of the guest's console (`holos logs`).",
	  .example = "{options: {max-size: 1m, max-file: 5}}" },
	{ .key = "networks",
	  .shape = &service_networks,
	  .offset = SERVICE(networks),
	  .mark = NO_OFFSET,
	  .change = CHANGE_RESTART,
	  .shown_default = "`[default]`",
	  .doc = "The networks it is on.",
	  .example = "{default: {aliases: [database]}}" },
	{ .key = "profiles",
	  .shape = &shape_required_text_list,
	  .offset = SERVICE(profiles),
	  .mark = NO_OFFSET,
	  .hidden = true, /* resolved: the service is there */
	  .doc = "The service is there only when one of these profiles is on (`--profile`).",
	  .example = "[debug]" },
	{ .key = "extends",
	  .shape = &extends,
	  .offset = NO_OFFSET,
	  .mark = NO_OFFSET,
	  .hidden = true,
	  .doc = "Start from another service's definition.",
	  .example = "{service: base, file: ./common.yaml}" },
	{ .key = NULL },
};

const struct shape shape_service = {
	.kind = SHAPE_OBJECT,
	.flags = SHAPE_MARKED,
	.name = "mapping",
	.fields = service_fields,
	.size = sizeof(struct service),
};
