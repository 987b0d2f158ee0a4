/*
 * mounts.c - fs_setup, mounts and /etc/fstab.
 *
 * A file system is only made where nothing known is found, unless the seed says overwrite.
 * What is in fstab is mounted at every boot; a mount that fails is reported and the boot
 * goes on.
 */
#include "micro.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FSTAB  "/etc/fstab"
#define FIELDS 6

static void make_fs(const char *dev, const char *type, const char *label)
{
	const char *mkfs = fmt("mkfs.%s", type);
	int st;

	if (starts(type, "ext"))
		st = label ? runl(mkfs, "-q", "-F", "-L", label, dev, (char *)NULL)
			   : runl(mkfs, "-q", "-F", dev, (char *)NULL);
	else
		st = label ? runl(mkfs, label[0] ? (starts(type, "vfat") ? "-n" : "-L") : "-L",
				  label, dev, (char *)NULL)
			   : runl(mkfs, dev, (char *)NULL);
	if (st != 0)
		complain("fs_setup: %s %s failed with status %d", mkfs, dev, st);
	else
		say("fs_setup: %s made on %s", type, dev);
}

static void setup_one(struct ynode *e, size_t i)
{
	const char *spec = y_text(e, "device"), *type = y_text(e, "filesystem"),
		   *part = y_text(e, "partition");
	char dev[128];
	struct probe p;

	if (!spec || !type) {
		complain("fs_setup[%zu]: device and filesystem are needed", i);
		return;
	}
	if (part && strspn(part, "0123456789") == strlen(part) && part[0] != '0')
		spec = fmt("%s%s%s", spec, strchr("0123456789", spec[strlen(spec) - 1]) ? "p" : "",
			   part);
	if (!resolve_device(spec, dev, sizeof(dev))) {
		complain("fs_setup[%zu]: no device %s", i, spec);
		return;
	}
	if (probe(dev, &p) && !y_true(y_get(e, "overwrite"), false)) {
		say("fs_setup: %s holds %s already, left alone", dev,
		    p.type[0] ? p.type : p.pttype);
		return;
	}
	make_fs(dev, type, y_text(e, "label"));
}

void fs_setup(struct ynode *list)
{
	for (size_t i = 0; i < y_len(list); i++)
		setup_one(y_at(list, i), i);
	if (y_len(list))
		make_links();
}

/* fstab writes blanks as \040 */
static void fstab_field(struct buf *b, const char *s)
{
	for (; *s; s++) {
		if (*s == ' ' || *s == '\t' || *s == '\n' || *s == '\\')
			buf_str(b, fmt("\\%03o", (unsigned)(unsigned char)*s));
		else
			buf_add(b, s, 1);
	}
}

/* fstab without the entries for this mount point: the seed's replaces them */
static void forget_mount(struct buf *b, const char *where)
{
	char *text = slurp(FSTAB, 1 << 20, NULL), *save = NULL;
	struct buf w = { 0 };

	fstab_field(&w, where);
	b->n = 0;
	buf_add(b, "", 0);
	for (char *l = text ? strtok_r(text, "\n", &save) : NULL; l;
	     l = strtok_r(NULL, "\n", &save)) {
		char *copy = xdup(l), *s2 = NULL, *second;

		(void)strtok_r(copy, " \t", &s2);
		second = strtok_r(NULL, " \t", &s2);
		if (l[0] != '#' && second && strcmp(second, w.p) == 0 &&
		    strcmp(second, "none") != 0)
			continue;
		buf_str(b, l);
		buf_str(b, "\n");
	}
}

void mounts_write(const struct seed *s)
{
	static const char *const def[FIELDS] = { NULL, NULL, "auto", "defaults,nofail", "0", "2" };
	struct ynode *list = y_get(s->user, "mounts");
	struct buf b = { 0 };

	for (size_t i = 0; i < y_len(list); i++) {
		struct ynode *m = y_at(list, i);
		const char *f[FIELDS];

		for (size_t k = 0; k < FIELDS; k++)
			f[k] = y_str(y_at(m, k)) ? y_str(y_at(m, k)) : def[k];
		if (!m || m->kind != Y_SEQ || !f[0] ||
		    !f[1]) /* [dev] or [dev, null]: no mount wanted */
			continue;
		if (f[0][0] != '/' &&
		    strspn(f[0], "abcdefghijklmnopqrstuvwxyz0123456789") == strlen(f[0]) &&
		    access(fmt("/dev/%s", f[0]), F_OK) == 0)
			f[0] = fmt("/dev/%s", f[0]);
		forget_mount(&b, f[1]);
		for (size_t k = 0; k < FIELDS; k++) {
			fstab_field(&b, f[k]);
			buf_str(&b, k == FIELDS - 1 ? "\n" : "\t");
		}
		if (!spew(FSTAB ".new", b.p, b.n, O_TRUNC, 0644) || rename(FSTAB ".new", FSTAB) < 0)
			complain("mounts[%zu]: " FSTAB ": %s", i, strerror(errno));
	}
}

/* what mount(8) of util-linux understands and the kernel does not */
static char *kernel_options(const char *opts)
{
	static const char *const skip[] = { "defaults", "nofail", "_netdev", "auto",
					    "nouser",   "user",   "users" };
	char *list = xdup(opts), *save = NULL;
	struct buf b = { 0 };

	buf_add(&b, "", 0);
	for (char *o = strtok_r(list, ",", &save); o; o = strtok_r(NULL, ",", &save)) {
		bool drop = starts(o, "x-") || starts(o, "comment=");

		for (size_t i = 0; i < ARRAY_LEN(skip); i++)
			drop |= strcmp(o, skip[i]) == 0;
		if (drop)
			continue;
		if (b.n)
			buf_str(&b, ",");
		buf_str(&b, o);
	}
	return b.n ? b.p : xdup("rw");
}

static void unescape_field(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] && s[3]) {
			*to++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

static void mount_entry(char *line)
{
	char *f[4], *save = NULL, dev[160], *opts;
	const char *const check[] = { "mountpoint", "-q", NULL, NULL };
	const char *argv[4];

	for (size_t i = 0; i < ARRAY_LEN(f); i++) {
		f[i] = strtok_r(i ? NULL : line, " \t", &save);
		if (!f[i] || f[i][0] == '#')
			return;
		unescape_field(f[i]);
	}
	if (strcmp(f[1], "/") == 0 || strstr(f[3], "noauto"))
		return;
	if (f[0][0] != '/' && strchr(f[0], '=')) {
		if (!resolve_device(f[0], dev, sizeof(dev))) {
			complain("mount %s: no device %s", f[1], f[0]);
			return;
		}
		f[0] = dev;
	}
	if (strcmp(f[2], "swap") == 0) {
		if (runl("swapon", f[0], (char *)NULL) != 0)
			complain("swapon %s failed", f[0]);
		return;
	}
	memcpy(argv, check, sizeof(argv));
	argv[2] = f[1];
	if (run(RUN_NULL, RUN_NULL, argv) == 0)
		return; /* bootcmd of an earlier step did it */
	opts = kernel_options(f[3]);
	if (!mkdirs(f[1], 0755) ||
	    runl("mount", "-t", f[2], "-o", opts, f[0], f[1], (char *)NULL) != 0)
		complain("mount %s on %s failed", f[0], f[1]);
}

void mount_fstab(void)
{
	char *text = slurp(FSTAB, 1 << 20, NULL), *save = NULL;

	for (char *l = text ? strtok_r(text, "\n", &save) : NULL; l;
	     l = strtok_r(NULL, "\n", &save))
		mount_entry(l);
}
