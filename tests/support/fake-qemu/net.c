/* SPDX-License-Identifier: Apache-2.0
 *
 * net.c - user-mode networking's host side: forwarded ports are really bound.
 * Guest port 22 says an SSH banner (or is a program of the test's), every other TCP port answers
 * one HTTP request with "fake NAME", a UDP port answers a datagram with the same.
 */
#include "fake.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct rule {
	struct sockaddr_in addr;
	int guest_port;
	bool udp;
};

/* "tcp:127.0.0.1:8080-[GUEST]:80"; the address may be empty. */
static bool parse_rule(const char *text, struct rule *r)
{
	char proto[8], host[64] = "", guest[64] = "";
	int host_port = 0;

	*r = (struct rule){ .addr.sin_family = AF_INET };
	if (sscanf(text, "%7[^:]:%63[^:]:%d-%63[^:]:%d", proto, host, &host_port, guest,
		   &r->guest_port) != 5) {
		*guest = '\0';
		if (sscanf(text, "%7[^:]:%63[^:]:%d-:%d", proto, host, &host_port,
			   &r->guest_port) != 4) {
			*host = '\0';
			if (sscanf(text, "%7[^:]::%d-:%d", proto, &host_port, &r->guest_port) != 3)
				return false;
		}
	}
	r->udp = !strcmp(proto, "udp");
	r->addr.sin_port = htons((uint16_t)host_port);
	return (r->udp || !strcmp(proto, "tcp")) && host_port > 0 && host_port < 65536 &&
	       (!*host || inet_pton(AF_INET, host, &r->addr.sin_addr) == 1);
}

static void hang_up(int fd)
{
	loop_remove(fd);
	close(fd);
}

static void drain(void *data, int fd, short revents)
{
	char buf[4096];
	ssize_t n = recv(fd, buf, sizeof(buf), 0);

	(void)data;
	(void)revents;
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		hang_up(fd);
}

static void answer_http(void *data, int fd, short revents)
{
	const struct fake *f = data;
	char buf[4096], body[300];
	ssize_t n = recv(fd, buf, sizeof(buf), 0);

	(void)revents;
	if (n > 0) {
		int len = snprintf(body, sizeof(body), "fake %s\n", f->name);

		len = snprintf(buf, sizeof(buf),
			       "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n"
			       "Content-Length: %d\r\n\r\n%s",
			       len, body);
		send(fd, buf, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	if (n >= 0 || (errno != EAGAIN && errno != EINTR))
		hang_up(fd);
}

/* A server of the test's own: our child, as the monitor ends orphans. */
static void run_server(const struct fake *f, int client)
{
	const char *program = f->behavior.ssh_run;
	int one = 1;
	sigset_t none;

	sigemptyset(&none);
	signal(SIGCHLD, SIG_IGN); /* nobody here would wait for it */
	if (fork() == 0) {
		signal(SIGCHLD, SIG_DFL);
		sigprocmask(SIG_SETMASK, &none, NULL);
		/* As a server of its own does it. */
		setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		fcntl(client, F_SETFL, 0);
		dup2(client, 0);
		dup2(client, 1);
		execl(program, program, f->name, (char *)NULL);
		_exit(127);
	}
	close(client);
}

static void accept_one(void *data, int fd, short revents)
{
	static const char banner[] = "SSH-2.0-fake\r\n";
	struct forward *w = data;
	bool ssh = w->guest_port == 22;
	enum reply reply = ssh ? w->f->behavior.ssh : w->f->behavior.ports;
	int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)revents;
	if (client < 0)
		return;
	if (ssh && w->f->behavior.ssh_run[0]) {
		run_server(w->f, client);
	} else if (reply == REPLY_CLOSE) {
		close(client);
	} else if (reply == REPLY_SILENT) {
		loop_add(client, POLLIN, drain, w->f);
	} else if (ssh) {
		send(client, banner, sizeof(banner) - 1, MSG_NOSIGNAL);
		loop_add(client, POLLIN, drain, w->f);
	} else {
		loop_add(client, POLLIN, answer_http, w->f);
	}
}

static void answer_udp(void *data, int fd, short revents)
{
	struct forward *w = data;
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	char buf[2048];
	ssize_t n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len);

	(void)revents;
	if (n >= 0 && w->f->behavior.ports == REPLY_ANSWER) {
		int size = snprintf(buf, sizeof(buf), "fake %s\n", w->f->name);

		sendto(fd, buf, (size_t)size, MSG_DONTWAIT, (struct sockaddr *)&from, len);
	}
}

bool net_add(struct fake *f, const char *text)
{
	struct forward *w;
	struct rule r;
	int one = 1, fd;

	if (f->n_forwards == FORWARDS_MAX || !parse_rule(text, &r))
		return false;
	if (f->behavior.refuse_port && ntohs(r.addr.sin_port) == f->behavior.refuse_port)
		return false;
	fd = socket(AF_INET, (r.udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* As libslirp: a port in TIME_WAIT is not taken. */
	if (fd < 0 || (!r.udp && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one))) ||
	    bind(fd, (struct sockaddr *)&r.addr, sizeof(r.addr)) || (!r.udp && listen(fd, 8))) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	w = malloc(sizeof(*w));
	if (!w)
		abort();
	*w = (struct forward){
		.f = f, .rule = strdup(text), .fd = fd, .guest_port = r.guest_port, .udp = r.udp
	};
	f->forwards[f->n_forwards++] = w;
	loop_add(fd, POLLIN, r.udp ? answer_udp : accept_one, w);
	return true;
}

/* HMP's hostfwd_remove names the host side alone. */
bool net_remove(struct fake *f, const char *text)
{
	for (unsigned i = 0; i < f->n_forwards; i++) {
		struct forward *w = f->forwards[i];

		if (!strncmp(w->rule, text, strlen(text)) && w->rule[strlen(text)] == '-') {
			hang_up(w->fd);
			free(w->rule);
			free(w);
			f->forwards[i] = f->forwards[--f->n_forwards];
			return true;
		}
	}
	return false;
}

int net_open_all(struct fake *f)
{
	for (unsigned i = 0; i < f->n_options; i++) {
		const struct option *o = &f->options[i];
		const char *pos = o->value;
		char *key, *value;

		if (strcmp(o->name, "netdev") || strncmp(o->value, "user,", 5))
			continue;
		while (opts_next(&pos, &key, &value)) {
			bool ok = !key || strcmp(key, "hostfwd") != 0 || net_add(f, value);

			if (!ok) {
				complain("-netdev %s: Could not set up host forwarding rule '%s'",
					 o->value, value);
			}
			free(key);
			free(value);
			if (!ok)
				return -1;
		}
	}
	return 0;
}
