/* SPDX-License-Identifier: Apache-2.0
 *
 * conn.c - see conn.h: connect, verify the host key, log in.
 *
 * libssh runs in its non-blocking mode on a descriptor of ours: every wait is
 * our poll, with the caller's deadline and cancel descriptor.
 */
#include "conn.h"
#include "hostkey.h"

#include <base/alloc.h>
#include <base/clock.h>
#include <base/fs.h>

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#define KEY_FILE_MAX 16384
/* Packets to process in one go before looking at local descriptors again. */
#define PROCESS_MAX 64

static void ssh_key_freep(ssh_key *key)
{
	ssh_key_free(*key);
}

/* libssh's last error, copied: its buffer changes with the next call. */
static char *conn_error(struct ssh_conn *c)
{
	const char *text = ssh_get_error(c->session);

	return xstrdup(text != NULL && text[0] != '\0' ? text : "connection lost");
}

bool conn_alive(struct ssh_conn *c)
{
	return ssh_is_connected(c->session) != 0 &&
	       (ssh_get_status(c->session) & (SSH_CLOSED | SSH_CLOSED_ERROR)) == 0;
}

void conn_process(struct ssh_conn *c)
{
	unsigned i;

	for (i = 0; i < PROCESS_MAX && conn_alive(c); i++) {
		/* SSH_AGAIN: nothing there; SSH_ERROR: it is not alive any more. */
		if (ssh_event_dopoll(c->event, 0) < 0)
			break;
	}
}

holos_status conn_wait(struct ssh_conn *c, const struct guest_limits *limits)
{
	int flags = ssh_get_poll_flags(c->session);
	struct pollfd p[2] = {
		{ .fd = ssh_get_fd(c->session), .events = POLLIN },
		{ .fd = limits->cancel_fd, .events = POLLIN },
	};
	int rc;

	if ((flags & SSH_WRITE_PENDING) != 0)
		p[0].events |= POLLOUT;
	rc = poll(p, 2, clock_poll_timeout(limits->deadline_ns));
	if (rc > 0 && p[1].revents != 0)
		return HOLOS_E_CANCELLED;
	/* EINTR and an early wake-up look like "process again"; a server that never
	 * stops talking does not get more time for it. */
	return clock_now_ns() >= limits->deadline_ns ? HOLOS_E_TIMEOUT : HOLOS_OK;
}

holos_status conn_steps(struct ssh_conn *c, const struct guest_limits *limits, conn_step_fn *step,
			void *data)
{
	for (;;) {
		int rc = step(c, data);
		holos_status st;

		if (rc == SSH_OK)
			return HOLOS_OK;
		if (rc != SSH_AGAIN || ssh_get_fd(c->session) < 0)
			return HOLOS_E_UNREACHED;
		st = conn_wait(c, limits);
		if (st != HOLOS_OK)
			return st;
	}
}

static int step_connect(struct ssh_conn *c, void *data)
{
	(void)data;
	return ssh_connect(c->session);
}

struct auth {
	const char *user;
	ssh_key key;
	bool denied;
};

static int step_auth(struct ssh_conn *c, void *data)
{
	struct auth *a = data;
	int rc = ssh_userauth_publickey(c->session, NULL, a->key);

	a->denied = rc == SSH_AUTH_DENIED || rc == SSH_AUTH_PARTIAL;
	if (rc == SSH_AUTH_AGAIN)
		return SSH_AGAIN;
	return rc == SSH_AUTH_SUCCESS ? SSH_OK : SSH_ERROR;
}

static int step_channel(struct ssh_conn *c, void *data)
{
	(void)c;
	return ssh_channel_open_session(data);
}

static holos_status read_key(const char *path, ssh_key *ret, struct holos_error **err)
{
	_cleanup_(strbuf_finish) struct strbuf text = STRBUF_INIT;
	int rc;

	if (fs_read(AT_FDCWD, path, KEY_FILE_MAX, &text, err) < 0)
		return HOLOS_E_CONFIG;
	rc = text.len > 0 ? ssh_pki_import_privkey_base64(text.s, NULL, NULL, NULL, ret)
			  : SSH_ERROR;
	explicit_bzero(text.s, text.cap);
	if (rc != SSH_OK)
		return guest_fail(err, HOLOS_E_CONFIG, 0,
				  "%s is not an SSH private key without a passphrase", path);
	return HOLOS_OK;
}

