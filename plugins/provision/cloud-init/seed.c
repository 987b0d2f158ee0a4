/* SPDX-License-Identifier: Apache-2.0
 *
 * seed.c - the provision plugin "cloud-init": the steps of one VM (see
 * docs/steps.md) become a NoCloud seed.
 *
 * On the medium: user-data, meta-data and network-config for cloud-init, and
 * holos/ with a script and its data, which a bootcmd entry runs at every boot.
 * cloud-init does what is done once for a root disk, the script what may
 * change between two starts of the same root disk.
 */
#include "parts.h"

#include <holos/provision.h>
#include <holos/util.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define KEY_MAX      16384
#define USERDATA_MAX (16u << 20)
#define PART_MAX     (4u << 20)

static const struct holos_host *host;
static const struct holos_provision_api *api;

/* The text of the secret, appended to key; nothing when there is none. */
static holos_status read_key(const holos_call *call, struct ci_buf *key, holos_error *err)
{
	int fd = api != NULL ? api->secret(call, "ssh_host_ed25519_key") : -1;
	char chunk[4096];
	ssize_t n = 0;
	holos_status status = HOLOS_OK;

	if (fd < 0)
		return HOLOS_OK;
	do {
		n = pread(fd, chunk, sizeof(chunk), (off_t)key->len);
		if (n > 0)
			ci_buf_add(key, chunk, (size_t)n);
	} while ((n > 0 && key->status == HOLOS_OK) || (n < 0 && errno == EINTR));
	explicit_bzero(chunk, sizeof(chunk));
	if (n < 0)
		status = host->fail(err, HOLOS_E_IO, errno, "cannot read the SSH host key");
	else if (key->status != HOLOS_OK)
		status = host->fail(err, key->status, 0, "the SSH host key is longer than 16 KiB");
	else if (key->len == 0 || strlen(key->s) != key->len)
		status = host->fail(err, HOLOS_E_CONFIG, 0, "the SSH host key is no PEM text");
	return status;
}

static holos_status get_key(struct ci_steps *s, const holos_call *call, struct ci_buf *key)
{
	if (ci_steps_str(s, NULL, "/ssh_host_key/public") == NULL)
		return HOLOS_OK;
	s->status = read_key(call, key, s->err);
	if (s->status == HOLOS_OK && key->len == 0)
		s->status = host->fail(s->err, HOLOS_E_INTERNAL, 0,
				       "the steps have an ssh_host_key, but its private half "
				       "did not come as a secret");
	return s->status;
}

/* What went wrong in any of the parts, reported. */
static holos_status check(struct ci_steps *s, const struct ci_buf *parts, size_t n)
{
	if (s->status != HOLOS_OK)
		return s->status;
	for (size_t i = 0; i < n; i++) {
		if (parts[i].status == HOLOS_E_CONFIG)
			return holos_failf(host, s->err, HOLOS_E_CONFIG, 0,
					   "a file of the seed is longer than %zu bytes: keep "
					   "large files on a volume or a bind mount",
					   parts[i].max);
		if (parts[i].status != HOLOS_OK)
			return host->fail(s->err, parts[i].status, 0, "cannot build the seed");
	}
	return HOLOS_OK;
}

enum part {
	USERDATA,
	METADATA,
	NETWORK,
	FACTS,
	HOSTS,
	MOUNTS,
	ENVIRONMENT,
	PROFILE,
	RUNCMD,
	N_PARTS
};

