/* SPDX-License-Identifier: Apache-2.0
 *
 * keys.h - SSH keys: one of the project, to enter its guests, and one host key
 * per guest, so that nobody else can pose as it.
 */
#ifndef ENGINE_KEYS_H
#define ENGINE_KEYS_H

#include <base/error.h>
#include <state/layout.h>

#include <stdbool.h>

#define KEYS_HOST_KEY     "ssh_host_ed25519_key"
#define KEYS_HOST_KEY_PUB "ssh_host_ed25519_key.pub"

/* The project's public key line ("ssh-ed25519 AAAA… holos-PROJECT"), made when
 * missing; the caller frees. */
int keys_project(const struct state *s, const char *project, char **ret_public,
		 struct holos_error **err);
/* Absolute path of the project's private key; the caller frees. */
char *keys_project_path(const struct state *s, const char *project);
/* Make a guest's host key in its directory unless it is there; its public line
 * ("ssh-ed25519 AAAA…"); the caller frees.  durable: synced, else the caller does
 * that. */
int keys_host(int dirfd, bool durable, char **ret_public, struct holos_error **err);

#endif
