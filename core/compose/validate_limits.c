/* SPDX-License-Identifier: Apache-2.0
 *
 * validate_limits.c - how much of something one service may have.
 *
 * What later stages can hold (records, the steps document, the arguments of a
 * process) is known here, so that a file which is too much is wrong now, and
 * not at its start.
 */
#include <compose/validate.h>

#include <string.h>

/* docs/steps.md allows somewhat more; a Dockerfile adds a few of its own. */
#define LIST_MAX       10000u
#define KEYS_MAX       990u
#define MOUNTS_MAX     256u
#define GUEST_TEXT_MAX ((size_t)6 << 20)
#define ENV_TEXT_MAX   ((size_t)1 << 20)
#define TEST_TEXT_MAX  ((size_t)128 << 10)
/* Of QEMU's arguments: one may have 128 KiB (execve(2)), all of them 2 MiB. */
#define ARGS_MAX      1024u
#define ARG_TEXT_MAX  ((size_t)131000)
#define ARGS_TEXT_MAX ((size_t)1 << 20)
#define DEVICES_MAX   64u
#define PORTS_MAX     1024u /* of an instance's record */
#define NETWORKS_MAX  15u

struct check {
	struct loader *l;
	const struct service *s;
};

static void at_most(const struct check *c, const struct mark *at, const char *field, size_t n,
		    size_t max, const char *what)
{
	if (n > max)
		diag_error_mark(c->l->diag, at, "services.%s.%s: %zu %s, and %zu is the most",
				c->s->name, field, n, what, max);
}

/* Bytes of a vector, and its words in *n. */
static size_t text_of(const char *const *v, size_t *n)
{
	size_t bytes = 0;

	for (*n = 0; v != NULL && v[*n] != NULL; (*n)++)
		bytes += strlen(v[*n]) + 1;
	return bytes;
}

static size_t check_commands(const struct check *c, const char *field,
			     const struct guest_command *list, size_t n)
{
	size_t bytes = 0, words;

	for (size_t i = 0; i < n; i++) {
		bytes += text_of(list[i].argv, &words);
		at_most(c, &list[i].mark, field, words, LIST_MAX, "words in a command");
	}
	return bytes;
}

static void check_cloud_init(const struct check *c)
{
	const struct cloud_init *ci = &c->s->cloud_init;
	size_t packages, keys, bytes;

	bytes = text_of(ci->packages, &packages) + text_of(ci->ssh_authorized_keys, &keys);
	at_most(c, &ci->mark, "cloud_init.packages", packages, LIST_MAX, "packages");
	at_most(c, &ci->mark, "cloud_init.ssh_authorized_keys", keys, KEYS_MAX, "keys");
	at_most(c, &ci->mark, "cloud_init.write_files", ci->n_write_files, LIST_MAX, "files");
	at_most(c, &ci->mark, "cloud_init.runcmd", ci->n_runcmd, LIST_MAX, "commands");
	at_most(c, &ci->mark, "cloud_init.bootcmd", ci->n_bootcmd, LIST_MAX, "commands");
	bytes += check_commands(c, "cloud_init.runcmd", ci->runcmd, ci->n_runcmd);
	bytes += check_commands(c, "cloud_init.bootcmd", ci->bootcmd, ci->n_bootcmd);
	for (size_t i = 0; i < ci->n_write_files; i++) {
		const struct write_file *f = &ci->write_files[i];

		if (f->path != NULL && f->content != NULL)
			bytes += strlen(f->path) + strlen(f->content);
	}
	if (bytes <= GUEST_TEXT_MAX)
		return;
	diag_error_mark(c->l->diag, &ci->mark,
			"services.%s.cloud_init: %zu bytes of files and commands, and %zu is the "
			"most",
			c->s->name, bytes, GUEST_TEXT_MAX);
	diag_hint(c->l->diag, "keep large files in a bind mount or a volume");
}

static void check_environment(const struct check *c)
{
	size_t bytes = 0;

	at_most(c, &c->s->mark, "environment", c->s->n_environment, LIST_MAX, "variables");
	for (size_t i = 0; i < c->s->n_environment; i++)
		bytes += strlen(c->s->environment[i].key) + strlen(c->s->environment[i].value) + 2;
	at_most(c, &c->s->mark, "environment", bytes, ENV_TEXT_MAX, "bytes");
}

static void check_args(const struct check *c)
{
	const struct vm_spec *vm = &c->s->vm;
	size_t n, bytes = text_of(vm->extra_args, &n);

	at_most(c, &vm->mark, "vm.extra_args", n, ARGS_MAX, "arguments");
	at_most(c, &vm->mark, "vm.extra_args", bytes, ARGS_TEXT_MAX, "bytes");
	for (size_t i = 0; i < n; i++)
		at_most(c, &vm->mark, "vm.extra_args", strlen(vm->extra_args[i]), ARG_TEXT_MAX,
			"bytes in one argument");
}

void validate_limits(struct loader *l, const struct project *p)
{
	size_t instances = 0, words;

	for (size_t i = 0; i < p->n_services; i++) {
		const struct service *s = &p->services[i];
		const struct check c = { l, s };

		instances += s->replicas;
		check_cloud_init(&c);
		check_environment(&c);
		check_args(&c);
		at_most(&c, &s->mark, "volumes", s->n_mounts, MOUNTS_MAX, "mounts");
		at_most(&c, &s->mark, "devices", s->n_devices, DEVICES_MAX, "devices");
		at_most(&c, &s->mark, "ports", s->n_ports, PORTS_MAX, "ports");
		at_most(&c, &s->mark, "networks", s->n_networks, NETWORKS_MAX, "networks");
		at_most(&c, &s->mark, "extra_hosts", s->n_extra_hosts, LIST_MAX, "hosts");
		at_most(&c, &s->healthcheck.mark, "healthcheck.test",
			text_of(s->healthcheck.argv, &words), TEST_TEXT_MAX, "bytes");
	}
	if (instances > LIST_MAX)
		diag_error_mark(l->diag, &p->services_mark,
				"services: %zu instances in one project, and %u is the most",
				instances, LIST_MAX);
}
