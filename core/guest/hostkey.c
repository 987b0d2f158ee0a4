/* SPDX-License-Identifier: Apache-2.0
 *
 * hostkey.c - see hostkey.h.
 *
 * libssh's own known_hosts check is not used: it looks keys up by host and
 * port, reads the user's and the system's files as well, and a forwarded port
 * may be another one after each start.
 */
#include "hostkey.h"

#include <base/alloc.h>
#include <base/fs.h>
#include <base/strbuf.h>

#include <string.h>

#define HOSTKEYS_FILE_MAX 65536

/* libssh 0.10's names, in its order of preference. */
static const struct {
	enum ssh_keytypes_e type;
	const char *algorithms;
} hostkey_types[] = {
	{ SSH_KEYTYPE_ED25519, "ssh-ed25519" },
	{ SSH_KEYTYPE_ECDSA_P521, "ecdsa-sha2-nistp521" },
	{ SSH_KEYTYPE_ECDSA_P384, "ecdsa-sha2-nistp384" },
	{ SSH_KEYTYPE_ECDSA_P256, "ecdsa-sha2-nistp256" },
	{ SSH_KEYTYPE_RSA, "rsa-sha2-512,rsa-sha2-256" },
};
#define HOSTKEY_TYPES (sizeof(hostkey_types) / sizeof(hostkey_types[0]))

/* The key on one line (which is changed), or NULL. */
static ssh_key hostkey_parse(char *line)
{
	char *save = NULL;
	char *word;
	ssh_key key = NULL;

	/* '@': a certificate authority or a revoked key. */
	if (line[0] == '#' || line[0] == '@')
		return NULL;
	for (word = strtok_r(line, " \t\r", &save); word != NULL;
	     word = strtok_r(NULL, " \t\r", &save)) {
		enum ssh_keytypes_e type = ssh_key_type_from_name(word);

		if (type == SSH_KEYTYPE_UNKNOWN)
			continue;
		word = strtok_r(NULL, " \t\r", &save);
		if (word == NULL || ssh_pki_import_pubkey_base64(word, type, &key) != SSH_OK)
			return NULL;
		return key;
	}
	return NULL;
}

int hostkeys_read(const char *path, struct hostkeys *ret, struct holos_error **err)
{
	_cleanup_(strbuf_finish) struct strbuf text = STRBUF_INIT;
	struct hostkeys h = { .n = 0 };
	char *save = NULL;
	char *line;
	int rc;

	rc = fs_read(AT_FDCWD, path, HOSTKEYS_FILE_MAX, &text, err);
	if (rc < 0)
		return rc;
	for (line = text.len > 0 ? strtok_r(text.s, "\n", &save) : NULL;
	     line != NULL && h.n < HOSTKEYS_MAX; line = strtok_r(NULL, "\n", &save)) {
		ssh_key key = hostkey_parse(line);

		if (key != NULL)
			h.keys[h.n++] = key;
	}
	if (h.n == 0)
		return error_set(err, ERR_FAILED, "%s holds no SSH host key", path);
	*ret = h;
	return 0;
}

void hostkeys_finish(struct hostkeys *h)
{
	while (h->n > 0)
		ssh_key_free(h->keys[--h->n]);
}

bool hostkeys_has(const struct hostkeys *h, const ssh_key key)
{
	unsigned i;

	for (i = 0; i < h->n; i++) {
		if (ssh_key_cmp(h->keys[i], key, SSH_KEY_CMP_PUBLIC) == 0)
			return true;
	}
	return false;
}

static bool hostkeys_has_type(const struct hostkeys *h, enum ssh_keytypes_e type)
{
	unsigned i;

	for (i = 0; i < h->n; i++) {
		if (ssh_key_type(h->keys[i]) == type)
			return true;
	}
	return false;
}

char *hostkeys_algorithms(const struct hostkeys *h)
{
	struct strbuf b = STRBUF_INIT;
	int wanted;
	size_t i;

	for (wanted = 1; wanted >= 0; wanted--) {
		for (i = 0; i < HOSTKEY_TYPES; i++) {
			if (hostkeys_has_type(h, hostkey_types[i].type) != (wanted == 1))
				continue;
			if (b.len > 0)
				strbuf_addc(&b, ',');
			strbuf_adds(&b, hostkey_types[i].algorithms);
		}
	}
	return strbuf_steal(&b);
}

char *hostkey_fingerprint(const ssh_key key)
{
	unsigned char *hash = NULL;
	size_t len = 0;
	char *text = NULL;
	char *copy;

	if (ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash, &len) < 0)
		return xstrdup("unknown");
	text = ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, len);
	copy = xstrdup(text != NULL ? text : "unknown");
	ssh_string_free_char(text);
	ssh_clean_pubkey_hash(&hash);
	return copy;
}
