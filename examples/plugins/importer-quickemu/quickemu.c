/* SPDX-License-Identifier: Apache-2.0
 *
 * importer "quickemu" - a VM of quickemu (https://github.com/quickemu-project) as
 * a compose file: its disk is booted in place, its ports are published.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memmem */
#endif
#include "conf.h"

#include <holos/importer.h>
#include <holos/util.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MODEL_MAX 65536

static const struct holos_host *host;
static const struct holos_importer_sink_api *sink;

/* What is carried over, and what means nothing to holos. */
static const char *const taken[] = { "disk_img", "ram", "cpu_cores", "boot", "port_forwards" };
static const char *const ignored[] = { "guest_os", "disk_size", "display",   "gl",
				       "width",    "height",    "fullscreen" };

struct model {
	char text[MODEL_MAX];
	size_t len;
	int full;
};

HOLOS_PRINTF(2, 3)
static void add(struct model *m, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(m->text + m->len, sizeof(m->text) - m->len, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(m->text) - m->len)
		m->full = 1;
	else
		m->len += (size_t)n;
}

static void add_string(struct model *m, const char *s)
{
	add(m, "\"");
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if (c < 0x20)
			add(m, "\\u%04x", c);
		else
			add(m, "%s%c", c == '"' || c == '\\' ? "\\" : "", c);
	}
	add(m, "\"");
}

static int is_one_of(const char *key, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(list[i], key) == 0)
			return 1;
	}
	return 0;
}

static int is_number(const char *s)
{
	return *s != '\0' && strlen(s) < 6 && strspn(s, "0123456789") == strlen(s);
}

/* "dir/ubuntu 22.04.conf" -> "ubuntu-22-04" */
static void name_of(const char *file, char name[64])
{
	const char *slash = strrchr(file, '/');
	const char *from = slash != NULL ? slash + 1 : file;
	const char *dot = strrchr(from, '.');
	size_t len = dot != NULL && dot != from ? (size_t)(dot - from) : strlen(from);
	size_t n = 0;

	for (size_t i = 0; i < len && n < 40; i++) {
		char c = from[i];

		if (c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
			name[n++] = c;
		else if (n != 0 && name[n - 1] != '-')
			name[n++] = '-';
	}
	while (n > 0 && name[n - 1] == '-')
		n--;
	name[n] = '\0';
	if (n == 0 || name[0] < 'a')
		strcpy(name, "vm");
}

/* The value of a key when it is one that needs no shell; NULL: it is not there. */
static const char *value(const struct conf *c, const char *key)
{
	const struct conf_item *item = conf_find(c, key);

	return item != NULL && item->n == 1 && !item->expands && item->values[0][0] != '\0'
		       ? item->values[0]
		       : NULL;
}

static void add_vm(struct model *m, const struct conf *c, holos_importer_sink *out)
{
	const char *disk = value(c, "disk_img");
	const char *ram = value(c, "ram");
	const char *cores = value(c, "cpu_cores");
	const char *boot = value(c, "boot");

	add(m, "\"vm\":{\"root_disk\":");
	if (disk[0] == '/') {
		add_string(m, disk);
	} else {
		char relative[4200];

		snprintf(relative, sizeof(relative), "./%.4096s", disk);
		add_string(m, relative);
	}
	if (ram != NULL) {
		add(m, ",\"memory\":");
		add_string(m, ram);
	}
	if (cores != NULL && is_number(cores))
		add(m, ",\"vcpu\":%d", atoi(cores));
	else if (cores != NULL)
		sink->lost(out, conf_find(c, "cpu_cores")->line, "cpu_cores", "it is no number");
	/* quickemu boots by EFI unless it is told otherwise. */
	if (boot == NULL || strcmp(boot, "efi") == 0)
		add(m, ",\"uefi\":true");
	add(m, "}");
}

static void add_ports(struct model *m, const struct conf *c, holos_importer_sink *out)
{
	const struct conf_item *item = conf_find(c, "port_forwards");
	int n = 0;

	for (size_t i = 0; item != NULL && i < item->n; i++) {
		const char *colon = strchr(item->values[i], ':');
		char from[8] = "";

		if (colon != NULL && colon - item->values[i] < (ptrdiff_t)sizeof(from)) {
			memcpy(from, item->values[i], (size_t)(colon - item->values[i]));
			from[colon - item->values[i]] = '\0';
		}
		if (!is_number(from) || !is_number(colon + 1)) {
			sink->lost(out, item->line, "port_forwards", "it is not HOST:GUEST");
			continue;
		}
		add(m, n++ == 0 ? ",\"ports\":[" : ",");
		add_string(m, item->values[i]);
	}
	if (n != 0)
		add(m, "]");
}

static void tell_lost(const struct conf *c, holos_importer_sink *out)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct conf_item *item = &c->items[i];

		if (item->expands)
			sink->lost(out, item->line, item->key, "only a shell knows its value");
		else if (!is_one_of(item->key, taken, sizeof(taken) / sizeof(taken[0])) &&
			 !is_one_of(item->key, ignored, sizeof(ignored) / sizeof(ignored[0])))
			sink->lost(out, item->line, item->key, "holos has nothing like it");
	}
}

