/* SPDX-License-Identifier: Apache-2.0
 *
 * server.h - servers for the tests of core/guest, on ports of their own on
 * 127.0.0.1, in processes of their own, with their files in a new directory.
 */
#ifndef TEST_SERVER_H
#define TEST_SERVER_H

#include <guest/guest.h>

#include <sys/types.h>

enum server_kind {
	SERVER_DROPBEAR, /* a real sshd, one process a connection */
	SERVER_OPENSSH,  /* the other one, where it is installed */
	SERVER_CLOSE,    /* accepts and closes at once */
	SERVER_SILENT,   /* accepts and says nothing */
	SERVER_GARBAGE,  /* speaks, but not SSH */
	SERVER_LATE,     /* closes the first 3 connections, then dropbear */
	SERVER_BUSY,     /* refuses the second connection, then answers the first */
	SERVER_DEAF,     /* the first connection is never answered, then dropbear */
};

struct server {
	enum server_kind kind;
	char dir[64]; /* home of the user, keys */
	char user[64];
	char *key, *known_hosts;
	pid_t pid; /* of the acceptor, the parent of every sshd */
	int fd;    /* listening */
	struct holos_guest guest;
};

/* "" or why this kind cannot run on this machine. */
const char *server_missing(enum server_kind kind);
void server_start(struct server *s, enum server_kind kind);
void server_stop(struct server *s); /* and remove its files */
/* Kill every process of it; server_revive() lets it answer again. */
void server_kill(struct server *s);
void server_revive(struct server *s);
/* Processes of sshd alive now: one for each open connection. */
unsigned server_connections(const struct server *s);
/* Write text into a file of its directory; the caller frees the path. */
char *server_file(const struct server *s, const char *name, const char *text);

const struct holos_ssh_module *module(void);
/* CLOCK_MONOTONIC in ms from now. */
uint64_t in_ms(unsigned ms);

#endif
