/* SPDX-License-Identifier: Apache-2.0
 *
 * fields_mounts.c - the tables of `ports`, `volumes` and `devices` of a service.
 */
#include <compose/decode.h>
#include <compose/emit.h>
#include <compose/shapes.h>

#include <string.h>

static bool is_pci(const char *s)
{
	size_t n = strlen(s);
	static const char form[] = "hhhh:hh:hh.d";
	const char *f = n == 7 ? form + 5 : form;

	if (n != 7 && n != 12)
		return false;
	for (; *f != '\0'; f++, s++) {
		bool hex = strchr("0123456789abcdefABCDEF", *s) != NULL;

		if (*f == 'h' ? !hex : *f == 'd' ? *s < '0' || *s > '7' : *s != *f)
			return false;
	}
	return true;
}

/* ---- ports, volumes, devices --------------------------------------------------- */

#define PORT_PATTERN                                                                               \
	"^((\\[[0-9A-Fa-f:.]+\\]|[0-9.]+):([0-9]+(-[0-9]+)?)?:|[0-9]+(-[0-9]+)?:)?"                \
	"[0-9]+(-[0-9]+)?(/(tcp|udp))?$"

static const char *const protocol_words[] = { "tcp", "udp", NULL };
static const struct shape protocol = { .kind = SHAPE_WORD, .words = protocol_words };
const struct shape shape_host_ip = {
	.kind = SHAPE_STRING,
	.flags = SHAPE_QUOTED,
	.name = "address",
	.rule = "an IPv4 or IPv6 address",
};
static const struct shape port_range = {
	.kind = SHAPE_STRING,
	.name = "port or range",
	.rule = "a port or a range of ports",
	.pattern = "^[0-9]+(-[0-9]+)?$",
};
static const char *const port_mode_words[] = { "host", "ingress", NULL };
static const struct shape port_mode = { .kind = SHAPE_WORD, .words = port_mode_words };

/* Decoded by decode_ports() itself. */
static const struct field port_fields[] = {
	{ .key = "target",
	  .shape = &port_range,
	  .offset = NO_OFFSET,
	  .required = true,
	  .doc = "Port in the guest.",
	  .example = "80" },
	{ .key = "published",
	  .shape = &port_range,
	  .offset = NO_OFFSET,
	  .shown_default = "a free port",
	  .doc = "Port on the host.",
	  .example = "8080" },
	{ .key = "host_ip",
	  .shape = &shape_host_ip,
	  .offset = NO_OFFSET,
	  .shown_default = "`127.0.0.1`",
	  .doc = "Address on the host.",
	  .example = "0.0.0.0" },
	{ .key = "protocol",
	  .shape = &protocol,
	  .offset = NO_OFFSET,
	  .shown_default = "`tcp`",
	  .doc = "`tcp` or `udp`.",
	  .example = "udp" },
	{ .key = "name",
	  .shape = &shape_text,
	  .offset = NO_OFFSET,
	  .doc = "A name, for people.",
	  .example = "http" },
	{ .key = "app_protocol",
	  .shape = &shape_text,
	  .offset = NO_OFFSET,
	  .doc = "Accepted, without effect.",
	  .example = "http" },
	{ .key = "mode",
	  .shape = &port_mode,
	  .offset = NO_OFFSET,
	  .doc = "Accepted, without effect.",
	  .example = "host" },
	{ .key = NULL },
};
static const struct shape port_object = { .kind = SHAPE_OBJECT,
					  .name = "mapping",
					  .fields = port_fields };
static const struct shape port_text = {
	.kind = SHAPE_STRING,
	.name = "string",
	.rule = "[HOST_IP:][HOST[-END]:]GUEST[-END][/tcp|udp]",
	.pattern = PORT_PATTERN,
};
static const struct shape *const port_alts[] = { &port_text, &port_object, NULL };
static const struct shape port = {
	.kind = SHAPE_ONE_OF, .name = "port", .alts = port_alts, .merge_key = port_merge_key
};
const struct shape shape_ports = {
	.kind = SHAPE_LIST,
	.name = "list of ports",
	.rule = "a list of ports like \"8080:80\"",
	.item = &port,
	.decode = decode_ports,
	.emit = emit_ports,
};

