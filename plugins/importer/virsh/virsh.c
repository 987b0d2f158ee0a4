/* SPDX-License-Identifier: Apache-2.0
 *
 * importer "virsh" - a domain of libvirt, as `virsh dumpxml` prints it, as a service
 * of a compose file.
 */
#include "import.h"

#include <holos/util.h>

#include <errno.h>
#include <libxml/parser.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct holos_host *host;
static const struct holos_importer_sink_api *sink;

static holos_status read_document(int fd, const char *name, char **ret, size_t *ret_len,
				  holos_error *err)
{
	char *text = malloc(IMPORT_BYTES_MAX + 1);
	size_t len = 0;
	ssize_t n = 1;

	if (text == NULL)
		return host->fail(err, HOLOS_E_NOMEM, 0, "out of memory");
	while (n != 0 && len <= IMPORT_BYTES_MAX) {
		n = read(fd, text + len, IMPORT_BYTES_MAX + 1 - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		len += (size_t)n;
	}
	if (n >= 0 && len > 0 && len <= IMPORT_BYTES_MAX) {
		*ret = text;
		*ret_len = len;
		return HOLOS_OK;
	}
	free(text);
	if (n < 0)
		return holos_failf(host, err, HOLOS_E_IO, errno, "cannot read %.200s", name);
	if (len == 0)
		return holos_failf(host, err, HOLOS_E_CONFIG, 0, "%.200s is empty", name);
	return holos_failf(host, err, HOLOS_E_CONFIG, 0,
			   "%.200s is larger than %u MiB; no domain is", name,
			   IMPORT_BYTES_MAX >> 20);
}

static holos_status find_name(struct import *im, xmlNode *root, const char *file, holos_error *err)
{
	char *name = text_of(child(root, "name"));
	char buf[IMPORT_TEXT_MAX + 4];
	holos_status status = HOLOS_OK;

	if (name == NULL)
		return holos_failf(host, err, HOLOS_E_CONFIG, 0, "%.200s: the domain has no <name>",
				   file);
	to_label(name, sizeof(im->name) - 1, im->name);
	if (im->name[0] == '\0')
		status = holos_failf(host, err, HOLOS_E_CONFIG, 0,
				     "%.200s: no service can be called after domain \"%s\"", file,
				     shown(name, buf));
	else if (strcmp(im->name, name) != 0)
		lost(im, child(root, "name"), "name", "renamed domain \"%s\" to \"%s\"",
		     shown(name, buf), im->name);
	xmlFree(name);
	return status;
}

static holos_status check_kind(xmlNode *root, const char *file, holos_error *err)
{
	char *os = text_of(child(child(root, "os"), "type"));
	holos_status status = HOLOS_OK;

	if (os != NULL && strcmp(os, "exe") == 0)
		status = holos_failf(host, err, HOLOS_E_CONFIG, 0,
				     "%.200s: is a container (os type \"exe\"), and no VM", file);
	xmlFree(os);
	return status;
}

static void import_init(struct import *im, holos_importer_sink *out)
{
	memset(im, 0, sizeof(*im));
	im->out = out;
	im->sink = sink;
	im->service = json_object_new_object();
	im->vm = json_object_new_object();
	im->extra_args = json_object_new_array();
	im->devices = json_object_new_array();
	im->ports = json_object_new_array();
	im->mounts = json_object_new_array();
	im->volumes = json_object_new_object();
	im->cpu_flags = json_object_new_array();
}

static void import_finish(struct import *im)
{
	struct json_object *const objects[] = { im->service, im->vm,       im->extra_args,
						im->devices, im->ports,    im->mounts,
						im->volumes, im->cpu_flags };

	for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]); i++)
		json_object_put(objects[i]);
	for (unsigned i = 0; i < im->n_disks; i++) {
		xmlFree(im->disks[i].path);
		xmlFree(im->disks[i].format);
		xmlFree(im->disks[i].target);
		xmlFree(im->disks[i].bus);
	}
	xmlFree(im->title);
	xmlFree(im->description);
	xmlFree(im->cpu_model);
}

/* The members of one object, in the order in which people write them. */
static void sort_vm(struct import *im)
{
	static const char *const keys[] = { "vcpu",      "memory_mb", "machine",
					    "cpu_model", "uefi",      "root_disk" };
	struct json_object *sorted = json_object_new_object();
	struct json_object *value;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (json_object_object_get_ex(im->vm, keys[i], &value))
			json_object_object_add(sorted, keys[i], json_object_get(value));
	}
	json_object_put(im->vm);
	im->vm = sorted;
}

/* Add what is not empty; it stays its owner's, too. */
static void add_part(struct json_object *to, const char *key, struct json_object *part)
{
	size_t n = json_object_is_type(part, json_type_array)
			   ? json_object_array_length(part)
			   : (size_t)json_object_object_length(part);

	if (n != 0)
		json_object_object_add(to, key, json_object_get(part));
}

