/* SPDX-License-Identifier: Apache-2.0
 *
 * fields_vm.c - the tables of `vm` and `healthcheck`.
 */
#include <compose/decode.h>
#include <compose/emit.h>
#include <compose/shapes.h>

/* ---- vm ---------------------------------------------------------------------- */

static const char *const accel_words[] = { "auto", "kvm", "tcg", NULL };
static const struct shape accel = { .kind = SHAPE_ENUM, .words = accel_words };
static const struct shape vcpu = { .kind = SHAPE_INT, .name = "integer", .min = 1, .max = 1024 };
static const struct shape memory_mb = {
	.kind = SHAPE_INT, .name = "integer", .min = 128, .max = 64 << 20
};
static const struct shape memory = {
	.kind = SHAPE_SIZE, .name = "size", .min = 128 << 20, .decode = decode_memory
};

#define VM(member) offsetof(struct vm_spec, member)

static const struct field vm_fields[] = {
	{ .key = "vcpu",
	  .shape = &vcpu,
	  .offset = VM(vcpu),
	  .mark = NO_OFFSET,
	  .deflt = "1",
	  .change = CHANGE_RESTART,
	  .doc = "Number of virtual CPUs.",
	  .example = "2" },
	{ .key = "cpus",
	  .shape = &vcpu,
	  .offset = VM(vcpu),
	  .mark = NO_OFFSET,
	  .same_as = "vcpu",
	  .hidden = true,
	  .doc = "The same as `vcpu`.",
	  .example = "2" },
	{ .key = "memory_mb",
	  .shape = &memory_mb,
	  .offset = VM(memory_mb),
	  .mark = NO_OFFSET,
	  .deflt = "512",
	  .change = CHANGE_RESTART,
	  .doc = "Memory in MiB.",
	  .example = "1024" },
	{ .key = "memory",
	  .shape = &memory,
	  .offset = VM(memory_mb),
	  .mark = NO_OFFSET,
	  .same_as = "memory_mb",
	  .hidden = true,
	  .doc = "Memory as a size with a unit; rounded up to whole MiB.",
	  .example = "2G" },
	{ .key = "disk_size",
	  .shape = &shape_disk_size,
	  .offset = VM(disk_size),
	  .mark = VM(disk_size_mark),
	  .change = CHANGE_RECREATE,
	  .shown_default = "that of the image",
	  .doc = "Size of the root disk. Smaller than the image is an error; the guest grows its "
		 "file system.",
	  .example = "20G" },
	{ .key = "machine",
	  .shape = &shape_required_text,
	  .offset = VM(machine),
	  .mark = VM(machine_mark),
	  .change = CHANGE_RESTART,
	  .shown_default = "`q35` on x86_64, `virt` on aarch64",
	  .doc = "QEMU's machine type.",
	  .example = "q35" },
	{ .key = "cpu_model",
	  .shape = &shape_required_text,
	  .offset = VM(cpu_model),
	  .mark = NO_OFFSET,
	  .change = CHANGE_RESTART,
	  .shown_default = "`host` with KVM, `max` without",
	  .doc = "QEMU's CPU model.",
	  .example = "host" },
	{ .key = "uefi",
	  .shape = &shape_boolean,
	  .offset = VM(uefi),
	  .mark = NO_OFFSET,
	  .change = CHANGE_RECREATE,
	  .shown_default = "`false`; `true` with `devices`, `secure_boot`, and on aarch64",
	  .doc = "Boot with UEFI firmware (OVMF) instead of BIOS.",
	  .example = "true" },
	{ .key = "secure_boot",
	  .shape = &shape_boolean,
	  .offset = VM(secure_boot),
	  .mark = NO_OFFSET,
	  .change = CHANGE_RECREATE,
	  .shown_default = "`false`",
	  .doc = "Boot by UEFI only what is signed, with the usual keys enrolled.",
	  .example = "true" },
	{ .key = "accel",
	  .shape = &accel,
	  .offset = VM(accel),
	  .mark = NO_OFFSET,
	  .deflt = "auto",
	  .change = CHANGE_RESTART,
	  .doc = "`auto` uses KVM where it works well, else QEMU's own TCG.",
	  .example = "kvm" },
	{ .key = "sandbox",
	  .shape = &shape_boolean,
	  .offset = VM(sandbox),
	  .mark = NO_OFFSET,
	  .deflt = "true",
	  .change = CHANGE_RESTART,
	  .doc = "Run QEMU in its seccomp sandbox.",
	  .example = "false" },
	{ .key = "root_disk",
	  .shape = &shape_host_path,
	  .offset = VM(root_disk),
	  .mark = VM(root_disk_mark),
	  .change = CHANGE_RECREATE,
	  .doc = "An existing disk to boot in place, instead of an overlay on an image. It is "
		 "never deleted.",
	  .example = "./disk.qcow2" },
	{ .key = "extra_args",
	  .shape = &shape_text_list,
	  .offset = VM(extra_args),
	  .mark = NO_OFFSET,
	  .change = CHANGE_RESTART,
	  .doc = "Arguments put last on QEMU's command line, as they are.",
	  .example = "[\"-device\", \"virtio-vga\"]" },
	{ .key = NULL },
};
const struct shape shape_vm = {
	.kind = SHAPE_OBJECT, .flags = SHAPE_MARKED, .name = "mapping", .fields = vm_fields
};