static holos_status read_conf(int fd, struct conf *c, const char *name, holos_error *err)
{
	size_t len = 0;
	ssize_t n = 1;

	while (n > 0 && len < CONF_BYTES_MAX) {
		n = read(fd, c->text + len, CONF_BYTES_MAX - len);
		if (n > 0)
			len += (size_t)n;
	}
	if (n < 0)
		return holos_failf(host, err, HOLOS_E_IO, errno, "cannot read %.200s", name);
	if (len == CONF_BYTES_MAX || memchr(c->text, '\0', len) != NULL)
		return holos_failf(host, err, HOLOS_E_CONFIG, 0,
				   "%.200s is no configuration of quickemu", name);
	if (conf_parse(c) < 0)
		return holos_failf(host, err, HOLOS_E_CONFIG, 0, "%.200s:%u: it is no KEY=VALUE",
				   name, c->line);
	if (value(c, "disk_img") == NULL)
		return holos_failf(host, err, HOLOS_E_CONFIG, 0, "%.200s names no disk_img", name);
	return HOLOS_OK;
}

static holos_status convert(void *inst, int fd, const char *name, holos_importer_sink *out,
			    holos_call *call, holos_error *err)
{
	struct conf *c = calloc(1, sizeof(*c));
	struct model *m = calloc(1, sizeof(*m));
	holos_status status;
	char vm[64];

	(void)inst;
	(void)call;
	if (c == NULL || m == NULL)
		status = host->fail(err, HOLOS_E_NOMEM, 0, "out of memory");
	else
		status = read_conf(fd, c, name, err);
	if (status == HOLOS_OK) {
		name_of(name, vm);
		add(m, "{\"name\":\"%s\",\"services\":{\"%s\":{", vm, vm);
		add_vm(m, c, out);
		add_ports(m, c, out);
		add(m, "}}}");
		tell_lost(c, out);
		status = m->full ? host->fail(err, HOLOS_E_CONFIG, 0, "it is too large")
				 : sink->model(out, m->text, m->len);
	}
	free(c);
	free(m);
	return status;
}

/* A .conf that names a disk_img is quickemu's; the name alone is a hint. */
static int32_t sniff(void *state, const char *name, const void *head, size_t len)
{
	size_t n = strlen(name);
	int named = n > 5 && strcmp(name + n - 5, ".conf") == 0;

	(void)state;
	if (memmem(head, len, "disk_img=", 9) == NULL)
		return 0;
	return named && memmem(head, len, "guest_os=", 9) != NULL ? 95 : 60;
}

static holos_status init(const struct holos_host *h, holos_self *self, void **state,
			 holos_error *err)
{
	(void)state;
	host = h;
	sink = h->query(self, HOLOS_IMPORTER_SINK_ID);
	if (sink == NULL)
		return h->fail(err, HOLOS_E_UNAVAIL, 0, "this holos imports nothing");
	return HOLOS_OK;
}

static const struct holos_importer_ops ops = {
	.head = { .size = sizeof(ops) },
	.sniff = sniff,
	.convert = convert,
};

static const struct holos_iface quickemu = {
	.size = sizeof(quickemu),
	.id = HOLOS_IMPORTER_ID,
	.name = "quickemu",
	.ops = &ops.head,
	.summary = "a VM of quickemu, from its .conf file",
};

static const struct holos_iface *const ifaces[] = { &quickemu, NULL };

static const struct holos_plugin plugin = {
	HOLOS_PLUGIN_HEAD, .name = "importer-quickemu",
	.version = "1.0",  .license = "Apache-2.0",
	.ifaces = ifaces,  .init = init,
};
HOLOS_PLUGIN(holos_importer_quickemu, plugin);