/* A libssh session on fd, which it owns from now on, with nothing of the
 * user's configuration: no ssh_config, no known_hosts, no home. */
static ssh_session conn_session(const struct holos_guest *guest, int fd,
				const struct hostkeys *expected)
{
	_cleanup_(freep) char *algorithms = hostkeys_algorithms(expected);
	ssh_session s = ssh_new();
	bool no = false;
	bool ok;

	if (s == NULL)
		return NULL;
	ok = ssh_options_set(s, SSH_OPTIONS_PROCESS_CONFIG, &no) == 0 &&
	     ssh_options_set(s, SSH_OPTIONS_SSH_DIR, "/dev/null") == 0 &&
	     ssh_options_set(s, SSH_OPTIONS_KNOWNHOSTS, "/dev/null") == 0 &&
	     ssh_options_set(s, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null") == 0 &&
	     ssh_options_set(s, SSH_OPTIONS_HOST, guest->ssh_host) == 0 &&
	     ssh_options_set(s, SSH_OPTIONS_USER, guest->ssh_user) == 0 &&
	     ssh_options_set(s, SSH_OPTIONS_HOSTKEYS, algorithms) == 0 &&
	     ssh_options_set(s, SSH_OPTIONS_FD, &fd) == 0;
	if (!ok) {
		ssh_free(s);
		return NULL;
	}
	ssh_set_blocking(s, 0);
	return s;
}

static holos_status conn_verify(struct ssh_conn *c, const struct holos_guest *guest,
				const struct hostkeys *expected, struct holos_error **err)
{
	_cleanup_(ssh_key_freep) ssh_key key = NULL;
	_cleanup_(freep) char *got = NULL;
	_cleanup_(freep) char *want = NULL;

	if (ssh_get_server_publickey(c->session, &key) != SSH_OK)
		return guest_fail(err, HOLOS_E_DENIED, 0, "%s shows no host key", c->name);
	if (hostkeys_has(expected, key))
		return HOLOS_OK;
	got = hostkey_fingerprint(key);
	want = hostkey_fingerprint(expected->keys[0]);
	guest_fail(err, HOLOS_E_DENIED, 0,
		   "the host key of %s is %s, but %s expects %s: not connecting", c->name, got,
		   guest->ssh_known_hosts, want);
	error_hint(err, "something else may answer on that port; if the guest was given a new "
			"host key, replace the line in that file by what ssh-keyscan prints for "
			"the port");
	return HOLOS_E_DENIED;
}

static holos_status conn_login(struct ssh_conn *c, const struct holos_guest *guest, ssh_key key,
			       const struct guest_limits *limits, struct holos_error **err)
{
	struct auth a = { .key = key };
	holos_status st = conn_steps(c, limits, step_auth, &a);
	_cleanup_(freep) char *text = NULL;

	if (st == HOLOS_OK || st == HOLOS_E_CANCELLED || st == HOLOS_E_TIMEOUT)
		return st;
	if (a.denied) {
		guest_fail(err, HOLOS_E_DENIED, 0, "%s refuses to log in user %s with key %s",
			   c->name, guest->ssh_user, guest->ssh_key);
		error_hint(err, "is the user right (-u USER), and was the guest set up with this "
				"project's key?");
		return HOLOS_E_DENIED;
	}
	text = conn_error(c);
	return guest_fail(err, HOLOS_E_UNREACHED, 0, "%s ended the connection during login: %s",
			  c->name, text);
}

/* From a TCP connection to a logged-in session. */
static holos_status conn_setup(struct ssh_conn *c, const struct holos_guest *guest,
			       const struct hostkeys *expected, ssh_key key,
			       const struct guest_limits *limits, struct holos_error **err)
{
	holos_status st = conn_steps(c, limits, step_connect, NULL);

	if (st == HOLOS_E_UNREACHED) {
		_cleanup_(freep) char *text = conn_error(c);

		return guest_fail(err, st, 0, "no SSH connection to %s: %s", c->name, text);
	}
	if (st == HOLOS_OK)
		st = conn_verify(c, guest, expected, err);
	if (st == HOLOS_OK)
		st = conn_login(c, guest, key, limits, err);
	if (st == HOLOS_E_CANCELLED)
		return guest_fail(err, st, 0, "connecting to %s was interrupted", c->name);
	if (st == HOLOS_E_TIMEOUT)
		return guest_fail(err, HOLOS_E_UNREACHED, 0,
				  "the SSH server of %s did not finish the login in time", c->name);
	if (st != HOLOS_OK)
		return st;
	c->event = ssh_event_new();
	if (c->event == NULL || ssh_event_add_session(c->event, c->session) != SSH_OK)
		return guest_fail(err, HOLOS_E_INTERNAL, 0, "libssh made no event for %s", c->name);
	return HOLOS_OK;
}

holos_status conn_open(const struct holos_guest *guest, int given_fd,
		       const struct guest_limits *limits, struct ssh_conn **ret,
		       struct holos_error **err)
{
	_cleanup_(closep) int fd = given_fd;
	_cleanup_(hostkeys_finish) struct hostkeys expected = { .n = 0 };
	_cleanup_(ssh_key_freep) ssh_key key = NULL;
	struct ssh_conn *c;
	int sndbuf = 4 * CONN_WRITE_MAX;
	holos_status st;

	if (guest->ssh_user == NULL || guest->ssh_key == NULL || guest->ssh_known_hosts == NULL)
		return guest_fail(err, HOLOS_E_CONFIG, 0,
				  "cannot reach %s: no SSH user, key or host key file is known",
				  guest->vm != NULL ? guest->vm : "the guest");
	if (hostkeys_read(guest->ssh_known_hosts, &expected, err) < 0)
		return HOLOS_E_CONFIG;
	st = read_key(guest->ssh_key, &key, err);
	if (st == HOLOS_OK && fd < 0)
		st = guest_dial(guest, false, limits, &fd, err);
	if (st != HOLOS_OK)
		return st;
	/* See CONN_WRITE_MAX; the kernel's default would do as well. */
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf));

	c = xnew(struct ssh_conn);
	c->name = guest_name(guest);
	c->session = conn_session(guest, fd, &expected);
	if (c->session == NULL) {
		conn_close(c);
		return guest_fail(err, HOLOS_E_INTERNAL, 0, "libssh made no session");
	}
	steal_fd(&fd);
	st = conn_setup(c, guest, &expected, key, limits, err);
	if (st != HOLOS_OK) {
		conn_close(c);
		return st;
	}
	*ret = c;
	return HOLOS_OK;
}