/* ---- healthcheck ----------------------------------------------------------------- */

static const struct shape *const test_alts[] = { &shape_command_text, &shape_command_argv, NULL };
static const struct shape test = {
	.kind = SHAPE_ONE_OF,
	.flags = SHAPE_GUEST | SHAPE_REPLACE,
	.name = "command",
	.rule = "a command line, or a list of words",
	.alts = test_alts,
	.decode = decode_test,
	.emit = emit_test,
};
static const struct shape retries = {
	.kind = SHAPE_INT, .name = "integer", .min = 1, .max = 1000000
};
static const char *const on_failure_words[] = { "none", "restart", NULL };
static const struct shape on_failure = { .kind = SHAPE_ENUM, .words = on_failure_words };

#define HEALTH(member) offsetof(struct healthcheck, member)

static const struct field healthcheck_fields[] = {
	{ .key = "test",
	  .shape = &test,
	  .offset = 0,
	  .mark = NO_OFFSET,
	  .change = CHANGE_LIVE,
	  .doc = "A line for the guest's shell, or a list: `[CMD, word, ...]`, "
		 "`[CMD-SHELL, line]`, `[NONE]`, or the words themselves. Exit "
		 "status 0 is healthy. Not interpolated.",
	  .example = "curl -fs http://localhost/" },
	{ .key = "disable",
	  .shape = &shape_boolean,
	  .offset = HEALTH(disabled),
	  .mark = NO_OFFSET,
	  .change = CHANGE_LIVE,
	  .shown_default = "`false`",
	  .doc = "No healthcheck, like `test: NONE`.",
	  .example = "true" },
	{ .key = "type",
	  .shape = &shape_plugin_name,
	  .offset = HEALTH(type),
	  .mark = HEALTH(type_mark),
	  .change = CHANGE_LIVE,
	  .deflt = "ssh",
	  .doc = "The health plugin.",
	  .example = "ssh" },
	{ .key = "options",
	  .shape = &shape_any_object,
	  .offset = HEALTH(options),
	  .mark = HEALTH(options_mark),
	  .change = CHANGE_LIVE,
	  .deflt = "{}",
	  .doc = "Options of the health plugin.",
	  .example = "{port: 80}" },
	{ .key = "interval",
	  .shape = &shape_positive_duration,
	  .offset = HEALTH(interval_ns),
	  .mark = NO_OFFSET,
	  .change = CHANGE_LIVE,
	  .deflt = "30s",
	  .doc = "Time between two probes.",
	  .example = "10s" },
	{ .key = "timeout",
	  .shape = &shape_positive_duration,
	  .offset = HEALTH(timeout_ns),
	  .mark = NO_OFFSET,
	  .change = CHANGE_LIVE,
	  .deflt = "5s",
	  .doc = "What takes longer has failed.",
	  .example = "2s" },
	{ .key = "start_period",
	  .shape = &shape_duration,
	  .offset = HEALTH(start_period_ns),
	  .mark = NO_OFFSET,
	  .change = CHANGE_LIVE,
	  .deflt = "0s",
	  .doc = "Failures do not count until it is over.",
	  .example = "1m" },
	{ .key = "start_interval",
	  .shape = &shape_positive_duration,
	  .offset = HEALTH(start_interval_ns),
	  .mark = NO_OFFSET,
	  .change = CHANGE_LIVE,
	  .deflt = "5s",
	  .doc = "Time between two probes during the start period.",
	  .example = "1s" },
	{ .key = "retries",
	  .shape = &retries,
	  .offset = HEALTH(retries),
	  .mark = NO_OFFSET,
	  .change = CHANGE_LIVE,
	  .deflt = "3",
	  .doc = "So many failures in a row are unhealthy.",
	  .example = "5" },
	{ .key = "on_failure",
	  .shape = &on_failure,
	  .offset = HEALTH(on_failure),
	  .mark = NO_OFFSET,
	  .change = CHANGE_LIVE,
	  .deflt = "none",
	  .doc = "`restart` restarts a VM that became unhealthy.",
	  .example = "restart" },
	{ .key = NULL },
};
const struct shape shape_healthcheck = {
	.kind = SHAPE_OBJECT,
	.flags = SHAPE_MARKED,
	.name = "mapping",
	.fields = healthcheck_fields,
	.decode = decode_healthcheck,
	.emit = emit_healthcheck,
};
