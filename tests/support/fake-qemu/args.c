/* SPDX-License-Identifier: Apache-2.0
 *
 * args.c - QEMU's command line: "-name value", and "a=b,c=d" inside a value.
 */
#include "fake.h"

#include <stdlib.h>
#include <string.h>

/* What holos may reasonably use.  QEMU refuses an unknown option, and a test
 * of a bad vm.extra_args needs that. */
static const char *const with_value[] = {
	"name",       "machine",         "M",      "cpu",    "smp",    "m",        "accel",
	"display",    "chardev",         "serial", "mon",    "qmp",    "monitor",  "device",
	"drive",      "blockdev",        "netdev", "nic",    "virtfs", "fsdev",    "object",
	"uuid",       "sandbox",         "kernel", "initrd", "append", "smbios",   "rtc",
	"boot",       "action",          "global", "bios",   "add-fd", "msg",      "run-with",
	"runas",      "watchdog-action", "vga",    "D",      "d",      "incoming", "cdrom",
	"overcommit", "icount",          "fw_cfg", "numa",   "k",      "parallel",
};

static const char *const without_value[] = {
	"enable-kvm", "nodefaults", "no-user-config", "no-reboot", "no-shutdown", "S",
	"nographic",  "no-acpi",    "no-hpet",        "snapshot",  "usb",
};

static bool in_list(const char *const *list, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(list[i], name))
			return true;
	return false;
}

int args_parse(struct fake *f)
{
	char *guest;

	for (int i = 1; i < f->argc; i++) {
		const char *arg = f->argv[i];
		struct option *o = &f->options[f->n_options];

		if (*arg != '-' || f->n_options == OPTIONS_MAX) {
			complain("%s: Could not open '%s': No such file or directory", arg, arg);
			return 1;
		}
		o->name = arg + 1 + (arg[1] == '-');
		if (in_list(with_value, sizeof(with_value) / sizeof(*with_value), o->name)) {
			if (++i == f->argc) {
				complain("%s: requires an argument", arg);
				return 1;
			}
			o->value = f->argv[i];
		} else if (!in_list(without_value, sizeof(without_value) / sizeof(*without_value),
				    o->name)) {
			complain("%s: invalid option", arg);
			return 1;
		}
		f->n_options++;
	}
	f->name = strdup(args_get(f, "name") ? args_get(f, "name") : "unnamed");
	guest = opts_get(f->name, "guest");
	if (guest) {
		free(f->name);
		f->name = guest;
	} else {
		f->name[strcspn(f->name, ",")] = '\0';
	}
	f->uuid = args_get(f, "uuid");
	return 0;
}

const char *args_get(const struct fake *f, const char *name)
{
	for (unsigned i = f->n_options; i-- > 0;)
		if (!strcmp(f->options[i].name, name))
			return f->options[i].value ? f->options[i].value : "";
	return NULL;
}

/* Copy up to a single comma (or, for a key, '='), undoubling commas. */
static char *take_part(const char **pos, bool key)
{
	const char *s = *pos;
	char *out = malloc(strlen(s) + 1);
	size_t n = 0;

	if (!out)
		abort();
	for (; *s; s++) {
		if (key && *s == '=')
			break;
		if (*s == ',') {
			if (s[1] != ',')
				break;
			s++;
		}
		out[n++] = *s;
	}
	out[n] = '\0';
	*pos = s;
	return out;
}

bool opts_next(const char **pos, char **key, char **value)
{
	const char *s = *pos;

	if (!*s)
		return false;
	*key = take_part(&s, true);
	if (*s == '=') {
		s++;
		*value = take_part(&s, false);
	} else {
		*value = *key;
		*key = NULL;
	}
	*pos = *s == ',' ? s + 1 : s;
	return true;
}

char *opts_get(const char *text, const char *key)
{
	char *k, *v, *found = NULL;

	while (opts_next(&text, &k, &v)) {
		if (k && !strcmp(k, key)) {
			free(found);
			found = v;
			v = NULL;
		}
		free(k);
		free(v);
	}
	return found;
}
