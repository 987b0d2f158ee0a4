/* SPDX-License-Identifier: Apache-2.0
 *
 * userdata.c - user-data: the #cloud-config document.
 *
 * Order of work in the guest, whatever the order here: bootcmd (volumes and
 * mounts, at every boot), files, users and keys, packages, deferred files,
 * runcmd (by first.sh, which tells how it goes).
 */
#include "parts.h"
#include "yamlout.h"

#include <string.h>

/* The script ends in one NUL (see CMakeLists.txt). */
static const char *script(const unsigned char *text)
{
	return (const char *)text;
}

static void put_host_key(struct ci_steps *s, struct ci_yaml *y, const char *private_key)
{
	const char *public_key = ci_steps_str(s, NULL, "/ssh_host_key/public");

	if (public_key == NULL)
		return;
	if (strncmp(public_key, "ssh-ed25519 ", 12) != 0 || !ci_is_line(public_key)) {
		ci_steps_bad(s, public_key, "must be one line, \"ssh-ed25519 ...\"",
			     "/ssh_host_key/public");
		return;
	}
	ci_yaml_bool(y, "ssh_deletekeys", true);
	ci_yaml_begin(y, "ssh_keys");
	ci_yaml_str(y, "ed25519_private", private_key != NULL ? private_key : "");
	ci_yaml_str(y, "ed25519_public", public_key);
	ci_yaml_end(y);
}

/* ---- what the user has written of his own -------------------------------------- */

/* The element of /user_data with this key, or -1. */
static int find_own(struct ci_steps *s, const char *key)
{
	unsigned n = ci_steps_count(s, CI_LIST_MAX, "/user_data");

	for (unsigned i = 0; i < n; i++) {
		if (strcmp(ci_steps_need(s, "/user_data/%u/key", i), key) == 0)
			return (int)i;
	}
	return -1;
}

static const char *own_yaml(struct ci_steps *s, const char *text, unsigned i)
{
	for (const char *p = text; *p != '\0'; p++) {
		if ((unsigned char)*p < 0x20)
			ci_steps_bad(s, NULL, "must be one line", "/user_data/%u", i);
	}
	return text;
}

/* Behind ours in a list. */
static void put_own_items(struct ci_steps *s, struct ci_yaml *y, const char *key)
{
	int own = find_own(s, key);
	unsigned n = own < 0 ? 0 : ci_steps_count(s, CI_LIST_MAX, "/user_data/%d/items", own);

	for (unsigned i = 0; i < n && s->status == HOLOS_OK; i++)
		ci_yaml_item_flow(
			y, own_yaml(s, ci_steps_need(s, "/user_data/%d/items/%u/yaml", own, i),
				    (unsigned)own));
}

static unsigned count_own_items(struct ci_steps *s, const char *key)
{
	int own = find_own(s, key);

	return own < 0 ? 0 : ci_steps_count(s, CI_LIST_MAX, "/user_data/%d/items", own);
}

/* Keys that have nothing to do with ours. */
static void put_own_keys(struct ci_steps *s, struct ci_yaml *y)
{
	unsigned n = ci_steps_count(s, CI_LIST_MAX, "/user_data");

	for (unsigned i = 0; i < n && s->status == HOLOS_OK; i++) {
		const char *key = ci_steps_need(s, "/user_data/%u/key", i);
		const char *yaml = ci_steps_str(s, NULL, "/user_data/%u/yaml", i);

		if (!ci_is_chars(key, 1, 100, "_-"))
			ci_steps_bad(s, key, "is no key of cloud-config", "/user_data/%u/key", i);
		if (yaml != NULL)
			ci_yaml_flow(y, key, own_yaml(s, yaml, i));
	}
}

/* ---- ours ----------------------------------------------------------------------- */

/* NAME, or a list: NAME and a version. */
static void put_package(struct ci_steps *s, struct ci_yaml *y, unsigned i)
{
	unsigned n = ci_steps_count(s, 16, "/packages/%u", i);

	if (n == 0) {
		const char *name = ci_steps_need(s, "/packages/%u", i);

		if (!ci_is_line(name))
			ci_steps_bad(s, name, "must be one line", "/packages/%u", i);
		ci_yaml_item(y, name);
		return;
	}
	ci_yaml_item_list(y);
	for (unsigned k = 0; k < n; k++)
		ci_yaml_item_list_add(y, ci_steps_need(s, "/packages/%u/%u", i, k));
	ci_yaml_item_list_end(y);
}

static void put_packages(struct ci_steps *s, struct ci_yaml *y)
{
	unsigned n = ci_steps_count(s, CI_LIST_MAX, "/packages");

	/* With packages it is due, unless somebody said no. */
	if (n > 0 || ci_steps_bool(s, false, "/package_update"))
		ci_yaml_bool(y, "package_update", ci_steps_bool(s, true, "/package_update"));
	if (n == 0)
		return;
	ci_yaml_begin(y, "packages");
	for (unsigned i = 0; i < n && s->status == HOLOS_OK; i++)
		put_package(s, y, i);
	ci_yaml_end(y);
}

