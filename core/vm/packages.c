/* SPDX-License-Identifier: Apache-2.0
 *
 * packages.c - see packages.h.
 */
#include <base/alloc.h>
#include <base/fs.h>
#include <vm/hostpath.h>
#include <vm/packages.h>

#include <fcntl.h>
#include <string.h>

#define OS_RELEASE_MAX 65536u

static const struct family {
	const char *ids[8]; /* of os-release */
	const char *command;
	const char *qemu[2]; /* by architecture */
	const char *img;
	const char *firmware[2];
} families[] = {
	{ { "debian", "ubuntu" },
	  "sudo apt install",
	  { "qemu-system-x86", "qemu-system-arm" },
	  "qemu-utils",
	  { "ovmf", "qemu-efi-aarch64" } },
	/* Before Fedora: they are like it, but have one QEMU, of their own architecture. */
	{ { "rhel", "centos", "rocky", "almalinux", "ol" },
	  "sudo dnf install",
	  { "qemu-kvm", "qemu-kvm" },
	  "qemu-img",
	  { "edk2-ovmf", "edk2-aarch64" } },
	{ { "fedora" },
	  "sudo dnf install",
	  { "qemu-system-x86", "qemu-system-aarch64" },
	  "qemu-img",
	  { "edk2-ovmf", "edk2-aarch64" } },
	{ { "arch", "archarm" },
	  "sudo pacman -S",
	  { "qemu-base", "qemu-system-aarch64" },
	  "qemu-img",
	  { "edk2-ovmf", "edk2-aarch64" } },
	{ { "opensuse", "suse", "sles", "opensuse-leap", "opensuse-tumbleweed" },
	  "sudo zypper install",
	  { "qemu-x86", "qemu-arm" },
	  "qemu-tools",
	  { "qemu-ovmf-x86_64", "qemu-uefi-aarch64" } },
	{ { "alpine" },
	  "sudo apk add",
	  { "qemu-system-x86_64", "qemu-system-aarch64" },
	  "qemu-img",
	  { "ovmf", "aavmf" } },
};

/* The value of KEY= with its quotes taken off; the caller frees.  NULL: not there. */
static char *os_value(const char *text, const char *key)
{
	size_t n = strlen(key);

	for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
		size_t len;

		line += *line == '\n' ? 1 : 0;
		if (strncmp(line, key, n) != 0 || line[n] != '=')
			continue;
		line += n + 1;
		len = strcspn(line, "\n");
		if (len >= 2 && (line[0] == '"' || line[0] == '\'') && line[len - 1] == line[0])
			return xstrndup(line + 1, len - 2);
		return xstrndup(line, len);
	}
	return NULL;
}

/* Is one of the words of `list` an id of f? */
static bool names_family(const char *list, const struct family *f)
{
	for (const char *p = list; *p != '\0'; p += strspn(p, " \t")) {
		size_t len = strcspn(p, " \t");

		for (size_t i = 0; f->ids[i] != NULL; i++) {
			if (strlen(f->ids[i]) == len && strncmp(f->ids[i], p, len) == 0)
				return true;
		}
		p += len;
	}
	return false;
}

static const struct family *find_family(void)
{
	static const char *const files[] = { "/etc/os-release", "/usr/lib/os-release" };
	static const char *const keys[] = { "ID", "ID_LIKE" };
	_cleanup_(strbuf_finish) struct strbuf text = STRBUF_INIT;

	for (size_t i = 0; i < 2 && text.len == 0; i++) {
		_cleanup_(freep) char *path = host_path(files[i]);

		(void)fs_read(AT_FDCWD, path, OS_RELEASE_MAX, &text, NULL);
	}
	for (size_t k = 0; text.len != 0 && k < 2; k++) {
		_cleanup_(freep) char *value = os_value(text.s, keys[k]);

		for (size_t i = 0; value != NULL && i < sizeof(families) / sizeof(families[0]);
		     i++) {
			if (names_family(value, &families[i]))
				return &families[i];
		}
	}
	return NULL;
}

char *packages_command(enum package_need need, enum arch arch)
{
	const struct family *f = find_family();

	if (f != NULL)
		return xasprintf("%s %s", f->command,
				 need == NEED_QEMU       ? f->qemu[arch]
				 : need == NEED_QEMU_IMG ? f->img
							 : f->firmware[arch]);
	return need == NEED_QEMU ? xasprintf("install your distribution's package of QEMU with "
					     "qemu-system-%s",
					     arch_name(arch))
	       : need == NEED_QEMU_IMG
		       ? xstrdup("install your distribution's package of QEMU's tools with "
				 "qemu-img")
		       : xasprintf("install your distribution's package of the UEFI firmware for "
				   "QEMU on %s (OVMF, edk2)",
				   arch_name(arch));
}
