/* SPDX-License-Identifier: Apache-2.0
 *
 * hostkey.h - the host keys a guest may show.  Part of module holos-ssh.
 */
#ifndef GUEST_HOSTKEY_H
#define GUEST_HOSTKEY_H

#include <base/error.h>

#include <libssh/libssh.h>
#include <stdbool.h>

#define HOSTKEYS_MAX 8

struct hostkeys {
	ssh_key keys[HOSTKEYS_MAX];
	unsigned n;
};

/* Read public keys, "TYPE BASE64" with anything before or behind it on the
 * line: a known_hosts file or a .pub file.  Host patterns do not matter, as the
 * file belongs to one VM, whose port may change.  No key is an error. */
int hostkeys_read(const char *path, struct hostkeys *ret, struct holos_error **err);
void hostkeys_finish(struct hostkeys *h); /* free; usable as _cleanup_ */
bool hostkeys_has(const struct hostkeys *h, const ssh_key key);
/* Host key algorithms to ask the server for: those of the keys first, so that a
 * server with several keys shows the expected one, then all others, so that a
 * server without it shows what it has.  The caller frees. */
char *hostkeys_algorithms(const struct hostkeys *h);
/* "SHA256:..." of a key; the caller frees. */
char *hostkey_fingerprint(const ssh_key key);

#endif
