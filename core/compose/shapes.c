/* SPDX-License-Identifier: Apache-2.0
 *
 * shapes.c - shapes that several tables use.
 */
#include <compose/decode.h>
#include <compose/emit.h>
#include <compose/shapes.h>

#include <base/names.h>

#include <string.h>

/* ---- what texts may be ------------------------------------------------------ */

/* A DNS name: labels of letters, digits and hyphens, joined by dots. */
static bool is_host_name(const char *s)
{
	static const char chars[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
	size_t n = strlen(s);

	if (n == 0 || n > 253)
		return false;
	for (;;) {
		size_t len = strspn(s, chars);

		if (len == 0 || len > 63 || s[0] == '-' || s[len - 1] == '-')
			return false;
		s += len;
		if (*s == '\0')
			return true;
		if (*s++ != '.')
			return false;
	}
}

static bool is_absolute(const char *s)
{
	return s[0] == '/';
}

/* ---- shapes ----------------------------------------------------------------- */

const struct shape shape_text = { .kind = SHAPE_STRING, .name = "string" };
const struct shape shape_required_text = {
	.kind = SHAPE_STRING,
	.flags = SHAPE_NONEMPTY,
	.name = "string",
	.pattern = NONEMPTY_PATTERN,
};
const struct shape shape_boolean = { .kind = SHAPE_BOOL, .name = "boolean" };
const struct shape shape_label = {
	.kind = SHAPE_STRING,
	.name = "name",
	.rule = NAMES_LABEL_RULE,
	.pattern = LABEL_PATTERN,
	.check = names_is_label,
};
const struct shape shape_user_name = {
	.kind = SHAPE_STRING,
	.name = "user name",
	.rule = "1 to 32 of a-z, 0-9, _ and -, starting with a letter or _",
	.pattern = "^[a-z_][a-z0-9_-]{0,31}$",
	.check = names_is_user,
};
const struct shape shape_plugin_name = {
	.kind = SHAPE_STRING,
	.name = "plugin",
	.rule = "the name of a plugin: 1 to 32 of a-z, 0-9 and -, starting with a letter",
	.pattern = "^[a-z][a-z0-9-]{0,31}$",
	.check = names_is_plugin,
};
const struct shape shape_host_name = {
	.kind = SHAPE_STRING,
	.name = "host name",
	.rule = "a host name: letters, digits and - in labels of 1 to 63, joined by dots",
	.pattern = HOST_NAME_PATTERN,
	.check = is_host_name,
};
const struct shape shape_host_path = {
	.kind = SHAPE_STRING,
	.flags = SHAPE_PATH | SHAPE_NONEMPTY,
	.name = "host path",
	.pattern = NONEMPTY_PATTERN,
};
const struct shape shape_guest_path = {
	.kind = SHAPE_STRING,
	.name = "guest path",
	.rule = "an absolute path in the guest",
	.pattern = "^/",
	.check = is_absolute,
	.decode = decode_guest_path,
};
const struct shape shape_text_list = { .kind = SHAPE_LIST,
				       .name = "list of strings",
				       .item = &shape_text };
const struct shape shape_required_text_list = { .kind = SHAPE_LIST,
						.name = "list of strings",
						.item = &shape_required_text };
const struct shape shape_any_object = {
	.kind = SHAPE_MAP,
	.name = "mapping",
	.item = &(const struct shape){ .kind = SHAPE_ANY },
	.decode = decode_options,
	.emit = emit_options,
};
const struct shape shape_disk_size = { .kind = SHAPE_SIZE, .name = "size", .min = 1 << 20 };
/* Whole seconds; what is shorter than one counts as one. */
const struct shape shape_duration = { .kind = SHAPE_DURATION, .name = "duration" };
const struct shape shape_positive_duration = { .kind = SHAPE_DURATION,
					       .name = "duration",
					       .min = 1 };

/* KEY=VALUE lists and mappings */
static const struct shape key_value_map = {
	.kind = SHAPE_MAP,
	.item = &(const struct shape){ .kind = SHAPE_STRING,
				       .flags = SHAPE_MULTILINE | SHAPE_NULL },
};
static const struct shape *const key_value_alts[] = { &key_value_map, &shape_text_list, NULL };
const struct shape shape_environment = {
	.kind = SHAPE_ONE_OF,
	.flags = SHAPE_PAIRS,
	.separators = "=",
	.name = "mapping, or list of `KEY=VALUE`",
	.rule = "a mapping or a list of \"KEY=VALUE\"",
	.alts = key_value_alts,
	.decode = decode_key_values,
	.emit = emit_key_values,
};
const struct shape shape_labels = {
	.kind = SHAPE_ONE_OF,
	.flags = SHAPE_PAIRS | SHAPE_NULL, /* a label without a value is "" */
	.separators = "=",
	.name = "mapping, or list of `KEY=VALUE`",
	.rule = "a mapping or a list of \"KEY=VALUE\"",
	.alts = key_value_alts,
	.decode = decode_key_values,
	.emit = emit_key_values,
};
