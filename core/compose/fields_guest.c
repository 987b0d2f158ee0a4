/* SPDX-License-Identifier: Apache-2.0
 *
 * fields_guest.c - the table of `cloud_init`, and guest text.
 */
#include <compose/decode.h>
#include <compose/emit.h>
#include <compose/shapes.h>

#include <string.h>

static bool is_permissions(const char *s)
{
	size_t n = strlen(s);

	return (n == 3 || n == 4) && strspn(s, "01234567") == n;
}

static bool is_owner_part(const char *s, size_t n)
{
	static const char chars[] = "abcdefghijklmnopqrstuvwxyz0123456789_.-";

	return n > 0 && n <= 32 && strspn(s, chars) >= n && s[0] != '-';
}

static bool is_owner(const char *s)
{
	const char *colon = strchr(s, ':');

	if (colon == NULL)
		return is_owner_part(s, strlen(s));
	return is_owner_part(s, (size_t)(colon - s)) && is_owner_part(colon + 1, strlen(colon + 1));
}

static bool is_package(const char *s)
{
	return s[0] != '\0' && s[0] != '-' && strpbrk(s, " \t") == NULL;
}

/* ---- cloud_init ------------------------------------------------------------------ */

const struct shape shape_command_text = {
	.kind = SHAPE_STRING,
	.flags = SHAPE_GUEST | SHAPE_MULTILINE | SHAPE_NONEMPTY,
	.name = "string",
	.pattern = "^[\\s\\S]",
};
static const struct shape command_word = { .kind = SHAPE_STRING,
					   .flags = SHAPE_GUEST | SHAPE_MULTILINE,
					   .name = "string" };
const struct shape shape_command_argv = {
	.kind = SHAPE_LIST,
	.flags = SHAPE_GUEST | SHAPE_REPLACE | SHAPE_NONEMPTY,
	.name = "list of strings",
	.item = &command_word,
};
static const struct shape *const command_alts[] = { &shape_command_text, &shape_command_argv,
						    NULL };
static const struct shape command = {
	.kind = SHAPE_ONE_OF,
	.flags = SHAPE_GUEST,
	.name = "command",
	.rule = "a command line, or a list of words",
	.alts = command_alts,
};
static const struct shape commands = {
	.kind = SHAPE_LIST,
	.flags = SHAPE_GUEST,
	.name = "list of commands",
	.item = &command,
	.decode = decode_commands,
	.emit = emit_commands,
};

static const struct shape guest_text = { .kind = SHAPE_STRING,
					 .flags = SHAPE_GUEST | SHAPE_MULTILINE,
					 .name = "text" };
static const struct shape permissions = {
	.kind = SHAPE_STRING,
	.name = "octal mode",
	.rule = "3 or 4 octal digits",
	.pattern = "^[0-7]{3,4}$",
	.check = is_permissions,
};
static const struct shape owner = {
	.kind = SHAPE_STRING,
	.name = "USER[:GROUP]",
	.rule = "USER or USER:GROUP",
	.pattern = "^[a-z0-9_.][a-z0-9_.-]{0,31}(:[a-z0-9_.][a-z0-9_.-]{0,31})?$",
	.check = is_owner,
};

#define WRITE(member) offsetof(struct write_file, member)

static const struct field write_file_fields[] = {
	{ .key = "path",
	  .shape = &shape_guest_path,
	  .offset = WRITE(path),
	  .mark = NO_OFFSET,
	  .required = true,
	  .doc = "Where the file goes.",
	  .example = "/etc/motd" },
	{ .key = "content",
	  .shape = &guest_text,
	  .offset = WRITE(content),
	  .mark = NO_OFFSET,
	  .deflt = "\"\"",
	  .doc = "What it says. Not interpolated.",
	  .example = "\"hello\\n\"" },
	{ .key = "permissions",
	  .shape = &permissions,
	  .offset = WRITE(permissions),
	  .mark = NO_OFFSET,
	  .deflt = "\"0644\"",
	  .doc = "Its mode.",
	  .example = "\"0600\"" },
	{ .key = "owner",
	  .shape = &owner,
	  .offset = WRITE(owner),
	  .mark = NO_OFFSET,
	  .deflt = "root:root",
	  .doc = "Its owner and group.",
	  .example = "root:adm" },
	{ .key = NULL },
};
static const struct shape write_file = {
	.kind = SHAPE_OBJECT,
	.flags = SHAPE_MARKED,
	.name = "mapping",
	.fields = write_file_fields,
	.size = sizeof(struct write_file),
};
static const struct shape write_files = { .kind = SHAPE_LIST,
					  .name = "list of files",
					  .item = &write_file };