static void put_groups(struct ci_steps *s, struct ci_yaml *y, enum ci_init init)
{
	unsigned n = ci_steps_count(s, 64, "/user/groups");

	if (!ci_steps_has_list(s, "/user/groups") && init == CI_SYSTEMD) {
		ci_yaml_begin(y, "groups");
		ci_yaml_item(y, "adm");
		ci_yaml_item(y, "sudo");
		ci_yaml_end(y);
	} else if (n > 0) {
		ci_yaml_begin(y, "groups");
		for (unsigned i = 0; i < n; i++) {
			const char *name = ci_steps_need(s, "/user/groups/%u", i);

			if (!ci_is_user(name))
				ci_steps_bad(s, name, "is no name of a group", "/user/groups/%u",
					     i);
			ci_yaml_item(y, name);
		}
		ci_yaml_end(y);
	}
}

static void put_keys(struct ci_steps *s, struct ci_yaml *y)
{
	unsigned n = ci_steps_count(s, 1000, "/user/authorized_keys");

	if (n == 0)
		return;
	ci_yaml_begin(y, "ssh_authorized_keys");
	for (unsigned i = 0; i < n; i++) {
		const char *key = ci_steps_need(s, "/user/authorized_keys/%u", i);

		if (!ci_is_line(key))
			ci_steps_bad(s, NULL, "a key must be one line", "/user/authorized_keys/%u",
				     i);
		ci_yaml_item(y, key);
	}
	ci_yaml_end(y);
}

static void put_user(struct ci_steps *s, struct ci_yaml *y, enum ci_init init, const char *name)
{
	const char *shell;

	if (!ci_is_user(name))
		ci_steps_bad(s, name, "must match [a-z_][a-z0-9_-]{0,31}", "/user/name");
	ci_yaml_begin(y, "users");
	ci_yaml_item_map(y);
	ci_yaml_str(y, "name", name);
	if (strcmp(name, "root") != 0) {
		put_groups(s, y, init);
		shell = ci_steps_str(s, init == CI_SYSTEMD ? "/bin/bash" : "/bin/sh",
				     "/user/shell");
		if (!ci_is_path(shell))
			ci_steps_bad(s, shell, "must be an absolute path", "/user/shell");
		ci_yaml_str(y, "shell", shell);
		if (ci_steps_bool(s, init != CI_MICRO, "/user/sudo"))
			ci_yaml_str(y, "sudo", "ALL=(ALL) NOPASSWD:ALL");
	}
	put_keys(s, y);
	ci_yaml_end(y);
	put_own_items(s, y, "users");
	ci_yaml_end(y);
}

static void put_serial_files(struct ci_yaml *y, const char *user)
{
	char text[256];
	struct ci_buf unit = CI_BUF_INIT(sizeof(text));

	ci_yaml_item_map(y);
	ci_yaml_str(y, "path", "/etc/default/grub.d/99-serial-console.cfg");
	ci_yaml_str(y, "content",
		    "GRUB_CMDLINE_LINUX_DEFAULT="
		    "\"$GRUB_CMDLINE_LINUX_DEFAULT console=ttyS0,115200\"\n"
		    "GRUB_TERMINAL=\"serial console\"\n"
		    "GRUB_SERIAL_COMMAND=\"serial --speed=115200\"\n");
	ci_yaml_end(y);
	ci_buf_addf(&unit,
		    "[Service]\nExecStart=\n"
		    "ExecStart=-/sbin/agetty --autologin %s --noclear %%I $TERM\n",
		    user);
	ci_yaml_item_map(y);
	ci_yaml_str(y, "path", "/etc/systemd/system/serial-getty@ttyS0.service.d/autologin.conf");
	ci_yaml_str(y, "content", unit.s != NULL ? unit.s : "");
	ci_yaml_end(y);
	ci_buf_finish(&unit);
}

static bool is_roots(const char *owner)
{
	return strcmp(owner, "root") == 0 || strncmp(owner, "root:", 5) == 0;
}