void conn_close(struct ssh_conn *c)
{
	if (c == NULL)
		return;
	if (c->event != NULL) {
		(void)ssh_event_remove_session(c->event, c->session); /* gone when it broke */
		ssh_event_free(c->event);
	}
	if (c->session != NULL) {
		ssh_disconnect(c->session);
		ssh_free(c->session);
	}
	free(c->name);
	free(c);
}

holos_status conn_channel_open(struct ssh_conn *c, const struct guest_limits *limits,
			       ssh_channel *ret, struct holos_error **err)
{
	_cleanup_(freep) char *text = NULL;
	ssh_channel ch = ssh_channel_new(c->session);
	holos_status st;

	st = ch != NULL ? conn_steps(c, limits, step_channel, ch) : HOLOS_E_UNREACHED;
	if (st == HOLOS_OK) {
		*ret = ch;
		return st;
	}
	text = conn_error(c);
	conn_channel_free(c, ch);
	if (st == HOLOS_E_CANCELLED)
		return guest_fail(err, st, 0, "the call to %s was interrupted", c->name);
	return guest_fail(err, HOLOS_E_UNREACHED, 0, "%s opens no SSH session: %s", c->name,
			  st == HOLOS_E_TIMEOUT ? "no answer" : text);
}

void conn_channel_free(struct ssh_conn *c, ssh_channel ch)
{
	if (ch == NULL)
		return;
	ssh_channel_free(ch);
	if (conn_alive(c) && c->event != NULL)
		conn_process(c); /* the close goes out now, not with the next call */
}
