/* SPDX-License-Identifier: Apache-2.0
 *
 * exec.c - commands for plugins (holos.guest/1) over connections that are kept.
 *
 * A kept connection may be dead without a sign: the guest was rebooted or
 * hangs.  So a call on one first opens its channel, which needs an answer; when
 * that fails a new connection is made, and once the command itself was asked
 * for it is never asked for again.
 */
#include "conn.h"

#include <base/alloc.h>
#include <base/clock.h>

#include <stdlib.h>
#include <string.h>

#define KEPT_MAX 8

struct kept {
	struct ssh_conn *conn;
	char *id; /* all that the connection depends on */
	uint64_t used_ns;
};

static struct kept kept[KEPT_MAX];

static const char *or_empty(const char *s)
{
	return s != NULL ? s : "";
}

static char *kept_id(const struct holos_guest *g)
{
	return xasprintf("%s\n%u\n%s\n%s\n%s", or_empty(g->ssh_host), g->ssh_port,
			 or_empty(g->ssh_user), or_empty(g->ssh_key), or_empty(g->ssh_known_hosts));
}

static void kept_drop(struct kept *k)
{
	conn_close(k->conn);
	free(k->id);
	*k = (struct kept){ .conn = NULL };
}

/* The slot of this id, else a free one, else the one unused for longest. */
static struct kept *kept_find(const char *id)
{
	struct kept *best = &kept[0];
	size_t i;

	for (i = 0; i < KEPT_MAX; i++) {
		if (kept[i].id != NULL && strcmp(kept[i].id, id) == 0)
			return &kept[i];
		if (kept[i].used_ns < best->used_ns)
			best = &kept[i];
	}
	kept_drop(best);
	best->id = xstrdup(id);
	return best;
}

/* A channel of a live connection: the kept one's, or a new one's. */
static holos_status kept_channel(struct kept *k, const struct holos_guest *guest,
				 const struct guest_limits *limits, ssh_channel *ret,
				 struct holos_error **err)
{
	holos_status st;

	if (k->conn != NULL) {
		conn_process(k->conn);
		if (conn_alive(k->conn)) {
			st = conn_channel_open(k->conn, limits, ret, err);
			if (st != HOLOS_E_UNREACHED || clock_now_ns() >= limits->deadline_ns)
				return st;
			error_destroy(err != NULL ? *err : NULL);
			if (err != NULL)
				*err = NULL;
		}
		conn_close(k->conn);
		k->conn = NULL;
	}
	st = conn_open(guest, -1, limits, &k->conn, err);
	if (st != HOLOS_OK)
		return st;
	return conn_channel_open(k->conn, limits, ret, err);
}

static holos_status exec_on(struct kept *k, const struct holos_guest *guest,
			    const struct holos_exec *exec, const struct guest_limits *limits,
			    struct holos_exec_result *res, struct holos_error **err)
{
	struct ssh_run run = { .argv = exec->argv,
			       .env = exec->env,
			       .in_fd = -1,
			       .out_fd = -1,
			       .err_fd = -1,
			       .event_fd = -1 };
	struct conn_tail out = { .buf = res->out, .cap = res->out != NULL ? res->out_cap : 0 };
	struct conn_tail errout = { .buf = res->errout,
				    .cap = res->errout != NULL ? res->errout_cap : 0 };
	struct ssh_run_result r = { 0 };
	ssh_channel ch = NULL;
	holos_status st;

	st = kept_channel(k, guest, limits, &ch, err);
	if (st == HOLOS_OK && exec->argv != NULL) {
		st = conn_run(k->conn, ch, &run, limits, &out, &errout, &r, err);
	}
	if (k->conn != NULL)
		conn_channel_free(k->conn, ch);
	if (st == HOLOS_OK)
		res->status = r.signo != 0 ? -1 : r.status;
	return st;
}

holos_status exec_guest(const struct holos_guest *guest, const struct holos_exec *exec,
			uint64_t deadline_ns, int cancel_fd, struct holos_exec_result *res,
			struct holos_error **err)
{
	const struct guest_limits limits = { deadline_ns, cancel_fd };
	_cleanup_(freep) char *id = kept_id(guest);
	struct kept *k = kept_find(id);
	holos_status st;

	if (res->out != NULL && res->out_cap > 0)
		res->out[0] = '\0';
	if (res->errout != NULL && res->errout_cap > 0)
		res->errout[0] = '\0';
	st = exec_on(k, guest, exec, &limits, res, err);
	if (st == HOLOS_OK)
		k->used_ns = clock_now_ns();
	else
		kept_drop(k); /* whatever state it is in, the next call starts clean */
	return st;
}

void exec_forget(void)
{
	size_t i;

	for (i = 0; i < KEPT_MAX; i++)
		kept_drop(&kept[i]);
}
