/* SPDX-License-Identifier: Apache-2.0
 *
 * module.c - what holos-ssh.so exports; see ssh_module.h.
 */
#include "conn.h"

#include <base/alloc.h>
#include <base/clock.h>
#include <base/strbuf.h>

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

/* Before libssh uses libcrypto for the first time: no openssl.cnf, neither the
 * system's nor one that OPENSSL_CONF names. */
static __attribute__((constructor)) void module_init(void)
{
	(void)OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL); /* later calls tell */
}

static holos_status module_open(const struct holos_guest *guest, int fd, uint64_t deadline_ns,
				int cancel_fd, struct ssh_conn **ret, struct holos_error **err)
{
	const struct guest_limits limits = { deadline_ns, cancel_fd };

	return conn_open(guest, fd, &limits, ret, err);
}

static holos_status module_run(struct ssh_conn *conn, const struct ssh_run *run,
			       struct ssh_run_result *ret, struct holos_error **err)
{
	const struct guest_limits start = { clock_now_ns() + CONN_START_NS, -1 };
	const struct guest_limits limits = { UINT64_MAX, -1 };
	ssh_channel ch = NULL;
	holos_status st = conn_channel_open(conn, &start, &ch, err);

	if (st != HOLOS_OK)
		return st;
	st = conn_run(conn, ch, run, &limits, NULL, NULL, ret, err);
	conn_channel_free(conn, ch);
	return st;
}

/* libssh writes the base64 as one line; everybody else's have 70 columns. */
static char *pem_wrap(const char *pem)
{
	struct strbuf b = STRBUF_INIT;
	size_t column = 0;

	for (; *pem != '\0'; pem++) {
		if (*pem == '\n') {
			column = 0;
		} else if (column == 70) {
			strbuf_addc(&b, '\n');
			column = 1;
		} else {
			column++;
		}
		strbuf_addc(&b, *pem);
	}
	while (b.len > 1 && b.s[b.len - 1] == '\n' && b.s[b.len - 2] == '\n')
		b.s[--b.len] = '\0';
	return strbuf_steal(&b);
}

static int module_keygen(struct ssh_keypair *ret, struct holos_error **err)
{
	ssh_key key = NULL;
	char *private_text = NULL;
	char *public_text = NULL;
	int rc = 0;

	if (ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &key) != SSH_OK ||
	    ssh_pki_export_privkey_base64(key, NULL, NULL, NULL, &private_text) != SSH_OK ||
	    ssh_pki_export_pubkey_base64(key, &public_text) != SSH_OK) {
		rc = error_set(err, ERR_HOST, "libssh %s made no ed25519 key", ssh_version(0));
	} else {
		ret->private_text = pem_wrap(private_text);
		ret->public_line = xasprintf("ssh-ed25519 %s", public_text);
	}
	if (private_text != NULL)
		explicit_bzero(private_text, strlen(private_text));
	ssh_string_free_char(private_text);
	ssh_string_free_char(public_text);
	ssh_key_free(key);
	return rc;
}

__attribute__((visibility("default"))) const struct holos_ssh_module holos_ssh_module = {
	.size = sizeof(struct holos_ssh_module),
	.version = HOLOS_VERSION,
	.guest_exec = exec_guest,
	.guest_forget = exec_forget,
	.conn_open = module_open,
	.conn_close = conn_close,
	.conn_run = module_run,
	.keygen = module_keygen,
};