static void add_comment(struct import *im)
{
	size_t len = (im->title != NULL ? strlen(im->title) : 0) +
		     (im->description != NULL ? strlen(im->description) : 0) + 2;
	char *text;

	if (len == 2)
		return;
	text = malloc(len);
	if (text == NULL)
		return;
	snprintf(text, len, "%s%s%s", im->title != NULL ? im->title : "",
		 im->title != NULL && im->description != NULL ? "\n" : "",
		 im->description != NULL ? im->description : "");
	set_str(im->service, "x-comment", text);
	free(text);
}

static holos_status give_model(struct import *im)
{
	struct json_object *model = json_object_new_object();
	struct json_object *services = json_object_new_object();
	holos_status status;
	const char *text;

	sort_vm(im);
	add_part(im->vm, "extra_args", im->extra_args);
	if (im->restart != NULL)
		set_str(im->service, "restart", im->restart);
	add_part(im->service, "vm", im->vm);
	add_part(im->service, "ports", im->ports);
	add_part(im->service, "volumes", im->mounts);
	add_part(im->service, "devices", im->devices);
	add_comment(im);
	set_str(model, "name", im->name);
	json_object_object_add(services, im->name, json_object_get(im->service));
	json_object_object_add(model, "services", services);
	add_part(model, "volumes", im->volumes);
	text = json_object_to_json_string_ext(model, JSON_C_TO_STRING_PLAIN |
							     JSON_C_TO_STRING_NOSLASHESCAPE);
	status = sink->model(im->out, text, strlen(text));
	json_object_put(model);
	return status;
}

static holos_status convert_domain(xmlNode *root, const char *file, holos_importer_sink *out,
				   holos_error *err)
{
	struct import *im = malloc(sizeof(*im));
	holos_status status;

	if (im == NULL)
		return host->fail(err, HOLOS_E_NOMEM, 0, "out of memory");
	import_init(im, out);
	status = check_kind(root, file, err);
	if (status == HOLOS_OK)
		status = find_name(im, root, file, err);
	if (status == HOLOS_OK) {
		walk(im, root, domain_rules);
		place_disks(im);
		finish_system(im);
		if (im->more != 0)
			im->sink->lost(out, 0, "and more",
				       "so much is lost that it is not told one by one");
		status = give_model(im);
	}
	import_finish(im);
	free(im);
	return status;
}

static holos_status convert(void *inst, int fd, const char *name, holos_importer_sink *out,
			    holos_call *call, holos_error *err)
{
	char *text = NULL;
	size_t len = 0;
	holos_status status = read_document(fd, name, &text, &len, err);
	xmlDoc *doc;

	(void)inst;
	(void)call;
	if (status != HOLOS_OK)
		return status;
	doc = document_parse(host, text, len, name, err);
	free(text);
	if (doc == NULL)
		return HOLOS_E_CONFIG;
	status = convert_domain(xmlDocGetRootElement(doc), name, out, err);
	xmlFreeDoc(doc);
	return status;
}

/* <domain> is the root of libvirt's; XML of other kinds gets its own message by
 * convert(). */
static int32_t sniff(void *state, const char *name, const void *head, size_t len)
{
	static const char bom[] = "\xef\xbb\xbf";
	const char *text = head;
	size_t n = strlen(name);

	(void)state;
	if (len >= 3 && memcmp(text, bom, 3) == 0) {
		text += 3;
		len -= 3;
	}
	while (len > 0 && strchr(" \t\r\n", *text) != NULL && *text != '\0') {
		text++;
		len--;
	}
	if (len == 0 || *text != '<')
		return 0;
	if (memmem(text, len, "<domain", 7) != NULL)
		return 95;
	return n > 4 && strcmp(name + n - 4, ".xml") == 0 ? 40 : 20;
}

static holos_status init(const struct holos_host *h, holos_self *self, void **state,
			 holos_error *err)
{
	(void)state;
	host = h;
	sink = h->query(self, HOLOS_IMPORTER_SINK_ID);
	if (sink == NULL)
		return h->fail(err, HOLOS_E_UNAVAIL, 0, "this holos imports nothing");
	/* Once per process; its counterpart would end libxml2 for others as well. */
	xmlInitParser();
	return HOLOS_OK;
}

static const struct holos_importer_ops ops = {
	.head = { .size = sizeof(ops) },
	.sniff = sniff,
	.convert = convert,
};

static const struct holos_iface virsh = {
	.size = sizeof(virsh),
	.id = HOLOS_IMPORTER_ID,
	.name = "virsh",
	.ops = &ops.head,
	.summary = "a domain of libvirt, from its XML",
};

static const struct holos_iface *const ifaces[] = { &virsh, NULL };

static const struct holos_plugin plugin = {
	HOLOS_PLUGIN_HEAD,       .name = "importer-virsh", .version = "1.0",
	.license = "Apache-2.0", .ifaces = ifaces,         .init = init,
};
HOLOS_PLUGIN(holos_importer_virsh, plugin);