static const char *const mount_type_words[] = { "bind", "volume", NULL };
static const struct shape mount_type = { .kind = SHAPE_WORD, .words = mount_type_words };
static const struct field mount_bind_fields[] = {
	{ .key = "create_host_path",
	  .shape = &shape_boolean,
	  .offset = NO_OFFSET,
	  .shown_default = "`true`",
	  .doc = "Make the source directory when it is missing.",
	  .example = "false" },
	{ .key = NULL },
};
static const struct shape mount_bind = { .kind = SHAPE_OBJECT,
					 .name = "mapping",
					 .fields = mount_bind_fields };
/* Decoded by decode_mounts() itself. */
static const struct field mount_fields[] = {
	{ .key = "type",
	  .shape = &mount_type,
	  .offset = NO_OFFSET,
	  .shown_default = "by the source",
	  .doc = "`bind` or `volume`.",
	  .example = "bind" },
	{ .key = "source",
	  .shape = &shape_required_text,
	  .offset = NO_OFFSET,
	  .required = true,
	  .doc = "A host path, or the name of a volume.",
	  .example = "./www" },
	{ .key = "target",
	  .shape = &shape_guest_path,
	  .offset = NO_OFFSET,
	  .required = true,
	  .doc = "Where it appears in the guest.",
	  .example = "/srv/www" },
	{ .key = "read_only",
	  .shape = &shape_boolean,
	  .offset = NO_OFFSET,
	  .shown_default = "`false`",
	  .doc = "The guest cannot write to it.",
	  .example = "true" },
	{ .key = "bind",
	  .shape = &mount_bind,
	  .offset = NO_OFFSET,
	  .doc = "Options of a `bind` mount.",
	  .example = "{create_host_path: false}" },
	{ .key = NULL },
};
static const struct shape mount_object = { .kind = SHAPE_OBJECT,
					   .name = "mapping",
					   .fields = mount_fields };
static const struct shape mount_text = {
	.kind = SHAPE_STRING,
	.flags = SHAPE_QUOTED,
	.name = "string",
	.rule = "SOURCE:TARGET[:ro|rw]",
	.pattern = "^[^:]+:/[^:]*(:((ro|rw|z|Z)(,(ro|rw|z|Z))*))?$",
};
static const struct shape *const mount_alts[] = { &mount_text, &mount_object, NULL };
static const struct shape mount = {
	.kind = SHAPE_ONE_OF, .name = "mount", .alts = mount_alts, .merge_key = mount_merge_key
};
const struct shape shape_mounts = {
	.kind = SHAPE_LIST,
	.name = "list of mounts",
	.rule = "a list of mounts like \"./www:/srv/www:ro\"",
	.item = &mount,
	.decode = decode_mounts,
	.emit = emit_mounts,
};

static const struct shape pci = {
	.kind = SHAPE_STRING,
	.name = "PCI address",
	.rule = "a PCI address like 0000:01:00.0",
	.pattern = "^([0-9a-fA-F]{4}:)?[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\\.[0-7]$",
	.check = is_pci,
};

#define DEVICE(member) offsetof(struct device_spec, member)

static const struct field device_fields[] = {
	{ .key = "pci",
	  .shape = &pci,
	  .offset = DEVICE(pci),
	  .mark = NO_OFFSET,
	  .required = true,
	  .doc = "PCI address of the host device (VFIO).",
	  .example = "0000:01:00.0" },
	{ .key = "rom_file",
	  .shape = &shape_host_path,
	  .offset = DEVICE(rom_file),
	  .mark = NO_OFFSET,
	  .doc = "Option ROM for it.",
	  .example = "./vbios.rom" },
	{ .key = NULL },
};
static const struct shape device = {
	.kind = SHAPE_OBJECT,
	.flags = SHAPE_MARKED,
	.name = "mapping",
	.fields = device_fields,
	.size = sizeof(struct device_spec),
};
const struct shape shape_devices = {
	.kind = SHAPE_LIST, .name = "list of devices", .item = &device, .decode = decode_devices
};