static const struct shape package = {
	.kind = SHAPE_STRING,
	.name = "package",
	.rule = "the name of a package",
	.pattern = "^[^-\\s]\\S*$",
	.check = is_package,
};
static const struct shape packages = { .kind = SHAPE_LIST,
				       .name = "list of packages",
				       .item = &package };
static const struct shape user_data_map = {
	.kind = SHAPE_MAP,
	.flags = SHAPE_GUEST | SHAPE_REPLACE,
	.item = &(const struct shape){ .kind = SHAPE_ANY, .flags = SHAPE_GUEST },
};
static const struct shape *const user_data_alts[] = { &shape_command_text, &user_data_map, NULL };
static const struct shape user_data = {
	.kind = SHAPE_ONE_OF,
	.flags = SHAPE_GUEST | SHAPE_REPLACE,
	.name = "path, text or mapping",
	.rule = "a cloud-config: a path, a text or a mapping",
	.alts = user_data_alts,
	.decode = decode_user_data,
	.emit = emit_user_data,
};

#define CLOUD(member) offsetof(struct cloud_init, member)

static const struct field cloud_init_fields[] = {
	{ .key = "user",
	  .shape = &shape_user_name,
	  .offset = CLOUD(user),
	  .mark = CLOUD(user_mark),
	  .change = CHANGE_RECREATE,
	  .shown_default = "the image's, else `ubuntu`",
	  .doc = "The user that holos logs in as.",
	  .example = "admin" },
	{ .key = "ssh_authorized_keys",
	  .shape = &shape_required_text_list,
	  .offset = CLOUD(ssh_authorized_keys),
	  .mark = NO_OFFSET,
	  .change = CHANGE_RECREATE,
	  .doc = "More public keys for that user; the project's own is always there.",
	  .example = "[\"ssh-ed25519 AAAA... me@host\"]" },
	{ .key = "packages",
	  .shape = &packages,
	  .offset = CLOUD(packages),
	  .mark = NO_OFFSET,
	  .change = CHANGE_RECREATE,
	  .doc = "Packages to install at the first boot.",
	  .example = "[nginx]" },
	{ .key = "write_files",
	  .shape = &write_files,
	  .offset = CLOUD(write_files),
	  .mark = NO_OFFSET,
	  .change = CHANGE_RECREATE,
	  .doc = "Files to write at the first boot.",
	  .example = "[{path: /etc/motd, content: \"hello\\n\"}]" },
	{ .key = "runcmd",
	  .shape = &commands,
	  .offset = CLOUD(runcmd),
	  .mark = NO_OFFSET,
	  .change = CHANGE_RECREATE,
	  .doc = "Commands at the first boot, after everything else. Not interpolated.",
	  .example = "[\"systemctl enable --now nginx\"]" },
	{ .key = "bootcmd",
	  .shape = &commands,
	  .offset = CLOUD(bootcmd),
	  .mark = NO_OFFSET,
	  .change = CHANGE_RECREATE,
	  .doc = "Commands early in every boot. Not interpolated.",
	  .example = "[[modprobe, dummy]]" },
	{ .key = "user_data",
	  .shape = &user_data,
	  .offset = 0,
	  .mark = CLOUD(user_data_mark),
	  .change = CHANGE_RECREATE,
	  .doc = "A cloud-config of your own, merged under what holos generates: a path (one "
		 "line), the text itself, or a mapping. Not interpolated.",
	  .example = "./user-data.yaml" },
	{ .key = NULL },
};
const struct shape shape_cloud_init = {
	.kind = SHAPE_OBJECT, .flags = SHAPE_MARKED, .name = "mapping", .fields = cloud_init_fields
};