static holos_status write_seed(const struct ci_buf parts[N_PARTS], int fd, holos_error *err)
{
	const struct {
		const char *path;
		enum part part;
	} from[] = {
		{ "user-data", USERDATA },
		{ "meta-data", METADATA },
		{ "network-config", NETWORK },
		{ "holos/facts", FACTS },
		{ "holos/hosts", HOSTS },
		{ "holos/mounts", MOUNTS },
		{ "holos/environment", ENVIRONMENT },
		{ "holos/profile.sh", PROFILE },
		{ "holos/runcmd", RUNCMD },
	};
	struct ci_file files[4 + N_PARTS] = {
		{ "holos/", NULL, 0, 0700 },
		{ "holos/boot.sh", (const char *)ci_boot_sh, ci_boot_sh_len, 0600 },
		{ "holos/say.sh", (const char *)ci_say_sh, ci_say_sh_len, 0600 },
		{ "holos/first.sh", (const char *)ci_first_sh, ci_first_sh_len, 0600 },
	};
	size_t n = 4;

	for (size_t i = 0; i < N_PARTS; i++) {
		const struct ci_buf *b = &parts[from[i].part];

		if (from[i].part == NETWORK && b->len == 0)
			continue;
		files[n++] = (struct ci_file){ from[i].path, b->s, b->len, 0600 };
	}
	return ci_iso_write(host, fd, files, n, err);
}

static holos_status seed(void *inst, const holos_cfg *steps, int fd, holos_call *call,
			 holos_error *err)
{
	struct ci_steps s = { host, steps, err, HOLOS_OK };
	struct ci_buf key = CI_BUF_INIT(KEY_MAX);
	struct ci_buf parts[N_PARTS];
	holos_status status;
	/* Hosts before this function have a shorter table. */
	int context = api != NULL && HOLOS_HAS(api, struct holos_provision_api, medium)
			      ? api->medium(call, "context")
			      : -1;

	(void)inst;
	for (size_t i = 0; i < N_PARTS; i++)
		parts[i] = (struct ci_buf)CI_BUF_INIT(i == USERDATA || i == RUNCMD ? USERDATA_MAX
										   : PART_MAX);
	if (ci_steps_int(&s, 0, "/format") != 1)
		ci_steps_bad(&s, NULL, "this plugin reads format 1", "/format");
	if (s.status == HOLOS_OK && get_key(&s, call, &key) == HOLOS_OK) {
		ci_userdata(&s, key.s, &parts[USERDATA]);
		ci_metadata(&s, &parts[METADATA]);
		ci_network(&s, &parts[NETWORK]);
		ci_facts(&s, &parts[FACTS]);
		ci_hosts(&s, &parts[HOSTS]);
		ci_mounts(&s, &parts[MOUNTS]);
		ci_environment(&s, &parts[ENVIRONMENT]);
		ci_profile(&s, &parts[PROFILE]);
		ci_runcmd(&s, &parts[RUNCMD]);
	}
	if (s.status == HOLOS_OK && context >= 0)
		ci_medium(&s, call, context);
	status = check(&s, parts, N_PARTS);
	if (status == HOLOS_OK)
		status = write_seed(parts, fd, err);
	for (size_t i = 0; i < N_PARTS; i++)
		ci_buf_finish(&parts[i]);
	ci_buf_finish(&key);
	return status;
}

static holos_status init(const struct holos_host *h, holos_self *self, void **state,
			 holos_error *err)
{
	(void)state;
	(void)err;
	host = h;
	api = h->query(self, HOLOS_PROVISION_API_ID);
	return HOLOS_OK;
}

static const struct holos_provision_ops ops = {
	.head = { .size = sizeof(ops) },
	.seed = seed,
};

static const struct holos_iface iface = {
	.size = sizeof(iface),
	.id = HOLOS_PROVISION_ID,
	.name = "cloud-init",
	.ops = &ops.head,
	.summary = "seed medium for cloud-init (NoCloud)",
};

static const struct holos_iface *const ifaces[] = { &iface, NULL };

static const struct holos_plugin plugin = {
	HOLOS_PLUGIN_HEAD,        .name = "provision-cloud-init",
	.version = HOLOS_VERSION, .license = "Apache-2.0",
	.ifaces = ifaces,         .init = init,
};

HOLOS_PLUGIN(holos_provision_cloud_init, plugin);
