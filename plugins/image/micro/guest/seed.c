/*
 * seed.c - finds and reads the NoCloud seed: a file system labelled cidata or CIDATA with
 * meta-data, user-data and network-config.
 *
 * The three files are read into memory and the medium is unmounted again: nothing secret
 * is copied to the disk.  What cannot be parsed is reported and treated as empty, so that
 * a guest with a bad seed can still be reached by its console.
 */
#include "micro.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define MNT      "/run/micro/seed"
#define IID_FILE "/var/lib/cloud/data/instance-id"

static bool mount_seed(struct seed *s)
{
	char dev[80];
	struct probe p;

	if (!find_device("LABEL", "cidata", dev, sizeof(dev)) &&
	    !find_device("LABEL", "CIDATA", dev, sizeof(dev))) {
		say("no seed: no file system is labelled cidata");
		return false;
	}
	s->device = xdup(dev);
	(void)mkdirs(MNT, 0700);
	if (!probe(dev, &p) ||
	    mount(dev, MNT, p.type, MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0) {
		complain("seed %s: %s", dev, strerror(errno));
		return false;
	}
	return true;
}

static char *part(const char *name, size_t *ret_n)
{
	char path[96], *text;

	(void)snprintf(path, sizeof(path), MNT "/%s", name);
	text = slurp(path, SEED_CAP, ret_n);
	if (!text && errno != ENOENT)
		complain("seed: %s: %s", name, strerror(errno));
	return text;
}

static struct ynode *parsed(const char *name, const char *text, size_t n)
{
	struct ynode *node;
	char *err;

	if (!text)
		return NULL;
	node = yaml_parse(text, n, &err);
	if (err)
		complain("seed: %s: %s", name, err);
	if (node && node->kind != Y_MAP) {
		complain("seed: %s is not a mapping", name);
		node = NULL;
	}
	return node;
}

static void user_data(struct seed *s, char *text, size_t n)
{
	if (!text || !n)
		return;
	if (starts(text, "#!")) {
		s->script = text;
		s->script_n = n;
	} else if (starts(text, "#cloud-config") && !starts(text, "#cloud-config-archive")) {
		s->user = parsed("user-data", text, n);
	} else {
		complain("user-data: neither #cloud-config nor a #! script, ignored");
	}
}

static void names(struct seed *s)
{
	const char *fqdn = y_text(s->user, "fqdn"), *host = y_text(s->user, "hostname");

	if (!host)
		host = fqdn ? fqdn : y_text(s->meta, "local-hostname");
	if (!host)
		host = y_text(s->meta, "hostname");
	if (!host)
		return;
	s->hostname = xdup(host);
	if (!fqdn && strchr(host, '.'))
		fqdn = host;
	s->fqdn = fqdn ? xdup(fqdn) : NULL;
	s->hostname[strcspn(s->hostname, ".")] = '\0';
}

static void instance(struct seed *s)
{
	const char *id = y_text(s->meta, "instance-id");
	char *old = slurp(IID_FILE, 4096, NULL);

	if (id)
		s->iid = xdup(id);
	else /* without a seed the disk keeps the identity it has */
		s->iid = xdup(old && *chomp(old) ? chomp(old) : "nocloud");
	s->is_new = !old || strcmp(chomp(old), s->iid) != 0;
}

void seed_read(struct seed *s)
{
	char *meta = NULL, *user = NULL, *net = NULL;
	size_t nm = 0, nu = 0, nn = 0;

	if (mount_seed(s)) {
		meta = part("meta-data", &nm);
		user = part("user-data", &nu);
		net = part("network-config", &nn);
		(void)umount2(MNT, MNT_DETACH); /* read-only: nothing to lose */
	}
	s->meta = parsed("meta-data", meta, nm);
	user_data(s, user, nu);
	s->net = parsed("network-config", net, nn);
	if (y_get(s->net, "network"))
		s->net = y_get(s->net, "network");
	names(s);
	instance(s);
}

static bool among(const char *const *list, const char *key)
{
	for (; *list; list++)
		if (strcmp(*list, key) == 0)
			return true;
	return false;
}

void seed_unknown_keys(const struct seed *s)
{
	static const char *const known[] = { "hostname",
					     "fqdn",
					     "users",
					     "user",
					     "groups",
					     "ssh_authorized_keys",
					     "ssh_pwauth",
					     "ssh_deletekeys",
					     "ssh_keys",
					     "ssh_genkeytypes",
					     "write_files",
					     "bootcmd",
					     "runcmd",
					     "fs_setup",
					     "mounts",
					     "final_message",
					     "growpart",
					     "resize_rootfs",
					     "manage_etc_hosts",
					     "preserve_hostname",
					     "prefer_fqdn_over_hostname",
					     "disable_root",
					     "package_update",
					     "package_upgrade",
					     "package_reboot_if_required",
					     "ssh_quiet_keygen",
					     "no_ssh_fingerprints",
					     "output",
					     "merge_how",
					     "merge_type",
					     NULL };

	if (y_len(y_get(s->user, "packages")))
		say("packages: not supported by this guest, ignored");
	for (size_t i = 0; s->user && i < s->user->n; i++) {
		const char *k = y_str(s->user->key[i]);

		if (k && !among(known, k) && strcmp(k, "packages") && !starts(k, "x-"))
			say("user-data: %s: not known here, ignored", k);
	}
}