static void put_file(struct ci_steps *s, struct ci_yaml *y, unsigned i)
{
	const char *path = ci_steps_need(s, "/files/%u/path", i);
	const char *content = ci_steps_str(s, "", "/files/%u/content", i);
	const char *base64 = ci_steps_str(s, NULL, "/files/%u/content_base64", i);
	const char *permissions = ci_steps_str(s, "0644", "/files/%u/permissions", i);
	const char *owner = ci_steps_str(s, "root:root", "/files/%u/owner", i);

	if (!ci_is_path(path))
		ci_steps_bad(s, path, "must be an absolute path", "/files/%u/path", i);
	if (base64 != NULL && !ci_is_base64(base64))
		ci_steps_bad(s, NULL, "is not base64 with padding", "/files/%u/content_base64", i);
	if (strspn(permissions, "01234567") != strlen(permissions) || strlen(permissions) < 3 ||
	    strlen(permissions) > 4)
		ci_steps_bad(s, permissions, "must be three or four octal digits",
			     "/files/%u/permissions", i);
	if (!ci_is_chars(owner, 1, 65, "_-.:"))
		ci_steps_bad(s, owner, "must be USER or USER:GROUP", "/files/%u/owner", i);
	ci_yaml_item_map(y);
	ci_yaml_str(y, "path", path);
	if (base64 != NULL)
		ci_yaml_str(y, "encoding", "b64");
	ci_yaml_str(y, "content", base64 != NULL ? base64 : content);
	ci_yaml_str(y, "permissions", permissions);
	ci_yaml_str(y, "owner", owner);
	if (ci_steps_bool(s, !is_roots(owner), "/files/%u/defer", i))
		ci_yaml_bool(y, "defer", true);
	ci_yaml_end(y);
}

/* The user's commands of every boot; one that fails is told. */
static void put_bootcmd(struct ci_steps *s, struct ci_yaml *y)
{
	unsigned n = ci_steps_count(s, CI_LIST_MAX, "/bootcmd");

	if (n > 0)
		ci_yaml_item(y, "[ ! -f /etc/profile.d/holos.sh ] || . /etc/profile.d/holos.sh");
	for (unsigned i = 0; i < n && s->status == HOLOS_OK; i++) {
		struct ci_buf text = CI_BUF_INIT(1u << 20);
		struct ci_buf shown = CI_BUF_INIT(1024);

		ci_command(s, "bootcmd", i, &text, &shown);
		ci_buf_adds(&text, "\nholos_status=$?\n[ $holos_status = 0 ] || sh "
				   "/run/holos/first.sh bootcmd ");
		ci_buf_add_quoted(&text, shown.s != NULL ? shown.s : "");
		ci_buf_adds(&text, " $holos_status");
		if (text.status != HOLOS_OK)
			y->out->status = text.status;
		else
			ci_yaml_item(y, text.s);
		ci_buf_finish(&text);
		ci_buf_finish(&shown);
	}
}

static void put_files(struct ci_steps *s, struct ci_yaml *y, bool serial, const char *user)
{
	unsigned n = ci_steps_count(s, CI_LIST_MAX, "/files");

	if (n == 0 && !serial && count_own_items(s, "write_files") == 0)
		return;
	ci_yaml_begin(y, "write_files");
	if (serial)
		put_serial_files(y, user);
	for (unsigned i = 0; i < n && s->status == HOLOS_OK; i++)
		put_file(s, y, i);
	put_own_items(s, y, "write_files");
	ci_yaml_end(y);
}

void ci_userdata(struct ci_steps *s, const char *host_key, struct ci_buf *out)
{
	struct ci_yaml y = CI_YAML_INIT(out);
	enum ci_init init = ci_steps_init(s);
	const char *hostname = ci_steps_need(s, "/hostname");
	const char *user = ci_steps_need(s, "/user/name");
	bool serial = init == CI_SYSTEMD && ci_steps_bool(s, false, "/serial_console");

	if (!ci_is_chars(hostname, 1, 253, "-."))
		ci_steps_bad(s, hostname, "is no host name", "/hostname");
	if (ci_steps_str(s, NULL, "/user_data") != NULL)
		ci_steps_bad(s, NULL, "must be a list", "/user_data");
	ci_buf_adds(out, "#cloud-config\n");
	ci_yaml_str(&y, "hostname", hostname);
	ci_yaml_bool(&y, "manage_etc_hosts", false);
	if (find_own(s, "ssh_pwauth") < 0)
		ci_yaml_bool(&y, "ssh_pwauth", false);
	if (strcmp(user, "root") == 0)
		ci_yaml_bool(&y, "disable_root", false);
	put_host_key(s, &y, host_key);
	/* Without this, addresses are applied at the first boot only. */
	ci_yaml_begin(&y, "updates");
	ci_yaml_begin(&y, "network");
	ci_yaml_begin(&y, "when");
	ci_yaml_item(&y, "boot");
	ci_yaml_end(&y);
	ci_yaml_end(&y);
	ci_yaml_end(&y);
	put_own_keys(s, &y);
	put_packages(s, &y);
	put_user(s, &y, init, user);
	put_files(s, &y, serial, user);
	ci_yaml_begin(&y, "bootcmd");
	ci_yaml_item(&y, script(ci_bootcmd_sh));
	put_bootcmd(s, &y);
	ci_yaml_end(&y);
	ci_yaml_begin(&y, "runcmd");
	ci_yaml_item(&y, "sh /run/holos/first.sh");
	ci_yaml_end(&y);
}
